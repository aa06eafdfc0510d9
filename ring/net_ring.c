// SPDX-License-Identifier: MIT
/*
 * The netif rings: indices, and the slots that are not on the fast path (those
 * that are, are in net_ring.h).
 *
 * Messages are read and written in whole words, each once; the fields are then
 * taken from the private copy of the word.  The structs of <xen/io/netif.h> are
 * here for the compiler to check the positions; they are never pointed at
 * shared memory.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/netif.h>

#include "ring/net_ring.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the fields are cut out of little-endian words"
#endif

#define SAME(type, field, off) \
	_Static_assert(offsetof(type, field) == (off), #type "." #field)

SAME(struct netif_tx_request, gref, 0);
SAME(struct netif_tx_request, offset, 4);
SAME(struct netif_tx_request, flags, 6);
SAME(struct netif_tx_request, id, 8);
SAME(struct netif_tx_request, size, 10);
SAME(struct net_tx_req, gref, 0);
SAME(struct net_tx_req, offset, 4);
SAME(struct net_tx_req, flags, 6);
SAME(struct net_tx_req, id, 8);
SAME(struct net_tx_req, size, 10);
SAME(struct netif_tx_response, status, 2);
SAME(struct netif_rx_request, gref, 4);
SAME(struct netif_rx_response, offset, 2);
SAME(struct netif_rx_response, flags, 4);
SAME(struct netif_rx_response, status, 6);
SAME(struct netif_extra_info, flags, 1);
SAME(struct netif_extra_info, u.gso.size, 2);
SAME(struct netif_extra_info, u.gso.type, 4);
SAME(struct netif_extra_info, u.gso.features, 6);
SAME(struct netif_extra_info, u.mcast.addr, 2);
SAME(struct netif_extra_info, u.hash.type, 2);
SAME(struct netif_extra_info, u.hash.algorithm, 3);
SAME(struct netif_extra_info, u.hash.value, 4);
SAME(struct xen_netif_ctrl_request, data, 4);
SAME(struct xen_netif_ctrl_response, status, 4);
SAME(struct xen_netif_ctrl_response, data, 8);
SAME(struct netif_tx_sring, ring, sizeof(struct ring_head));
_Static_assert(sizeof(union netif_tx_sring_entry) == NET_TX_SLOT, "tx");
_Static_assert(sizeof(union netif_rx_sring_entry) == NET_RX_SLOT, "rx");
_Static_assert(sizeof(union xen_netif_ctrl_sring_entry) == NET_CTRL_SLOT,
	       "ctrl");
_Static_assert(__CONST_RING_SIZE(netif_tx, NET_PAGE_SIZE) == NET_RING_ENTRIES,
	       "tx");
_Static_assert(__CONST_RING_SIZE(netif_rx, NET_PAGE_SIZE) == NET_RING_ENTRIES,
	       "rx");
_Static_assert(__CONST_RING_SIZE(xen_netif_ctrl, NET_PAGE_SIZE) ==
		       NET_CTRL_ENTRIES,
	       "ctrl");

static uint32_t entries_of(enum net_ring_kind kind)
{
	return kind == NET_RING_CTRL ? NET_CTRL_ENTRIES : NET_RING_ENTRIES;
}

/* ---- extra info segments ---- */

void net_extra_of(const union net_tx_slot *slot, struct net_extra *x)
{
	uint32_t w0 = slot->raw[0], w1 = slot->raw[1];

	memset(x, 0, sizeof(*x));
	x->type = (uint8_t)w0;
	x->flags = (uint8_t)(w0 >> 8);
	switch (x->type) {
	case XEN_NETIF_EXTRA_TYPE_GSO:
		x->gso.size = (uint16_t)(w0 >> 16);
		x->gso.type = (uint8_t)w1;
		x->gso.features = (uint16_t)(w1 >> 16);
		break;
	case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
	case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
		x->mcast[0] = (uint8_t)(w0 >> 16);
		x->mcast[1] = (uint8_t)(w0 >> 24);
		memcpy(x->mcast + 2, &w1, 4);
		break;
	case XEN_NETIF_EXTRA_TYPE_HASH:
		x->hash.type = (uint8_t)(w0 >> 16);
		x->hash.algorithm = (uint8_t)(w0 >> 24);
		x->hash.value = w1;
		break;
	case NET_EXTRA_XDP:
		x->xdp.headroom = (uint16_t)(w0 >> 16);
		break;
	}
}

