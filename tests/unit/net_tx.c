// SPDX-License-Identifier: MIT
/* From the guest to the link: what arrives, what is answered, what a hostile
 * guest gets, and what a rate and a new worker do to it. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ring/net_csum.h"
#include "tests/unit/fake_gnttab.h"
#include "tests/unit/net_fixture.h"
#include "tests/unit/run_suite.h"

#define ALL (LINK_CSUM | LINK_TSO4 | LINK_TSO6 | LINK_SG)

static const struct fx_setup plain = {.features = ALL, .offers = ALL};

static uint64_t counted(const atomic_uint_fast64_t *c)
{
	return atomic_load(c);
}
#define COUNTED(name) counted(&fx.stats->queue[0].name)

static void open_plain(void)
{
	fx_open(&plain);
}

static void check_sent(unsigned int i, const uint8_t *data, uint32_t len)
{
	ck_assert_uint_gt(fx.nr_sent, i);
	ck_assert_uint_eq(fx.sent[i].meta.len, len);
	ck_assert_mem_eq(fx.sent[i].data, data, len);
}

START_TEST(a_frame)
{
	uint8_t frame[1514];
	uint32_t len = _i & 1 ? 60 : 1514;
	uint16_t id;

	if (_i & 2)
		fx_static(FX_TX_REF(0), FX_RING);
	fx_udp(frame, len, 1, false);
	id = fx_tx_frame(frame, (uint16_t)len, NETTXF_data_validated);
	fx_tx_publish();
	fx_run();
	check_sent(0, frame, len);
	ck_assert(fx.sent[0].meta.csum_valid);
	ck_assert(!fx.sent[0].meta.csum_partial);
	ck_assert_uint_eq(fx_tx_answers(), 1);
	ck_assert_int_eq(fx.tx_status[id], NETIF_RSP_OKAY);
	ck_assert_uint_eq(COUNTED(tx_packets), 1);
	ck_assert_uint_eq(COUNTED(tx_bytes), len);
	ck_assert_uint_eq(COUNTED(static_bytes), _i & 2 ? len : 0);
	ck_assert_uint_eq(COUNTED(grant_copy_bytes), _i & 2 ? 0 : len);
	ck_assert_uint_eq(fx.notified[0], 1);
	/* headers are private, and payload of static grants is not copied */
	ck_assert_uint_eq(fx.sent[0].meta.nr_iov, _i == 2 ? 2 : 1);
}
END_TEST

/* A chain whose pieces are now static, now not, many times over. */
START_TEST(chains)
{
	static uint8_t frame[18 * 4096];
	unsigned int round, i;

	fx_static(FX_TX_REF((unsigned int)_i), 100);
	for (round = 0; round < 60; round++) {
		uint16_t size[18], id[18], at = 0, total = 0;
		unsigned int nr = 1 + round % 18;

		for (i = 0; i < nr; i++) {
			size[i] = (uint16_t)(1 +
					     (round * 977 + i * 331) % 3500);
			if (!i && size[0] < 60)
				size[0] = 60;
			total = (uint16_t)(total + size[i]);
		}
		fx_udp(frame, total, round, false);
		for (i = 0; i < nr; i++) {
			uint16_t n = size[i];

			id[i] = fx_tx_put(i + 1 < nr ? NETTXF_more_data : 0,
					  (uint16_t)(i * 32), i ? n : total,
					  frame + at, n);
			at = (uint16_t)(at + n);
		}
		fx_tx_publish();
		fx.nr_sent = 0;
		fx_run();
		check_sent(0, frame, total);
		ck_assert_uint_ge(fx.sent[0].meta.head_len,
				  size[0] < 256 ? size[0] : 256);
		ck_assert_uint_eq(fx_tx_answers(), nr);
		for (i = 0; i < nr; i++) {
			ck_assert_int_eq(fx.tx_status[id[i]], NETIF_RSP_OKAY);
			fx.tx_status[id[i]] = 99;
		}
	}
}
END_TEST

