/* SPDX-License-Identifier: MIT */
/*
 * A data thread of a worker: a libev loop, the grant and event channel handles
 * and the io_uring that everything on this thread shares.
 *
 * Whatever moves data belongs to one loop and is touched by that thread only,
 * so the data path has no locks.  The control thread gets in by
 * io_loop_call().  Before the loop sleeps it runs its pollers for a time that
 * adapts to the load.
 */
#ifndef XENSPLIT_BACKEND_IO_LOOP_H
#define XENSPLIT_BACKEND_IO_LOOP_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <xengnttab.h>

#include "hypercall/evtchn_hub.h"

struct io_uring_engine;
struct uring_ring;

/*
 * Something that may have work without an event.  poll: do what there is, at
 * most a batch; returns how much was done (0: nothing).  arm: about to sleep:
 * ask for events; true if there is work after all.  Both on the loop's thread.
 */
struct io_poller {
	int (*poll)(struct io_poller *p);
	bool (*arm)(struct io_poller *p);
	/* NULL, or: the loop has polled for a while (see struct io_loop for
	 * how), at least once a ms while it is busy and once a sleep; returns
	 * for how many us at most this one wants to be polled, -1: as the
	 * worker was told */
	int (*turn)(struct io_poller *p);
	struct io_poller *next, **prev;
};

struct io_loop {
	unsigned int index; /* of the worker's data threads */
	struct ev_loop *ev;
	struct evtchn_hub *hub;
	xengnttab_handle *gnttab;
	struct io_uring_engine *uring; /* NULL where the host refuses it */
	/* CLOCK_MONOTONIC as the loop read it before it called the pollers; a
	 * poller that reads the clock itself leaves the time here */
	uint64_t now_ns;
	/* turns of polling that found work, that did not; sleeps; how often
	 * polling was stopped because others want the CPU */
	uint64_t polls_useful, polls_useless, sleeps, polls_crowded;
	uint64_t poll_ns, poll_max_ns; /* how long it polls now, and at most */
	uint64_t moves; /* from CPU to CPU, to the frontend's or away from it */
	struct io_loop_private *priv;
};

/* Makes handles and the thread; 0 or -errno.  poll_max_us bounds the polling
 * before each sleep (0: never poll) where pollers do not say otherwise.  ring
 * is taken over; NULL where there is none.  Called before privileges are
 * dropped: afterwards the loop opens nothing. */
int io_loop_start(struct io_loop **loop, unsigned int index,
		  unsigned int poll_max_us, const struct uring_ring *ring);
/* Stops the thread and closes the handles.  Nothing may be attached. */
void io_loop_stop(struct io_loop *loop);

/* Run fn(arg) on the loop's thread and wait for it.  Not from a loop thread. */
void io_loop_call(struct io_loop *loop, void (*fn)(void *arg), void *arg);

/* On the loop's thread. */
void io_loop_add_poller(struct io_loop *loop, struct io_poller *p);
void io_loop_del_poller(struct io_loop *loop, struct io_poller *p);

#endif
