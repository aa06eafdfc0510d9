// SPDX-License-Identifier: MIT
/*
 * Golden bytes of every kind of message in both ABIs, both directions, and
 * agreement with the structs of <xen/io/blkif.h>.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/blkif.h>

#include "ring/blk_abi.h"
#include "ring/blk_ring.h"
#include "tests/unit/run_suite.h"

#define ID     0x1122334455667788ull
#define SECTOR 0x99aabbccddeeff01ull
#define NR     0x0102030405060708ull

/* Bytes of ID and SECTOR in memory. */
#define ID_B     0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11
#define SECTOR_B 0x01, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99
#define NR_B     0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01
#define PAD4     0, 0, 0, 0

static const struct blk_seg segs[2] = {
	{.gref = 0xa1a2a3a4, .first_sect = 1, .last_sect = 7},
	{.gref = 0xb1b2b3b4, .first_sect = 0, .last_sect = 3},
};
#define SEGS_B \
	0xa4, 0xa3, 0xa2, 0xa1, 1, 7, 0, 0, 0xb4, 0xb3, 0xb2, 0xb1, 0, 3, 0, 0

static const uint8_t write64[] = {1,    2,    0x34,     0x12,
				  PAD4, ID_B, SECTOR_B, SEGS_B};
static const uint8_t write32[] = {1, 2, 0x34, 0x12, ID_B, SECTOR_B, SEGS_B};
static const uint8_t discard64[] = {5,    1,    0x34,     0x12,
				    PAD4, ID_B, SECTOR_B, NR_B};
static const uint8_t discard32[] = {5, 1, 0x34, 0x12, ID_B, SECTOR_B, NR_B};
static const uint8_t flush64[] = {3, 0, 0x34, 0x12, PAD4, ID_B, SECTOR_B};
static const uint8_t flush32[] = {3, 0, 0x34, 0x12, ID_B, SECTOR_B};
/* 1025 segments: three pages */
#define GREFS_B 1, 0, 0, 0xc1, 2, 0, 0, 0xc2, 3, 0, 0, 0xc3
static const uint8_t indirect64[] = {6,        0,    0x01, 0x04, PAD4, ID_B,
				     SECTOR_B, 0x34, 0x12, 0,    0,    GREFS_B};
static const uint8_t indirect32[] = {6,    0,    0x01, 0x04, ID_B,   SECTOR_B,
				     0x34, 0x12, 0,    0,    GREFS_B};

static struct blk_req make_req(uint8_t op)
{
	struct blk_req req;

	/* What an operation does not have must not get out. */
	memset(&req, 0xa5, sizeof(req));
	req.id = ID;
	req.sector_512 = SECTOR;
	req.handle = 0x1234;
	req.op = op;
	req.indirect = false;
	req.nr_segs = 0;
	return req;
}

static struct blk_req make_write(void)
{
	struct blk_req req = make_req(BLKIF_OP_WRITE);

	req.nr_segs = 2;
	memcpy(req.seg, segs, sizeof(segs));
	req.seg[0].pad = req.seg[1].pad = 0xa5a5;
	return req;
}

static struct blk_req make_discard(void)
{
	struct blk_req req = make_req(BLKIF_OP_DISCARD);

	req.discard_flag = BLKIF_DISCARD_SECURE;
	req.discard_nr_sects_512 = NR;
	return req;
}

static struct blk_req make_indirect(void)
{
	struct blk_req req = make_req(BLKIF_OP_READ);

	req.indirect = true;
	req.nr_segs = 1025;
	req.indirect_gref[0] = 0xc1000001;
	req.indirect_gref[1] = 0xc2000002;
	req.indirect_gref[2] = 0xc3000003;
	return req;
}

