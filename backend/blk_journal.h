/* SPDX-License-Identifier: MIT */
/*
 * The journal of a disk's rings: what a new worker needs to go on where one
 * died, kept in memory (a memfd) that the supervisor holds.
 *
 * A ring alone does not tell: request slots are overwritten by responses.  So
 * a request's private copy *is* its journal slot; beside it stand the indices.
 * Only the worker writes here while it lives, in an order such that stopping
 * after any store leaves something a successor can read:
 *
 *   take:     copy request into a free slot, state TAKEN, then req_cons.
 *             A TAKEN slot whose index is not below req_cons is forgotten; the
 *             request is still in the ring.
 *   complete: status, then state DONE.
 *   publish:  responses of DONE slots are put in the ring, each slot getting
 *             its response index first; then rsp_prod here; then in the ring.
 *             A DONE slot with an index below rsp_prod has been published and
 *             is free; all others' responses are put again.
 *
 * The successor runs TAKEN requests again (reads, writes, flushes and discards
 * may run twice: none was acknowledged), so each is answered exactly once.
 *
 * A successor validates what it finds, since the dead worker may have been
 * broken into: a journal that cannot be is refused, and the disk closes.
 */
#ifndef XENSPLIT_BACKEND_BLK_JOURNAL_H
#define XENSPLIT_BACKEND_BLK_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/blk_ring.h"

enum blk_slot_state { BLK_SLOT_FREE, BLK_SLOT_TAKEN, BLK_SLOT_DONE };

struct blk_slot {
	_Alignas(64) atomic_uint state;
	uint32_t req_idx;  /* index in the ring it was taken from */
	uint32_t rsp_idx;  /* DONE and put: where its response went */
	int16_t status;    /* DONE: BLKIF_RSP_* */
	atomic_ushort put; /* DONE: rsp_idx is set */
	struct blk_req req;
};

struct blk_journal_head {
	uint32_t magic, nr_slots; /* slots = ring entries */
	uint32_t started;         /* the indices below are meant */
	_Alignas(64) atomic_uint req_cons;
	atomic_uint rsp_prod;
};

/* One queue's part of the journal, as mapped. */
struct blk_journal {
	struct blk_journal_head *head;
	struct blk_slot *slot;                         /* [nr_slots] */
	struct blk_seg (*segs)[BLK_MAX_INDIRECT_SEGS]; /* [nr_slots] */
	uint32_t nr_slots;
};

/* Bytes of one queue with nr_slots, and of a whole disk's memfd. */
size_t blk_journal_queue_size(uint32_t nr_slots);

/* Supervisor: a zeroed memfd for nr_queues queues; the descriptor or -errno. */
int blk_journal_create(unsigned int nr_queues, uint32_t nr_slots);

/* Worker: map queue `index` of the memfd.  Then, of a fresh connection,
 * blk_journal_start() with the ring's indices; of one that is taken over,
 * blk_journal_check() (-EUCLEAN: this cannot have been written by a worker
 * that was well). */
int blk_journal_map(struct blk_journal *j, int fd, unsigned int index,
		    uint32_t nr_slots);
void blk_journal_unmap(struct blk_journal *j);
void blk_journal_start(struct blk_journal *j, uint32_t req_cons,
		       uint32_t rsp_prod);
int blk_journal_check(const struct blk_journal *j);
/* Does the frontend still wait for this slot's response? */
bool blk_slot_is_owed(const struct blk_journal *j, const struct blk_slot *s);

#endif
