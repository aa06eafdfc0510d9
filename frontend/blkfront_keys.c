// SPDX-License-Identifier: MIT
/*
 * libblkfront: what the two ends tell each other in xenstore.
 *
 * Reads the backend's keys through the table of hypercall/xenbus_keys.h and
 * checks what a single key's range cannot say; writes ours as Linux's frontend
 * does, since that is what every backend was tried with.  When to do either is
 * front_xenbus.c's.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "frontend/blkfront_int.h"
#include "hypercall/xenbus_keys.h"

/* After stdint.h, which it needs and does not include. */
#include <xen/io/blkif.h>

#define KEY_PATH_MAX 384

int blkfront_read_offer(struct xs_store *xs, const char *back,
			struct blkfront_offer *offer, struct xs_err *err)
{
	uint64_t order, pages;
	const struct front_number numbers[] = {
		{"max-ring-page-order", &order},
		{"max-ring-pages", &pages},
		{"multi-queue-max-queues", &offer->queues},
		{"feature-max-indirect-segments", &offer->indirect_segs},
	};
	int res = front_read_numbers(xs, vbd_keys, back, numbers, 4, err);

	if (res)
		return res;
	/* Both keys say the same, in different units; old backends write one
	 * of them. */
	offer->ring_pages = order < 4 ? 1u << order : BLK_RING_MAX_PAGES;
	if (pages > offer->ring_pages)
		offer->ring_pages = pages;
	if (offer->ring_pages > BLK_RING_MAX_PAGES)
		offer->ring_pages = BLK_RING_MAX_PAGES;
	if (!offer->queues)
		offer->queues = 1;
	return 0;
}

/* ---- the disk ---- */

struct disk_keys {
	uint64_t sectors, sector_size, physical, info;
	uint64_t flush, barrier, persistent;
	uint64_t discard, granularity, alignment, secure;
};

static int check_disk(const struct disk_keys *k, const char *back,
		      struct xs_err *err)
{
	if (k->sector_size < BLK_SECTOR_SIZE ||
	    k->sector_size > BLK_PAGE_SIZE ||
	    (k->sector_size & (k->sector_size - 1))) {
		xs_err_set(err,
			   "%s/sector-size is %" PRIu64
			   ", not a power of two from 512 to 4096",
			   back, k->sector_size);
		return -EINVAL;
	}
	if (k->sectors > INT64_MAX / BLK_SECTOR_SIZE) {
		xs_err_set(err, "%s/sectors is %" PRIu64 ", more than a disk",
			   back, k->sectors);
		return -EINVAL;
	}
	return 0;
}

static void fill_disk(const struct disk_keys *k, struct blkfront_info *info)
{
	/* `sectors` counts 512 bytes whatever the sector size, as Linux has
	 * it; a last sector that is not whole cannot be used. */
	info->size_bytes = k->sectors * BLK_SECTOR_SIZE;
	info->size_bytes -= info->size_bytes % k->sector_size;
	info->sector_size = k->sector_size;
	info->physical_sector_size = k->sector_size;
	if (k->physical > k->sector_size && k->physical <= INT32_MAX &&
	    !(k->physical & (k->physical - 1)))
		info->physical_sector_size = k->physical;
	info->read_only = k->info & VDISK_READONLY;
	info->cdrom = k->info & VDISK_CDROM;
	info->removable = k->info & VDISK_REMOVABLE;
	info->flush = k->flush;
	info->barrier = k->barrier;
	info->persistent = k->persistent;
	info->discard = k->discard;
	info->secure_discard = k->discard && k->secure;
	info->discard_granularity = k->discard ? k->granularity : 0;
	if (k->discard && info->discard_granularity < k->sector_size)
		info->discard_granularity = k->sector_size;
	info->discard_alignment = k->discard ? k->alignment : 0;
}

