// SPDX-License-Identifier: MIT
/*
 * Who a frame of the guest's says it is from: Ethernet, ARP (RFC 826), IPv4,
 * IPv6 and neighbour discovery (RFC 4861), below any VLAN tags.
 *
 * The guest writes every byte of it.  What cannot be followed to its end
 * within the head is not passed: long chains of extension headers, options
 * behind the head, neighbour discovery in fragments (RFC 6980), stacks of tags.
 */
#include <string.h>

#include "backend/net_policy_int.h"

#define TYPE_IPV4 0x0800
#define TYPE_ARP  0x0806
#define TYPE_RARP 0x8035
#define TYPE_IPV6 0x86dd

#define TAGS_MAX       4u
#define EXTENSIONS_MAX 8u

#define PROTO_UDP    17u
#define PROTO_ICMPV6 58u

/* IPv6 extension headers that receivers step over */
#define EXT_HOPS     0u
#define EXT_ROUTING  43u
#define EXT_FRAGMENT 44u
#define EXT_AUTH     51u
#define EXT_DEST     60u

#define DHCP_SERVER   67u
#define DHCP_CLIENT   68u
#define DHCPV6_CLIENT 546u
#define DHCPV6_SERVER 547u

enum icmp6 {
	MLD_REPORT = 131,
	MLD_DONE = 132,
	ND_RS = 133,
	ND_RA = 134,
	ND_NS = 135,
	ND_NA = 136,
	ND_REDIRECT = 137,
	ND_INVERSE_NS = 141,
	ND_INVERSE_NA = 142,
	MLDV2_REPORT = 143,
};

/* What is known of an IPv6 packet while it is walked through. */
struct ip6 {
	const uint8_t *h;
	size_t at, end; /* of what is looked at, of what there is in the head */
	bool cut;       /* the packet goes on behind the head */
	uint8_t proto;
	bool fragment, later_fragment;
};

static bool allowed4(const struct net_rules *r, const uint8_t *p)
{
	uint32_t a;
	unsigned int i;

	memcpy(&a, p, sizeof(a));
	for (i = 0; i < r->nr4; i++)
		if ((a & r->addr4[i].mask) == r->addr4[i].addr)
			return true;
	return false;
}

static bool allowed6(const struct net_rules *r, const uint8_t *p)
{
	uint64_t a[2];
	unsigned int i;

	memcpy(a, p, sizeof(a));
	for (i = 0; i < r->nr6; i++) {
		const struct net_match6 *m = &r->addr6[i];

		if ((a[0] & m->mask[0]) == m->addr[0] &&
		    (a[1] & m->mask[1]) == m->addr[1])
			return true;
	}
	return false;
}

static bool is_none4(const uint8_t *p)
{
	return !(p[0] | p[1] | p[2] | p[3]);
}

static bool is_none6(const uint8_t *p)
{
	static const uint8_t none[16];

	return !memcmp(p, none, sizeof(none));
}

/* h: the ARP (or RARP) packet, len bytes of it */
static enum net_verdict check_arp(const struct net_rules *r, const uint8_t *h,
				  size_t len)
{
	const uint8_t *sender, *ip;
	uint16_t op;

	/* Ethernet and IPv4 */
	if (len < 28 || net_be16(h) != 1 || net_be16(h + 2) != TYPE_IPV4 ||
	    h[4] != 6 || h[5] != 4)
		return NET_DROP_MALFORMED;
	op = net_be16(h + 6);
	if (op < 1 || op > 4)
		return NET_DROP_MALFORMED;
	sender = h + 8;
	ip = h + 14;
	if (r->check_mac && memcmp(sender, r->mac, 6))
		return NET_DROP_MAC;
	/* none: a probe (RFC 5227); an answer says where an address is */
	if (r->check_addrs && !allowed4(r, ip) && !(is_none4(ip) && op != 2))
		return NET_DROP_ADDR;
	return NET_PASS;
}

static enum net_verdict check_ip4(const struct net_rules *r, const uint8_t *h,
				  size_t len)
{
	static const uint8_t broadcast[4] = {255, 255, 255, 255};
	uint16_t frag, from, to;
	size_t ihl;

	if (!r->check_addrs)
		return NET_PASS;
	if (len < 20 || h[0] >> 4 != 4)
		return NET_DROP_MALFORMED;
	ihl = (h[0] & 0xfu) * 4;
	if (ihl < 20 || len < ihl || net_be16(h + 2) < ihl)
		return NET_DROP_MALFORMED;
	frag = net_be16(h + 6) & 0x3fff;
	if (h[9] != PROTO_UDP || frag & 0x1fff)
		return allowed4(r, h + 12) ? NET_PASS : NET_DROP_ADDR;
	if (len < ihl + 8 || net_be16(h + 2) < ihl + 8)
		return NET_DROP_MALFORMED;
	from = net_be16(h + ihl);
	to = net_be16(h + ihl + 2);
	if (from == DHCP_SERVER && to == DHCP_CLIENT)
		return NET_DROP_ADDR;
	if (allowed4(r, h + 12))
		return NET_PASS;
	/* who asks for an address has none */
	return is_none4(h + 12) && !frag && from == DHCP_CLIENT &&
			       to == DHCP_SERVER &&
			       !memcmp(h + 16, broadcast, 4)
		       ? NET_PASS
		       : NET_DROP_ADDR;
}

/* One extension header; its length, 0 if it is not whole. */
static size_t extension_len(struct ip6 *p)
{
	const uint8_t *e = p->h + p->at;
	size_t left = p->end - p->at;

	if (left < 8)
		return 0;
	if (p->proto == EXT_AUTH)
		return (e[1] + 2u) * 4u;
	if (p->proto != EXT_FRAGMENT)
		return (e[1] + 1u) * 8u;
	p->fragment = true;
	p->later_fragment = net_be16(e + 2) & 0xfff8;
	return 8;
}

