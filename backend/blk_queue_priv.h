/* SPDX-License-Identifier: MIT */
/* Inside a queue: shared by blk_queue.c (ring), blk_queue_open.c (connecting to
 * it), blk_request.c (one request's way through the store) and blk_data.c (its
 * pages). */
#ifndef XENSPLIT_BACKEND_BLK_QUEUE_PRIV_H
#define XENSPLIT_BACKEND_BLK_QUEUE_PRIV_H

#include "backend/blk_queue.h"

/* After stdint.h, which it needs and does not include. */
#include <xen/io/blkif.h>

enum blk_step {
	BLK_STEP_PRE_FLUSH,  /* flush before the data of a flush with data */
	BLK_STEP_DATA,       /* read, write or discard */
	BLK_STEP_POST_FLUSH, /* of a barrier */
	BLK_STEP_END,
};

struct blk_request {
	struct store_io io;
	struct blk_queue *q;
	struct blk_slot *slot;     /* its private copy, in the journal */
	struct blk_seg *segs;      /* private copies: inline or the journal's */
	struct iovec *iov;         /* room for BLK_MAX_INDIRECT_SEGS */
	struct grant_ref_use *use; /* likewise */
	uint64_t taken_ns;
	uint32_t bytes, bounce_pages, nr_data_iov;
	uint16_t nr_segs, nr_use;
	uint8_t step;
	bool answered; /* aborted: response is out, resources are not back */
};

struct blk_queue {
	/* read and written for each request */
	struct io_poller poller;
	struct blk_back_ring ring;
	struct blk_journal journal;
	struct blk_queue_stats *stats;
	uint32_t in_flight; /* taken and not finished */
	uint32_t nr_free, nr_unpublished, nr_ready;
	uint32_t *free_slot;         /* stack */
	uint32_t *unpublished;       /* slots whose response is put */
	uint32_t *ready;             /* taken together, not begun */
	struct blk_request *req;     /* [nr_slots] */
	struct blk_request *barrier; /* begun and not finished */
	bool stopping, aborting, broken, told;

	struct blk_limits limits;
	struct grant_cache *cache;
	struct {
		/* before this cache; see blk_data_count() */
		uint64_t grants_reused, grants_mapped, grants_unmapped;
		uint64_t merged; /* of store.merged, counted already */
	} counted;
	struct grant_copy copy;
	struct store_ctx store;
	struct blk_queue_config cfg;
	struct io_loop *loop;
	struct evtchn_port *port;
	void *ring_pages;
	char *bounce; /* BLK_BOUNCE_SLOT bytes of address space a slot */
	uint32_t bounce_pages;
	ev_timer idle;
	struct log_limit log_refused, log_failed;
	void *tables; /* memory of the arrays above */
	size_t tables_size;
};

/* Copied, not mapped, without persistent grants: a slot's worth of address
 * space, and how much of it all slots of a queue may use at once. */
#define BLK_BOUNCE_SLOT      (BLK_MAX_INDIRECT_SEGS * BLK_PAGE_SIZE)
#define BLK_BOUNCE_MAX_PAGES 4096u
/* Slots whose bounce memory is kept between requests, and how much of it: the
 * lowest slots are used first. */
#define BLK_BOUNCE_KEPT_SLOTS 64u
#define BLK_BOUNCE_KEPT_PAGES 16u
#define BLK_GRANT_IDLE_MS     60000u

/* blk_request.c */
/* Begin a request that was taken; -EAGAIN: no pages now, try it again after
 * another has finished.  Anything else is answered by it. */
int blk_request_begin(struct blk_request *r);
static inline bool blk_request_is_barrier(const struct blk_request *r)
{
	return r->slot->req.op == BLKIF_OP_WRITE_BARRIER;
}

/* blk_data.c */
/* Bring in the segments of an indirect request; 0 or -errno. */
int blk_data_fetch_segs(struct blk_request *r);
/* Make r->io.iov from checked segments: mapped pages, or bounce memory filled
 * from the guest's (to_store) or to be copied to it by blk_data_end(). */
int blk_data_begin(struct blk_request *r, bool to_store);
/* After the store: copy out what was read, if ok.  0 or -errno. */
int blk_data_end(struct blk_request *r, bool read_ok);
/* Is the store to write into pages of the guest? */
bool blk_data_may_be_written(const struct blk_request *r);
/* Let go of pages; idempotent. */
void blk_data_release(struct blk_request *r);
/* Bring the shared counters up to what the cache has counted for itself. */
void blk_data_count(struct blk_queue *q);

/* blk_queue.c */
/* The slot's answer into the ring; it is published with the next batch. */
void blk_queue_put_response(struct blk_queue *q, uint32_t slot_index);
/* The request is over: answer with status (BLKIF_RSP_*), free the slot. */
void blk_queue_finish(struct blk_request *r, int status);
/* For the log, rate limited. */
void blk_queue_log_refused(struct blk_request *r, const char *why);
void blk_queue_log_failed(struct blk_request *r, int err);

#endif
