/* SPDX-License-Identifier: MIT */
/*
 * One io_uring for everything that a data thread does with files.
 *
 * All calls on the loop's thread, except create and destroy, which run while
 * that thread does not.
 */
#ifndef XENSPLIT_BACKEND_URING_ENGINE_H
#define XENSPLIT_BACKEND_URING_ENGINE_H

#include <stdbool.h>

#include "backend/uring_ring.h"

struct io_loop;
struct io_uring_engine;
struct io_uring_sqe;

/*
 * One operation; the caller's memory until complete() ran.  prep() fills in
 * the entry (io_uring_prep_*, not the user data) and may run within
 * uring_engine_submit() or later, when the ring has room.  complete() never
 * runs within uring_engine_submit() or uring_engine_kick(); it may submit.
 */
struct uring_op {
	void (*prep)(struct uring_op *op, struct io_uring_sqe *sqe);
	void (*complete)(struct uring_op *op, int res);
	struct uring_op *next; /* the engine's */
};

/* Maps the ring (uring_ring.h) and takes its descriptor over on success.
 * loop->ev is there already.  0 or -errno; *engine is then NULL. */
int uring_engine_create(struct io_loop *loop, const struct uring_ring *ring,
			struct io_uring_engine **engine);
/* Nothing is in flight.  NULL is fine. */
void uring_engine_destroy(struct io_uring_engine *engine);

/* Queue op; it starts at the next kick, or before. */
void uring_engine_submit(struct io_uring_engine *engine, struct uring_op *op);
/* Start what is queued: at most one system call, none if nothing is. */
void uring_engine_kick(struct io_uring_engine *engine);
/*
 * Have the operations end that match() picks, as far as they wait for room in
 * the ring, and ask the kernel to do so with those it has on fd.  complete()
 * runs for each as always, from the loop, with -ECANCELED where that worked.
 */
void uring_engine_cancel(struct io_uring_engine *engine, int fd,
			 bool (*match)(const struct uring_op *op, void *arg),
			 void *arg);

#endif
