// SPDX-License-Identifier: MIT
/*
 * libnetfront: frames to the backend.
 *
 * A response is a claim of the backend's about a buffer, believed only if it
 * can be true; otherwise the interface has failed and the rings are not looked
 * at again.
 */
#include <errno.h>
#include <string.h>

#include "frontend/netfront_int.h"

/* After stdint.h, which it needs and does not include. */
#include <xen/io/netif.h>

#define ETH_HEADER 14u

int netfront_violation(struct netfront_queue *q, const char *what,
		       uint32_t value)
{
	front_end(&q->nf->dev, -EIO, "queue %u: the backend %s (%u)", q->index,
		  what, value);
	return -EIO;
}

/* ---- responses ---- */

static int take_response(struct netfront_queue *q, struct netfront_conn *c,
			 const struct net_tx_rsp *rsp)
{
	uint32_t at;

	if (rsp->status == NETIF_RSP_NULL) {
		if (!c->tx_extras)
			return netfront_violation(
				q, "answered an extra info that is not there",
				rsp->id);
		c->tx_extras--;
		return 0;
	}
	if (rsp->id >= c->nr_tx || !c->tx_busy[rsp->id])
		return netfront_violation(
			q, "answered a frame that is not in flight", rsp->id);
	if (rsp->status != NETIF_RSP_OKAY) {
		if (rsp->status > 0 || rsp->status < NETIF_RSP_DROPPED)
			return netfront_violation(
				q, "answered with an unknown status",
				(uint16_t)rsp->status);
		q->stats.tx_errors++;
	}
	c->tx_busy[rsp->id] = false;
	at = (c->tx_head + c->tx_nr_free++) & (c->nr_tx - 1);
	c->tx_free[at] = rsp->id;
	return 0;
}

int netfront_reap(struct netfront_queue *q)
{
	struct netfront_conn *c = q->cur;
	struct net_tx_rsp rsp;
	int avail, err = 0;

	avail = net_front_ring_avail(&c->tx);
	if (avail < 0)
		return netfront_violation(
			q, "answers more than it was sent on the tx ring",
			c->tx.rsp_cons);
	while (avail-- > 0 && !err) {
		net_front_tx_get(&c->tx, &rsp);
		err = take_response(q, c, &rsp);
	}
	return err;
}

/* ---- requests ---- */

static bool has_room(const struct netfront_conn *c, uint32_t frags)
{
	/* one slot more for an extra info */
	return c->tx_nr_free >= frags && net_front_ring_free(&c->tx) > frags;
}

/* 0, with room for a frame of so many pieces. */
static int make_room(struct netfront_queue *q, uint32_t frags)
{
	int err;

	if (__builtin_expect(has_room(q->cur, frags), 1))
		return 0;
	err = netfront_reap(q);
	if (err)
		return err;
	if (has_room(q->cur, frags)) {
		q->tx_starved = false;
		return 0;
	}
	q->tx_starved = true;
	return -EAGAIN;
}

static uint32_t max_len(const struct netfront_conn *c)
{
	return c->can.sg ? NET_PACKET_MAX : NET_PAGE_SIZE;
}

/* The nth buffer that will be used. */
static uint32_t tx_buffer(const struct netfront_conn *c, uint32_t n)
{
	return c->tx_free[(c->tx_head + n) & (c->nr_tx - 1)];
}

/*
 * Short frames begin at different places of their pages: were it always the
 * same, all buffers of a ring would fall into one set of the first-level
 * cache, here and at the backend.
 */
static uint32_t spread(uint32_t buffer, uint32_t len)
{
	return len <= NETFRONT_BUF_SIZE ? (buffer * 5 & 31) * 64 : 0;
}

