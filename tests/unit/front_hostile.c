// SPDX-License-Identifier: MIT
/*
 * libblkfront's queue and a backend that lies, restarts or goes.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/front_fixture.h"

/* ---- a backend that lies ---- */

enum lie {
	GHOST_BEYOND,
	GHOST_HUGE,
	NOT_IN_FLIGHT,
	TWICE,
	WRONG_OP,
	INDIRECT_OP,
	BAD_STATUS,
	POSITIVE_STATUS,
	RUNAWAY,
	BACKWARDS,
	NR_LIES,
};

static void set_rsp_prod(uint32_t prod)
{
	*(volatile uint32_t *)((uint8_t *)q->ring_mem + 8) = prod;
}

static void tell(enum lie lie, const struct blk_req *req)
{
	switch (lie) {
	case GHOST_BEYOND:
		answer(q->nr_slots, BLKIF_OP_READ, BLKIF_RSP_OKAY);
		break;
	case GHOST_HUGE:
		answer(UINT64_MAX - 3, BLKIF_OP_READ, BLKIF_RSP_OKAY);
		break;
	case NOT_IN_FLIGHT:
		answer((req->id + 1) % q->nr_slots + 5, BLKIF_OP_READ,
		       BLKIF_RSP_OKAY);
		break;
	case TWICE:
		answer(req->id, req->op, BLKIF_RSP_OKAY);
		answer(req->id, req->op, BLKIF_RSP_OKAY);
		break;
	case WRONG_OP:
		answer(req->id, BLKIF_OP_WRITE, BLKIF_RSP_OKAY);
		break;
	case INDIRECT_OP:
		answer(req->id, BLKIF_OP_INDIRECT, BLKIF_RSP_OKAY);
		break;
	case BAD_STATUS:
		answer(req->id, req->op, -3);
		break;
	case POSITIVE_STATUS:
		answer(req->id, req->op, 1);
		break;
	case RUNAWAY:
		set_rsp_prod(q->ring.req_prod + 1);
		break;
	case BACKWARDS:
		set_rsp_prod(UINT32_MAX);
		break;
	default:
		break;
	}
}

START_TEST(lies)
{
	uint8_t *buf = blkfront_alloc(q, BLK_PAGE_SIZE);
	struct blkfront_io a = make_io(BLKFRONT_READ, buf, 512, 0);
	struct blkfront_io b = make_io(BLKFRONT_READ, buf, 512, 512);
	struct blk_req req = send(&a);
	int n, total = 0;

	send(&b);
	tell(_i, &req);
	while (atomic_load(&q->nr_in_flight)) {
		n = blkfront_poll(q);
		ck_assert_int_gt(n, 0);
		total += n;
	}
	ck_assert_int_eq(total, 2);
	ck_assert_int_eq(done_count, 2);
	ck_assert_int_eq(last_res, -EIO);
	ck_assert_int_eq(blkfront_status(bf), -EIO);
	ck_assert_int_eq(blkfront_submit(q, &a), -EIO);
	ck_assert_int_eq(blkfront_poll(q), -EIO);
	ck_assert_int_eq(blkfront_wait(q, -1), -EIO);
	ck_assert_ptr_nonnull(strstr(bf->dev.reason.text, "queue 0"));
}
END_TEST

/* Our indices are ours: what the backend writes over them changes nothing. */
START_TEST(scribbled_indices)
{
	uint8_t *buf = blkfront_alloc(q, BLK_PAGE_SIZE);
	struct blkfront_io io = make_io(BLKFRONT_READ, buf, 512, 0);
	volatile uint32_t *head = q->ring_mem;
	struct blk_req req = send(&io);

	head[0] = 0xdeadbeef; /* req_prod */
	answer(req.id, req.op, BLKIF_RSP_OKAY);
	ck_assert_int_eq(blkfront_poll(q), 1);
	ck_assert_int_eq(last_res, 0);
	ck_assert_int_eq(blkfront_submit(q, &io), 0);
	blkfront_kick(q);
	ck_assert_int_eq(head[0], 2);
	finish();
}
END_TEST

/* ---- reconnecting ---- */

START_TEST(replay_in_order)
{
	struct blkfront_io io[7];
	uint8_t *buf = blkfront_alloc(q, 16 * BLK_PAGE_SIZE);
	struct blk_req req;
	unsigned int i;

	for (i = 0; i < 7; i++)
		io[i] = make_io(BLKFRONT_WRITE, buf, 16 * BLK_PAGE_SIZE,
				i * 4096);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(blkfront_submit(q, &io[i]), 0);
	blkfront_kick(q);
	/* Two are answered, not in order; the third answer is never seen. */
	for (i = 0; i < 5; i++) {
		req = take_one();
		if (i == 1 || i == 3)
			answer(req.id, req.op, BLKIF_RSP_OKAY);
	}
	ck_assert_int_eq(blkfront_poll(q), 2);
	blkfront_queue_stop(q);
	ck_assert_int_eq(blkfront_poll(q), 0);
	ck_assert_int_eq(blkfront_submit(q, &io[5]), 0);
	ck_assert_int_eq(blkfront_submit(q, &io[6]), 0);
	ck_assert_int_eq(blkfront_wait(q, 1), 0);
	ck_assert_int_eq(blkfront_queue_connect(q, 1), 0);
	/* The next backend takes less at once. */
	geo.max_segs = BLK_SEGS_PER_REQUEST;
	attach_back();
	blkfront_queue_start(q, &geo);
	ck_assert_int_eq(blk_back_ring_avail(&back), 5);
	for (i = 0; i < 5; i++) {
		static const unsigned int want[] = {0, 2, 4, 5, 6};

		req = take_one();
		ck_assert_int_eq(req.sector_512, want[i] * 8);
		ck_assert_int_eq(req.nr_segs, 11);
		answer(req.id, req.op, BLKIF_RSP_OKAY);
	}
	ck_assert_int_eq(blkfront_poll(q), 0);
	for (i = 0; i < 5; i++) {
		req = take_one();
		ck_assert_int_eq(req.nr_segs, 5);
		answer(req.id, req.op, BLKIF_RSP_OKAY);
	}
	ck_assert_int_eq(blkfront_poll(q), 5);
	ck_assert_int_eq(last_res, 0);
}
END_TEST

START_TEST(gone)
{
	uint8_t *buf = blkfront_alloc(q, BLK_PAGE_SIZE);
	struct blkfront_io a = make_io(BLKFRONT_READ, buf, 512, 0), b = a;
	struct blk_req req = send(&a);

	send(&b);
	/* What was answered before is good. */
	answer(req.id, req.op, BLKIF_RSP_OKAY);
	front_end(&bf->dev, -ENODEV, "gone");
	ck_assert_int_eq(blkfront_wait(q, -1), 1);
	ck_assert_int_eq(last_res, 0);
	ck_assert_int_eq(blkfront_wait(q, -1), 1);
	ck_assert_int_eq(last_res, -ENODEV);
	ck_assert_int_eq(blkfront_poll(q), -ENODEV);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, lies, 0, NR_LIES);
	tcase_add_test(tc, scribbled_indices);
	tcase_add_test(tc, replay_in_order);
	tcase_add_test(tc, gone);
}

int main(void)
{
	return run_for_all_abis("front_hostile", add);
}
