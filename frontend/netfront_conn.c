// SPDX-License-Identifier: MIT
/*
 * libnetfront: rings, buffers and ports of a queue, made for one backend and
 * handed to the queue's thread.
 *
 * Buffers are whole pages, shared for as long as the connection lives, so a
 * backend that keeps them mapped sees frames and nothing else.  Transmit
 * buffers are shared read-only.
 */
#include <errno.h>
#include <stdlib.h>

#include "frontend/netfront_int.h"

struct netfront_conn netfront_no_conn;

/* A host may limit how much can be shared (Linux's gntalloc: 1024 pages unless
 * told otherwise): fewer buffers are better than none. */
static int share_buffers(struct grant_pool **pool, xengntshr_handle *gntshr,
			 uint32_t domid, bool writable, uint32_t *nr)
{
	uint32_t pages = NET_RING_ENTRIES;
	int err;

	do {
		err = grant_pool_create(pool, gntshr, domid, pages, writable);
		*nr = pages;
		pages /= 2;
	} while (err == -ENOSPC && pages >= 2 * NET_TX_SLOTS_MAX);
	return err;
}

static int share_rings(struct netfront_conn *c, xengntshr_handle *gntshr,
		       uint32_t domid)
{
	void *tx, *rx;
	int err = grant_pool_create(&c->ring_pool, gntshr, domid, 2, true);

	if (err)
		return err;
	tx = grant_pool_alloc(c->ring_pool, 1);
	rx = grant_pool_alloc(c->ring_pool, 1);
	if (!tx || !rx)
		return -ENOMEM;
	net_front_ring_init(&c->tx, tx, NET_RING_TX);
	net_front_ring_init(&c->rx, rx, NET_RING_RX);
	c->tx_ring_ref = grant_pool_ref(c->ring_pool, tx);
	c->rx_ring_ref = grant_pool_ref(c->ring_pool, rx);
	return 0;
}

static int share_all(struct netfront_conn *c, xengntshr_handle *gntshr,
		     uint32_t domid)
{
	uint32_t i;
	int err = share_rings(c, gntshr, domid);

	if (!err)
		err = share_buffers(&c->tx_pool, gntshr, domid, false,
				    &c->nr_tx);
	if (!err)
		err = share_buffers(&c->rx_pool, gntshr, domid, true,
				    &c->nr_rx);
	if (err)
		return err;
	c->tx_mem = grant_pool_alloc(c->tx_pool, c->nr_tx);
	c->rx_mem = grant_pool_alloc(c->rx_pool, c->nr_rx);
	if (!c->tx_mem || !c->rx_mem)
		return -ENOMEM;
	c->tx_ref = grant_pool_refs(c->tx_pool, c->tx_mem,
				    (size_t)c->nr_tx * NET_PAGE_SIZE);
	c->rx_ref = grant_pool_refs(c->rx_pool, c->rx_mem,
				    (size_t)c->nr_rx * NET_PAGE_SIZE);
	for (i = 0; i < c->nr_tx; i++)
		c->tx_free[i] = i;
	for (i = 0; i < c->nr_rx; i++)
		c->rx_free[i] = c->nr_rx - 1 - i;
	c->tx_nr_free = c->nr_tx;
	c->rx_nr_free = c->nr_rx;
	return 0;
}

static int bind_ports(struct netfront_conn *c, uint32_t domid)
{
	c->port_tx = front_events_bind(c->events, domid);
	if (c->port_tx < 0)
		return c->port_tx;
	c->port_rx = c->can.split ? front_events_bind(c->events, domid)
				  : c->port_tx;
	return c->port_rx < 0 ? c->port_rx : 0;
}

int netfront_conn_create(struct netfront_conn **conn, xengntshr_handle *gntshr,
			 struct front_events *events, uint32_t domid,
			 const struct netfront_features *can)
{
	struct netfront_conn *c = calloc(1, sizeof(*c));
	struct netfront_stats none = {0};
	int err;

	*conn = NULL;
	if (!c)
		return -ENOMEM;
	c->events = events;
	c->can = *can;
	c->port_tx = c->port_rx = -1;
	err = share_all(c, gntshr, domid);
	if (!err)
		err = bind_ports(c, domid);
	if (err) {
		netfront_conn_destroy(c);
		return err;
	}
	/* No one can be notified yet; a backend looks when it connects. */
	netfront_refill(c, NULL, &none);
	*conn = c;
	return 0;
}

void netfront_conn_destroy(struct netfront_conn *c)
{
	if (!c || c == &netfront_no_conn)
		return;
	front_events_unbind(c->events, c->port_tx);
	if (c->port_rx != c->port_tx)
		front_events_unbind(c->events, c->port_rx);
	grant_pool_destroy(c->tx_pool);
	grant_pool_destroy(c->rx_pool);
	grant_pool_destroy(c->ring_pool);
	free(c);
}

/* ---- queues ---- */

int netfront_queue_create(struct netfront_queue **queue, struct netfront *nf,
			  unsigned int index)
{
	struct netfront_queue *q = aligned_alloc(64, (sizeof(*q) + 63) & ~63ul);
	int err;

	*queue = NULL;
	if (!q)
		return -ENOMEM;
	*q = (struct netfront_queue){.nf = nf, .index = index};
	q->events.wake_fd = q->events.poll_fd = -1;
	err = front_events_open(&q->events, 2, nf->opt.poll_us);
	if (err) {
		netfront_queue_destroy(q);
		return err;
	}
	*queue = q;
	return 0;
}

void netfront_queue_destroy(struct netfront_queue *q)
{
	if (!q)
		return;
	netfront_conn_destroy(q->cur);
	netfront_conn_destroy(atomic_load(&q->next));
	netfront_conn_destroy(q->prepared);
	front_events_close(&q->events);
	free(q);
}

void netfront_queue_give(struct netfront_queue *q, struct netfront_conn *c)
{
	/* One that was never taken is still ours. */
	netfront_conn_destroy(atomic_exchange(&q->next, c));
	atomic_store(&q->attention, 1);
	front_events_wake(&q->events);
}

int netfront_attend(struct netfront_queue *q)
{
	struct netfront_conn *c;
	int status;

	if (q->in_poll)
		return 0;
	atomic_store(&q->attention, 0);
	c = atomic_exchange(&q->next, NULL);
	if (c) {
		if (q->cur)
			q->stats.reconnects++;
		netfront_conn_destroy(q->cur);
		q->cur = c == &netfront_no_conn ? NULL : c;
		q->tx_starved = false;
	}
	status = atomic_load(&q->nf->dev.status);
	if (status)
		atomic_store(&q->attention, 1);
	return status;
}
