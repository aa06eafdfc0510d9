// SPDX-License-Identifier: MIT
/* What a NIC's frontend wrote into its directory; see front_keys.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/front_keys.h"
#include "backend/vif.h"
#include "hypercall/xenbus_keys.h"

struct reader {
	struct front_keys keys; /* first */
	const struct vif_offer *offer;
	struct worker_net_connect *c;
};

static int read_number(const struct reader *r, const char *dir, const char *key,
		       uint32_t *out)
{
	return front_key_u32(&r->keys, dir, key, out);
}

uint32_t vif_gso_offered(const struct vif_offer *offer)
{
	/* a segment's checksum is partial, or we would have to cut */
	if (!offer->csum_offload || !(offer->link_offers & LINK_CSUM))
		return 0;
	return offer->link_offers & (LINK_TSO4 | LINK_TSO6);
}

static int read_copy(const struct reader *r)
{
	uint32_t copy;
	int e = read_number(r, r->keys.dir, "request-rx-copy", &copy);

	if (e || copy)
		return e;
	xs_err_set(r->keys.err,
		   "%s/request-rx-copy is not 1: pages are copied, never "
		   "exchanged",
		   r->keys.dir);
	return -EOPNOTSUPP;
}

static int read_queues(const struct reader *r)
{
	int e = read_number(r, r->keys.dir, "multi-queue-num-queues",
			    &r->c->nr_queues);

	if (e || r->c->nr_queues <= r->offer->queues_max)
		return e;
	return front_too_much(&r->keys, "multi-queue-num-queues",
			      r->c->nr_queues, r->offer->queues_max);
}

/* What the guest takes: a segment has several slots and no checksum, so it
 * has to take these, too. */
static void combine(const struct vif_offer *offer, struct worker_net_connect *c,
		    bool sg, bool gso4, bool gso6)
{
	if (!offer->csum_offload)
		c->csum4 = c->csum6 = 0;
	c->features = 0;
	if (c->csum4 || c->csum6)
		c->features |= LINK_CSUM;
	if (sg)
		c->features |= LINK_SG;
	if (gso4 && sg && c->csum4)
		c->features |= LINK_TSO4;
	if (gso6 && sg && c->csum6)
		c->features |= LINK_TSO6;
	c->sg = 1;
	c->gso4 = !!(vif_gso_offered(offer) & LINK_TSO4);
	c->gso6 = !!(vif_gso_offered(offer) & LINK_TSO6);
}

static int read_features(const struct reader *r)
{
	struct worker_net_connect *c = r->c;
	uint32_t sg = 0, gso4 = 0, gso6 = 0, no_csum = 0;
	const struct {
		const char *key;
		uint32_t *out;
	} keys[] = {
		{"feature-sg", &sg},
		{"feature-gso-tcpv4", &gso4},
		{"feature-gso-tcpv6", &gso6},
		{"feature-no-csum-offload", &no_csum},
		{"feature-ipv6-csum-offload", &c->csum6},
		{"feature-rx-notify", &c->rx_notify},
		{"request-multicast-control", &c->mcast_control},
	};
	unsigned int i;
	int e = 0;

	for (i = 0; !e && i < sizeof(keys) / sizeof(keys[0]); i++)
		e = read_number(r, r->keys.dir, keys[i].key, keys[i].out);
	c->csum4 = !no_csum;
	combine(r->offer, c, sg, gso4, gso6);
	return e;
}

static int missing(const struct reader *r, const char *dir, const char *key)
{
	xs_err_set(r->keys.err, "%s/%s is missing", dir, key);
	return -ENOENT;
}

/* One port for both directions, or one each. */
static int read_ports(const struct reader *r, const char *dir,
		      struct worker_net_queue *q)
{
	int e;

