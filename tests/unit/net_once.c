// SPDX-License-Identifier: MIT
/*
 * Every word of a netif ring is loaded at most once, and what is decided is
 * what the first load said; and the races that notifications are made for.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/hostile_barrier.h"
#include "tests/unit/run_suite.h"

#include "ring/net_check.c"
#include "ring/net_ring.c"

/* Any bytes as messages: what is read is what a calm peer's copy gives. */
START_TEST(requests)
{
	struct net_back_ring back;
	union net_tx_slot tx[2];
	struct net_rx_req rx[2];
	struct net_ctrl_req ctrl[2];
	unsigned int round;

	for (round = 0; round < 2000; round++) {
		fill_random();
		memset(page, 0, sizeof(struct ring_head));
		net_back_ring_init(&back, page, NET_RING_TX, NULL, false);
		back.req_cons = round;
		memset(tx, 0, sizeof(tx));
		memset(rx, 0, sizeof(rx));
		net_back_tx_get(&back, &tx[0]);
		back.req_cons--;
		start_hostile();
		net_back_tx_get(&back, &tx[1]);
		ck_assert_uint_eq(stop_hostile(), 3);
		ck_assert_mem_eq(&tx[0], &tx[1], sizeof(tx[0]));

		net_back_rx_get(&back, &rx[0]);
		back.req_cons--;
		start_hostile();
		net_back_rx_get(&back, &rx[1]);
		ck_assert_uint_eq(stop_hostile(), 2);
		ck_assert_mem_eq(&rx[0], &rx[1], sizeof(rx[0]));

		back.nr_ents = NET_CTRL_ENTRIES;
		net_back_ctrl_get(&back, &ctrl[0]);
		back.req_cons--;
		start_hostile();
		net_back_ctrl_get(&back, &ctrl[1]);
		ck_assert_uint_eq(stop_hostile(), 4);
		ck_assert_mem_eq(&ctrl[0], &ctrl[1], sizeof(ctrl[0]));
	}
}
END_TEST

START_TEST(responses)
{
	struct net_front_ring front = {.shared = page};
	struct net_tx_rsp tx[2];
	struct net_rx_rsp rx[2];
	struct net_extra x[2];
	struct net_ctrl_rsp ctrl[2];
	unsigned int round;

	for (round = 0; round < 2000; round++) {
		fill_random();
		front.rsp_cons = round;
		net_front_tx_get(&front, &tx[0]);
		front.rsp_cons--;
		start_hostile();
		net_front_tx_get(&front, &tx[1]);
		ck_assert_uint_eq(stop_hostile(), 1);
		ck_assert_mem_eq(&tx[0], &tx[1], sizeof(tx[0]));

		net_front_rx_get(&front, &rx[0]);
		front.rsp_cons--;
		start_hostile();
		net_front_rx_get(&front, &rx[1]);
		ck_assert_uint_eq(stop_hostile(), 2);
		ck_assert_mem_eq(&rx[0], &rx[1], sizeof(rx[0]));

		page[64 + front.rsp_cons % 256 * 8] = (uint8_t)(round % 7);
		net_front_rx_get_extra(&front, &x[0]);
		front.rsp_cons--;
		start_hostile();
		net_front_rx_get_extra(&front, &x[1]);
		ck_assert_uint_eq(stop_hostile(), 2);
		ck_assert_mem_eq(&x[0], &x[1], sizeof(x[0]));

		net_front_ctrl_get(&front, &ctrl[0]);
		front.rsp_cons--;
		start_hostile();
		net_front_ctrl_get(&front, &ctrl[1]);
		ck_assert_uint_eq(stop_hostile(), 3);
		ck_assert_mem_eq(&ctrl[0], &ctrl[1], sizeof(ctrl[0]));
	}
}
END_TEST

/* Whole packets, of slots that are mostly valid. */
static void fill_slots(uint32_t from, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct net_tx_req req = {
			.gref = (uint32_t)random(),
			.offset = (uint16_t)(random() % 2048),
			.flags = random() % 3 ? NETTXF_more_data : 0,
			.id = (uint16_t)random(),
			.size = (uint16_t)(random() % 2100),
		};

		if (!(random() % 4))
			req.flags |= NETTXF_extra_info;
		if (!(random() % 4))
			req.gref = (uint32_t)(random() % 6) | 100u << 16;
		memcpy(page + 64 + (from + i) % 256 * 12, &req, sizeof(req));
	}
}

