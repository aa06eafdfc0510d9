// SPDX-License-Identifier: MIT
/*
 * libblkfront: a queue's requests and responses.
 *
 * Every request in flight has a slot in private memory; its number is the id
 * on the ring.  A response is a claim of the backend's about a slot, believed
 * only if it can be true: otherwise the disk has failed, and the ring is not
 * looked at again.  A slot outlives the ring: when a backend comes back, what
 * was on the old ring is sent again in the order of submission.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/blkfront_int.h"

/* After stdint.h, which it needs and does not include. */
#include <xen/io/blkif.h>

/* Completions that are collected under the lock before done() runs. */
#define BATCH 64u

struct batch {
	uint32_t nr;
	struct {
		struct blkfront_io *io;
		int res;
	} item[BATCH];
};

/* ---- slots ---- */

/* Read by anyone, changed only under the lock: no locked instruction. */
static void count_in_flight(struct blkfront_queue *q, int change)
{
	unsigned int nr = atomic_load_explicit(&q->nr_in_flight,
					       memory_order_relaxed);

	atomic_store_explicit(&q->nr_in_flight, nr + change,
			      memory_order_release);
}

static void slot_release(struct blkfront_queue *q, uint32_t slot)
{
	struct blkfront_slot *s = &q->slots[slot];

	blkfront_indirect_put(q, s);
	s->state = SLOT_FREE;
	s->io = NULL;
	q->free_slots[q->nr_free++] = slot;
	count_in_flight(q, -1);
}

static uint32_t slot_take(struct blkfront_queue *q, struct blkfront_io *io)
{
	uint32_t slot = q->free_slots[--q->nr_free];

	q->slots[slot] = (struct blkfront_slot){
		.io = io,
		.offset = io->offset,
		.len = io->op == BLKFRONT_FLUSH ? 0 : io->len,
		.buf = io->buf,
		.seq = q->next_seq++,
		.op = io->op,
		.state = SLOT_WAITING,
	};
	io->private_slot = slot;
	count_in_flight(q, 1);
	return slot;
}

static void complete(struct blkfront_queue *q, uint32_t slot, int res,
		     struct batch *b)
{
	struct blkfront_slot *s = &q->slots[slot];

	b->item[b->nr].io = s->io;
	b->item[b->nr++].res = res;
	q->stats.responses++;
	if (res)
		q->stats.errors++;
	else if (s->op == BLKFRONT_READ)
		q->stats.bytes_read += s->len;
	else if (s->op != BLKFRONT_DISCARD)
		q->stats.bytes_written += s->len;
	slot_release(q, slot);
}

static void wait_push(struct blkfront_queue *q, uint32_t slot)
{
	uint32_t at = (q->waiting_head + q->nr_waiting++) % q->nr_slots;

	q->waiting[at] = slot;
	q->slots[slot].state = SLOT_WAITING;
}

/* ---- requests ---- */

static int slot_put(struct blkfront_queue *q, uint32_t slot)
{
	struct blk_req req;
	int err = blkfront_encode(q, slot, &req);

	if (err)
		return err;
	blk_front_ring_put(&q->ring, &req);
	q->slots[slot].state = SLOT_ON_RING;
	return 0;
}

/* Put what waits on the ring, as far as there is room. */
static void put_waiting(struct blkfront_queue *q)
{
	while (q->live && q->nr_waiting && blk_front_ring_free(&q->ring)) {
		if (slot_put(q, q->waiting[q->waiting_head]))
			return;
		q->waiting_head = (q->waiting_head + 1) % q->nr_slots;
		q->nr_waiting--;
	}
}

static void notify(struct blkfront_queue *q)
{
	front_events_notify(&q->events, q->port);
	q->stats.kicks_sent++;
}

static void publish(struct blkfront_queue *q)
{
	if (!q->live || q->ring.req_prod == q->ring.req_prod_pvt)
		return;
	if (blk_front_ring_publish(&q->ring))
		notify(q);
	else
		q->stats.kicks_suppressed++;
}

