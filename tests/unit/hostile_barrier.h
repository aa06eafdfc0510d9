/* SPDX-License-Identifier: MIT */
/*
 * A double of ring/barrier.h in which a peer overwrites each word of a page
 * right after it was loaded.  A second load would be counted, and would see
 * something else.  Include before anything of ring/, whose .c files the test
 * includes then.
 */
#ifndef XENSPLIT_TESTS_HOSTILE_BARRIER_H
#define XENSPLIT_TESTS_HOSTILE_BARRIER_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define XENSPLIT_RING_BARRIER_H

static _Alignas(4096) uint8_t page[4096];
static unsigned int loads[4096 / 4];
static unsigned int nr_loads, most_loads; /* of words; of any one word */
static bool hostile;
static void (*at_barrier)(void); /* what the peer does at this moment */

static inline void loaded(const void *p, unsigned int len)
{
	size_t off = (size_t)((const uint8_t *)p - page);
	unsigned int i;

	if (!hostile)
		return;
	for (i = 0; i < len; i += 4) {
		unsigned int n = ++loads[(off + i) / 4];

		most_loads = n > most_loads ? n : most_loads;
		nr_loads++;
	}
	for (i = 0; i < len; i++)
		page[off + i] ^= (uint8_t)(0xff - i);
}

static inline uint32_t shm_load_u32(const void *p)
{
	uint32_t val;

	memcpy(&val, p, sizeof(val));
	loaded(p, sizeof(val));
	return val;
}

static inline uint64_t shm_load_u64(const void *p)
{
	uint64_t val;

	memcpy(&val, p, sizeof(val));
	loaded(p, sizeof(val));
	return val;
}

static inline uint32_t shm_load_acquire(const void *p)
{
	return shm_load_u32(p);
}

static inline void shm_store_u32(void *p, uint32_t val)
{
	memcpy(p, &val, sizeof(val));
}

static inline void shm_store_u64(void *p, uint64_t val)
{
	memcpy(p, &val, sizeof(val));
}

static inline void shm_store_release(void *p, uint32_t val)
{
	shm_store_u32(p, val);
}

/* No load: nothing comes of it that could be looked at. */
static inline void shm_prefetch_write(const void *p)
{
	(void)p;
}

static inline void shm_full_barrier(void)
{
	void (*peer)(void) = at_barrier;

	at_barrier = NULL;
	if (peer)
		peer();
}

static void start_hostile(void)
{
	memset(loads, 0, sizeof(loads));
	nr_loads = most_loads = 0;
	hostile = true;
}

static unsigned int stop_hostile(void)
{
	hostile = false;
	ck_assert_uint_eq(most_loads, 1);
	return nr_loads;
}

static void fill_random(void)
{
	static uint64_t rnd = 88172645463325252ull;
	unsigned int i;

	for (i = 0; i < sizeof(page); i += sizeof(rnd)) {
		rnd ^= rnd << 13;
		rnd ^= rnd >> 7;
		rnd ^= rnd << 17;
		memcpy(page + i, &rnd, sizeof(rnd));
	}
}

#endif
