// SPDX-License-Identifier: MIT
/* From the link to the guest: shapes of packets, guests that give too few
 * buffers or bad ones, filters, and a new worker. */
#include <check.h>
#include <string.h>

#include "tests/unit/fake_gnttab.h"
#include "tests/unit/net_fixture.h"
#include "tests/unit/run_suite.h"

#define ALL (LINK_CSUM | LINK_TSO4 | LINK_TSO6 | LINK_SG)
#define S   1000u /* ms */

static const struct fx_setup plain = {.features = ALL, .offers = ALL};

#define COUNTED(name) atomic_load(&fx.stats->queue[0].name)

static void open_plain(void)
{
	fx_open(&plain);
}

static void check_got(unsigned int i, const uint8_t *data, uint32_t len)
{
	ck_assert_uint_gt(fx.nr_got, i);
	ck_assert(!fx.got[i].failed);
	ck_assert_uint_eq(fx.got[i].meta.len, len);
	ck_assert_mem_eq(fx.got[i].data, data, len);
}

/* Frames of one slot, numbered. */
static void give(unsigned int nr, uint32_t len)
{
	uint8_t frame[2000];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		fx_udp(frame, len, i, false);
		fx_link_frame(NULL, frame, len);
	}
}

static void check_numbered(unsigned int nr, uint32_t len)
{
	uint8_t frame[2000];
	unsigned int i;

	ck_assert_uint_eq(fx.nr_got, nr);
	for (i = 0; i < nr; i++) {
		fx_udp(frame, len, i, false);
		check_got(i, frame, len);
	}
}

START_TEST(frames)
{
	static const uint32_t lens[] = {14,   60,   64,   1514,
					4096, 4097, 9014, 65535};
	static uint8_t frame[65535];
	unsigned int i;

	if (_i)
		fx_static(FX_RX_REF(0), FX_RING);
	fx_udp(frame, sizeof(frame), 1, false);
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		fx_rx_buffers(20);
		fx_link_frame(NULL, frame, lens[i]);
		fx_run();
		fx.nr_got = 0;
		fx_rx_take();
		check_got(0, frame, lens[i]);
		ck_assert_uint_eq(fx.got[0].nr_slots, (lens[i] + 4095) / 4096);
	}
	ck_assert_uint_eq(COUNTED(rx_packets), i);
	ck_assert(_i ? !COUNTED(grant_copies) : !COUNTED(static_bytes));
}
END_TEST

START_TEST(a_ring_full)
{
	if (_i)
		fx_static(FX_RX_REF(0), FX_RING);
	fx_rx_buffers(FX_RING);
	give(FX_RING, 64);
	ck_assert_int_eq(fx_poll(), NET_BATCH);
	fx_run();
	fx_rx_take();
	check_numbered(FX_RING, 64);
	if (!_i)
		ck_assert_uint_eq(COUNTED(grant_copy_calls),
				  FX_RING / NET_BATCH);
	ck_assert(fx.armed);
}
END_TEST

/* Data in slots, extra infos behind the first, flags as <xen/io/netif.h>. */
START_TEST(gso)
{
	static uint8_t frame[40000];
	struct net_frame meta = {
		.gso = NET_GSO_TCPV6, .gso_size = 1400, .csum_partial = true};
	const struct net_extra *x;

	fx_rx_buffers(30);
	fx_tcp6(frame, sizeof(frame), 3, true);
	fx_link_frame(&meta, frame, sizeof(frame));
	fx_run();
	fx_rx_take();
	check_got(0, frame, sizeof(frame));
	x = &fx.got[0].extra[0];
	ck_assert_uint_eq(fx.got[0].nr_slots, 11);
	ck_assert_uint_eq(fx.got[0].nr_extras, 1);
	ck_assert_uint_eq(x->type, XEN_NETIF_EXTRA_TYPE_GSO);
	ck_assert_uint_eq(x->flags, 0);
	ck_assert_uint_eq(x->gso.type, XEN_NETIF_GSO_TYPE_TCPV6);
	ck_assert_uint_eq(x->gso.size, 1400);
	ck_assert_uint_eq(fx.got[0].flags,
			  NETRXF_csum_blank | NETRXF_data_validated |
				  NETRXF_extra_info | NETRXF_more_data);
	ck_assert_uint_eq(COUNTED(rx_gso), 1);
}
END_TEST

