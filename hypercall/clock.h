/* SPDX-License-Identifier: MIT */
/*
 * Time since the machine's start, by CLOCK_MONOTONIC: what intervals are
 * measured with here.  Any thread; never fails.
 *
 * Cheap, but for a PV domain whose TSC is not stable: there each of these is a
 * system call.
 */
#ifndef XENSPLIT_HYPERCALL_CLOCK_H
#define XENSPLIT_HYPERCALL_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t clock_us(void)
{
	return clock_ns() / 1000u;
}

static inline uint64_t clock_ms(void)
{
	return clock_ns() / 1000000u;
}

#endif
