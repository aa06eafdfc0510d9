// SPDX-License-Identifier: MIT
/* The lock of a queue: its owner and others exclude each other, with
 * membarrier() and without it. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "frontend/blkfront_lock.h"
#include "tests/unit/run_suite.h"

#define OTHERS 2u
#define TIMES  300u /* that each of them takes it */

static struct owner_lock lock;
static atomic_uint others_left;
/* no atomics: a race is two that have the same number, or a sanitizer's */
static unsigned long count, owner_count, other_count[OTHERS];

static void *other_main(void *arg)
{
	unsigned long *own = arg;
	unsigned int i;

	for (i = 0; i < TIMES; i++) {
		owner_lock_other(&lock);
		count++;
		owner_unlock_other(&lock);
		(*own)++;
	}
	atomic_fetch_sub(&others_left, 1);
	return NULL;
}

static void *owner_main(void *arg)
{
	(void)arg;
	while (atomic_load(&others_left)) {
		owner_lock(&lock);
		count++;
		owner_unlock(&lock);
		owner_count++;
	}
	return NULL;
}

START_TEST(exclusion)
{
	pthread_t owner, other[OTHERS];
	unsigned long sum;
	unsigned int i;

	owner_lock_init(&lock);
	if (_i)
		lock.fence = true;
	count = owner_count = 0;
	atomic_store(&others_left, OTHERS);
	ck_assert_int_eq(pthread_create(&owner, NULL, owner_main, NULL), 0);
	for (i = 0; i < OTHERS; i++) {
		other_count[i] = 0;
		ck_assert_int_eq(pthread_create(&other[i], NULL, other_main,
						&other_count[i]),
				 0);
	}
	for (i = 0; i < OTHERS; i++)
		pthread_join(other[i], NULL);
	pthread_join(owner, NULL);
	sum = owner_count;
	for (i = 0; i < OTHERS; i++)
		sum += other_count[i];
	ck_assert_uint_eq(count, sum);
	ck_assert_uint_eq(sum - owner_count, OTHERS * TIMES);
	owner_lock_destroy(&lock);
}
END_TEST

static void *take_once(void *arg)
{
	owner_lock_other(&lock);
	count++;
	atomic_store((atomic_bool *)arg, true);
	owner_unlock_other(&lock);
	return NULL;
}

/* One that comes while the owner has it waits; then the owner does. */
START_TEST(one_after_the_other)
{
	atomic_bool taken = false;
	pthread_t other;

	owner_lock_init(&lock);
	count = 0;
	owner_lock(&lock);
	ck_assert_int_eq(pthread_create(&other, NULL, take_once, &taken), 0);
	while (!atomic_load(&lock.wanted))
		sched_yield();
	ck_assert(!atomic_load(&taken));
	ck_assert_uint_eq(count, 0);
	owner_unlock(&lock);
	owner_lock(&lock); /* wanted, or over already */
	ck_assert_uint_le(count, 1);
	owner_unlock(&lock);
	pthread_join(other, NULL);
	ck_assert(!atomic_load(&lock.wanted));
	ck_assert_uint_eq(count, 1);
	owner_lock_destroy(&lock);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("front_lock");
	TCase *tc = tcase_create("front_lock");

	tcase_set_timeout(tc, 40);
	tcase_add_loop_test(tc, exclusion, 0, 2);
	tcase_add_test(tc, one_after_the_other);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