/* Pieces as Linux's xen-netfront cuts a long frame (headers, the rest of a
 * page, whole pages), and as another may: each is one copy within one page of
 * ours, but for the head that is judged in one piece. */
START_TEST(long_frames_by_pages)
{
	static const uint16_t first[] = {54, 90, 256, 300, 2000, 3900};
	static uint8_t frame[0xffff];
	unsigned int round;

	for (round = 0; round < 40; round++) {
		uint32_t total = 9000 + round * 1400, at = 0, pieces = 0;
		uint16_t id = 0, n = first[round % 6];

		fx_udp(frame, total, round, false);
		for (; at < total; at += n, pieces++) {
			uint16_t offset = 0;

			if (pieces == 1)
				offset = (uint16_t)(round * 100);
			if (pieces)
				n = (uint16_t)(4096 - offset);
			if (n > total - at)
				n = (uint16_t)(total - at);
			id = fx_tx_put(at + n < total ? NETTXF_more_data : 0,
				       offset, pieces ? n : (uint16_t)total,
				       frame + at, n);
		}
		fx_tx_publish();
		fx.nr_sent = 0;
		fake.cut_copies = 0;
		fx_run();
		check_sent(0, frame, total);
		ck_assert_uint_ge(fx.sent[0].meta.head_len, NET_HEAD);
		ck_assert_uint_eq(fake.cut_copies, 0);
		ck_assert_uint_eq(fx_tx_answers(), pieces);
		ck_assert_int_eq(fx.tx_status[id], NETIF_RSP_OKAY);
		for (at = 0; at < sizeof(fx.tx_status) / 2; at++)
			fx.tx_status[at] = 99;
	}
}
END_TEST

START_TEST(a_full_ring_in_batches)
{
	uint8_t frame[FX_RING][64];
	unsigned int i, turns = 0;

	if (_i)
		fx_static(FX_TX_REF(0), FX_RING);
	for (i = 0; i < FX_RING; i++) {
		fx_udp(frame[i], 64, i, false);
		fx_tx_frame(frame[i], 64, 0);
	}
	fx_tx_publish();
	for (; fx.nr_sent < FX_RING; turns++) {
		ck_assert_int_gt(fx_poll(), 0);
		ck_assert_uint_le(fx.nr_sent, (turns + 1) * NET_BATCH);
	}
	ck_assert_uint_eq(turns, FX_RING / NET_BATCH);
	for (i = 0; i < FX_RING; i++)
		check_sent(i, frame[i], 64);
	ck_assert_uint_eq(fx_tx_answers(), FX_RING);
	ck_assert_uint_eq(COUNTED(link_calls), turns);
	if (!_i)
		ck_assert_uint_eq(COUNTED(grant_copy_calls), turns);
}
END_TEST

static void checksums(bool link_can)
{
	uint8_t blank[600], full[600];
	uint16_t id[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		void (*make)(uint8_t *, uint32_t, uint32_t,
			     bool) = i & 1 ? fx_tcp6 : fx_udp;

		make(blank, sizeof(blank) - i, 7, true);
		make(full, sizeof(full) - i, 7, false);
		ck_assert_mem_ne(blank, full, sizeof(full) - i);
		/* what a guest leaves in the field is its own sum of the
		 * pseudo header */
		id[i] = fx_tx_frame(blank, (uint16_t)(sizeof(blank) - i),
				    NETTXF_csum_blank | NETTXF_data_validated);
		fx_tx_publish();
		fx_run();
		if (link_can) {
			ck_assert(fx.sent[i].meta.csum_partial);
			ck_assert_uint_eq(fx.sent[i].meta.csum_start,
					  i & 1 ? 54 : 34);
			ck_assert_uint_eq(fx.sent[i].meta.csum_offset,
					  i & 1 ? 16 : 6);
			check_sent(i, blank, sizeof(blank) - i);
		} else {
			ck_assert(!fx.sent[i].meta.csum_partial);
			ck_assert(fx.sent[i].meta.csum_valid);
			check_sent(i, full, sizeof(full) - i);
		}
		fx_tx_answers();
		ck_assert_int_eq(fx.tx_status[id[i]], NETIF_RSP_OKAY);
	}
}

