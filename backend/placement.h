/* SPDX-License-Identifier: MIT */
/*
 * Where a data thread runs: on the CPU of the frontend it serves, or not.
 *
 * Waking a thread on another CPU that sleeps takes ten times what waking one
 * here takes, on a virtual machine fifty times; and two that spin on two CPUs
 * stand still whenever either is taken away.  On the other hand two CPUs do
 * more than one.  What is better depends on the machine, the load and the
 * store, so it is tried: while there is much to do, now and then, a millisecond
 * each way, twice; together wins unless apart does an eighth more, of late.
 * While there is little to do the thread sleeps between requests and goes where
 * it is woken from.
 *
 * Only the decision is here, which is pure; io_loop.c moves the thread.  The
 * CPU is what the peer says (hypercall/evtchn_peer.h): a peer that lies makes
 * the thread that serves it, and no other, move in vain, at most once in eight
 * of its events.
 *
 * Times in ns of one monotonic clock.  One thread.
 */
#ifndef XENSPLIT_BACKEND_PLACEMENT_H
#define XENSPLIT_BACKEND_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

struct placement {
	bool together;
	int cpu; /* whose events come from there; -1: not known */
	uint64_t moves;

	int candidate; /* events came from this one lately, so many */
	uint32_t votes;
	uint64_t begin_ns, done; /* of what is being counted */
	bool busy;               /* much was done in the last ms */
	uint64_t next_trial_ns, interval_ns;
	uint32_t slice;         /* of a trial, from 1; 0: none */
	double best[2];         /* done a ns, apart and together */
	double share;           /* what apart did of both, of late; < 0: none */
	bool settling, started; /* together when the trial began */
};

/* What a loop did between two sleeps, or in a turn of its polling. */
struct placement_look {
	uint64_t now_ns;
	uint64_t slept_ns; /* before it; 0: it did not sleep */
	uint32_t done;     /* requests or frames */
	int peer_cpu;      /* who woke it; -1: not known, or not woken */
	bool polls;        /* it looks for work before it sleeps */
};

enum placement_move {
	PLACEMENT_STAY,
	PLACEMENT_JOIN, /* to p->cpu, and nowhere else */
	PLACEMENT_PART, /* anywhere else */
};

void placement_init(struct placement *p);
/* What to do now; p is as if it were done. */
enum placement_move placement_turn(struct placement *p,
				   const struct placement_look *l);
/* The host did not let it: the thread is where it was. */
void placement_refused(struct placement *p, uint64_t now_ns);
/* A trial is under way, so turns are to be short. */
static inline bool placement_tries(const struct placement *p)
{
	return p->slice != 0;
}

#endif
