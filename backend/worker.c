// SPDX-License-Identifier: MIT
/*
 * A worker's control thread: obeys the supervisor, answers, reports.
 *
 * The data threads are in io_loop.c; this thread touches no ring.
 */
#include "backend/worker.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/blk_disk.h"
#include "backend/sandbox.h"
#include "backend/worker_proto.h"
#include "hypercall/log.h"

#define MAX_DISKS        1024u
#define MAX_STOP_WAITERS 4u

struct worker_disk {
	struct blk_disk *disk;
	struct worker_disk *next;
	uint32_t stop_seq[MAX_STOP_WAITERS]; /* to be answered when stopped */
	unsigned int nr_stop_seq;
	bool stopping;
	const char *violation; /* to be reported when stopped */
};

struct worker {
	struct ev_loop *ev;
	int sock;
	ev_io readable;
	ev_async wake;
	struct io_loop *loop[WORKER_MAX_LOOPS];
	unsigned int nr_loops, nr_disks;
	struct worker_disk *disks;
	const struct worker_options *opt;
};

static void wake_control(void *arg)
{
	struct worker *w = arg;

	ev_async_send(w->ev, &w->wake);
}

static void answer(struct worker *w, uint32_t device, uint32_t seq, int err,
		   const struct xs_err *why)
{
	struct worker_msg m = {
		.op = WORKER_ANSWER, .seq = seq, .device = device, .err = err};

	if (err && why)
		memcpy(m.text, why->text, sizeof(m.text));
	if (worker_send(w->sock, &m, NULL, 0))
		ev_break(w->ev, EVBREAK_ALL);
}

static struct worker_disk *find_disk(struct worker *w, uint32_t number)
{
	struct worker_disk *d;

	for (d = w->disks; d; d = d->next)
		if (blk_disk_number(d->disk) == number)
			return d;
	return NULL;
}

/* ---- stopping ---- */

static void finish_stop(struct worker *w, struct worker_disk *d)
{
	uint32_t number = blk_disk_number(d->disk);

	d->stopping = false;
	if (d->violation) {
		struct worker_msg m = {.op = WORKER_BLK_VIOLATION,
				       .device = number};

		strncpy(m.text, d->violation, sizeof(m.text) - 1);
		d->violation = NULL;
		if (worker_send(w->sock, &m, NULL, 0))
			ev_break(w->ev, EVBREAK_ALL);
	}
	while (d->nr_stop_seq)
		answer(w, number, d->stop_seq[--d->nr_stop_seq], 0, NULL);
}

static void look_after(struct worker *w, struct worker_disk *d)
{
	const char *violation = blk_disk_take_violation(d->disk);

	if (violation) {
		d->violation = violation;
		d->stopping = true;
		blk_disk_stop(d->disk, true);
	}
	if (d->stopping && blk_disk_try_finish(d->disk))
		finish_stop(w, d);
}

static void on_wake(struct ev_loop *ev, ev_async *a, int revents)
{
	struct worker *w = a->data;
	struct worker_disk *d;

	(void)ev;
	(void)revents;
	for (d = w->disks; d; d = d->next)
		look_after(w, d);
}

/* ---- questions ---- */

struct question {
	const struct worker_msg *msg;
	int *fds;
	unsigned int nr_fds;
	struct worker_disk *d; /* NULL for WORKER_BLK_ADD */
	struct xs_err err;
};

/* answered later */
#define LATER 1

static int do_add(struct worker *w, struct question *qu)
{
	struct blk_disk_host host = {w->loop, w->nr_loops, wake_control, w};
	struct worker_disk *d;
	int e;

	if (find_disk(w, qu->msg->device) || w->nr_disks == MAX_DISKS) {
		xs_err_set(&qu->err, "no place for another disk");
		return -ENOSPC;
	}
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	e = blk_disk_add(&d->disk, qu->msg->device, &qu->msg->add, qu->fds,
			 qu->nr_fds, &host, &qu->err);
	if (e) {
		free(d);
		return e;
	}
	qu->nr_fds = 0; /* the disk's now */
	d->next = w->disks;
	w->disks = d;
	w->nr_disks++;
	return 0;
}

static int do_connect(struct worker *w, struct question *qu)
{
	(void)w;
	if (qu->nr_fds != 1) {
		xs_err_set(&qu->err, "no journal");
		return -EPROTO;
	}
	return blk_disk_connect(qu->d->disk, &qu->msg->connect, qu->fds[0],
				&qu->err);
}

static int do_disconnect(struct worker *w, struct question *qu)
{
	struct worker_disk *d = qu->d;

	if (d->nr_stop_seq == MAX_STOP_WAITERS)
		return -EBUSY;
	d->stop_seq[d->nr_stop_seq++] = qu->msg->seq;
	d->stopping = true;
	blk_disk_stop(d->disk, qu->msg->disconnect.abort);
	look_after(w, d);
	return LATER;
}

