// SPDX-License-Identifier: MIT
/*
 * From slots to a checked packet.  See net_check.h.
 *
 * What a guest may get wrong by itself costs it the packet; what no frontend
 * does by mistake, or what leaves open where the next packet begins, costs it
 * the device.  The line is the one that Linux netback draws, except that half
 * a packet is waited for.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/netif.h>

#include "ring/net_check.h"

#define ETH_HEADER 14u

_Static_assert(NET_TX_SLOTS_MAX == XEN_NETIF_NR_SLOTS_MIN, "slots");
_Static_assert(NET_PACKET_MAX == XEN_NETIF_MAX_TX_SIZE, "size");

/* A packet of several slots while it is taken. */
struct take {
	struct net_back_ring *r;
	int avail;
	const struct net_tx_rules *rules;
	struct net_tx_packet *p;
	uint32_t seen; /* bits: types of extra infos */
	uint32_t rest; /* sizes of all slots but the first */
	unsigned int nr_data;
	const char *bad, *why; /* the packet, and the ring */
	uint32_t bad_value, value;
};

static enum net_tx_verdict fatal(struct take *t, const char *why,
				 uint32_t value)
{
	t->why = why;
	t->value = value;
	return NET_TX_FATAL;
}

/* The first reason is the one that is told; the slots are taken all the same.
 */
static void bad(struct take *t, const char *why, uint32_t value)
{
	if (t->bad)
		return;
	t->bad = why;
	t->bad_value = value;
}

static bool next_slot(struct take *t, union net_tx_slot *slot)
{
	if (t->p->nr_slots == t->avail)
		return false;
	net_back_tx_get(t->r, slot);
	t->p->nr_slots++;
	return true;
}

static enum net_tx_verdict take_gso(struct take *t, const struct net_extra *x)
{
	struct net_tx_packet *p = t->p;

	if (!x->gso.size)
		return fatal(t, "GSO size of 0", 0);
	switch (x->gso.type) {
	case XEN_NETIF_GSO_TYPE_TCPV4:
		p->gso = NET_GSO_TCPV4;
		if (!t->rules->gso4)
			bad(t, "GSO type was not offered", x->gso.type);
		break;
	case XEN_NETIF_GSO_TYPE_TCPV6:
		p->gso = NET_GSO_TCPV6;
		if (!t->rules->gso6)
			bad(t, "GSO type was not offered", x->gso.type);
		break;
	default:
		return fatal(t, "unknown GSO type", x->gso.type);
	}
	p->gso_size = x->gso.size;
	return NET_TX_OK;
}

static enum net_tx_verdict take_extra(struct take *t, const struct net_extra *x)
{
	struct net_tx_packet *p = t->p;

	if (x->type == XEN_NETIF_EXTRA_TYPE_NONE || x->type > NET_EXTRA_XDP)
		return fatal(t, "unknown extra info", x->type);
	if (t->seen & 1u << x->type)
		bad(t, "the same extra info twice", x->type);
	t->seen |= 1u << x->type;
	switch (x->type) {
	case XEN_NETIF_EXTRA_TYPE_GSO:
		return take_gso(t, x);
	case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
	case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
		if (p->mcast_add || p->mcast_del)
			bad(t, "several multicast commands at once", x->type);
		p->mcast_add |= x->type == XEN_NETIF_EXTRA_TYPE_MCAST_ADD;
		p->mcast_del |= x->type == XEN_NETIF_EXTRA_TYPE_MCAST_DEL;
		memcpy(p->mcast, x->mcast, sizeof(p->mcast));
		if (!t->rules->mcast_control)
			bad(t, "multicast control was not offered", x->type);
		break;
	case XEN_NETIF_EXTRA_TYPE_HASH:
		/* A hint, and the guest's word only. */
		p->has_hash = x->hash.algorithm ==
			      XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ;
		p->hash_type = x->hash.type;
		p->hash = x->hash.value;
		break;
	default:
		bad(t, "extra info that was not offered", x->type);
	}
	return NET_TX_OK;
}

static enum net_tx_verdict take_extras(struct take *t)
{
	enum net_tx_verdict verdict;
	union net_tx_slot slot;
	struct net_extra x;

	do {
		if (t->p->nr_extras == NET_TX_EXTRAS_FATAL)
			return fatal(t, "too many extra infos",
				     t->p->nr_extras + 1);
		if (!next_slot(t, &slot))
			return NET_TX_INCOMPLETE;
		t->p->nr_extras++;
		net_extra_of(&slot, &x);
		verdict = take_extra(t, &x);
		if (verdict != NET_TX_OK)
			return verdict;
	} while (x.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return NET_TX_OK;
}

/* The slots after the first. */
static enum net_tx_verdict take_more(struct take *t)
{
	struct net_tx_packet *p = t->p;
	union net_tx_slot slot;
	const struct net_tx_req *req = &slot.req;