START_TEST(checksums_of_both)
{
	struct fx_setup how = plain;

	how.offers = _i ? ALL : LINK_SG;
	fx_open(&how);
	checksums(_i);
	fx_close();
}
END_TEST

/* Blank, where nobody knows what: refused, and the device lives. */
START_TEST(blank_checksum_of_what)
{
	uint8_t frame[60] = {2, 0, 0, 0, 0, 1, 0, 0x16, 0x3e, 1, 2, 3, 8, 6};
	uint16_t bad, good;

	bad = fx_tx_frame(frame, sizeof(frame), NETTXF_csum_blank);
	good = fx_tx_frame(frame, sizeof(frame), 0);
	fx_tx_publish();
	fx_run();
	ck_assert_uint_eq(fx_tx_answers(), 2);
	ck_assert_int_eq(fx.tx_status[bad], NETIF_RSP_ERROR);
	ck_assert_int_eq(fx.tx_status[good], NETIF_RSP_OKAY);
	ck_assert_uint_eq(fx.nr_sent, 1);
	ck_assert_uint_eq(COUNTED(tx_errors), 1);
	ck_assert_ptr_null(fx.violation);
}
END_TEST

START_TEST(gso)
{
	static uint8_t frame[40000];
	struct net_extra x = {
		.type = XEN_NETIF_EXTRA_TYPE_GSO,
		.gso = {.size = 1400, .type = XEN_NETIF_GSO_TYPE_TCPV6},
	};
	uint16_t id, at = 4000, n;

	fx_tcp6(frame, sizeof(frame), 3, true);
	id = fx_tx_put(NETTXF_csum_blank | NETTXF_data_validated |
			       NETTXF_more_data | NETTXF_extra_info,
		       0, sizeof(frame), frame, 4000);
	fx_tx_extra(&x);
	for (; at < sizeof(frame); at = (uint16_t)(at + n)) {
		n = (uint16_t)(sizeof(frame) - at);
		if (n > 4096)
			n = 4096;
		fx_tx_put(at + n < (int)sizeof(frame) ? NETTXF_more_data : 0, 0,
			  n, frame + at, n);
	}
	fx_tx_publish();
	fx_run();
	check_sent(0, frame, sizeof(frame));
	ck_assert_uint_eq(fx.sent[0].meta.gso, NET_GSO_TCPV6);
	ck_assert_uint_eq(fx.sent[0].meta.gso_size, 1400);
	ck_assert(fx.sent[0].meta.csum_partial);
	ck_assert_uint_eq(fx.sent[0].meta.csum_start, 54);
	fx_tx_answers();
	ck_assert_int_eq(fx.tx_status[id], NETIF_RSP_OKAY);
	ck_assert_uint_eq(COUNTED(tx_gso), 1);
}
END_TEST

/* A page that is not granted costs its own packet and no other. */
START_TEST(a_page_is_not_granted)
{
	uint8_t frame[1000];
	uint16_t id[10];
	unsigned int i;

	fx_udp(frame, sizeof(frame), 1, false);
	fake_revoke(FX_TX_REF(4));
	for (i = 0; i < 10; i++)
		id[i] = fx_tx_frame(frame, sizeof(frame), 0);
	fx_tx_publish();
	fx_run();
	ck_assert_uint_eq(fx_tx_answers(), 10);
	for (i = 0; i < 10; i++)
		ck_assert_int_eq(fx.tx_status[id[i]],
				 i == 4 ? NETIF_RSP_ERROR : NETIF_RSP_OKAY);
	ck_assert_uint_eq(fx.nr_sent, 9);
	ck_assert_uint_eq(COUNTED(tx_errors), 1);
	ck_assert_ptr_null(fx.violation);
}
END_TEST

