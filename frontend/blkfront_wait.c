// SPDX-License-Identifier: MIT
/*
 * libblkfront: waiting for responses.  Events and sleeping themselves are in
 * front_events.h.
 */
#include <errno.h>

#include "frontend/blkfront_int.h"
#include "hypercall/clock.h"

/* Ask for an event; true if there is something to do already. */
static bool arm(struct blkfront_queue *q)
{
	bool ready;

	owner_lock(&q->lock);
	ready = atomic_load(&q->bf->dev.status) != 0;
	if (q->live && blk_front_ring_arm(&q->ring))
		ready = true;
	owner_unlock(&q->lock);
	return ready;
}

int blkfront_fd(struct blkfront_queue *q)
{
	return q->events.poll_fd;
}

bool blkfront_backend_is_here(const struct blkfront_queue *q)
{
	return front_events_backend_is_here(&q->events);
}

bool blkfront_arm(struct blkfront_queue *q)
{
	front_events_consume(&q->events);
	if (atomic_load(&q->nr_in_flight) == 0)
		return false;
	return arm(q);
}

static bool has_responses(void *arg)
{
	struct blkfront_queue *q = arg;
	bool yes;

	owner_lock(&q->lock);
	yes = q->live && blk_front_ring_avail(&q->ring) != 0;
	owner_unlock(&q->lock);
	return yes || atomic_load(&q->bf->dev.status);
}

int blkfront_wait(struct blkfront_queue *q, int timeout_ms)
{
	uint64_t start = clock_us();
	int n;

	blkfront_kick(q);
	for (;;) {
		n = blkfront_poll(q);
		if (n) {
			front_events_useful(&q->events);
			return n;
		}
		if (atomic_load(&q->nr_in_flight) == 0)
			return 0;
		if (front_events_spin(&q->events, has_responses, q) || arm(q))
			continue;
		n = front_events_sleep(&q->events, has_responses, q,
				       front_time_left(start, timeout_ms));
		if (n <= 0)
			return n;
	}
}
