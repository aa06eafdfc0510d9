// SPDX-License-Identifier: MIT
/*
 * hostile_net: what ends a connection.  Each case prints the backend's error.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <xen/io/netif.h>

#include "ring/barrier.h"
#include "tests/e2e/hostile_net.h"

#define NO_REF 60000u /* never granted */
#define LEN    100u

/* ---- violations: the backend closes, with a reason ---- */

static int expect_closing(struct raw_net *n)
{
	int err = raw_wait_refusal(&n->dev);

	raw_net_drop(n);
	return err;
}

static int index_ahead(struct raw_net *n, struct net_front_ring *r,
		       uint32_t ahead)
{
	if (raw_net_connect(n, false) || !raw_net_works(n))
		return 1;
	shm_store_release(r->shared, r->req_prod + ahead);
	xenevtchn_notify(
		n->dev.xce,
		(evtchn_port_t)(r == &n->ctrl ? n->ctrl_port : n->port));
	return expect_closing(n);
}

static int do_ahead(struct raw_net *n)
{
	return index_ahead(n, &n->tx, NET_RING_ENTRIES + 1);
}

static int do_backwards(struct raw_net *n)
{
	return index_ahead(n, &n->tx, UINT32_MAX);
}

static int do_rxahead(struct raw_net *n)
{
	return index_ahead(n, &n->rx, NET_RING_ENTRIES + 1);
}

static int do_ctrlahead(struct raw_net *n)
{
	return index_ahead(n, &n->ctrl, NET_CTRL_ENTRIES + 1);
}

static int fatal_extra(struct raw_net *n, struct net_extra x, unsigned int nr)
{
	struct net_tx_req req;

	if (raw_net_connect(n, false) || !raw_net_works(n))
		return 1;
	req = raw_net_req(n, LEN);
	req.flags = NETTXF_extra_info;
	hostile_put(n, &req);
	while (nr--)
		hostile_put_extra(n, x, nr);
	raw_net_push(n);
	return expect_closing(n);
}

static int do_gso0(struct raw_net *n)
{
	struct net_extra x = hostile_gso4;

	x.gso.size = 0;
	return fatal_extra(n, x, 1);
}

static int do_gsotype(struct raw_net *n)
{
	struct net_extra x = hostile_gso4;

	x.gso.type = 99;
	return fatal_extra(n, x, 1);
}

static int do_extra0(struct raw_net *n)
{
	return fatal_extra(n, (struct net_extra){0}, 1);
}

static int do_extra200(struct raw_net *n)
{
	return fatal_extra(n, (struct net_extra){.type = 200}, 1);
}

static int do_extras(struct raw_net *n)
{
	struct net_extra x = {.type = XEN_NETIF_EXTRA_TYPE_HASH};

	return fatal_extra(n, x, 12);
}

static int do_slots(struct raw_net *n)
{
	if (raw_net_connect(n, false) || !raw_net_works(n))
		return 1;
	hostile_put_chain(n, 40, 100, 4000);
	raw_net_push(n);
	return expect_closing(n);
}

static int crosses(struct raw_net *n, unsigned int nr)
{
	struct net_tx_req req;
	unsigned int i;

	if (raw_net_connect(n, false) || !raw_net_works(n))
		return 1;
	for (i = 0; i < nr; i++) {
		req = raw_net_req(n, i ? LEN : LEN * nr);
		req.offset = i + 1 < nr ? 0 : NET_PAGE_SIZE - LEN + 1;
		req.flags = i + 1 < nr ? NETTXF_more_data : 0;
		hostile_put(n, &req);
	}
	raw_net_push(n);
	return expect_closing(n);
}

static int do_crosses(struct raw_net *n)
{
	return crosses(n, 1);
}

static int do_crosses3(struct raw_net *n)
{
	return crosses(n, 3);
}

static int do_mcastdata(struct raw_net *n)
{
	struct net_extra x = {.type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD};
	struct net_tx_req req;

	if (raw_net_connect(n, true) || !raw_net_works(n))
		return 1;
	req = raw_net_req(n, LEN);
	req.flags = NETTXF_extra_info | NETTXF_more_data;
	hostile_put(n, &req);
	hostile_put_extra(n, x, false);
	req = raw_net_req(n, LEN);
	hostile_put(n, &req);
	raw_net_push(n);
	return expect_closing(n);
}

/* ---- what is written instead of a connection ---- */

static int bad_key(struct raw_net *n, const char *key, uint32_t value)
{
	raw_set_state(&n->dev, XenbusStateInitialising);
	if (raw_wait_back(&n->dev, RAW_BIT(XenbusStateInitWait)) ||
	    raw_net_make(n))
		return 1;
	raw_write_key(&n->dev, key, value);
	raw_set_state(&n->dev, XenbusStateConnected);
	return expect_closing(n);
}

static int do_txref(struct raw_net *n)
{
	return bad_key(n, "tx-ring-ref", NO_REF);
}

static int do_rxref(struct raw_net *n)
{
	return bad_key(n, "rx-ring-ref", NO_REF);
}

static int do_ctrlref(struct raw_net *n)
{
	return bad_key(n, "ctrl-ring-ref", NO_REF);
}

static int do_port(struct raw_net *n)
{
	return bad_key(n, "event-channel", 999);
}

/* A port that is another's: the xenstore's own. */
static int do_xsport(struct raw_net *n)
{
	return bad_key(n, "event-channel", 1);
}

static int do_queues(struct raw_net *n)
{
	return bad_key(n, "multi-queue-num-queues", 5000);
}

static int do_flip(struct raw_net *n)
{
	return bad_key(n, "request-rx-copy", 0);
}

static int do_garbage(struct raw_net *n)
{
	raw_set_state(&n->dev, XenbusStateInitialising);
	if (raw_wait_back(&n->dev, RAW_BIT(XenbusStateInitWait)) ||
	    raw_net_make(n))
		return 1;
	memset(n->tx.shared, 0xa5, NET_PAGE_SIZE);
	shm_store_u32(n->tx.shared, 77);
	raw_set_state(&n->dev, XenbusStateConnected);
	return expect_closing(n);
}

int hostile_net_ends(struct raw_net *n, const char *name)
{
	static const struct {
		const char *name;
		int (*run)(struct raw_net *n);
	} cases[] = {
		{"ahead", do_ahead},         {"backwards", do_backwards},
		{"rxahead", do_rxahead},     {"ctrlahead", do_ctrlahead},
		{"gso0", do_gso0},           {"gsotype", do_gsotype},
		{"extra0", do_extra0},       {"extra200", do_extra200},
		{"extras", do_extras},       {"slots", do_slots},
		{"crosses", do_crosses},     {"crosses3", do_crosses3},
		{"mcastdata", do_mcastdata}, {"txref", do_txref},
		{"rxref", do_rxref},         {"ctrlref", do_ctrlref},
		{"port", do_port},           {"xsport", do_xsport},
		{"queues", do_queues},       {"flip", do_flip},
		{"garbage", do_garbage},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(name, cases[i].name))
			return cases[i].run(n);
	return 64;
}
