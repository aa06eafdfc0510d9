// SPDX-License-Identifier: MIT
/*
 * libnetfront: what the control thread of front_xenbus.c does for a NIC.
 */
#include <errno.h>
#include <string.h>

#include "frontend/netfront_int.h"
#include "hypercall/log.h"

static struct netfront *to_nf(struct front_dev *d)
{
	return (struct netfront *)((char *)d - offsetof(struct netfront, dev));
}

/* ---- setting up ---- */

/* What both ends can. */
static void agree(const struct netfront_options *o,
		  struct netfront_features *can)
{
	if (o->no_csum)
		can->csum4 = can->csum6 = false;
	if (o->no_sg)
		can->sg = false;
	if (o->no_gso || !can->sg || !can->csum4)
		can->gso4 = false;
	if (o->no_gso || !can->sg || !can->csum6)
		can->gso6 = false;
	if (o->no_split_events)
		can->split = false;
}

static int make_queues(struct netfront *nf, struct xs_err *why)
{
	unsigned int nr = nf->opt.nr_queues;
	int err = 0;

	if (nf->nr_queues && nf->offer.nr_queues < nf->nr_queues) {
		xs_err_set(why,
			   "the backend came back with %u queues, %u are in "
			   "use",
			   nf->offer.nr_queues, nf->nr_queues);
		return -EIO;
	}
	if (nf->nr_queues)
		return 0;
	if (nr > nf->offer.nr_queues)
		nr = nf->offer.nr_queues;
	while (!err && nf->nr_queues < nr) {
		err = netfront_queue_create(&nf->queues[nf->nr_queues], nf,
					    nf->nr_queues);
		if (!err)
			nf->nr_queues++;
	}
	if (err)
		xs_err_set(why, "cannot open event channels: %s",
			   strerror(-err));
	return err;
}

static int prepare(struct netfront *nf, struct xs_err *why)
{
	struct netfront_queue *q;
	unsigned int i;
	int err = 0;

	for (i = 0; i < nf->nr_queues && !err; i++) {
		q = nf->queues[i];
		netfront_conn_destroy(q->prepared);
		err = netfront_conn_create(&q->prepared, nf->gntshr, &q->events,
					   nf->back_domid, &nf->offer);
	}
	if (!err && nf->offer.ctrl)
		err = netfront_ctrl_connect(nf);
	if (err)
		xs_err_set(why,
			   "cannot share rings and buffers with domain %u: %s",
			   nf->back_domid, strerror(-err));
	return err;
}

static int setup(struct front_dev *d, const struct front_place *at,
		 struct xs_err *why)
{
	struct netfront *nf = to_nf(d);
	int err;

	nf->back_domid = at->back_domid;
	err = netfront_read_offer(at->xs, at->back, &nf->offer, why);
	if (err)
		return err;
	agree(&nf->opt, &nf->offer);
	err = make_queues(nf, why);
	if (!err)
		err = prepare(nf, why);
	if (err)
		return err;
	err = netfront_write_setup(at->xs, at->front, nf);
	if (err)
		xs_err_set(why, "cannot write %s: %s", at->front,
			   strerror(-err));
	return err;
}

/* ---- connected ---- */

/* How many queues have all their buffers mapped by the backend for good; what
 * it does not take is copied as ever. */
static unsigned int add_static(struct netfront *nf)
{
	unsigned int i, nr = 0;
	int n;

	for (i = 0; i < nf->nr_queues; i++) {
		n = netfront_add_static(nf, i, nf->queues[i]->prepared);
		if (n < 0) {
			if (n != -EOPNOTSUPP && front_may_log(&nf->dev))
				log_warn(nf->dev.who,
					 "queue %u: no static grants: %s", i,
					 strerror(-n));
			break;
		}
		nr += n > 0;
	}
	return nr;
}

static void fill_info(const struct netfront *nf, struct netfront_info *info)
{
	info->nr_queues = nf->nr_queues;
	info->sg = nf->offer.sg;
	info->gso4 = nf->offer.gso4;
	info->gso6 = nf->offer.gso6;
	info->csum4 = nf->offer.csum4;
	info->csum6 = nf->offer.csum6;
	info->split_events = nf->offer.split;
	info->hash = nf->offer.ctrl;
	info->multicast = nf->offer.mcast;
	info->max_len = nf->offer.sg ? NET_PACKET_MAX : NET_PAGE_SIZE;
}

static int connect_nic(struct front_dev *d, const struct front_place *at,
		       struct xs_err *why)
{
	struct netfront *nf = to_nf(d);
	struct netfront_info info = {0};
	unsigned int i;
	int err;

	err = netfront_read_device(at->xs, at->front, &info, why);
	if (!err)
		err = netfront_read_carrier(at->xs, at->back, &info.carrier,
					    why);
	if (err)
		return err;
	fill_info(nf, &info);
	netfront_ctrl_start(nf);
	if (nf->offer.ctrl && !nf->opt.no_static_grants)
		info.static_grants = add_static(nf) == nf->nr_queues;
	pthread_mutex_lock(&d->lock);
	nf->info = info;
	pthread_mutex_unlock(&d->lock);
	for (i = 0; i < nf->nr_queues; i++) {
		netfront_queue_give(nf->queues[i], nf->queues[i]->prepared);
		nf->queues[i]->prepared = NULL;
	}
	return 0;
}

/* Something was written: carrier and MTU may be new. */
static void changed(struct front_dev *d, const struct front_place *at)
{
	struct netfront *nf = to_nf(d);
	struct netfront_info now, old;
	struct xs_err why;
	unsigned int i;

	netfront_get_info(nf, &old);
	now = old;
	if (netfront_read_device(at->xs, at->front, &now, &why) ||
	    netfront_read_carrier(at->xs, at->back, &now.carrier, &why)) {
		if (front_may_log(d))
			log_warn(d->who, "change not taken: %s", why.text);
		return;
	}
	if (now.carrier == old.carrier && now.mtu == old.mtu)
		return;
	pthread_mutex_lock(&d->lock);
	nf->info.carrier = now.carrier;
	nf->info.mtu = now.mtu;
	pthread_mutex_unlock(&d->lock);
	if (front_may_log(d))
		log_info(d->who, "carrier %s, MTU %u",
			 now.carrier ? "on" : "off", now.mtu);
	for (i = 0; i < nf->nr_queues; i++)
		front_events_wake(&nf->queues[i]->events);
}

static void stop(struct front_dev *d)
{
	struct netfront *nf = to_nf(d);
	unsigned int i;

	pthread_mutex_lock(&d->lock);
	nf->info.carrier = false;
	pthread_mutex_unlock(&d->lock);
	netfront_ctrl_stop(nf);
	for (i = 0; i < nf->nr_queues; i++)
		netfront_queue_give(nf->queues[i], &netfront_no_conn);
}

static void wake(struct front_dev *d)
{
	struct netfront *nf = to_nf(d);
	unsigned int i;

	for (i = 0; i < nf->nr_queues; i++) {
		atomic_store(&nf->queues[i]->attention, 1);
		front_events_wake(&nf->queues[i]->events);
	}
}

const struct front_class netfront_class = {
	.name = "vif",
	.noun = "interface",
	.thread = "nf",
	.keys = vif_keys,
	.set_up = XenbusStateConnected,
	.back_key = "carrier",
	.setup = setup,
	.connect = connect_nic,
	.changed = changed,
	.stop = stop,
	.wake = wake,
};
