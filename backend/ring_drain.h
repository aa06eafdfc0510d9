/* SPDX-License-Identifier: MIT */
/*
 * What a worker that died may have left under way.
 *
 * A write that the kernel has given to a disk lands whether its process lives
 * or not.  If a successor did it again, the guest then wrote something newer
 * to the same place, and the old one landed last, the newer data would be
 * gone.  So the supervisor keeps the io_urings that it made for a worker
 * (they cannot be sent later, only inherited), and no successor is started
 * before those rings are idle.
 *
 * The supervisor never maps or enters the rings; it reads their counters in
 * /proc/self/fdinfo.
 */
#ifndef XENSPLIT_BACKEND_RING_DRAIN_H
#define XENSPLIT_BACKEND_RING_DRAIN_H

#define RING_DRAIN_MAX 4u /* rings of one worker: one a loop */

struct ring_drain {
	int fd[RING_DRAIN_MAX];
	unsigned int nr;
};

/* Takes the descriptors over; those beyond the maximum are closed. */
void ring_drain_set(struct ring_drain *d, const int *fds, unsigned int nr);
/* Operations that the kernel still has; -errno if that cannot be told. */
int ring_drain_in_flight(const struct ring_drain *d);
/* Closes what is held.  Idempotent. */
void ring_drain_clear(struct ring_drain *d);

#endif