/* What this guest cannot take is lost, what it can goes on. */
START_TEST(too_much_for_the_guest)
{
	struct fx_setup how = plain;
	struct net_frame meta = {
		.gso = NET_GSO_TCPV6, .gso_size = 1400, .csum_partial = true};
	static uint8_t frame[9000];

	how.features = LINK_CSUM;
	fx_open(&how);
	fx_rx_buffers(30);
	fx_tcp6(frame, sizeof(frame), 3, true);
	fx_link_frame(&meta, frame, 3000);
	fx_link_frame(NULL, frame, 9000);
	fx_link_frame(NULL, frame, 13);
	fx_link_frame(NULL, frame, 4096);
	fx_run();
	fx_rx_take();
	ck_assert_uint_eq(fx.nr_got, 1);
	check_got(0, frame, 4096);
	ck_assert_uint_eq(COUNTED(rx_dropped), 3);
	fx_close();
}
END_TEST

START_TEST(checksums)
{
	struct fx_setup how = plain;
	struct net_frame meta = {.csum_partial = true};
	uint8_t blank[600], full[600];
	unsigned int i;

	how.no_csum = !_i;
	fx_open(&how);
	fx_rx_buffers(10);
	for (i = 0; i < 4; i++) {
		void (*make)(uint8_t *, uint32_t, uint32_t,
			     bool) = i & 1 ? fx_tcp6 : fx_udp;

		make(blank, sizeof(blank) - i, 7, true);
		make(full, sizeof(full) - i, 7, false);
		fx_link_frame(&meta, blank, sizeof(blank) - i);
		fx_run();
		fx_rx_take();
		check_got(i, _i ? blank : full, sizeof(blank) - i);
		ck_assert_uint_eq(fx.got[i].flags,
				  NETRXF_data_validated |
					  (_i ? NETRXF_csum_blank : 0));
	}
	fx_close();
}
END_TEST

/* ---- buffers ---- */

/* Frames wait for the last slot they need, and nobody spins meanwhile. */
START_TEST(one_slot_short)
{
	static uint8_t frame[9000];

	fx_udp(frame, sizeof(frame), 1, false);
	fx_rx_buffers(2);
	fx_link_frame(NULL, frame, sizeof(frame));
	give(3, 100);
	fx_run();
	ck_assert(!fx.armed);
	fx_rx_take();
	ck_assert_uint_eq(fx.nr_got, 0);
	/* the guest is asked for the one slot, and told nothing before */
	ck_assert_int_eq(fx_poll(), 0);
	ck_assert(!fx_arm());
	net_front_ring_publish(&fx.rx);
	fx_rx_buffers(1);
	ck_assert(fx_arm());
	fx_run();
	fx_rx_take();
	ck_assert_uint_eq(fx.nr_got, 1);
	check_got(0, frame, sizeof(frame));
	fx_rx_buffers(3);
	fx_run();
	fx_rx_take();
	ck_assert_uint_eq(fx.nr_got, 4);
	ck_assert_uint_eq(COUNTED(rx_dropped), 0);
	ck_assert_int_eq(fx.stalled, -1);
}
END_TEST