static void assert_same_req(const struct blk_req *a, const struct blk_req *b)
{
	unsigned int i;

	ck_assert_uint_eq(a->id, b->id);
	ck_assert_uint_eq(a->sector_512, b->sector_512);
	ck_assert_uint_eq(a->op, b->op);
	ck_assert_uint_eq(a->indirect, b->indirect);
	ck_assert_uint_eq(a->nr_segs, b->nr_segs);
	ck_assert_uint_eq(a->handle, b->handle);
	if (b->indirect) {
		for (i = 0; i < 3; i++)
			ck_assert_uint_eq(a->indirect_gref[i],
					  b->indirect_gref[i]);
		for (; i < BLK_INDIRECT_PAGES; i++)
			ck_assert_uint_eq(a->indirect_gref[i], 0);
	} else if (b->op == BLKIF_OP_DISCARD) {
		ck_assert_uint_eq(a->discard_flag, b->discard_flag);
		ck_assert_uint_eq(a->discard_nr_sects_512,
				  b->discard_nr_sects_512);
	} else {
		ck_assert_uint_eq(a->discard_flag, 0);
		ck_assert_uint_eq(a->discard_nr_sects_512, 0);
		for (i = 0; i < b->nr_segs; i++) {
			ck_assert_uint_eq(a->seg[i].gref, b->seg[i].gref);
			ck_assert_uint_eq(a->seg[i].first_sect,
					  b->seg[i].first_sect);
			ck_assert_uint_eq(a->seg[i].last_sect,
					  b->seg[i].last_sect);
		}
	}
}

/* Through a whole ring, so that slot positions are checked, too. */
static void golden(enum blk_abi abi, struct blk_req req, const uint8_t *bytes,
		   size_t len)
{
	static _Alignas(4096) uint8_t page[BLK_PAGE_SIZE];
	size_t slot = abi == BLK_ABI_X86_64 ? 112 : 108;
	struct blk_front_ring front;
	struct blk_back_ring back;
	struct blk_req got;
	unsigned int i;
	size_t k;

	ck_assert_int_eq(blk_front_ring_init(&front, page, 1, abi), 0);
	ck_assert_int_eq(blk_back_ring_init(&back, page, 1, abi, 0, 0), 0);
	for (i = 0; i < 2; i++) {
		const uint8_t *at = page + 64 + slot * i;

		blk_front_ring_put(&front, &req);
		for (k = 0; k < len; k++)
			ck_assert_msg(at[k] == bytes[k],
				      "byte %zu is %02x, not %02x", k, at[k],
				      bytes[k]);
		/* Nothing but the message was written. */
		for (; k < slot; k++)
			ck_assert_uint_eq(at[k], 0);
	}
	blk_front_ring_publish(&front);
	ck_assert_int_eq(blk_back_ring_avail(&back), 2);
	for (i = 0; i < 2; i++) {
		memset(&got, 0x5a, sizeof(got));
		blk_back_ring_get(&back, &got);
		assert_same_req(&got, &req);
	}
}

START_TEST(requests)
{
	golden(BLK_ABI_X86_64, make_write(), write64, sizeof(write64));
	golden(BLK_ABI_X86_32, make_write(), write32, sizeof(write32));
	golden(BLK_ABI_X86_64, make_discard(), discard64, sizeof(discard64));
	golden(BLK_ABI_X86_32, make_discard(), discard32, sizeof(discard32));
	golden(BLK_ABI_X86_64, make_req(BLKIF_OP_FLUSH_DISKCACHE), flush64,
	       sizeof(flush64));
	golden(BLK_ABI_X86_32, make_req(BLKIF_OP_FLUSH_DISKCACHE), flush32,
	       sizeof(flush32));
	golden(BLK_ABI_X86_64, make_indirect(), indirect64, sizeof(indirect64));
	golden(BLK_ABI_X86_32, make_indirect(), indirect32, sizeof(indirect32));
}
END_TEST

/* Every number of segments, the impossible ones included; an operation that is
 * not known keeps its id. */
