// SPDX-License-Identifier: MIT
/*
 * Watches on the event loop.  See xs_store.h.
 *
 * libxenstore queues events that arrive while it waits for a reply, and
 * promises only that its descriptor was readable once.  So events are looked
 * for before every sleep of the loop, not only when the descriptor says so.
 *
 * A token is a number that is never used again: an event of a watch that is
 * gone finds no watch and is dropped, whatever order things happen in.
 */
#include "hypercall/xs_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A peer that writes faster than we read gets no more than this of a turn. */
#define EVENTS_PER_TURN 1024u
#define FOLD_BUCKETS    256u

struct xs_watch {
	struct xs_store *xs;
	uint64_t id;
	xs_watch_cb cb;
	void *arg;
	struct xs_watch *next; /* in its bucket */
	char path[];
};

/* Events of one turn, in order, each (watch, path) once. */
struct xs_event {
	uint64_t id;
	struct xs_event *next, *next_in_bucket;
	char path[];
};

struct turn {
	struct xs_event *first, **last;
	struct xs_event *buckets[FOLD_BUCKETS];
};

static struct xs_watch **bucket_of(struct xs_store *xs, uint64_t id)
{
	return &xs->watches[id % XS_WATCH_BUCKETS];
}

static struct xs_watch *watch_find(struct xs_store *xs, uint64_t id)
{
	struct xs_watch *w = *bucket_of(xs, id);

	while (w && w->id != id)
		w = w->next;
	return w;
}

static void token_print(char out[32], uint64_t id)
{
	snprintf(out, 32, "%" PRIx64, id);
}

static uint32_t fold_hash(uint64_t id, const char *path)
{
	uint32_t hash = 2166136261u ^ (uint32_t)id;

	for (; *path; path++)
		hash = (hash ^ (unsigned char)*path) * 16777619u;
	return hash % FOLD_BUCKETS;
}

static void turn_add(struct turn *turn, uint64_t id, const char *path)
{
	struct xs_event **bucket = &turn->buckets[fold_hash(id, path)];
	size_t size = strlen(path) + 1;
	struct xs_event *e;

	for (e = *bucket; e; e = e->next_in_bucket) {
		if (e->id == id && !strcmp(e->path, path))
			return;
	}
	e = malloc(sizeof(*e) + size);
	if (!e) {
		log_err("-", "out of memory: a xenstore event is lost");
		return;
	}
	e->id = id;
	e->next = NULL;
	memcpy(e->path, path, size);
	e->next_in_bucket = *bucket;
	*bucket = e;
	*turn->last = e;
	turn->last = &e->next;
}

static void store_lost(struct xs_store *xs)
{
	xs->lost = true;
	ev_io_stop(xs->loop, &xs->io);
	ev_idle_stop(xs->loop, &xs->more);
	log_err("-", "the connection to xenstore is lost");
	if (xs->on_lost)
		xs->on_lost(xs, xs->on_lost_arg);
}

/* Takes what is queued; false when more may be left. */
static bool turn_collect(struct xs_store *xs, struct turn *turn)
{
	for (unsigned int i = 0; i < EVENTS_PER_TURN; i++) {
		char **event = xs_check_watch(xs->h);
		uint64_t id;
		char *end;

		if (!event) {
			if (errno != EAGAIN)
				xs->lost = true;
			return true;
		}
		id = strtoull(event[XS_WATCH_TOKEN], &end, 16);
		if (!*end && watch_find(xs, id))
			turn_add(turn, id, event[XS_WATCH_PATH]);
		free(event);
	}
	return false;
}

static void watch_turn(struct xs_store *xs)
{
	struct turn turn = {.first = NULL};
	struct xs_event *e;
	struct xs_watch *w;
	bool done;

	if (xs->lost || xs->dispatching)
		return;
	turn.last = &turn.first;
	xs->dispatching = true;
	done = turn_collect(xs, &turn);
	while ((e = turn.first)) {
		turn.first = e->next;
		w = watch_find(xs, e->id);
		if (w)
			w->cb(w, e->path, w->arg);
		free(e);
	}
	xs->dispatching = false;
	if (xs->lost)
		store_lost(xs);
	else if (done)
		ev_idle_stop(xs->loop, &xs->more);
	else
		ev_idle_start(xs->loop, &xs->more);
}

static void watch_io(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	watch_turn(io->data);
}

static void watch_prepare(struct ev_loop *loop, ev_prepare *prepare,
			  int revents)
{
	(void)loop;
	(void)revents;
	watch_turn(prepare->data);
}

/* Keeps the loop from sleeping; the prepare watcher does the work. */
static void watch_more(struct ev_loop *loop, ev_idle *idle, int revents)
{
	(void)loop;
	(void)idle;
	(void)revents;
}

int xs_watch_start(struct xs_store *xs)
{
	int fd = xs_fileno(xs->h);

	if (fd < 0)
		return -EMFILE;
	ev_io_init(&xs->io, watch_io, fd, EV_READ);
	ev_prepare_init(&xs->prepare, watch_prepare);
	ev_idle_init(&xs->more, watch_more);
	xs->io.data = xs->prepare.data = xs;
	ev_io_start(xs->loop, &xs->io);
	ev_prepare_start(xs->loop, &xs->prepare);
	ev_unref(xs->loop); /* the io watcher alone keeps the loop */
	return 0;
}

void xs_watch_stop(struct xs_store *xs)
{
	assert(!xs->dispatching);
	for (unsigned int i = 0; i < XS_WATCH_BUCKETS; i++) {
		while (xs->watches[i])
			xs_watch_del(xs->watches[i]);
	}
	ev_io_stop(xs->loop, &xs->io);
	ev_idle_stop(xs->loop, &xs->more);
	ev_ref(xs->loop);
	ev_prepare_stop(xs->loop, &xs->prepare);
}

void xs_store_on_lost(struct xs_store *xs,
		      void (*cb)(struct xs_store *xs, void *arg), void *arg)
{
	xs->on_lost = cb;
	xs->on_lost_arg = arg;
}

int xs_watch_add(struct xs_store *xs, const char *path, xs_watch_cb cb,
		 void *arg, struct xs_watch **out)
{
	size_t size = strlen(path) + 1;
	struct xs_watch *w;
	char token[32];

	if (!xs->loop)
		return -EINVAL;
	w = calloc(1, sizeof(*w) + size);
	if (!w)
		return -ENOMEM;
	w->xs = xs;
	w->id = ++xs->next_id;
	w->cb = cb;
	w->arg = arg;
	memcpy(w->path, path, size);
	/* Before the request: its first event may be queued by the time the
	 * reply is read. */
	w->next = *bucket_of(xs, w->id);
	*bucket_of(xs, w->id) = w;
	*out = w;
	token_print(token, w->id);
	if (!xs_watch(xs->h, path, token)) {
		int err = -errno;

		*bucket_of(xs, w->id) = w->next;
		free(w);
		*out = NULL;
		return err;
	}
	return 0;
}

void xs_watch_del(struct xs_watch *w)
{
	struct xs_watch **link;
	char token[32];

	if (!w)
		return;
	for (link = bucket_of(w->xs, w->id); *link != w;)
		link = &(*link)->next;
	*link = w->next;
	token_print(token, w->id);
	if (!w->xs->lost)
		xs_unwatch(w->xs->h, w->path, token);
	free(w);
}
