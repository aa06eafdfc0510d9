/* SPDX-License-Identifier: MIT */
/*
 * How long a frontend's thread looks for answers before it sleeps: longer if
 * that would have spared the last sleep, else shorter.  Times in µs.
 */
#ifndef XENSPLIT_FRONTEND_SPIN_H
#define XENSPLIT_FRONTEND_SPIN_H

#include <stdint.h>

#define SPIN_FIRST_US 4u

/* After a sleep: how long to look the next time, at most max_us (0: never),
 * when it was spin_us so far. */
static inline uint32_t spin_after_sleep(uint32_t spin_us, uint32_t max_us,
					uint64_t slept_us)
{
	if (slept_us >= max_us)
		return spin_us / 2;
	spin_us = spin_us ? spin_us * 2 : SPIN_FIRST_US;
	return spin_us < max_us ? spin_us : max_us;
}

#endif
