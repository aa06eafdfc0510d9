// SPDX-License-Identifier: MIT
/*
 * Static grants: all or none, exactly what was deleted is unmapped, and the
 * queue's thread never holds a page that is gone.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/netif.h>

#include "backend/net_gref.h"
#include "tests/unit/check_quiet.h"
#include "tests/unit/fake_gnttab.h"
#include "tests/unit/run_suite.h"

#define OK      XEN_NETIF_CTRL_STATUS_SUCCESS
#define INVALID XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER
#define RO      XEN_NETIF_CTRLF_GREF_readonly
#define COUNT   3000u /* references granted; each tenth read-only */

static struct net_gref_list list;
static struct net_gref *g;

static void setup(void)
{
	uint32_t ref;

	for (ref = 0; ref < COUNT; ref++) {
		fake_grant(ref, ref % 10 != 0);
		memcpy(fake_frame(ref), &ref, sizeof(ref));
	}
	memset(&list, 0xff, sizeof(list));
	ck_assert_int_eq(net_gref_create(&g, NULL, FAKE_DOMID, &list, false),
			 0);
	ck_assert_uint_eq(list.nr, 0);
}

static void teardown(void)
{
	net_gref_destroy(g);
	ck_assert_uint_eq(fake.mapped, 0);
	ck_assert_uint_eq(fake.bad_unmaps, 0);
}

/* Is it there, and is it this page? */
static bool has(uint32_t ref, bool write)
{
	uint32_t value;
	char *page;

	net_gref_enter(g);
	page = net_gref_find(g, ref, write);
	if (page) {
		memcpy(&value, page, sizeof(value));
		ck_assert_uint_eq(value, ref);
	}
	net_gref_leave(g);
	return page != NULL;
}

static uint32_t run(bool add, uint32_t first, unsigned int nr, uint16_t flags,
		    uint32_t step)
{
	struct net_gref_entry e[NET_GREF_LIST_MAX + 1] = {0};
	unsigned int i;

	for (i = 0; i < nr; i++)
		e[i] = (struct net_gref_entry){
			.ref = first + i * step, .flags = flags, .status = 77};
	return add ? net_gref_add(g, e, nr) : net_gref_del(g, e, nr);
}

START_TEST(add_and_find)
{
	uint32_t ref;

	ck_assert(!has(1, false));
	ck_assert_uint_eq(run(true, 1, 9, 0, 1), OK);
	ck_assert_uint_eq(run(true, 10, 1, RO, 1), OK);
	for (ref = 1; ref <= 10; ref++) {
		ck_assert(has(ref, false));
		ck_assert_int_eq(has(ref, true), ref != 10);
	}
	ck_assert(!has(0, false) && !has(11, false));
	ck_assert(!has(1 + (1u << NET_GREF_BITS), false));
	ck_assert_uint_eq(fake.map_calls, 2);
	/* what is there already, the same way: fine, and nothing to do */
	ck_assert_uint_eq(run(true, 1, 9, 0, 1), OK);
	ck_assert_uint_eq(fake.map_calls, 2);
	ck_assert_uint_eq(run(true, 5, 20, RO, 1), INVALID);
	ck_assert_uint_eq(run(true, 10, 1, 0, 1), INVALID);
	ck_assert_uint_eq(net_gref_mapped(g), 10);
	ck_assert_uint_eq(list.nr, 10);
}
END_TEST

START_TEST(all_or_none)
{
	unsigned int at;

	/* read-only at every place of the list, wanted writable */
	for (at = 1; at <= 10; at++)
		ck_assert_uint_eq(run(true, at, 10, 0, 1), INVALID);
	ck_assert_uint_eq(run(true, COUNT - 5, 10, RO, 1), INVALID);
	ck_assert_uint_eq(run(true, 0xfffffff0u, 10, RO, 1), INVALID);
	ck_assert_uint_eq(fake.mapped, 0);
	ck_assert(!has(1, false));
	/* one of a kind maps, the other does not */
	{
		struct net_gref_entry e[2] = {{.ref = 1},
					      {.ref = COUNT, .flags = RO}};

		ck_assert_uint_eq(net_gref_add(g, e, 2), INVALID);
		ck_assert_uint_eq(fake.mapped, 0);
		ck_assert(!has(1, false));
		/* both ways at once */
		e[1].ref = 1;
		ck_assert_uint_eq(net_gref_add(g, e, 2), INVALID);
		/* twice the same way counts once */
		e[1].flags = 0;
		ck_assert_uint_eq(net_gref_add(g, e, 2), OK);
		ck_assert_uint_eq(fake.mapped, 1);
		e[0].flags = 2;
		ck_assert_uint_eq(net_gref_add(g, e, 1), INVALID);
		e[0].flags = 0x8001;
		ck_assert_uint_eq(net_gref_add(g, e, 1), INVALID);
	}
	fake_fail_map(1, ENOMEM);
	ck_assert_uint_eq(run(true, 21, 5, 0, 1), INVALID);
	ck_assert_uint_eq(fake.mapped, 1);
	ck_assert_uint_eq(run(true, 21, 0, 0, 1), INVALID);
	ck_assert_uint_eq(run(true, 21, 513, RO, 1), INVALID);
}
END_TEST

