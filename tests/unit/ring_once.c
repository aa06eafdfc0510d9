// SPDX-License-Identifier: MIT
/*
 * Every word of a shared ring is loaded at most once: the ring is compiled
 * here over the double of ring/barrier.h.
 */
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tests/unit/hostile_barrier.h"
#include "tests/unit/run_suite.h"

#include "ring/blk_abi.c"
#include "ring/blk_ring.c"

/* Any bytes as a request: what is read is what a calm peer's copy gives. */
START_TEST(request)
{
	enum blk_abi abi = _i ? BLK_ABI_X86_32 : BLK_ABI_X86_64;
	struct blk_back_ring back;
	struct blk_req calm, got;
	unsigned int round;

	for (round = 0; round < 4000; round++) {
		fill_random();
		ck_assert_int_eq(
			blk_back_ring_init(&back, page, 1, abi, round, round),
			0);
		page[64 + round % 32 * blk_abi_slot_size(abi)] =
			(uint8_t)(round / 32 % 9);
		memset(&calm, 0, sizeof(calm));
		memset(&got, 0, sizeof(got));
		blk_back_ring_get(&back, &calm);
		back.req_cons--;
		start_hostile();
		blk_back_ring_get(&back, &got);
		ck_assert_uint_ge(stop_hostile(), 5);
		ck_assert_mem_eq(&got, &calm, sizeof(got));
	}
}
END_TEST

START_TEST(response)
{
	enum blk_abi abi = _i ? BLK_ABI_X86_32 : BLK_ABI_X86_64;
	struct blk_front_ring front;
	struct blk_rsp calm, got;
	unsigned int round;

	for (round = 0; round < 1000; round++) {
		ck_assert_int_eq(blk_front_ring_init(&front, page, 1, abi), 0);
		fill_random();
		front.rsp_cons = round;
		memset(&calm, 0, sizeof(calm));
		memset(&got, 0, sizeof(got));
		blk_front_ring_get(&front, &calm);
		front.rsp_cons--;
		start_hostile();
		blk_front_ring_get(&front, &got);
		ck_assert_uint_ge(stop_hostile(), 3);
		ck_assert_mem_eq(&got, &calm, sizeof(got));
	}
}
END_TEST

/* Producers are loaded once a look, our own indices never. */
START_TEST(indices)
{
	struct blk_front_ring front;
	struct blk_back_ring back;
	struct ring_head *head = (struct ring_head *)page;
	struct blk_req req = {.op = BLKIF_OP_FLUSH_DISKCACHE};
	struct blk_rsp rsp = {.op = BLKIF_OP_FLUSH_DISKCACHE};

	blk_front_ring_init(&front, page, 1, BLK_ABI_X86_64);
	blk_back_ring_init(&back, page, 1, BLK_ABI_X86_64, 0, 0);
	blk_front_ring_put(&front, &req);
	start_hostile();
	ck_assert(blk_front_ring_publish(&front));
	ck_assert_uint_eq(stop_hostile(), 1); /* req_event */
	ck_assert_uint_eq(head->req_prod, 1);

	start_hostile();
	ck_assert_int_eq(blk_back_ring_avail(&back), 1);
	ck_assert_uint_eq(stop_hostile(), 1); /* req_prod */

	/* Our indices in the page, scribbled upon, mean nothing to us. */
	blk_back_ring_get(&back, &req);
	blk_back_ring_put(&back, &rsp);
	head->rsp_prod = 0xdeadbeef;
	start_hostile();
	blk_back_ring_publish(&back);
	ck_assert_uint_eq(stop_hostile(), 1); /* rsp_event */
	ck_assert_uint_eq(head->rsp_prod, 1);
	head->req_prod = 0xdeadbeef;
	start_hostile();
	ck_assert_int_eq(blk_front_ring_avail(&front), 1);
	ck_assert_uint_eq(stop_hostile(), 1); /* rsp_prod */
	ck_assert_uint_eq(blk_front_ring_free(&front), 31);
}
END_TEST

/*
 * The races that notifications are made for, each at its worst moment: the
 * peer acts between the two halves of arm and of publish.
 */
static struct blk_front_ring race_front;
static struct blk_back_ring race_back;

static void peer_sends(void)
{
	struct blk_req req = {.op = BLKIF_OP_FLUSH_DISKCACHE};

	blk_front_ring_put(&race_front, &req);
	blk_front_ring_publish(&race_front);
}

static void peer_answers(void)
{
	struct blk_rsp rsp = {.op = BLKIF_OP_FLUSH_DISKCACHE};

	blk_back_ring_put(&race_back, &rsp);
	blk_back_ring_publish(&race_back);
}

/* The peer looks for the last time before it sleeps: it has to find what was
 * published, or else its wish to be notified has to be found. */
static bool peer_sleeps;

static void back_goes_to_sleep(void)
{
	peer_sleeps = !blk_back_ring_arm(&race_back);
}

static void front_goes_to_sleep(void)
{
	peer_sleeps = !blk_front_ring_arm(&race_front);
}

START_TEST(races)
{
	struct blk_req req = {.op = BLKIF_OP_FLUSH_DISKCACHE};
	struct blk_rsp rsp;

	blk_front_ring_init(&race_front, page, 1, BLK_ABI_X86_64);
	blk_back_ring_init(&race_back, page, 1, BLK_ABI_X86_64, 0, 0);
	ck_assert(!blk_back_ring_arm(&race_back));
	at_barrier = peer_sends;
	ck_assert(blk_back_ring_arm(&race_back));
	blk_back_ring_get(&race_back, &req);

	ck_assert(!blk_front_ring_arm(&race_front));
	at_barrier = peer_answers;
	ck_assert(blk_front_ring_arm(&race_front));

	blk_front_ring_put(&race_front, &req);
	at_barrier = back_goes_to_sleep;
	peer_sleeps = true;
	ck_assert(blk_front_ring_publish(&race_front) || !peer_sleeps);
	ck_assert_int_eq(blk_back_ring_avail(&race_back), 1);
	blk_back_ring_get(&race_back, &req);

	while (blk_front_ring_avail(&race_front))
		blk_front_ring_get(&race_front, &rsp);
	blk_back_ring_put(&race_back, &rsp);
	at_barrier = front_goes_to_sleep;
	peer_sleeps = true;
	ck_assert(blk_back_ring_publish(&race_back) || !peer_sleeps);
	ck_assert_int_eq(blk_front_ring_avail(&race_front), 1);
}
END_TEST

START_TEST(indirect_page)
{
	struct blk_seg calm[BLK_SEGS_PER_INDIRECT_PAGE];
	struct blk_seg got[BLK_SEGS_PER_INDIRECT_PAGE];

	fill_random();
	blk_segs_load(calm, page, BLK_SEGS_PER_INDIRECT_PAGE);
	start_hostile();
	blk_segs_load(got, page, BLK_SEGS_PER_INDIRECT_PAGE);
	ck_assert_uint_eq(stop_hostile(), 1024);
	ck_assert_mem_eq(got, calm, sizeof(got));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_once");
	TCase *tc = tcase_create("once");

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, request, 0, 2);
	tcase_add_loop_test(tc, response, 0, 2);
	tcase_add_test(tc, indices);
	tcase_add_test(tc, races);
	tcase_add_test(tc, indirect_page);
	return run_suite(suite);
}
