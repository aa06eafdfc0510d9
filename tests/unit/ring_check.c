// SPDX-License-Identifier: MIT
/* The validator, as tables of requests and verdicts. */
#include <check.h>

#include <xen/xen.h>
#include <xen/io/blkif.h>

#include "ring/blk_check.h"
#include "tests/unit/run_suite.h"

#define OK    BLKIF_RSP_OKAY
#define ERR   BLKIF_RSP_ERROR
#define UNSUP BLKIF_RSP_EOPNOTSUPP

#define RD   BLKIF_OP_READ
#define WR   BLKIF_OP_WRITE
#define BAR  BLKIF_OP_WRITE_BARRIER
#define FL   BLKIF_OP_FLUSH_DISKCACHE
#define DISC BLKIF_OP_DISCARD

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* Everything offered, 1 MiB. */
static const struct blk_limits all = {
	.nr_sects_512 = 2048,
	.sector_size = 512,
	.max_indirect_segs = 256,
	.flush = true,
	.barrier = true,
	.discard = true,
	.secure_discard = true,
};
static const struct blk_limits none = {
	.nr_sects_512 = 2048,
	.sector_size = 512,
};
static const struct blk_limits ro = {
	.nr_sects_512 = 2048,
	.sector_size = 512,
	.max_indirect_segs = 256,
	.read_only = true,
	.flush = true,
	.barrier = true,
	.discard = true,
};
static const struct blk_limits big_sectors = {
	.nr_sects_512 = 2048,
	.sector_size = 4096,
	.max_indirect_segs = 32,
	.discard = true,
};
static const struct blk_limits huge = {
	.nr_sects_512 = UINT64_MAX / 512,
	.sector_size = 512,
	.discard = true,
};
static const struct blk_limits empty = {
	.sector_size = 512,
	.flush = true,
	.discard = true,
};

struct header_case {
	const struct blk_limits *lim;
	struct blk_req req;
	int verdict;
};

#define REQ(lim, verdict, ...)               \
	{                                    \
		&lim, {__VA_ARGS__}, verdict \
	}
#define RW(lim, verdict, o, n) REQ(lim, verdict, .op = o, .nr_segs = n)
#define IND(lim, verdict, o, n) \
	REQ(lim, verdict, .op = o, .nr_segs = n, .indirect = true)
#define DISCARD(lim, verdict, first, nr)                   \
	REQ(lim, verdict, .op = DISC, .sector_512 = first, \
	    .discard_nr_sects_512 = nr)

static const struct header_case headers[] = {
	/* number of segments */
	RW(all, ERR, RD, 0),
	RW(all, ERR, WR, 0),
	RW(all, OK, RD, 1),
	RW(all, OK, WR, 11),
	RW(all, ERR, RD, 12),
	RW(all, ERR, WR, 255),
	IND(all, ERR, RD, 0),
	IND(all, OK, RD, 1),
	IND(all, OK, WR, 256),
	IND(all, ERR, WR, 257),
	IND(all, ERR, RD, 65535),
	IND(big_sectors, OK, RD, 32),
	IND(big_sectors, ERR, RD, 33),
	/* indirect, of other operations, and not offered */
	IND(all, ERR, BAR, 1),
	IND(all, ERR, FL, 1),
	IND(all, ERR, DISC, 1),
	IND(all, ERR, BLKIF_OP_INDIRECT, 1),
	IND(all, ERR, 255, 1),
	IND(none, UNSUP, RD, 1),
	IND(none, UNSUP, 77, 0),
	/* flush, barrier */
	RW(all, OK, FL, 0),
	REQ(all, OK, .op = FL, .sector_512 = UINT64_MAX),
	REQ(empty, OK, .op = FL, .sector_512 = 5),
	RW(all, ERR, FL, 1),
	RW(none, UNSUP, FL, 0),
	RW(none, UNSUP, FL, 1),
	RW(all, OK, BAR, 0),
	RW(all, OK, BAR, 11),
	RW(all, ERR, BAR, 12),
	RW(none, UNSUP, BAR, 1),
	RW(none, UNSUP, BAR, 200),
	/* read-only */
	RW(ro, OK, RD, 1),
	RW(ro, ERR, WR, 1),
	RW(ro, ERR, BAR, 1),
	RW(ro, OK, BAR, 0),
	RW(ro, OK, FL, 0),
	IND(ro, OK, RD, 20),
	IND(ro, ERR, WR, 20),
	DISCARD(ro, ERR, 0, 8),
	/* discard */
	DISCARD(none, UNSUP, 0, 8),
	DISCARD(all, OK, 0, 1),
	DISCARD(all, OK, 0, 2048),
	DISCARD(all, OK, 2047, 1),
	DISCARD(all, ERR, 0, 2049),
	DISCARD(all, ERR, 2047, 2),
	DISCARD(all, ERR, 2048, 1),
	DISCARD(all, ERR, 0, 0),
	DISCARD(all, ERR, 1, UINT64_MAX),
	DISCARD(all, ERR, UINT64_MAX, 1),
	DISCARD(all, ERR, UINT64_MAX, UINT64_MAX),
	DISCARD(all, ERR, 1ull << 55, 1),
	DISCARD(all, ERR, 0, 1ull << 55),
	DISCARD(big_sectors, OK, 8, 16),
	DISCARD(big_sectors, ERR, 4, 8),
	DISCARD(big_sectors, ERR, 8, 4),
	DISCARD(huge, OK, 0, UINT64_MAX / 512),
	DISCARD(huge, ERR, 1, UINT64_MAX / 512),
	DISCARD(empty, ERR, 0, 1),
	REQ(all, OK, .op = DISC, .discard_nr_sects_512 = 8, .discard_flag = 1),
	/* not offered: the flag is ignored, as blkif.h says */
	REQ(big_sectors, OK, .op = DISC, .discard_nr_sects_512 = 8,
	    .discard_flag = 1),
	REQ(all, OK, .op = DISC, .discard_nr_sects_512 = 8,
	    .discard_flag = 0xfe),
	/* unknown */
	RW(all, UNSUP, BLKIF_OP_RESERVED_1, 1),
	RW(all, UNSUP, BLKIF_OP_INDIRECT, 1), /* no codec makes this */
	RW(all, UNSUP, 7, 0),
	RW(all, UNSUP, 255, 255),
};