static int submit_locked(struct blkfront_queue *q, struct blkfront_io *io)
{
	uint32_t slot;
	int err;

	err = blkfront_check_io(q, io);
	if (err)
		return err;
	if (!q->nr_free)
		return -EAGAIN;
	if (q->live && (q->nr_waiting || !blk_front_ring_free(&q->ring)))
		return -EAGAIN;
	slot = slot_take(q, io);
	if (!q->live) {
		wait_push(q, slot);
	} else {
		err = slot_put(q, slot);
		if (err) {
			slot_release(q, slot);
			return err;
		}
	}
	q->stats.requests++;
	return 0;
}

int blkfront_submit(struct blkfront_queue *q, struct blkfront_io *io)
{
	int err = atomic_load(&q->bf->dev.status);

	if (err)
		return err;
	if (atomic_load(&q->bf->dev.closing))
		return -ENODEV;
	owner_lock(&q->lock);
	err = submit_locked(q, io);
	owner_unlock(&q->lock);
	return err;
}

int blkfront_kick(struct blkfront_queue *q)
{
	owner_lock(&q->lock);
	publish(q);
	owner_unlock(&q->lock);
	return atomic_load(&q->bf->dev.status);
}

/* ---- responses ---- */

/* Can this response be?  The slot's number, or -EPROTO and the disk failed. */
static int check_response(struct blkfront_queue *q, const struct blk_rsp *rsp)
{
	const struct blkfront_slot *s;
	struct blkfront *bf = q->bf;

	if (rsp->id >= q->nr_slots) {
		front_end(&bf->dev, -EIO,
			  "queue %u: the backend answered request %llu, "
			  "which cannot be",
			  q->index, (unsigned long long)rsp->id);
		return -EPROTO;
	}
	s = &q->slots[rsp->id];
	if (s->state != SLOT_ON_RING) {
		front_end(&bf->dev, -EIO,
			  "queue %u: the backend answered request %llu, "
			  "which is not in flight",
			  q->index, (unsigned long long)rsp->id);
		return -EPROTO;
	}
	/* Linux's backend names the inner operation of an indirect request,
	 * others BLKIF_OP_INDIRECT. */
	if (rsp->op != s->wire_op &&
	    !(s->is_indirect && rsp->op == BLKIF_OP_INDIRECT)) {
		front_end(&bf->dev, -EIO,
			  "queue %u: the backend answered request %llu of "
			  "operation %u as operation %u",
			  q->index, (unsigned long long)rsp->id, s->wire_op,
			  rsp->op);
		return -EPROTO;
	}
	if (rsp->status > BLKIF_RSP_OKAY ||
	    rsp->status < BLKIF_RSP_EOPNOTSUPP) {
		front_end(&bf->dev, -EIO,
			  "queue %u: the backend answered request %llu with "
			  "the unknown status %d",
			  q->index, (unsigned long long)rsp->id, rsp->status);
		return -EPROTO;
	}
	return (int)rsp->id;
}

/* An operation that the backend offered and does not know is not tried
 * again. */
static void forget_feature(struct blkfront_queue *q, uint8_t wire_op)
{
	if (wire_op == BLKIF_OP_FLUSH_DISKCACHE)
		q->geo.flush = false;
	else if (wire_op == BLKIF_OP_WRITE_BARRIER)
		q->geo.barrier = false;
	else if (wire_op == BLKIF_OP_DISCARD)
		q->geo.discard = false;
}

static void take_response(struct blkfront_queue *q, uint32_t slot,
			  int16_t status, struct batch *b)
{
	struct blkfront_slot *s = &q->slots[slot];

	if (status == BLKIF_RSP_EOPNOTSUPP) {
		forget_feature(q, s->wire_op);
		complete(q, slot, -EOPNOTSUPP, b);
		return;
	}
	if (status != BLKIF_RSP_OKAY) {
		complete(q, slot, -EIO, b);
		return;
	}
	s->done += s->part;
	if (!s->part || s->done >= s->len)
		complete(q, slot, 0, b);
	else
		wait_push(q, slot); /* the rest is a ring request more */
}

