// SPDX-License-Identifier: MIT
/*
 * How long a request takes through both sides of the block path, with one
 * thread a side that spins, beside what the same two threads need for a cache
 * line's way there and back, probed before each measurement:
 *
 *   trip [ROUNDS [CPU CPU]]
 *
 * and, without a second thread, how long the code of both sides takes when no
 * cache line moves.  Medians over rounds of medians over batches, in ns; what
 * is divided is divided within a round.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/insn/rig.h"

#define BATCHES    31u
#define BATCH      512u /* requests, or ways of a line */
#define MAX_ROUNDS 501u

enum { LINE, ALONE, TRIP, TRIP_LINES, NR_FIGURES };

static const struct rig_case cases[] = {
	{"4k-read/qd1/null", "null:1G", BLKFRONT_READ, 4096, 1, true, 1, 0},
	{"4k-read/qd32/null", "null:1G", BLKFRONT_READ, 4096, 32, true, 1, 0},
	{"4k-write/qd1/null", "null:1G", BLKFRONT_WRITE, 4096, 1, true, 1, 0},
	{"4k-read/qd1/memory", "memory:16M", BLKFRONT_READ, 4096, 1, true, 1,
	 0},
	/* not what the CPU foresees, and not in its cache */
	{"4k-random-read/qd32/memory", "memory:64M", BLKFRONT_READ, 4096, 32,
	 true, 1, 4096 * UINT64_C(5081)},
};
#define NR_CASES (sizeof(cases) / sizeof(cases[0]))

enum job { REST, ANSWER_LINES, SERVE, QUIT };

static struct {
	_Alignas(128) atomic_int job, doing;
	_Alignas(128) atomic_uint there;
	_Alignas(128) atomic_uint back;
} shared;
static struct rig rigs[NR_CASES];
static struct rig *rig = rigs; /* changed while the other side rests */
static int cpu_of[2] = {0, 1};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* elsewhere it still measures something, and says so by its figures */
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* A worker's loop, without what it does before it sleeps. */
static void serve(void)
{
	struct io_loop *loop = &rig->rl.loop;

	for (;;) {
		uint64_t before = now_ns();

		loop->now_ns = before;
		while (rig_back(rig)) {
			if (loop->now_ns == before)
				loop->now_ns = now_ns();
			before = loop->now_ns;
		}
		if (atomic_load_explicit(&shared.job, memory_order_relaxed) !=
		    SERVE)
			return;
		__builtin_ia32_pause();
	}
}

static void *other_side(void *arg)
{
	unsigned int last = 0, now;
	int job;

	pin(cpu_of[1]);
	for (;;) {
		job = atomic_load_explicit(&shared.job, memory_order_acquire);
		if (job !=
		    atomic_load_explicit(&shared.doing, memory_order_relaxed))
			atomic_store(&shared.doing, job);
		if (job == QUIT)
			return arg;
		if (job == SERVE) {
			serve();
		} else if (job == ANSWER_LINES) {
			now = atomic_load_explicit(&shared.there,
						   memory_order_acquire);
			if (now != last)
				atomic_store_explicit(&shared.back, now,
						      memory_order_release);
			else
				__builtin_ia32_pause();
			last = now;
		} else {
			__builtin_ia32_pause();
		}
	}
}

static void give_job(enum job job)
{
	atomic_store(&shared.job, job);
	while (atomic_load(&shared.doing) != (int)job)
		__builtin_ia32_pause();
}

/* ---- what is measured ---- */

static void line_batch(void)
{
	static unsigned int n;
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		atomic_store_explicit(&shared.there, ++n, memory_order_release);
		while (atomic_load_explicit(&shared.back,
					    memory_order_acquire) != n)
			__builtin_ia32_pause();
	}
}

static void alone_batch(void)
{
	unsigned int i;

	for (i = 0; i < BATCH; i += rig->what->depth) {
		rig_front_send(rig);
		rig_back(rig);
		rig_front_receive(rig);
	}
}

static void trip_batch(void)
{
	unsigned int i, left;

	for (i = 0; i < BATCH; i += rig->what->depth) {
		rig_front_send(rig);
		for (left = rig->what->depth; left;)
			left -= (unsigned int)rig_front_wait(rig);
	}
}

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, unsigned int nr)
{
	qsort(v, nr, sizeof(*v), compare);
	return v[nr / 2];
}

static double measure(void (*batch)(void))
{
	double ns[BATCHES];
	unsigned int i;

	batch();
	for (i = 0; i < BATCHES; i++) {
		uint64_t begin = now_ns();

		batch();
		ns[i] = (double)(now_ns() - begin) / BATCH;
	}
	return median(ns, BATCHES);
}

static void run_case(double *figure)
{
	give_job(ANSWER_LINES);
	figure[LINE] = measure(line_batch);
	give_job(REST);
	figure[ALONE] = measure(alone_batch);
	give_job(SERVE);
	figure[TRIP] = measure(trip_batch);
	give_job(REST);
	figure[TRIP_LINES] = figure[TRIP] / figure[LINE];
}

int main(int argc, char **argv)
{
	static double v[NR_CASES][NR_FIGURES][MAX_ROUNDS];
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 5;
	unsigned int r, c, f;
	pthread_t thread;

	if (rounds < 1 || rounds > MAX_ROUNDS ||
	    (argc != 2 && argc != 4 && argc != 1)) {
		fprintf(stderr, "usage: trip [ROUNDS [CPU CPU]]\n");
		return 2;
	}
	if (argc == 4) {
		cpu_of[0] = atoi(argv[2]);
		cpu_of[1] = atoi(argv[3]);
	}
	pin(cpu_of[0]);
	for (c = 0; c < NR_CASES; c++)
		rig_open(&rigs[c], &cases[c]);
	if (pthread_create(&thread, NULL, other_side, NULL))
		return 1;
	for (r = 0; r < rounds; r++) {
		for (c = 0; c < NR_CASES; c++) {
			double figure[NR_FIGURES];

			rig = &rigs[c];
			run_case(figure);
			for (f = 0; f < NR_FIGURES; f++)
				v[c][f][r] = figure[f];
		}
	}
	give_job(QUIT);
	pthread_join(thread, NULL);
	for (c = 0; c < NR_CASES; c++)
		rig_close(&rigs[c]);
	printf("%-28s %10s %10s %10s %10s\n", "case (ns a request)", "line",
	       "one core", "two cores", "in lines");
	for (c = 0; c < NR_CASES; c++) {
		printf("%-28s", cases[c].name);
		for (f = 0; f < NR_FIGURES; f++)
			printf(f == TRIP_LINES ? " %10.2f" : " %10.0f",
			       median(v[c][f], rounds));
		printf("\n");
	}
	return 0;
}