START_TEST(header)
{
	const struct header_case *c = &headers[_i];
	const char *why = "unset";
	int got = blk_check_header(c->lim, &c->req, &why);

	ck_assert_int_eq(got, c->verdict);
	if (got == OK)
		ck_assert_ptr_null(why);
	else
		ck_assert_ptr_nonnull(why);
}
END_TEST

struct segs_case {
	const struct blk_limits *lim;
	uint64_t sector;
	unsigned int nr;
	struct blk_seg seg[3];
	int verdict;
	uint32_t bytes;
};

static const struct segs_case segments[] = {
	{&all, 0, 1, {{1, 0, 0, 0}}, OK, 512},
	{&all, 0, 1, {{1, 7, 7, 0}}, OK, 512},
	{&all, 0, 1, {{1, 0, 7, 0}}, OK, 4096},
	{&all, 0, 1, {{1, 0, 7, 0xffff}}, OK, 4096},
	{&all, 0, 3, {{1, 0, 7, 0}, {1, 3, 4, 0}, {2, 0, 7, 0}}, OK, 9216},
	/* inside the page */
	{&all, 0, 1, {{1, 1, 0, 0}}, ERR, 0},
	{&all, 0, 1, {{1, 7, 6, 0}}, ERR, 0},
	{&all, 0, 1, {{1, 255, 0, 0}}, ERR, 0},
	{&all, 0, 1, {{1, 0, 8, 0}}, ERR, 0},
	{&all, 0, 1, {{1, 8, 8, 0}}, ERR, 0},
	{&all, 0, 1, {{1, 0, 255, 0}}, ERR, 0},
	{&all, 0, 1, {{1, 255, 255, 0}}, ERR, 0},
	{&all, 0, 3, {{1, 0, 7, 0}, {1, 0, 7, 0}, {2, 0, 8, 0}}, ERR, 0},
	/* end of the disk */
	{&all, 2047, 1, {{1, 0, 0, 0}}, OK, 512},
	{&all, 2047, 1, {{1, 0, 1, 0}}, ERR, 0},
	{&all, 2040, 1, {{1, 0, 7, 0}}, OK, 4096},
	{&all, 2041, 1, {{1, 0, 7, 0}}, ERR, 0},
	{&all, 2032, 2, {{1, 0, 7, 0}, {2, 0, 7, 0}}, OK, 8192},
	{&all, 2033, 2, {{1, 0, 7, 0}, {2, 0, 7, 0}}, ERR, 0},
	{&all, 2048, 1, {{1, 0, 0, 0}}, ERR, 0},
	{&all, 1ull << 55, 1, {{1, 0, 0, 0}}, ERR, 0},
	{&all, 1ull << 63, 1, {{1, 0, 0, 0}}, ERR, 0},
	{&all, UINT64_MAX, 1, {{1, 0, 0, 0}}, ERR, 0},
	{&all, UINT64_MAX - 7, 1, {{1, 0, 7, 0}}, ERR, 0},
	{&huge, UINT64_MAX / 512 - 8, 1, {{1, 0, 7, 0}}, OK, 4096},
	{&huge, UINT64_MAX / 512 - 7, 1, {{1, 0, 7, 0}}, ERR, 0},
	{&huge, UINT64_MAX / 512, 1, {{1, 0, 0, 0}}, ERR, 0},
	{&huge, UINT64_MAX, 1, {{1, 0, 0, 0}}, ERR, 0},
	{&empty, 0, 1, {{1, 0, 0, 0}}, ERR, 0},
	/* a barrier without segments names no sectors */
	{&all, UINT64_MAX, 0, {{0}}, OK, 0},
	{&big_sectors, 3, 0, {{0}}, OK, 0},
	/* alignment */
	{&big_sectors, 8, 1, {{1, 0, 7, 0}}, OK, 4096},
	{&big_sectors, 8, 1, {{1, 0, 6, 0}}, ERR, 0},
	{&big_sectors, 8, 1, {{1, 1, 7, 0}}, ERR, 0},
	{&big_sectors, 8, 1, {{1, 0, 0, 0}}, ERR, 0},
	{&big_sectors, 7, 1, {{1, 0, 7, 0}}, ERR, 0},
	{&big_sectors, 4, 1, {{1, 0, 7, 0}}, ERR, 0},
	{&big_sectors, 8, 2, {{1, 0, 7, 0}, {1, 0, 3, 0}}, ERR, 0},
	{&big_sectors, 2040, 1, {{1, 0, 7, 0}}, OK, 4096},
	{&big_sectors, 2048, 1, {{1, 0, 7, 0}}, ERR, 0},
};

