// SPDX-License-Identifier: MIT
/*
 * The blkif ring, both sides: its sizes, and the order in which slots are
 * used.
 *
 * Not here: indices (ring_index.h), the layout of messages (blk_abi.c) and
 * their meaning (blk_check.c).
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "ring/barrier.h"
#include "ring/blk_abi.h"
#include "ring/ring_index.h"

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
	return ring_slot(shared, nr_ents, blk_abi_slot_size(abi), idx);
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
	return ring_requests(r->shared, r->nr_ents, r->req_cons,
			     r->rsp_prod_pvt);
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
	return ring_publish_responses(r->shared, &r->rsp_prod, r->rsp_prod_pvt);
}

void blk_back_ring_republish(struct blk_back_ring *r)
{
	struct ring_head *head = r->shared;

	shm_store_release(&head->rsp_prod, r->rsp_prod); /* B */
	shm_full_barrier();                              /* D */
}

bool blk_back_ring_arm(struct blk_back_ring *r)
{
	if (blk_back_ring_avail(r) != 0)
		return true;
	ring_ask_requests(r->shared, r->req_cons + 1);
	return blk_back_ring_avail(r) != 0;
}

int blk_front_ring_init(struct blk_front_ring *r, void *pages,
			unsigned int nr_pages, enum blk_abi abi)
{
	uint32_t nr_ents = blk_ring_entries(abi, nr_pages);

	if (!nr_ents)
		return -EINVAL;
	memset(pages, 0, (size_t)nr_pages * BLK_PAGE_SIZE);
	ring_begin(pages);
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
	return ring_publish_requests(r->shared, &r->req_prod, r->req_prod_pvt);
}

int blk_front_ring_avail(const struct blk_front_ring *r)
{
	return ring_responses(r->shared, r->req_prod, r->rsp_cons);
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
	if (blk_front_ring_avail(r) != 0)
		return true;
	ring_ask_responses(r->shared, r->rsp_cons + 1);
	return blk_front_ring_avail(r) != 0;
}
