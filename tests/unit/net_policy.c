// SPDX-License-Identifier: MIT
/*
 * The policy of a vif: VLANs, settings that change under threads, rates.
 * Sources have a test of their own, net_policy_source.c.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/unit/policy_fixture.h"
#include "tests/unit/run_suite.h"

#define SECOND UINT64_C(1000000000)

/* VLANs */

static const struct judged access_from[] = {
	{"untagged", HEAD "0800 00", NET_PASS, 10},
	{"tagged", HEAD "8100 000a 0800", NET_DROP_VLAN, 0},
	{"priority", HEAD "8100 e000 0800", NET_DROP_VLAN, 0},
	{"service tag", HEAD "88a8 000a 0800", NET_DROP_VLAN, 0},
	{"old tag", HEAD "9100 000a 0800", NET_DROP_VLAN, 0},
	{"cut tag", HEAD "8100 000a", NET_DROP_MALFORMED, 0},
	{"short", ALL ME "08", NET_DROP_MALFORMED, 0},
};

static const struct judged access_to[] = {
	{"mine", ME OTHER "8100 000a 0800", NET_PASS, NET_VLAN_STRIP},
	{"mine with priority", ME OTHER "8100 f00a 0800", NET_PASS,
	 NET_VLAN_STRIP},
	{"another", ME OTHER "8100 000b 0800", NET_DROP_VLAN, 0},
	{"another with priority", ME OTHER "8100 e00b 0800", NET_DROP_VLAN, 0},
	{"none", ME OTHER "0800", NET_DROP_VLAN, 0},
	{"priority only", ME OTHER "8100 e000 0800", NET_DROP_VLAN, 0},
	{"two tags", ME OTHER "8100 000a 8100 0005 0800", NET_DROP_VLAN, 0},
	{"a service tag below", ME OTHER "8100 000a 88a8 0005 0800",
	 NET_DROP_VLAN, 0},
	{"service tag", ME OTHER "88a8 000a 0800", NET_DROP_VLAN, 0},
	{"cut tag", ME OTHER "8100 000a", NET_DROP_MALFORMED, 0},
};

START_TEST(vlan_access)
{
	settings.access = 10;
	policy_apply();
	CHECK_TABLE(NET_FROM_GUEST, access_from);
	CHECK_TABLE(NET_TO_GUEST, access_to);
}
END_TEST

static void trunk(uint16_t access)
{
	settings.trunk = true;
	settings.access = access;
	settings.trunk_set[0] = UINT64_C(1) << 20 | UINT64_C(1) << 63;
	settings.trunk_set[63] = UINT64_C(1) << 62;
	policy_apply();
}

static const struct judged trunk_both[] = {
	{"of the set", HEAD "8100 0014 0800", NET_PASS, 0},
	{"of the set, priority", HEAD "8100 f014 0800", NET_PASS, 0},
	{"of the set, 63", HEAD "8100 003f 0800", NET_PASS, 0},
	{"of the set, 4094", HEAD "8100 0ffe 0800", NET_PASS, 0},
	{"not of it", HEAD "8100 0015 0800", NET_DROP_VLAN, 0},
	{"4095", HEAD "8100 0fff 0800", NET_DROP_VLAN, 0},
	{"0", HEAD "8100 0000 0800", NET_DROP_VLAN, 0},
	{"untagged", HEAD "0800", NET_DROP_VLAN, 0},
	{"service tag", HEAD "88a8 0014 0800", NET_DROP_VLAN, 0},
	{"another below a service tag", HEAD "88a8 0014 8100 0014 0800",
	 NET_DROP_VLAN, 0},
	{"any below one of the set", HEAD "8100 0014 8100 0005 0800", NET_PASS,
	 0},
	{"one of the set below another", HEAD "8100 0005 8100 0014 0800",
	 NET_DROP_VLAN, 0},
};

START_TEST(vlan_trunk)
{
	trunk(0);
	CHECK_TABLE(NET_FROM_GUEST, trunk_both);
	CHECK_TABLE(NET_TO_GUEST, trunk_both);
}
END_TEST

