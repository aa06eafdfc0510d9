// SPDX-License-Identifier: MIT
/* Where a data thread runs: decided by what each place gives, and the move
 * itself. */
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "backend/placement.h"
#include "backend/thread_cpu.h"
#include "tests/unit/run_suite.h"

#define US 1000u
#define MS 1000000u

static struct placement p;
static uint64_t now;
/* requests a ms, apart and together */
static uint32_t apart, together;
static enum placement_move last;
static unsigned int nr_moves;
static int peer;

static void setup(void)
{
	placement_init(&p);
	now = 1000ull * MS;
	last = PLACEMENT_STAY;
	nr_moves = 0;
	peer = 1;
}

static void turn(uint64_t ns, uint64_t slept, uint32_t done, bool polls)
{
	const struct placement_look look = {
		.now_ns = now += ns,
		.slept_ns = slept,
		.done = done,
		.peer_cpu = slept ? peer : -1,
		.polls = polls,
	};
	enum placement_move m = placement_turn(&p, &look);

	if (m == PLACEMENT_STAY)
		return;
	last = m;
	nr_moves++;
	ck_assert_int_eq(m == PLACEMENT_JOIN, p.together);
}

/* Much to do, in turns of 100 us, with a short sleep in each. */
static void load(unsigned int ms)
{
	uint64_t end = now + (uint64_t)ms * MS;

	while (now < end)
		turn(100 * US, 5 * US, (p.together ? together : apart) / 10,
		     !p.together);
}

static void quiet(unsigned int nr, bool polls)
{
	while (nr--)
		turn(MS, MS, 1, polls);
}

START_TEST(little_to_do_joins)
{
	quiet(20, false);
	ck_assert(p.together);
	ck_assert_int_eq(last, PLACEMENT_JOIN);
	ck_assert_int_eq(p.cpu, 1);
	quiet(1000, false);
	ck_assert_uint_eq(nr_moves, 1);
}
END_TEST

/* While it pays to look for work, no sleep is to be made cheaper. */
START_TEST(little_to_do_and_polling)
{
	quiet(1000, true);
	ck_assert_uint_eq(nr_moves, 0);
}
END_TEST

START_TEST(nobody_knows_where_the_peer_is)
{
	peer = -1;
	apart = together = 100;
	quiet(100, false);
	load(3000);
	ck_assert_uint_eq(nr_moves, 0);
}
END_TEST

START_TEST(the_peer_moves)
{
	quiet(20, false);
	peer = 3;
	quiet(20, false);
	ck_assert(p.together);
	ck_assert_int_eq(p.cpu, 3);
	ck_assert_uint_eq(nr_moves, 2);
}
END_TEST

/* Events from here and there by turns: where is there? */
START_TEST(a_peer_on_many_cpus)
{
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		peer = i % 4;
		quiet(1, false);
	}
	ck_assert_uint_eq(nr_moves, 0);
}
END_TEST

START_TEST(two_cpus_do_more)
{
	apart = 1000;
	together = 120;
	load(5000);
	ck_assert(!p.together);
	ck_assert_int_eq(last, PLACEMENT_PART);
	/* tried again and again, less and less often: 10, 50, 210 and 850 ms,
	 * then each 2 s or more */
	ck_assert_uint_le(nr_moves, 7 * 4);
	ck_assert_uint_ge(nr_moves, 4 * 4);
}
END_TEST

START_TEST(two_cpus_do_no_more)
{
	apart = 500;
	together = 450;
	load(100);
	ck_assert(p.together);
	load(5000);
	ck_assert(p.together);
}
END_TEST

START_TEST(what_is_better_changes)
{
	apart = 500;
	together = 500;
	load(5000);
	ck_assert(p.together);
	apart = 1000;
	load(3000);
	ck_assert(!p.together);
}
END_TEST

/* Every other trial says that it makes too little difference; all of them say
 * that it makes enough. */
