// SPDX-License-Identifier: MIT
/*
 * Each rule of a transmitted packet: the largest and smallest that pass, and
 * what does not, by which verdict; and that every slot is answered, in its
 * place.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/netif.h>

#include "ring/net_check.h"
#include "tests/unit/check_quiet.h"
#include "tests/unit/run_suite.h"

#define MORE  NETTXF_more_data
#define EXTRA NETTXF_extra_info
#define BLANK NETTXF_csum_blank

static _Alignas(4096) uint8_t page[NET_PAGE_SIZE];
static struct net_front_ring front;
static struct net_back_ring back;
static struct net_tx_rules rules;
static struct net_tx_packet p;
static const char *why;
static uint32_t value;
static uint16_t next_id;

static void setup(void)
{
	net_front_ring_init(&front, page, NET_RING_TX);
	net_back_ring_init(&back, page, NET_RING_TX, NULL, false);
	rules = (struct net_tx_rules){true, true, true, true};
	next_id = 1000;
}

static void slot(unsigned int offset, unsigned int size, unsigned int flags)
{
	struct net_tx_req req = {
		.gref = next_id + 1u,
		.offset = (uint16_t)offset,
		.flags = (uint16_t)flags,
		.id = next_id,
		.size = (uint16_t)size,
	};

	net_front_tx_put(&front, &req);
	next_id++;
}

static void gso(unsigned int size, unsigned int type, bool more)
{
	net_front_tx_put_extra(
		&front,
		&(struct net_extra){.type = XEN_NETIF_EXTRA_TYPE_GSO,
				    .flags = more,
				    .gso = {(uint16_t)size, 0, (uint8_t)type}});
}

static void extra(unsigned int type, bool more)
{
	net_front_tx_put_extra(
		&front, &(struct net_extra){.type = (uint8_t)type,
					    .flags = more,
					    .mcast = {1, 2, 3, 4, 5, 6}});
}

static enum net_tx_verdict take(void)
{
	net_front_ring_publish(&front);
	why = NULL;
	return net_tx_take(&back, net_back_ring_avail(&back), &rules, &p, &why,
			   &value);
}

/* The packet that was taken is answered; next_id - nr_data is the id of its
 * first slot. */
static void answered(unsigned int nr_data, unsigned int nr_extras)
{
	uint16_t id = (uint16_t)(next_id - nr_data);
	struct net_tx_rsp rsp;
	unsigned int i;

	ck_assert_uint_eq(p.nr_slots, nr_data + nr_extras);
	ck_assert_uint_eq(p.nr_extras, nr_extras);
	net_tx_answer(&back, p.nr_slots, p.nr_extras, NETIF_RSP_ERROR);
	net_back_ring_publish(&back);
	ck_assert_uint_eq(back.rsp_prod_pvt, back.req_cons);
	ck_assert_int_eq(net_front_ring_avail(&front), p.nr_slots);
	for (i = 0; i < p.nr_slots; i++) {
		net_front_tx_get(&front, &rsp);
		if (i && i <= nr_extras) {
			ck_assert_int_eq(rsp.status, NETIF_RSP_NULL);
			continue;
		}
		ck_assert_int_eq(rsp.status, NETIF_RSP_ERROR);
		ck_assert_uint_eq(rsp.id, id++);
	}
}

static void refused(unsigned int nr_data, unsigned int nr_extras)
{
	ck_assert_int_eq(take(), NET_TX_BAD_PACKET);
	ck_assert_ptr_nonnull(why);
	ck_assert_uint_eq(p.len, 0);
	ck_assert_uint_eq(p.nr_frags, 0);
	answered(nr_data, nr_extras);
}

static void fatal(void)
{
	ck_assert_int_eq(take(), NET_TX_FATAL);
	ck_assert_ptr_nonnull(why);
	setup();
}

/* What every OK packet has, whatever it is. */
static void sane(void)
{
	uint32_t sum = 0, i;

	ck_assert(p.nr_frags <= NET_TX_SLOTS_MAX);
	for (i = 0; i < p.nr_frags; i++) {
		ck_assert(p.frag[i].size > 0);
		ck_assert(p.frag[i].offset + p.frag[i].size <= NET_PAGE_SIZE);
		sum += p.frag[i].size;
	}
	ck_assert_uint_eq(sum, p.len);
	if (!p.mcast_add && !p.mcast_del)
		ck_assert(p.len >= 14);
	else
		ck_assert(!p.len);
	ck_assert(!p.gso || (p.gso_size && p.csum_blank));
	ck_assert(p.nr_slots >= 1);
}

