// SPDX-License-Identifier: MIT
/* See uring_ring.h. */
#include "backend/uring_ring.h"

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RING_ENTRIES 256u

/* What stores do, and nothing that makes a descriptor. */
static const uint8_t allowed_ops[] = {
	IORING_OP_READ,         IORING_OP_WRITE, IORING_OP_READV,
	IORING_OP_WRITEV,       IORING_OP_FSYNC, IORING_OP_FALLOCATE,
	IORING_OP_ASYNC_CANCEL,
};
#define NR_ALLOWED (sizeof(allowed_ops) / sizeof(allowed_ops[0]))

/* liburing 2.3 has functions for what we register, but does not export them. */
static int ring_register(int fd, unsigned int what, const void *arg,
			 unsigned int nr)
{
	if (syscall(__NR_io_uring_register, fd, what, arg, nr) < 0)
		return -errno;
	return 0;
}

static int restrict_ring(int fd)
{
	struct io_uring_restriction res[NR_ALLOWED] = {0};
	unsigned int i;
	int err;

	for (i = 0; i < NR_ALLOWED; i++) {
		res[i].opcode = IORING_RESTRICTION_SQE_OP;
		res[i].sqe_op = allowed_ops[i];
	}
	err = ring_register(fd, IORING_REGISTER_RESTRICTIONS, res, NR_ALLOWED);
	if (err)
		return err;
	return ring_register(fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static int setup(struct uring_ring *ring, unsigned int flags)
{
	ring->params = (struct io_uring_params){.flags = flags};
	ring->fd = (int)syscall(__NR_io_uring_setup, RING_ENTRIES,
				&ring->params);
	return ring->fd < 0 ? -errno : 0;
}

int uring_ring_make(struct uring_ring *ring)
{
	int err = setup(ring, IORING_SETUP_R_DISABLED |
				      IORING_SETUP_COOP_TASKRUN |
				      IORING_SETUP_TASKRUN_FLAG);

	if (err == -EINVAL) /* before Linux 5.19 */
		err = setup(ring, IORING_SETUP_R_DISABLED);
	if (err)
		return err;
	err = restrict_ring(ring->fd);
	if (err)
		close(ring->fd);
	return err;
}
