// SPDX-License-Identifier: MIT
/*
 * libnetfront: opening and closing a NIC, and its state as seen by all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/netfront_int.h"

#define DEFAULT_WAIT_MS 10000u

/* An older caller's struct is shorter; what it does not know is 0. */
static int take_options(struct netfront *nf, const struct netfront_options *opt)
{
	struct netfront_options *o = &nf->opt;

	if (opt && opt->size > sizeof(*opt))
		return -EINVAL;
	if (opt)
		memcpy(o, opt, opt->size);
	o->size = sizeof(*o);
	if (!o->nr_queues)
		o->nr_queues = 1;
	if (o->nr_queues > NETFRONT_MAX_QUEUES)
		o->nr_queues = NETFRONT_MAX_QUEUES;
	if (o->wait_ms)
		nf->dev.wait_ms = o->wait_ms;
	return 0;
}

static struct netfront *nf_alloc(unsigned int devid)
{
	struct netfront *nf = calloc(1, sizeof(*nf));

	if (!nf)
		return NULL;
	front_dev_init(&nf->dev, &netfront_class, devid, DEFAULT_WAIT_MS);
	pthread_mutex_init(&nf->ctrl.lock, NULL);
	nf->ctrl.port = -1;
	nf->ctrl.events.wake_fd = nf->ctrl.events.poll_fd = -1;
	return nf;
}

int netfront_open(struct netfront **out, unsigned int devid,
		  const struct netfront_options *opt, char *errbuf,
		  size_t errbuf_size)
{
	struct netfront *nf = nf_alloc(devid);
	int err;

	*out = NULL;
	if (!nf)
		return front_cannot_open(&netfront_class, devid, -ENOMEM,
					 "out of memory", errbuf, errbuf_size);
	err = take_options(nf, opt);
	if (err)
		front_cannot_open(&netfront_class, devid, err, "bad option",
				  errbuf, errbuf_size);
	else
		err = front_start(&nf->dev, &nf->gntshr, errbuf, errbuf_size);
	if (err)
		netfront_close(nf);
	else
		*out = nf;
	return err;
}

void netfront_close(struct netfront *nf)
{
	unsigned int i;

	if (!nf)
		return;
	front_stop(&nf->dev);
	for (i = 0; i < nf->nr_queues; i++)
		netfront_queue_destroy(nf->queues[i]);
	netfront_ctrl_close(nf);
	if (nf->gntshr)
		xengntshr_close(nf->gntshr);
	pthread_mutex_destroy(&nf->ctrl.lock);
	front_dev_destroy(&nf->dev);
	free(nf);
}

void netfront_get_info(struct netfront *nf, struct netfront_info *info)
{
	pthread_mutex_lock(&nf->dev.lock);
	*info = nf->info;
	pthread_mutex_unlock(&nf->dev.lock);
}

int netfront_status(struct netfront *nf)
{
	return atomic_load(&nf->dev.status);
}

unsigned int netfront_nr_queues(struct netfront *nf)
{
	return nf->nr_queues;
}

struct netfront_queue *netfront_queue(struct netfront *nf, unsigned int index)
{
	return index < nf->nr_queues ? nf->queues[index] : NULL;
}

void netfront_queue_stats(struct netfront_queue *q, struct netfront_stats *s)
{
	*s = q->stats;
	s->events = q->events.events;
	s->sleeps = q->events.sleeps;
}