START_TEST(segment_counts)
{
	static const enum blk_abi abis[] = {BLK_ABI_X86_64, BLK_ABI_X86_32};
	uint64_t slot[16], before[16];
	struct blk_req req, got;
	unsigned int a, i, nr;

	for (a = 0; a < 2; a++) {
		for (nr = 0; nr <= 255; nr++) {
			size_t size = blk_abi_slot_size(abis[a]);

			req = make_req(BLKIF_OP_RESERVED_1 + nr % 2 * 200);
			req.nr_segs = nr;
			for (i = 0; i < BLK_SEGS_PER_REQUEST; i++)
				req.seg[i] = (struct blk_seg){nr + i, i, 7, 0};
			memset(slot, 0xee, sizeof(slot));
			memcpy(before, slot, sizeof(slot));
			blk_abi_store_req(abis[a], slot, &req);
			ck_assert_mem_eq((char *)slot + size,
					 (char *)before + size,
					 sizeof(slot) - size);
			blk_abi_load_req(abis[a], slot, &got);
			ck_assert_uint_eq(got.id, ID);
			ck_assert_uint_eq(got.op, req.op);
			ck_assert_uint_eq(got.nr_segs, nr);
			for (i = 0; i < nr && i < BLK_SEGS_PER_REQUEST; i++)
				ck_assert_mem_eq(&got.seg[i], &req.seg[i],
						 sizeof(got.seg[i]));
		}
	}
}
END_TEST

/* All bytes are written, padding as zero. */
START_TEST(responses)
{
	static const uint8_t golden64[16] = {ID_B, 1, 0, 0xfe, 0xff, PAD4};
	static const uint8_t golden32[12] = {ID_B, 1, 0, 0xfe, 0xff};
	struct blk_rsp rsp, got;
	uint8_t want[112];
	uint64_t slot[14];

	memset(&rsp, 0xa5, sizeof(rsp));
	rsp.id = ID;
	rsp.op = BLKIF_OP_WRITE;
	rsp.status = BLKIF_RSP_EOPNOTSUPP;

	memset(want, 0xee, sizeof(want));
	memcpy(want, golden64, sizeof(golden64));
	memset(slot, 0xee, sizeof(slot));
	blk_abi_store_rsp(BLK_ABI_X86_64, slot, &rsp);
	ck_assert_mem_eq(slot, want, sizeof(slot));
	blk_abi_load_rsp(BLK_ABI_X86_64, slot, &got);
	ck_assert_uint_eq(got.id, ID);
	ck_assert_uint_eq(got.op, BLKIF_OP_WRITE);
	ck_assert_int_eq(got.status, BLKIF_RSP_EOPNOTSUPP);

	memset(want, 0xee, sizeof(want));
	memcpy(want, golden32, sizeof(golden32));
	memset(slot, 0xee, sizeof(slot));
	blk_abi_store_rsp(BLK_ABI_X86_32, slot, &rsp);
	ck_assert_mem_eq(slot, want, sizeof(slot));
	blk_abi_load_rsp(BLK_ABI_X86_32, slot, &got);
	ck_assert_uint_eq(got.id, ID);
	ck_assert_uint_eq(got.op, BLKIF_OP_WRITE);
	ck_assert_int_eq(got.status, BLKIF_RSP_EOPNOTSUPP);
}
END_TEST

#ifdef __x86_64__
START_TEST(native_is_xens_struct)
{
	struct blkif_request_indirect ind = {0};
	struct blkif_request_discard dis = {0};
	struct blkif_request rw = {0};
	struct blkif_response rsp = {0};
	struct blk_req got, want;
	struct blk_rsp got_rsp;
	uint64_t slot[14] = {0};

	want = make_write();
	rw.operation = BLKIF_OP_WRITE;
	rw.nr_segments = 2;
	rw.handle = 0x1234;
	rw.id = ID;
	rw.sector_number = SECTOR;
	memcpy(rw.seg, segs, sizeof(segs));
	memcpy(slot, &rw, sizeof(rw));
	blk_abi_load_req(BLK_ABI_X86_64, slot, &got);
	assert_same_req(&got, &want);

	want = make_discard();
	dis.operation = BLKIF_OP_DISCARD;
	dis.flag = BLKIF_DISCARD_SECURE;
	dis.handle = 0x1234;
	dis.id = ID;
	dis.sector_number = SECTOR;
	dis.nr_sectors = NR;
	memcpy(slot, &dis, sizeof(dis));
	blk_abi_load_req(BLK_ABI_X86_64, slot, &got);
	assert_same_req(&got, &want);

	want = make_indirect();
	ind.operation = BLKIF_OP_INDIRECT;
	ind.indirect_op = BLKIF_OP_READ;
	ind.nr_segments = 1025;
	ind.handle = 0x1234;
	ind.id = ID;
	ind.sector_number = SECTOR;
	memcpy(ind.indirect_grefs, want.indirect_gref, 3 * sizeof(uint32_t));
	memcpy(slot, &ind, sizeof(ind));
	blk_abi_load_req(BLK_ABI_X86_64, slot, &got);
	assert_same_req(&got, &want);

	rsp.id = ID;
	rsp.operation = BLKIF_OP_WRITE;
	rsp.status = BLKIF_RSP_ERROR;
	memcpy(slot, &rsp, sizeof(rsp));
	blk_abi_load_rsp(BLK_ABI_X86_64, slot, &got_rsp);
	ck_assert_uint_eq(got_rsp.id, ID);
	ck_assert_uint_eq(got_rsp.op, BLKIF_OP_WRITE);
	ck_assert_int_eq(got_rsp.status, BLKIF_RSP_ERROR);
}
END_TEST
#endif

