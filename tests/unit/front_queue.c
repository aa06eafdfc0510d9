// SPDX-License-Identifier: MIT
/*
 * libblkfront's queue: how requests are encoded, what is refused, a full ring,
 * and notifications in both directions exactly as asked for.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/spin.h"
#include "tests/unit/front_fixture.h"

/* ---- encoding ---- */

START_TEST(direct_request)
{
	uint8_t *buf = blkfront_alloc(q, 8 * BLK_PAGE_SIZE);
	struct blkfront_io io = make_io(BLKFRONT_WRITE, buf + 512,
					2 * BLK_PAGE_SIZE, 4096);
	struct blk_req req;

	memset(buf, 0xab, 8 * BLK_PAGE_SIZE);
	req = send(&io);
	ck_assert_int_eq(req.op, BLKIF_OP_WRITE);
	ck_assert(!req.indirect);
	ck_assert_int_eq(req.sector_512, 8);
	ck_assert_int_eq(req.nr_segs, 3);
	ck_assert_int_eq(req.seg[0].first_sect, 1);
	ck_assert_int_eq(req.seg[0].last_sect, 7);
	ck_assert_int_eq(req.seg[1].first_sect, 0);
	ck_assert_int_eq(req.seg[1].last_sect, 7);
	ck_assert_int_eq(req.seg[2].first_sect, 0);
	ck_assert_int_eq(req.seg[2].last_sect, 0);
	ck_assert_int_eq(*(uint8_t *)fake_frame(req.seg[2].gref), 0xab);
	ck_assert_int_eq(blkfront_poll(q), 0);
	answer(req.id, req.op, BLKIF_RSP_OKAY);
	ck_assert_int_eq(blkfront_poll(q), 1);
	ck_assert_int_eq(last_res, 0);
	ck_assert_int_eq(q->stats.bytes_written, 2 * BLK_PAGE_SIZE);
	blkfront_free(q, buf, 8 * BLK_PAGE_SIZE);
}
END_TEST

static void indirect_one(uint8_t answer_op)
{
	uint8_t *buf = blkfront_alloc(q, MAX_IO);
	struct blkfront_io io = make_io(BLKFRONT_READ, buf, MAX_IO, 0);
	struct blk_req req = send(&io);
	const struct blk_seg *segs;
	unsigned int i;

	ck_assert(req.indirect);
	ck_assert_int_eq(req.op, BLKIF_OP_READ);
	ck_assert_int_eq(req.nr_segs, MAX_SEGS);
	segs = fake_frame(req.indirect_gref[0]);
	for (i = 0; i < MAX_SEGS; i++) {
		ck_assert_int_eq(segs[i].first_sect, 0);
		ck_assert_int_eq(segs[i].last_sect, 7);
		ck_assert_int_eq(segs[i].pad, 0);
		*(uint32_t *)fake_frame(segs[i].gref) = i + 1;
	}
	answer(req.id, answer_op, BLKIF_RSP_OKAY);
	ck_assert_int_eq(blkfront_poll(q), 1);
	ck_assert_int_eq(last_res, 0);
	for (i = 0; i < MAX_SEGS; i++)
		ck_assert_int_eq(*(uint32_t *)(buf + i * BLK_PAGE_SIZE), i + 1);
	blkfront_free(q, buf, MAX_IO);
}

START_TEST(indirect_request)
{
	indirect_one(BLKIF_OP_READ);
	indirect_one(BLKIF_OP_INDIRECT);
	/* The page of the first one was used again. */
	ck_assert_int_eq(q->nr_indirect_pools, 1);
}
END_TEST

/* A buffer across one page more than a ring request has segments. */
START_TEST(request_in_two_parts)
{
	uint8_t *buf = blkfront_alloc(q, MAX_IO + BLK_PAGE_SIZE);
	struct blkfront_io io = make_io(BLKFRONT_READ, buf + 1024, MAX_IO, 0);
	struct blk_req req = send(&io);

	ck_assert_int_eq(req.nr_segs, MAX_SEGS);
	answer(req.id, req.op, BLKIF_RSP_OKAY);
	ck_assert_int_eq(blkfront_poll(q), 0);
	req = take_one();
	ck_assert_int_eq(req.nr_segs, 1);
	ck_assert_int_eq(req.sector_512, MAX_IO / 512 - 2);
	ck_assert_int_eq(req.seg[0].last_sect, 1);
	answer(req.id, req.op, BLKIF_RSP_OKAY);
	ck_assert_int_eq(blkfront_poll(q), 1);
	ck_assert_int_eq(last_res, 0);
	ck_assert_int_eq(q->stats.bytes_read, MAX_IO);
	blkfront_free(q, buf, MAX_IO + BLK_PAGE_SIZE);
}
END_TEST

