// SPDX-License-Identifier: MIT
/*
 * libnetfront: the control ring.  Protocol: <xen/io/netif.h>, "Control ring"
 * and what follows it there.
 *
 * One request at a time, each waited for: hashes are set up rarely, and static
 * grants before the first frame moves.  A backend that does not answer in time
 * is not asked again, and frames go on without.
 */
#include <errno.h>
#include <string.h>

#include "frontend/netfront_int.h"
#include "hypercall/clock.h"

/* After stdint.h, which it needs and does not include. */
#include <xen/io/netif.h>

#define ANSWER_MS 1000

/* ---- the ring's life ---- */

static void disconnect(struct netfront_ctrl *c)
{
	c->open = false;
	front_events_unbind(&c->events, c->port);
	c->port = -1;
	grant_pool_destroy(c->pool);
	c->pool = NULL;
}

static int connect_locked(struct netfront *nf, struct netfront_ctrl *c)
{
	void *ring;
	int err = 0;

	disconnect(c);
	if (!c->events.xce)
		err = front_events_open(&c->events, 1, 0);
	if (!err)
		err = grant_pool_create(&c->pool, nf->gntshr, nf->back_domid, 2,
					true);
	if (err)
		return err;
	ring = grant_pool_alloc(c->pool, 1);
	c->arg = grant_pool_alloc(c->pool, 1);
	if (!ring || !c->arg)
		return -ENOMEM;
	net_front_ring_init(&c->ring, ring, NET_RING_CTRL);
	c->ring_ref = grant_pool_ref(c->pool, ring);
	c->arg_ref = grant_pool_ref(c->pool, c->arg);
	c->broken = false;
	c->port = front_events_bind(&c->events, nf->back_domid);
	return c->port < 0 ? c->port : 0;
}

int netfront_ctrl_connect(struct netfront *nf)
{
	struct netfront_ctrl *c = &nf->ctrl;
	int err;

	pthread_mutex_lock(&c->lock);
	err = connect_locked(nf, c);
	if (err)
		disconnect(c);
	pthread_mutex_unlock(&c->lock);
	return err;
}

void netfront_ctrl_start(struct netfront *nf)
{
	pthread_mutex_lock(&nf->ctrl.lock);
	nf->ctrl.open = nf->ctrl.port >= 0;
	pthread_mutex_unlock(&nf->ctrl.lock);
}

void netfront_ctrl_stop(struct netfront *nf)
{
	pthread_mutex_lock(&nf->ctrl.lock);
	disconnect(&nf->ctrl);
	pthread_mutex_unlock(&nf->ctrl.lock);
}

void netfront_ctrl_close(struct netfront *nf)
{
	disconnect(&nf->ctrl);
	front_events_close(&nf->ctrl.events);
}

/* ---- a request and its answer ---- */

static bool is_ready(void *arg)
{
	struct netfront_ctrl *c = arg;

	return net_front_ring_avail(&c->ring) != 0;
}

/* Until there is a response; 0 or -ETIMEDOUT. */
static int wait_answer(struct netfront_ctrl *c)
{
	uint64_t start = clock_us();
	int left;

	while (!is_ready(c)) {
		if (net_front_ring_arm(&c->ring, 1))
			break;
		left = front_time_left(start, ANSWER_MS);
		if (!left)
			return -ETIMEDOUT;
		if (front_events_sleep(&c->events, is_ready, c, left) < 0)
			return -ETIMEDOUT;
	}
	front_events_useful(&c->events);
	return 0;
}

static int to_errno(uint32_t status)
{
	switch (status) {
	case XEN_NETIF_CTRL_STATUS_SUCCESS:
		return 0;
	case XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED:
		return -EOPNOTSUPP;
	case XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW:
		return -ENOSPC;
	default:
		return -EINVAL;
	}
}

static int take_answer(struct netfront *nf, const struct net_ctrl_req *req,
		       uint32_t *data)
{
	struct netfront_ctrl *c = &nf->ctrl;
	struct net_ctrl_rsp rsp;

	if (net_front_ring_avail(&c->ring) != 1) {
		front_end(&nf->dev, -EIO,
			  "the backend answers more than it was asked on the "
			  "control ring");
		return -EIO;
	}
	net_front_ctrl_get(&c->ring, &rsp);
	if (rsp.id != req->id || rsp.type != req->type) {
		front_end(&nf->dev, -EIO,
			  "the backend answered control request %u of type %u "
			  "as %u of type %u",
			  req->id, req->type, rsp.id, rsp.type);
		return -EIO;
	}
	if (data)
		*data = rsp.data;
	return to_errno(rsp.status);
}