/* To the upper layer's header, or into a later fragment. */
static bool walk_ip6(struct ip6 *p)
{
	unsigned int i;

	for (i = 0; i <= EXTENSIONS_MAX; i++) {
		uint8_t next;
		size_t len;

		if (p->later_fragment)
			return true;
		switch (p->proto) {
		case EXT_HOPS:
		case EXT_ROUTING:
		case EXT_FRAGMENT:
		case EXT_AUTH:
		case EXT_DEST:
			break;
		default:
			return true;
		}
		len = extension_len(p);
		if (!len || len > p->end - p->at)
			return false;
		next = p->h[p->at];
		p->at += len;
		p->proto = next;
	}
	return false;
}

/* Source and target link-layer addresses among the options of neighbour
 * discovery, from byte `at` of its message on. */
static enum net_verdict check_options(const struct net_rules *r,
				      const struct ip6 *p, size_t at)
{
	size_t i = p->at + at, len;

	if (p->cut || i > p->end)
		return NET_DROP_MALFORMED;
	for (; i < p->end; i += len) {
		const uint8_t *o = p->h + i;

		if (p->end - i < 8)
			return NET_DROP_MALFORMED;
		len = o[1] * 8u;
		if (!len || len > p->end - i)
			return NET_DROP_MALFORMED;
		if (o[0] != 1 && o[0] != 2)
			continue;
		if (len != 8)
			return NET_DROP_MALFORMED;
		if (memcmp(o + 2, r->mac, 6))
			return NET_DROP_MAC;
	}
	return NET_PASS;
}

/* How long what comes before the options is; 0: no neighbour discovery. */
static size_t discovery_len(uint8_t type)
{
	switch (type) {
	case ND_RS:
	case ND_INVERSE_NS:
	case ND_INVERSE_NA:
		return 8;
	case ND_RA:
		return 16;
	case ND_NS:
	case ND_NA:
		return 24;
	case ND_REDIRECT:
		return 40;
	default:
		return 0;
	}
}

static enum net_verdict check_discovery(const struct net_rules *r,
					const struct ip6 *p, bool none)
{
	uint8_t type = p->h[p->at];
	size_t len = discovery_len(type);

	if (!len)
		return NET_PASS;
	if (p->fragment || p->end - p->at < len)
		return NET_DROP_MALFORMED;
	if (r->check_addrs) {
		const uint8_t *target = p->h + p->at + 8;

		/* only routers send these */
		if (type == ND_RA || type == ND_REDIRECT)
			return NET_DROP_ADDR;
		/* says where the address is, or that it wants it */
		if ((type == ND_NA || (type == ND_NS && none)) &&
		    !allowed6(r, target))
			return NET_DROP_ADDR;
	}
	return r->check_mac ? check_options(r, p, len) : NET_PASS;
}

/* What may be sent without an address: what comes before having one. */
static bool may_be_none(const struct ip6 *p)
{
	uint8_t type;

	if (p->later_fragment || p->proto != PROTO_ICMPV6)
		return false;
	type = p->h[p->at];
	return type == ND_NS || type == ND_RS || type == MLD_REPORT ||
	       type == MLD_DONE || type == MLDV2_REPORT;
}

static enum net_verdict check_upper6(const struct net_rules *r,
				     const struct ip6 *p, bool none)
{
	const uint8_t *u = p->h + p->at;

	if (p->later_fragment)
		return NET_PASS;
	if (p->proto == PROTO_ICMPV6)
		return check_discovery(r, p, none);
	if (p->proto == PROTO_UDP && r->check_addrs &&
	    net_be16(u) == DHCPV6_SERVER && net_be16(u + 2) == DHCPV6_CLIENT)
		return NET_DROP_ADDR;
	return NET_PASS;
}

static enum net_verdict check_ip6(const struct net_rules *r, const uint8_t *h,
				  size_t len)
{
	struct ip6 p = {.h = h, .at = 40};
	bool none;

	if (len < 40 || h[0] >> 4 != 6)
		return NET_DROP_MALFORMED;
	p.end = 40u + net_be16(h + 4);
	p.cut = p.end > len;
	if (p.cut)
		p.end = len;
	p.proto = h[6];
	if (!walk_ip6(&p))
		return NET_DROP_MALFORMED;
	if (!p.later_fragment && p.end - p.at < 8 &&
	    (p.proto == PROTO_ICMPV6 || p.proto == PROTO_UDP))
		return NET_DROP_MALFORMED;
	none = is_none6(h + 8);
	if (r->check_addrs && !allowed6(r, h + 8) && !(none && may_be_none(&p)))
		return NET_DROP_ADDR;
	return check_upper6(r, &p, none);
}

enum net_verdict net_policy_source(const struct net_rules *r,
				   const uint8_t *head, size_t len)
{
	uint16_t type = net_be16(head + 12);
	size_t at = 14;
	unsigned int tags;

	if (r->check_mac && memcmp(head + 6, r->mac, 6))
		return NET_DROP_MAC;
	for (tags = 0; net_is_tag(type); tags++, at += NET_TAG_LEN) {
		if (tags == TAGS_MAX || len < at + NET_TAG_LEN)
			return NET_DROP_MALFORMED;
		type = net_be16(head + at + 2);
	}
	switch (type) {
	case TYPE_ARP:
	case TYPE_RARP:
		return check_arp(r, head + at, len - at);
	case TYPE_IPV4:
		return check_ip4(r, head + at, len - at);
	case TYPE_IPV6:
		return check_ip6(r, head + at, len - at);
	default:
		return r->check_addrs ? NET_DROP_ADDR : NET_PASS;
	}
}