static void take_responses(struct blkfront_queue *q, struct batch *b)
{
	struct blk_rsp rsp;
	int avail, slot;

	if (!q->live)
		return;
	avail = blk_front_ring_avail(&q->ring);
	if (avail < 0) {
		front_end(&q->bf->dev, -EIO,
			  "queue %u: the backend's response index is ahead "
			  "of the requests",
			  q->index);
		return;
	}
	while (avail-- > 0 && b->nr < BATCH) {
		blk_front_ring_get(&q->ring, &rsp);
		slot = check_response(q, &rsp);
		if (slot < 0)
			return;
		take_response(q, slot, rsp.status, b);
	}
}

/* The disk has ended: answer what is in flight, with why. */
static void take_all(struct blkfront_queue *q, int res, struct batch *b)
{
	uint32_t i;

	q->live = false;
	q->nr_waiting = 0;
	for (i = 0; i < q->nr_slots && b->nr < BATCH; i++)
		if (q->slots[i].state != SLOT_FREE)
			complete(q, i, res, b);
}

static void collect(struct blkfront_queue *q, struct batch *b)
{
	int status;

	b->nr = 0;
	owner_lock(&q->lock);
	/* What a backend answered before it went is still good; after a
	 * violation nothing is. */
	if (atomic_load(&q->bf->dev.status) != -EIO)
		take_responses(q, b);
	status = atomic_load(&q->bf->dev.status);
	if (!b->nr && status)
		take_all(q, status, b);
	if (q->nr_waiting && q->live) {
		put_waiting(q);
		publish(q);
	}
	owner_unlock(&q->lock);
}

int blkfront_poll(struct blkfront_queue *q)
{
	struct batch b;
	int total = 0;
	uint32_t i;

	do {
		collect(q, &b);
		for (i = 0; i < b.nr; i++)
			b.item[i].io->done(b.item[i].io, b.item[i].res);
		total += b.nr;
	} while (b.nr == BATCH);
	if (total && atomic_load(&q->bf->dev.closing) &&
	    !atomic_load(&q->nr_in_flight))
		front_poke(&q->bf->dev);
	return total ? total : atomic_load(&q->bf->dev.status);
}

/* ---- connection, called by the control thread ---- */

static int by_seq(const void *a, const void *b, void *slots)
{
	const struct blkfront_slot *s = slots;
	uint64_t x = s[*(const uint16_t *)a].seq;
	uint64_t y = s[*(const uint16_t *)b].seq;

	return x < y ? -1 : x > y;
}

/* All that is in flight waits now, in the order of submission.  Parts that
 * were answered are not done again. */
static void requeue_all(struct blkfront_queue *q)
{
	uint32_t i;

	q->nr_waiting = 0;
	q->waiting_head = 0;
	for (i = 0; i < q->nr_slots; i++)
		if (q->slots[i].state != SLOT_FREE)
			wait_push(q, i);
	qsort_r(q->waiting, q->nr_waiting, sizeof(q->waiting[0]), by_seq,
		q->slots);
}

static void disconnect(struct blkfront_queue *q)
{
	q->live = false;
	front_events_unbind(&q->events, q->port);
	q->port = -1;
	if (q->ring_pool)
		grant_pool_destroy(q->ring_pool);
	q->ring_pool = NULL;
	q->ring_mem = NULL;
}

void blkfront_queue_stop(struct blkfront_queue *q)
{
	owner_lock_other(&q->lock);
	disconnect(q);
	requeue_all(q);
	owner_unlock_other(&q->lock);
}

static int connect_locked(struct blkfront_queue *q, unsigned int ring_pages)
{
	int err;

	disconnect(q);
	err = grant_pool_create(&q->ring_pool, q->bf->gntshr, q->domid,
				ring_pages, true);
	if (err) {
		q->ring_pool = NULL;
		return err;
	}
	q->ring_pages = ring_pages;
	q->ring_mem = grant_pool_alloc(q->ring_pool, ring_pages);
	if (!q->ring_mem)
		return -ENOMEM;
	err = blk_front_ring_init(&q->ring, q->ring_mem, ring_pages,
				  q->bf->abi);
	if (err)
		return err;
	q->port = front_events_bind(&q->events, q->domid);
	return q->port < 0 ? q->port : 0;
}

