/* SPDX-License-Identifier: MIT */
/* hostile_net: what its files share. */
#ifndef XENSPLIT_TESTS_HOSTILE_NET_H
#define XENSPLIT_TESTS_HOSTILE_NET_H

#include "tests/e2e/raw_net.h"

/* An extra info segment for segments of 1000 bytes over IPv4. */
extern const struct net_extra hostile_gso4;

void hostile_put(struct raw_net *n, const struct net_tx_req *req);
void hostile_put_extra(struct raw_net *n, struct net_extra x, bool more);
/* nr slots, of size bytes but for the first, whose size is the whole. */
void hostile_put_chain(struct raw_net *n, unsigned int nr, uint16_t size,
		       uint16_t whole);

/* ---- hostile_net_ends.c ---- */

/* Run the case of that name: 0 if the backend did right; 64: none of these. */
int hostile_net_ends(struct raw_net *n, const char *name);

#endif
