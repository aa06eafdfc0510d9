/* SPDX-License-Identifier: MIT */
/*
 * Settings in the form that frames are judged by; for net_policy*.c only.
 */
#ifndef XENSPLIT_BACKEND_NET_POLICY_INT_H
#define XENSPLIT_BACKEND_NET_POLICY_INT_H

#include <stdatomic.h>

#include "backend/net_policy.h"

#define NET_TAG_LEN 4u

/* network order, so that packets compare without turning bytes */
struct net_match4 {
	uint32_t addr, mask;
};
struct net_match6 {
	uint64_t addr[2], mask[2];
};

/* When the next frame would be due if frames came as the rate says (the
 * "virtual scheduling" form of a leaky bucket): one word is the whole state,
 * so threads share it with one compare and swap. */
struct net_bucket {
	uint64_t per_s;
	uint64_t depth; /* ticks that it may be ahead of now */
	_Alignas(64) atomic_uint_fast64_t due; /* ticks */
};

/* One set of settings, never changed after it is published; but for due. */
struct net_rules {
	uint8_t mac[6];
	bool check_mac, check_addrs, check_vlan, trunk;
	bool open[2];
	uint16_t access;
	uint16_t nr4, nr6;
	uint64_t trunk_set[64];
	struct net_match4 addr4[NET_POLICY_ADDRS];
	struct net_match6 addr6[NET_POLICY_ADDRS + 1]; /* and link-local */
	struct net_bucket bytes[2], packets[2];
	struct net_rules *retired; /* list of those before */
};

/* 802.1Q and its older and stacked relatives. */
static inline bool net_is_tag(uint16_t ethertype)
{
	return ethertype == 0x8100 || ethertype == 0x88a8 ||
	       ethertype == 0x9100 || ethertype == 0x9200;
}

static inline uint16_t net_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Whether the frame is from who it says; only from the guest, with check_mac
 * or check_addrs.  len is at least that of an Ethernet header. */
enum net_verdict net_policy_source(const struct net_rules *r,
				   const uint8_t *head, size_t len);

#endif
