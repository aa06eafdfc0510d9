/* SPDX-License-Identifier: MIT */
/*
 * What keeps a dead worker's memory until the disks are done with it.
 *
 * A disk may be writing into a guest's pages that a worker has mapped when that
 * worker is killed.  Linux's gntdev, in a PV domain, cannot unmap such a page
 * then, but the memory of the process is taken down all the same: the kernel
 * says "Bad page map", drops a reference that it does not have, and the page
 * is anybody's while the disk still writes.
 *
 * So a worker has a companion there, a process that shares its memory and
 * nothing else: it can read and write a socket on which nobody listens, sleep
 * and end, and it waits.  The memory is there until the companion ends, too.
 * The supervisor kills it when the worker's io_urings are idle (ring_drain.h):
 * what it does by itself is up to whoever has broken into the worker.
 */
#ifndef XENSPLIT_BACKEND_MEM_KEEPER_H
#define XENSPLIT_BACKEND_MEM_KEEPER_H

#include <stdbool.h>

/* ---- the supervisor's half ---- */

/* Whether workers of this domain need one. */
bool mem_keeper_wanted(void);
/* Kills it, and says whether it has ended: with the worker's process gone, so
 * is the memory.  Never blocks; to be called again until it has. */
bool mem_keeper_end(int pidfd);

/* ---- the worker's half ---- */

/*
 * Starts it, with the privileges that the caller has now.  sock: of a pair, the
 * end that is its alone from now on, or closed; some seconds after the
 * supervisor's end was closed it ends by itself.  No signal but SIGKILL ends
 * it.  0, and pidfd is for the supervisor, or -errno.
 */
int mem_keeper_start(int sock, int *pidfd);

#endif