static void extra_words(const struct net_extra *x, uint32_t word[2])
{
	uint32_t w0 = 0, w1 = 0;

	switch (x->type) {
	case XEN_NETIF_EXTRA_TYPE_GSO:
		w0 = x->gso.size;
		w1 = x->gso.type | (uint32_t)x->gso.features << 16;
		break;
	case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
	case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
		w0 = x->mcast[0] | (uint32_t)x->mcast[1] << 8;
		memcpy(&w1, x->mcast + 2, 4);
		break;
	case XEN_NETIF_EXTRA_TYPE_HASH:
		w0 = x->hash.type | (uint32_t)x->hash.algorithm << 8;
		w1 = x->hash.value;
		break;
	case NET_EXTRA_XDP:
		w0 = x->xdp.headroom;
		break;
	}
	word[0] = x->type | (uint32_t)x->flags << 8 | w0 << 16;
	word[1] = w1;
}

/* ---- backend ---- */

/* The predecessor's indices, and what it had answered once more into the
 * peer's view: it may have died on the way there. */
static int resume(struct net_back_ring *r)
{
	struct ring_head *head = r->shared;
	const struct net_ring_journal *j = r->journal;
	uint32_t cons = j->req_cons, prod = j->rsp_prod;

	if (cons - prod > r->nr_ents)
		return -EUCLEAN;
	r->req_cons = r->rsp_prod_pvt = r->rsp_prod = prod;
	r->replay_end = cons;
	r->replays = cons != prod;
	shm_store_release(&head->rsp_prod, prod); /* B */
	shm_full_barrier();                       /* D */
	return 0;
}

int net_back_ring_init(struct net_back_ring *r, void *page,
		       enum net_ring_kind kind,
		       struct net_ring_journal *journal, bool take_over)
{
	const struct ring_head *head = page;
	uint32_t start;
	int ret, nr;

	*r = (struct net_back_ring){
		.shared = page,
		.journal = journal,
		.nr_ents = entries_of(kind),
	};
	if (journal && take_over && journal->started) {
		ret = resume(r);
		if (ret)
			return ret;
	} else {
		start = shm_load_u32(&head->rsp_prod);
		r->req_cons = r->rsp_prod_pvt = r->rsp_prod = start;
		if (journal) {
			journal->started = 0;
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
			journal->req_cons = journal->rsp_prod = start;
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
			journal->started = 1;
		}
	}
	nr = net_back_ring_avail(r);
	if (nr < 0)
		return nr;
	/* The peer cannot take back what it had published. */
	if (r->replays && (uint32_t)nr < r->replay_end - r->req_cons)
		return -EPROTO;
	return 0;
}

int net_back_ring_avail(const struct net_back_ring *r)
{
	return ring_requests(r->shared, r->nr_ents, r->req_cons,
			     r->rsp_prod_pvt);
}

void net_back_ctrl_get(struct net_back_ring *r, struct net_ctrl_req *req)
{
	uint32_t word[4];

	net_back_words(r, NET_CTRL_ENTRIES, 4, word);
	req->id = (uint16_t)word[0];
	req->type = (uint16_t)(word[0] >> 16);
	memcpy(req->data, word + 1, sizeof(req->data));
}

void net_back_ring_rewind(struct net_back_ring *r, uint32_t req_cons)
{
	if (r->journal && !r->replays) {
		r->replay_end = r->req_cons;
		r->replays = req_cons != r->replay_end;
	}
	r->req_cons = req_cons;
}

void net_back_rx_put_extra(struct net_back_ring *r, const struct net_extra *x)
{
	uint32_t word[2];

	extra_words(x, word);
	shm_store_u64(net_slot(r->shared, NET_RX_SLOT, r->rsp_prod_pvt++),
		      word[0] | (uint64_t)word[1] << 32);
}

