// SPDX-License-Identifier: MIT
/* How long to poll: learnt from sleeps, bounded, and not where others want the
 * CPU. */
#include <check.h>

#include "backend/poll_window.h"
#include "tests/unit/run_suite.h"

#define US 1000u
#define MS 1000000u

static struct poll_window w;
static uint64_t now;

static void setup(void)
{
	w = (struct poll_window){0};
	now = 1000ull * MS;
	poll_window_limit(&w, 200 * US);
}

static void sleeps(unsigned int nr, uint64_t ns)
{
	while (nr--) {
		now += ns;
		poll_window_slept(&w, now, ns);
	}
}

START_TEST(begins_without)
{
	ck_assert_uint_eq(w.ns, 0);
}
END_TEST

START_TEST(short_sleeps_are_polled_away)
{
	sleeps(1, 60 * US);
	ck_assert_uint_gt(w.ns, 0);
	sleeps(10, 60 * US);
	ck_assert_uint_eq(w.ns, 200 * US);
}
END_TEST

/* A thousand requests a second, and fewer: not worth it. */
START_TEST(long_sleeps_are_slept)
{
	sleeps(10, 60 * US);
	sleeps(7, MS);
	ck_assert_uint_eq(w.ns, 0);
	sleeps(1000, 800 * US);
	ck_assert_uint_eq(w.ns, 0);
}
END_TEST

START_TEST(the_bound_may_change)
{
	sleeps(10, 60 * US);
	poll_window_limit(&w, 50 * US);
	ck_assert_uint_eq(w.ns, 50 * US);
	sleeps(3, 40 * US);
	ck_assert_uint_eq(w.ns, 50 * US);
	poll_window_limit(&w, 0);
	ck_assert_uint_eq(w.ns, 0);
	sleeps(10, US);
	ck_assert_uint_eq(w.ns, 0);
	poll_window_limit(&w, 10000 * US);
	sleeps(20, 60 * US);
	ck_assert_uint_eq(w.ns, 10000 * US);
}
END_TEST

/* A switch a time slice, as of somebody who computes on the same CPU. */
START_TEST(a_shared_cpu)
{
	uint64_t switches = 7;

	sleeps(10, 60 * US);
	while (!w.crowded) {
		ck_assert_uint_lt(now, 2000ull * MS);
		now += 4 * MS;
		poll_window_switches(&w, now, switches++);
	}
	ck_assert_uint_eq(w.ns, 0);
	sleeps(10, 60 * US); /* not yet */
	ck_assert_uint_eq(w.ns, 0);
	now += 50 * MS;
	sleeps(10, 60 * US); /* tried again */
	ck_assert_uint_eq(w.ns, 200 * US);
	ck_assert_uint_eq(w.crowded, 1);
}
END_TEST

/* Now and then somebody has to run, a kernel thread for example. */
START_TEST(few_switches)
{
	uint64_t switches = 0;
	unsigned int i;

	sleeps(10, 60 * US);
	for (i = 0; i < 1000; i++) {
		now += MS;
		switches += i % 10 == 0;
		poll_window_switches(&w, now, switches);
	}
	ck_assert_uint_eq(w.ns, 200 * US);
	ck_assert_uint_eq(w.crowded, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("poll_window");
	TCase *tc = tcase_create("poll_window");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, begins_without);
	tcase_add_test(tc, short_sleeps_are_polled_away);
	tcase_add_test(tc, long_sleeps_are_slept);
	tcase_add_test(tc, the_bound_may_change);
	tcase_add_test(tc, a_shared_cpu);
	tcase_add_test(tc, few_switches);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
