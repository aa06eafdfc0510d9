/* SPDX-License-Identifier: MIT */
/* Counters that one thread writes and others read. */
#ifndef XENSPLIT_BACKEND_COUNTER_H
#define XENSPLIT_BACKEND_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

/* One writer: a load and a store, no locked instruction.  A reader may see a
 * moment's skew, never a torn number. */
static inline void counter_add(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_store_explicit(
		counter,
		atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

#endif