START_TEST(other_operations)
{
	struct blkfront_io io = make_io(BLKFRONT_FLUSH, NULL, 0, 0);
	struct blk_req req = send(&io);

	ck_assert_int_eq(req.op, BLKIF_OP_FLUSH_DISKCACHE);
	ck_assert_int_eq(req.nr_segs, 0);
	/* Offered, not known: a barrier takes its place. */
	answer(req.id, req.op, BLKIF_RSP_EOPNOTSUPP);
	ck_assert_int_eq(blkfront_poll(q), 1);
	ck_assert_int_eq(last_res, -EOPNOTSUPP);
	req = send(&io);
	ck_assert_int_eq(req.op, BLKIF_OP_WRITE_BARRIER);
	ck_assert_int_eq(req.nr_segs, 0);
	answer(req.id, req.op, BLKIF_RSP_EOPNOTSUPP);
	ck_assert_int_eq(blkfront_poll(q), 1);
	ck_assert_int_eq(blkfront_submit(q, &io), -EOPNOTSUPP);

	io = make_io(BLKFRONT_DISCARD, NULL, DISK - 512, 512);
	req = send(&io);
	ck_assert_int_eq(req.op, BLKIF_OP_DISCARD);
	ck_assert_int_eq(req.sector_512, 1);
	ck_assert_int_eq(req.discard_nr_sects_512, DISK / 512 - 1);
	answer(req.id, req.op, BLKIF_RSP_ERROR);
	ck_assert_int_eq(blkfront_poll(q), 1);
	ck_assert_int_eq(last_res, -EIO);
	ck_assert_int_eq(blkfront_status(bf), 0);
}
END_TEST

START_TEST(refused)
{
	uint8_t *buf = blkfront_alloc(q, MAX_IO + 2 * BLK_PAGE_SIZE);
	static uint8_t foreign[BLK_PAGE_SIZE] __attribute__((aligned(4096)));
	const struct {
		enum blkfront_op op;
		void *buf;
		uint64_t len, offset;
		int err;
	} c[] = {
		{BLKFRONT_READ, buf, 0, 0, -EINVAL},
		{BLKFRONT_READ, buf, 100, 0, -EINVAL},
		{BLKFRONT_READ, buf, 512, 100, -EINVAL},
		{BLKFRONT_READ, buf + 1, 512, 0, -EINVAL},
		{BLKFRONT_READ, foreign, 512, 0, -EINVAL},
		{BLKFRONT_READ, buf - BLK_PAGE_SIZE, 512, 0, -EINVAL},
		{BLKFRONT_READ, buf, 512, DISK, -EINVAL},
		{BLKFRONT_READ, buf, 1024, DISK - 512, -EINVAL},
		{BLKFRONT_READ, buf, 512, UINT64_MAX - 511, -EINVAL},
		{BLKFRONT_READ, buf, MAX_IO + 512, 0, -EMSGSIZE},
		{BLKFRONT_WRITE_BARRIER, buf, 12 * 4096, 0, -EMSGSIZE},
		{BLKFRONT_WRITE_BARRIER, buf + 512, 11 * 4096, 0, -EMSGSIZE},
		{BLKFRONT_DISCARD, NULL, 0, 0, -EINVAL},
		{BLKFRONT_DISCARD, NULL, UINT64_MAX - 511, 512, -EINVAL},
		{(enum blkfront_op)9, buf, 512, 0, -EINVAL},
	};
	unsigned int i;

	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct blkfront_io io = make_io(c[i].op, c[i].buf, c[i].len,
						c[i].offset);

		ck_assert_msg(blkfront_submit(q, &io) == c[i].err, "case %u",
			      i);
	}
	ck_assert_int_eq(blk_back_ring_avail(&back), 0);
	blkfront_free(q, buf, MAX_IO + 2 * BLK_PAGE_SIZE);
}
END_TEST

START_TEST(refused_by_geometry)
{
	uint8_t *buf = blkfront_alloc(q, BLK_PAGE_SIZE);
	struct blkfront_io io = make_io(BLKFRONT_WRITE, buf, 512, 0);

	geo.read_only = true;
	geo.flush = geo.barrier = geo.discard = false;
	blkfront_queue_start(q, &geo);
	ck_assert_int_eq(blkfront_submit(q, &io), -EROFS);
	io.op = BLKFRONT_FLUSH;
	ck_assert_int_eq(blkfront_submit(q, &io), -EOPNOTSUPP);
	io.op = BLKFRONT_WRITE_BARRIER;
	ck_assert_int_eq(blkfront_submit(q, &io), -EOPNOTSUPP);
	io.op = BLKFRONT_DISCARD;
	ck_assert_int_eq(blkfront_submit(q, &io), -EOPNOTSUPP);
	geo.sector_size = 4096;
	blkfront_queue_start(q, &geo);
	io.op = BLKFRONT_READ;
	ck_assert_int_eq(blkfront_submit(q, &io), -EINVAL);
	io.len = 4096;
	ck_assert_int_eq(blkfront_submit(q, &io), 0);
	blkfront_queue_resize(q, 8);
	ck_assert_int_eq(blkfront_submit(q, &io), 0);
	blkfront_queue_resize(q, 7);
	ck_assert_int_eq(blkfront_submit(q, &io), -EINVAL);
	finish();
}
END_TEST

