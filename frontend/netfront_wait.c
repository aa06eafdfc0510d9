// SPDX-License-Identifier: MIT
/*
 * libnetfront: waiting for frames and for room to send.  Events and sleeping
 * themselves are in front_events.h.
 */
#include <errno.h>

#include "frontend/netfront_int.h"
#include "hypercall/clock.h"

/* Who waits for room is woken when there is some worth waking for: less than
 * what is on a full ring, with as few buffers as there can be. */
#define TX_WAKE NET_TX_SLOTS_MAX

/* Responses to transmitted frames wake only who waits for room. */
static bool has_room_now(struct netfront_queue *q)
{
	return q->tx_starved && net_front_ring_avail(&q->cur->tx) != 0;
}

static bool is_ready(void *arg)
{
	struct netfront_queue *q = arg;

	if (atomic_load_explicit(&q->attention, memory_order_relaxed))
		return true;
	if (!q->cur)
		return false;
	return net_front_ring_avail(&q->cur->rx) != 0 || has_room_now(q);
}

/* Ask for events; true if there is something to do already. */
static bool arm(struct netfront_queue *q)
{
	bool ready;

	if (netfront_check(q))
		return true;
	if (!q->cur)
		return false;
	ready = net_front_ring_arm(&q->cur->rx, 1);
	if (q->tx_starved && net_front_ring_arm(&q->cur->tx, TX_WAKE))
		ready = true;
	return ready;
}

int netfront_fd(struct netfront_queue *q)
{
	return q->events.poll_fd;
}

bool netfront_arm(struct netfront_queue *q)
{
	front_events_consume(&q->events);
	return arm(q);
}

bool netfront_backend_is_here(const struct netfront_queue *q)
{
	return front_events_backend_is_here(&q->events);
}

int netfront_wait(struct netfront_queue *q, unsigned int max,
		  netfront_receive_cb receive, void *user, int timeout_ms)
{
	uint64_t start = clock_us();
	bool was_starved = q->tx_starved;
	int n;

	if (q->in_poll)
		return -EBUSY;
	for (;;) {
		n = netfront_kick(q);
		if (!n)
			n = netfront_poll(q, max, receive, user);
		if (n || (was_starved && netfront_send_room(q))) {
			q->tx_starved = false;
			front_events_useful(&q->events);
			return n;
		}
		if (front_events_spin(&q->events, is_ready, q) || arm(q))
			continue;
		n = front_events_sleep(&q->events, is_ready, q,
				       front_time_left(start, timeout_ms));
		if (n <= 0)
			return n;
	}
}