	if (!front_key_exists(&r->keys, dir, "event-channel-tx") &&
	    !front_key_exists(&r->keys, dir, "event-channel-rx")) {
		e = read_number(r, dir, "event-channel", &q->evtchn_tx);
		q->evtchn_rx = q->evtchn_tx;
		if (!e && !q->evtchn_tx)
			e = missing(r, dir, "event-channel");
		return e;
	}
	e = read_number(r, dir, "event-channel-tx", &q->evtchn_tx);
	if (!e)
		e = read_number(r, dir, "event-channel-rx", &q->evtchn_rx);
	if (!e && !q->evtchn_tx)
		e = missing(r, dir, "event-channel-tx");
	if (!e && !q->evtchn_rx)
		e = missing(r, dir, "event-channel-rx");
	if (e || q->evtchn_tx != q->evtchn_rx)
		return e;
	xs_err_set(r->keys.err,
		   "%s: event-channel-tx and -rx are the same, '%u'", dir,
		   q->evtchn_tx);
	return -EINVAL;
}

static int read_queue(const struct reader *r, unsigned int n)
{
	struct worker_net_queue *q = &r->c->queue[n];
	char dir[FRONT_DIR_MAX];
	int e;

	front_queue_dir(&r->keys, r->c->nr_queues, n, dir);
	e = read_number(r, dir, "tx-ring-ref", &q->tx_ref);
	if (!e)
		e = read_number(r, dir, "rx-ring-ref", &q->rx_ref);
	return e ? e : read_ports(r, dir, q);
}

static int read_ctrl(const struct reader *r)
{
	const char *dir = r->keys.dir;
	struct worker_net_connect *c = r->c;
	int e = read_number(r, dir, "ctrl-ring-ref", &c->ctrl_ref);

	if (e || !c->ctrl_ref)
		return e;
	c->has_ctrl = 1;
	e = read_number(r, dir, "event-channel-ctrl", &c->ctrl_evtchn);
	return e || c->ctrl_evtchn ? e : missing(r, dir, "event-channel-ctrl");
}

static int check_unique(const struct reader *r)
{
	uint32_t v[NET_MAX_QUEUES * 2 + 1];
	const struct worker_net_connect *c = r->c;
	unsigned int i, nr = 0;
	int e;

	for (i = 0; i < c->nr_queues; i++) {
		v[nr++] = c->queue[i].tx_ref;
		v[nr++] = c->queue[i].rx_ref;
	}
	if (c->has_ctrl)
		v[nr++] = c->ctrl_ref;
	e = front_unique(&r->keys, "ring-ref", v, nr);
	if (e)
		return e;
	for (nr = 0, i = 0; i < c->nr_queues; i++) {
		v[nr++] = c->queue[i].evtchn_tx;
		if (c->queue[i].evtchn_rx != c->queue[i].evtchn_tx)
			v[nr++] = c->queue[i].evtchn_rx;
	}
	if (c->has_ctrl)
		v[nr++] = c->ctrl_evtchn;
	return front_unique(&r->keys, "event-channel", v, nr);
}

static int read_all(struct front_keys *keys)
{
	struct reader *r = (struct reader *)keys;
	unsigned int i;
	int e;

	memset(r->c, 0, sizeof(*r->c));
	e = read_copy(r);
	if (!e)
		e = read_queues(r);
	if (!e)
		e = read_features(r);
	for (i = 0; !e && i < r->c->nr_queues; i++)
		e = read_queue(r, i);
	if (!e)
		e = read_ctrl(r);
	return e ? e : check_unique(r);
}

int vif_mcast_read(struct xs_store *xs, const char *dir, uint32_t *wanted)
{
	struct xs_err err;
	uint64_t on;
	int e = xenbus_key_read(xs, XBT_NULL, vif_keys, dir,
				"request-multicast-control", &on, &err);

	if (!e)
		*wanted = (uint32_t)on;
	return e;
}

int vif_connect_read(struct xs_store *xs, const char *dir,
		     const struct vif_offer *offer,
		     struct worker_net_connect *c, struct xs_err *err)
{
	struct reader r = {.keys = {.keys = vif_keys,
				    .dir = dir,
				    .err = err,
				    .read = read_all},
			   .offer = offer,
			   .c = c};

	return front_keys_read(xs, &r.keys);
}
