// SPDX-License-Identifier: MIT
/*
 * Indices of the blkif ring, both sides: how far each may go, what is
 * published when, who is to be notified.  <xen/io/ring.h> in functions, with
 * the checks that its macros leave to their users.
 *
 * Indices run freely through all 32-bit numbers; the slot is the index modulo
 * the number of entries.  All distances are unsigned differences.
 *
 * Not here: the layout of messages (blk_abi.c) and their meaning
 * (blk_check.c).
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "ring/barrier.h"
#include "ring/blk_abi.h"

/* What precedes the slots of a shared ring, the same in every ABI. */
struct ring_head {
	uint32_t req_prod, req_event;
	uint32_t rsp_prod, rsp_event;
	uint8_t pad[48];
};

_Static_assert(sizeof(struct ring_head) == 64, "slots begin at byte 64");

unsigned int blk_ring_entries(enum blk_abi abi, unsigned int nr_pages)
{
	unsigned int room, nr = 1;

	if (nr_pages < 1 || nr_pages > BLK_RING_MAX_PAGES)
		return 0;
	room = (nr_pages * BLK_PAGE_SIZE - sizeof(struct ring_head)) /
	       blk_abi_slot_size(abi);
	while (nr * 2 <= room)
		nr *= 2;
	return nr;
}

static inline void *slot_of(void *shared, enum blk_abi abi, uint32_t nr_ents,
			    uint32_t idx)
{
	return (char *)shared + sizeof(struct ring_head) +
	       (size_t)(idx & (nr_ents - 1)) * blk_abi_slot_size(abi);
}

/* Was event, the index whose message the peer wants to be told of, passed by
 * the step from old to new? */
static inline bool wants_notify(uint32_t old, uint32_t new, uint32_t event)
{
	return new - event < new - old;
}

uint32_t blk_back_ring_peek_rsp_prod(const void *pages)
{
	const struct ring_head *head = pages;

	return shm_load_u32(&head->rsp_prod);
}

int blk_back_ring_init(struct blk_back_ring *r, void *pages,
		       unsigned int nr_pages, enum blk_abi abi,
		       uint32_t req_cons, uint32_t rsp_prod)
{
	uint32_t nr_ents = blk_ring_entries(abi, nr_pages);

	if (!nr_ents || req_cons - rsp_prod > nr_ents)
		return -EINVAL;
	*r = (struct blk_back_ring){
		.shared = pages,
		.abi = abi,
		.nr_ents = nr_ents,
		.req_cons = req_cons,
		.rsp_prod_pvt = rsp_prod,
		.rsp_prod = rsp_prod,
	};
	return 0;
}

int blk_back_ring_avail(const struct blk_back_ring *r)
{
	const struct ring_head *head = r->shared;
	uint32_t taken = r->req_cons - r->rsp_prod_pvt;
	uint32_t nr = shm_load_acquire(&head->req_prod) - r->req_cons; /* A */

	/* Also true of a producer that went backwards. */
	if (nr > r->nr_ents - taken)
		return -EPROTO;
	return (int)nr;
}

void blk_back_ring_get(struct blk_back_ring *r, struct blk_req *req)
{
	blk_abi_load_req(r->abi,
			 slot_of(r->shared, r->abi, r->nr_ents, r->req_cons),
			 req);
	r->req_cons++;
}

void blk_back_ring_put(struct blk_back_ring *r, const struct blk_rsp *rsp)
{
	blk_abi_store_rsp(
		r->abi, slot_of(r->shared, r->abi, r->nr_ents, r->rsp_prod_pvt),
		rsp);
	r->rsp_prod_pvt++;
}

bool blk_back_ring_publish(struct blk_back_ring *r)
{
	struct ring_head *head = r->shared;
	uint32_t old = r->rsp_prod;

	if (old == r->rsp_prod_pvt)
		return false;
	r->rsp_prod = r->rsp_prod_pvt;
	shm_store_release(&head->rsp_prod, r->rsp_prod); /* B */
	shm_full_barrier();                              /* D */
	return wants_notify(old, r->rsp_prod, shm_load_u32(&head->rsp_event));
}

void blk_back_ring_republish(struct blk_back_ring *r)
{
	struct ring_head *head = r->shared;

	shm_store_release(&head->rsp_prod, r->rsp_prod); /* B */
	shm_full_barrier();                              /* D */
}

bool blk_back_ring_arm(struct blk_back_ring *r)
{
	struct ring_head *head = r->shared;

	if (blk_back_ring_avail(r) != 0)
		return true;
	shm_store_u32(&head->req_event, r->req_cons + 1);
	shm_full_barrier(); /* C */
	return blk_back_ring_avail(r) != 0;
}

int blk_front_ring_init(struct blk_front_ring *r, void *pages,
			unsigned int nr_pages, enum blk_abi abi)
{
	struct ring_head *head = pages;
	uint32_t nr_ents = blk_ring_entries(abi, nr_pages);

	if (!nr_ents)
		return -EINVAL;
	memset(pages, 0, (size_t)nr_pages * BLK_PAGE_SIZE);
	shm_store_u32(&head->req_event, 1);
	shm_store_u32(&head->rsp_event, 1);
	*r = (struct blk_front_ring){
		.shared = pages,
		.abi = abi,
		.nr_ents = nr_ents,
	};
	return 0;
}

unsigned int blk_front_ring_free(const struct blk_front_ring *r)
{
	return r->nr_ents - (r->req_prod_pvt - r->rsp_cons);
}

void blk_front_ring_put(struct blk_front_ring *r, const struct blk_req *req)
{
	blk_abi_store_req(
		r->abi, slot_of(r->shared, r->abi, r->nr_ents, r->req_prod_pvt),
		req);
	r->req_prod_pvt++;
}

bool blk_front_ring_publish(struct blk_front_ring *r)
{
	struct ring_head *head = r->shared;
	uint32_t old = r->req_prod;

	if (old == r->req_prod_pvt)
		return false;
	r->req_prod = r->req_prod_pvt;
	shm_store_release(&head->req_prod, r->req_prod); /* A */
	shm_full_barrier();                              /* C */
	return wants_notify(old, r->req_prod, shm_load_u32(&head->req_event));
}

int blk_front_ring_avail(const struct blk_front_ring *r)
{
	const struct ring_head *head = r->shared;
	uint32_t nr = shm_load_acquire(&head->rsp_prod) - r->rsp_cons; /* B */

	if (nr > r->req_prod - r->rsp_cons)
		return -EPROTO;
	return (int)nr;
}

void blk_front_ring_get(struct blk_front_ring *r, struct blk_rsp *rsp)
{
	blk_abi_load_rsp(r->abi,
			 slot_of(r->shared, r->abi, r->nr_ents, r->rsp_cons),
			 rsp);
	r->rsp_cons++;
}

bool blk_front_ring_arm(struct blk_front_ring *r)
{
	struct ring_head *head = r->shared;

	if (blk_front_ring_avail(r) != 0)
		return true;
	shm_store_u32(&head->rsp_event, r->rsp_cons + 1);
	shm_full_barrier(); /* D */
	return blk_front_ring_avail(r) != 0;
}
