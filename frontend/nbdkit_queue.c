// SPDX-License-Identifier: MIT
/*
 * The nbdkit plugin's use of one libblkfront queue by many threads: see
 * nbdkit_queue.h.
 *
 * Copies between the client's memory and the shared buffers are made without
 * the lock.  A thread that can neither submit nor has anything in flight
 * sleeps until another gives back buffers; it never polls, since nothing that
 * comes back from the disk would be its own.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/nbdkit_queue.h"
#include "frontend/spin.h"
#include "hypercall/clock.h"

/* Of one call: pieces in flight, and their size. */
#define PIECES    8u
#define PIECE_MAX (128u << 10)

enum piece_state { PIECE_UNUSED, PIECE_READY, PIECE_SENT, PIECE_DONE };

struct call;

struct piece {
	struct blkfront_io io;
	struct call *call;
	uint8_t *user;
	enum piece_state state;
	int res;
};

/* A request of the client, on the stack of its thread. */
struct call {
	struct nbd_queue *nq;
	struct call *next, **link; /* in the list of sleeping calls */
	pthread_cond_t wake;
	bool progress; /* something happened that it waits for */
	bool wants_room;
	bool asleep;
	unsigned int nr_sent;
	int err;

	enum blkfront_op op;
	uint8_t *user;
	uint64_t left, offset;
	struct piece piece[PIECES];
};

struct nbd_queue {
	struct blkfront_queue *q;
	uint64_t piece_max;
	unsigned int poll_us;

	pthread_mutex_t lock;
	/* Under the lock, as are all calls. */
	bool has_poller;
	unsigned int spin_us;
	struct call *sleeping;
};

/* ---- sleeping and waking ---- */

static void wake_call(struct call *c)
{
	c->progress = true;
	if (c->asleep)
		pthread_cond_signal(&c->wake);
}

static void wake_room(struct nbd_queue *nq)
{
	struct call *c;

	for (c = nq->sleeping; c; c = c->next)
		if (c->wants_room)
			wake_call(c);
}

/* The one that polls has what it wanted: another one must poll now. */
static void pass_on(struct nbd_queue *nq)
{
	struct call *c;

	for (c = nq->sleeping; c; c = c->next)
		if (c->nr_sent && !c->progress) {
			wake_call(c);
			return;
		}
}

static void sleep_call(struct nbd_queue *nq, struct call *c)
{
	c->link = &nq->sleeping;
	c->next = nq->sleeping;
	if (c->next)
		c->next->link = &c->next;
	nq->sleeping = c;
	c->asleep = true;
	while (!c->progress)
		pthread_cond_wait(&c->wake, &nq->lock);
	c->asleep = false;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
}

static int spin(struct nbd_queue *nq)
{
	uint64_t until;
	int n = 0;

	if (!nq->spin_us || blkfront_backend_is_here(nq->q))
		return 0;
	until = clock_us() + nq->spin_us;
	while (!n && clock_us() < until) {
		pthread_mutex_unlock(&nq->lock);
		__builtin_ia32_pause();
		pthread_mutex_lock(&nq->lock);
		n = blkfront_poll(nq->q);
	}
	return n;
}

static void sleep_on_disk(struct nbd_queue *nq)
{
	struct pollfd fd = {.fd = blkfront_fd(nq->q), .events = POLLIN};
	uint64_t before;

	if (blkfront_arm(nq->q))
		return;
	pthread_mutex_unlock(&nq->lock);
	before = clock_us();
	poll(&fd, 1, -1);
	pthread_mutex_lock(&nq->lock);
	nq->spin_us = spin_after_sleep(nq->spin_us, nq->poll_us,
				       clock_us() - before);
}

static void poll_for_all(struct nbd_queue *nq, struct call *c)
{
	int n;

	nq->has_poller = true;
	while (!c->progress) {
		n = blkfront_poll(nq->q);
		if (!n)
			n = spin(nq);
		if (n < 0)
			break;
		if (n > 0)
			wake_room(nq);
		else
			sleep_on_disk(nq);
	}
	nq->has_poller = false;
	pass_on(nq);
}

/* Until something changed for this call. */
static void wait_progress(struct nbd_queue *nq, struct call *c)
{
	if (c->nr_sent && !nq->has_poller)
		poll_for_all(nq, c);
	else
		sleep_call(nq, c);
	c->progress = false;
}

/* ---- pieces ---- */

static void piece_done(struct blkfront_io *io, int res)
{
	struct piece *p = io->user;

	p->res = res;
	p->state = PIECE_DONE;
	p->call->nr_sent--;
	wake_call(p->call);
}

/* Take the next part of the call into a buffer; false if there is none. */
static bool piece_prepare(struct call *c, struct piece *p)
{
	struct nbd_queue *nq = c->nq;
	uint64_t len = c->left < nq->piece_max ? c->left : nq->piece_max;
	void *buf = blkfront_alloc(nq->q, len);

	if (!buf)
		return false;
	p->io = (struct blkfront_io){
		.op = c->op,
		.offset = c->offset,
		.len = len,
		.buf = buf,
		.done = piece_done,
		.user = p,
	};
	p->user = c->user;
	p->state = PIECE_READY;
	c->user += len;
	c->offset += len;
	c->left -= len;
	if (c->op == BLKFRONT_WRITE) {
		pthread_mutex_unlock(&nq->lock);
		memcpy(buf, p->user, len);
		pthread_mutex_lock(&nq->lock);
	}
	return true;
}