static int do_remove(struct worker *w, struct question *qu)
{
	struct worker_disk **at;

	if (!blk_disk_try_finish(qu->d->disk)) {
		xs_err_set(&qu->err, "still connected");
		return -EBUSY;
	}
	for (at = &w->disks; *at != qu->d; at = &(*at)->next)
		;
	*at = qu->d->next;
	blk_disk_remove(qu->d->disk);
	free(qu->d);
	w->nr_disks--;
	return 0;
}

static int do_resize(struct worker *w, struct question *qu)
{
	(void)w;
	blk_disk_resize(qu->d->disk, qu->msg->resize.size_bytes);
	return 0;
}

static const struct {
	uint32_t op;
	int (*fn)(struct worker *w, struct question *qu);
} questions[] = {
	{WORKER_BLK_ADD, do_add},
	{WORKER_BLK_CONNECT, do_connect},
	{WORKER_BLK_DISCONNECT, do_disconnect},
	{WORKER_BLK_REMOVE, do_remove},
	{WORKER_BLK_RESIZE, do_resize},
};

static void ask(struct worker *w, struct question *qu)
{
	const struct worker_msg *m = qu->msg;
	int e = -ENOSYS;
	unsigned int i;

	qu->d = find_disk(w, m->device);
	if (!qu->d && m->op != WORKER_BLK_ADD) {
		xs_err_set(&qu->err, "no such disk");
		answer(w, m->device, m->seq, -ENODEV, &qu->err);
		return;
	}
	for (i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		if (questions[i].op == m->op)
			e = questions[i].fn(w, qu);
	if (e != LATER)
		answer(w, m->device, m->seq, e, &qu->err);
}

static void on_readable(struct ev_loop *ev, ev_io *io, int revents)
{
	struct worker *w = io->data;
	struct worker_msg msg;
	int fds[WORKER_MAX_FDS];
	struct question qu = {
		.msg = &msg, .fds = fds, .nr_fds = WORKER_MAX_FDS};
	int e = worker_recv(w->sock, &msg, fds, &qu.nr_fds);

	(void)revents;
	if (e) {
		if (e != -ECONNRESET)
			log_err("-", "the supervisor's message: %s",
				strerror(-e));
		ev_break(ev, EVBREAK_ALL);
		return;
	}
	ask(w, &qu);
	while (qu.nr_fds)
		close(fds[--qu.nr_fds]);
}

/* ---- life ---- */

/* The first packet says what was inherited. */
static int receive_start(int sock, struct worker_start *start)
{
	struct worker_msg msg;
	unsigned int nr_fds = 0;
	int e = worker_recv(sock, &msg, NULL, &nr_fds);

	if (e)
		return e;
	*start = msg.start;
	if (msg.op != WORKER_START || !start->nr_loops ||
	    start->nr_loops > WORKER_MAX_LOOPS ||
	    start->nr_rings > start->nr_loops)
		return -EPROTO;
	return 0;
}

static int start_loops(struct worker *w)
{
	struct worker_start start;
	int e = receive_start(w->sock, &start);

	while (!e && w->nr_loops < start.nr_loops) {
		unsigned int i = w->nr_loops;
		struct uring_ring ring = {.fd = WORKER_FD + 1 + (int)i,
					  .params = start.ring[i]};

		e = io_loop_start(&w->loop[i], i, w->opt->poll_max_us,
				  i < start.nr_rings ? &ring : NULL);
		if (!e)
			w->nr_loops++;
	}
	return e;
}

static int drop_privileges(struct worker *w)
{
	struct sandbox_how how = {.domid = w->opt->domid};
	struct xs_err err = {""};
	int e = sandbox_enter(&how, &err);

	if (e)
		log_err("-", "cannot give up privileges: %s", err.text);
	return e;
}

static void start_watchers(struct worker *w)
{
	ev_io_init(&w->readable, on_readable, w->sock, EV_READ);
	ev_async_init(&w->wake, on_wake);
	w->readable.data = w->wake.data = w;
	ev_io_start(w->ev, &w->readable);
	ev_async_start(w->ev, &w->wake);
}

int worker_main(int sock, const struct worker_options *opt)
{
	struct worker w = {.sock = sock, .opt = opt};
	struct worker_msg ready = {.op = WORKER_READY};
	int e;

	sandbox_early();
	w.ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!w.ev)
		return 1;
	start_watchers(&w);
	e = start_loops(&w);
	if (e) {
		log_err("-", "cannot open the hypervisor's devices: %s",
			strerror(-e));
		return 1;
	}
	e = drop_privileges(&w);
	if (!e)
		e = worker_send(sock, &ready, NULL, 0);
	if (!e)
		ev_run(w.ev, 0);
	/* The supervisor went, or nothing can be said to it.  Rings stay as
	 * the journal has them; leaving is all there is to do, and the kernel
	 * takes back the rest. */
	_exit(e ? 1 : 0);
}
