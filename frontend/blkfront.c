// SPDX-License-Identifier: MIT
/*
 * libblkfront: opening and closing a disk, and its state as seen by all.
 *
 * The handshake with the backend runs in the control thread
 * (front_xenbus.h); here is what it leaves behind.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/blkfront_int.h"

#define DEFAULT_BUFFER_PAGES 512u
#define DEFAULT_WAIT_MS      10000u

/* An older caller's struct is shorter; what it does not know is 0. */
static int take_options(struct blkfront *bf, const struct blkfront_options *opt)
{
	struct blkfront_options *o = &bf->opt;

	if (opt && opt->size > sizeof(*opt))
		return -EINVAL;
	if (opt)
		memcpy(o, opt, opt->size);
	o->size = sizeof(*o);
	if (!o->nr_queues)
		o->nr_queues = 1;
	if (o->nr_queues > BLKFRONT_MAX_QUEUES)
		o->nr_queues = BLKFRONT_MAX_QUEUES;
	if (!o->ring_pages || o->ring_pages > BLK_RING_MAX_PAGES)
		o->ring_pages = BLK_RING_MAX_PAGES;
	if (!o->max_indirect_segs ||
	    o->max_indirect_segs > BLK_MAX_INDIRECT_SEGS)
		o->max_indirect_segs = BLK_MAX_INDIRECT_SEGS;
	if (!o->buffer_pages)
		o->buffer_pages = DEFAULT_BUFFER_PAGES;
	if (o->wait_ms)
		bf->dev.wait_ms = o->wait_ms;
	return blk_abi_parse(o->protocol, &bf->abi);
}

static struct blkfront *bf_alloc(unsigned int devid)
{
	struct blkfront *bf = calloc(1, sizeof(*bf));

	if (!bf)
		return NULL;
	front_dev_init(&bf->dev, &blkfront_class, devid, DEFAULT_WAIT_MS);
	return bf;
}

int blkfront_open(struct blkfront **out, unsigned int devid,
		  const struct blkfront_options *opt, char *errbuf,
		  size_t errbuf_size)
{
	struct blkfront *bf = bf_alloc(devid);
	int err;

	*out = NULL;
	if (!bf)
		return front_cannot_open(&blkfront_class, devid, -ENOMEM,
					 "out of memory", errbuf, errbuf_size);
	err = take_options(bf, opt);
	if (err)
		front_cannot_open(&blkfront_class, devid, err, "bad option",
				  errbuf, errbuf_size);
	else
		err = front_start(&bf->dev, &bf->gntshr, errbuf, errbuf_size);
	if (err)
		blkfront_close(bf);
	else
		*out = bf;
	return err;
}

void blkfront_close(struct blkfront *bf)
{
	unsigned int i;

	if (!bf)
		return;
	front_stop(&bf->dev);
	for (i = 0; i < bf->nr_queues; i++)
		blkfront_queue_finish(bf->queues[i]);
	for (i = 0; i < bf->nr_queues; i++)
		blkfront_queue_destroy(bf->queues[i]);
	if (bf->gntshr)
		xengntshr_close(bf->gntshr);
	front_dev_destroy(&bf->dev);
	free(bf);
}

void blkfront_get_info(struct blkfront *bf, struct blkfront_info *info)
{
	pthread_mutex_lock(&bf->dev.lock);
	*info = bf->info;
	pthread_mutex_unlock(&bf->dev.lock);
}

int blkfront_status(struct blkfront *bf)
{
	return atomic_load(&bf->dev.status);
}

unsigned int blkfront_nr_queues(struct blkfront *bf)
{
	return bf->nr_queues;
}

struct blkfront_queue *blkfront_queue(struct blkfront *bf, unsigned int index)
{
	return index < bf->nr_queues ? bf->queues[index] : NULL;
}
