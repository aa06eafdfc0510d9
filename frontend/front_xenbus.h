/* SPDX-License-Identifier: MIT */
/*
 * Between front_xenbus.c, the control thread with what it watches and waits
 * for, and front_states.c, what it does in which state.  All of it is the
 * control thread's.
 *
 * Protocol: <xen/io/xenbus.h>, hypercall/xenbus_state.h.
 */
#ifndef XENSPLIT_FRONT_XENBUS_H
#define XENSPLIT_FRONT_XENBUS_H

#include <ev.h>

#include "frontend/front_dev.h"
#include "hypercall/log.h"
#include "hypercall/xenbus_state.h"

struct front_xenbus {
	struct front_dev *d;
	pthread_t thread;
	struct ev_loop *loop;
	ev_async poke;
	ev_timer limit; /* of opening, then of closing */
	ev_timer drain;
	ev_timer refusal; /* runs while the backend may be about to offer */
	bool refusal_stands;
	double drain_until;
	atomic_bool stop; /* front_stop() wants the end */
	bool stopping;    /* and the thread knows */
	bool reported;    /* a violation, in xenstore */
	bool joined;      /* connect() was done with this backend */
	bool resetting;   /* the backend has yet to leave an earlier frontend */
	bool was_reset;   /* it had to, when we came */
	/* of what a backend can cause at will */
	struct log_limit limit_log;

	struct xs_store *xs;
	struct xs_watch *front_watch, *back_watch, *key_watch;
	uint32_t back_domid;
	enum xenbus_state own, other;
	char front[64], back[FRONT_PATH_MAX];
};

/* Begin with the backend that was found, whatever an earlier frontend left. */
void front_begin(struct front_xenbus *x);
/* Look at the backend's state, and do what follows. */
void front_walk(struct front_xenbus *x);
/* Whether all is closed, so that the thread can end when it is asked to. */
bool front_is_finished(const struct front_xenbus *x);
/* End the draining of requests that a closing backend still answers, if all
 * are answered or the time is over. */
void front_drain_check(struct front_xenbus *x);

bool front_is_opening(struct front_xenbus *x);
void front_write_state(struct front_xenbus *x, enum xenbus_state state);
/* Opening has failed, or what was open cannot go on: ends the device with err,
 * text and what the backend says. */
void front_give_up(struct front_xenbus *x, int err, const char *text);
/* The same for a mistake in what the backend wrote: it is told, too. */
void front_refuse(struct front_xenbus *x, int err, const char *text);

#endif