static const struct judged native_from[] = {
	{"untagged", HEAD "0800", NET_PASS, 5},
	{"of the set", HEAD "8100 0014 0800", NET_PASS, 0},
	{"native with a tag", HEAD "8100 0005 8100 0063 0800", NET_DROP_VLAN,
	 0},
};

static const struct judged native_to[] = {
	{"native", ME OTHER "8100 0005 0800", NET_PASS, NET_VLAN_STRIP},
	{"native with one below", ME OTHER "8100 0005 8100 0014 0800",
	 NET_DROP_VLAN, 0},
	{"of the set", ME OTHER "8100 0014 0800", NET_PASS, 0},
	{"untagged", ME OTHER "0800", NET_DROP_VLAN, 0},
};

START_TEST(vlan_native)
{
	trunk(5);
	CHECK_TABLE(NET_FROM_GUEST, native_from);
	CHECK_TABLE(NET_TO_GUEST, native_to);
}
END_TEST

/* Settings */

START_TEST(open_when_nothing_is_set)
{
	uint32_t vlan;

	policy_apply();
	ck_assert(net_policy_is_open(policy, NET_FROM_GUEST));
	ck_assert(net_policy_is_open(policy, NET_TO_GUEST));
	ck_assert_int_eq(policy_judge(NET_FROM_GUEST, ALL OTHER, &vlan),
			 NET_PASS);
	ck_assert_uint_eq(vlan, 0);
}
END_TEST

static void refuse(void)
{
	ck_assert_int_eq(net_policy_create(&policy, &settings), -EINVAL);
	policy_setup();
}

START_TEST(bad_settings)
{
	settings.nr_addrs = NET_POLICY_ADDRS + 1;
	refuse();
	settings.access = 4095;
	refuse();
	settings.trunk = true;
	settings.trunk_set[63] = UINT64_C(1) << 63;
	refuse();
	settings.nr_addrs = 1;
	refuse();
	policy_add_addr(AF_INET, "10.0.0.1", 33);
	refuse();
	policy_add_addr(AF_INET6, "::1", 129);
	refuse();
	settings.check_mac = true;
	settings.mac[0] = 1;
	refuse();
	settings.check_addrs = true;
	memset(settings.mac, 0, 6);
	refuse();
	settings.rate[0].bytes_per_s = UINT64_MAX;
	refuse();
	settings.rate[1].packets_per_s = UINT64_MAX;
	refuse();
	policy_apply();
	settings.access = 4095;
	ck_assert_int_eq(net_policy_change(policy, &settings), -EINVAL);
	ck_assert(net_policy_is_open(policy, NET_FROM_GUEST));
}
END_TEST

START_TEST(change)
{
	uint32_t vlan, i;

	policy_apply();
	for (i = 1; i < 100; i++) {
		settings.access = (uint16_t)i;
		ck_assert_int_eq(net_policy_change(policy, &settings), 0);
		ck_assert_int_eq(
			policy_judge(NET_FROM_GUEST, HEAD "0800", &vlan),
			NET_PASS);
		ck_assert_uint_eq(vlan, i);
		if (i % 3 == 0)
			net_policy_settle(policy);
	}
	settings.access = 0;
	ck_assert_int_eq(net_policy_change(policy, &settings), 0);
	ck_assert(net_policy_is_open(policy, NET_FROM_GUEST));
}
END_TEST

/* Threads judge while settings change; each frame by the one or the other. */
#define THREADS 3

static atomic_bool stop;
static atomic_uint turns[THREADS];

static void *judging(void *arg)
{
	atomic_uint *turn = arg;

	while (!atomic_load(&stop)) {
		uint32_t vlan;

		if (policy_judge(NET_FROM_GUEST, HEAD "0800 0000", &vlan) !=
			    NET_PASS ||
		    (vlan != 7 && vlan != 9))
			ck_abort_msg("judged by neither");
		atomic_fetch_add(turn, 1);
	}
	return NULL;
}

static void pass_all(void)
{
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		unsigned int seen = atomic_load(&turns[i]);

		/* the one under way, and one whole */
		while (atomic_load(&turns[i]) - seen < 2)
			sched_yield();
	}
}

