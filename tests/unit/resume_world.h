/* SPDX-License-Identifier: MIT */
/*
 * For blk_resume.c: what a worker of one queue finds, and what outlives it.  A
 * frontend with its ring, a disk, what the "kernel" has under way, and doubles
 * of what the queue stands on.  Made of a seed: the same with the same seed.
 */
#ifndef XENSPLIT_TESTS_RESUME_WORLD_H
#define XENSPLIT_TESTS_RESUME_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/io_loop.h"
#include "backend/store.h"
#include "ring/blk_ring.h"

#define PAGES      48u  /* of the disk */
#define SEGS       3u   /* at most, of a request */
#define REQUESTS   100u /* in one scenario, at most */
#define IN_FLIGHT  32u
#define SECTS_PAGE (BLK_PAGE_SIZE / BLK_SECTOR_SIZE)

/* Grant references: the ring, a page of segments and data pages for each
 * place in flight. */
#define RING_REF       100u
#define IND_REF(p)     (200u + (p))
#define DATA_REF(p, i) (300u + (p)*SEGS + (i))

/* What a frontend may ask; the first ones are reads. */
#define NR_OPS 8u
#define READS  3u

struct request {
	uint64_t value; /* of a write: what all its words are made of */
	uint32_t page, nr;
	uint8_t op, place;
	bool sent, indirect, bad; /* bad: past the end of the disk */
	unsigned int answers;
};

/* An operation that the kernel has. */
struct pending {
	bool valid, write;
	uint32_t page, nr;
	struct store_io *io; /* of the child that gave it */
	uint8_t data[SEGS * BLK_PAGE_SIZE];
};

struct world {
	struct blk_front_ring ring;
	struct request req[REQUESTS];
	uint32_t nr_requests, nr_sent, nr_answered;
	bool place_used[IN_FLIGHT], page_busy[PAGES];
	uint64_t model[PAGES]; /* what an acknowledged write left */
	uint8_t disk[PAGES * BLK_PAGE_SIZE];
	struct pending pending[IN_FLIGHT];
	char failure[160];
};

/* In memory that is shared with the workers' processes. */
extern struct world *w;
extern struct io_loop loop;
extern struct io_poller *poller; /* the queue's */
extern enum blk_abi abi;
extern bool persistent;

/* Around each test; and the world of a seed. */
void world_setup(void);
void world_teardown(void);
void begin_scenario(unsigned int seed);

unsigned int rnd(unsigned int below);
/* The test has failed; the first reason is kept. */
void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool is_filled(const void *page, uint64_t value);

/* The kernel ends an operation, or some of those that it has. */
void end_io(struct pending *p);
void store_turn(void);
/* Of a process that died, each operation ends or never began. */
void kernel_after_death(void);

/* The frontend puts a request, one of the first nr_ops kinds; false if there is
 * no room, or its pages are in use. */
bool send_one(unsigned int nr_ops);
/* It takes answers and checks them, and sends more. */
void frontend_turn(void);

#endif
