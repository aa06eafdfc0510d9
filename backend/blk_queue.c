// SPDX-License-Identifier: MIT
/*
 * A ring: taking requests in batches, publishing responses in batches,
 * stopping.  The order of stores to the journal is in blk_journal.h.
 */
#include "backend/blk_queue.h"

#include <errno.h>
#include <string.h>
#include <xen/io/blkif.h>

#include "backend/blk_queue_priv.h"
#include "hypercall/clock.h"

#define LOG_BURST       3u
#define LOG_INTERVAL_MS 10000u

/* ---- logging of what a peer or a store can cause ---- */

static const char *op_name(const struct blk_req *req)
{
	static const char *const names[] = {
		[BLKIF_OP_READ] = "read",
		[BLKIF_OP_WRITE] = "write",
		[BLKIF_OP_WRITE_BARRIER] = "write barrier",
		[BLKIF_OP_FLUSH_DISKCACHE] = "flush",
		[BLKIF_OP_DISCARD] = "discard",
	};

	if (req->op < sizeof(names) / sizeof(names[0]) && names[req->op])
		return names[req->op];
	return "unknown operation";
}

void blk_queue_log_refused(struct blk_request *r, const char *why)
{
	const struct blk_req *req = &r->slot->req;
	struct blk_queue *q = r->q;
	uint32_t missed = 0;

	if (!log_limit_ok(&q->log_refused, LOG_BURST, LOG_INTERVAL_MS, &missed))
		return;
	if (missed)
		log_warn(q->cfg.name, "%u more bad requests", missed);
	log_warn(q->cfg.name,
		 "%s%s (%u) of %u segments at sector %llu refused: %s",
		 req->indirect ? "indirect " : "", op_name(req), req->op,
		 req->nr_segs, (unsigned long long)req->sector_512, why);
}

void blk_queue_log_failed(struct blk_request *r, int err)
{
	const struct blk_req *req = &r->slot->req;
	struct blk_queue *q = r->q;
	uint32_t missed = 0;

	if (!log_limit_ok(&q->log_failed, LOG_BURST, LOG_INTERVAL_MS, &missed))
		return;
	if (missed)
		log_err(q->cfg.name, "%u more requests failed", missed);
	log_err(q->cfg.name, "%s of %u bytes at sector %llu failed: %s",
		op_name(req), r->bytes, (unsigned long long)req->sector_512,
		strerror(-err));
}

/* ---- answering ---- */

void blk_queue_put_response(struct blk_queue *q, uint32_t slot_index)
{
	struct blk_slot *s = &q->journal.slot[slot_index];
	struct blk_rsp rsp = {
		.id = s->req.id,
		.op = s->req.op, /* of an indirect one the inner, as Linux */
		.status = s->status,
	};

	s->rsp_idx = q->ring.rsp_prod_pvt;
	atomic_store_explicit(&s->put, 1, memory_order_release);
	blk_back_ring_put(&q->ring, &rsp);
	q->unpublished[q->nr_unpublished++] = slot_index;
}

static void answer(struct blk_request *r, int status)
{
	struct blk_queue *q = r->q;
	struct blk_slot *s = r->slot;

	if (status == BLKIF_RSP_EOPNOTSUPP)
		counter_add(&q->stats->unsupported, 1);
	else if (status != BLKIF_RSP_OKAY)
		counter_add(&q->stats->errors, 1);
	atomic_store_explicit(&s->put, 0, memory_order_relaxed);
	s->status = (int16_t)status;
	atomic_store_explicit(&s->state, BLK_SLOT_DONE, memory_order_release);
	/* a peer that broke the protocol gets nothing written any more */
	if (!q->broken)
		blk_queue_put_response(q, (uint32_t)(s - q->journal.slot));
}

void blk_queue_finish(struct blk_request *r, int status)
{
	struct blk_queue *q = r->q;

	q->in_flight--;
	if (q->barrier == r)
		q->barrier = NULL;
	if (r->answered) {
		/* the slot waited for this before it could be used again */
		r->answered = false;
		return;
	}
	answer(r, status);
}

/* Slots become free when their responses are visible; not before, or a
 * successor would not know of them. */
static int publish(struct blk_queue *q)
{
	uint32_t i, nr = q->nr_unpublished;
	uint64_t now;

	if (!nr)
		return 0;
	atomic_store_explicit(&q->journal.head->rsp_prod, q->ring.rsp_prod_pvt,
			      memory_order_release);
	if (blk_back_ring_publish(&q->ring)) {
		evtchn_port_notify(q->port);
		counter_add(&q->stats->events_sent, 1);
	} else {
		counter_add(&q->stats->events_suppressed, 1);
	}
	blk_data_count(q);
	now = q->loop->now_ns = clock_ns();
	for (i = 0; i < nr; i++) {
		uint32_t slot = q->unpublished[i];
		uint64_t taken = q->req[slot].taken_ns;

		counter_add(&q->stats->latency_ns[blk_hist_bucket(now - taken)],
			    1);
		atomic_store_explicit(&q->journal.slot[slot].state,
				      BLK_SLOT_FREE, memory_order_release);
		q->free_slot[q->nr_free++] = slot;
	}
	q->nr_unpublished = 0;
	return (int)nr;
}

/* ---- taking ---- */

static void violation(struct blk_queue *q, const char *text)
{
	q->broken = true;
	counter_add(&q->stats->violations, 1);
	q->cfg.violation(q->cfg.arg, text);
}

/*
 * Copy what is there into free slots, then step the journal's index over it,
 * and only then begin: a response overwrites ring slots, so no request may
 * lead to one before the journal has it.
 */
