// SPDX-License-Identifier: MIT
/*
 * The links in memory, and what all links have in common.
 */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/link_fd.h"
#include "ring/net_csum.h"
#include "tests/unit/link_fixture.h"
#include "tests/unit/run_suite.h"

static struct link_desc desc;
static struct queue q;

/* The door */

static const char *const bad_targets[] = {
	"",
	"tap",
	"eth0",
	"memory",
	"memory:",
	"memory:Sink",
	"memory:sink:64",
	"memory:source",
	"memory:source:",
	"memory:source:59",
	"memory:source:65536",
	"memory:source:64:",
	"memory:source:64:0",
	"memory:source:64:-1",
	"memory:source:64:1:1",
	"memory:source:064",
	"memory:source:1515",
	"tap:",
	"tap:a/b",
	"tap:a%d",
	"tap:.",
	"tap:..",
	"tap:a b",
	"tap:sixteen-letters-",
	"user:what",
};

START_TEST(targets_refused)
{
	const char *why = desc_refused(bad_targets[_i], 1, 0);

	/* names what it is about */
	ck_assert_msg(strstr(why, bad_targets[_i]) || strstr(why, "user:"),
		      "%s: %s", bad_targets[_i], why);
}
END_TEST

START_TEST(settings_refused)
{
	desc_refused("memory:sink", 0, 0);
	desc_refused("memory:sink", LINK_MAX_QUEUES + 1, 0);
	desc_refused("memory:sink", 1, 67);
	desc_refused("memory:sink", 1, 65522);
}
END_TEST

START_TEST(common_calls)
{
	struct link_ctx ctx = {.readable = NULL};
	struct xs_err err = {""};

	desc_open(&desc, "memory:sink", 3, 0);
	ck_assert_uint_eq(desc.nr_queues, 3);
	ck_assert_uint_eq(desc.mtu, 1500);
	ck_assert_str_eq(desc.label, "memory:sink");
	ck_assert_int_eq(link_set_features(&desc, 0), 0);
	ck_assert_int_eq(link_set_carrier(&desc, true), 0);
	ck_assert_int_eq(link_set_queues(&desc, 3), 0);
	ck_assert_int_eq(link_set_queues(&desc, 0), -EINVAL);
	ck_assert_int_eq(link_set_queues(&desc, 4), -EINVAL);
	ck_assert_int_eq(link_set_mtu(&desc, 9000), 0);
	ck_assert_uint_eq(desc.mtu, 9000);
	ck_assert_int_eq(link_set_mtu(&desc, 1), -EINVAL);
	ck_assert_int_eq(link_renew("memory:sink", &desc, &err), 0);
	ck_assert_int_eq(link_attach(&ctx, &desc, 3, &link_loop, &err),
			 -EINVAL);
	ck_assert(err.text[0]);
	link_close(&desc);
	memset(&desc, 0, sizeof(desc));
	link_close(&desc);
	memset(desc.link, 'x', sizeof(desc.link));
	ck_assert_int_eq(link_attach(&ctx, &desc, 0, &link_loop, &err),
			 -EINVAL);
	link_close(&desc);
}
END_TEST

/* In memory */

static void open_one(const char *target, uint32_t mtu)
{
	desc_open(&desc, target, 1, mtu);
	queue_attach(&q, &desc, 0);
}

static void close_one(void)
{
	link_detach(&q.ctx);
	link_close(&desc);
}

START_TEST(sink)
{
	struct net_frame f[4];
	uint8_t data[64] = {0};

	open_one("memory:sink", 0);
	ck_assert(queue_send(&q, data, sizeof(data)));
	ck_assert_uint_eq(link_receive(&q.ctx, f, 4), 0);
	link_arm(&q.ctx, true);
	loop_turn();
	ck_assert(!q.readable);
	ck_assert_uint_eq(q.ctx.sent, 1);
	close_one();
}
END_TEST

static void fill(uint8_t *p, uint32_t len, uint32_t seed)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		p[i] = (uint8_t)(seed * 31 + i * 7 + (i >> 8));
}

