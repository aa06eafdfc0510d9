// SPDX-License-Identifier: MIT
/*
 * The control ring: each command with what the protocol lets it refuse, pages
 * that are not granted, and every other value of every field.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/netif.h>

#include "backend/net_ctrl.h"
#include "tests/unit/check_quiet.h"
#include "tests/unit/fake_gnttab.h"
#include "tests/unit/run_suite.h"

#define OK          XEN_NETIF_CTRL_STATUS_SUCCESS
#define INVALID     XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER
#define OVERFLOW    XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW
#define UNSUPPORTED XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED
#define QUEUES      2u
#define LIST_REF    4000u
#define RO_REF      4001u
#define NOT_GRANTED 4002u

static _Alignas(4096) uint8_t page[4096];
static struct net_front_ring front;
static struct net_ring_journal journal;
static struct net_hash_config config;
static struct net_hash_control hash;
static struct net_gref_list lists[QUEUES];
static struct net_gref *gref[QUEUES];
static struct net_ctrl_setup set;
static struct net_ctrl *ctrl;
static struct net_ctrl_rsp rsp;
static bool notify;

static void setup(void)
{
	uint32_t i;

	for (i = 0; i < 2000; i++)
		fake_grant(i, true);
	fake_grant(LIST_REF, true);
	fake_grant(RO_REF, false);
	net_front_ring_init(&front, page, NET_RING_CTRL);
	net_hash_control_init(&hash, &config, QUEUES, false);
	for (i = 0; i < QUEUES; i++)
		ck_assert_int_eq(net_gref_create(&gref[i], NULL, FAKE_DOMID,
						 &lists[i], false),
				 0);
	set = (struct net_ctrl_setup){
		.page = page,
		.journal = &journal,
		.domid = FAKE_DOMID,
		.nr_queues = QUEUES,
		.hash = &hash,
		.gref = gref,
	};
	ck_assert_int_eq(net_ctrl_create(&ctrl, &set), 0);
}

static void teardown(void)
{
	uint32_t i;

	net_ctrl_destroy(ctrl);
	for (i = 0; i < QUEUES; i++)
		net_gref_destroy(gref[i]);
	net_hash_control_destroy(&hash);
	ck_assert_uint_eq(fake.mapped, 0);
}

static uint32_t ask(unsigned int type, uint32_t a, uint32_t b, uint32_t c)
{
	static uint16_t id = 0xfff0;
	struct net_ctrl_req req = {++id, (uint16_t)type, {a, b, c}};

	net_front_ctrl_put(&front, &req);
	net_front_ring_publish(&front);
	ck_assert(net_ctrl_arm(ctrl));
	ck_assert_int_eq(net_ctrl_run(ctrl, &notify), 1);
	ck_assert(!net_ctrl_arm(ctrl));
	ck_assert_int_eq(net_front_ring_avail(&front), 1);
	net_front_ctrl_get(&front, &rsp);
	ck_assert(!net_front_ring_arm(&front, 1));
	ck_assert_uint_eq(rsp.id, id);
	ck_assert_uint_eq(rsp.type, (uint16_t)type);
	return rsp.status;
}

START_TEST(hash_kind)
{
	ck_assert_uint_eq(ask(XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS, 0, 0, 0),
			  UNSUPPORTED);
	ck_assert(notify);
	ck_assert_uint_eq(ask(XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 1, 0, 0),
			  INVALID);
	ck_assert_uint_eq(ask(XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, 2, 0, 0),
			  INVALID);
	ck_assert_uint_eq(ask(XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, 1, 0, 0),
			  OK);
	ck_assert_uint_eq(ask(XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS, 0, 0, 0), OK);
	ck_assert_uint_eq(rsp.data, 15);
	ck_assert_uint_eq(ask(XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 15, 0, 0),
			  OK);
	ck_assert_uint_eq(ask(XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 31, 0, 0),
			  INVALID);
}
END_TEST

static void choose_toeplitz(void)
{
	ck_assert_uint_eq(ask(XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, 1, 0, 0),
			  OK);
}

START_TEST(hash_key)
{
	choose_toeplitz();
	memcpy(fake_frame(RO_REF), "0123456789abcdefghijklmnopqrstuvwxyzABCD",
	       40);
	ck_assert_uint_eq(ask(XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, RO_REF, 40, 0),
			  OK);
	ck_assert(!memcmp(config.key, fake_frame(RO_REF), 40));
	ck_assert_uint_eq(ask(XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, RO_REF, 41, 0),
			  OVERFLOW);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, RO_REF, 0xffffffff, 0),
		OVERFLOW);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, NOT_GRANTED, 40, 0),
		INVALID);
	ck_assert(!memcmp(config.key, fake_frame(RO_REF), 40));
	/* none: the reference does not matter */
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, NOT_GRANTED, 0, 0), OK);
	ck_assert_uint_eq(config.key[0], 0);
}
END_TEST