START_TEST(change_under_threads)
{
	pthread_t t[THREADS];
	unsigned int i;

	settings.access = 7;
	settings.rate[0].packets_per_s = UINT64_C(1000000000000);
	settings.rate[0].packets_burst = 1u << 30;
	policy_apply();
	for (i = 0; i < THREADS; i++)
		ck_assert(!pthread_create(&t[i], NULL, judging, &turns[i]));
	for (i = 0; i < 100; i++) {
		settings.access = i % 2 ? 7 : 9;
		ck_assert_int_eq(net_policy_change(policy, &settings), 0);
		pass_all();
		net_policy_settle(policy);
	}
	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}
END_TEST

/* Rates */

static uint8_t frame[64];

/* Sends frames of len bytes as fast as allowed from *now on for a time; how
 * many went. */
static uint64_t pump(enum net_dir dir, uint32_t len, uint64_t *now,
		     uint64_t time)
{
	uint64_t end = *now + time, n = 0, ready;
	uint32_t vlan;

	while (*now < end) {
		enum net_verdict v = net_policy_check(policy, dir, frame,
						      sizeof(frame), len, *now,
						      &vlan, &ready);

		if (v == NET_PASS) {
			n++;
			continue;
		}
		if (v != NET_LATER || ready <= *now)
			ck_abort_msg("no time to try again at");
		/* not before, either */
		if (net_policy_check(policy, dir, frame, sizeof(frame), len,
				     ready - 2, &vlan, &ready) != NET_LATER)
			ck_abort_msg("earlier than said");
		*now = ready;
	}
	return n;
}

static void near(uint64_t got, uint64_t want, uint64_t more)
{
	ck_assert_msg(got >= want - want / 1000 - 1 &&
			      got <= want + want / 1000 + 1 + more,
		      "%llu, not %llu", (unsigned long long)got,
		      (unsigned long long)want);
}

START_TEST(bytes_a_second)
{
	static const struct {
		uint64_t rate, burst;
		uint32_t len;
	} c[] = {
		{1000000, 50000, 1500},   {1000000, 50000, 60},
		{1000, 50, 1500},         {125000000, 6250000, 1514},
		{1250000000, 100, 65535}, {UINT64_C(12500000000), 1, 65535},
		{7777777, 1234, 999},
	};
	uint64_t now = POLICY_NOW, n;

	settings.rate[0].bytes_per_s = c[_i].rate;
	settings.rate[0].bytes_burst = c[_i].burst;
	policy_apply();
	ck_assert(net_policy_is_open(policy, NET_TO_GUEST));
	n = pump(NET_FROM_GUEST, c[_i].len, &now, SECOND);
	near(n * c[_i].len, c[_i].rate, c[_i].burst + c[_i].len);
	/* the same again, but for the burst: each frame in its time */
	n = pump(NET_FROM_GUEST, c[_i].len, &now, 2 * SECOND);
	near(n * c[_i].len, 2 * c[_i].rate, c[_i].len);
}
END_TEST

START_TEST(packets_a_second)
{
	static const uint64_t rates[] = {1, 10, 999, 100000, 1488095};
	/* long enough to see a thousandth */
	uint64_t now = POLICY_NOW, n, part = rates[_i] > 10000 ? 10 : 1;

	settings.rate[1].packets_per_s = rates[_i];
	settings.rate[1].packets_burst = 16;
	policy_apply();
	ck_assert(net_policy_is_open(policy, NET_FROM_GUEST));
	n = pump(NET_TO_GUEST, 1500, &now, SECOND / part);
	near(n, rates[_i] / part, 17);
	n = pump(NET_TO_GUEST, 60, &now, 2 * SECOND / part);
	near(n, 2 * rates[_i] / part, 1);
}
END_TEST

/* Both limits: the lower one counts, and what one refuses costs nothing at the
 * other. */
START_TEST(both_limits)
{
	uint64_t now = POLICY_NOW;

	settings.rate[0].packets_per_s = 1000;
	settings.rate[0].packets_burst = 1;
	settings.rate[0].bytes_per_s = 150000;
	settings.rate[0].bytes_burst = 1;
	policy_apply();
	near(pump(NET_FROM_GUEST, 1500, &now, 10 * SECOND), 1000, 2);
	near(pump(NET_FROM_GUEST, 60, &now, 10 * SECOND), 10000, 2);
}
END_TEST

