// SPDX-License-Identifier: MIT
/*
 * libblkfront: queues for a connection, by what the backend offers.
 *
 * The first connection makes the queues; a backend that comes back finds them
 * and gets new rings.  Called by the control thread.
 */
#include <errno.h>
#include <string.h>

#include "frontend/blkfront_int.h"

static unsigned int ring_pages(const struct blkfront *bf,
			       const struct blkfront_offer *offer)
{
	unsigned int pages = offer->ring_pages < bf->opt.ring_pages
				     ? offer->ring_pages
				     : bf->opt.ring_pages;

	return 1u << (31 - __builtin_clz(pages));
}

static uint32_t max_segs(const struct blkfront *bf,
			 const struct blkfront_offer *offer)
{
	uint32_t segs = bf->opt.max_indirect_segs;

	if (offer->indirect_segs < segs)
		segs = offer->indirect_segs;
	return segs > BLK_SEGS_PER_REQUEST ? segs : BLK_SEGS_PER_REQUEST;
}

static int make_queues(struct blkfront *bf, uint32_t domid,
		       const struct blkfront_offer *offer, unsigned int pages)
{
	unsigned int nr = bf->opt.nr_queues;
	int err = 0;

	if (nr > offer->queues)
		nr = offer->queues;
	while (!err && bf->nr_queues < nr) {
		err = blkfront_queue_create(&bf->queues[bf->nr_queues], bf,
					    bf->nr_queues, domid,
					    blk_ring_entries(bf->abi, pages));
		if (!err)
			bf->nr_queues++;
	}
	return err;
}

static int connect_queues(struct blkfront *bf, unsigned int pages)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < bf->nr_queues && !err; i++)
		err = blkfront_queue_connect(bf->queues[i], pages);
	return err;
}

static void set_limits(struct blkfront *bf, const struct blkfront_offer *offer,
		       unsigned int pages)
{
	pthread_mutex_lock(&bf->dev.lock);
	bf->info.max_segs = max_segs(bf, offer);
	bf->info.nr_queues = bf->nr_queues;
	bf->info.ring_entries = blk_ring_entries(bf->abi, pages);
	/* A promise to the caller: it outlives the backend that made it. */
	if (!bf->info.max_io_bytes)
		bf->info.max_io_bytes = bf->info.max_segs * BLK_PAGE_SIZE;
	pthread_mutex_unlock(&bf->dev.lock);
}

/* Linux's gntalloc knows one limit for all programs. */
static const char *share_error(int err)
{
	if (err == -ENOSPC)
		return "more pages than can be shared (on Linux, "
		       "/sys/module/xen_gntalloc/parameters/limit for all)";
	return strerror(-err);
}

int blkfront_setup_rings(struct blkfront *bf, uint32_t domid,
			 const struct blkfront_offer *offer, struct xs_err *why)
{
	unsigned int pages = ring_pages(bf, offer);
	int err = 0;

	if (bf->nr_queues && offer->queues < bf->nr_queues) {
		xs_err_set(why,
			   "the backend came back with %u queues, %u are in "
			   "use",
			   (unsigned int)offer->queues, bf->nr_queues);
		return -EIO;
	}
	if (!bf->nr_queues)
		err = make_queues(bf, domid, offer, pages);
	if (!err)
		err = connect_queues(bf, pages);
	if (err)
		xs_err_set(why,
			   "cannot share rings and buffers with domain %u: %s",
			   domid, share_error(err));
	else
		set_limits(bf, offer, pages);
	return err;
}

void blkfront_setup_start(struct blkfront *bf, const struct blkfront_info *info)
{
	const struct blkfront_geometry geo = {
		.nr_sects_512 = info->size_bytes / BLK_SECTOR_SIZE,
		.sector_size = info->sector_size,
		.max_segs = info->max_segs,
		.max_io_bytes = info->max_io_bytes,
		.read_only = info->read_only,
		.flush = info->flush,
		.barrier = info->barrier,
		.discard = info->discard,
	};
	unsigned int i;

	for (i = 0; i < bf->nr_queues; i++)
		blkfront_queue_start(bf->queues[i], &geo);
}
