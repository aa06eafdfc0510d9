/* SPDX-License-Identifier: MIT */
/*
 * A NIC's frontend without manners, for tests: one queue, one event channel, a
 * control ring, everything in the caller's hands, nothing checked.  States and
 * keys are those of raw_front.h, whose block parts are not used here.
 *
 * Waits are on conditions, RAW_WAIT_MS at most.  One thread.
 */
#ifndef XENSPLIT_TESTS_RAW_NET_H
#define XENSPLIT_TESTS_RAW_NET_H

#include "ring/net_ring.h"
#include "tests/e2e/raw_front.h"

#define RAW_NET_PAGES 64u

struct raw_net {
	struct raw_front dev;
	struct grant_pool *rings, *pages; /* of a connection */
	int port, ctrl_port;
	struct net_front_ring tx, rx, ctrl;
	uint8_t *data; /* RAW_NET_PAGES; page 0 begins with a frame */
	uint16_t next_id;
};

int raw_net_open(struct raw_net *n, unsigned int devid);
void raw_net_close(struct raw_net *n);

/* Make rings, pages and ports and write their keys, no state. */
int raw_net_make(struct raw_net *n);
void raw_net_drop(struct raw_net *n);
/* From any state to Connected on both sides; and back to Closed on both.
 * multicast: with request-multicast-control. */
int raw_net_connect(struct raw_net *n, bool multicast);
int raw_net_disconnect(struct raw_net *n);

uint32_t raw_net_ref(const struct raw_net *n, unsigned int page);
/* A request for len bytes of page 0, with an id of its own. */
struct net_tx_req raw_net_req(struct raw_net *n, uint16_t len);
/* Show what was put on the transmit ring; notify in any case. */
void raw_net_push(struct raw_net *n);
void raw_net_notify(struct raw_net *n);
/* The next response; -ETIMEDOUT. */
int raw_net_tx_response(struct raw_net *n, struct net_tx_rsp *rsp);
int raw_net_rx_response(struct raw_net *n, struct net_rx_rsp *rsp);
/* A request on the control ring: its status, or -1. */
int raw_net_ask(struct raw_net *n, uint16_t type, uint32_t d0, uint32_t d1,
		uint32_t d2);
/* A good frame is sent and answered so. */
bool raw_net_works(struct raw_net *n);

#endif
