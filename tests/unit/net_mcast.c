// SPDX-License-Identifier: MIT
/* The multicast filter: its rules, its bound, and looking while it changes. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "backend/net_mcast.h"
#include "tests/unit/check_quiet.h"
#include "tests/unit/run_suite.h"

static struct net_mcast_list list;
static struct net_mcast m;

static void setup(void)
{
	memset(&list, 0xff, sizeof(list));
	net_mcast_init(&m, &list, false);
	net_mcast_set(&m, true);
}

static void teardown(void)
{
	net_mcast_destroy(&m);
}

static const uint8_t *group(unsigned int n)
{
	static uint8_t addr[6] = {1, 0, 0x5e};

	addr[4] = (uint8_t)(n >> 8);
	addr[5] = (uint8_t)n;
	return addr;
}

START_TEST(passes)
{
	static const uint8_t unicast[6] = {0, 0x16, 0x3e, 1, 2, 3};
	static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};

	ck_assert(net_mcast_pass(&m, unicast));
	ck_assert(net_mcast_pass(&m, broadcast));
	ck_assert(!net_mcast_pass(&m, group(0)));
	ck_assert_int_eq(net_mcast_add(&m, unicast), -EINVAL);
	ck_assert_int_eq(net_mcast_add(&m, group(7)), 0);
	ck_assert(net_mcast_pass(&m, group(7)));
	ck_assert(!net_mcast_pass(&m, group(8)));
	/* off: everything; the list is kept */
	net_mcast_set(&m, false);
	ck_assert(net_mcast_pass(&m, group(8)));
	ck_assert_int_eq(net_mcast_add(&m, group(9)), 0);
	net_mcast_set(&m, true);
	ck_assert(net_mcast_pass(&m, group(7)) && net_mcast_pass(&m, group(9)));
	net_mcast_del(&m, group(7));
	ck_assert(!net_mcast_pass(&m, group(7)));
	/* twice in, twice out; what is not there does not matter */
	net_mcast_add(&m, group(9));
	net_mcast_del(&m, group(9));
	ck_assert(net_mcast_pass(&m, group(9)));
	net_mcast_del(&m, group(9));
	net_mcast_del(&m, group(9));
	ck_assert(!net_mcast_pass(&m, group(9)));
}
END_TEST

START_TEST(bound)
{
	unsigned int i;

	for (i = 0; i < NET_MCAST_MAX; i++)
		ck_assert_int_eq(net_mcast_add(&m, group(i)), 0);
	ck_assert_int_eq(net_mcast_add(&m, group(i)), -ENOSPC);
	ck_assert_int_eq(net_mcast_add(&m, group(3)), -ENOSPC);
	for (i = 0; i < NET_MCAST_MAX; i++)
		ck_assert(net_mcast_pass(&m, group(i)));
	ck_assert(!net_mcast_pass(&m, group(i)));
	net_mcast_del(&m, group(20));
	ck_assert_int_eq(net_mcast_add(&m, group(i)), 0);
	ck_assert(net_mcast_pass(&m, group(i)));
	ck_assert(!net_mcast_pass(&m, group(20)));
}
END_TEST

START_TEST(successor)
{
	net_mcast_add(&m, group(1));
	net_mcast_add(&m, group(2));
	net_mcast_del(&m, group(1));
	net_mcast_destroy(&m);
	net_mcast_init(&m, &list, true);
	net_mcast_set(&m, true);
	ck_assert(net_mcast_pass(&m, group(2)));
	ck_assert(!net_mcast_pass(&m, group(1)));
}
END_TEST

static atomic_bool stop;

static void *looker(void *arg)
{
	static const uint8_t kept[6] = {1, 0, 0x5e, 0, 1, 0};

	(void)arg;
	while (!atomic_load(&stop))
		if (!net_mcast_pass(&m, kept))
			return (void *)1;
	return NULL;
}

/* Who is in the list all the time is never missed while others come and go;
 * they do so from two threads. */
static void *changer(void *arg)
{
	uint8_t addr[6] = {1, 0, 0x5e, 9, 0, 0};
	unsigned int round;

	addr[4] = *(uint8_t *)arg;
	for (round = 0; round < 20000; round++) {
		addr[5] = (uint8_t)(round % 20);
		net_mcast_add(&m, addr);
		addr[5] = (uint8_t)((round + 10) % 20);
		net_mcast_del(&m, addr);
	}
	return NULL;
}

START_TEST(concurrent)
{
	uint8_t who[2] = {1, 2};
	pthread_t look, change[2];
	void *bad;

	net_mcast_add(&m, group(5));
	net_mcast_add(&m, group(256));
	net_mcast_del(&m, group(5));
	atomic_store(&stop, false);
	pthread_create(&look, NULL, looker, NULL);
	pthread_create(&change[0], NULL, changer, &who[0]);
	pthread_create(&change[1], NULL, changer, &who[1]);
	pthread_join(change[0], NULL);
	pthread_join(change[1], NULL);
	atomic_store(&stop, true);
	pthread_join(look, &bad);
	ck_assert(!bad);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_mcast");
	TCase *tc = tcase_create("mcast");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 50);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, passes);
	tcase_add_test(tc, bound);
	tcase_add_test(tc, successor);
	tcase_add_test(tc, concurrent);
	return run_suite(suite);
}