int blkfront_read_disk(struct xs_store *xs, const char *back,
		       struct blkfront_info *info, struct xs_err *err)
{
	struct disk_keys k;
	const struct front_number numbers[] = {
		{"sectors", &k.sectors},
		{"sector-size", &k.sector_size},
		{"physical-sector-size", &k.physical},
		{"info", &k.info},
		{"feature-flush-cache", &k.flush},
		{"feature-barrier", &k.barrier},
		{"feature-persistent", &k.persistent},
		{"feature-discard", &k.discard},
		{"discard-granularity", &k.granularity},
		{"discard-alignment", &k.alignment},
		{"discard-secure", &k.secure},
	};
	int res = front_read_numbers(xs, vbd_keys, back, numbers,
				     sizeof(numbers) / sizeof(numbers[0]), err);

	if (!res)
		res = check_disk(&k, back, err);
	if (!res)
		fill_disk(&k, info);
	return res;
}

/* ---- the connection ---- */

struct setup_job {
	const char *front;
	struct blkfront *bf;
};

/* What an earlier frontend may have left in the directory, with other numbers
 * of queues and pages. */
static bool is_connection_key(const char *name)
{
	static const char *const prefixes[] = {
		"ring-ref",      "ring-page-order",        "num-ring-pages",
		"event-channel", "multi-queue-num-queues", "queue-",
	};
	size_t i;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return !strcmp(name, "feature-persistent") || !strcmp(name, "protocol");
}

static uint32_t page_ref(const struct blkfront_queue *q, unsigned int page)
{
	return grant_pool_ref(q->ring_pool, (const uint8_t *)q->ring_mem +
						    page * BLK_PAGE_SIZE);
}

static int write_queue(struct xs_store *xs, xs_transaction_t t, const char *dir,
		       const struct blkfront_queue *q)
{
	char key[24];
	unsigned int i;
	int err;

	if (q->ring_pages == 1) {
		err = xs_writef(xs, t, dir, "ring-ref", "%u", page_ref(q, 0));
	} else {
		for (i = 0, err = 0; i < q->ring_pages && !err; i++) {
			snprintf(key, sizeof(key), "ring-ref%u", i);
			err = xs_writef(xs, t, dir, key, "%u", page_ref(q, i));
		}
	}
	return err ? err
		   : xs_writef(xs, t, dir, "event-channel", "%d", q->port);
}

static int write_queues(struct xs_store *xs, xs_transaction_t t,
			const char *front, const struct blkfront *bf)
{
	char dir[KEY_PATH_MAX];
	unsigned int i;
	int err;

	if (bf->nr_queues == 1)
		return write_queue(xs, t, front, bf->queues[0]);
	err = xs_writef(xs, t, front, "multi-queue-num-queues", "%u",
			bf->nr_queues);
	for (i = 0; i < bf->nr_queues && !err; i++) {
		snprintf(dir, sizeof(dir), "%s/queue-%u", front, i);
		err = write_queue(xs, t, dir, bf->queues[i]);
	}
	return err;
}

static int setup_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	const struct setup_job *job = arg;
	const struct blkfront *bf = job->bf;
	unsigned int pages = bf->queues[0]->ring_pages;
	int err;

	err = front_remove_stale(xs, t, job->front, is_connection_key);
	if (!err)
		err = write_queues(xs, t, job->front, bf);
	if (!err && pages > 1)
		err = xs_writef(xs, t, job->front, "ring-page-order", "%d",
				__builtin_ctz(pages));
	if (!err && pages > 1)
		err = xs_writef(xs, t, job->front, "num-ring-pages", "%u",
				pages);
	if (!err)
		err = xs_writef(xs, t, job->front, "protocol", "%s",
				blk_abi_name(bf->abi));
	if (!err && !bf->opt.no_persistent)
		err = xs_writef(xs, t, job->front, "feature-persistent", "1");
	if (!err)
		err = xs_writef(xs, t, job->front, "state", "%d",
				XenbusStateInitialised);
	return err;
}

int blkfront_write_setup(struct xs_store *xs, const char *front,
			 struct blkfront *bf)
{
	struct setup_job job = {front, bf};

	return xs_transact(xs, setup_body, &job);
}