/* Without buffers: frames are kept for 10 s, the carrier for 60. */
START_TEST(a_stall)
{
	give(100, 64);
	fx_run();
	fx_sleep_ms(9 * S);
	fx_run();
	ck_assert_uint_eq(COUNTED(rx_dropped), 0);
	fx_sleep_ms(2 * S);
	fx_run();
	ck_assert_uint_eq(COUNTED(rx_dropped), 100);
	fx_sleep_ms(30 * S);
	give(50, 64);
	fx_run();
	ck_assert_uint_eq(COUNTED(rx_dropped), 150);
	ck_assert_int_eq(fx.stalled, -1);
	fx_sleep_ms(20 * S);
	fx_run();
	ck_assert_int_eq(fx.stalled, 1);
	ck_assert_uint_eq(COUNTED(stalls), 1);
	fx_sleep_ms(20 * S);
	fx_run();
	ck_assert_uint_eq(COUNTED(stalls), 1);
	fx_rx_buffers(10);
	fx_run();
	ck_assert_int_eq(fx.stalled, 0);
	ck_assert(fx.armed);
	give(10, 64);
	fx_run();
	fx_rx_take();
	check_numbered(10, 64);
}
END_TEST

/* A guest that gives buffers now and then is no stalled one. */
START_TEST(slow_but_alive)
{
	unsigned int i;

	give(60, 64);
	for (i = 0; i < 60; i++) {
		fx_run();
		fx_sleep_ms(3 * S);
		fx_rx_buffers(1);
	}
	fx_run();
	fx_rx_take();
	check_numbered(60, 64);
	ck_assert_int_eq(fx.stalled, -1);
	ck_assert_uint_eq(COUNTED(rx_dropped), 0);
}
END_TEST

/* A guest that says nothing when it has buffers is looked at by the clock, and
 * its frames are kept for a moment only. */
START_TEST(a_blind_guest)
{
	struct fx_setup how = plain;

	how.blind = true;
	fx_open(&how);
	give(5, 64);
	fx_run();
	ck_assert(ev_is_active(&fx.q->timer));
	fx_sleep_ms(20);
	fx_rx_buffers(5);
	fx_run();
	fx_rx_take();
	check_numbered(5, 64);
	give(5, 64);
	fx_run();
	fx_sleep_ms(31);
	fx_run();
	ck_assert_uint_eq(COUNTED(rx_dropped), 5);
	fx_sleep_ms(100 * S);
	give(5, 64);
	fx_run();
	ck_assert_int_eq(fx.stalled, -1);
	fx_close();
}
END_TEST

/* The first, a middle and the last page of a frame, and all: the frame is
 * lost, and said so; the others are not. */
START_TEST(a_page_is_not_granted)
{
	static uint8_t frame[12000];
	unsigned int i;

	fx_udp(frame, sizeof(frame), 1, false);
	if (_i < 3)
		fake_revoke(FX_RX_REF((unsigned int)_i + 3));
	fx_rx_buffers(9);
	for (i = 0; i < 3; i++)
		fx_link_frame(NULL, frame, sizeof(frame));
	if (_i == 3)
		fake_fail_copy(1, 12);
	fx_run();
	fx_rx_take();
	ck_assert_uint_eq(fx.nr_got, 3);
	for (i = 0; i < 3; i++) {
		bool fails = i == 1 || _i == 3;

		ck_assert_uint_eq(fx.got[i].failed, fails);
		ck_assert_uint_eq(fx.got[i].nr_slots, 3);
		if (!fails)
			check_got(i, frame, sizeof(frame));
	}
	ck_assert_uint_ge(COUNTED(rx_errors), 1);
	ck_assert_ptr_null(fx.violation);
}
END_TEST

START_TEST(an_impossible_index)
{
	uint32_t *ring = fake_frame(21);

	fx_rx_buffers(10);
	ring[0] += 1000;
	give(20, 64);
	ck_assert_int_eq(fx_poll(), 0);
	ck_assert_ptr_nonnull(fx.violation);
	ck_assert_int_eq(fx_poll(), 0);
	ck_assert(!fx_arm());
	ck_assert_uint_eq(ring[2], 0);
	ck_assert_uint_eq(COUNTED(violations), 1);
}
END_TEST

