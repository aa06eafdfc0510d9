/* SPDX-License-Identifier: MIT */
/*
 * Codec between a slot of a blkif ring and our private structs.  Private to
 * ring/.  Slots are aligned as the ABI has them: to 8 bytes with x86_64, to 4
 * with x86_32.  Every word of a slot is loaded at most once; what a store
 * writes has no undefined byte.
 */
#ifndef XENSPLIT_RING_BLK_ABI_H
#define XENSPLIT_RING_BLK_ABI_H

#include "ring/blk_ring.h"

/* Bytes from one slot to the next: the size of the largest request. */
static inline unsigned int blk_abi_slot_size(enum blk_abi abi)
{
	return abi == BLK_ABI_X86_64 ? 112 : 108;
}

void blk_abi_load_req(enum blk_abi abi, const void *slot, struct blk_req *req);
void blk_abi_store_req(enum blk_abi abi, void *slot, const struct blk_req *req);
void blk_abi_load_rsp(enum blk_abi abi, const void *slot, struct blk_rsp *rsp);
void blk_abi_store_rsp(enum blk_abi abi, void *slot, const struct blk_rsp *rsp);

#endif