static void good(unsigned int nr_data, unsigned int nr_extras)
{
	ck_assert_int_eq(take(), NET_TX_OK);
	sane();
	answered(nr_data, nr_extras);
}

START_TEST(one_slot)
{
	static const struct {
		unsigned int offset, size;
	} ok[] = {{0, 14}, {0, 4096}, {4082, 14}, {100, 1514}, {1, 4095}};
	unsigned int i;

	for (i = 0; i < sizeof(ok) / sizeof(ok[0]); i++) {
		slot(ok[i].offset, ok[i].size, BLANK);
		good(1, 0);
		ck_assert(p.csum_blank && !p.csum_valid && !p.csum_fixup);
		ck_assert_uint_eq(p.frag[0].offset, ok[i].offset);
		ck_assert_uint_eq(p.frag[0].gref, next_id);
		ck_assert_uint_eq(p.len, ok[i].size);
	}
	slot(0, 60, NETTXF_data_validated);
	good(1, 0);
	ck_assert(!p.csum_blank && p.csum_valid);
	for (i = 0; i < 14; i++) {
		slot(0, i, 0);
		refused(1, 0);
		ck_assert_uint_eq(value, i);
	}
	slot(1, 4096, 0);
	fatal();
	slot(4095, 14, 0);
	fatal();
	slot(65535, 65535, 0);
	fatal();
}
END_TEST

/* Chains of every length, of one byte or of full pages behind the first. */
START_TEST(chains)
{
	unsigned int n, i, size = _i ? 3640 : 1;

	for (n = 2; n <= 22; n++) {
		setup();
		slot(10, n <= 18 ? 14 + size * (n - 1) : 60, MORE);
		for (i = 1; i < n; i++)
			slot(i, size, i + 1 < n ? MORE : 0);
		if (n > 21) {
			fatal();
			continue;
		}
		if (n > 18) {
			refused(n, 0);
			continue;
		}
		good(n, 0);
		ck_assert_uint_eq(p.nr_frags, n);
		ck_assert_uint_eq(p.frag[0].size, 14);
		ck_assert_uint_eq(p.frag[0].offset, 10);
		for (i = 1; i < n; i++) {
			ck_assert_uint_eq(p.frag[i].offset, i);
			ck_assert_uint_eq(p.frag[i].gref, next_id - n + i + 1);
		}
	}
}
END_TEST

/* Empty slots in every place, and all of them: taken and answered, and no part
 * of the packet. */
START_TEST(empty_slots)
{
	unsigned int n, at, i;

	for (n = 1; n <= 17; n++) {
		setup();
		slot(0, 60, MORE);
		for (i = 0; i < n; i++)
			slot(0, 0, i + 1 < n ? MORE : 0);
		good(n + 1, 0);
		ck_assert_uint_eq(p.nr_frags, 1);
	}
	for (at = 0; at < 5; at++) {
		setup();
		slot(4096, at ? 500 : 400, MORE);
		/* the first has nothing itself if at is 0 */
		if (at) {
			setup();
			slot(0, 500 - 100, MORE);
		}
		for (i = 1; i < 5; i++)
			slot(4096 - 100, i == at ? 0 : 100, i < 4 ? MORE : 0);
		good(5, 0);
		ck_assert_uint_eq(p.nr_frags, 4);
	}
}
END_TEST

START_TEST(sizes)
{
	unsigned int i;

	/* the others have more than the whole */
	slot(0, 100, MORE);
	slot(0, 101, 0);
	refused(2, 0);
	/* also where the sum is beyond 16 bits */
	slot(0, 100, MORE);
	for (i = 0; i < 17; i++)
		slot(0, 4096, i < 16 ? MORE : 0);
	refused(18, 0);
	/* nothing but what the first says is the others' */
	slot(0, 13, MORE);
	slot(0, 13, 0);
	refused(2, 0);
	slot(0, 14, MORE);
	slot(0, 13, 0);
	good(2, 0);
	/* the largest there is */
	slot(0, 65535, MORE);
	for (i = 0; i < 16; i++)
		slot(i ? 0 : 1, i ? 4096 : 4095, i < 15 ? MORE : 0);
	good(17, 0);
	ck_assert_uint_eq(p.nr_frags, 16);
}
END_TEST

START_TEST(page_borders)
{
	/* what is the first's own crosses */
	slot(4000, 297, MORE);
	slot(0, 200, 0);
	fatal();
	slot(4000, 296, MORE);
	slot(0, 200, 0);
	good(2, 0);
	slot(0, 5000, MORE);
	slot(0, 100, 0);
	fatal();
	/* one of the others, also when the packet is refused already */
	slot(0, 100, MORE);
	slot(4096, 1, 0);
	fatal();
	rules.sg = false;
	slot(0, 100, MORE);
	slot(1, 4096, 0);
	fatal();
	slot(0, 100, MORE);
	slot(4095, 1, 0);
	good(2, 0);
}
END_TEST