/* ---- filters ---- */

START_TEST(multicast)
{
	uint8_t frame[64], group[6] = {1, 0, 0x5e, 0, 0, 9};
	unsigned int i;

	net_mcast_set(&fx.mcast, true);
	ck_assert_int_eq(net_mcast_add(&fx.mcast, group), 0);
	fx_rx_buffers(10);
	for (i = 0; i < 4; i++) {
		fx_udp(frame, 64, i, false);
		if (i == 1 || i == 2)
			memcpy(frame, group, 6);
		if (i == 2)
			frame[5] = 8;
		if (i == 3)
			memset(frame, 0xff, 6);
		fx_link_frame(NULL, frame, 64);
	}
	fx_run();
	fx_rx_take();
	ck_assert_uint_eq(fx.nr_got, 3);
	ck_assert_uint_eq(COUNTED(rx_filtered), 1);
}
END_TEST

START_TEST(tags)
{
	struct fx_setup how = plain;
	uint8_t frame[900], tagged[904];

	how.policy.access = 7;
	fx_open(&how);
	if (_i)
		fx_static(FX_RX_REF(0), FX_RING);
	fx_udp(frame, sizeof(frame), 5, false);
	memcpy(tagged, frame, 12);
	memcpy(tagged + 12, "\x81\x00\x00\x07", 4);
	memcpy(tagged + 16, frame + 12, sizeof(frame) - 12);
	fx_rx_buffers(10);
	fx_link_frame(NULL, tagged, sizeof(tagged));
	tagged[15] = 8;
	fx_link_frame(NULL, tagged, sizeof(tagged));
	fx_link_frame(NULL, frame, sizeof(frame));
	fx_run();
	fx_rx_take();
	ck_assert_uint_eq(fx.nr_got, 1);
	check_got(0, frame, sizeof(frame));
	ck_assert_uint_eq(COUNTED(vlan_dropped), 2);
	fx_close();
}
END_TEST

START_TEST(a_rate)
{
	struct fx_setup how = plain;
	unsigned int ms = 0, before;

	how.policy.rate[NET_TO_GUEST].packets_per_s = 1000;
	how.policy.rate[NET_TO_GUEST].packets_burst = 10;
	fx_open(&how);
	give(200, 64);
	fx_rx_buffers(FX_RING);
	while (fx.nr_got < 200) {
		before = fx.nr_got;
		fx_run();
		fx_rx_take();
		ck_assert_uint_le(fx.nr_got - before, ms ? 9 : 13);
		ck_assert_uint_le(ms++, 400);
		fx_sleep_ms(1);
	}
	ck_assert_uint_ge(ms, 150);
	ck_assert_uint_le(ms, 200);
	check_numbered(200, 64);
	fx_close();
}
END_TEST