START_TEST(hash_mapping)
{
	uint32_t *map = fake_frame(LIST_REF);
	uint32_t i;

	choose_toeplitz();
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE, 0, 0, 0), OK);
	ck_assert_uint_eq(rsp.data, NET_HASH_MAP_MAX);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE, 129, 0, 0),
		INVALID);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE, 128, 0, 0), OK);
	for (i = 0; i < 128; i++)
		map[i] = i % QUEUES;
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, LIST_REF, 128, 0),
		OK);
	ck_assert_uint_eq(config.map[127], 1);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, LIST_REF, 128, 1),
		INVALID);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, LIST_REF, 129, 0),
		OVERFLOW);
	ck_assert_uint_eq(ask(XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, LIST_REF,
			      0xffffffff, 1),
			  OVERFLOW);
	ck_assert_uint_eq(ask(XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, LIST_REF, 1,
			      0xffffffff),
			  INVALID);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, NOT_GRANTED, 1, 0),
		INVALID);
	map[0] = QUEUES;
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, LIST_REF, 1, 5),
		INVALID);
	ck_assert_uint_eq(config.map[5], 1);
}
END_TEST

static struct xen_netif_gref *list_of(uint32_t first, uint32_t nr)
{
	struct xen_netif_gref *list = fake_frame(LIST_REF);
	uint32_t i;

	for (i = 0; i < nr; i++)
		list[i] = (struct xen_netif_gref){.ref = first + i,
						  .status = 0x5555};
	return list;
}

START_TEST(static_grants)
{
	struct xen_netif_gref *list;

	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE, 1, 0, 0), OK);
	ck_assert_uint_eq(rsp.data, NET_GREF_MAX);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE, QUEUES, 0, 0),
		INVALID);
	list_of(10, 512);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING, 1, LIST_REF, 512),
		OK);
	ck_assert_uint_eq(net_gref_mapped(gref[1]), 512);
	ck_assert_uint_eq(net_gref_mapped(gref[0]), 0);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING, 1, LIST_REF, 513),
		INVALID);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING, 1, LIST_REF, 0),
		INVALID);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING, QUEUES, LIST_REF, 1),
		INVALID);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING, 0, NOT_GRANTED, 1),
		INVALID);
	/* one of them is not granted */
	list_of(1990, 20);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING, 0, LIST_REF, 20),
		INVALID);
	ck_assert_uint_eq(net_gref_mapped(gref[0]), 0);

	list = list_of(0, 20);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING, 1, LIST_REF, 20), OK);
	ck_assert_uint_eq(rsp.data, 10);
	ck_assert_uint_eq(list[9].status, INVALID);
	ck_assert_uint_eq(list[10].status, OK);
	ck_assert_uint_eq(list[10].ref, 10);
	ck_assert_uint_eq(fake_maps_of(10), 0);
	ck_assert_uint_eq(fake_maps_of(20), 1);
	/* the guest cannot be told which: read-only */
	memcpy(fake_frame(RO_REF), list_of(20, 3), 24);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING, 1, RO_REF, 3),
		INVALID);
	ck_assert_uint_eq(fake_maps_of(20), 0);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING, 1, LIST_REF, 0),
		INVALID);
	ck_assert_uint_eq(
		ask(XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING, QUEUES, LIST_REF, 3),
		INVALID);
}
END_TEST