/* Frames of all lengths, in pieces, come back as they were, in order. */
START_TEST(echo)
{
	static uint8_t data[NET_PACKET_MAX], want[NET_PACKET_MAX];
	uint32_t sent = 0, got = 0, round, lost = 0;
	static uint32_t len[100000];

	open_one("memory:echo", 0);
	srandom(1);
	for (round = 0; round < 3000; round++) {
		struct net_frame f = {.nr_iov = 3, .head_len = 14}, back[7];
		struct iovec iov[3];
		unsigned int i, n;

		for (i = (unsigned int)random() % 8; i; i--) {
			uint32_t l = random() % 8 ? 14 + random() % 1500
						  : 14 + random() % 65000;

			fill(data, l, sent);
			iov[0] = (struct iovec){data, 14};
			iov[1] = (struct iovec){data + 14, (l - 14) / 3};
			iov[2] = (struct iovec){data + 14 + iov[1].iov_len,
						l - 14 - iov[1].iov_len};
			f.len = l;
			f.iov = iov;
			f.gso_size = (uint16_t)sent;
			if (link_send(&q.ctx, &f, 1))
				len[sent++] = l;
			else
				lost++;
		}
		n = link_receive(&q.ctx, back,
				 random() % 3 ? (unsigned int)random() % 8 : 0);
		for (i = 0; i < n; i++, got++) {
			fill(want, len[got], got);
			if (back[i].len != len[got] || back[i].nr_iov != 1 ||
			    back[i].iov[0].iov_len != len[got] ||
			    back[i].head_len != len[got] ||
			    back[i].gso_size != (uint16_t)got ||
			    memcmp(back[i].iov[0].iov_base, want, len[got]))
				ck_abort_msg("frame %u", got);
		}
	}
	ck_assert_uint_gt(got, 3000);
	ck_assert_uint_gt(lost, 0);
	ck_assert_uint_eq(q.ctx.dropped, lost);
	close_one();
}
END_TEST

START_TEST(echo_is_readable)
{
	uint8_t data[64] = {0};
	struct net_frame f;

	open_one("memory:echo", 0);
	link_arm(&q.ctx, true);
	loop_turn();
	ck_assert(!q.readable);
	queue_send(&q, data, sizeof(data));
	ck_assert(!q.readable);
	loop_turn();
	ck_assert(q.readable);
	/* once */
	q.readable = false;
	loop_turn();
	ck_assert(!q.readable);
	/* again, as the frame is still there */
	link_arm(&q.ctx, true);
	link_arm(&q.ctx, true);
	loop_turn();
	ck_assert(q.readable);
	q.readable = false;
	link_arm(&q.ctx, true);
	link_arm(&q.ctx, false);
	loop_turn();
	ck_assert(!q.readable);
	ck_assert_uint_eq(link_receive(&q.ctx, &f, 1), 1);
	link_arm(&q.ctx, true);
	loop_turn();
	ck_assert(!q.readable);
	close_one();
}
END_TEST

static uint64_t number_of(const struct net_frame *f)
{
	uint64_t n;

	memcpy(&n, (uint8_t *)f->iov[0].iov_base + 42, sizeof(n));
	return be64toh(n);
}

START_TEST(source)
{
	struct net_frame f[100];
	uint64_t next = 0;
	struct net_l4 l4;

	open_one("memory:source:64:1000", 0);
	ck_assert(queue_receive(&q, f, WAIT_MS));
	ck_assert_uint_eq(number_of(&f[0]), next++);
	ck_assert_mem_eq(f[0].iov[0].iov_base, guest_mac, 6);
	ck_assert_int_eq(
		net_csum_find(f[0].iov[0].iov_base, 64, 64, NET_GSO_NONE, &l4),
		0);
	ck_assert_uint_eq(l4.l4_len, 30);
	ck_assert_uint_eq(
		net_csum_add(0, (uint8_t *)f[0].iov[0].iov_base + 14, 20),
		0xffff);
	while (queue_receive(&q, f, 0)) {
		unsigned int i, n;

		ck_assert_uint_eq(number_of(&f[0]), next++);
		n = link_receive(&q.ctx, f, 100);
		for (i = 0; i < n; i++) {
			ck_assert_uint_eq(number_of(&f[i]), next++);
			ck_assert_uint_eq(f[i].len, 64);
			ck_assert(f[i].csum_valid && !f[i].csum_partial);
		}
	}
	ck_assert_uint_eq(next, 1000);
	ck_assert_uint_eq(q.ctx.received, 1000);
	close_one();
}
END_TEST