static void piece_release(struct call *c, struct piece *p)
{
	blkfront_free(c->nq->q, p->io.buf, p->io.len);
	p->state = PIECE_UNUSED;
	wake_room(c->nq);
}

/* False: the ring is full. */
static bool piece_send(struct call *c, struct piece *p)
{
	int err = blkfront_submit(c->nq->q, &p->io);

	if (err == -EAGAIN)
		return false;
	if (err) {
		c->err = err;
		piece_release(c, p);
		return true;
	}
	p->state = PIECE_SENT;
	c->nr_sent++;
	return true;
}

static void piece_reap(struct call *c, struct piece *p)
{
	struct nbd_queue *nq = c->nq;

	if (p->res) {
		c->err = p->res;
	} else if (c->op == BLKFRONT_READ) {
		pthread_mutex_unlock(&nq->lock);
		memcpy(p->user, p->io.buf, p->io.len);
		pthread_mutex_lock(&nq->lock);
	}
	piece_release(c, p);
}

/* Move a piece as far as it goes; false if it needs room. */
static bool piece_advance(struct call *c, struct piece *p)
{
	if (p->state == PIECE_DONE)
		piece_reap(c, p);
	if (p->state == PIECE_UNUSED && c->left && !c->err &&
	    !piece_prepare(c, p))
		return false;
	if (p->state == PIECE_READY) {
		if (c->err)
			piece_release(c, p);
		else
			return piece_send(c, p);
	}
	return true;
}

static bool has_work(const struct call *c)
{
	unsigned int i;

	if (c->left && !c->err)
		return true;
	for (i = 0; i < PIECES; i++)
		if (c->piece[i].state != PIECE_UNUSED)
			return true;
	return false;
}

static bool has_done_piece(const struct call *c)
{
	unsigned int i;

	for (i = 0; i < PIECES; i++)
		if (c->piece[i].state == PIECE_DONE)
			return true;
	return false;
}

static void call_init(struct call *c, struct nbd_queue *nq, enum blkfront_op op)
{
	unsigned int i;

	memset(c, 0, sizeof(*c));
	c->nq = nq;
	c->op = op;
	pthread_cond_init(&c->wake, NULL);
	for (i = 0; i < PIECES; i++)
		c->piece[i].call = c;
}

int nbd_queue_transfer(struct nbd_queue *nq, enum blkfront_op op, void *buf,
		       uint64_t len, uint64_t offset)
{
	struct call c;
	unsigned int i;

	call_init(&c, nq, op);
	c.user = buf;
	c.left = len;
	c.offset = offset;
	pthread_mutex_lock(&nq->lock);
	while (has_work(&c)) {
		c.wants_room = false;
		for (i = 0; i < PIECES; i++)
			if (!piece_advance(&c, &c.piece[i]))
				c.wants_room = true;
		blkfront_kick(nq->q);
		if (has_work(&c) && !has_done_piece(&c))
			wait_progress(nq, &c);
	}
	pthread_mutex_unlock(&nq->lock);
	pthread_cond_destroy(&c.wake);
	return c.err;
}

int nbd_queue_command(struct nbd_queue *nq, enum blkfront_op op, uint64_t len,
		      uint64_t offset)
{
	struct call c;
	struct piece *p = &c.piece[0];
	int err;

	call_init(&c, nq, op);
	p->io.op = op;
	p->io.offset = offset;
	p->io.len = len;
	p->io.done = piece_done;
	p->io.user = p;
	pthread_mutex_lock(&nq->lock);
	while ((err = blkfront_submit(nq->q, &p->io)) == -EAGAIN) {
		c.wants_room = true;
		wait_progress(nq, &c);
	}
	c.wants_room = false;
	if (!err) {
		c.nr_sent = 1;
		blkfront_kick(nq->q);
		while (p->state != PIECE_DONE)
			wait_progress(nq, &c);
		err = p->res;
		wake_room(nq);
	}
	pthread_mutex_unlock(&nq->lock);
	pthread_cond_destroy(&c.wake);
	return err;
}

/* ---- life ---- */

struct nbd_queue *nbd_queue_new(struct blkfront *disk, unsigned int index,
				unsigned int poll_us)
{
	struct nbd_queue *nq = calloc(1, sizeof(*nq));
	struct blkfront_info info;

	if (!nq)
		return NULL;
	blkfront_get_info(disk, &info);
	nq->q = blkfront_queue(disk, index);
	nq->poll_us = nq->spin_us = poll_us;
	nq->piece_max = info.max_io_bytes < PIECE_MAX ? info.max_io_bytes
						      : PIECE_MAX;
	pthread_mutex_init(&nq->lock, NULL);
	return nq;
}

void nbd_queue_free(struct nbd_queue *nq)
{
	if (!nq)
		return;
	pthread_mutex_destroy(&nq->lock);
	free(nq);
}
