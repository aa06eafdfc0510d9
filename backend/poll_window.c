// SPDX-License-Identifier: MIT
/* See poll_window.h. */
#include "backend/poll_window.h"

#define START_NS 5000u /* first step when polling begins to pay */

/* Somebody who computes on the same CPU costs a switch a time slice (some 4
 * ms); a peer that we keep from answering, one for each of its wake-ups. */
#define CROWD_SWITCHES 4u
#define CROWD_NS       20000000u
#define CROWD_OFF_NS   50000000u

void poll_window_limit(struct poll_window *w, uint64_t max_ns)
{
	w->max_ns = max_ns;
	if (w->ns > max_ns)
		w->ns = max_ns;
}

void poll_window_slept(struct poll_window *w, uint64_t now_ns,
		       uint64_t slept_ns)
{
	if (now_ns < w->off_until_ns)
		return;
	if (slept_ns <= w->max_ns) {
		w->ns = w->ns ? w->ns * 2 : START_NS;
		if (w->ns > w->max_ns)
			w->ns = w->max_ns;
	} else {
		w->ns = w->ns > START_NS ? w->ns / 2 : 0;
	}
}

void poll_window_open(struct poll_window *w)
{
	w->ns = w->max_ns;
	w->off_until_ns = 0;
}

void poll_window_switches(struct poll_window *w, uint64_t now_ns,
			  uint64_t switches)
{
	if (now_ns - w->since_ns >= CROWD_NS) {
		w->since_ns = now_ns;
		w->switches = switches;
	} else if (switches - w->switches >= CROWD_SWITCHES) {
		w->since_ns = now_ns;
		w->switches = switches;
		w->off_until_ns = now_ns + CROWD_OFF_NS;
		w->ns = 0;
		w->crowded++;
	}
}