static void take(struct blk_queue *q)
{
	int avail = blk_back_ring_avail(&q->ring);
	uint64_t now;

	if (avail < 0) {
		violation(q, "the frontend's request index is further ahead "
			     "than its ring has room for");
		return;
	}
	if (!avail)
		return;
	now = q->loop->now_ns;
	while (avail-- > 0 && q->nr_free) {
		uint32_t slot = q->free_slot[--q->nr_free];
		struct blk_slot *s = &q->journal.slot[slot];

		s->req_idx = q->ring.req_cons;
		blk_back_ring_get(&q->ring, &s->req);
		atomic_store_explicit(&s->state, BLK_SLOT_TAKEN,
				      memory_order_release);
		q->req[slot].taken_ns = now;
		q->ready[q->nr_ready++] = slot;
	}
	q->in_flight += q->nr_ready;
	atomic_store_explicit(&q->journal.head->req_cons, q->ring.req_cons,
			      memory_order_release);
}

/* A barrier waits until it is alone, and all after it wait for the barrier. */
static bool must_wait(const struct blk_queue *q, const struct blk_request *r)
{
	return q->barrier ||
	       (blk_request_is_barrier(r) && q->in_flight > q->nr_ready);
}

static int begin(struct blk_queue *q, struct blk_request *r)
{
	int err;

	if (must_wait(q, r))
		return -EAGAIN;
	if (blk_request_is_barrier(r))
		q->barrier = r;
	err = blk_request_begin(r);
	if (err == -EAGAIN && q->barrier == r)
		q->barrier = NULL;
	return err;
}

static int begin_ready(struct blk_queue *q)
{
	uint32_t i, nr = q->nr_ready;

	for (i = 0; i < nr; i++) {
		/* in_flight counts those not begun too: these are nr_ready */
		q->nr_ready = nr - i;
		if (begin(q, &q->req[q->ready[i]]) == -EAGAIN)
			break;
		q->nr_ready--;
	}
	if (i && q->nr_ready)
		memmove(q->ready, q->ready + i,
			q->nr_ready * sizeof(*q->ready));
	store_kick(&q->store);
	return (int)i;
}

static void tell_when_stopped(struct blk_queue *q)
{
	if (q->stopping && !q->in_flight && !q->told) {
		q->told = true;
		q->cfg.stopped(q->cfg.arg);
	}
}

static int queue_poll(struct io_poller *p)
{
	struct blk_queue *q = (struct blk_queue *)p;
	int done = 0;

	if (!q->broken && !q->aborting) {
		if (!q->nr_ready && !q->stopping)
			take(q);
		if (q->nr_ready)
			done += begin_ready(q);
	}
	if (!q->broken)
		done += publish(q);
	if (q->stopping)
		tell_when_stopped(q);
	return done;
}

static bool queue_arm(struct io_poller *p)
{
	struct blk_queue *q = (struct blk_queue *)p;

	/* those that wait go on when the store has finished another */
	if (q->broken || q->stopping || q->nr_ready)
		return false;
	return blk_back_ring_arm(&q->ring);
}

static int queue_turn(struct io_poller *p)
{
	struct blk_queue *q = (struct blk_queue *)p;
	unsigned int us_1 = 0;

#define X(name, help)                                         \
	atomic_store_explicit(&q->stats->name, q->loop->name, \
			      memory_order_relaxed);
	BLK_POLL_FIGURES(X)
#undef X
	counter_add(&q->stats->merged_ops, q->store.merged - q->counted.merged);
	q->counted.merged = q->store.merged;
	if (q->cfg.poll_max_us_1)
		us_1 = atomic_load_explicit(q->cfg.poll_max_us_1,
					    memory_order_relaxed);
	return us_1 > BLK_POLL_MAX_US + 1 ? -1 : (int)us_1 - 1;
}

void blk_queue_start(struct blk_queue *q)
{
	q->poller.poll = queue_poll;
	q->poller.arm = queue_arm;
	q->poller.turn = queue_turn;
	atomic_store(&q->stats->loop, 1 + q->loop->index);
	io_loop_add_poller(q->loop, &q->poller);
	/* a frontend that was notified of nothing while nobody was bound */
	if (q->cfg.resume)
		evtchn_port_notify(q->port);
}

/* ---- stopping ---- */

/*
 * What is not finished gets its error now; what the store still has keeps its
 * pages until it lets go.  Except reads into the guest's own pages: a guest
 * that has its answer uses the page for something else, and the data must not
 * arrive there after that.  These are answered when the store has let go; if
 * it never does, the supervisor ends the process and the device with it.
 */
static void answer_all(struct blk_queue *q)
{
	uint32_t i;

	for (i = 0; i < q->nr_ready; i++)
		blk_queue_finish(&q->req[q->ready[i]], BLKIF_RSP_ERROR);
	q->nr_ready = 0;
	for (i = 0; i < q->journal.nr_slots; i++) {
		struct blk_request *r = &q->req[i];

		if (atomic_load(&r->slot->state) != BLK_SLOT_TAKEN ||
		    blk_data_may_be_written(r))
			continue;
		answer(r, BLKIF_RSP_ERROR);
		r->answered = true;
	}
}

void blk_queue_stop(struct blk_queue *q, bool abort)
{
	q->stopping = true;
	if (abort && !q->aborting) {
		q->aborting = true;
		answer_all(q);
		/* slots of answered ones stay with the store: nothing is taken
		 * any more, so none is used again */
		if (!q->broken)
			publish(q);
		store_cancel(&q->store);
	}
	tell_when_stopped(q);
}

void blk_queue_set_size(struct blk_queue *q, uint64_t nr_sects_512)
{
	q->limits.nr_sects_512 = nr_sects_512;
}
