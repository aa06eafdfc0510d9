/* SPDX-License-Identifier: MIT */
/*
 * One ring of one disk, as the worker serves it: takes requests, checks them,
 * has grants mapped or copied and the store move the data, and answers.
 *
 * docs/life-of-a-request.md walks through it.  All functions run on the
 * queue's loop thread.
 */
#ifndef XENSPLIT_BACKEND_BLK_QUEUE_H
#define XENSPLIT_BACKEND_BLK_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/blk_journal.h"
#include "backend/blk_stats.h"
#include "backend/io_loop.h"
#include "backend/store.h"
#include "grant/cache.h"
#include "grant/copy.h"
#include "hypercall/log.h"
#include "ring/blk_check.h"

struct blk_queue;
struct blk_request;

/* What a queue is made from; everything it needs to know of its disk. */
struct blk_queue_config {
	const char *name; /* of the device; outlives the queue */
	const struct store_desc *store;
	struct blk_limits limits;
	struct blk_queue_stats *stats;
	const atomic_uint *poll_max_us_1; /* of blk_disk_stats; NULL: 0 */
	struct io_loop *loop;
	uint32_t fe_domid;
	enum blk_abi abi;
	unsigned int index, ring_pages;
	uint32_t ring_ref[BLK_RING_MAX_PAGES];
	uint32_t event_channel;
	uint32_t cache_pages; /* of persistent grants mapped, at most */
	bool persistent, resume;
	int journal_fd; /* not kept */
	/* the queue stopped because of its peer; text is for people.  Called at
	 * most once, on the loop's thread; the queue stays to be closed. */
	void (*violation)(void *arg, const char *text);
	/* blk_queue_stop() has ended: close it now */
	void (*stopped)(void *arg);
	void *arg;
};

/* Map the ring and bind the port.  0 or -errno with a reason; on failure
 * nothing is left.  Nothing is taken from the ring yet. */
int blk_queue_open(struct blk_queue **q, const struct blk_queue_config *cfg,
		   struct xs_err *err);
/* Begin, or go on where the journal ends, with cfg->resume. */
void blk_queue_start(struct blk_queue *q);

/*
 * Take no more requests, and call stopped() when none is in flight.  abort:
 * answer those in flight with errors at once and have the store end them;
 * their pages stay mapped until the store has let go of them.
 */
void blk_queue_stop(struct blk_queue *q, bool abort);

/* Unmap, unbind, free.  Stopped before, or never started. */
void blk_queue_close(struct blk_queue *q);

/* The disk's size has changed. */
void blk_queue_set_size(struct blk_queue *q, uint64_t nr_sects_512);

#endif
