/* SPDX-License-Identifier: MIT */
/*
 * The netif shared rings, both sides: transmit, receive, control.
 *
 * Protocol: <xen/io/netif.h> and <xen/io/ring.h>.  Each ring is one page that
 * both domains map; its layout is the same for all guests.  As with disks,
 * everything in it can be rewritten by the peer at any moment: messages are
 * copied out into private structs, each shared field being loaded once, and
 * indices that are ours are kept in private memory and only ever written.
 *
 * A ring struct is used by one thread at a time.  Nothing here sleeps,
 * allocates, logs or notifies; the caller does, as the return values say.
 * All ordering between the two domains is in ring/barrier.h.
 *
 * What several slots mean together (a packet) is in ring/net_check.h.
 */
#ifndef XENSPLIT_RING_NET_RING_H
#define XENSPLIT_RING_NET_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/barrier.h"
#include "ring/ring_index.h"

#define NET_PAGE_SIZE    4096u
#define NET_RING_ENTRIES 256u /* of tx and rx */
#define NET_CTRL_ENTRIES 128u
/* Slots that every backend takes for one packet, and the most that ours takes
 * from a guest's transmission: XEN_NETIF_NR_SLOTS_MIN. */
#define NET_TX_SLOTS_MAX 18u
#define NET_PACKET_MAX   0xffffu /* bytes of a frame: XEN_NETIF_MAX_TX_SIZE */

/* XEN_NETIF_EXTRA_TYPE_XDP, which the public header of Xen 4.17 lacks. */
#define NET_EXTRA_XDP 5u

enum net_ring_kind { NET_RING_TX, NET_RING_RX, NET_RING_CTRL };

/* Bytes of a slot: the larger of request and response. */
#define NET_TX_SLOT   12u
#define NET_RX_SLOT   8u
#define NET_CTRL_SLOT 16u

/* A transmit request as it was at the moment of the copy. */
struct net_tx_req {
	uint32_t gref;
	uint16_t offset, flags; /* NETTXF_* */
	uint16_t id, size;
};

/* An extra info segment, which takes the place of a request or response.
 * The union is as the peer wrote it: unchecked. */
struct net_extra {
	uint8_t type,
		flags; /* XEN_NETIF_EXTRA_TYPE_*, NET_EXTRA_XDP; _FLAG_* */
	union {
		struct {
			uint16_t size, features;
			uint8_t type;
		} gso;
		uint8_t mcast[6];
		struct {
			uint8_t type, algorithm;
			uint32_t value;
		} hash;
		struct {
			uint16_t headroom;
		} xdp;
	};
};

/* The same slot, not yet known to be the one or the other. */
union net_tx_slot {
	struct net_tx_req req;
	uint32_t raw[3];
};

struct net_tx_rsp {
	uint16_t id;
	int16_t status; /* NETIF_RSP_* */
};

struct net_rx_req {
	uint16_t id;
	uint32_t gref;
};

struct net_rx_rsp {
	uint16_t id, offset, flags; /* NETRXF_* */
	int16_t status;             /* bytes, or NETIF_RSP_* */
};

/* struct xen_netif_ctrl_request and _response, as private copies. */
struct net_ctrl_req {
	uint16_t id, type;
	uint32_t data[3];
};

struct net_ctrl_rsp {
	uint16_t id, type;
	uint32_t status, data;
};

/* ---- backend's side ---- */

/*
 * What a successor needs to go on where a backend process died, in memory that
 * outlives it.  A ring alone does not tell: a response takes the place of a
 * request before it is published, and what is left there would be read as a
 * reference.  So each request is left here as it was taken.  Plain data,
 * begun as zeros; only the ring's thread writes.
 */
struct net_ring_journal {
	uint32_t started; /* the indices are meant */
	uint32_t req_cons, rsp_prod;
	uint32_t pad;
	uint32_t word[NET_RING_ENTRIES * NET_TX_SLOT / 4];
};

struct net_back_ring {
	void *shared;
	struct net_ring_journal *journal; /* or NULL */
	uint32_t nr_ents;
	uint32_t req_cons;     /* next request to take */
	uint32_t rsp_prod_pvt; /* next response to put */
	uint32_t rsp_prod;     /* last published */
	uint32_t replay_end;   /* requests before it come from the journal */
	bool replays;
	uint16_t tx_id[NET_RING_ENTRIES]; /* of requests taken, by index */
};

/*
 * Attach to a mapped ring.  Both indices start at the ring's published
 * rsp_prod: 0 of a new ring.
 *
 * journal: kept up to date from now on; NULL: nobody will take over.  resume:
 * it was written by a predecessor, which died.  What that one took and did not
 * answer is taken again, from the journal; what it answered is published once
 * more, and the caller notifies the peer in any case.  -EPROTO if the peer's
 * producer index cannot be, -EUCLEAN if the journal cannot.
 */
