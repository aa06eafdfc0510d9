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
 * nothing else: it has one socket, four system calls, and waits.  The
 * memory is there until the companion ends, too, and that is told by the
 * supervisor, when the worker's io_urings are idle (ring_drain.h).
 */
#ifndef XENSPLIT_BACKEND_MEM_KEEPER_H
#define XENSPLIT_BACKEND_MEM_KEEPER_H

#include <stdbool.h>

/* ---- the supervisor's half ---- */

/* Whether workers of this domain need one. */
bool mem_keeper_wanted(void);
/* Tells it to end, once is enough, and says whether it has: the memory is gone
 * then.  sock: the supervisor's end of a socket pair; never blocks. */
bool mem_keeper_let_go(int sock);

/* ---- the worker's half ---- */

/*
 * Starts it, with the privileges that the caller has now.  sock: the other end,
 * which is its alone from now on, or closed; when the supervisor's end is
 * closed without a word, it ends after a while.  Signals do not end it.  0 or
 * -errno.
 */
int mem_keeper_start(int sock);

#endif