/* Begin a frame of up to len bytes: how many pieces it has. */
static int begin(struct netfront_queue *q, uint32_t len)
{
	struct netfront_conn *c;
	uint32_t frags;
	int err = netfront_check(q);

	if (err)
		return err;
	c = q->cur;
	if (!c)
		return -ENETDOWN;
	if (len > max_len(c))
		return -EMSGSIZE;
	frags = (len + NET_PAGE_SIZE - 1) / NET_PAGE_SIZE;
	err = make_room(q, frags ? frags : 1);
	if (err)
		return err;
	c->tx_offset = spread(tx_buffer(c, 0), len);
	c->tx_room = len;
	return (int)frags;
}

static uint8_t *piece(const struct netfront_conn *c, uint32_t n)
{
	return c->tx_mem + (size_t)tx_buffer(c, n) * NET_PAGE_SIZE +
	       c->tx_offset;
}

int netfront_send_bufs(struct netfront_queue *q, uint32_t len,
		       struct iovec *iov, unsigned int nr_iov)
{
	uint32_t size;
	int frags = begin(q, len), i;

	if (frags < 0)
		return frags;
	if ((unsigned int)frags > nr_iov)
		return -EINVAL;
	for (i = 0; i < frags; i++) {
		size = len < NET_PAGE_SIZE ? len : NET_PAGE_SIZE;
		iov[i].iov_base = piece(q->cur, (uint32_t)i);
		iov[i].iov_len = size;
		len -= size;
	}
	return frags;
}

void *netfront_send_buf(struct netfront_queue *q)
{
	return begin(q, NETFRONT_BUF_SIZE) == 1 ? piece(q->cur, 0) : NULL;
}

static int check_meta(const struct netfront_conn *c,
		      const struct netfront_meta *m)
{
	if (m->gso == NETFRONT_GSO_NONE)
		return m->csum_partial && !c->can.csum4 && !c->can.csum6
			       ? -EOPNOTSUPP
			       : 0;
	if (m->gso > NETFRONT_GSO_TCPV6 || !m->gso_size)
		return -EINVAL;
	if (m->gso == NETFRONT_GSO_TCPV4)
		return c->can.gso4 ? 0 : -EOPNOTSUPP;
	return c->can.gso6 ? 0 : -EOPNOTSUPP;
}

static uint16_t first_flags(const struct netfront_meta *m)
{
	uint16_t flags = 0;

	if (!m)
		return 0;
	if (m->csum_partial || m->gso)
		flags |= NETTXF_csum_blank | NETTXF_data_validated;
	if (m->csum_valid)
		flags |= NETTXF_data_validated;
	if (m->gso)
		flags |= NETTXF_extra_info;
	return flags;
}

static void put_gso(struct netfront_conn *c, const struct netfront_meta *m)
{
	const struct net_extra extra = {
		.type = XEN_NETIF_EXTRA_TYPE_GSO,
		.gso.size = m->gso_size,
		.gso.type = m->gso == NETFRONT_GSO_TCPV4
				    ? XEN_NETIF_GSO_TYPE_TCPV4
				    : XEN_NETIF_GSO_TYPE_TCPV6,
	};

	net_front_tx_put_extra(&c->tx, &extra);
	c->tx_extras++;
}

/* The frame that is in its buffers.  The first request says the length of all,
 * the others their own. */
static void put_frame(struct netfront_conn *c, uint32_t len,
		      const struct netfront_meta *m)
{
	struct net_tx_req req = {.flags = first_flags(m), .size = len};
	uint32_t left = len, size;
	bool is_first = true;

	while (left) {
		size = left < NET_PAGE_SIZE ? left : NET_PAGE_SIZE;
		req.id = tx_buffer(c, 0);
		req.gref = c->tx_ref[req.id];
		req.offset = c->tx_offset;
		if (!is_first)
			req.size = size;
		left -= size;
		if (left)
			req.flags |= NETTXF_more_data;
		else
			req.flags &= ~NETTXF_more_data;
		net_front_tx_put(&c->tx, &req);
		if (is_first && m && m->gso)
			put_gso(c, m);
		c->tx_busy[req.id] = true;
		c->tx_head++;
		c->tx_nr_free--;
		is_first = false;
		req.flags = 0;
	}
}

