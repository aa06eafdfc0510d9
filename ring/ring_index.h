/* SPDX-License-Identifier: MIT */
/*
 * Indices of a shared ring, whatever it carries: how far each may go, what is
 * published when, who is to be notified.  <xen/io/ring.h> in functions, with
 * the checks that its macros leave to their users.
 *
 * Indices run freely through all 32-bit numbers; the slot is the index modulo
 * the number of entries.  All distances are unsigned differences.  Those that
 * are ours are kept in private memory and only ever written to the ring.
 */
#ifndef XENSPLIT_RING_RING_INDEX_H
#define XENSPLIT_RING_RING_INDEX_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/barrier.h"

/* What precedes the slots of a shared ring, the same in every ABI. */
struct ring_head {
	uint32_t req_prod, req_event;
	uint32_t rsp_prod, rsp_event;
	uint8_t pad[48];
};

_Static_assert(sizeof(struct ring_head) == 64, "slots begin at byte 64");

static inline void *ring_slot(void *shared, uint32_t nr_ents, size_t entry_size,
			      uint32_t idx)
{
	return (char *)shared + sizeof(struct ring_head) +
	       (size_t)(idx & (nr_ents - 1)) * entry_size;
}

/* Was event, the index whose message the peer wants to be told of, passed by
 * the step from old to new? */
static inline bool ring_wants_notify(uint32_t old, uint32_t new, uint32_t event)
{
	return new - event < new - old;
}

/* Backend: requests that may be taken, or -EPROTO: further ahead than the ring
 * has room for, which is also true of a producer that went backwards. */
static inline int ring_requests(const void *shared, uint32_t nr_ents,
				uint32_t req_cons, uint32_t rsp_prod_pvt)
{
	const struct ring_head *head = shared;
	uint32_t taken = req_cons - rsp_prod_pvt;
	uint32_t nr = shm_load_acquire(&head->req_prod) - req_cons; /* A */

	return nr > nr_ents - taken ? -EPROTO : (int)nr;
}

/* Frontend: responses that may be taken, or -EPROTO: more than requests were
 * published. */
static inline int ring_responses(const void *shared, uint32_t req_prod,
				 uint32_t rsp_cons)
{
	const struct ring_head *head = shared;
	uint32_t nr = shm_load_acquire(&head->rsp_prod) - rsp_cons; /* B */

	return nr > req_prod - rsp_cons ? -EPROTO : (int)nr;
}

/* Make what was put up to `new` visible; true if the peer asked to be notified
 * of it.  *published: ours, the last one. */
static inline bool ring_publish_responses(void *shared, uint32_t *published,
					  uint32_t new)
{
	struct ring_head *head = shared;
	uint32_t old = *published;

	if (old == new)
		return false;
	*published = new;
	shm_store_release(&head->rsp_prod, new); /* B */
	shm_full_barrier();                      /* D */
	return ring_wants_notify(old, new, shm_load_u32(&head->rsp_event));
}

static inline bool ring_publish_requests(void *shared, uint32_t *published,
					 uint32_t new)
{
	struct ring_head *head = shared;
	uint32_t old = *published;

	if (old == new)
		return false;
	*published = new;
	shm_store_release(&head->req_prod, new); /* A */
	shm_full_barrier();                      /* C */
	return ring_wants_notify(old, new, shm_load_u32(&head->req_event));
}

/* Ask to be notified when index `event` is passed; the caller then looks at
 * the producer once more. */
static inline void ring_ask_requests(void *shared, uint32_t event)
{
	struct ring_head *head = shared;

	shm_store_u32(&head->req_event, event);
	shm_full_barrier(); /* C */
}

static inline void ring_ask_responses(void *shared, uint32_t event)
{
	struct ring_head *head = shared;

	shm_store_u32(&head->rsp_event, event);
	shm_full_barrier(); /* D */
}

/* Frontend: a ring in zeroed memory of ours, as ring.h begins it. */
static inline void ring_begin(void *shared)
{
	struct ring_head *head = shared;

	shm_store_u32(&head->req_event, 1);
	shm_store_u32(&head->rsp_event, 1);
}

#endif
