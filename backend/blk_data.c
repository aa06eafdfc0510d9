// SPDX-License-Identifier: MIT
/*
 * The pages of a request: mapped through the cache where the frontend keeps
 * its grants (no copy at all), copied through bounce memory where it does not.
 *
 * Mapped pages can be rewritten by the guest while the store reads them: that
 * is the guest's own data going to the guest's own disk.  Nothing of it is
 * interpreted here.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <xen/io/blkif.h>

#include "backend/blk_queue_priv.h"

static uint32_t seg_bytes(const struct blk_seg *seg)
{
	return (uint32_t)(seg->last_sect - seg->first_sect + 1) *
	       BLK_SECTOR_SIZE;
}

void blk_data_count(struct blk_queue *q)
{
	const struct grant_cache_stats *now = grant_cache_stats_of(q->cache);

	/* the cache counts from 0, as these do: no others write them */
	atomic_store_explicit(&q->stats->grants_reused,
			      q->counted.grants_reused + now->hits,
			      memory_order_relaxed);
	atomic_store_explicit(&q->stats->grants_mapped,
			      q->counted.grants_mapped + now->maps,
			      memory_order_relaxed);
	atomic_store_explicit(&q->stats->grants_unmapped,
			      q->counted.grants_unmapped + now->unmaps,
			      memory_order_relaxed);
}

static void count_copies(struct blk_queue *q, uint64_t bytes, uint64_t calls)
{
	counter_add(&q->stats->grant_copy_bytes, q->copy.bytes - bytes);
	counter_add(&q->stats->grant_copy_calls, q->copy.calls - calls);
}

static int copy_indirect_pages(struct blk_request *r, unsigned int nr_pages)
{
	struct blk_queue *q = r->q;
	uint64_t bytes = q->copy.bytes, calls = q->copy.calls;
	unsigned int i, left = r->nr_segs;
	int err;

	for (i = 0; i < nr_pages; i++) {
		unsigned int n = left < BLK_SEGS_PER_INDIRECT_PAGE
					 ? left
					 : BLK_SEGS_PER_INDIRECT_PAGE;

		grant_copy_from(&q->copy, r->slot->req.indirect_gref[i], 0,
				r->segs + i * BLK_SEGS_PER_INDIRECT_PAGE,
				(uint16_t)(n * sizeof(struct blk_seg)));
		left -= n;
	}
	err = grant_copy_flush(&q->copy);
	count_copies(q, bytes, calls);
	return err;
}

int blk_data_fetch_segs(struct blk_request *r)
{
	struct blk_queue *q = r->q;
	unsigned int nr_pages = (r->nr_segs + BLK_SEGS_PER_INDIRECT_PAGE - 1) /
				BLK_SEGS_PER_INDIRECT_PAGE;
	struct grant_ref_use use[BLK_INDIRECT_PAGES];
	unsigned int i, left = r->nr_segs;
	int err;

	if (!q->cfg.persistent)
		return copy_indirect_pages(r, nr_pages);
	err = grant_cache_get(q->cache, r->slot->req.indirect_gref, nr_pages,
			      false, use);
	if (err)
		return err;
	for (i = 0; i < nr_pages; i++) {
		unsigned int n = left < BLK_SEGS_PER_INDIRECT_PAGE
					 ? left
					 : BLK_SEGS_PER_INDIRECT_PAGE;

		blk_segs_load(r->segs + i * BLK_SEGS_PER_INDIRECT_PAGE,
			      use[i].addr, n);
		left -= n;
	}
	grant_cache_put(q->cache, use, nr_pages);
	return 0;
}

/* What the store gets: pieces that are adjacent in *our* memory become one. */
static void make_iov(struct blk_request *r)
{
	const struct blk_seg *seg = r->segs, *end = seg + r->nr_segs;
	const struct grant_ref_use *use = r->use;
	struct iovec *v = r->iov;
	char *next = NULL; /* where the last one ends */

	for (; seg < end; seg++, use++) {
		char *base = (char *)use->addr +
			     seg->first_sect * BLK_SECTOR_SIZE;
		uint32_t len = seg_bytes(seg);

		if (base == next) {
			v[-1].iov_len += len;
		} else {
			v->iov_base = base;
			v->iov_len = len;
			v++;
		}
		next = base + len;
	}
	r->io.nr_iov = (uint32_t)(v - r->iov);
}

