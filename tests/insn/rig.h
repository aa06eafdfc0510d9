/* SPDX-License-Identifier: MIT */
/*
 * A disk of one queue with both its ends in this process: the real code of
 * frontend/, ring/, grant/ and backend/ from blkfront_submit() to the store and
 * back, without Xen, xenstore, event loops and processes.  Grants come from
 * tests/unit/fake_gnttab.c, event channels from rig_evtchn.c; the backend's
 * poller is called by whoever uses the rig, in one thread or in two.
 *
 * For measuring: what one request takes of each side.  Not a test of what the
 * sides do, but a request that fails ends the program.
 */
#ifndef XENSPLIT_TESTS_INSN_RIG_H
#define XENSPLIT_TESTS_INSN_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/blk_queue.h"
#include "frontend/blkfront_int.h"

#define RIG_MAX_DEPTH 32u

/* A loop that does not run: whoever uses a rig calls its poller. */
struct rig_loop {
	struct io_loop loop; /* first */
	struct io_poller *poller;
};

struct rig_case {
	const char *name;
	const char *target; /* of the store */
	enum blkfront_op op;
	uint32_t bytes; /* of a request */
	uint32_t depth; /* requests submitted, and answered, together */
	bool persistent;
	unsigned int ring_pages;
	/* from one request to the next, 0: bytes; one that has no divisor in
	 * common with the disk's size goes everywhere */
	uint64_t stride;
};

struct rig {
	const struct rig_case *what;
	/* frontend */
	struct blkfront bf;
	struct blkfront_queue *q;
	struct blkfront_io io[RIG_MAX_DEPTH];
	char *buf[RIG_MAX_DEPTH];
	uint64_t next_offset, step, disk_bytes;
	uint64_t submitted, completed, failed;
	/* backend */
	struct rig_loop rl;
	struct store_desc store;
	struct blk_queue_stats *stats;
	struct blk_queue *bq;
	int journal_fd;
	bool stopped;
};

/* Make a disk for a case; ends the program if that fails. */
void rig_open(struct rig *rig, const struct rig_case *what);
/* Nothing is in flight.  Ends the program if a request failed. */
void rig_close(struct rig *rig);

/* Submit depth requests and publish them. */
void rig_front_send(struct rig *rig);
/* Take what is answered; how many. */
int rig_front_receive(struct rig *rig);
/* The same, but spin until there is something. */
int rig_front_wait(struct rig *rig);
/* One pass of the backend over its ring; how much it did.  Before it, as a
 * worker's loop does: rig->rl.loop.now_ns = the time. */
int rig_back(struct rig *rig);

#endif