/* ---- ring and events ---- */

START_TEST(ring_full)
{
	uint32_t nr = q->nr_slots, i;
	uint8_t *buf = blkfront_alloc(q, BLK_PAGE_SIZE);
	struct blkfront_io *io = calloc(nr + 1, sizeof(*io));
	struct blk_req req;

	for (i = 0; i <= nr; i++)
		io[i] = make_io(BLKFRONT_READ, buf, 512, 0);
	for (i = 0; i < nr; i++)
		ck_assert_int_eq(blkfront_submit(q, &io[i]), 0);
	ck_assert_int_eq(blkfront_submit(q, &io[nr]), -EAGAIN);
	blkfront_kick(q);
	ck_assert_int_eq(blk_back_ring_avail(&back), nr);
	req = take_one();
	answer(req.id, req.op, BLKIF_RSP_OKAY);
	ck_assert_int_eq(blkfront_submit(q, &io[nr]), -EAGAIN);
	ck_assert_int_eq(blkfront_poll(q), 1);
	ck_assert_int_eq(blkfront_submit(q, &io[nr]), 0);
	blkfront_kick(q);
	for (i = 0; i < nr; i++) {
		req = take_one();
		answer(req.id, req.op, BLKIF_RSP_OKAY);
	}
	ck_assert_int_eq(blkfront_poll(q), nr);
	ck_assert_int_eq(done_count, nr + 1);
	free(io);
}
END_TEST

START_TEST(notify_when_asked)
{
	uint8_t *buf = blkfront_alloc(q, BLK_PAGE_SIZE);
	struct blkfront_io a = make_io(BLKFRONT_READ, buf, 512, 0), b = a;

	/* A new ring asks for the first request, and for no other until the
	 * backend asks again. */
	send(&a);
	ck_assert_int_eq(notifies, 1);
	blkfront_kick(q);
	ck_assert_int_eq(notifies, 1);
	send(&b);
	ck_assert_int_eq(notifies, 1);
	ck_assert_int_eq(q->stats.kicks_suppressed, 1);
	ck_assert(!blk_back_ring_arm(&back));
	a = make_io(BLKFRONT_READ, buf, 512, 0);
	send(&a);
	ck_assert_int_eq(notifies, 2);
	finish();
}
END_TEST

START_TEST(event_when_armed)
{
	uint8_t *buf = blkfront_alloc(q, BLK_PAGE_SIZE);
	struct blkfront_io io = make_io(BLKFRONT_READ, buf, 512, 0);
	struct pollfd fd = {.fd = blkfront_fd(q), .events = POLLIN};
	struct blk_req req = send(&io);

	ck_assert(!blkfront_arm(q));
	ck_assert_int_eq(poll(&fd, 1, 0), 0);
	answer(req.id, req.op, BLKIF_RSP_OKAY);
	ck_assert_int_eq(poll(&fd, 1, 0), 1);
	ck_assert(blkfront_arm(q));
	ck_assert_int_eq(poll(&fd, 1, 0), 0);
	ck_assert_int_eq(blkfront_poll(q), 1);
	/* Answered, but not asked for: no event. */
	req = send(&io);
	answer(req.id, req.op, BLKIF_RSP_OKAY);
	ck_assert_int_eq(poll(&fd, 1, 0), 0);
	ck_assert(blkfront_arm(q));
	ck_assert_int_eq(blkfront_wait(q, -1), 1);
	/* Nothing in flight: no sleep. */
	ck_assert_int_eq(blkfront_wait(q, -1), 0);
	req = send(&io);
	ck_assert_int_eq(blkfront_wait(q, 1), 0);
	answer(req.id, req.op, BLKIF_RSP_OKAY);
	ck_assert_int_eq(blkfront_wait(q, -1), 1);
}
END_TEST

START_TEST(spins_as_long_as_it_pays)
{
	uint32_t us = 0;
	int i;

	us = spin_after_sleep(us, 50, 49);
	ck_assert_uint_gt(us, 0);
	for (i = 0; i < 10; i++)
		us = spin_after_sleep(us, 50, 49);
	ck_assert_uint_eq(us, 50);
	us = spin_after_sleep(us, 50, 50);
	ck_assert_uint_eq(us, 25);
	for (i = 0; i < 10; i++)
		us = spin_after_sleep(us, 50, 1000);
	ck_assert_uint_eq(us, 0);
	/* never, where it is not wanted */
	ck_assert_uint_eq(spin_after_sleep(0, 0, 0), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, direct_request);
	tcase_add_test(tc, indirect_request);
	tcase_add_test(tc, request_in_two_parts);
	tcase_add_test(tc, other_operations);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, refused_by_geometry);
	tcase_add_test(tc, ring_full);
	tcase_add_test(tc, notify_when_asked);
	tcase_add_test(tc, event_when_armed);
	tcase_add_test(tc, spins_as_long_as_it_pays);
}

int main(void)
{
	return run_for_all_abis("front_queue", add);
}