/* Credit is not saved beyond the burst, however long nothing was sent. */
START_TEST(burst_is_bounded)
{
	uint64_t now = POLICY_NOW, n, ready;
	uint32_t vlan;

	settings.rate[0].bytes_per_s = 1000000;
	settings.rate[0].bytes_burst = 15000;
	policy_apply();
	for (n = 0; net_policy_check(policy, NET_FROM_GUEST, frame, 64, 1500,
				     now, &vlan, &ready) == NET_PASS;
	     n++)
		;
	ck_assert_uint_eq(n, 10);
	now += 1000 * SECOND;
	for (n = 0; net_policy_check(policy, NET_FROM_GUEST, frame, 64, 1500,
				     now, &vlan, &ready) == NET_PASS;
	     n++)
		;
	ck_assert_uint_eq(n, 10);
	/* and not gone after a time in which words wrap */
	now += UINT64_C(3) << 54;
	ck_assert_int_eq(net_policy_check(policy, NET_FROM_GUEST, frame, 64,
					  1500, now, &vlan, &ready),
			 NET_PASS);
}
END_TEST

/* What is not passed has no price. */
START_TEST(refused_costs_nothing)
{
	uint64_t ready;
	uint32_t vlan;
	int i;

	settings.access = 3;
	settings.rate[0].packets_per_s = 1;
	policy_apply();
	memset(frame, 0, sizeof(frame));
	frame[12] = 0x81;
	for (i = 0; i < 100; i++)
		ck_assert_int_eq(net_policy_check(policy, NET_FROM_GUEST, frame,
						  64, 64, POLICY_NOW, &vlan,
						  &ready),
				 NET_DROP_VLAN);
	frame[12] = 0;
	ck_assert_int_eq(net_policy_check(policy, NET_FROM_GUEST, frame, 64, 64,
					  POLICY_NOW, &vlan, &ready),
			 NET_PASS);
	ck_assert_uint_eq(vlan, 3);
	ck_assert_int_eq(net_policy_check(policy, NET_FROM_GUEST, frame, 64, 64,
					  POLICY_NOW, &vlan, &ready),
			 NET_LATER);
	ck_assert_uint_ge(ready, POLICY_NOW + SECOND);
	ck_assert_uint_le(ready, POLICY_NOW + SECOND + 10);
}
END_TEST

/* Queues share one rate. */
static atomic_uint_fast64_t passed;

static void *sending(void *arg)
{
	uint64_t i, ready;
	uint32_t vlan;

	(void)arg;
	for (i = 0; i < 200000; i++)
		if (net_policy_check(policy, NET_FROM_GUEST, frame, 64, 1000,
				     POLICY_NOW + i * 1000, &vlan,
				     &ready) == NET_PASS)
			atomic_fetch_add(&passed, 1);
	return NULL;
}

START_TEST(rate_is_shared)
{
	pthread_t t[THREADS];
	unsigned int i;

	settings.rate[0].bytes_per_s = 10000000;
	settings.rate[0].bytes_burst = 1;
	settings.rate[0].packets_per_s = 1000000;
	settings.rate[0].packets_burst = 1000;
	policy_apply();
	for (i = 0; i < THREADS; i++)
		ck_assert(!pthread_create(&t[i], NULL, sending, NULL));
	for (i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	/* 0.2 s of 10000 frames a second; each may have run ahead of others */
	near(atomic_load(&passed), 2000, THREADS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("net_policy");
	TCase *tc = tcase_create("policy");

	tcase_add_checked_fixture(tc, policy_setup, policy_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, vlan_access);
	tcase_add_test(tc, vlan_trunk);
	tcase_add_test(tc, vlan_native);
	tcase_add_test(tc, open_when_nothing_is_set);
	tcase_add_test(tc, bad_settings);
	tcase_add_test(tc, change);
	tcase_add_test(tc, change_under_threads);
	tcase_add_loop_test(tc, bytes_a_second, 0, 7);
	tcase_add_loop_test(tc, packets_a_second, 0, 5);
	tcase_add_test(tc, both_limits);
	tcase_add_test(tc, burst_is_bounded);
	tcase_add_test(tc, refused_costs_nothing);
	tcase_add_test(tc, rate_is_shared);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
