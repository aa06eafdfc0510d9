// SPDX-License-Identifier: MIT
/*
 * libnetfront: frames from the backend.
 *
 * Responses are copied out of the ring in batches and made into frames in
 * private memory before anyone sees one.  A frame of which the ring has only
 * the beginning is left there until the rest comes.
 *
 * A response that cannot be (ids, places, chains) fails the interface; a frame
 * whose description makes no sense is counted and dropped.
 */
#include <errno.h>
#include <string.h>

#include "frontend/netfront_int.h"

/* After stdint.h, which it needs and does not include. */
#include <xen/io/netif.h>

#define ETH_HEADER 14u

/* Frames that are taken out of the ring together. */
struct rx_batch {
	uint32_t nr_frames, nr_iov;
	struct rx_frame {
		uint32_t first_iov, nr_iov, len;
		bool bad;
		struct netfront_meta meta;
	} frame[NETFRONT_RX_BATCH];
	struct iovec iov[NETFRONT_RX_BATCH + NETFRONT_RX_CHAIN_MAX];
};

/* ---- buffers ---- */

void netfront_refill(struct netfront_conn *c, struct front_events *events,
		     struct netfront_stats *stats)
{
	unsigned int room = net_front_ring_free(&c->rx);
	struct net_rx_req req;

	if (!c->rx_nr_free || !room)
		return;
	while (c->rx_nr_free && room--) {
		req.id = c->rx.req_prod_pvt & (NET_RING_ENTRIES - 1);
		c->rx_at[req.id] = c->rx_free[--c->rx_nr_free];
		req.gref = c->rx_ref[c->rx_at[req.id]];
		net_front_rx_put(&c->rx, &req);
	}
	if (!net_front_ring_publish(&c->rx)) {
		stats->kicks_suppressed++;
	} else if (events) {
		front_events_notify(events, c->port_rx);
		stats->kicks_sent++;
	}
}

/* ---- out of the ring ---- */

struct rx_parse {
	struct rx_frame *f;
	uint32_t slots;      /* of this frame so far */
	bool in_extra, more; /* what the next slot is */
	bool data_follows;   /* after the extra infos */
};

static void take_extra(struct netfront_conn *c, struct rx_parse *p)
{
	struct netfront_meta *m = &p->f->meta;
	struct net_extra x;

	net_front_rx_get_extra(&c->rx, &x);
	p->in_extra = x.flags & XEN_NETIF_EXTRA_FLAG_MORE;
	switch (x.type) {
	case XEN_NETIF_EXTRA_TYPE_GSO:
		if (x.gso.type == XEN_NETIF_GSO_TYPE_TCPV4)
			m->gso = NETFRONT_GSO_TCPV4;
		else if (x.gso.type == XEN_NETIF_GSO_TYPE_TCPV6)
			m->gso = NETFRONT_GSO_TCPV6;
		m->gso_size = x.gso.size;
		if (!m->gso || !m->gso_size)
			p->f->bad = true;
		break;
	case XEN_NETIF_EXTRA_TYPE_HASH:
		m->has_hash = true;
		m->hash_type = x.hash.type;
		m->hash = x.hash.value;
		break;
	default:
		p->f->bad = true;
	}
}

static void first_response(struct rx_parse *p, uint16_t flags)
{
	struct netfront_meta *m = &p->f->meta;

	m->csum_partial = flags & NETRXF_csum_blank;
	m->csum_valid = flags & (NETRXF_csum_blank | NETRXF_data_validated);
	p->in_extra = flags & NETRXF_extra_info;
	/* a prefix instead of an extra info: never offered */
	if (flags & NETRXF_gso_prefix)
		p->f->bad = true;
}

static int take_data(struct netfront_queue *q, struct netfront_conn *c,
		     struct rx_batch *b, struct rx_parse *p)
{
	uint32_t slot = c->rx.rsp_cons & (NET_RING_ENTRIES - 1);
	struct net_rx_rsp rsp;
	uint8_t *at;

	net_front_rx_get(&c->rx, &rsp);
	if (rsp.id != slot)
		return netfront_violation(
			q, "answered a receive buffer out of its place",
			rsp.id);
	if (rsp.status > (int)NET_PAGE_SIZE ||
	    rsp.offset > NET_PAGE_SIZE - (rsp.status > 0 ? rsp.status : 0))
		return netfront_violation(
			q, "wrote beyond the end of a receive buffer",
			rsp.offset);
	if (p->slots == 1)
		first_response(p, rsp.flags);
	p->more = rsp.flags & NETRXF_more_data;
	if (rsp.status < 0) {
		p->f->bad = true;
		return 0;
	}
	at = c->rx_mem + (size_t)c->rx_at[slot] * NET_PAGE_SIZE + rsp.offset;
	__builtin_prefetch(at);
	b->iov[b->nr_iov++] = (struct iovec){at, (size_t)rsp.status};
	p->f->nr_iov++;
	p->f->len += (uint32_t)rsp.status;
	return 0;
}