START_TEST(not_offered)
{
	unsigned int type;

	net_ctrl_destroy(ctrl);
	set.hash = NULL;
	set.gref = NULL;
	net_front_ring_init(&front, page, NET_RING_CTRL);
	ck_assert_int_eq(net_ctrl_create(&ctrl, &set), 0);
	for (type = 0; type < 20; type++)
		ck_assert_uint_eq(ask(type, 0, LIST_REF, 1), UNSUPPORTED);
	ck_assert_uint_eq(ask(0xffff, 0, LIST_REF, 1), UNSUPPORTED);
}
END_TEST

/* Full rings in turns; each answered once and in order. */
START_TEST(many)
{
	unsigned int i, round, left;
	uint16_t put = 0, got = 0;

	for (round = 0; round < 20; round++) {
		for (i = net_front_ring_free(&front); i; i--)
			net_front_ctrl_put(
				&front,
				&(struct net_ctrl_req){
					put++,
					XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS,
					{0}});
		net_front_ring_publish(&front);
		for (left = 128; left;) {
			int n = net_ctrl_run(ctrl, &notify);

			ck_assert(n > 0);
			left -= (unsigned int)n;
		}
		ck_assert_int_eq(net_ctrl_run(ctrl, &notify), 0);
		while (net_front_ring_avail(&front)) {
			net_front_ctrl_get(&front, &rsp);
			ck_assert_uint_eq(rsp.id, got++);
		}
	}
	((struct ring_head *)page)->req_prod += 129;
	ck_assert_int_eq(net_ctrl_run(ctrl, &notify), -EPROTO);
	ck_assert(!notify);
}
END_TEST

/* Any command with any values: answered, and nothing stays mapped that is not
 * in a table. */
START_TEST(any)
{
	static const uint32_t values[] = {
		0,    1,    2,    3,    39,         40,        41,
		100,  127,  128,  129,  511,        512,       513,
		1023, 1024, 1025, 4000, 0x7fffffff, 0xffffffff};
	unsigned int round, i;
	uint32_t *list = fake_frame(LIST_REF);

	srandom((unsigned int)_i);
	for (round = 0; round < 5000; round++) {
		uint32_t v[3];

		for (i = 0; i < 3; i++)
			v[i] = values[(unsigned int)random() % 20];
		if (random() % 2)
			v[(unsigned int)random() % 2] = LIST_REF;
		for (i = 0; i < 40; i++)
			list[i] = values[(unsigned int)random() % 20];
		ck_assert_uint_le(
			ask((unsigned int)random() % 12, v[0], v[1], v[2]),
			OVERFLOW);
		ck_assert_uint_eq(fake.mapped,
				  net_gref_mapped(gref[0]) +
					  net_gref_mapped(gref[1]));
	}
}
END_TEST

/* A worker dies with a command taken; its successor does it. */
START_TEST(successor)
{
	struct net_ctrl_req req = {
		7, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, {1, 0, 0}};
	struct net_back_ring dead;

	net_ctrl_destroy(ctrl);
	ck_assert_int_eq(
		net_back_ring_init(&dead, page, NET_RING_CTRL, &journal, false),
		0);
	net_front_ctrl_put(&front, &req);
	net_front_ring_publish(&front);
	net_back_ctrl_get(&dead, &req);
	net_back_ctrl_put(&dead, &(struct net_ctrl_rsp){1, 2, 3, 4});
	set.resume = true;
	ck_assert_int_eq(net_ctrl_create(&ctrl, &set), 0);
	ck_assert_int_eq(net_ctrl_run(ctrl, &notify), 1);
	net_front_ctrl_get(&front, &rsp);
	ck_assert_uint_eq(rsp.id, 7);
	ck_assert_uint_eq(rsp.status, OK);
	ck_assert_uint_eq(config.algorithm, 1);
	journal.req_cons += 200;
	net_ctrl_destroy(ctrl);
	ck_assert_int_eq(net_ctrl_create(&ctrl, &set), -EUCLEAN);
	ctrl = NULL;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_ctrl");
	TCase *tc = tcase_create("ctrl");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 50);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, hash_kind);
	tcase_add_test(tc, hash_key);
	tcase_add_test(tc, hash_mapping);
	tcase_add_test(tc, static_grants);
	tcase_add_test(tc, not_offered);
	tcase_add_test(tc, many);
	tcase_add_loop_test(tc, any, 0, 2);
	tcase_add_test(tc, successor);
	return run_suite(suite);
}
