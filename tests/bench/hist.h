/* SPDX-License-Identifier: MIT */
/*
 * What the benchmark's programs share: a clock, a source of numbers, and a
 * latency histogram (powers of two of nanoseconds, each in 64 steps, so a value
 * is known to 1.6 %).
 */
#ifndef XENSPLIT_TESTS_BENCH_HIST_H
#define XENSPLIT_TESTS_BENCH_HIST_H

#include <stdint.h>
#include <time.h>

#define HIST_BITS  6u
#define HIST_STEPS (1u << HIST_BITS)
#define HIST_SIZE  (64u * HIST_STEPS)

struct hist {
	uint64_t count[HIST_SIZE];
	uint64_t total;
};

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static inline void hist_add(struct hist *h, uint64_t ns)
{
	unsigned int log2, index = ns;

	if (ns >= HIST_STEPS) {
		log2 = 63 - __builtin_clzll(ns);
		index = log2 * HIST_STEPS +
			((ns >> (log2 - HIST_BITS)) & (HIST_STEPS - 1));
	}
	h->count[index]++;
	h->total++;
}

/* Lower bound of the bucket that the quantile (0..1) falls into. */
static inline double hist_quantile_us(const struct hist *h, double quantile)
{
	uint64_t seen = 0;
	unsigned int i, log2, step;

	for (i = 0; i < HIST_SIZE; i++) {
		seen += h->count[i];
		if (seen && seen >= h->total * quantile)
			break;
	}
	if (i < HIST_STEPS || i == HIST_SIZE)
		return i / 1e3;
	log2 = i / HIST_STEPS;
	step = i % HIST_STEPS;
	return ((uint64_t)(HIST_STEPS + step) << (log2 - HIST_BITS)) / 1e3;
}

#endif