START_TEST(segs)
{
	const struct segs_case *c = &segments[_i];
	struct blk_req req = {
		.op = BAR, .sector_512 = c->sector, .nr_segs = c->nr};
	const char *why = "unset";
	uint32_t bytes = 1;

	ck_assert_int_eq(blk_check_segs(c->lim, &req, c->seg, &bytes, &why),
			 c->verdict);
	ck_assert_uint_eq(bytes, c->bytes);
	if (c->verdict == OK)
		ck_assert_ptr_null(why);
	else
		ck_assert_ptr_nonnull(why);
}
END_TEST

/* Every first and last sector, against counting. */
START_TEST(all_first_last)
{
	struct blk_req req = {.op = RD, .nr_segs = 1};
	const char *why;
	uint32_t bytes;
	unsigned int first, last;

	for (first = 0; first < 256; first++) {
		for (last = 0; last < 256; last++) {
			struct blk_seg seg = {1, (uint8_t)first, (uint8_t)last,
					      0};
			int got = blk_check_segs(&all, &req, &seg, &bytes,
						 &why);

			if (first <= last && last < 8) {
				ck_assert_int_eq(got, OK);
				ck_assert_uint_eq(bytes,
						  (last - first + 1) * 512);
			} else {
				ck_assert_int_eq(got, ERR);
			}
		}
	}
}
END_TEST

/* The largest indirect request, and the one that ends with the disk. */
START_TEST(many)
{
	struct blk_req req = {
		.op = WR, .indirect = true, .nr_segs = BLK_MAX_INDIRECT_SEGS};
	struct blk_seg seg[BLK_MAX_INDIRECT_SEGS];
	const char *why;
	uint32_t bytes;
	unsigned int i;

	for (i = 0; i < BLK_MAX_INDIRECT_SEGS; i++)
		seg[i] = (struct blk_seg){i, 0, 7, 0};
	ck_assert_int_eq(blk_check_header(&all, &req, &why), OK);
	ck_assert_int_eq(blk_check_segs(&all, &req, seg, &bytes, &why), OK);
	ck_assert_uint_eq(bytes, 1 << 20);
	req.sector_512 = 1;
	ck_assert_int_eq(blk_check_segs(&all, &req, seg, &bytes, &why), ERR);
	seg[255].last_sect = 6;
	ck_assert_int_eq(blk_check_segs(&all, &req, seg, &bytes, &why), OK);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_check");
	TCase *tc = tcase_create("check");

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, header, 0, COUNT(headers));
	tcase_add_loop_test(tc, segs, 0, COUNT(segments));
	tcase_add_test(tc, all_first_last);
	tcase_add_test(tc, many);
	return run_suite(suite);
}