START_TEST(a_load_that_is_uneven)
{
	unsigned int trials, before;

	together = 500;
	for (trials = 0; trials < 6; trials++) {
		apart = trials % 2 ? 540 : 650;
		while (!placement_tries(&p))
			load(1);
		while (placement_tries(&p))
			load(1);
		ck_assert(!p.together);
	}
	before = nr_moves;
	load(5);
	ck_assert_uint_eq(nr_moves, before);
}
END_TEST

/* What comes of a trial whose load ended, in its slice _i or before it, is not
 * what counts from then on; and the next one is not made to wait. */
START_TEST(the_load_ends_in_a_trial)
{
	unsigned int rest = _i % 2;

	while (!placement_tries(&p))
		turn(100 * US, 5 * US, 50, true);
	while (placement_tries(&p) && p.slice <= (uint32_t)_i / 2)
		turn(100 * US, 5 * US, 50, true);
	while (placement_tries(&p))
		turn(MS, 5 * US, rest, true);
	apart = 450;
	together = 500;
	load(100);
	ck_assert(p.together);
}
END_TEST

/* A pause is no trial's result. */
START_TEST(a_trial_is_interrupted)
{
	apart = 1000;
	together = 100;
	while (!placement_tries(&p))
		load(1);
	turn(500ull * MS, 500ull * MS, 1, true);
	ck_assert(!placement_tries(&p));
	load(100);
	ck_assert(!p.together);
}
END_TEST

START_TEST(refused)
{
	quiet(20, false);
	ck_assert(p.together);
	placement_refused(&p, now);
	ck_assert(!p.together);
	ck_assert_uint_eq(p.moves, 0);
	nr_moves = 0;
	quiet(900, false);
	ck_assert_uint_eq(nr_moves, 0);
	quiet(200, false);
	ck_assert_uint_eq(nr_moves, 1);
}
END_TEST

static int first_allowed(cpu_set_t *set)
{
	int cpu = 0;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(*set), set), 0);
	while (!CPU_ISSET(cpu, set))
		cpu++;
	return cpu;
}

START_TEST(join_and_part)
{
	struct thread_cpu t = {.held = false};
	cpu_set_t before, after;
	int cpu = first_allowed(&before), err;

	ck_assert_int_eq(thread_cpu_join(&t, cpu), 0);
	ck_assert_int_eq(sched_getcpu(), cpu);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(after), &after), 0);
	ck_assert_int_eq(CPU_COUNT(&after), 1);
	err = thread_cpu_part(&t, cpu);
	ck_assert_int_eq(err, CPU_COUNT(&before) > 1 ? 0 : -ENODEV);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(after), &after), 0);
	ck_assert(CPU_EQUAL(&before, &after));
}
END_TEST

/* What the administrator said holds. */
START_TEST(only_where_it_may)
{
	struct thread_cpu t = {.held = false};
	cpu_set_t one, after;
	int cpu = first_allowed(&after);

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	ck_assert_int_eq(thread_cpu_join(&t, cpu + 1), -ENODEV);
	ck_assert_int_eq(thread_cpu_join(&t, -1), -ENODEV);
	ck_assert_int_eq(thread_cpu_join(&t, CPU_SETSIZE), -ENODEV);
	ck_assert_int_eq(thread_cpu_part(&t, cpu), -ENODEV);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(after), &after), 0);
	ck_assert(CPU_EQUAL(&one, &after));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("placement");
	TCase *tc = tcase_create("placement");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, little_to_do_joins);
	tcase_add_test(tc, little_to_do_and_polling);
	tcase_add_test(tc, nobody_knows_where_the_peer_is);
	tcase_add_test(tc, the_peer_moves);
	tcase_add_test(tc, a_peer_on_many_cpus);
	tcase_add_test(tc, two_cpus_do_more);
	tcase_add_test(tc, two_cpus_do_no_more);
	tcase_add_test(tc, what_is_better_changes);
	tcase_add_test(tc, a_load_that_is_uneven);
	tcase_add_loop_test(tc, the_load_ends_in_a_trial, 0, 8);
	tcase_add_test(tc, a_trial_is_interrupted);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, join_and_part);
	tcase_add_test(tc, only_where_it_may);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