/* A copy call that fails as a whole costs the batch. */
START_TEST(copies_fail)
{
	uint8_t frame[100];
	uint16_t id[4];
	unsigned int i;

	fx_udp(frame, sizeof(frame), 1, false);
	for (i = 0; i < 4; i++)
		id[i] = fx_tx_frame(frame, sizeof(frame), 0);
	fx_tx_publish();
	if (_i)
		fake_short_copy(1, 2);
	else
		fake_fail_copy(1, 12);
	fx_run();
	fx_tx_answers();
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(fx.tx_status[id[i]],
				 _i && i < 2 ? NETIF_RSP_OKAY
					     : NETIF_RSP_ERROR);
	fx_tx_frame(frame, sizeof(frame), 0);
	fx_tx_publish();
	fx_run();
	ck_assert_uint_eq(fx.nr_sent, _i ? 3 : 1);
}
END_TEST

START_TEST(multicast_groups)
{
	struct net_extra x = {.type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
			      .mcast = {1, 0, 0x5e, 0, 0, 0}};
	uint16_t id[66];
	unsigned int i;

	for (i = 0; i < 66; i++) {
		x.mcast[5] = (uint8_t)i;
		if (i == 65) {
			x.type = XEN_NETIF_EXTRA_TYPE_MCAST_DEL;
			x.mcast[5] = 0;
		}
		id[i] = fx_tx_put(NETTXF_extra_info, 0, 0, NULL, 0);
		fx_tx_extra(&x);
	}
	fx_tx_publish();
	fx_run();
	ck_assert_uint_eq(fx_tx_answers(), 132);
	for (i = 0; i < 66; i++)
		ck_assert_int_eq(fx.tx_status[id[i]],
				 i == 64 ? NETIF_RSP_ERROR : NETIF_RSP_OKAY);
	ck_assert_uint_eq(fx.nr_sent, 0);
	x.mcast[5] = 1;
	net_mcast_set(&fx.mcast, true);
	ck_assert(net_mcast_pass(&fx.mcast, x.mcast));
	x.mcast[5] = 0;
	ck_assert(!net_mcast_pass(&fx.mcast, x.mcast));
}
END_TEST

/* ---- the policy ---- */

START_TEST(tags)
{
	struct fx_setup how = plain;
	uint8_t frame[900], want[904];
	unsigned int i;

	how.policy.access = 7;
	fx_open(&how);
	if (_i)
		fx_static(FX_TX_REF(0), FX_RING);
	fx_udp(frame, sizeof(frame), 5, true);
	memcpy(want, frame, 12);
	memcpy(want + 12, "\x81\x00\x00\x07", 4);
	memcpy(want + 16, frame + 12, sizeof(frame) - 12);
	for (i = 0; i < 3; i++)
		fx_tx_frame(frame, sizeof(frame), NETTXF_csum_blank);
	/* tagged by the guest: not its own VLAN's to choose */
	fx_tx_frame(want, sizeof(want), 0);
	fx_tx_publish();
	fx_run();
	ck_assert_uint_eq(fx.nr_sent, 3);
	for (i = 0; i < 3; i++) {
		check_sent(i, want, sizeof(want));
		ck_assert_uint_eq(fx.sent[i].meta.csum_start, 38);
	}
	ck_assert_uint_eq(COUNTED(vlan_dropped), 1);
	ck_assert_uint_eq(fx_tx_answers(), 4);
	fx_close();
}
END_TEST

START_TEST(spoofed)
{
	struct fx_setup how = {
		.features = ALL,
		.offers = ALL,
		.policy = {.mac = FX_MAC, .check_mac = true},
	};
	uint8_t frame[100];
	uint16_t bad, good;

	fx_open(&how);
	fx_udp(frame, sizeof(frame), 5, false);
	good = fx_tx_frame(frame, sizeof(frame), 0);
	frame[11] ^= 1;
	bad = fx_tx_frame(frame, sizeof(frame), 0);
	fx_tx_publish();
	fx_run();
	fx_tx_answers();
	ck_assert_int_eq(fx.tx_status[good], NETIF_RSP_OKAY);
	ck_assert_int_eq(fx.tx_status[bad], NETIF_RSP_DROPPED);
	ck_assert_uint_eq(fx.nr_sent, 1);
	ck_assert_uint_eq(COUNTED(spoofed_mac), 1);
	fx_close();
}
END_TEST

