/* SPDX-License-Identifier: MIT */
/* Starting a worker process: fork, descriptors, exec. */
#ifndef XENSPLIT_BACKEND_WORKER_SPAWN_H
#define XENSPLIT_BACKEND_WORKER_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "backend/ring_drain.h"
#include "backend/super.h"

/* Runs this program again as `--worker DOMID ...` with one end of a socket
 * pair as WORKER_FD and its io_urings after it, of which rings gets our
 * descriptors.  On success the caller owns pidfd, the other end, which does
 * not block, and the socket of the worker's companion, -1 where it has none
 * (mem_keeper.h).  0 or -errno. */
int worker_spawn(uint32_t domid, const struct super_options *opt, pid_t *pid,
		 int *pidfd, int *sock, int *keeper, struct ring_drain *rings);

/* Call first in main(): the descriptor that leads to embedded Xen may have
 * been given the number that the worker's socket is to have. */
int worker_spawn_reserve_fd(void);

#endif