START_TEST(bound)
{
	ck_assert_uint_eq(run(true, 0, 512, RO, 1), OK);
	ck_assert_uint_eq(run(true, 512, 511, RO, 1), OK);
	ck_assert_uint_eq(run(true, 1023, 2, RO, 1), INVALID);
	ck_assert_uint_eq(run(true, 1023, 1, RO, 1), OK);
	ck_assert_uint_eq(run(true, 1024, 1, RO, 1), INVALID);
	ck_assert_uint_eq(fake.mapped, NET_GREF_MAX);
	/* room again, in extents of one */
	ck_assert_uint_eq(run(false, 0, 512, 0, 1), 512);
	for (uint32_t ref = 2000; ref < 2512; ref++)
		ck_assert_uint_eq(run(true, ref, 1, RO, 1), OK);
	ck_assert_uint_eq(run(true, 1024, 1, RO, 1), INVALID);
	ck_assert_uint_eq(list.nr, NET_GREF_MAX);
}
END_TEST

/* Parts of an extent: those deleted are not mapped any more, the others are. */
START_TEST(delete)
{
	struct net_gref_entry e[3] = {{.ref = 3}, {.ref = 500}, {.ref = 3}};
	uint32_t ref;

	ck_assert_uint_eq(run(true, 1, 9, 0, 1), OK);
	ck_assert_uint_eq(run(true, 11, 9, 0, 1), OK);
	ck_assert_uint_eq(net_gref_del(g, e, 3), 1);
	ck_assert_uint_eq(e[0].status, OK);
	ck_assert_uint_eq(e[1].status, INVALID);
	ck_assert_uint_eq(e[2].status, INVALID);
	ck_assert_uint_eq(fake_maps_of(3), 0);
	ck_assert_uint_eq(fake.mapped, 17);
	for (ref = 1; ref < 10; ref++)
		ck_assert_int_eq(has(ref, true), ref != 3);
	/* across two extents, every second */
	ck_assert_uint_eq(run(false, 1, 10, 0, 2), 9);
	for (ref = 1; ref < 20; ref++)
		ck_assert_int_eq(has(ref, true), ref % 2 == 0 && ref != 10);
	ck_assert_uint_eq(fake.mapped, 8);
	ck_assert_uint_eq(run(false, 0, 30, 0, 1), 8);
	ck_assert_uint_eq(fake.mapped, 0);
	ck_assert_uint_eq(list.nr, 0);
	/* and may be added again */
	ck_assert_uint_eq(run(true, 1, 9, 0, 1), OK);
}
END_TEST

/* The guest has ended the grants of those that remain: they are copied from
 * now on.  The host refuses to unmap: nothing is said to be gone that is not.
 */
START_TEST(delete_fails)
{
	ck_assert_uint_eq(run(true, 1, 9, 0, 1), OK);
	fake_revoke(5);
	ck_assert_uint_eq(run(false, 1, 1, 0, 1), 1);
	ck_assert(!has(2, false));
	ck_assert_uint_eq(fake.mapped, 0);
	ck_assert_uint_eq(list.nr, 0);
	ck_assert_uint_eq(run(true, 11, 9, 0, 1), OK);
	fake_fail_unmap(1, ENOMEM);
	ck_assert_uint_eq(run(false, 11, 1, 0, 1), 0);
	ck_assert_uint_eq(fake_maps_of(11), 1);
	ck_assert(!has(12, false));
	/* lost pages count */
	ck_assert_uint_eq(run(true, 20, 512, RO, 1), OK);
	ck_assert_uint_eq(run(true, 600, 504, RO, 1), INVALID);
	ck_assert_uint_eq(run(true, 600, 503, RO, 1), OK);
	/* end as a process does: the fake's map goes with it */
	net_gref_destroy(g);
	ck_assert_uint_eq(fake.mapped, 9);
	fake.mapped = 0;
	g = NULL;
}
END_TEST

START_TEST(successor)
{
	struct net_gref_list seen;

	ck_assert_uint_eq(run(true, 1, 9, 0, 1), OK);
	ck_assert_uint_eq(run(true, 100, 512, RO, 1), OK);
	ck_assert_uint_eq(run(true, 700, 400, RO, 1), OK);
	ck_assert_uint_eq(run(false, 4, 2, 0, 1), 2);
	seen = list;
	net_gref_destroy(g);
	/* one was ended by the guest meanwhile */
	fake_revoke(2);
	list = seen;
	ck_assert_int_eq(net_gref_create(&g, NULL, FAKE_DOMID, &list, true), 0);
	ck_assert_uint_eq(net_gref_mapped(g), 918);
	ck_assert(has(1, true) && has(611, false) && has(1099, false));
	ck_assert(!has(611, true) && !has(2, false) && !has(4, false));
	ck_assert_uint_eq(list.nr, 918);
	/* nonsense from a worker that was broken into */
	net_gref_destroy(g);
	list.nr = 0xffffffff;
	ck_assert_int_eq(net_gref_create(&g, NULL, FAKE_DOMID, &list, true), 0);
	ck_assert_uint_eq(list.nr, 0);
	net_gref_destroy(g);
	list.nr = 600;
	memset(list.entry, 0xff, sizeof(list.entry));
	ck_assert_int_eq(net_gref_create(&g, NULL, FAKE_DOMID, &list, true), 0);
	ck_assert_uint_eq(net_gref_mapped(g), 0);
}
END_TEST