/* Over the rate, packets wait in the ring; each goes once, in order. */
START_TEST(a_rate)
{
	struct fx_setup how = plain;
	uint8_t frame[200][64];
	struct net_extra x = {.type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
			      .mcast = {1, 0, 0x5e, 0, 0, 0}};
	unsigned int i, before, ms = 0;

	how.policy.rate[NET_FROM_GUEST].packets_per_s = 1000;
	how.policy.rate[NET_FROM_GUEST].packets_burst = 10;
	fx_open(&how);
	for (i = 0; i < 200; i++) {
		fx_udp(frame[i], 64, i, false);
		fx_tx_frame(frame[i], 64, 0);
		if (i % 50 == 20) {
			fx_tx_put(NETTXF_extra_info, 0, 0, NULL, 0);
			fx_tx_extra(&x);
		}
	}
	fx_tx_publish();
	while (fx.nr_sent < 200) {
		before = fx.nr_sent;
		fx_run();
		ck_assert_uint_le(fx.nr_sent - before, ms ? 9 : 13);
		ck_assert_uint_le(ms++, 400);
		fx_sleep_ms(1);
	}
	/* 200 packets, 10 of them at once, are 190 ms; polls count 1 us */
	ck_assert_uint_ge(ms, 150);
	ck_assert_uint_le(ms, 200);
	for (i = 0; i < 200; i++)
		check_sent(i, frame[i], 64);
	ck_assert_uint_eq(fx_tx_answers(), 208);
	ck_assert_uint_gt(COUNTED(throttled), 0);
	ck_assert_uint_eq(COUNTED(tx_packets), 200);
	fx_close();
}
END_TEST

/* ---- hostile guests ---- */

START_TEST(half_a_packet)
{
	uint8_t frame[3000];
	uint16_t id;

	fx_udp(frame, sizeof(frame), 1, false);
	fx_tx_frame(frame, 100, 0);
	id = fx_tx_put(NETTXF_more_data, 0, sizeof(frame), frame, 2000);
	fx_tx_publish();
	fx_run();
	ck_assert_uint_eq(fx.nr_sent, 1);
	ck_assert_uint_eq(fx_tx_answers(), 1);
	/* nothing to be done, however often it is looked at */
	ck_assert_int_eq(fx_poll(), 0);
	ck_assert(!fx_arm());
	fx_tx_put(0, 0, 1000, frame + 2000, 1000);
	ck_assert(net_front_ring_publish(&fx.tx));
	fx_run();
	ck_assert_uint_eq(fx.nr_sent, 2);
	check_sent(1, frame, sizeof(frame));
	ck_assert_uint_eq(fx_tx_answers(), 2);
	ck_assert_int_eq(fx.tx_status[id], NETIF_RSP_OKAY);
	ck_assert_ptr_null(fx.violation);
}
END_TEST

/* The device ends, said once, and nothing of the guest's is touched again. */
START_TEST(fatal)
{
	size_t size = 64 * FAKE_PAGE;
	struct net_extra bad = {.type = 9};
	uint8_t frame[100];
	uint32_t *ring = fake_frame(20);
	void *before = malloc(size);

	fx_udp(frame, sizeof(frame), 1, false);
	switch (_i) {
	case 0: /* across a page's end */
		fx_tx_put(0, 4000, 100, NULL, 0);
		break;
	case 1: /* no such extra info */
		fx_tx_put(NETTXF_extra_info, 0, 100, frame, 100);
		fx_tx_extra(&bad);
		break;
	case 2:
		fx_tx_frame(frame, 100, 0);
		break;
	}
	fx_tx_publish();
	if (_i == 2)
		ring[0] += 1000;
	memcpy(before, fake_frame(0), size);
	ck_assert_int_eq(fx_poll(), 0);
	ck_assert_ptr_nonnull(fx.violation);
	ck_assert_int_eq(fx_poll(), 0);
	ck_assert(!fx_arm());
	ck_assert_mem_eq(before, fake_frame(0), size);
	ck_assert_uint_eq(fx.nr_sent, 0);
	ck_assert_uint_eq(COUNTED(violations), 1);
	free(before);
}
END_TEST

