// SPDX-License-Identifier: MIT
/*
 * libblkfront: what the control thread of front_xenbus.c does for a disk.
 */
#include <errno.h>
#include <string.h>

#include "frontend/blkfront_int.h"
#include "hypercall/log.h"

static struct blkfront *to_bf(struct front_dev *d)
{
	return (struct blkfront *)((char *)d - offsetof(struct blkfront, dev));
}

static int setup(struct front_dev *d, const struct front_place *at,
		 struct xs_err *why)
{
	struct blkfront *bf = to_bf(d);
	struct blkfront_offer offer;
	int err;

	err = blkfront_read_offer(at->xs, at->back, &offer, why);
	if (!err)
		err = blkfront_setup_rings(bf, at->back_domid, &offer, why);
	if (err)
		return err;
	err = blkfront_write_setup(at->xs, at->front, bf);
	if (err)
		xs_err_set(why, "cannot write %s: %s", at->front,
			   strerror(-err));
	return err;
}

static int connect_disk(struct front_dev *d, const struct front_place *at,
			struct xs_err *why)
{
	struct blkfront *bf = to_bf(d);
	struct blkfront_info info;
	int err;

	blkfront_get_info(bf, &info);
	err = blkfront_read_disk(at->xs, at->back, &info, why);
	if (err)
		return err;
	info.persistent = info.persistent && !bf->opt.no_persistent;
	blkfront_setup_start(bf, &info);
	pthread_mutex_lock(&d->lock);
	bf->info = info;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

/* Connected was written once more: read the size again. */
static void changed(struct front_dev *d, const struct front_place *at)
{
	struct blkfront *bf = to_bf(d);
	struct blkfront_info now, old;
	struct xs_err why;
	unsigned int i;

	blkfront_get_info(bf, &old);
	now = old;
	if (blkfront_read_disk(at->xs, at->back, &now, &why)) {
		if (front_may_log(d))
			log_warn(d->who, "new size not taken: %s", why.text);
		return;
	}
	if (now.size_bytes == old.size_bytes)
		return;
	if (now.sector_size != old.sector_size) {
		if (front_may_log(d))
			log_warn(d->who,
				 "the sector size cannot change from %u to %u",
				 old.sector_size, now.sector_size);
		return;
	}
	pthread_mutex_lock(&d->lock);
	bf->info.size_bytes = now.size_bytes;
	pthread_mutex_unlock(&d->lock);
	for (i = 0; i < bf->nr_queues; i++)
		blkfront_queue_resize(bf->queues[i],
				      now.size_bytes / BLK_SECTOR_SIZE);
	if (front_may_log(d))
		log_info(d->who, "size is now %llu bytes, was %llu",
			 (unsigned long long)now.size_bytes,
			 (unsigned long long)old.size_bytes);
}

/* What is in flight is sent again to the next backend. */
static void stop(struct front_dev *d)
{
	struct blkfront *bf = to_bf(d);
	unsigned int i;

	for (i = 0; i < bf->nr_queues; i++)
		blkfront_queue_stop(bf->queues[i]);
}

static bool is_idle(struct front_dev *d)
{
	struct blkfront *bf = to_bf(d);
	unsigned int i;

	for (i = 0; i < bf->nr_queues; i++)
		if (atomic_load(&bf->queues[i]->nr_in_flight))
			return false;
	return true;
}

static void wake(struct front_dev *d)
{
	struct blkfront *bf = to_bf(d);
	unsigned int i;

	for (i = 0; i < bf->nr_queues; i++)
		front_events_wake(&bf->queues[i]->events);
}

const struct front_class blkfront_class = {
	.name = "vbd",
	.noun = "disk",
	.thread = "bf",
	.keys = vbd_keys,
	.set_up = XenbusStateInitialised,
	.setup = setup,
	.connect = connect_disk,
	.changed = changed,
	.stop = stop,
	.is_idle = is_idle,
	.wake = wake,
};
