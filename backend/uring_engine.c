// SPDX-License-Identifier: MIT
/*
 * The io_uring of a data thread: batches on the way in, no system call on the
 * way out while the loop polls, an event when it sleeps.
 *
 * No more operations are given to the kernel than the completion queue holds,
 * so it never overflows; others wait in a list, in order.
 */
#include "backend/uring_engine.h"

#include <errno.h>
#include <liburing.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend/io_loop.h"

#define REAP_BATCH 64u

struct io_uring_engine {
	struct io_loop *loop;
	struct io_uring ring;
	struct io_poller poller;
	ev_io watch;
	unsigned int in_flight, depth; /* given to the ring, at most */
	struct uring_op *waiting, **waiting_end;
	struct uring_op *cancelled;
};

/* A full or busy kernel queue is no error: the rest goes with the next kick,
 * which the loop makes before it sleeps. */
static void flush(struct io_uring_engine *e)
{
	if (io_uring_sq_ready(&e->ring))
		io_uring_submit(&e->ring);
}

static bool start(struct io_uring_engine *e, struct uring_op *op)
{
	struct io_uring_sqe *sqe;

	if (e->in_flight >= e->depth)
		return false;
	sqe = io_uring_get_sqe(&e->ring);
	if (!sqe) {
		flush(e);
		sqe = io_uring_get_sqe(&e->ring);
		if (!sqe)
			return false;
	}
	op->prep(op, sqe);
	io_uring_sqe_set_data(sqe, op);
	e->in_flight++;
	return true;
}

static void start_waiting(struct io_uring_engine *e)
{
	struct uring_op *op;

	while ((op = e->waiting)) {
		struct uring_op *next = op->next;

		if (!start(e, op))
			return;
		e->waiting = next;
		if (!next)
			e->waiting_end = &e->waiting;
	}
}

static int run_cancelled(struct io_uring_engine *e)
{
	struct uring_op *op;
	int n = 0;

	while ((op = e->cancelled)) {
		e->cancelled = op->next;
		op->complete(op, -ECANCELED);
		n++;
	}
	return n;
}

/* Copies results out first: complete() may submit and so use the ring. */
static int reap(struct io_uring_engine *e)
{
	struct io_uring_cqe *cqe[REAP_BATCH];
	struct uring_op *op[REAP_BATCH];
	int res[REAP_BATCH];
	unsigned int i, n;

	n = io_uring_peek_batch_cqe(&e->ring, cqe, REAP_BATCH);
	for (i = 0; i < n; i++) {
		op[i] = io_uring_cqe_get_data(cqe[i]);
		res[i] = cqe[i]->res;
	}
	io_uring_cq_advance(&e->ring, n);
	e->in_flight -= n;
	for (i = 0; i < n; i++) {
		if (op[i]) /* not the answer to a cancellation */
			op[i]->complete(op[i], res[i]);
	}
	return (int)n;
}

static int engine_poll(struct io_poller *p)
{
	struct io_uring_engine *e =
		(void *)((char *)p - offsetof(struct io_uring_engine, poller));
	int n;

	if (!e->in_flight && !e->waiting && !e->cancelled)
		return 0;
	n = reap(e) + run_cancelled(e);
	start_waiting(e);
	flush(e);
	return n;
}

static bool engine_arm(struct io_poller *p)
{
	struct io_uring_engine *e =
		(void *)((char *)p - offsetof(struct io_uring_engine, poller));

	flush(e);
	return e->cancelled || io_uring_cq_ready(&e->ring) ||
	       io_uring_sq_ready(&e->ring);
}

static void on_event(struct ev_loop *ev, ev_io *w, int revents)
{
	struct io_uring_engine *e = w->data;

	(void)ev;
	(void)revents;
	engine_poll(&e->poller);
}

int uring_engine_create(struct io_loop *loop, const struct uring_ring *ring,
			struct io_uring_engine **engine)
{
	struct io_uring_engine *e = calloc(1, sizeof(*e));
	struct io_uring_params params = ring->params;
	unsigned int i;
	int err;

	*engine = NULL;
	if (!e)
		return -ENOMEM;
	err = io_uring_queue_mmap(ring->fd, &params, &e->ring);
	if (err) {
		free(e);
		return err;
	}
	/* what io_uring_queue_init_params() does beside mapping */
	e->ring.features = params.features;
	for (i = 0; i < e->ring.sq.ring_entries; i++)
		e->ring.sq.array[i] = i;
	e->loop = loop;
	e->depth = e->ring.cq.ring_entries;
	e->waiting_end = &e->waiting;
	e->poller.poll = engine_poll;
	e->poller.arm = engine_arm;
	io_loop_add_poller(loop, &e->poller);
	ev_io_init(&e->watch, on_event, e->ring.ring_fd, EV_READ);
	e->watch.data = e;
	ev_io_start(loop->ev, &e->watch);
	*engine = e;
	return 0;
}

void uring_engine_destroy(struct io_uring_engine *e)
{
	if (!e)
		return;
	ev_io_stop(e->loop->ev, &e->watch);
	io_loop_del_poller(e->loop, &e->poller);
	io_uring_queue_exit(&e->ring);
	free(e);
}

void uring_engine_submit(struct io_uring_engine *e, struct uring_op *op)
{
	op->next = NULL;
	if (!e->waiting && start(e, op))
		return;
	*e->waiting_end = op;
	e->waiting_end = &op->next;
}

void uring_engine_kick(struct io_uring_engine *e)
{
	flush(e);
}

static void cancel_in_kernel(struct io_uring_engine *e, int fd)
{
	struct io_uring_sqe *sqe;

	if (e->in_flight >= e->depth)
		return; /* its answer would have no room; they end anyway */
	flush(e);
	sqe = io_uring_get_sqe(&e->ring);
	if (!sqe)
		return;
	io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
	io_uring_sqe_set_data(sqe, NULL);
	e->in_flight++;
	flush(e);
}

void uring_engine_cancel(struct io_uring_engine *e, int fd,
			 bool (*match)(const struct uring_op *op, void *arg),
			 void *arg)
{
	struct uring_op **at = &e->waiting, *op;

	while ((op = *at)) {
		if (!match(op, arg)) {
			at = &op->next;
			continue;
		}
		*at = op->next;
		op->next = e->cancelled;
		e->cancelled = op;
	}
	e->waiting_end = at;
	if (e->in_flight)
		cancel_in_kernel(e, fd);
}
