/* SPDX-License-Identifier: MIT */
/*
 * How long a data thread looks for work before it sleeps.
 *
 * Learnt as the kernel's halt polling learns it: a sleep that ended within the
 * bound means that polling would have caught it, so poll longer; one that
 * lasted longer means polling was waste, so poll shorter, down to not at all.
 * And not where it takes the CPU from somebody: a thread that is sent off its
 * CPU again and again while it polls stops that for a while.
 *
 * Times in ns of one monotonic clock.  One thread.
 */
#ifndef XENSPLIT_BACKEND_POLL_WINDOW_H
#define XENSPLIT_BACKEND_POLL_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct poll_window {
	uint64_t max_ns; /* 0: never poll */
	uint64_t ns;     /* poll so long now */
	/* of the CPU's other users */
	uint64_t since_ns, off_until_ns, crowded; /* crowded: how often */
	uint64_t switches;
};

/* The bound has become max_ns; the window is at most that. */
void poll_window_limit(struct poll_window *w, uint64_t max_ns);
/* A sleep has ended, at now_ns after slept_ns. */
void poll_window_slept(struct poll_window *w, uint64_t now_ns,
		       uint64_t slept_ns);
/* Poll as long as may be, from now on, and see. */
void poll_window_open(struct poll_window *w);
/* How often the thread was made to leave its CPU so far, looked at when it has
 * polled. */
void poll_window_switches(struct poll_window *w, uint64_t now_ns,
			  uint64_t switches);

#endif
