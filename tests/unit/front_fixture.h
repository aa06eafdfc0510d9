/* SPDX-License-Identifier: MIT */
/*
 * For tests of libblkfront's queue: a disk of one queue with its backend in
 * the same process.  The backend's side of the ring is on the same memory,
 * event channels are eventfds, grants come from fake_gnttab.  A backend that
 * lies is one that writes what it likes into the ring.
 */
#ifndef XENSPLIT_TESTS_FRONT_FIXTURE_H
#define XENSPLIT_TESTS_FRONT_FIXTURE_H

#include <check.h>

#include "frontend/blkfront_int.h"
#include "tests/unit/fake_gnttab.h"

/* After stdint.h, which it needs and does not include. */
#include <xen/io/blkif.h>

#define DISK     (1u << 20)
#define MAX_SEGS 64u
#define MAX_IO   (MAX_SEGS * BLK_PAGE_SIZE)

extern struct blkfront *bf;
extern struct blkfront_queue *q;
extern struct blk_back_ring back;
extern struct blkfront_geometry geo;

/* Event descriptors of the two ends, and how often the frontend rang. */
extern int to_front, to_back, notifies;
void ring_bell(int fd);

/* The backend's side of the queue's ring, anew. */
void attach_back(void);
/* End the disk before a request in flight goes out of scope. */
void finish(void);

/* make_io() resets them; the request's done() counts. */
extern int done_count, last_res;
struct blkfront_io make_io(enum blkfront_op op, void *buf, uint64_t len,
			   uint64_t offset);

/* The backend: take a request, answer one. */
struct blk_req take_one(void);
void answer(uint64_t id, uint8_t op, int16_t status);
/* Submit, kick, and take it as the backend. */
struct blk_req send(struct blkfront_io *io);

/* Run the tests that add() adds, once for each ABI; for main(). */
int run_for_all_abis(const char *suite, void (*add)(TCase *tc));

#endif