int net_back_ring_init(struct net_back_ring *r, void *page,
		       enum net_ring_kind kind,
		       struct net_ring_journal *journal, bool resume);
/* Requests that may be taken now, reading the peer's producer index once;
 * -EPROTO if that index is further ahead than the ring has room for. */
int net_back_ring_avail(const struct net_back_ring *r);
/* Copy the next request out and step.  Only as often as _avail() said. */
static inline void net_back_tx_get(struct net_back_ring *r,
				   union net_tx_slot *slot);
static inline void net_back_rx_get(struct net_back_ring *r,
				   struct net_rx_req *req);
void net_back_ctrl_get(struct net_back_ring *r, struct net_ctrl_req *req);
/* Give back the requests from req_cons on, which were taken and not answered:
 * they are taken again, with a journal as they were the first time. */
void net_back_ring_rewind(struct net_back_ring *r, uint32_t req_cons);
/* The words of a slot, read as an extra info segment. */
void net_extra_of(const union net_tx_slot *slot, struct net_extra *extra);
/* Write the next response, all bytes of it, padding included.  There is room:
 * never more responses than requests taken.  An extra info segment among rx
 * responses takes the slot of a request. */
static inline void net_back_tx_put(struct net_back_ring *r,
				   const struct net_tx_rsp *rsp);
static inline void net_back_rx_put(struct net_back_ring *r,
				   const struct net_rx_rsp *rsp);
void net_back_rx_put_extra(struct net_back_ring *r, const struct net_extra *x);
void net_back_ctrl_put(struct net_back_ring *r, const struct net_ctrl_rsp *rsp);
/* Publish what was put; true if the peer asked to be notified of it. */
bool net_back_ring_publish(struct net_back_ring *r);
/* Ask for a notification when `more` (1: the next) requests beyond those
 * taken are there, then look once more.  True: they are (or the index is
 * impossible), do not sleep. */
bool net_back_ring_arm(struct net_back_ring *r, uint32_t more);
/* Before the next look at requests: bring the next slots into the cache. */
static inline void net_back_tx_prefetch(const struct net_back_ring *r,
					uint32_t ahead);

/* ---- frontend's side ---- */

struct net_front_ring {
	void *shared;
	uint32_t nr_ents;
	uint32_t req_prod_pvt;
	uint32_t req_prod; /* last published */
	uint32_t rsp_cons;
};

/* Clear and initialise a page of our own as a ring. */
void net_front_ring_init(struct net_front_ring *r, void *page,
			 enum net_ring_kind kind);
/* Requests that can still be put. */
static inline unsigned int net_front_ring_free(const struct net_front_ring *r);
/* Write the next request; there is room. */
static inline void net_front_tx_put(struct net_front_ring *r,
				    const struct net_tx_req *req);
void net_front_tx_put_extra(struct net_front_ring *r,
			    const struct net_extra *x);
static inline void net_front_rx_put(struct net_front_ring *r,
				    const struct net_rx_req *req);
void net_front_ctrl_put(struct net_front_ring *r,
			const struct net_ctrl_req *req);
/* Publish what was put; true if the peer asked to be notified of it. */
bool net_front_ring_publish(struct net_front_ring *r);
/* Responses that may be taken; -EPROTO if there are more than requests in
 * flight. */
int net_front_ring_avail(const struct net_front_ring *r);
/* Copy the next response out and step.  An rx response whose predecessor said
 * NETRXF_extra_info, or whose predecessor extra said MORE, is to be read with
 * _get_extra instead. */
static inline void net_front_tx_get(struct net_front_ring *r,
				    struct net_tx_rsp *rsp);
static inline void net_front_rx_get(struct net_front_ring *r,
				    struct net_rx_rsp *rsp);
void net_front_rx_get_extra(struct net_front_ring *r, struct net_extra *x);
void net_front_ctrl_get(struct net_front_ring *r, struct net_ctrl_rsp *rsp);
/* Ask for a notification when `more` (1: the next) responses beyond those
 * taken are there; as net_back_ring_arm(). */
bool net_front_ring_arm(struct net_front_ring *r, uint32_t more);

/* ---- one slot of the data rings, for both sides ---- */

static inline uint32_t *net_slot(void *shared, uint32_t size, uint32_t idx)
{
	return ring_slot(shared, NET_RING_ENTRIES, size, idx);
}