/* References chosen to stand at the same places: found or refused, never
 * searched for long, and none of those refused stays mapped. */
START_TEST(collisions)
{
	uint32_t ref, want = net_gref_place(1, 0), there = 0, tried = 0;

	for (ref = 1; ref < FAKE_NR_REFS; ref += 8) {
		uint32_t place = net_gref_place(ref, 0);

		/* the same group, and a few that follow */
		if (place < want || place > want + 3 * 8)
			continue;
		fake_grant(ref, false);
		memcpy(fake_frame(ref), &ref, sizeof(ref));
		tried++;
		there += run(true, ref, 1, RO, 1) == OK;
		ck_assert_uint_eq(fake.mapped, there);
		ck_assert_uint_eq(net_gref_mapped(g), there);
	}
	ck_assert_uint_ge(tried, 8);
	ck_assert_uint_gt(there, 3);
	ck_assert_uint_le(there, NET_GREF_PROBES + 3);
	ck_assert_uint_gt(g->max_probe, 0);
	ck_assert_uint_lt(g->max_probe, NET_GREF_PROBES);
	for (ref = 1; ref < FAKE_NR_REFS; ref += 8 * 512)
		there -= run(false, ref, 512, 0, 8);
	ck_assert_uint_eq(there, 0);
	ck_assert_uint_eq(g->max_probe, 0);
}
END_TEST

/* Random requests beside a model. */
START_TEST(model)
{
	static bool there[COUNT];
	struct net_gref_entry e[64];
	unsigned int round, i, nr, count = 0;

	srandom((unsigned int)_i);
	for (round = 0; round < 150; round++) {
		nr = 1 + (unsigned int)random() % 64;
		for (i = 0; i < nr; i++)
			e[i] = (struct net_gref_entry){
				.ref = (uint32_t)random() % COUNT,
				.flags = RO,
			};
		if (random() % 2) {
			unsigned int fresh = 0;
			bool before[64];

			for (i = 0; i < nr; i++) {
				before[i] = there[e[i].ref];
				fresh += !there[e[i].ref];
				there[e[i].ref] = true;
			}
			if (net_gref_add(g, e, nr) == OK) {
				count += fresh;
				continue;
			}
			ck_assert_uint_gt(count + fresh, NET_GREF_MAX);
			while (i--)
				there[e[i].ref] = before[i];
		} else {
			unsigned int gone = 0;

			for (i = 0; i < nr; i++) {
				gone += there[e[i].ref];
				there[e[i].ref] = false;
			}
			ck_assert_uint_eq(net_gref_del(g, e, nr), gone);
			count -= gone;
		}
		ck_assert_uint_eq(net_gref_mapped(g), count);
		ck_assert_uint_eq(fake.mapped, count);
		for (i = 0; i < COUNT; i += 7)
			ck_assert_int_eq(has(i, false), there[i]);
	}
}
END_TEST

static atomic_bool stop;

static void *queue_thread(void *arg)
{
	uint32_t ref, value;
	uint64_t *found = arg;
	char *page;

	while (!atomic_load(&stop)) {
		net_gref_enter(g);
		for (ref = 0; ref < 40; ref++) {
			page = net_gref_find(g, ref, false);
			if (!page)
				continue;
			/* a page that is gone would be a fault */
			memcpy(&value, page, sizeof(value));
			if (value != ref) {
				net_gref_leave(g);
				return (void *)1;
			}
			++*found;
		}
		net_gref_leave(g);
	}
	return NULL;
}

START_TEST(concurrent)
{
	uint64_t found = 0;
	unsigned int round;
	pthread_t thread;
	void *bad;

	atomic_store(&stop, false);
	pthread_create(&thread, NULL, queue_thread, &found);
	for (round = 0; round < 500; round++) {
		run(true, 0, 40, RO, 1);
		run(false, (uint32_t)random() % 40, 3, 0, 1);
		if (round % 5 == 0)
			run(false, 0, 40, 0, 1);
	}
	atomic_store(&stop, true);
	pthread_join(thread, &bad);
	ck_assert(!bad);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_gref");
	TCase *tc = tcase_create("gref");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 50);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, add_and_find);
	tcase_add_test(tc, all_or_none);
	tcase_add_test(tc, bound);
	tcase_add_test(tc, delete);
	tcase_add_test(tc, delete_fails);
	tcase_add_test(tc, successor);
	tcase_add_test(tc, collisions);
	tcase_add_loop_test(tc, model, 0, 3);
	tcase_add_test(tc, concurrent);
	return run_suite(suite);
}