static void check_frame(struct rx_frame *f)
{
	if (f->meta.gso)
		f->meta.csum_partial = true;
	if (f->len < ETH_HEADER || f->len > NET_PACKET_MAX)
		f->bad = true;
}

/* One frame of at most avail slots: 1; 0 if its end is not there yet, and then
 * the ring is as before; -EIO. */
static int take_frame(struct netfront_queue *q, struct netfront_conn *c,
		      struct rx_batch *b, uint32_t avail)
{
	uint32_t start = c->rx.rsp_cons, iov = b->nr_iov;
	struct rx_parse p = {.f = &b->frame[b->nr_frames], .more = true};
	int err = 0;

	*p.f = (struct rx_frame){.first_iov = iov};
	while (p.more || p.in_extra) {
		if (p.slots == NETFRONT_RX_CHAIN_MAX)
			return netfront_violation(
				q, "sent a frame of too many pieces", p.slots);
		if (p.slots == avail) {
			c->rx.rsp_cons = start;
			b->nr_iov = iov;
			return 0;
		}
		p.slots++;
		if (p.in_extra)
			take_extra(c, &p);
		else
			err = take_data(q, c, b, &p);
		if (err)
			return err;
	}
	check_frame(p.f);
	b->nr_frames++;
	return 1;
}

/* At most max frames; < 0: the interface has failed. */
static int take_batch(struct netfront_queue *q, struct netfront_conn *c,
		      struct rx_batch *b, unsigned int max)
{
	int avail = net_front_ring_avail(&c->rx), res;
	uint32_t left, start = c->rx.rsp_cons;

	if (avail < 0)
		return netfront_violation(
			q, "answers more than it was sent on the rx ring",
			start);
	while (b->nr_frames < max) {
		left = (uint32_t)avail - (c->rx.rsp_cons - start);
		if (!left || b->nr_iov > NETFRONT_RX_BATCH)
			break;
		res = take_frame(q, c, b, left);
		if (res <= 0)
			return res;
	}
	return 0;
}

/* The buffers of slots that were answered can be used again. */
static void free_buffers(struct netfront_conn *c, uint32_t from, uint32_t to)
{
	for (; from != to; from++)
		c->rx_free[c->rx_nr_free++] =
			c->rx_at[from & (NET_RING_ENTRIES - 1)];
}

/* ---- polling ---- */

static void deliver(struct netfront_queue *q, const struct rx_batch *b,
		    netfront_receive_cb receive, void *user)
{
	const struct rx_frame *f;
	uint32_t i;

	for (i = 0; i < b->nr_frames; i++) {
		f = &b->frame[i];
		if (f->bad) {
			q->stats.rx_errors++;
			continue;
		}
		q->stats.rx_packets++;
		q->stats.rx_bytes += f->len;
		receive(user, &b->iov[f->first_iov], f->nr_iov, f->len,
			&f->meta);
	}
}

static int poll_rx(struct netfront_queue *q, struct netfront_conn *c,
		   unsigned int max, netfront_receive_cb receive, void *user)
{
	struct rx_batch b;
	unsigned int total = 0;
	uint32_t start;
	int err;

	do {
		b.nr_frames = b.nr_iov = 0;
		start = c->rx.rsp_cons;
		err = take_batch(q, c, &b,
				 max - total < NETFRONT_RX_BATCH
					 ? max - total
					 : NETFRONT_RX_BATCH);
		if (err)
			return err;
		deliver(q, &b, receive, user);
		free_buffers(c, start, c->rx.rsp_cons);
		total += b.nr_frames;
		netfront_refill(c, &q->events, &q->stats);
	} while (b.nr_frames && total < max);
	return (int)total;
}

int netfront_poll(struct netfront_queue *q, unsigned int max,
		  netfront_receive_cb receive, void *user)
{
	int err, n;

	if (q->in_poll)
		return -EBUSY;
	err = netfront_check(q);
	if (err)
		return err;
	if (!q->cur)
		return 0;
	err = netfront_reap(q);
	if (err)
		return err;
	q->in_poll = true;
	n = poll_rx(q, q->cur, max, receive, user);
	q->in_poll = false;
	return n;
}
