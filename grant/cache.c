// SPDX-License-Identifier: MIT
/*
 * The mapping cache: extents (what one map call mapped), a hash from
 * references to their pages, and a list of the extents that nobody uses, the
 * most recently used first.
 *
 * A get of mapped references is a hash lookup and a count for each; nothing is
 * allocated.  The hash is only as good as a peer lets it be, which can slow
 * down none but itself: there is a cache for each frontend, and a chain holds
 * only references that the frontend really granted.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "grant/cache.h"

#define PAGE 4096u

struct mapped_page {
	struct mapped_page *next, **pprev; /* hash chain; kept extents only */
	struct grant_extent *extent;
	uint32_t ref;
};

struct grant_extent {
	struct grant_extent *prev, *next; /* in the idle list when users is 0 */
	char *addr;
	uint64_t idle_since_ms;
	uint32_t nr;    /* pages */
	uint32_t users; /* references got and not put */
	bool writable;
	struct mapped_page page[];
};

struct grant_cache {
	xengnttab_handle *handle;
	uint32_t domid;
	uint32_t max_pages;
	bool keep;
	uint64_t now_ms;
	struct grant_extent idle; /* list head: next is the newest */
	struct mapped_page **hash;
	unsigned int hash_shift;
	struct grant_cache_stats stats;
};

static void idle_add(struct grant_cache *c, struct grant_extent *e)
{
	e->prev = &c->idle;
	e->next = c->idle.next;
	e->next->prev = e;
	c->idle.next = e;
}

static void idle_del(struct grant_extent *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
}

static struct mapped_page **bucket(struct grant_cache *c, uint32_t ref)
{
	return &c->hash[(ref * 2654435769u) >> c->hash_shift];
}

static void hash_add(struct grant_cache *c, struct mapped_page *p)
{
	struct mapped_page **head = bucket(c, p->ref);

	p->next = *head;
	p->pprev = head;
	if (p->next)
		p->next->pprev = &p->next;
	*head = p;
}

static void hash_del(struct mapped_page *p)
{
	*p->pprev = p->next;
	if (p->next)
		p->next->pprev = p->pprev;
}

/* busy_only: only what cannot be evicted. */
static struct mapped_page *hash_find(struct grant_cache *c, uint32_t ref,
				     bool write, bool busy_only)
{
	struct mapped_page *p;

	for (p = *bucket(c, ref); p; p = p->next)
		if (p->ref == ref && (p->extent->writable || !write) &&
		    (p->extent->users || !busy_only))
			return p;
	return NULL;
}

static void extent_use(struct grant_cache *c, struct grant_extent *e)
{
	if (e->users++ == 0) {
		idle_del(e);
		c->stats.in_use += e->nr;
	}
}

/* Undo the mapping and forget the extent, which is in no list. */
static void extent_unmap(struct grant_cache *c, struct grant_extent *e)
{
	uint32_t i;

	if (c->keep)
		for (i = 0; i < e->nr; i++)
			hash_del(&e->page[i]);
	if (xengnttab_unmap(c->handle, e->addr, e->nr)) {
		c->stats.stuck += e->nr;
	} else {
		c->stats.mapped -= e->nr;
		c->stats.unmaps += e->nr;
	}
	c->stats.unmap_calls++;
	free(e);
}

/* nr references of it are put. */
static void extent_put(struct grant_cache *c, struct grant_extent *e,
		       uint32_t nr)
{
	assert(e->users >= nr);
	e->users -= nr;
	if (e->users)
		return;
	c->stats.in_use -= e->nr;
	if (c->keep) {
		e->idle_since_ms = c->now_ms;
		idle_add(c, e);
	} else {
		extent_unmap(c, e);
	}
}

/* Make room for nr more pages, by evicting; -ENOSPC, with nothing evicted, if
 * too many are in use. */
static int make_room(struct grant_cache *c, uint32_t nr)
{
	uint32_t fixed = c->stats.in_use + (uint32_t)c->stats.stuck;

	if (fixed > c->max_pages || nr > c->max_pages - fixed)
		return -ENOSPC;
	while (c->stats.mapped + nr > c->max_pages) {
		struct grant_extent *e = c->idle.prev;

		if (e == &c->idle)
			return -ENOSPC; /* an unmap got stuck meanwhile */
		idle_del(e);
		c->stats.evicted += e->nr;
		extent_unmap(c, e);
	}
	return 0;
}

