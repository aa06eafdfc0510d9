// SPDX-License-Identifier: MIT
/* See raw_net.h. */
#include "tests/e2e/raw_net.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <xen/io/netif.h>

#define TICK_MS   2
#define FRAME_LEN 100u

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int raw_net_open(struct raw_net *n, unsigned int devid)
{
	memset(n, 0, sizeof(*n));
	n->port = n->ctrl_port = -1;
	return raw_open(&n->dev, "vif", devid);
}

void raw_net_close(struct raw_net *n)
{
	raw_net_drop(n);
	raw_close(&n->dev);
}

/* ---- the connection ---- */

static int make_pages(struct raw_net *n)
{
	struct raw_front *d = &n->dev;
	int err = grant_pool_create(&n->rings, d->gntshr, d->be_domid, 3, true);
	uint8_t *page;

	if (!err)
		err = grant_pool_create(&n->pages, d->gntshr, d->be_domid,
					RAW_NET_PAGES, true);
	if (err)
		return err;
	page = grant_pool_alloc(n->rings, 3);
	net_front_ring_init(&n->tx, page, NET_RING_TX);
	net_front_ring_init(&n->rx, page + NET_PAGE_SIZE, NET_RING_RX);
	net_front_ring_init(&n->ctrl, page + 2 * NET_PAGE_SIZE, NET_RING_CTRL);
	n->data = grant_pool_alloc(n->pages, RAW_NET_PAGES);
	memset(n->data, 0xff, 6);
	memcpy(n->data + 6, "\x00\x16\x3e\x00\x00\x02\x88\xb5", 8);
	return 0;
}

int raw_net_make(struct raw_net *n)
{
	struct raw_front *d = &n->dev;
	int err = make_pages(n);

	if (err) {
		fprintf(stderr, "raw_net: pages: %s\n", strerror(-err));
		return err;
	}
	n->port = xenevtchn_bind_unbound_port(d->xce, d->be_domid);
	n->ctrl_port = xenevtchn_bind_unbound_port(d->xce, d->be_domid);
	if (n->port < 0 || n->ctrl_port < 0) {
		fprintf(stderr, "raw_net: no event channel\n");
		return -EIO;
	}
	raw_write_key(d, "tx-ring-ref", grant_pool_ref(n->rings, n->tx.shared));
	raw_write_key(d, "rx-ring-ref", grant_pool_ref(n->rings, n->rx.shared));
	raw_write_key(d, "event-channel", (uint32_t)n->port);
	raw_write_key(d, "ctrl-ring-ref",
		      grant_pool_ref(n->rings, n->ctrl.shared));
	raw_write_key(d, "event-channel-ctrl", (uint32_t)n->ctrl_port);
	raw_write_key(d, "request-rx-copy", 1);
	raw_write_key(d, "feature-rx-notify", 1);
	raw_write_key(d, "feature-sg", 1);
	raw_write_key(d, "feature-gso-tcpv4", 1);
	raw_write_key(d, "feature-gso-tcpv6", 1);
	raw_write_key(d, "feature-ipv6-csum-offload", 1);
	return 0;
}

void raw_net_drop(struct raw_net *n)
{
	static const char *const keys[] = {
		"tx-ring-ref",
		"rx-ring-ref",
		"ctrl-ring-ref",
		"event-channel",
		"event-channel-tx",
		"event-channel-rx",
		"event-channel-ctrl",
		"request-multicast-control",
		"multi-queue-num-queues",
	};
	char path[128];
	size_t i;

	if (n->port >= 0)
		xenevtchn_unbind(n->dev.xce, (evtchn_port_t)n->port);
	if (n->ctrl_port >= 0)
		xenevtchn_unbind(n->dev.xce, (evtchn_port_t)n->ctrl_port);
	n->port = n->ctrl_port = -1;
	grant_pool_destroy(n->rings);
	grant_pool_destroy(n->pages);
	n->rings = n->pages = NULL;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", n->dev.fe, keys[i]);
		xs_remove(n->dev.xs, XBT_NULL, path);
	}
}