int netfront_send_commit(struct netfront_queue *q, uint32_t len,
			 const struct netfront_meta *meta)
{
	struct netfront_conn *c = q->cur;
	int err;

	if (!c)
		return -ENETDOWN;
	if (len < ETH_HEADER || len > c->tx_room)
		return len > c->tx_room ? -EMSGSIZE : -EINVAL;
	err = meta ? check_meta(c, meta) : 0;
	if (err)
		return err;
	put_frame(c, len, meta);
	c->tx_room = 0;
	q->stats.tx_packets++;
	q->stats.tx_bytes += len;
	return 0;
}

/* Scattered source, pieces of a page as destination. */
static void copy_in(const struct netfront_conn *c, const struct iovec *iov,
		    unsigned int nr_iov)
{
	uint32_t n = 0, at = 0, len;
	size_t done;
	unsigned int i;

	for (i = 0; i < nr_iov; i++) {
		for (done = 0; done < iov[i].iov_len; done += len) {
			len = NET_PAGE_SIZE - at;
			if (len > iov[i].iov_len - done)
				len = iov[i].iov_len - done;
			memcpy(piece(c, n) + at,
			       (const uint8_t *)iov[i].iov_base + done, len);
			at += len;
			if (at == NET_PAGE_SIZE) {
				at = 0;
				n++;
			}
		}
	}
}

int netfront_send(struct netfront_queue *q, const struct iovec *iov,
		  unsigned int nr_iov, const struct netfront_meta *meta)
{
	size_t len = 0;
	unsigned int i;
	int frags;

	for (i = 0; i < nr_iov; i++) {
		len += iov[i].iov_len;
		if (len > NET_PACKET_MAX)
			return -EMSGSIZE;
	}
	if (len < ETH_HEADER)
		return -EINVAL;
	frags = begin(q, len);
	if (frags < 0)
		return frags;
	if (frags == 1 && nr_iov == 1)
		memcpy(piece(q->cur, 0), iov->iov_base, len);
	else
		copy_in(q->cur, iov, nr_iov);
	return netfront_send_commit(q, len, meta);
}

/* A command, and no frame with it: what goes with it is not looked at, but
 * backends want a request of a length that a frame could have. */
int netfront_multicast(struct netfront_queue *q, const uint8_t mac[6],
		       bool join)
{
	const struct net_extra extra = {
		.type = join ? XEN_NETIF_EXTRA_TYPE_MCAST_ADD
			     : XEN_NETIF_EXTRA_TYPE_MCAST_DEL,
		.mcast = {mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]},
	};
	struct net_tx_req req = {.flags = NETTXF_extra_info};
	struct netfront_conn *c;
	int frags = begin(q, ETH_HEADER);

	if (frags < 0)
		return frags;
	c = q->cur;
	if (!c->can.mcast)
		return -EOPNOTSUPP;
	req.id = tx_buffer(c, 0);
	req.gref = c->tx_ref[req.id];
	req.size = 0;
	net_front_tx_put(&c->tx, &req);
	net_front_tx_put_extra(&c->tx, &extra);
	c->tx_extras++;
	c->tx_busy[req.id] = true;
	c->tx_head++;
	c->tx_nr_free--;
	c->tx_room = 0;
	return 0;
}

int netfront_kick(struct netfront_queue *q)
{
	struct netfront_conn *c;
	int err = netfront_check(q);

	if (err)
		return err;
	c = q->cur;
	if (!c)
		return 0;
	if (c->tx.req_prod == c->tx.req_prod_pvt)
		return 0;
	if (net_front_ring_publish(&c->tx)) {
		front_events_notify(&q->events, c->port_tx);
		q->stats.kicks_sent++;
	} else {
		q->stats.kicks_suppressed++;
	}
	return 0;
}

unsigned int netfront_send_room(struct netfront_queue *q)
{
	unsigned int ring;

	if (!q->cur)
		return 0;
	ring = net_front_ring_free(&q->cur->tx);
	if (ring)
		ring--; /* begin() keeps one for an extra info */
	return ring < q->cur->tx_nr_free ? ring : q->cur->tx_nr_free;
}
