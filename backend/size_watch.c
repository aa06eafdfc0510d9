// SPDX-License-Identifier: MIT
/* See size_watch.h. */
#include "backend/size_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUCKETS 256u
#define AGAIN_S 1.0

struct size_watch {
	struct size_watches *sizes;
	int fd, wd; /* wd -1: not set up at the moment */
	void (*cb)(void *arg);
	void *arg;
	ev_timer again;
	LIST_ENTRY(size_watch) link;
};
LIST_HEAD(watch_list, size_watch);

struct size_watches {
	struct ev_loop *loop;
	int inotify;
	ev_io io;
	/* by wd; disks of one file share a wd */
	struct watch_list bucket[BUCKETS];
};

static struct watch_list *bucket_of(struct size_watches *s, int wd)
{
	return &s->bucket[(unsigned int)wd % BUCKETS];
}

static int set_up(struct size_watch *w)
{
	char path[32];

	/* leads to the file itself, whatever its name has become */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", w->fd);
	w->wd = inotify_add_watch(w->sizes->inotify, path,
				  IN_MODIFY | IN_ONESHOT);
	if (w->wd < 0)
		return -errno;
	LIST_INSERT_HEAD(bucket_of(w->sizes, w->wd), w, link);
	return 0;
}

static void on_again(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct size_watch *w = t->data;

	(void)loop;
	(void)revents;
	/* set up first, then look: nothing falls between */
	if (!set_up(w))
		w->cb(w->arg);
}

static void fire(struct size_watches *s, int wd)
{
	struct size_watch *w = LIST_FIRST(bucket_of(s, wd)), *next;

	for (; w; w = next) {
		next = LIST_NEXT(w, link);
		if (w->wd != wd)
			continue;
		LIST_REMOVE(w, link);
		w->wd = -1;
		ev_timer_set(&w->again, AGAIN_S, 0.);
		ev_timer_start(s->loop, &w->again);
		w->cb(w->arg);
	}
}

static void on_inotify(struct ev_loop *loop, ev_io *io, int revents)
{
	struct size_watches *s = io->data;
	union {
		struct inotify_event event;
		char bytes[4096];
	} buf;
	ssize_t n = read(s->inotify, &buf, sizeof(buf));
	ssize_t at = 0;

	(void)loop;
	(void)revents;
	while (n > 0 && at + (ssize_t)sizeof(buf.event) <= n) {
		const struct inotify_event *e = (void *)(buf.bytes + at);

		if (e->mask & IN_MODIFY)
			fire(s, e->wd);
		at += (ssize_t)(sizeof(*e) + e->len);
	}
}

int size_watches_open(struct size_watches **out, struct ev_loop *loop)
{
	struct size_watches *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (s->inotify < 0) {
		err = -errno;
		free(s);
		return err;
	}
	ev_io_init(&s->io, on_inotify, s->inotify, EV_READ);
	s->io.data = s;
	ev_io_start(loop, &s->io);
	*out = s;
	return 0;
}

void size_watches_close(struct size_watches *s)
{
	if (!s)
		return;
	ev_io_stop(s->loop, &s->io);
	close(s->inotify);
	free(s);
}

int size_watch_add(struct size_watches *s, int fd, void (*cb)(void *arg),
		   void *arg, struct size_watch **out)
{
	struct size_watch *w;
	struct stat st;
	int err;

	*out = NULL;
	if (!s)
		return -ENODEV;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->sizes = s;
	w->fd = fd;
	w->cb = cb;
	w->arg = arg;
	ev_timer_init(&w->again, on_again, 0., 0.);
	w->again.data = w;
	err = set_up(w);
	if (err) {
		free(w);
		return err;
	}
	*out = w;
	return 0;
}

void size_watch_del(struct size_watch *w)
{
	struct size_watch *other;

	if (!w)
		return;
	ev_timer_stop(w->sizes->loop, &w->again);
	if (w->wd >= 0) {
		LIST_REMOVE(w, link);
		for (other = LIST_FIRST(bucket_of(w->sizes, w->wd)); other;
		     other = LIST_NEXT(other, link))
			if (other->wd == w->wd)
				break;
		if (!other)
			inotify_rm_watch(w->sizes->inotify, w->wd);
	}
	free(w);
}