	if (!t->rules->sg)
		bad(t, "scatter-gather was not offered", 0);
	do {
		if (t->nr_data == NET_TX_SLOTS_FATAL)
			return fatal(t, "packet of too many slots",
				     t->nr_data + 1);
		if (!next_slot(t, &slot))
			return NET_TX_INCOMPLETE;
		t->nr_data++;
		if ((uint32_t)req->offset + req->size > NET_PAGE_SIZE)
			return fatal(t, "slot crosses its page",
				     (uint32_t)req->offset + req->size);
		t->rest += req->size;
		if (t->nr_data > NET_TX_SLOTS_MAX)
			bad(t, "packet of more slots than the protocol has",
			    t->nr_data);
		else if (req->size)
			p->frag[p->nr_frags++] = (struct net_frag){
				.gref = req->gref,
				.offset = req->offset,
				.size = req->size,
			};
	} while (req->flags & NETTXF_more_data);
	return NET_TX_OK;
}

/* The first slot says the size of the whole packet: what the others do not
 * have is its own. */
static enum net_tx_verdict fit_first(struct take *t,
				     const struct net_tx_req *first)
{
	struct net_tx_packet *p = t->p;
	uint32_t own;

	/* Of a packet of 64 KiB or more, which some guests make, the size is
	 * what was left of it in 16 bits. */
	if (t->rest > first->size) {
		bad(t, "slots add up to more than the packet", t->rest);
		return NET_TX_OK;
	}
	own = first->size - t->rest;
	if (first->offset + own > NET_PAGE_SIZE)
		return fatal(t, "slot crosses its page", first->offset + own);
	p->len = first->size;
	if (own) {
		p->frag[0] = (struct net_frag){
			.gref = first->gref,
			.offset = first->offset,
			.size = (uint16_t)own,
		};
	} else {
		p->nr_frags--;
		memmove(p->frag, p->frag + 1, p->nr_frags * sizeof(p->frag[0]));
	}
	return NET_TX_OK;
}

static enum net_tx_verdict take_slots(struct take *t,
				      const struct net_tx_req *first)
{
	struct net_tx_packet *p = t->p;
	enum net_tx_verdict verdict = NET_TX_OK;

	if (first->flags & NETTXF_extra_info)
		verdict = take_extras(t);
	if (verdict != NET_TX_OK)
		return verdict;
	if (p->mcast_add || p->mcast_del) {
		if (first->flags & NETTXF_more_data)
			return fatal(t, "multicast command with data",
				     first->flags);
		p->gso = NET_GSO_NONE;
		p->nr_frags = 0;
		return NET_TX_OK;
	}
	if (first->flags & NETTXF_more_data)
		verdict = take_more(t);
	if (verdict != NET_TX_OK)
		return verdict;
	verdict = fit_first(t, first);
	if (verdict != NET_TX_OK)
		return verdict;
	if (first->size < ETH_HEADER)
		bad(t, "packet without an Ethernet header", first->size);
	if (p->gso && !p->csum_blank)
		p->csum_blank = p->csum_fixup = true;
	return NET_TX_OK;
}

/* More than one slot, or something wrong with the one. */
static __attribute__((noinline)) enum net_tx_verdict take_slowly(
	struct net_back_ring *r, int avail, const struct net_tx_rules *rules,
	struct net_tx_packet *p, const struct net_tx_req *first,
	const char **why, uint32_t *value)
{
	struct take t = {
		.r = r,
		.avail = avail,
		.rules = rules,
		.p = p,
		.nr_data = 1,
	};
	enum net_tx_verdict verdict = take_slots(&t, first);

	if (verdict == NET_TX_OK && t.bad) {
		*why = t.bad;
		*value = t.bad_value;
		p->len = 0;
		p->nr_frags = 0;
		return NET_TX_BAD_PACKET;
	}
	*why = t.why;
	*value = t.value;
	return verdict;
}

enum net_tx_verdict net_tx_take(struct net_back_ring *r, int avail,
				const struct net_tx_rules *rules,
				struct net_tx_packet *p, const char **why,
				uint32_t *value)
{
	uint32_t cons = r->req_cons;
	enum net_tx_verdict verdict;
	union net_tx_slot slot;
	const struct net_tx_req *req = &slot.req;

	if (avail < 1)
		goto incomplete;
	net_back_tx_get(r, &slot);
	memset(p, 0, offsetof(struct net_tx_packet, frag));
	p->nr_slots = 1;
	p->nr_frags = 1;
	p->csum_blank = req->flags & NETTXF_csum_blank;
	p->csum_valid = req->flags & NETTXF_data_validated;
	if (!(req->flags & (NETTXF_extra_info | NETTXF_more_data)) &&
	    req->size >= ETH_HEADER &&
	    (uint32_t)req->offset + req->size <= NET_PAGE_SIZE) {
		p->len = req->size;
		p->frag[0] = (struct net_frag){
			.gref = req->gref,
			.offset = req->offset,
			.size = req->size,
		};
		return NET_TX_OK;
	}
	verdict = take_slowly(r, avail, rules, p, req, why, value);
	if (verdict != NET_TX_INCOMPLETE)
		return verdict;
incomplete:
	net_back_ring_rewind(r, cons);
	*why = "the rest of a packet is not there yet";
	*value = avail > 0 ? (uint32_t)avail : 0;
	return NET_TX_INCOMPLETE;
}

void net_tx_answer(struct net_back_ring *r, unsigned int nr_slots,
		   unsigned int nr_extras, int16_t status)
{
	unsigned int i;

	for (i = 0; i < nr_slots; i++) {
		struct net_tx_rsp rsp = {
			.id = r->tx_id[r->rsp_prod_pvt &
				       (NET_RING_ENTRIES - 1)],
			.status = status,
		};

		/* extra infos follow the first slot, and have no id */
		if (i && i <= nr_extras)
			rsp = (struct net_tx_rsp){.status = NETIF_RSP_NULL};
		net_back_tx_put(r, &rsp);
	}
}