/* Checked data is private: what the guest makes of its page later counts for
 * nothing, also with static grants. */
START_TEST(headers_are_private)
{
	uint8_t frame[1400];

	if (_i)
		fx_static(FX_TX_REF(0), FX_RING);
	fx_udp(frame, sizeof(frame), 1, false);
	fx_tx_frame(frame, sizeof(frame), 0);
	fx_tx_publish();
	fx_poll();
	ck_assert_uint_ge(fx.sent[0].meta.head_len, 128);
	ck_assert_ptr_ne(fx.sent[0].meta.iov[0].iov_base,
			 (char *)fake_frame(FX_TX_REF(0)) + 64);
	ck_assert_mem_eq(fx.sent[0].data, frame, sizeof(frame));
}
END_TEST

/* ---- another worker ---- */

START_TEST(a_new_worker)
{
	uint8_t frame[FX_RING][64];
	unsigned int i;

	if (_i)
		fx_static(FX_TX_REF(0), FX_RING);
	for (i = 0; i < FX_RING; i++) {
		fx_udp(frame[i], 64, i, false);
		fx_tx_frame(frame[i], 64, 0);
	}
	fx_tx_publish();
	fx_poll();
	fx_replace_worker();
	ck_assert_uint_eq(fx.notified[0], 2);
	fx_run();
	ck_assert_uint_eq(fx.nr_sent, FX_RING);
	for (i = 0; i < FX_RING; i++)
		check_sent(i, frame[i], 64);
	ck_assert_uint_eq(fx_tx_answers(), FX_RING);
	ck_assert_uint_eq(COUNTED(static_bytes), _i ? 64 * FX_RING : 0);
}
END_TEST

START_TEST(split_events)
{
	struct fx_setup how = plain;
	uint8_t frame[64];

	how.split = true;
	fx_open(&how);
	fx_udp(frame, 64, 1, false);
	fx_tx_frame(frame, 64, 0);
	fx_tx_publish();
	fx_run();
	ck_assert_uint_eq(fx.notified[0], 1);
	ck_assert_uint_eq(fx.notified[1], 0);
	fx_close();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_tx");
	TCase *t = tcase_create("one device"), *own = tcase_create("own");

	log_init("net_tx", LOG_LEVEL_ERR);
	tcase_add_checked_fixture(t, open_plain, fx_close);
	tcase_add_loop_test(t, a_frame, 0, 4);
	tcase_add_loop_test(t, chains, 0, 3);
	tcase_add_test(t, long_frames_by_pages);
	tcase_add_loop_test(t, a_full_ring_in_batches, 0, 2);
	tcase_add_test(t, blank_checksum_of_what);
	tcase_add_test(t, gso);
	tcase_add_test(t, a_page_is_not_granted);
	tcase_add_loop_test(t, copies_fail, 0, 2);
	tcase_add_test(t, multicast_groups);
	tcase_add_test(t, half_a_packet);
	tcase_add_loop_test(t, fatal, 0, 3);
	tcase_add_loop_test(t, headers_are_private, 0, 2);
	tcase_add_loop_test(t, a_new_worker, 0, 2);
	tcase_add_loop_test(own, checksums_of_both, 0, 2);
	tcase_add_loop_test(own, tags, 0, 2);
	tcase_add_test(own, spoofed);
	tcase_add_test(own, a_rate);
	tcase_add_test(own, split_events);
	suite_add_tcase(suite, t);
	suite_add_tcase(suite, own);
	return run_suite(suite);
}