void net_back_ctrl_put(struct net_back_ring *r, const struct net_ctrl_rsp *rsp)
{
	uint32_t *to = ring_slot(r->shared, NET_CTRL_ENTRIES, NET_CTRL_SLOT,
				 r->rsp_prod_pvt++);

	shm_store_u32(to, rsp->id | (uint32_t)rsp->type << 16);
	shm_store_u32(to + 1, rsp->status);
	shm_store_u32(to + 2, rsp->data);
}

bool net_back_ring_publish(struct net_back_ring *r)
{
	if (r->journal) {
		__atomic_store_n(&r->journal->rsp_prod, r->rsp_prod_pvt,
				 __ATOMIC_RELEASE);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	}
	return ring_publish_responses(r->shared, &r->rsp_prod, r->rsp_prod_pvt);
}

bool net_back_ring_arm(struct net_back_ring *r, uint32_t more)
{
	int nr = net_back_ring_avail(r);

	if (nr < 0 || (uint32_t)nr >= more)
		return true;
	ring_ask_requests(r->shared, r->req_cons + more);
	nr = net_back_ring_avail(r);
	return nr < 0 || (uint32_t)nr >= more;
}

/* ---- frontend ---- */

void net_front_ring_init(struct net_front_ring *r, void *page,
			 enum net_ring_kind kind)
{
	memset(page, 0, NET_PAGE_SIZE);
	ring_begin(page);
	*r = (struct net_front_ring){
		.shared = page,
		.nr_ents = entries_of(kind),
	};
}

void net_front_tx_put_extra(struct net_front_ring *r, const struct net_extra *x)
{
	uint32_t *to = net_slot(r->shared, NET_TX_SLOT, r->req_prod_pvt++);
	uint32_t word[2];

	extra_words(x, word);
	shm_store_u32(to, word[0]);
	shm_store_u32(to + 1, word[1]);
	shm_store_u32(to + 2, 0);
}

void net_front_ctrl_put(struct net_front_ring *r,
			const struct net_ctrl_req *req)
{
	uint32_t *to = ring_slot(r->shared, NET_CTRL_ENTRIES, NET_CTRL_SLOT,
				 r->req_prod_pvt++);

	shm_store_u32(to, req->id | (uint32_t)req->type << 16);
	shm_store_u32(to + 1, req->data[0]);
	shm_store_u32(to + 2, req->data[1]);
	shm_store_u32(to + 3, req->data[2]);
}

bool net_front_ring_publish(struct net_front_ring *r)
{
	return ring_publish_requests(r->shared, &r->req_prod, r->req_prod_pvt);
}

int net_front_ring_avail(const struct net_front_ring *r)
{
	return ring_responses(r->shared, r->req_prod, r->rsp_cons);
}

void net_front_rx_get_extra(struct net_front_ring *r, struct net_extra *x)
{
	uint64_t word = shm_load_u64(
		net_slot(r->shared, NET_RX_SLOT, r->rsp_cons++));
	union net_tx_slot slot = {
		.raw = {(uint32_t)word, (uint32_t)(word >> 32)}};

	net_extra_of(&slot, x);
}

void net_front_ctrl_get(struct net_front_ring *r, struct net_ctrl_rsp *rsp)
{
	const uint32_t *from = ring_slot(r->shared, NET_CTRL_ENTRIES,
					 NET_CTRL_SLOT, r->rsp_cons++);
	uint32_t word = shm_load_u32(from);

	rsp->id = (uint16_t)word;
	rsp->type = (uint16_t)(word >> 16);
	rsp->status = shm_load_u32(from + 1);
	rsp->data = shm_load_u32(from + 2);
}

bool net_front_ring_arm(struct net_front_ring *r, uint32_t more)
{
	int nr = net_front_ring_avail(r);

	if (nr < 0 || (uint32_t)nr >= more)
		return true;
	ring_ask_responses(r->shared, r->rsp_cons + more);
	nr = net_front_ring_avail(r);
	return nr < 0 || (uint32_t)nr >= more;
}
