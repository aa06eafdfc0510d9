// SPDX-License-Identifier: MIT
/*
 * One request's way: checked, given to the store step by step, answered.
 *
 *   read, write       data
 *   flush             flush; with data, as older frontends may send: then data
 *   write barrier     (the queue has drained) data, then flush
 *   discard           data
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <xen/io/blkif.h>

#include "backend/blk_queue_priv.h"

static void step_done(struct store_io *io, int res);

static bool has_data(const struct blk_request *r)
{
	return r->nr_segs > 0;
}

static bool is_read(const struct blk_request *r)
{
	return r->slot->req.op == BLKIF_OP_READ;
}

static void count_taken(struct blk_request *r)
{
	struct blk_queue_stats *s = r->q->stats;

	switch (r->slot->req.op) {
	case BLKIF_OP_READ:
		counter_add(&s->read_requests, 1);
		break;
	case BLKIF_OP_WRITE:
	case BLKIF_OP_WRITE_BARRIER:
		counter_add(&s->write_requests, 1);
		break;
	case BLKIF_OP_FLUSH_DISKCACHE:
		counter_add(&s->flush_requests, 1);
		break;
	case BLKIF_OP_DISCARD:
		counter_add(&s->discard_requests, 1);
		break;
	default:
		break;
	}
	if (r->slot->req.indirect)
		counter_add(&s->indirect_requests, 1);
}

static int status_of(const struct blk_request *r, int res)
{
	if (!res)
		return BLKIF_RSP_OKAY;
	/* a frontend may go on without these, but not without the others */
	if (res == -EOPNOTSUPP && r->slot->req.op >= BLKIF_OP_WRITE_BARRIER)
		return BLKIF_RSP_EOPNOTSUPP;
	return BLKIF_RSP_ERROR;
}

static void end(struct blk_request *r, int res)
{
	/* nor is anything written for a peer that broke the protocol */
	if (!r->answered && !r->q->broken && is_read(r) && r->nr_segs) {
		int err = blk_data_end(r, res == 0);

		if (!res)
			res = err;
	}
	if (res && !r->answered)
		blk_queue_log_failed(r, res);
	blk_data_release(r);
	blk_queue_finish(r, status_of(r, res));
}

static void submit(struct blk_request *r, enum store_op op)
{
	counter_add(&r->q->stats->store_ops, 1);
	r->io.op = op;
	r->io.done = step_done;
	store_submit(&r->q->store, &r->io);
}

static void submit_data(struct blk_request *r)
{
	const struct blk_req *req = &r->slot->req;
	struct blk_queue_stats *s = r->q->stats;

	r->io.offset = req->sector_512 * BLK_SECTOR_SIZE;
	if (req->op == BLKIF_OP_DISCARD) {
		r->io.len = req->discard_nr_sects_512 * BLK_SECTOR_SIZE;
		/* as the protocol says: without the offer, a plain discard */
		r->io.secure = r->q->limits.secure_discard &&
			       (req->discard_flag & BLKIF_DISCARD_SECURE);
		r->io.nr_iov = 0;
		submit(r, STORE_DISCARD);
		return;
	}
	r->io.len = r->bytes;
	r->io.nr_iov = r->nr_data_iov;
	if (is_read(r)) {
		counter_add(&s->read_bytes, r->bytes);
		submit(r, STORE_READ);
	} else {
		counter_add(&s->write_bytes, r->bytes);
		submit(r, STORE_WRITE);
	}
}

static void submit_flush(struct blk_request *r)
{
	r->io.offset = r->io.len = 0;
	r->io.nr_iov = 0;
	submit(r, STORE_FLUSH);
}

/* Go on with step r->step, skipping those that this request does not have. */
static void run_step(struct blk_request *r)
{
	uint8_t op = r->slot->req.op;

	if (r->step == BLK_STEP_PRE_FLUSH) {
		if (op == BLKIF_OP_FLUSH_DISKCACHE) {
			submit_flush(r);
			return;
		}
		r->step = BLK_STEP_DATA;
	}
	if (r->step == BLK_STEP_DATA) {
		if (has_data(r) || op == BLKIF_OP_DISCARD) {
			submit_data(r);
			return;
		}
		r->step = BLK_STEP_POST_FLUSH;
	}
	if (r->step == BLK_STEP_POST_FLUSH && op == BLKIF_OP_WRITE_BARRIER) {
		submit_flush(r);
		return;
	}
	end(r, 0);
}

static void step_done(struct store_io *io, int res)
{
	struct blk_request *r = (struct blk_request *)io;

	if (io->buffered && !res)
		counter_add(&r->q->stats->cached_bytes, io->len);
	/* reads and writes have one step, the others go on */
	r->step++;
	if (res || r->answered || r->step == BLK_STEP_END ||
	    r->slot->req.op <= BLKIF_OP_WRITE) {
		end(r, res);
		return;
	}
	run_step(r);
	store_kick(&r->q->store);
}

/* The segments, private and checked; a verdict with its reason if not. */
static int get_segs(struct blk_request *r, const char **why)
{
	struct blk_req *req = &r->slot->req;
	int err;

	r->segs = req->seg;
	r->nr_segs = 0;
	r->bytes = 0;
	if (req->op == BLKIF_OP_DISCARD)
		return BLKIF_RSP_OKAY;
	r->nr_segs = req->nr_segs;
	if (req->indirect) {
		r->segs = r->q->journal.segs[r->slot - r->q->journal.slot];
		err = blk_data_fetch_segs(r);
		if (err) {
			*why = "its indirect pages are not granted";
			return err == -ENOSPC ? -EAGAIN : BLKIF_RSP_ERROR;
		}
	}
	if (!r->nr_segs)
		return BLKIF_RSP_OKAY;
	return blk_check_segs(&r->q->limits, req, r->segs, &r->bytes, why);
}

static int refuse(struct blk_request *r, int status, const char *why)
{
	blk_queue_log_refused(r, why);
	blk_data_release(r);
	blk_queue_finish(r, status);
	return 0;
}

int blk_request_begin(struct blk_request *r)
{
	const char *why = "";
	int status, err;

	status = blk_check_header(&r->q->limits, &r->slot->req, &why);
	if (status != BLKIF_RSP_OKAY)
		return refuse(r, status, why);
	status = get_segs(r, &why);
	if (status == -EAGAIN)
		return -EAGAIN;
	if (status != BLKIF_RSP_OKAY)
		return refuse(r, status, why);
	if (has_data(r)) {
		err = blk_data_begin(r, !is_read(r));
		if (err == -EAGAIN)
			return -EAGAIN;
		if (err)
			return refuse(r, BLKIF_RSP_ERROR,
				      "a page of it is not granted");
	}
	count_taken(r);
	r->step = BLK_STEP_PRE_FLUSH;
	run_step(r);
	return 0;
}