START_TEST(gso_rules)
{
	slot(0, 4000, EXTRA | BLANK);
	gso(1448, XEN_NETIF_GSO_TYPE_TCPV4, false);
	good(1, 1);
	ck_assert(p.gso == NET_GSO_TCPV4 && p.gso_size == 1448);
	ck_assert(!p.csum_fixup);
	slot(0, 4000, EXTRA);
	gso(1448, XEN_NETIF_GSO_TYPE_TCPV6, false);
	good(1, 1);
	ck_assert(p.gso == NET_GSO_TCPV6 && p.csum_fixup && p.csum_blank);
	slot(0, 5000, EXTRA | BLANK | MORE);
	gso(65535, XEN_NETIF_GSO_TYPE_TCPV4, false);
	slot(96, 4000, 0);
	good(2, 1);
	slot(0, 4000, EXTRA | BLANK);
	gso(0, XEN_NETIF_GSO_TYPE_TCPV4, false);
	fatal();
	slot(0, 4000, EXTRA | BLANK);
	gso(1448, XEN_NETIF_GSO_TYPE_NONE, false);
	fatal();
	slot(0, 4000, EXTRA | BLANK);
	gso(1448, 3, false);
	fatal();
	rules.gso4 = false;
	slot(0, 4000, EXTRA | BLANK);
	gso(1448, XEN_NETIF_GSO_TYPE_TCPV4, false);
	refused(1, 1);
	slot(0, 4000, EXTRA | BLANK);
	gso(1448, XEN_NETIF_GSO_TYPE_TCPV6, false);
	good(1, 1);
	rules.gso6 = false;
	slot(0, 4000, EXTRA | BLANK | MORE);
	gso(1448, XEN_NETIF_GSO_TYPE_TCPV6, false);
	slot(0, 100, 0);
	refused(2, 1);
}
END_TEST

START_TEST(extra_rules)
{
	unsigned int type, n, i;

	for (type = 0; type < 256; type++) {
		slot(0, 60, EXTRA);
		extra(type, false);
		if (type == 0 || type > 5)
			fatal();
		else if (type == XEN_NETIF_EXTRA_TYPE_GSO)
			/* the bytes of an address as size and type */
			fatal();
		else if (type == NET_EXTRA_XDP)
			refused(1, 1);
		else
			good(1, 1);
		setup();
	}
	/* the same twice */
	slot(0, 60, EXTRA);
	extra(XEN_NETIF_EXTRA_TYPE_HASH, true);
	extra(XEN_NETIF_EXTRA_TYPE_HASH, false);
	refused(1, 2);
	/* the most, and one more */
	for (n = 5; n <= 6; n++) {
		slot(0, 60, EXTRA);
		for (i = 0; i < n; i++)
			extra(XEN_NETIF_EXTRA_TYPE_HASH, i + 1 < n);
		if (n == 5)
			refused(1, 5);
		else
			fatal();
	}
	/* other flags than MORE mean nothing */
	slot(0, 60, EXTRA);
	net_front_tx_put_extra(
		&front, &(struct net_extra){.type = XEN_NETIF_EXTRA_TYPE_HASH,
					    .flags = 0xfe,
					    .hash = {3, 1, 0x12345678}});
	good(1, 1);
	ck_assert(p.has_hash && p.hash_type == 3 && p.hash == 0x12345678);
	slot(0, 60, EXTRA);
	net_front_tx_put_extra(
		&front, &(struct net_extra){.type = XEN_NETIF_EXTRA_TYPE_HASH,
					    .hash = {3, 2, 0x12345678}});
	good(1, 1);
	ck_assert(!p.has_hash);
}
END_TEST

START_TEST(multicast)
{
	static const uint8_t addr[6] = {1, 2, 3, 4, 5, 6};

	slot(0, 0, EXTRA);
	extra(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, false);
	good(1, 1);
	ck_assert(p.mcast_add && !p.mcast_del && !memcmp(p.mcast, addr, 6));
	/* whatever else its slot says */
	slot(65535, 65535, EXTRA | BLANK);
	extra(XEN_NETIF_EXTRA_TYPE_MCAST_DEL, false);
	good(1, 1);
	ck_assert(p.mcast_del && !p.mcast_add && !memcmp(p.mcast, addr, 6));
	slot(0, 0, EXTRA);
	extra(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, true);
	extra(XEN_NETIF_EXTRA_TYPE_MCAST_DEL, false);
	refused(1, 2);
	slot(0, 0, EXTRA | MORE);
	extra(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, false);
	slot(0, 60, 0);
	fatal();
	rules.mcast_control = false;
	slot(0, 0, EXTRA);
	extra(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, false);
	refused(1, 1);
}
END_TEST

