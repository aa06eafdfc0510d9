// SPDX-License-Identifier: MIT
/*
 * The layouts of blkif messages in memory, x86_64 and x86_32, and the codec
 * between them and struct blk_req, struct blk_rsp.
 *
 * Messages are read and written in whole words (8 bytes with x86_64, 4 with
 * x86_32, whose slots have no more alignment), each once; the fields are then
 * taken from the private copy of the word.  The structs below exist for the
 * compiler to check the word and byte positions; they are never pointed at
 * shared memory.
 *
 * Not here: indices, and any judgement of the values.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/blkif.h>
#include <xen/io/protocols.h>

#include "ring/barrier.h"
#include "ring/blk_abi.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the fields are cut out of little-endian words"
#endif

struct __attribute__((packed)) rw64 {
	uint8_t op, nr_segs;
	uint16_t handle;
	uint32_t pad;
	uint64_t id, sector;
	struct blk_seg seg[BLK_SEGS_PER_REQUEST];
};

struct __attribute__((packed)) rw32 {
	uint8_t op, nr_segs;
	uint16_t handle;
	uint64_t id, sector;
	struct blk_seg seg[BLK_SEGS_PER_REQUEST];
};

struct __attribute__((packed)) discard64 {
	uint8_t op, flag;
	uint16_t handle;
	uint32_t pad;
	uint64_t id, sector, nr_sects;
};

struct __attribute__((packed)) discard32 {
	uint8_t op, flag;
	uint16_t handle;
	uint64_t id, sector, nr_sects;
};

struct __attribute__((packed)) indirect64 {
	uint8_t op, inner_op;
	uint16_t nr_segs;
	uint32_t pad;
	uint64_t id, sector;
	uint16_t handle, pad2;
	uint32_t gref[BLK_INDIRECT_PAGES];
	uint32_t pad3;
};

struct __attribute__((packed)) indirect32 {
	uint8_t op, inner_op;
	uint16_t nr_segs;
	uint64_t id, sector;
	uint16_t handle, pad2;
	uint32_t gref[BLK_INDIRECT_PAGES];
	uint64_t pad3;
};

struct __attribute__((packed)) rsp64 {
	uint64_t id;
	uint8_t op, pad;
	int16_t status;
	uint32_t pad2;
};

struct __attribute__((packed)) rsp32 {
	uint64_t id;
	uint8_t op, pad;
	int16_t status;
};

/* Word numbers, the same in all request layouts of an ABI. */
enum {
	W64_ID = 1,
	W64_SECTOR = 2,
	W64_SEGS = 3,
	W64_NR_SECTS = 3,
	W64_HANDLE = 3, /* of an indirect request; gref[0] is in it, too */
	W64_RSP_OP = 1,

	W32_ID = 1,
	W32_SECTOR = 3,
	W32_SEGS = 5,
	W32_NR_SECTS = 5,
	W32_HANDLE = 5,
	W32_GREFS = 6,
	W32_RSP_OP = 2,
};

