// SPDX-License-Identifier: MIT
/*
 * The journal after a worker that stopped between any two stores: what is owed
 * is exactly what the frontend waits for.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend/blk_journal.h"
#include "backend/blk_stats.h"
#include "tests/unit/run_suite.h"

#define SLOTS 32u

static struct blk_journal j;
static int fd = -1;

static void setup(void)
{
	fd = blk_journal_create(2, SLOTS);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(blk_journal_map(&j, fd, 1, SLOTS), 0);
}

static void teardown(void)
{
	blk_journal_unmap(&j);
	close(fd);
}

static void take(uint32_t slot, uint32_t idx)
{
	j.slot[slot].req_idx = idx;
	atomic_store(&j.slot[slot].state, BLK_SLOT_TAKEN);
}

START_TEST(a_zeroed_journal_is_refused)
{
	ck_assert_int_eq(blk_journal_check(&j), -EUCLEAN);
}
END_TEST

START_TEST(a_fresh_one_owes_nothing)
{
	/* _i walks the indices over the wrap */
	blk_journal_start(&j, UINT32_MAX - 2 + (uint32_t)_i,
			  UINT32_MAX - 2 + (uint32_t)_i);
	ck_assert_int_eq(blk_journal_check(&j), 0);
}
END_TEST

/* One request's life, stopped after each store in turn. */
START_TEST(each_point_of_a_life)
{
	const uint32_t base = UINT32_MAX; /* wraps with the first step */
	struct blk_slot *s = &j.slot[7];
	int stop_after = _i, step = 0;
	bool owed = false;

	blk_journal_start(&j, base, base);
	do {
		take(7, base);
		if (step++ == stop_after)
			break; /* not stepped over: still in the ring */
		atomic_store(&j.head->req_cons, base + 1);
		owed = true;
		if (step++ == stop_after)
			break;
		s->status = 0;
		atomic_store(&s->put, 0);
		atomic_store(&s->state, BLK_SLOT_DONE);
		if (step++ == stop_after)
			break;
		s->rsp_idx = base;
		if (step++ == stop_after)
			break;
		atomic_store(&s->put, 1);
		if (step++ == stop_after)
			break;
		atomic_store(&j.head->rsp_prod, base + 1);
		owed = false;
		if (step++ == stop_after)
			break;
		atomic_store(&s->state, BLK_SLOT_FREE);
	} while (0);
	ck_assert_int_eq(blk_slot_is_owed(&j, s), owed);
	ck_assert_int_eq(blk_journal_check(&j), 0);
}
END_TEST

static const struct {
	const char *what;
	uint32_t cons, prod, state, req_idx;
} lies[] = {
	{"more in flight than slots", 100, 100 - SLOTS - 1, BLK_SLOT_FREE, 0},
	{"responses ahead of requests", 100, 101, BLK_SLOT_FREE, 0},
	{"in flight, but no slot", 101, 100, BLK_SLOT_FREE, 0},
	{"a slot too many", 100, 100, BLK_SLOT_TAKEN, 99},
	{"a state that is none", 100, 100, 17, 0},
};

START_TEST(lies_are_refused)
{
	blk_journal_start(&j, lies[_i].cons, lies[_i].prod);
	j.slot[0].req_idx = lies[_i].req_idx;
	atomic_store(&j.slot[0].state, lies[_i].state);
	ck_assert_msg(blk_journal_check(&j) == -EUCLEAN, "%s", lies[_i].what);
}
END_TEST

/* One that hangs while others go on: their indices come all round. */
START_TEST(a_request_that_many_have_passed_is_owed)
{
	static const uint32_t passed[] = {1, SLOTS, INT32_MAX, 1u << 31,
					  UINT32_MAX - SLOTS};

	blk_journal_start(&j, 7 + passed[_i], 7 + passed[_i] - 1);
	take(3, 7);
	ck_assert(blk_slot_is_owed(&j, &j.slot[3]));
	ck_assert_int_eq(blk_journal_check(&j), 0);
}
END_TEST

START_TEST(other_size_is_refused)
{
	blk_journal_start(&j, 5, 5);
	j.head->nr_slots = SLOTS * 2;
	ck_assert_int_eq(blk_journal_check(&j), -EUCLEAN);
}
END_TEST

START_TEST(histogram_bounds_hold_their_values)
{
	uint64_t ns;

	for (ns = 0; ns < 100000000; ns += 1 + ns / 7) {
		unsigned int b = blk_hist_bucket(ns);

		ck_assert_uint_le(ns, blk_hist_bound(b));
		if (b)
			ck_assert_uint_gt(ns, blk_hist_bound(b - 1));
	}
	ck_assert_uint_eq(blk_hist_bucket(UINT64_MAX), BLK_HIST_BUCKETS - 1);
}
END_TEST

START_TEST(quantiles)
{
	struct blk_disk_stats *s = calloc(1, sizeof(*s));
	unsigned int i;

	ck_assert_uint_eq(blk_hist_quantile(s, BLK_MAX_QUEUES, 0.5), 0);
	for (i = 1; i <= 1000; i++)
		counter_add(
			&s->queue[i % 2].latency_ns[blk_hist_bucket(i * 1000)],
			1);
	/* within a sub-bucket, an eighth, of the true value */
	ck_assert_uint_ge(blk_hist_quantile(s, 2, 0.5), 500000);
	ck_assert_uint_le(blk_hist_quantile(s, 2, 0.5), 500000 * 9 / 8);
	ck_assert_uint_ge(blk_hist_quantile(s, 2, 1.0), 1000000);
	free(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("blk_journal");
	TCase *t = tcase_create("journal"), *h = tcase_create("histogram");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_zeroed_journal_is_refused);
	tcase_add_loop_test(t, a_fresh_one_owes_nothing, 0, 6);
	tcase_add_loop_test(t, each_point_of_a_life, 0, 7);
	tcase_add_loop_test(t, lies_are_refused, 0,
			    (int)(sizeof(lies) / sizeof(lies[0])));
	tcase_add_loop_test(t, a_request_that_many_have_passed_is_owed, 0, 5);
	tcase_add_test(t, other_size_is_refused);
	tcase_add_test(h, histogram_bounds_hold_their_values);
	tcase_add_test(h, quantiles);
	suite_add_tcase(suite, t);
	suite_add_tcase(suite, h);
	return run_suite(suite);
}