/* The journal's words of request idx, in which a slot has nr words. */
static inline uint32_t *net_journal_slot(struct net_ring_journal *j,
					 uint32_t nr_ents, uint32_t nr,
					 uint32_t idx)
{
	return j->word + (idx & (nr_ents - 1)) * nr;
}

/* What was stored before stays before what is stored after, also for who reads
 * the journal of a process that was killed. */
static inline void net_journal_step(struct net_back_ring *r)
{
	__atomic_store_n(&r->journal->req_cons, r->req_cons, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Take nr words of the next request, once each, and step. */
static inline void net_back_words(struct net_back_ring *r, uint32_t nr_ents,
				  uint32_t nr, uint32_t *word)
{
	uint32_t i, idx = r->req_cons++;
	const uint32_t *from = ring_slot(r->shared, nr_ents, nr * 4, idx);
	uint32_t *kept;

	if (!r->journal) {
		for (i = 0; i < nr; i++)
			word[i] = shm_load_u32(from + i);
		return;
	}
	kept = net_journal_slot(r->journal, nr_ents, nr, idx);
	if (__builtin_expect(r->replays, 0)) {
		if (idx != r->replay_end) {
			for (i = 0; i < nr; i++)
				word[i] = kept[i];
			return;
		}
		r->replays = false;
	}
#pragma GCC unroll 4
	for (i = 0; i < nr; i++)
		kept[i] = word[i] = shm_load_u32(from + i);
	net_journal_step(r);
}

static inline void net_back_tx_get(struct net_back_ring *r,
				   union net_tx_slot *slot)
{
	uint32_t idx = r->req_cons;

	net_back_words(r, NET_RING_ENTRIES, 3, slot->raw);
	r->tx_id[idx & (NET_RING_ENTRIES - 1)] = slot->req.id;
}

static inline void net_back_rx_get(struct net_back_ring *r,
				   struct net_rx_req *req)
{
	uint32_t word[2];

	net_back_words(r, NET_RING_ENTRIES, 2, word);
	req->id = (uint16_t)word[0];
	req->gref = word[1];
}

static inline void net_back_tx_put(struct net_back_ring *r,
				   const struct net_tx_rsp *rsp)
{
	shm_store_u32(net_slot(r->shared, NET_TX_SLOT, r->rsp_prod_pvt++),
		      rsp->id | (uint32_t)(uint16_t)rsp->status << 16);
}

static inline void net_back_rx_put(struct net_back_ring *r,
				   const struct net_rx_rsp *rsp)
{
	uint64_t word = rsp->id | (uint64_t)rsp->offset << 16 |
			(uint64_t)rsp->flags << 32 |
			(uint64_t)(uint16_t)rsp->status << 48;

	shm_store_u64(net_slot(r->shared, NET_RX_SLOT, r->rsp_prod_pvt++),
		      word);
}

static inline void net_back_tx_prefetch(const struct net_back_ring *r,
					uint32_t ahead)
{
	shm_prefetch_write(
		net_slot(r->shared, NET_TX_SLOT, r->req_cons + ahead));
}

static inline unsigned int net_front_ring_free(const struct net_front_ring *r)
{
	return r->nr_ents - (r->req_prod_pvt - r->rsp_cons);
}

static inline void net_front_tx_put(struct net_front_ring *r,
				    const struct net_tx_req *req)
{
	uint32_t *to = net_slot(r->shared, NET_TX_SLOT, r->req_prod_pvt++);

	shm_store_u32(to, req->gref);
	shm_store_u32(to + 1, req->offset | (uint32_t)req->flags << 16);
	shm_store_u32(to + 2, req->id | (uint32_t)req->size << 16);
}

static inline void net_front_rx_put(struct net_front_ring *r,
				    const struct net_rx_req *req)
{
	shm_store_u64(net_slot(r->shared, NET_RX_SLOT, r->req_prod_pvt++),
		      req->id | (uint64_t)req->gref << 32);
}

static inline void net_front_tx_get(struct net_front_ring *r,
				    struct net_tx_rsp *rsp)
{
	uint32_t word = shm_load_u32(
		net_slot(r->shared, NET_TX_SLOT, r->rsp_cons++));

	rsp->id = (uint16_t)word;
	rsp->status = (int16_t)(word >> 16);
}

static inline void net_front_rx_get(struct net_front_ring *r,
				    struct net_rx_rsp *rsp)
{
	uint64_t word = shm_load_u64(
		net_slot(r->shared, NET_RX_SLOT, r->rsp_cons++));

	rsp->id = (uint16_t)word;
	rsp->offset = (uint16_t)(word >> 16);
	rsp->flags = (uint16_t)(word >> 32);
	rsp->status = (int16_t)(word >> 48);
}

#endif