int blkfront_queue_connect(struct blkfront_queue *q, unsigned int ring_pages)
{
	int err;

	owner_lock_other(&q->lock);
	err = connect_locked(q, ring_pages);
	owner_unlock_other(&q->lock);
	return err;
}

void blkfront_queue_start(struct blkfront_queue *q,
			  const struct blkfront_geometry *geo)
{
	owner_lock_other(&q->lock);
	q->geo = *geo;
	q->live = true;
	put_waiting(q);
	publish(q);
	owner_unlock_other(&q->lock);
	front_events_wake(&q->events);
}

void blkfront_queue_resize(struct blkfront_queue *q, uint64_t nr_sects_512)
{
	owner_lock_other(&q->lock);
	q->geo.nr_sects_512 = nr_sects_512;
	owner_unlock_other(&q->lock);
}

/* ---- life ---- */

static int queue_init(struct blkfront_queue *q, uint32_t nr_slots)
{
	uint32_t i;
	int err;

	q->slots = calloc(nr_slots, sizeof(*q->slots));
	if (!q->slots)
		return -ENOMEM;
	q->nr_slots = nr_slots;
	for (i = 0; i < nr_slots; i++)
		q->free_slots[i] = nr_slots - 1 - i;
	q->nr_free = nr_slots;
	err = front_events_open(&q->events, 1, q->bf->opt.poll_us);
	if (err)
		return err;
	/* Writable, whatever is sent: a persistent grant serves both. */
	return grant_pool_create(&q->pool, q->bf->gntshr, q->domid,
				 q->bf->opt.buffer_pages, true);
}

int blkfront_queue_create(struct blkfront_queue **queue, struct blkfront *bf,
			  unsigned int index, uint32_t domid, uint32_t nr_slots)
{
	struct blkfront_queue *q = calloc(1, sizeof(*q));
	int err;

	*queue = NULL;
	if (!q)
		return -ENOMEM;
	q->bf = bf;
	q->index = index;
	q->domid = domid;
	q->port = -1;
	q->events.wake_fd = q->events.poll_fd = -1;
	owner_lock_init(&q->lock);
	err = queue_init(q, nr_slots);
	if (err) {
		blkfront_queue_destroy(q);
		return err;
	}
	*queue = q;
	return 0;
}

void blkfront_queue_finish(struct blkfront_queue *q)
{
	while (atomic_load(&q->nr_in_flight) && blkfront_poll(q) > 0)
		;
}

void blkfront_queue_destroy(struct blkfront_queue *q)
{
	uint32_t i;

	if (!q)
		return;
	disconnect(q);
	front_events_close(&q->events);
	for (i = 0; i < q->nr_indirect_pools; i++)
		grant_pool_destroy(q->indirect_pool[i]);
	grant_pool_destroy(q->bounce);
	grant_pool_destroy(q->pool);
	owner_lock_destroy(&q->lock);
	free(q->slots);
	free(q);
}

/* ---- buffers and counters ---- */

static unsigned int to_pages(size_t len)
{
	size_t pages = (len + BLK_PAGE_SIZE - 1) / BLK_PAGE_SIZE;

	return len && pages && pages <= UINT32_MAX / 2 ? pages : 0;
}

void *blkfront_alloc(struct blkfront_queue *q, size_t len)
{
	unsigned int pages = to_pages(len);

	return pages ? grant_pool_alloc(q->pool, pages) : NULL;
}

void blkfront_free(struct blkfront_queue *q, void *buf, size_t len)
{
	if (buf)
		grant_pool_free(q->pool, buf, to_pages(len));
}

void blkfront_queue_stats(struct blkfront_queue *q, struct blkfront_stats *s)
{
	owner_lock(&q->lock);
	*s = q->stats;
	s->events = q->events.events;
	s->sleeps = q->events.sleeps;
	owner_unlock(&q->lock);
}