START_TEST(indirect_page)
{
	static _Alignas(8) uint8_t page[BLK_PAGE_SIZE];
	static const uint8_t bytes[] = {SEGS_B};
	struct blk_seg seg[2], got[2];

	memcpy(seg, segs, sizeof(seg));
	seg[0].pad = seg[1].pad = 0xa5a5;
	memset(page, 0xee, sizeof(page));
	blk_segs_store(page, seg, 2);
	ck_assert_mem_eq(page, bytes, sizeof(bytes));
	ck_assert_uint_eq(page[sizeof(bytes)], 0xee);
	blk_segs_load(got, page, 2);
	ck_assert_mem_eq(got, segs, sizeof(segs));
}
END_TEST

START_TEST(names)
{
	static const char *const bad[] = {"", "x86_64", "x86_32-abi ",
					  "arm-abi", "X86_64-ABI"};
	enum blk_abi abi = BLK_ABI_X86_32;
	unsigned int i;

	ck_assert_int_eq(blk_abi_parse(NULL, &abi), 0);
	ck_assert_int_eq(abi, BLK_ABI_X86_64);
	ck_assert_int_eq(blk_abi_parse("x86_32-abi", &abi), 0);
	ck_assert_int_eq(abi, BLK_ABI_X86_32);
	ck_assert_str_eq(blk_abi_name(abi), "x86_32-abi");
	ck_assert_int_eq(blk_abi_parse("x86_64-abi", &abi), 0);
	ck_assert_int_eq(abi, BLK_ABI_X86_64);
	ck_assert_str_eq(blk_abi_name(abi), "x86_64-abi");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(blk_abi_parse(bad[i], &abi), -EINVAL);
}
END_TEST

START_TEST(entries)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		enum blk_abi abi = i ? BLK_ABI_X86_32 : BLK_ABI_X86_64;

		ck_assert_uint_eq(blk_ring_entries(abi, 0), 0);
		ck_assert_uint_eq(blk_ring_entries(abi, 1), 32);
		ck_assert_uint_eq(blk_ring_entries(abi, 2), 64);
		ck_assert_uint_eq(blk_ring_entries(abi, 4), 128);
		ck_assert_uint_eq(blk_ring_entries(abi, 8), 256);
		ck_assert_uint_eq(blk_ring_entries(abi, 16), 512);
		ck_assert_uint_eq(blk_ring_entries(abi, 17), 0);
	}
	ck_assert_uint_eq(blk_ring_entries(BLK_ABI_X86_64, 1),
			  __CONST_RING_SIZE(blkif, 4096));
	ck_assert_uint_eq(blk_ring_entries(BLK_ABI_X86_64, 16),
			  __CONST_RING_SIZE(blkif, 65536));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_abi");
	TCase *tc = tcase_create("abi");

	suite_add_tcase(suite, tc);
	tcase_add_test(tc, requests);
	tcase_add_test(tc, segment_counts);
	tcase_add_test(tc, responses);
#ifdef __x86_64__
	tcase_add_test(tc, native_is_xens_struct);
#endif
	tcase_add_test(tc, indirect_page);
	tcase_add_test(tc, names);
	tcase_add_test(tc, entries);
	return run_suite(suite);
}