static int map_refs(struct grant_cache *c, struct grant_extent *e,
		    uint32_t *refs, int prot)
{
	c->stats.map_calls++;
	errno = 0;
	e->addr = xengnttab_map_domain_grant_refs(c->handle, e->nr, c->domid,
						  refs, prot);
	if (!e->addr) {
		/* -ENOSPC is our own bound, which a put helps. */
		if (errno == ENOSPC)
			return -ENOMEM;
		return errno ? -errno : -EIO;
	}
	e->writable = prot & PROT_WRITE;
	c->stats.maps += e->nr;
	c->stats.mapped += e->nr;
	c->stats.in_use += e->nr;
	return 0;
}

/* Map the pages of e, which has users; it may need room for them. */
static int extent_map(struct grant_cache *c, struct grant_extent *e, bool write)
{
	uint32_t refs[GRANT_CACHE_MAX_BATCH];
	uint32_t i;
	int ret;

	ret = make_room(c, e->nr);
	if (ret)
		return ret;
	for (i = 0; i < e->nr; i++)
		refs[i] = e->page[i].ref;
	ret = map_refs(c, e, refs,
		       PROT_READ | (write || c->keep ? PROT_WRITE : 0));
	if (ret && c->keep && !write)
		ret = map_refs(c, e, refs, PROT_READ);
	return ret;
}

static struct grant_extent *extent_new(uint32_t room)
{
	struct grant_extent *e;

	e = malloc(sizeof(*e) + room * sizeof(e->page[0]));
	if (!e)
		return NULL;
	e->nr = 0;
	e->users = 0;
	e->addr = NULL;
	e->writable = true; /* as far as lookups in its own batch go */
	return e;
}

/* An extent that was never mapped. */
static void extent_drop(struct grant_cache *c, struct grant_extent *e)
{
	uint32_t i;

	if (c->keep)
		for (i = 0; i < e->nr; i++)
			hash_del(&e->page[i]);
	free(e);
}

/*
 * Look all references up, and collect those that are not mapped in a new
 * extent, *fresh.  A reference that comes a second time finds the first's
 * place in that extent.  use[].addr is the page's struct for now: the new
 * extent has no address yet.  Returns how many it could do: less than nr when
 * there is no memory.
 */
static unsigned int collect(struct grant_cache *c, const uint32_t *refs,
			    unsigned int nr, bool write, bool busy_only,
			    struct grant_ref_use *use,
			    struct grant_extent **fresh)
{
	struct grant_extent *e = NULL;
	struct mapped_page *p;
	unsigned int i;

	*fresh = NULL;
	for (i = 0; i < nr; i++) {
		p = c->keep ? hash_find(c, refs[i], write, busy_only) : NULL;
		if (p && p->extent == e) {
			e->users++;
		} else if (p) {
			extent_use(c, p->extent);
		} else {
			if (!e)
				e = *fresh = extent_new(nr - i);
			if (!e)
				break;
			p = &e->page[e->nr++];
			p->extent = e;
			p->ref = refs[i];
			if (c->keep)
				hash_add(c, p);
			e->users++;
		}
		use[i].extent = p->extent;
		use[i].addr = p;
	}
	return i;
}

/* Undo collect() for the first nr. */
static void uncollect(struct grant_cache *c, struct grant_ref_use *use,
		      unsigned int nr, struct grant_extent *fresh)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (use[i].extent != fresh)
			extent_put(c, use[i].extent, 1);
	if (fresh)
		extent_drop(c, fresh);
}

static void *page_addr(const struct mapped_page *p)
{
	return p->extent->addr + (size_t)(p - p->extent->page) * PAGE;
}

/*
 * The common case: all are mapped already.  A buffer's pages were often mapped
 * together and in this order, so the next page is tried before the hash.
 * Returns how many it got: from the first one that is not mapped on, none.
 */
static unsigned int get_mapped(struct grant_cache *c, const uint32_t *refs,
			       unsigned int nr, bool write,
			       struct grant_ref_use *use)
{
	struct mapped_page *p, *next = NULL, *end = NULL;
	struct grant_extent *e = NULL;
	char *addr = NULL;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (next < end && next->ref == refs[i]) {
			e->users++;
		} else {
			p = hash_find(c, refs[i], write, false);
			if (!p)
				break;
			e = p->extent;
			extent_use(c, e);
			addr = page_addr(p);
			next = p;
			end = e->page + e->nr;
		}
		use[i].extent = e;
		use[i].addr = addr;
		addr += PAGE;
		next++;
	}
	return i;
}