int raw_net_connect(struct raw_net *n, bool multicast)
{
	struct raw_front *d = &n->dev;
	int err;

	raw_set_state(d, XenbusStateInitialising);
	err = raw_wait_back(d, RAW_BIT(XenbusStateInitWait));
	if (!err)
		err = raw_net_make(n);
	if (err)
		return err;
	if (multicast)
		raw_write_key(d, "request-multicast-control", 1);
	raw_set_state(d, XenbusStateConnected);
	return raw_wait_back(d, RAW_BIT(XenbusStateConnected));
}

int raw_net_disconnect(struct raw_net *n)
{
	struct raw_front *d = &n->dev;
	int err;

	raw_set_state(d, XenbusStateClosing);
	err = raw_wait_back(d, RAW_BIT(XenbusStateClosing) |
				       RAW_BIT(XenbusStateClosed));
	raw_set_state(d, XenbusStateClosed);
	if (!err)
		err = raw_wait_back(d, RAW_BIT(XenbusStateClosed));
	raw_net_drop(n);
	return err;
}

/* ---- requests ---- */

uint32_t raw_net_ref(const struct raw_net *n, unsigned int page)
{
	return grant_pool_ref(n->pages, n->data + page * NET_PAGE_SIZE);
}

struct net_tx_req raw_net_req(struct raw_net *n, uint16_t len)
{
	return (struct net_tx_req){
		.gref = raw_net_ref(n, 0), .id = ++n->next_id, .size = len};
}

void raw_net_notify(struct raw_net *n)
{
	xenevtchn_notify(n->dev.xce, (evtchn_port_t)n->port);
}

void raw_net_push(struct raw_net *n)
{
	net_front_ring_publish(&n->tx);
	raw_net_notify(n);
}

static int wait_ring(struct raw_net *n, struct net_front_ring *r)
{
	struct pollfd p = {.fd = xenevtchn_fd(n->dev.xce), .events = POLLIN};
	int64_t end = now_ms() + RAW_WAIT_MS;
	xenevtchn_port_or_error_t port;

	while (net_front_ring_avail(r) <= 0) {
		if (now_ms() > end)
			return -ETIMEDOUT;
		if (net_front_ring_arm(r, 1) || poll(&p, 1, TICK_MS) <= 0)
			continue;
		port = xenevtchn_pending(n->dev.xce);
		if (port >= 0)
			xenevtchn_unmask(n->dev.xce, (evtchn_port_t)port);
	}
	return 0;
}

int raw_net_tx_response(struct raw_net *n, struct net_tx_rsp *rsp)
{
	int err = wait_ring(n, &n->tx);

	if (!err)
		net_front_tx_get(&n->tx, rsp);
	return err;
}

int raw_net_rx_response(struct raw_net *n, struct net_rx_rsp *rsp)
{
	int err = wait_ring(n, &n->rx);

	if (!err)
		net_front_rx_get(&n->rx, rsp);
	return err;
}

int raw_net_ask(struct raw_net *n, uint16_t type, uint32_t d0, uint32_t d1,
		uint32_t d2)
{
	struct net_ctrl_req req = {
		.id = ++n->next_id, .type = type, .data = {d0, d1, d2}};
	struct net_ctrl_rsp rsp;

	net_front_ctrl_put(&n->ctrl, &req);
	net_front_ring_publish(&n->ctrl);
	xenevtchn_notify(n->dev.xce, (evtchn_port_t)n->ctrl_port);
	if (wait_ring(n, &n->ctrl))
		return -1;
	net_front_ctrl_get(&n->ctrl, &rsp);
	return rsp.id == req.id && rsp.type == type ? (int)rsp.status : -1;
}

bool raw_net_works(struct raw_net *n)
{
	struct net_tx_req req = raw_net_req(n, FRAME_LEN);
	struct net_tx_rsp rsp;

	net_front_tx_put(&n->tx, &req);
	raw_net_push(n);
	return !raw_net_tx_response(n, &rsp) && rsp.id == req.id &&
	       rsp.status == NETIF_RSP_OKAY;
}
