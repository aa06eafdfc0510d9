// SPDX-License-Identifier: MIT
/*
 * Ends the process before the Nth store of code that was compiled with
 * -fsanitize=thread: the compiler then calls a function for each access to
 * memory, and these are those functions, in place of ThreadSanitizer's.  So a
 * test can stop a worker between any two stores, and get the same run again
 * with the same N.
 *
 * Not here: what order the compiler gives to the stores of the real objects,
 * which the same test finds out by killing at any moment.
 */
#include "tests/unit/store_hooks.h"

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

uint64_t store_hook_left, store_hook_seen;

static void store_hook(void)
{
	if (!store_hook_left)
		return;
	store_hook_seen++;
	if (!--store_hook_left)
		_exit(STORE_HOOK_EXIT);
}

/* What the compiler calls; the prototypes are its own. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"

void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc)
{
	(void)pc;
}

void __tsan_func_exit(void)
{
}

#define PLAIN(n)                                \
	void __tsan_read##n(void *p)            \
	{                                       \
		(void)p;                        \
	}                                       \
	void __tsan_write##n(void *p)           \
	{                                       \
		(void)p;                        \
		store_hook();                   \
	}                                       \
	void __tsan_unaligned_read##n(void *p)  \
	{                                       \
		(void)p;                        \
	}                                       \
	void __tsan_unaligned_write##n(void *p) \
	{                                       \
		(void)p;                        \
		store_hook();                   \
	}

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *p, unsigned long n)
{
	(void)p;
	(void)n;
}

void __tsan_write_range(void *p, unsigned long n)
{
	(void)p;
	(void)n;
	store_hook();
}

#define ATOMIC(bits)                                                       \
	uint##bits##_t __tsan_atomic##bits##_load(                         \
		const volatile uint##bits##_t *p, int order)               \
	{                                                                  \
		(void)order;                                               \
		return __atomic_load_n(p, __ATOMIC_SEQ_CST);               \
	}                                                                  \
	void __tsan_atomic##bits##_store(volatile uint##bits##_t *p,       \
					 uint##bits##_t val, int order)    \
	{                                                                  \
		(void)order;                                               \
		store_hook();                                              \
		__atomic_store_n(p, val, __ATOMIC_SEQ_CST);                \
	}                                                                  \
	uint##bits##_t __tsan_atomic##bits##_fetch_or(                     \
		volatile uint##bits##_t *p, uint##bits##_t val, int order) \
	{                                                                  \
		(void)order;                                               \
		store_hook();                                              \
		return __atomic_fetch_or(p, val, __ATOMIC_SEQ_CST);        \
	}

ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)

void __tsan_atomic_thread_fence(int order)
{
	(void)order;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void __tsan_atomic_signal_fence(int order)
{
	(void)order;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}
