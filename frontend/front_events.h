/* SPDX-License-Identifier: MIT */
/*
 * A queue's event channels and sleeping until they ring, for all frontends.
 *
 * Each queue has an event channel handle of its own, so that its descriptor
 * speaks of that queue alone.  An eventfd beside it lets the control thread
 * wake a sleeper when the connection changes.  No event is asked for
 * (rsp_event) but just before sleeping.
 *
 * The handle and descriptors are constant between open and close; ports come
 * and go with connections and are the caller's to keep.  Binding, unbinding,
 * notifying and waking from any thread; all else by the queue's own.
 */
#ifndef XENSPLIT_FRONT_EVENTS_H
#define XENSPLIT_FRONT_EVENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <xenevtchn.h>

#include "hypercall/evtchn_peer.h"

struct front_events {
	xenevtchn_handle *xce;
	int wake_fd; /* eventfd */
	int poll_fd; /* epoll of the event channel and wake_fd */

	unsigned int nr_ports; /* that may be pending at once */
	uint32_t poll_us;      /* spin at most so long; 0: never */
	uint32_t spin_us;      /* how long the next wait spins */
	uint32_t empty_events; /* wake-ups in a row that brought nothing */
	uint64_t events, sleeps;
	struct evtchn_peer peer; /* is the backend on our CPU? */
	atomic_int port;         /* the one asked about */
};

/* 0 or -errno; after a failure, too, _close() is to be called. */
int front_events_open(struct front_events *ev, unsigned int nr_ports,
		      uint32_t poll_us);
void front_events_close(struct front_events *ev);

/* A port that domain domid may bind, or -errno. */
int front_events_bind(struct front_events *ev, uint32_t domid);
/* port < 0 is fine. */
void front_events_unbind(struct front_events *ev, int port);
/* A backend that has gone cannot be notified; the control thread hears of
 * that from xenstore, so the error says nothing here. */
void front_events_notify(struct front_events *ev, int port);
void front_events_wake(struct front_events *ev);
/* Take events and wakes that are pending, so that what rings after is not
 * lost: before asking for events. */
void front_events_consume(struct front_events *ev);

/* Is there something to do?  Cheap; called often. */
typedef bool (*front_ready_fn)(void *arg);

/* Does the backend run on this CPU, as far as is known?  It cannot answer while
 * we spin on it. */
bool front_events_backend_is_here(const struct front_events *ev);
/* Spin for as long as has paid off lately, and not where it keeps the backend
 * from running; true when ready. */
bool front_events_spin(struct front_events *ev, front_ready_fn ready,
		       void *arg);
/*
 * Sleep until an event, a wake or timeout_ms (-1: for ever); > 0: look again,
 * 0: the time is up, or -errno.  Events that the caller asked for and that
 * brought nothing are counted; after too many in a row the event channel is
 * left alone for a while: it stays pending, so nothing is lost.
 */
int front_events_sleep(struct front_events *ev, front_ready_fn ready, void *arg,
		       int timeout_ms);
/* There was something to do after all. */
static inline void front_events_useful(struct front_events *ev)
{
	ev->empty_events = 0;
}

/* Time left of timeout_ms that began at start_us; -1: no limit. */
int front_time_left(uint64_t start_us, int timeout_ms);

#endif
