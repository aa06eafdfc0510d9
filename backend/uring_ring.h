/* SPDX-License-Identifier: MIT */
/*
 * Making an io_uring that is fit for a worker: restricted, for good, to the
 * few operations that stores need.  Otherwise a worker that was broken into
 * could open files and sockets through the ring, which seccomp does not see.
 *
 * The supervisor makes a worker's rings and the worker inherits them, so that
 * both have them: see ring_drain.h.
 */
#ifndef XENSPLIT_BACKEND_URING_RING_H
#define XENSPLIT_BACKEND_URING_RING_H

#include <linux/io_uring.h>

struct uring_ring {
	int fd;
	struct io_uring_params params; /* what mapping it needs */
};

/* 0, or -errno where the host refuses io_uring or cannot restrict it.  The
 * descriptor is close-on-exec. */
int uring_ring_make(struct uring_ring *ring);

#endif