static int get(struct grant_cache *c, const uint32_t *refs, unsigned int nr,
	       bool write, bool busy_only, struct grant_ref_use *use)
{
	struct grant_extent *fresh;
	unsigned int i;
	int ret;

	i = collect(c, refs, nr, write, busy_only, use, &fresh);
	if (i < nr) {
		uncollect(c, use, i, fresh);
		return -ENOMEM;
	}
	if (fresh) {
		ret = extent_map(c, fresh, write);
		if (ret) {
			uncollect(c, use, nr, fresh);
			return ret;
		}
		c->stats.misses += fresh->nr;
		c->stats.hits += nr - fresh->nr;
	} else {
		c->stats.hits += nr;
	}
	for (i = 0; i < nr; i++)
		use[i].addr = page_addr(use[i].addr);
	return 0;
}

int grant_cache_get(struct grant_cache *c, const uint32_t *refs,
		    unsigned int nr, bool write, struct grant_ref_use *use)
{
	unsigned int mapped;
	int ret;

	assert(nr >= 1 && nr <= GRANT_CACHE_MAX_BATCH);
	if (c->keep) {
		mapped = get_mapped(c, refs, nr, write, use);
		if (mapped == nr) {
			c->stats.hits += nr;
			return 0;
		}
		grant_cache_put(c, use, mapped);
	}
	ret = get(c, refs, nr, write, false, use);
	/*
	 * References of this batch can themselves be what is in the way: a few
	 * hits in many large extents keep all of these mapped.  So map them
	 * anew, and let the old extents go.  With no other users this always
	 * fits, since a batch is never larger than the bound.
	 */
	if (ret == -ENOSPC && c->keep)
		ret = get(c, refs, nr, write, true, use);
	return ret;
}

void grant_cache_put(struct grant_cache *c, struct grant_ref_use *use,
		     unsigned int nr)
{
	unsigned int i = 0, first;

	while (i < nr) {
		struct grant_extent *e = use[i].extent;

		first = i;
		do {
			use[i].extent = NULL;
			use[i].addr = NULL;
		} while (++i < nr && use[i].extent == e);
		extent_put(c, e, i - first);
	}
}

int grant_cache_create(struct grant_cache **cache, xengnttab_handle *handle,
		       uint32_t domid, uint32_t max_pages, bool keep)
{
	struct grant_cache *c;
	unsigned int bits = 8;

	*cache = NULL;
	if (max_pages < GRANT_CACHE_MAX_BATCH || max_pages > INT32_MAX / 2)
		return -EINVAL;
	while (bits < 20 && 1u << bits < max_pages)
		bits++;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	if (keep) {
		c->hash = calloc((size_t)1 << bits, sizeof(c->hash[0]));
		if (!c->hash) {
			free(c);
			return -ENOMEM;
		}
	}
	c->handle = handle;
	c->domid = domid;
	c->max_pages = max_pages;
	c->keep = keep;
	c->hash_shift = 32 - bits;
	c->idle.prev = c->idle.next = &c->idle;
	*cache = c;
	return 0;
}

void grant_cache_destroy(struct grant_cache *c)
{
	if (!c)
		return;
	assert(c->stats.in_use == 0);
	while (c->idle.next != &c->idle) {
		struct grant_extent *e = c->idle.next;

		idle_del(e);
		extent_unmap(c, e);
	}
	free(c->hash);
	free(c);
}

void grant_cache_tick(struct grant_cache *c, uint64_t now_ms)
{
	c->now_ms = now_ms;
}

uint32_t grant_cache_expire(struct grant_cache *c, uint64_t idle_ms)
{
	while (c->idle.prev != &c->idle) {
		struct grant_extent *e = c->idle.prev; /* idle the longest */

		if (c->now_ms - e->idle_since_ms < idle_ms)
			break;
		idle_del(e);
		c->stats.expired += e->nr;
		extent_unmap(c, e);
	}
	return c->stats.mapped;
}

void grant_cache_get_stats(const struct grant_cache *c,
			   struct grant_cache_stats *stats)
{
	*stats = c->stats;
}

const struct grant_cache_stats *grant_cache_stats_of(
	const struct grant_cache *c)
{
	return &c->stats;
}