#define AT(type, field, off) \
	_Static_assert(offsetof(struct type, field) == (off), #type "." #field)
#define SAME(ours, of, xens, xf)                                               \
	_Static_assert(offsetof(struct ours, of) == offsetof(struct xens, xf), \
		       #ours "." #of)

AT(rw64, id, 8 * W64_ID);
AT(rw64, sector, 8 * W64_SECTOR);
AT(rw64, seg, 8 * W64_SEGS);
AT(discard64, id, 8 * W64_ID);
AT(discard64, sector, 8 * W64_SECTOR);
AT(discard64, nr_sects, 8 * W64_NR_SECTS);
AT(indirect64, id, 8 * W64_ID);
AT(indirect64, sector, 8 * W64_SECTOR);
AT(indirect64, handle, 8 * W64_HANDLE);
AT(indirect64, gref, 8 * W64_HANDLE + 4);
AT(rsp64, op, 8 * W64_RSP_OP);

AT(rw32, id, 4 * W32_ID);
AT(rw32, sector, 4 * W32_SECTOR);
AT(rw32, seg, 4 * W32_SEGS);
AT(discard32, id, 4 * W32_ID);
AT(discard32, sector, 4 * W32_SECTOR);
AT(discard32, nr_sects, 4 * W32_NR_SECTS);
AT(indirect32, id, 4 * W32_ID);
AT(indirect32, sector, 4 * W32_SECTOR);
AT(indirect32, handle, 4 * W32_HANDLE);
AT(indirect32, gref, 4 * W32_GREFS);
AT(rsp32, op, 4 * W32_RSP_OP);

/* The fields that are cut out of a word. */
AT(rw64, nr_segs, 1);
AT(rw64, handle, 2);
AT(rw32, nr_segs, 1);
AT(rw32, handle, 2);
AT(discard64, flag, 1);
AT(discard64, handle, 2);
AT(discard32, flag, 1);
AT(discard32, handle, 2);
AT(indirect64, inner_op, 1);
AT(indirect64, nr_segs, 2);
AT(indirect32, inner_op, 1);
AT(indirect32, nr_segs, 2);
AT(rsp64, status, 8 * W64_RSP_OP + 2);
AT(rsp32, status, 4 * W32_RSP_OP + 2);
AT(blk_seg, first_sect, 4);
AT(blk_seg, last_sect, 5);

_Static_assert(sizeof(struct blk_seg) == 8, "segment");
_Static_assert(sizeof(struct rw64) == 112, "x86_64 slot");
_Static_assert(sizeof(struct rw32) == 108, "x86_32 slot");
_Static_assert(sizeof(struct indirect64) == 64, "x86_64 indirect");
_Static_assert(sizeof(struct indirect32) == 64, "x86_32 indirect");
_Static_assert(sizeof(struct rsp64) == 16, "x86_64 response");
_Static_assert(sizeof(struct rsp32) == 12, "x86_32 response");

#ifdef __x86_64__
/* Xen's own structs have the layout of the machine that compiles them. */
_Static_assert(sizeof(struct rw64) == sizeof(struct blkif_request), "request");
_Static_assert(sizeof(struct rsp64) == sizeof(struct blkif_response), "rsp");
SAME(rw64, nr_segs, blkif_request, nr_segments);
SAME(rw64, handle, blkif_request, handle);
SAME(rw64, id, blkif_request, id);
SAME(rw64, sector, blkif_request, sector_number);
SAME(rw64, seg, blkif_request, seg);
SAME(discard64, flag, blkif_request_discard, flag);
SAME(discard64, handle, blkif_request_discard, handle);
SAME(discard64, id, blkif_request_discard, id);
SAME(discard64, sector, blkif_request_discard, sector_number);
SAME(discard64, nr_sects, blkif_request_discard, nr_sectors);
SAME(indirect64, inner_op, blkif_request_indirect, indirect_op);
SAME(indirect64, nr_segs, blkif_request_indirect, nr_segments);
SAME(indirect64, id, blkif_request_indirect, id);
SAME(indirect64, sector, blkif_request_indirect, sector_number);
SAME(indirect64, handle, blkif_request_indirect, handle);
SAME(indirect64, gref, blkif_request_indirect, indirect_grefs);
SAME(rsp64, op, blkif_response, operation);
SAME(rsp64, status, blkif_response, status);
#endif

static inline const void *at64(const void *slot, unsigned int word)
{
	return (const char *)slot + 8 * word;
}

static inline uint64_t get64(const void *slot, unsigned int word)
{
	return shm_load_u64(at64(slot, word));
}

static inline void set64(void *slot, unsigned int word, uint64_t val)
{
	shm_store_u64((char *)slot + 8 * word, val);
}

static inline uint32_t get32(const void *slot, unsigned int word)
{
	return shm_load_u32((const char *)slot + 4 * word);
}

static inline void set32(void *slot, unsigned int word, uint32_t val)
{
	shm_store_u32((char *)slot + 4 * word, val);
}

/* Two loads, of different words: the peer may change one between them, which
 * makes a number that it might as well have written itself. */
static inline uint64_t get32_pair(const void *slot, unsigned int word)
{
	uint32_t low = get32(slot, word);

	return low | (uint64_t)get32(slot, word + 1) << 32;
}

static inline void set32_pair(void *slot, unsigned int word, uint64_t val)
{
	set32(slot, word, (uint32_t)val);
	set32(slot, word + 1, (uint32_t)(val >> 32));
}

static inline uint64_t pack_seg(const struct blk_seg *seg)
{
	return seg->gref | (uint64_t)seg->first_sect << 32 |
	       (uint64_t)seg->last_sect << 40;
}

static inline unsigned int direct_segs(unsigned int nr_segs)
{
	return nr_segs < BLK_SEGS_PER_REQUEST ? nr_segs : BLK_SEGS_PER_REQUEST;
}

static unsigned int indirect_pages(unsigned int nr_segs)
{
	unsigned int nr = (nr_segs + BLK_SEGS_PER_INDIRECT_PAGE - 1) /
			  BLK_SEGS_PER_INDIRECT_PAGE;

	return nr < BLK_INDIRECT_PAGES ? nr : BLK_INDIRECT_PAGES;
}

/* The first word, the same in both ABIs. */
static inline void head_unpack(struct blk_req *req, uint32_t head)
{
	req->op = (uint8_t)head;
	req->handle = (uint16_t)(head >> 16);
	req->discard_nr_sects_512 = 0;
	req->discard_flag = 0;
	req->nr_segs = 0;
	req->indirect = false;
	if (req->op == BLKIF_OP_INDIRECT) {
		req->indirect = true;
		req->op = (uint8_t)(head >> 8);
		req->nr_segs = (uint16_t)(head >> 16);
	} else if (req->op == BLKIF_OP_DISCARD) {
		req->discard_flag = (uint8_t)(head >> 8);
	} else {
		req->nr_segs = (uint8_t)(head >> 8);
	}
}

static inline uint32_t head_pack(const struct blk_req *req)
{
	if (req->indirect)
		return BLKIF_OP_INDIRECT | (uint32_t)req->op << 8 |
		       (uint32_t)req->nr_segs << 16;
	if (req->op == BLKIF_OP_DISCARD)
		return req->op | (uint32_t)req->discard_flag << 8 |
		       (uint32_t)req->handle << 16;
	return req->op | (uint32_t)(uint8_t)req->nr_segs << 8 |
	       (uint32_t)req->handle << 16;
}

static void load_indirect64(const void *slot, struct blk_req *req)
{
	uint64_t word = get64(slot, W64_HANDLE);
	unsigned int i;

	req->handle = (uint16_t)word;
	for (i = 0; i < BLK_INDIRECT_PAGES; i++) {
		if (i % 2 == 0) {
			req->indirect_gref[i] = (uint32_t)(word >> 32);
		} else {
			word = get64(slot, W64_HANDLE + (i + 1) / 2);
			req->indirect_gref[i] = (uint32_t)word;
		}
	}
}

static void store_indirect64(void *slot, const struct blk_req *req)
{
	unsigned int i, nr = indirect_pages(req->nr_segs);
	uint64_t word = req->handle;

	for (i = 0; i < BLK_INDIRECT_PAGES; i++) {
		uint64_t gref = i < nr ? req->indirect_gref[i] : 0;

		if (i % 2 == 0) {
			set64(slot, W64_HANDLE + i / 2, word | gref << 32);
			word = 0;
		} else {
			word = gref;
		}
	}
	set64(slot, W64_HANDLE + BLK_INDIRECT_PAGES / 2, word);
}

static void load_req64(const void *slot, struct blk_req *req)
{
	unsigned int i, nr;

	head_unpack(req, (uint32_t)get64(slot, 0));
	req->id = get64(slot, W64_ID);
	req->sector_512 = get64(slot, W64_SECTOR);
	if (req->indirect) {
		load_indirect64(slot, req);
		return;
	}
	if (req->op == BLKIF_OP_DISCARD) {
		req->discard_nr_sects_512 = get64(slot, W64_NR_SECTS);
		return;
	}
	nr = direct_segs(req->nr_segs);
	for (i = 0; i < nr; i++) {
		uint64_t word = get64(slot, W64_SEGS + i);

		memcpy(&req->seg[i], &word, sizeof(word));
	}
}

static void store_req64(void *slot, const struct blk_req *req)
{
	unsigned int i, nr;

	set64(slot, 0, head_pack(req));
	set64(slot, W64_ID, req->id);
	set64(slot, W64_SECTOR, req->sector_512);
	if (req->indirect) {
		store_indirect64(slot, req);
		return;
	}
	if (req->op == BLKIF_OP_DISCARD) {
		set64(slot, W64_NR_SECTS, req->discard_nr_sects_512);
		return;
	}
	nr = direct_segs((uint8_t)req->nr_segs);
	for (i = 0; i < nr; i++)
		set64(slot, W64_SEGS + i, pack_seg(&req->seg[i]));
}

static void load_req32(const void *slot, struct blk_req *req)
{
	unsigned int i, nr;

	head_unpack(req, get32(slot, 0));
	req->id = get32_pair(slot, W32_ID);
	req->sector_512 = get32_pair(slot, W32_SECTOR);
	if (req->indirect) {
		req->handle = (uint16_t)get32(slot, W32_HANDLE);
		for (i = 0; i < BLK_INDIRECT_PAGES; i++)
			req->indirect_gref[i] = get32(slot, W32_GREFS + i);
		return;
	}
	if (req->op == BLKIF_OP_DISCARD) {
		req->discard_nr_sects_512 = get32_pair(slot, W32_NR_SECTS);
		return;
	}
	nr = direct_segs(req->nr_segs);
	for (i = 0; i < nr; i++) {
		uint64_t word = get32_pair(slot, W32_SEGS + 2 * i);

		memcpy(&req->seg[i], &word, sizeof(word));
	}
}

static void store_req32(void *slot, const struct blk_req *req)
{
	unsigned int i, nr;

	set32(slot, 0, head_pack(req));
	set32_pair(slot, W32_ID, req->id);
	set32_pair(slot, W32_SECTOR, req->sector_512);
	if (req->indirect) {
		nr = indirect_pages(req->nr_segs);
		set32(slot, W32_HANDLE, req->handle);
		for (i = 0; i < BLK_INDIRECT_PAGES; i++)
			set32(slot, W32_GREFS + i,
			      i < nr ? req->indirect_gref[i] : 0);
		set32_pair(slot, W32_GREFS + BLK_INDIRECT_PAGES, 0);
		return;
	}
	if (req->op == BLKIF_OP_DISCARD) {
		set32_pair(slot, W32_NR_SECTS, req->discard_nr_sects_512);
		return;
	}
	nr = direct_segs((uint8_t)req->nr_segs);
	for (i = 0; i < nr; i++)
		set32_pair(slot, W32_SEGS + 2 * i, pack_seg(&req->seg[i]));
}

void blk_abi_load_req(enum blk_abi abi, const void *slot, struct blk_req *req)
{
	if (abi == BLK_ABI_X86_64)
		load_req64(slot, req);
	else
		load_req32(slot, req);
}

void blk_abi_store_req(enum blk_abi abi, void *slot, const struct blk_req *req)
{
	if (abi == BLK_ABI_X86_64)
		store_req64(slot, req);
	else
		store_req32(slot, req);
}

void blk_abi_load_rsp(enum blk_abi abi, const void *slot, struct blk_rsp *rsp)
{
	uint32_t word;

	if (abi == BLK_ABI_X86_64) {
		rsp->id = get64(slot, 0);
		word = (uint32_t)get64(slot, W64_RSP_OP);
	} else {
		rsp->id = get32_pair(slot, 0);
		word = get32(slot, W32_RSP_OP);
	}
	rsp->op = (uint8_t)word;
	rsp->status = (int16_t)(word >> 16);
}

void blk_abi_store_rsp(enum blk_abi abi, void *slot, const struct blk_rsp *rsp)
{
	uint32_t word = rsp->op | (uint32_t)(uint16_t)rsp->status << 16;

	if (abi == BLK_ABI_X86_64) {
		set64(slot, 0, rsp->id);
		set64(slot, W64_RSP_OP, word);
	} else {
		set32_pair(slot, 0, rsp->id);
		set32(slot, W32_RSP_OP, word);
	}
}

void blk_segs_load(struct blk_seg *seg, const void *page, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		uint64_t word = get64(page, i);

		memcpy(&seg[i], &word, sizeof(word));
	}
}

void blk_segs_store(void *page, const struct blk_seg *seg, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		set64(page, i, pack_seg(&seg[i]));
}

int blk_abi_parse(const char *protocol, enum blk_abi *abi)
{
	if (!protocol || !strcmp(protocol, XEN_IO_PROTO_ABI_X86_64))
		*abi = BLK_ABI_X86_64;
	else if (!strcmp(protocol, XEN_IO_PROTO_ABI_X86_32))
		*abi = BLK_ABI_X86_32;
	else
		return -EINVAL;
	return 0;
}

const char *blk_abi_name(enum blk_abi abi)
{
	return abi == BLK_ABI_X86_64 ? XEN_IO_PROTO_ABI_X86_64
				     : XEN_IO_PROTO_ABI_X86_32;
}
