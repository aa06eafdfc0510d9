// SPDX-License-Identifier: MIT
/* See placement.h. */
#include "backend/placement.h"

#define VOTES     8u /* events in a row from one CPU */
#define BUSY_DONE 16u
#define COUNT_NS  1000000u
#define SETTLE_NS 300000u /* the frontend must notice, too */
#define NR_SLICES 4u
#define FIRST_NS  10000000u   /* load goes on for so long: worth a trial */
#define LAST_NS   2000000000u /* trials are not made rarer than that */
#define IDLE_NS   100000000u  /* what was learnt is forgotten then */
/* What being apart must do of both together to win: an eighth more. */
#define APART_WINS (9.0 / 17)
/* Two slices in one place that differ by more are not of one load. */
#define UNEVEN     4.0
#define REFUSED_NS 1000000000u

void placement_init(struct placement *p)
{
	*p = (struct placement){
		.cpu = -1,
		.candidate = -1,
		.share = -1,
		.interval_ns = FIRST_NS,
	};
}

static void count_from(struct placement *p, uint64_t now)
{
	p->begin_ns = now;
	p->done = 0;
}

/* Events in a row from one CPU: the peer is there. */
static bool vote(struct placement *p, int cpu)
{
	if (cpu < 0)
		return false;
	if (cpu != p->candidate) {
		p->candidate = cpu;
		p->votes = 0;
	}
	if (p->votes < VOTES)
		p->votes++;
	return p->votes == VOTES;
}

static enum placement_move move(struct placement *p, bool together)
{
	if (together && p->cpu < 0)
		return PLACEMENT_STAY;
	p->moves++;
	p->together = together;
	return together ? PLACEMENT_JOIN : PLACEMENT_PART;
}

static void begin_slice(struct placement *p, uint64_t now)
{
	p->slice++;
	p->settling = true;
	count_from(p, now);
}

/* A trial is short and the load uneven, so that one alone says little: half of
 * what counts is from those before it. */
static bool together_is_better(struct placement *p)
{
	double share = p->best[0] / (p->best[0] + p->best[1]);

	p->share = p->share < 0 ? share : (p->share + share) / 2;
	return p->share < APART_WINS;
}

static void leave_trial(struct placement *p, uint64_t now)
{
	p->slice = 0;
	p->busy = false;
	count_from(p, now);
	p->next_trial_ns = now + p->interval_ns;
}

static enum placement_move end_trial(struct placement *p, uint64_t now)
{
	bool together = together_is_better(p);

	if (together != p->started)
		p->interval_ns = FIRST_NS;
	else if (p->interval_ns < LAST_NS)
		p->interval_ns *= 4;
	leave_trial(p, now);
	return together == p->together ? PLACEMENT_STAY : move(p, together);
}

/* Back where the trial began: did the load end meanwhile, or only begin?  Then
 * the trial compares two loads and not two places. */
static bool is_spoilt(const struct placement *p, double rate)
{
	double first = p->best[p->started];

	return p->slice == 3 &&
	       (!(rate > 0) || rate * UNEVEN < first || rate > first * UNEVEN);
}

/* The better of two slices counts: others can only make one worse. */
static enum placement_move go_on_trying(struct placement *p, uint64_t now)
{
	double rate;

	if (p->settling) {
		if (now - p->begin_ns < SETTLE_NS)
			return PLACEMENT_STAY;
		p->settling = false;
		count_from(p, now);
		return PLACEMENT_STAY;
	}
	if (now - p->begin_ns < COUNT_NS)
		return PLACEMENT_STAY;
	rate = (double)p->done / (double)(now - p->begin_ns);
	if (is_spoilt(p, rate)) {
		leave_trial(p, now);
		return PLACEMENT_STAY;
	}
	if (rate > p->best[p->together])
		p->best[p->together] = rate;
	if (p->slice == NR_SLICES)
		return end_trial(p, now);
	begin_slice(p, now);
	return move(p, !p->together);
}

static void begin_trial(struct placement *p, uint64_t now)
{
	p->started = p->together;
	p->best[0] = p->best[1] = 0;
	begin_slice(p, now);
}

/* Is there much to do?  Looked at once a ms. */
static void look_how_busy(struct placement *p, uint64_t now)
{
	uint64_t ns = now - p->begin_ns;

	if (ns < COUNT_NS)
		return;
	p->busy = p->done >= BUSY_DONE && ns < 4 * COUNT_NS;
	count_from(p, now);
}

enum placement_move placement_turn(struct placement *p,
				   const struct placement_look *l)
{
	bool sure = vote(p, l->peer_cpu);

	if (l->slept_ns >= IDLE_NS) {
		p->share = -1;
		p->interval_ns = FIRST_NS;
		p->next_trial_ns = l->now_ns + FIRST_NS;
		p->slice = 0;
		p->busy = false;
		count_from(p, l->now_ns);
	}
	p->done += l->done;
	if (p->slice)
		return go_on_trying(p, l->now_ns);
	look_how_busy(p, l->now_ns);
	if (p->candidate >= 0 && p->cpu < 0)
		p->cpu = p->candidate;
	if (sure && p->candidate != p->cpu) {
		p->cpu = p->candidate;
		if (p->together)
			return move(p, true);
	}
	if (l->now_ns < p->next_trial_ns || p->cpu < 0)
		return PLACEMENT_STAY;
	if (p->busy)
		begin_trial(p, l->now_ns);
	else if (sure && !p->together && !l->polls)
		return move(p, true);
	return PLACEMENT_STAY;
}

void placement_refused(struct placement *p, uint64_t now_ns)
{
	p->together = !p->together;
	p->moves--;
	p->slice = 0;
	p->votes = 0;
	p->next_trial_ns = now_ns + REFUSED_NS;
}