START_TEST(no_sg)
{
	rules.sg = false;
	slot(0, 100, MORE);
	slot(0, 10, 0);
	refused(2, 0);
	slot(0, 100, 0);
	good(1, 0);
}
END_TEST

/* A packet that comes slot by slot: not taken before it is whole. */
START_TEST(incomplete)
{
	uint32_t cons = back.req_cons;
	unsigned int i;

	ck_assert_int_eq(take(), NET_TX_INCOMPLETE);
	ck_assert_uint_eq(value, 0);
	for (i = 0; i < 6; i++) {
		switch (i) {
		case 0:
			slot(0, 1000, EXTRA | BLANK | MORE);
			break;
		case 1:
			gso(100, XEN_NETIF_GSO_TYPE_TCPV4, true);
			break;
		case 2:
			extra(XEN_NETIF_EXTRA_TYPE_HASH, false);
			break;
		default:
			slot(0, 100, i < 5 ? MORE : 0);
		}
		if (i < 5) {
			ck_assert_int_eq(take(), NET_TX_INCOMPLETE);
			ck_assert_uint_eq(value, i + 1);
			ck_assert_uint_eq(back.req_cons, cons);
			ck_assert(!net_back_ring_arm(&back, value + 1));
		}
	}
	net_front_ring_publish(&front);
	ck_assert(net_back_ring_arm(&back, value + 1));
	good(4, 2);
	/* what cannot become right is not waited for */
	slot(0, 1000, EXTRA);
	ck_assert_int_eq(take(), NET_TX_INCOMPLETE);
	extra(0, true);
	fatal();
	for (i = 0; i < 20; i++)
		slot(0, 10, MORE);
	ck_assert_int_eq(take(), NET_TX_INCOMPLETE);
	slot(0, 10, MORE);
	fatal();
}
END_TEST

/* Any slots: the device ends, or all that was taken is answered in its place
 * and what is called OK is sane. */
START_TEST(random_slots)
{
	unsigned int round, i, n, seen[4] = {0};
	enum net_tx_verdict v;

	srandom((unsigned int)_i);
	for (round = 0; round < 10000; round++) {
		setup();
		n = 1 + (unsigned int)random() % 24;
		for (i = 0; i < n; i++) {
			if (random() % 8 == 0) {
				gso((unsigned int)random() % 3,
				    (unsigned int)random() % 4, random() % 2);
				continue;
			}
			if (random() % 8 == 0) {
				extra((unsigned int)random() % 7, random() % 2);
				continue;
			}
			slot(random() % 30 ? 0 : (unsigned int)random(),
			     (unsigned int)random() % (i ? 50 : 3000),
			     (random() % 4 ? MORE : 0) |
				     (random() % 3 ? 0 : EXTRA));
		}
		net_front_ring_publish(&front);
		do {
			int avail = net_back_ring_avail(&back);

			v = net_tx_take(&back, avail, &rules, &p, &why, &value);
			seen[v]++;
			if (v == NET_TX_OK)
				sane();
			if (v == NET_TX_OK || v == NET_TX_BAD_PACKET) {
				ck_assert((int)p.nr_slots <= avail);
				net_tx_answer(&back, p.nr_slots, p.nr_extras,
					      NETIF_RSP_OKAY);
			}
		} while (v == NET_TX_OK || v == NET_TX_BAD_PACKET);
		if (v == NET_TX_INCOMPLETE)
			ck_assert_uint_eq(back.req_cons, back.rsp_prod_pvt);
	}
	for (i = 0; i < 4; i++)
		ck_assert_uint_gt(seen[i], 500);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_check");
	TCase *tc = tcase_create("check");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 50);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, one_slot);
	tcase_add_loop_test(tc, chains, 0, 2);
	tcase_add_test(tc, empty_slots);
	tcase_add_test(tc, sizes);
	tcase_add_test(tc, page_borders);
	tcase_add_test(tc, gso_rules);
	tcase_add_test(tc, extra_rules);
	tcase_add_test(tc, multicast);
	tcase_add_test(tc, no_sg);
	tcase_add_test(tc, incomplete);
	tcase_add_loop_test(tc, random_slots, 0, 4);
	return run_suite(suite);
}
