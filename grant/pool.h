/* SPDX-License-Identifier: MIT */
/*
 * Frontend side: pages of ours that are shared with one backend domain.
 *
 * A pool is one call of xengntshr_share_pages (one ioctl of gntalloc on a Xen
 * host): all its pages are zeroed, wholly dedicated to the share, contiguous
 * in our memory, and stay shared until the pool is destroyed; nothing else is
 * ever kept in them.  Buffers are cut from it in whole pages.
 *
 * A pool may be used by several threads (a short lock; freeing and allocating
 * one page takes no system call).
 */
#ifndef XENSPLIT_GRANT_POOL_H
#define XENSPLIT_GRANT_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xengnttab.h>

struct grant_pool;

/* Share nr_pages with domid, writable or not.  The handle must outlive the
 * pool.  0 or -errno (the limit of the host's gntalloc gives -ENOSPC). */
int grant_pool_create(struct grant_pool **pool, xengntshr_handle *handle,
		      uint32_t domid, unsigned int nr_pages, bool writable);
/* NULL is fine.  What the backend still maps stays its view of dead pages:
 * they are never given out again. */
void grant_pool_destroy(struct grant_pool *pool);

/* nr_pages contiguous pages, or NULL when there is no such run. */
void *grant_pool_alloc(struct grant_pool *pool, unsigned int nr_pages);
/* Give back what grant_pool_alloc() returned, with the same count. */
void grant_pool_free(struct grant_pool *pool, void *addr,
		     unsigned int nr_pages);

/* Is all of [addr, addr+len) in the pool? */
bool grant_pool_owns(const struct grant_pool *pool, const void *addr,
		     size_t len);
/* The grant reference of the page in which addr lies; addr is in the pool. */
uint32_t grant_pool_ref(const struct grant_pool *pool, const void *addr);
/* The references of all pages that [addr, addr+len) touches, in order; the
 * pool's memory.  NULL if not all of it is in the pool. */
const uint32_t *grant_pool_refs(const struct grant_pool *pool, const void *addr,
				size_t len);
unsigned int grant_pool_pages(const struct grant_pool *pool);
unsigned int grant_pool_pages_free(const struct grant_pool *pool);

#endif
