/* SPDX-License-Identifier: MIT */
/*
 * Backend side: a cache of mapped grants of one frontend (blkif's persistent
 * grants, "feature-persistent").
 *
 * References are mapped in batches, one call of the grant library a batch, and
 * a batch's pages are contiguous in our memory in the order asked for, so that
 * a large request usually is one piece.  A batch (an extent) is unmapped as a
 * whole, as gntdev wants it.  Bounded: never more than max_pages mapped; least
 * recently used extents without users go first.  Idle extents go after a time.
 *
 * Without persistence (keep = false) nothing is shared: each get maps its
 * references, once for every time they occur, and they are unmapped on the last
 * put.  A frontend may then end a grant and use its number again as soon as the
 * response is published, so the puts come before that.
 *
 * With persistence the frontend must let the pages be written by the backend
 * (blkif.h, feature-persistent), so they are mapped writable whatever they are
 * first used for; read-only if that fails and is enough.
 *
 * The grant library logs failed maps, which a peer can cause at will: open the
 * handle with a logger that is rate limited.
 *
 * One thread at a time; nothing here reads the pages.
 */
#ifndef XENSPLIT_GRANT_CACHE_H
#define XENSPLIT_GRANT_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <xengnttab.h>

#define GRANT_CACHE_MAX_BATCH 256u

struct grant_cache;
struct grant_extent;

/* A mapped reference in use: between get and put the page stays mapped.  It is
 * cleared by put. */
struct grant_ref_use {
	void *addr; /* the page */
	struct grant_extent *extent;
};

struct grant_cache_stats {
	uint64_t hits, misses; /* references */
	uint64_t maps, unmaps; /* pages */
	uint64_t map_calls, unmap_calls;
	uint64_t evicted, expired; /* pages */
	/* Pages the host refused to unmap: lost until the handle is closed, and
	 * counted in mapped, so that the bound holds. */
	uint64_t stuck;
	uint32_t mapped; /* pages now; whole extents */
	uint32_t in_use; /* of these, pages of extents with users */
};

/* -EINVAL when max_pages is below GRANT_CACHE_MAX_BATCH, with which a batch
 * might never fit. */
int grant_cache_create(struct grant_cache **cache, xengnttab_handle *handle,
		       uint32_t domid, uint32_t max_pages, bool keep);
/* All uses must have been put.  Unmaps everything.  NULL is fine. */
void grant_cache_destroy(struct grant_cache *cache);

/*
 * Get nr (1 to GRANT_CACHE_MAX_BATCH) references, all or none.  write: the
 * backend will write to the pages (a read request); a mapping that is writable
 * serves both.  References that are not mapped yet are mapped together.
 * 0; -EINVAL when the peer did not grant one of them so (the caller fails that
 * request, the device lives); -ENOSPC when max_pages are all in use (try again
 * after a put); -ENOMEM and others from the host.
 */
int grant_cache_get(struct grant_cache *cache, const uint32_t *refs,
		    unsigned int nr, bool write, struct grant_ref_use *use);
void grant_cache_put(struct grant_cache *cache, struct grant_ref_use *use,
		     unsigned int nr);

/* Unmap extents unused for idle_ms; now_ms is any monotonic clock, the same
 * that grant_cache_tick() told last.  Returns pages still mapped. */
void grant_cache_tick(struct grant_cache *cache, uint64_t now_ms);
uint32_t grant_cache_expire(struct grant_cache *cache, uint64_t idle_ms);

void grant_cache_get_stats(const struct grant_cache *cache,
			   struct grant_cache_stats *stats);
/* The same in place, for who looks often; valid as long as the cache. */
const struct grant_cache_stats *grant_cache_stats_of(
	const struct grant_cache *cache);

#endif
