// SPDX-License-Identifier: MIT
/*
 * Pools of shared pages.  See pool.h.
 *
 * Free pages are set bits in a map, and the lowest that fit are taken: the
 * pages in use stay few and the same, which keeps a backend that caches
 * mappings from mapping more.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "grant/pool.h"

#define PAGE_SHIFT    12
#define BITS_PER_WORD 64u

struct grant_pool {
	xengntshr_handle *handle;
	char *base;
	unsigned int nr_pages;
	unsigned int nr_words;

	pthread_mutex_t lock;    /* for all below */
	unsigned int first_word; /* no page is free before this word */
	atomic_uint nr_free;     /* written with, read without the lock */
	uint64_t *free_map;      /* a bit a page: 1 is free */
	uint32_t ref[];
};

static bool is_free(const struct grant_pool *pool, unsigned int page)
{
	return pool->free_map[page / BITS_PER_WORD] >> page % BITS_PER_WORD & 1;
}

static void set_free(struct grant_pool *pool, unsigned int page, bool is)
{
	uint64_t bit = 1ull << page % BITS_PER_WORD;

	if (is)
		pool->free_map[page / BITS_PER_WORD] |= bit;
	else
		pool->free_map[page / BITS_PER_WORD] &= ~bit;
}

int grant_pool_create(struct grant_pool **out, xengntshr_handle *handle,
		      uint32_t domid, unsigned int nr_pages, bool writable)
{
	struct grant_pool *pool;
	unsigned int i;
	int err = -ENOMEM;

	*out = NULL;
	if (nr_pages == 0 || nr_pages > INT_MAX >> PAGE_SHIFT)
		return -EINVAL;
	pool = calloc(1, sizeof(*pool) + nr_pages * sizeof(pool->ref[0]));
	if (!pool)
		return -ENOMEM;
	pool->handle = handle;
	pool->nr_pages = nr_pages;
	pool->nr_words = (nr_pages + BITS_PER_WORD - 1) / BITS_PER_WORD;
	atomic_init(&pool->nr_free, nr_pages);
	pool->free_map = calloc(pool->nr_words, sizeof(pool->free_map[0]));
	if (!pool->free_map)
		goto fail;
	for (i = 0; i < nr_pages; i++)
		set_free(pool, i, true);

	errno = 0;
	pool->base = xengntshr_share_pages(handle, domid, (int)nr_pages,
					   pool->ref, writable);
	if (!pool->base) {
		err = errno ? -errno : -EIO;
		goto fail;
	}
	pthread_mutex_init(&pool->lock, NULL);
	*out = pool;
	return 0;

fail:
	free(pool->free_map);
	free(pool);
	return err;
}

void grant_pool_destroy(struct grant_pool *pool)
{
	if (!pool)
		return;
	xengntshr_unshare(pool->handle, pool->base, pool->nr_pages);
	pthread_mutex_destroy(&pool->lock);
	free(pool->free_map);
	free(pool);
}

/* The lowest free page from page on, or nr_pages. */
static unsigned int next_free(const struct grant_pool *pool, unsigned int page)
{
	unsigned int word = page / BITS_PER_WORD;
	uint64_t bits;

	if (page >= pool->nr_pages)
		return pool->nr_pages;
	bits = pool->free_map[word] & ~0ull << page % BITS_PER_WORD;
	while (!bits) {
		if (++word == pool->nr_words)
			return pool->nr_pages;
		bits = pool->free_map[word];
	}
	return word * BITS_PER_WORD + (unsigned int)__builtin_ctzll(bits);
}

/* The first page of the lowest run of nr free pages, or nr_pages. */
static unsigned int find_run(const struct grant_pool *pool, unsigned int nr)
{
	unsigned int start = pool->first_word * BITS_PER_WORD;
	unsigned int len;

	for (;;) {
		start = next_free(pool, start);
		if (start == pool->nr_pages || nr > pool->nr_pages - start)
			return pool->nr_pages;
		for (len = 1; len < nr && is_free(pool, start + len); len++)
			;
		if (len == nr)
			return start;
		start += len;
	}
}

void *grant_pool_alloc(struct grant_pool *pool, unsigned int nr_pages)
{
	unsigned int start, i;

	assert(nr_pages);
	pthread_mutex_lock(&pool->lock);
	start = find_run(pool, nr_pages);
	if (start == pool->nr_pages) {
		pthread_mutex_unlock(&pool->lock);
		return NULL;
	}
	for (i = 0; i < nr_pages; i++)
		set_free(pool, start + i, false);
	while (pool->first_word < pool->nr_words &&
	       !pool->free_map[pool->first_word])
		pool->first_word++;
	atomic_fetch_sub_explicit(&pool->nr_free, nr_pages,
				  memory_order_relaxed);
	pthread_mutex_unlock(&pool->lock);
	return pool->base + ((size_t)start << PAGE_SHIFT);
}

static unsigned int page_of(const struct grant_pool *pool, const void *addr)
{
	assert(grant_pool_owns(pool, addr, 1));
	return (unsigned int)((size_t)((const char *)addr - pool->base) >>
			      PAGE_SHIFT);
}

void grant_pool_free(struct grant_pool *pool, void *addr, unsigned int nr_pages)
{
	unsigned int start = page_of(pool, addr), i;

	assert(((uintptr_t)addr & ((1u << PAGE_SHIFT) - 1)) == 0);
	assert(nr_pages && nr_pages <= pool->nr_pages - start);
	pthread_mutex_lock(&pool->lock);
	for (i = 0; i < nr_pages; i++) {
		assert(!is_free(pool, start + i));
		set_free(pool, start + i, true);
	}
	if (pool->first_word > start / BITS_PER_WORD)
		pool->first_word = start / BITS_PER_WORD;
	atomic_fetch_add_explicit(&pool->nr_free, nr_pages,
				  memory_order_relaxed);
	pthread_mutex_unlock(&pool->lock);
}

bool grant_pool_owns(const struct grant_pool *pool, const void *addr,
		     size_t len)
{
	size_t size = (size_t)pool->nr_pages << PAGE_SHIFT;
	uintptr_t off = (uintptr_t)addr - (uintptr_t)pool->base;

	return off <= size && len <= size - off;
}

uint32_t grant_pool_ref(const struct grant_pool *pool, const void *addr)
{
	return pool->ref[page_of(pool, addr)];
}

const uint32_t *grant_pool_refs(const struct grant_pool *pool, const void *addr,
				size_t len)
{
	size_t size = (size_t)pool->nr_pages << PAGE_SHIFT;
	uintptr_t off = (uintptr_t)addr - (uintptr_t)pool->base;

	if (off > size || len > size - off)
		return NULL;
	return &pool->ref[off >> PAGE_SHIFT];
}

unsigned int grant_pool_pages(const struct grant_pool *pool)
{
	return pool->nr_pages;
}

unsigned int grant_pool_pages_free(const struct grant_pool *pool)
{
	return atomic_load_explicit(&pool->nr_free, memory_order_relaxed);
}