static int begin_mapped(struct blk_request *r, bool to_store)
{
	struct blk_queue *q = r->q;
	uint32_t refs[BLK_MAX_INDIRECT_SEGS];
	unsigned int i, nr = r->nr_segs;
	int err;

	for (i = 0; i < nr; i++)
		refs[i] = r->segs[i].gref;
	err = grant_cache_get(q->cache, refs, r->nr_segs, !to_store, r->use);
	if (err)
		return err == -ENOSPC ? -EAGAIN : err;
	r->nr_use = r->nr_segs;
	make_iov(r);
	if (!ev_is_active(&q->idle))
		ev_timer_again(q->loop->ev, &q->idle);
	return 0;
}

static void copy_all(struct blk_request *r, char *bounce, bool to_store)
{
	struct blk_queue *q = r->q;
	unsigned int i;

	for (i = 0; i < r->nr_segs; i++) {
		const struct blk_seg *seg = &r->segs[i];
		uint16_t off = (uint16_t)(seg->first_sect * BLK_SECTOR_SIZE);
		uint16_t len = (uint16_t)seg_bytes(seg);

		if (to_store)
			grant_copy_from(&q->copy, seg->gref, off, bounce, len);
		else
			grant_copy_to(&q->copy, seg->gref, off, bounce, len);
		bounce += len;
	}
}

static char *slot_bounce(struct blk_request *r)
{
	return r->q->bounce + (size_t)(r - r->q->req) * BLK_BOUNCE_SLOT;
}

static int begin_copied(struct blk_request *r, bool to_store)
{
	struct blk_queue *q = r->q;
	uint32_t pages = (r->bytes + BLK_PAGE_SIZE - 1) / BLK_PAGE_SIZE;
	uint64_t bytes = q->copy.bytes, calls = q->copy.calls;
	int err = 0;

	if (q->bounce_pages + pages > BLK_BOUNCE_MAX_PAGES)
		return -EAGAIN;
	q->bounce_pages += pages;
	r->bounce_pages = pages;
	r->iov[0].iov_base = slot_bounce(r);
	r->iov[0].iov_len = r->bytes;
	r->io.nr_iov = 1;
	if (to_store) {
		copy_all(r, slot_bounce(r), true);
		err = grant_copy_flush(&q->copy);
		count_copies(q, bytes, calls);
	}
	return err;
}

int blk_data_begin(struct blk_request *r, bool to_store)
{
	int err;

	r->io.nr_iov = 0;
	r->io.iov = r->iov;
	err = r->q->cfg.persistent ? begin_mapped(r, to_store)
				   : begin_copied(r, to_store);
	r->nr_data_iov = r->io.nr_iov;
	return err;
}

int blk_data_end(struct blk_request *r, bool read_ok)
{
	struct blk_queue *q = r->q;
	uint64_t bytes = q->copy.bytes, calls = q->copy.calls;
	int err = 0;

	if (read_ok && r->bounce_pages) {
		copy_all(r, slot_bounce(r), false);
		err = grant_copy_flush(&q->copy);
		count_copies(q, bytes, calls);
	}
	return err;
}

bool blk_data_may_be_written(const struct blk_request *r)
{
	return r->nr_use && r->slot->req.op == BLKIF_OP_READ;
}

void blk_data_release(struct blk_request *r)
{
	struct blk_queue *q = r->q;

	if (r->nr_use) {
		grant_cache_put(q->cache, r->use, r->nr_use);
		r->nr_use = 0;
	}
	if (r->bounce_pages) {
		q->bounce_pages -= r->bounce_pages;
		/* keep what small requests use again at once, no more */
		if (r->bounce_pages > BLK_BOUNCE_KEPT_PAGES ||
		    r - q->req >= BLK_BOUNCE_KEPT_SLOTS)
			madvise(slot_bounce(r),
				r->bounce_pages * (size_t)BLK_PAGE_SIZE,
				MADV_DONTNEED);
		r->bounce_pages = 0;
	}
}