START_TEST(source_sizes)
{
	static const uint32_t sizes[] = {60, 61, 1514, 9014, 65535};
	struct net_frame f[64];
	char target[40];
	unsigned int i;

	snprintf(target, sizeof(target), "memory:source:%u", sizes[_i]);
	open_one(target, 65521);
	for (i = 0; i < 5; i++) {
		ck_assert_uint_eq(link_receive(&q.ctx, f, 64), 64);
		ck_assert_uint_eq(f[63].len, sizes[_i]);
		ck_assert_uint_eq(f[63].iov[0].iov_len, sizes[_i]);
		ck_assert_uint_eq(number_of(&f[63]), i * 64 + 63);
	}
	close_one();
}
END_TEST

/* virtio's header, both ways */

static uint8_t tcp[54] = {[12] = 8, [14] = 0x45, [23] = 6, [46] = 0x80};

START_TEST(header_of_segments)
{
	struct iovec iov[2] = {{tcp, sizeof(tcp)}, {tcp, 4000}};
	struct net_frame f = {.len = 4054,
			      .nr_iov = 2,
			      .iov = iov,
			      .head_len = 54,
			      .gso = NET_GSO_TCPV4,
			      .gso_size = 1448,
			      .csum_partial = true,
			      .csum_start = 34,
			      .csum_offset = 16};
	struct net_frame back = {.len = 4054};
	struct virtio_net_hdr_v1 h;

	link_vnet_put(&h, &f);
	ck_assert_uint_eq(h.hdr_len, 34 + 32);
	ck_assert(link_vnet_get(&h, &back));
	ck_assert_uint_eq(back.gso, NET_GSO_TCPV4);
	ck_assert_uint_eq(back.gso_size, 1448);
	ck_assert(back.csum_partial);
	ck_assert_uint_eq(back.csum_start, 34);
	ck_assert_uint_eq(back.csum_offset, 16);
	/* the length of TCP's header is behind the head */
	f.head_len = 40;
	link_vnet_put(&h, &f);
	ck_assert_uint_eq(h.hdr_len, 54);
}
END_TEST

START_TEST(header_refused)
{
	static const struct virtio_net_hdr_v1 bad[] = {
		{.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1448},
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		 .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		 .csum_start = 34,
		 .csum_offset = 16},
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		 .gso_type = VIRTIO_NET_HDR_GSO_UDP,
		 .gso_size = 1448,
		 .csum_start = 34,
		 .csum_offset = 6},
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		 .csum_start = 13,
		 .csum_offset = 16},
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		 .csum_start = 34,
		 .csum_offset = 65},
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		 .csum_start = 65535,
		 .csum_offset = 65535},
		{.gso_type = 0x81},
	};
	struct virtio_net_hdr_v1 fine = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					 .csum_start = 34,
					 .csum_offset = 64};
	struct net_frame f = {.len = 100};
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!link_vnet_get(&bad[i], &f), "number %u", i);
	ck_assert(link_vnet_get(&fine, &f));
	memset(&fine, 0, sizeof(fine));
	f.len = 13;
	ck_assert(!link_vnet_get(&fine, &f));
	f.len = 65536;
	ck_assert(!link_vnet_get(&fine, &f));
	f.len = 65535;
	ck_assert(link_vnet_get(&fine, &f));
	ck_assert(!f.csum_partial && !f.csum_valid && !f.gso);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("link_memory");
	TCase *tc = tcase_create("link");

	tcase_add_checked_fixture(tc, link_fixture_start, link_fixture_end);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, targets_refused, 0,
			    sizeof(bad_targets) / sizeof(bad_targets[0]));
	tcase_add_test(tc, settings_refused);
	tcase_add_test(tc, common_calls);
	tcase_add_test(tc, sink);
	tcase_add_test(tc, echo);
	tcase_add_test(tc, echo_is_readable);
	tcase_add_test(tc, source);
	tcase_add_loop_test(tc, source_sizes, 0, 5);
	tcase_add_test(tc, header_of_segments);
	tcase_add_test(tc, header_refused);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