START_TEST(packets)
{
	const struct net_tx_rules rules = {true, true, true, true};
	struct net_tx_packet calm, got;
	enum net_tx_verdict a, b;
	struct net_back_ring back;
	unsigned int round, seen[4] = {0};
	const char *why[2];
	uint32_t value[2];

	for (round = 0; round < 8000; round++) {
		memset(page, 0, sizeof(struct ring_head));
		net_back_ring_init(&back, page, NET_RING_TX, NULL, false);
		back.req_cons = round;
		fill_slots(round, 40);
		memset(&calm, 0, sizeof(calm));
		memset(&got, 0, sizeof(got));
		why[0] = why[1] = NULL;
		value[0] = value[1] = 0;
		a = net_tx_take(&back, 1 + (int)(random() % 40), &rules, &calm,
				&why[0], &value[0]);
		back.req_cons = round;
		start_hostile();
		b = net_tx_take(&back, 40, &rules, &got, &why[1], &value[1]);
		stop_hostile();
		seen[b]++;
		if (a == NET_TX_INCOMPLETE)
			continue;
		ck_assert_int_eq(a, b);
		ck_assert_uint_eq(value[0], value[1]);
		ck_assert_ptr_eq(why[0], why[1]);
		if (a != NET_TX_FATAL)
			ck_assert_mem_eq(&calm, &got, sizeof(got));
	}
	ck_assert_uint_gt(seen[NET_TX_OK], 400);
	ck_assert_uint_gt(seen[NET_TX_BAD_PACKET], 400);
	ck_assert_uint_gt(seen[NET_TX_FATAL], 400);
}
END_TEST

/* Producers are loaded once a look, our own indices never. */
START_TEST(indices)
{
	struct net_front_ring front;
	struct net_back_ring back;
	struct ring_head *head = (struct ring_head *)page;
	struct net_tx_req req = {.size = 60};
	struct net_tx_rsp rsp = {.id = 1};
	union net_tx_slot slot;

	net_front_ring_init(&front, page, NET_RING_TX);
	net_back_ring_init(&back, page, NET_RING_TX, NULL, false);
	net_front_tx_put(&front, &req);
	start_hostile();
	ck_assert(net_front_ring_publish(&front));
	ck_assert_uint_eq(stop_hostile(), 1); /* req_event */
	start_hostile();
	ck_assert_int_eq(net_back_ring_avail(&back), 1);
	ck_assert_uint_eq(stop_hostile(), 1); /* req_prod */

	net_back_tx_get(&back, &slot);
	net_back_tx_put(&back, &rsp);
	head->rsp_prod = 0xdeadbeef;
	start_hostile();
	net_back_ring_publish(&back);
	ck_assert_uint_eq(stop_hostile(), 1); /* rsp_event */
	ck_assert_uint_eq(head->rsp_prod, 1);
	head->req_prod = 0xdeadbeef;
	start_hostile();
	ck_assert_int_eq(net_front_ring_avail(&front), 1);
	ck_assert_uint_eq(stop_hostile(), 1); /* rsp_prod */
	ck_assert_uint_eq(net_front_ring_free(&front), 255);
}
END_TEST

/* The peer acts between the two halves of arm and of publish. */
static struct net_front_ring race_front;
static struct net_back_ring race_back;
static uint32_t race_more;
static bool peer_sleeps;

static void peer_sends(void)
{
	struct net_tx_req req = {.size = 60};
	uint32_t i;

	for (i = 0; i < race_more; i++)
		net_front_tx_put(&race_front, &req);
	net_front_ring_publish(&race_front);
}

static void peer_answers(void)
{
	struct net_tx_rsp rsp = {.id = 0};
	uint32_t i;

	for (i = 0; i < race_more; i++)
		net_back_tx_put(&race_back, &rsp);
	net_back_ring_publish(&race_back);
}

static void back_goes_to_sleep(void)
{
	peer_sleeps = !net_back_ring_arm(&race_back, race_more);
}

static void front_goes_to_sleep(void)
{
	peer_sleeps = !net_front_ring_arm(&race_front, race_more);
}

START_TEST(races)
{
	struct net_tx_req req = {.size = 60};
	union net_tx_slot slot;
	struct net_tx_rsp rsp;
	uint32_t i;

	race_more = (uint32_t)_i;
	net_front_ring_init(&race_front, page, NET_RING_TX);
	net_back_ring_init(&race_back, page, NET_RING_TX, NULL, false);
	ck_assert(!net_back_ring_arm(&race_back, race_more));
	at_barrier = peer_sends;
	ck_assert(net_back_ring_arm(&race_back, race_more));
	for (i = 0; i < race_more; i++)
		net_back_tx_get(&race_back, &slot);
	ck_assert(!net_front_ring_arm(&race_front, race_more));
	at_barrier = peer_answers;
	ck_assert(net_front_ring_arm(&race_front, race_more));
	for (i = 0; i < race_more; i++)
		net_front_tx_get(&race_front, &rsp);

	for (i = 0; i < race_more; i++)
		net_front_tx_put(&race_front, &req);
	at_barrier = back_goes_to_sleep;
	peer_sleeps = true;
	ck_assert(net_front_ring_publish(&race_front) || !peer_sleeps);
	for (i = 0; i < race_more; i++) {
		net_back_tx_get(&race_back, &slot);
		net_back_tx_put(&race_back, &(struct net_tx_rsp){.id = 0});
	}
	at_barrier = front_goes_to_sleep;
	peer_sleeps = true;
	ck_assert(net_back_ring_publish(&race_back) || !peer_sleeps);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_once");
	TCase *tc = tcase_create("once");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 50);
	tcase_add_test(tc, requests);
	tcase_add_test(tc, responses);
	tcase_add_test(tc, packets);
	tcase_add_test(tc, indices);
	tcase_add_loop_test(tc, races, 1, 4);
	return run_suite(suite);
}
