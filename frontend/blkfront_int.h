/* SPDX-License-Identifier: MIT */
/*
 * What the files of libblkfront share.  Not for users of the library.
 *
 * Two kinds of threads meet here: the caller's, one a queue, and the control
 * thread of front_xenbus.c.  A queue's lock is held by its caller, as its
 * owner (blkfront_lock.h), for the length of a submit or of one batch of
 * responses, and by the control thread only while it changes the connection; it
 * is never held while done() runs.
 *
 * Lock order: queue->lock, then blkfront->dev.lock.
 */
#ifndef XENSPLIT_BLKFRONT_INT_H
#define XENSPLIT_BLKFRONT_INT_H

#include <pthread.h>
#include <stdatomic.h>
#include <xengnttab.h>

#include "frontend/blkfront.h"
#include "frontend/blkfront_lock.h"
#include "frontend/front_dev.h"
#include "frontend/front_events.h"
#include "grant/pool.h"
#include "ring/blk_ring.h"

#define BLKFRONT_MAX_QUEUES 64u
#define BLKFRONT_NO_SLOT    UINT32_MAX
/* Bounce pages of the synchronous calls, per queue, made at first use. */
#define BLKFRONT_BOUNCE_PAGES 64u
/* Indirect pages are shared in steps of so many; at most one a slot. */
#define BLKFRONT_INDIRECT_STEP 32u

/* What a queue must know of the disk to check and encode requests. */
struct blkfront_geometry {
	uint64_t nr_sects_512;
	uint32_t sector_size;
	uint32_t max_segs;     /* in one ring request; over 11: indirect */
	uint32_t max_io_bytes; /* as promised when the disk was opened */
	bool read_only, flush, barrier, discard;
};

/* A page that carries the segments of one indirect request. */
struct blkfront_indirect {
	struct blk_seg *segs;
	uint32_t gref;
};

enum slot_state {
	SLOT_FREE,
	SLOT_WAITING, /* accepted, not on the ring: reconnecting */
	SLOT_ON_RING,
};

/* A request in flight, in our own memory: what a response is checked against,
 * and what is sent again when a backend comes back. */
struct blkfront_slot {
	struct blkfront_io *io;
	uint64_t offset, len;
	uint8_t *buf;
	uint64_t seq;    /* order of submission */
	uint64_t done;   /* bytes that earlier ring requests moved */
	uint32_t part;   /* bytes of the ring request in flight */
	uint8_t op;      /* enum blkfront_op */
	uint8_t wire_op; /* BLKIF_OP_*, of an indirect one the inner */
	uint8_t state;
	bool is_indirect;
	struct blkfront_indirect indirect; /* segs NULL: none */
};

struct blkfront_queue {
	struct blkfront *bf;
	unsigned int index;
	uint32_t domid; /* the backend's */

	struct owner_lock lock;
	/* Everything below is under the lock, but for what is said to be
	 * constant. */
	bool live; /* the ring is connected */
	struct blkfront_geometry geo;
	struct blk_front_ring ring;
	void *ring_mem;
	unsigned int ring_pages;
	struct grant_pool *ring_pool;

	struct blkfront_slot *slots; /* constant, as is their number */
	uint32_t nr_slots;
	uint32_t nr_free;
	uint16_t free_slots[BLK_RING_MAX_ENTRIES]; /* a stack: warm first */
	uint32_t nr_waiting, waiting_head;
	uint16_t waiting[BLK_RING_MAX_ENTRIES]; /* a circle of nr_slots */
	atomic_uint nr_in_flight;
	uint64_t next_seq;

	/* Pools; the pointers are constant once set. */
	struct grant_pool *pool, *bounce;
	struct grant_pool
		*indirect_pool[BLK_RING_MAX_ENTRIES / BLKFRONT_INDIRECT_STEP];
	uint32_t nr_indirect_pools, nr_indirect_free;
	struct blkfront_indirect indirect_free[BLK_RING_MAX_ENTRIES];

	struct front_events events;
	int port; /* -1: none; changes with the connection */

	struct blkfront_stats stats;
};

struct blkfront {
	struct front_dev dev;
	struct blkfront_options opt; /* with defaults filled in */
	enum blk_abi abi;
	xengntshr_handle *gntshr;
	unsigned int nr_queues;
	struct blkfront_queue *queues[BLKFRONT_MAX_QUEUES];

	struct blkfront_info info; /* under dev.lock */
};

/* ---- blkfront_queue.c: requests and responses ---- */

/* A queue with its pools but no connection. */
int blkfront_queue_create(struct blkfront_queue **queue, struct blkfront *bf,
			  unsigned int index, uint32_t domid,
			  uint32_t nr_slots);
void blkfront_queue_destroy(struct blkfront_queue *q);
/* New ring and event channel, not used before _start(). */
int blkfront_queue_connect(struct blkfront_queue *q, unsigned int ring_pages);
/* The backend is there: send what waits.  Wakes the sleeper. */
void blkfront_queue_start(struct blkfront_queue *q,
			  const struct blkfront_geometry *geo);
/* The backend is gone: requests on the ring wait for the next one. */
void blkfront_queue_stop(struct blkfront_queue *q);
/* The one thing that may change while connected. */
void blkfront_queue_resize(struct blkfront_queue *q, uint64_t nr_sects_512);
void blkfront_queue_wake(struct blkfront_queue *q);
/* Answer everything in flight: what the ring still holds, then -ENODEV (or the
 * disk's status).  Runs done() in this thread. */
void blkfront_queue_finish(struct blkfront_queue *q);

/* ---- blkfront_encode.c: a slot as a ring request ---- */

/* 0, or why this request cannot be. */
int blkfront_check_io(const struct blkfront_queue *q,
		      const struct blkfront_io *io);
/* The next ring request of a slot; -EAGAIN if no indirect page is to be had
 * now.  Sets part, wire_op, is_indirect. */
int blkfront_encode(struct blkfront_queue *q, uint32_t slot,
		    struct blk_req *req);
void blkfront_indirect_put(struct blkfront_queue *q, struct blkfront_slot *s);

/* ---- blkfront_class.c: the disk and its backend ---- */

extern const struct front_class blkfront_class;

/* ---- blkfront_keys.c: what the two ends tell each other ---- */

/* What a backend offers before the rings are made. */
struct blkfront_offer {
	uint64_t ring_pages, queues, indirect_segs;
};
int blkfront_read_offer(struct xs_store *xs, const char *back,
			struct blkfront_offer *offer, struct xs_err *err);
/* Write the connection of all queues and state Initialised, at once. */
int blkfront_write_setup(struct xs_store *xs, const char *front,
			 struct blkfront *bf);
/* The disk as the backend describes it; info->nr_queues, ring_entries and
 * max_segs are the caller's. */
int blkfront_read_disk(struct xs_store *xs, const char *back,
		       struct blkfront_info *info, struct xs_err *err);

/* ---- blkfront_setup.c: queues for a connection ---- */

/* Queues if there are none yet, and new rings for all of them. */
int blkfront_setup_rings(struct blkfront *bf, uint32_t domid,
			 const struct blkfront_offer *offer,
			 struct xs_err *why);
/* The backend has connected: let them go. */
void blkfront_setup_start(struct blkfront *bf,
			  const struct blkfront_info *info);

#endif