/* Under the lock.  What was asked in vain is still on the ring: the ring is
 * given up then. */
static int ask(struct netfront *nf, uint16_t type, uint32_t d0, uint32_t d1,
	       uint32_t d2, uint32_t *data)
{
	struct netfront_ctrl *c = &nf->ctrl;
	const struct net_ctrl_req req = {c->next_id++, type, {d0, d1, d2}};
	int err;

	if (!c->open)
		return -EOPNOTSUPP;
	if (c->broken)
		return -ETIMEDOUT;
	net_front_ctrl_put(&c->ring, &req);
	if (net_front_ring_publish(&c->ring))
		front_events_notify(&c->events, c->port);
	err = wait_answer(c);
	if (!err)
		err = take_answer(nf, &req, data);
	if (err == -ETIMEDOUT || err == -EIO)
		c->broken = true;
	return err;
}

/* ---- static grants ---- */

static uint32_t fill_list(const struct netfront_conn *conn,
			  struct xen_netif_gref *list, uint32_t max)
{
	uint32_t i, nr = 0;

	for (i = 0; i < conn->nr_rx && nr < max; i++)
		list[nr++] = (struct xen_netif_gref){.ref = conn->rx_ref[i]};
	for (i = 0; i < conn->nr_tx && nr < max; i++)
		list[nr++] = (struct xen_netif_gref){
			.ref = conn->tx_ref[i],
			.flags = XEN_NETIF_CTRLF_GREF_readonly,
		};
	return nr;
}

static int add_static(struct netfront *nf, unsigned int queue,
		      const struct netfront_conn *conn)
{
	struct netfront_ctrl *c = &nf->ctrl;
	uint32_t nr = 0;
	int err;

	err = ask(nf, XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE, queue, 0, 0,
		  &nr);
	if (err)
		return err;
	if (nr > NET_PAGE_SIZE / sizeof(struct xen_netif_gref))
		nr = NET_PAGE_SIZE / sizeof(struct xen_netif_gref);
	if (!nr)
		return -EOPNOTSUPP;
	nr = fill_list(conn, c->arg, nr);
	err = ask(nf, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING, queue, c->arg_ref,
		  nr, NULL);
	return err ? err : (int)nr;
}

int netfront_add_static(struct netfront *nf, unsigned int queue,
			const struct netfront_conn *conn)
{
	int res;

	pthread_mutex_lock(&nf->ctrl.lock);
	res = add_static(nf, queue, conn);
	pthread_mutex_unlock(&nf->ctrl.lock);
	return res;
}

/* ---- hash ---- */

static int set_hash(struct netfront *nf, uint32_t types, const uint8_t *key,
		    unsigned int key_len, const uint32_t *mapping,
		    unsigned int mapping_len)
{
	struct netfront_ctrl *c = &nf->ctrl;
	int err;

	err = ask(nf, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM,
		  types ? XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ
			: XEN_NETIF_CTRL_HASH_ALGORITHM_NONE,
		  0, 0, NULL);
	if (err || !types)
		return err;
	memcpy(c->arg, key, key_len);
	err = ask(nf, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, c->arg_ref, key_len, 0,
		  NULL);
	if (!err)
		err = ask(nf, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE,
			  mapping_len, 0, 0, NULL);
	if (!err && mapping_len) {
		memcpy(c->arg, mapping, mapping_len * sizeof(*mapping));
		err = ask(nf, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, c->arg_ref,
			  mapping_len, 0, NULL);
	}
	/* last: from here on frames are sorted */
	if (!err)
		err = ask(nf, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, types, 0, 0,
			  NULL);
	return err;
}

int netfront_set_hash(struct netfront *nf, uint32_t types, const uint8_t *key,
		      unsigned int key_len, const uint32_t *mapping,
		      unsigned int mapping_len)
{
	int err;

	if (key_len > 40 || mapping_len > 128 ||
	    (mapping_len & (mapping_len - 1)))
		return -EINVAL;
	pthread_mutex_lock(&nf->ctrl.lock);
	err = set_hash(nf, types, key, key_len, mapping, mapping_len);
	pthread_mutex_unlock(&nf->ctrl.lock);
	return err;
}