/* Hashed frames say so, and those of another queue go there. */
START_TEST(hashing)
{
	struct fx_setup how = plain;
	uint8_t key[40], frame[100];
	uint32_t map[2] = {0, 0};

	memset(key, 0x6d, sizeof(key));
	how.hash = true;
	fx_open(&how);
	net_hash_set_algorithm(&fx.hash,
			       XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ);
	net_hash_set_key(&fx.hash, key, sizeof(key));
	net_hash_set_types(&fx.hash, XEN_NETIF_CTRL_HASH_TYPE_IPV4);
	net_hash_set_map_size(&fx.hash, 2);
	net_hash_set_map(&fx.hash, map, 2, 0);
	fx_rx_buffers(20);
	fx_udp(frame, sizeof(frame), 1, false);
	fx_link_frame(NULL, frame, sizeof(frame));
	fx_run();
	fx_rx_take();
	check_got(0, frame, sizeof(frame));
	ck_assert_uint_eq(fx.got[0].nr_extras, 1);
	ck_assert_uint_eq(fx.got[0].extra[0].type, XEN_NETIF_EXTRA_TYPE_HASH);
	ck_assert_uint_eq(fx.got[0].extra[0].hash.type,
			  _XEN_NETIF_CTRL_HASH_TYPE_IPV4);
	ck_assert_uint_eq(fx.got[0].extra[0].hash.algorithm,
			  XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ);
	map[0] = map[1] = 1;
	net_hash_set_map(&fx.hash, map, 2, 0);
	fx_link_frame(NULL, frame, sizeof(frame));
	fx_run();
	ck_assert_uint_eq(fx.steered, 1);
	ck_assert_uint_eq(fx.steered_to, 1);
	/* as that one would */
	map[0] = map[1] = 0;
	net_hash_set_map(&fx.hash, map, 2, 0);
	for (unsigned int i = 0; i < 3; i++) {
		struct iovec iov[2] = {{frame, 50}, {frame + 50, 50}};
		struct net_frame f = {
			.len = 100, .nr_iov = 2, .head_len = 50, .iov = iov};

		ck_assert(net_queue_put(fx.q, &f));
	}
	fx_run();
	fx_rx_take();
	ck_assert_uint_eq(fx.nr_got, 4);
	check_got(3, frame, sizeof(frame));
	fx_close();
}
END_TEST

START_TEST(an_inbox_is_bounded)
{
	struct fx_setup how = plain;
	uint8_t frame[1000];
	struct iovec iov = {frame, sizeof(frame)};
	struct net_frame f = {.len = sizeof(frame),
			      .nr_iov = 1,
			      .head_len = sizeof(frame),
			      .iov = &iov};
	unsigned int nr = 0;

	how.hash = true;
	fx_open(&how);
	fx_udp(frame, sizeof(frame), 1, false);
	while (net_queue_put(fx.q, &f))
		ck_assert_uint_lt(nr++, 100000);
	fx_rx_buffers(FX_RING);
	while (nr) {
		fx_run();
		fx.nr_got = 0;
		fx_rx_take();
		ck_assert_uint_gt(fx.nr_got, 0);
		nr -= fx.nr_got;
		fx_rx_buffers(fx.nr_got);
	}
	ck_assert(net_queue_put(fx.q, &f));
	fx_close();
}
END_TEST

/* ---- another worker ---- */

/* Buffers that were taken and not answered are there again; frames may be
 * lost. */
START_TEST(a_new_worker)
{
	fx_rx_buffers(100);
	give(30, 64);
	fx_run();
	fx_replace_worker();
	fx_rx_take();
	check_numbered(30, 64);
	fx.nr_got = 0;
	give(70, 64);
	fx_run();
	fx_rx_take();
	check_numbered(70, 64);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_rx");
	TCase *t = tcase_create("one device"), *own = tcase_create("own");

	log_init("net_rx", LOG_LEVEL_ERR);
	tcase_add_checked_fixture(t, open_plain, fx_close);
	tcase_add_loop_test(t, frames, 0, 2);
	tcase_add_loop_test(t, a_ring_full, 0, 2);
	tcase_add_test(t, gso);
	tcase_add_test(t, one_slot_short);
	tcase_add_test(t, a_stall);
	tcase_add_test(t, slow_but_alive);
	tcase_add_loop_test(t, a_page_is_not_granted, 0, 4);
	tcase_add_test(t, an_impossible_index);
	tcase_add_test(t, multicast);
	tcase_add_test(t, a_new_worker);
	tcase_add_test(own, too_much_for_the_guest);
	tcase_add_loop_test(own, checksums, 0, 2);
	tcase_add_test(own, a_blind_guest);
	tcase_add_loop_test(own, tags, 0, 2);
	tcase_add_test(own, a_rate);
	tcase_add_test(own, hashing);
	tcase_add_test(own, an_inbox_is_bounded);
	suite_add_tcase(suite, t);
	suite_add_tcase(suite, own);
	return run_suite(suite);
}
