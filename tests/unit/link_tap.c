// SPDX-License-Identifier: MIT
/*
 * TAP links: frames both ways with their offloads, queues, and what becomes of
 * the interface.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/run_suite.h"
#include "tests/unit/tap_fixture.h"

START_TEST(frames_pass)
{
	static const uint32_t lens[] = {14, 60, 64, 1000, 1514};
	uint8_t out[2048], in[2048];
	struct virtio_net_hdr h = {.flags = 0};
	unsigned int i;

	start(1, 0);
	ck_assert_uint_eq(desc.mtu, 1500);
	for (i = 0; i < 5; i++) {
		struct net_frame f;
		uint32_t len = plain_frame(out, guest_mac, (uint8_t)i, lens[i]);

		host_send(&h, out, len);
		ck_assert(guest_receive(&q[0], TEST_TYPE, &f, WAIT_MS));
		ck_assert_uint_eq(f.len, len);
		ck_assert_uint_eq(f.head_len, len);
		ck_assert(!memcmp(f.iov[0].iov_base, out, len));
		ck_assert(!f.csum_partial && !f.gso);
		plain_frame(out, host_mac, (uint8_t)(i + 100), len);
		ck_assert(queue_send(&q[0], out, len));
		ck_assert_int_eq(host_receive(&h, in, sizeof(in)), len);
		ck_assert(!memcmp(in, out, len));
	}
	stop();
}
END_TEST

/* Checks the frames of the test's type, the first being number first; how many
 * there were.  The kernel has some of its own to send.  One behind a long one
 * begins with a page, so that Xen copies it by pages if it is long, too. */
static unsigned int check_batch(const struct net_frame *f, unsigned int n,
				unsigned int first)
{
	unsigned int i, number = first;

	for (i = 0; i < n; i++) {
		const uint8_t *p = f[i].iov[0].iov_base;

		if (!i || f[i - 1].len > NET_PAGE_SIZE)
			ck_assert_uint_eq((uintptr_t)p % NET_PAGE_SIZE, 0);
		if ((p[12] << 8 | p[13]) != TEST_TYPE)
			continue;
		ck_assert_uint_eq(f[i].len, number % 3 ? 64 : 9014);
		ck_assert_uint_eq(p[f[i].len - 1], number & 0xff);
		number++;
	}
	return number - first;
}

/* More than fits a batch at once, small and large. */
START_TEST(batches)
{
	static uint8_t out[65536];
	struct virtio_net_hdr h = {.flags = 0};
	struct net_frame f[80];
	unsigned int got = 0, i;

	start(1, 9000);
	ck_assert_int_eq(if_mtu(), 9000);
	for (i = 0; i < 300; i++)
		host_send(&h, out,
			  plain_frame(out, guest_mac, (uint8_t)i,
				      i % 3 ? 64 : 9014));
	while (got < 300 && queue_receive(&q[0], f, WAIT_MS)) {
		unsigned int n = 1;

		do {
			got += check_batch(f, n, got);
			n = link_receive(&q[0].ctx, f, 80);
		} while (n);
	}
	ck_assert_uint_eq(got, 300);
	stop();
}
END_TEST

static const struct flow tcp_flow = {.to_mac = host_mac,
				     .from = 0x0a000005,
				     .to = 0x0a000001,
				     .from_port = 1,
				     .to_port = 2,
				     .tcp_flags = 0x10,
				     .partial = true};

/* A large segment of the guest's is one for the host, too. */
START_TEST(segments_from_guest)
{
	static uint8_t out[65536], in[65536], payload[40000];
	struct virtio_net_hdr h;
	struct iovec iov[2];
	struct net_frame f = {.nr_iov = 2,
			      .iov = iov,
			      .head_len = 54,
			      .gso = NET_GSO_TCPV4,
			      .gso_size = 1448,
			      .csum_partial = true,
			      .csum_start = 34,
			      .csum_offset = 16};

	start(1, 0);
	ck_assert_uint_eq(desc.offers,
			  LINK_CSUM | LINK_TSO4 | LINK_TSO6 | LINK_SG);
	f.len = make_frame(out, &tcp_flow, payload, sizeof(payload));
	iov[0] = (struct iovec){out, 54};
	iov[1] = (struct iovec){out + 54, f.len - 54};
	ck_assert_uint_eq(link_send(&q[0].ctx, &f, 1), 1);
	ck_assert_int_eq(host_receive(&h, in, sizeof(in)), f.len);
	ck_assert(!memcmp(in, out, f.len));
	ck_assert_uint_eq(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	ck_assert_uint_eq(h.gso_size, 1448);
	ck_assert_uint_eq(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	ck_assert_uint_eq(h.csum_start, 34);
	ck_assert_uint_eq(h.csum_offset, 16);
	/* what the kernel refuses is lost, the next is not */
	f.csum_start = 65000;
	ck_assert_uint_eq(link_send(&q[0].ctx, &f, 1), 0);
	ck_assert_uint_eq(q[0].ctx.dropped, 1);
	ck_assert(queue_send(&q[0], out, plain_frame(out, host_mac, 1, 60)));
	ck_assert_int_eq(host_receive(&h, in, sizeof(in)), 60);
	stop();
}
END_TEST

static uint32_t bytes_of_tcp(unsigned int *frames, bool *partial, uint8_t *gso)
{
	uint32_t sum = 0;

	*frames = 0;
	while (sum < 40000) {
		struct net_frame f;

		if (!guest_receive(&q[0], ETHERTYPE_IP, &f, WAIT_MS))
			break;
		sum += f.len - 54;
		*partial = f.csum_partial;
		*gso = f.gso;
		++*frames;
	}
	return sum;
}

/* To the guest: what it can take, and the host does the rest. */
START_TEST(segments_to_guest)
{
	static uint8_t out[65536], payload[40000];
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				   .hdr_len = 54,
				   .gso_size = 1448,
				   .csum_start = 34,
				   .csum_offset = 16};
	uint32_t len = make_frame(out, &tcp_flow, payload, sizeof(payload));
	unsigned int frames;
	bool partial;
	uint8_t gso;

	start(1, 0);
	host_send(&h, out, len);
	ck_assert_uint_eq(bytes_of_tcp(&frames, &partial, &gso), 40000);
	ck_assert_uint_eq(frames, (40000 + 1447) / 1448);
	ck_assert(!partial && !gso);
	ck_assert_int_eq(link_set_features(&desc, LINK_CSUM), 0);
	host_send(&h, out, len);
	ck_assert_uint_eq(bytes_of_tcp(&frames, &partial, &gso), 40000);
	ck_assert_uint_gt(frames, 1);
	ck_assert(!gso);
	ck_assert_int_eq(link_set_features(&desc, LINK_CSUM | LINK_TSO4 |
							  LINK_TSO6 | LINK_SG),
			 0);
	host_send(&h, out, len);
	ck_assert_uint_eq(bytes_of_tcp(&frames, &partial, &gso), 40000);
	ck_assert_uint_eq(frames, 1);
	ck_assert(partial);
	ck_assert_uint_eq(gso, NET_GSO_TCPV4);
	/* without checksums no segments */
	ck_assert_int_eq(link_set_features(&desc, LINK_TSO4), 0);
	host_send(&h, out, len);
	ck_assert_uint_eq(bytes_of_tcp(&frames, &partial, &gso), 40000);
	ck_assert(!partial && !gso);
	stop();
}
END_TEST

/* Flows of many ports, which all come to the first nr queues; how many to the
 * first of all. */
static unsigned int spread(unsigned int nr)
{
	struct flow flow = tcp_flow;
	struct virtio_net_hdr h = {.flags = 0};
	unsigned int i, tries, got = 0, first = 0;
	uint8_t out[128];
	struct net_frame f;

	flow.partial = false;
	for (i = 0; i < 128; i++) {
		flow.from_port = (uint16_t)(1000 + i * 77);
		host_send(&h, out, make_frame(out, &flow, "x", 1));
	}
	for (tries = 0; got < 128 && tries < WAIT_MS; tries++) {
		for (i = 0; i < nr; i++) {
			while (guest_receive(&q[i], ETHERTYPE_IP, &f,
					     got == 0)) {
				first += !i;
				got++;
			}
		}
	}
	ck_assert_uint_eq(got, 128);
	return first;
}

START_TEST(queues)
{
	start(4, 0);
	ck_assert_uint_eq(desc.nr_queues, 4);
	ck_assert_uint_lt(spread(4), 128);
	ck_assert_int_eq(link_set_queues(&desc, 2), 0);
	ck_assert_uint_lt(spread(2), 128);
	ck_assert_int_eq(link_set_queues(&desc, 1), 0);
	ck_assert_uint_eq(spread(1), 128);
	ck_assert_int_eq(link_set_queues(&desc, 4), 0);
	ck_assert_uint_lt(spread(4), 128);
	ck_assert_int_eq(link_set_queues(&desc, 5), -EINVAL);
	stop();
}
END_TEST

/* An interface that the administrator made, with one queue, and is kept. */
START_TEST(existing_interface)
{
	struct ifreq ifr = interface(NAME);
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	ifr.ifr_flags = IFF_TAP | IFF_NO_PI;
	ck_assert(!ioctl(fd, TUNSETIFF, &ifr));
	ck_assert(!ioctl(fd, TUNSETPERSIST, 1));
	ck_assert_ptr_nonnull(strstr(desc_refused("tap:" NAME, 1, 0),
				     "another program has it open"));
	close(fd);
	desc_open(&desc, "tap:" NAME, 4, 0);
	ck_assert_uint_eq(desc.nr_queues, 1);
	link_close(&desc);
	ck_assert_uint_ne(if_nametoindex(NAME), 0);
	/* and one with several */
	desc_open(&desc, "tap:xstap1", 4, 0);
	ck_assert(!ioctl(desc.fd[0], TUNSETPERSIST, 1));
	link_close(&desc);
	desc_open(&desc, "tap:xstap1", 1, 0);
	ck_assert_uint_eq(desc.nr_queues, 1);
	link_close(&desc);
	ck_assert_ptr_nonnull(
		strstr(desc_refused("tap:lo", 1, 0), "it is no TAP"));
}
END_TEST

START_TEST(mtu)
{
	start(1, 1400);
	ck_assert_uint_eq(desc.mtu, 1400);
	ck_assert_int_eq(if_mtu(), 1400);
	ck_assert_int_eq(link_set_mtu(&desc, 9000), 0);
	ck_assert_uint_eq(desc.mtu, 9000);
	ck_assert_int_eq(if_mtu(), 9000);
	ck_assert_int_eq(link_set_mtu(&desc, 65521), 0);
	ck_assert_int_eq(link_set_mtu(&desc, 67), -EINVAL);
	ck_assert_int_eq(if_mtu(), 65521);
	stop();
}
END_TEST

/* Scripts give it another name. */
START_TEST(renamed)
{
	struct ifreq ifr = interface(NAME);

	desc_open(&desc, "tap:" NAME, 2, 0);
	strcpy(ifr.ifr_newname, "other0");
	ck_assert(!ioctl(ctl, SIOCSIFNAME, &ifr));
	ck_assert_int_eq(link_set_mtu(&desc, 3000), 0);
	ifr = interface("other0");
	ck_assert(!ioctl(ctl, SIOCGIFMTU, &ifr));
	ck_assert_int_eq(ifr.ifr_mtu, 3000);
	link_close(&desc);
	ck_assert_uint_eq(if_nametoindex("other0"), 0);
}
END_TEST

START_TEST(carrier)
{
	unsigned int i;
	struct virtio_net_hdr h = {.flags = 0};
	struct net_frame f;
	uint8_t out[64];

	start(1, 0);
	host_send(&h, out, plain_frame(out, guest_mac, 1, 60));
	ck_assert_int_eq(link_set_carrier(&desc, false), 0);
	ck_assert(!has_carrier());
	ck_assert_int_eq(link_set_carrier(&desc, true), 0);
	ck_assert(has_carrier());
	/* what waited was for whoever was there before */
	ck_assert(!guest_receive(&q[0], TEST_TYPE, &f, 0));
	/* the kernel's own queue before it follows a little later */
	for (i = 0; i < WAIT_MS / 10; i++) {
		host_send(&h, out, plain_frame(out, guest_mac, 2, 60));
		if (guest_receive(&q[0], TEST_TYPE, &f, 10))
			break;
	}
	ck_assert_uint_lt(i, WAIT_MS / 10);
	ck_assert_uint_eq(((uint8_t *)f.iov[0].iov_base)[20], 2);
	stop();
}
END_TEST

/* Nobody listens: frames are lost, nothing else happens. */
START_TEST(interface_is_down)
{
	uint8_t out[64];

	desc_open(&desc, "tap:" NAME, 1, 0);
	queue_attach(&q[0], &desc, 0);
	ck_assert(!queue_send(&q[0], out, plain_frame(out, host_mac, 1, 60)));
	ck_assert_uint_eq(q[0].ctx.dropped, 1);
	link_arm(&q[0].ctx, true);
	loop_turn();
	ck_assert(!q[0].readable);
	link_detach(&q[0].ctx);
	link_close(&desc);
}
END_TEST

/* `ip link del` while the guest uses it: the loop must not spin. */
START_TEST(interface_is_deleted)
{
	struct net_frame f;
	unsigned int wakes = 0, i;
	char cmd[64];

	start(1, 0);
	link_arm(&q[0].ctx, true);
	snprintf(cmd, sizeof(cmd), "ip link del %s", NAME);
	ck_assert_int_eq(system(cmd), 0);
	for (i = 0; i < 1000; i++) {
		ev_run(link_loop.ev, EVRUN_NOWAIT);
		if (!q[0].readable)
			continue;
		wakes++;
		q[0].readable = false;
		ck_assert_uint_eq(link_receive(&q[0].ctx, &f, 1), 0);
		link_arm(&q[0].ctx, true);
	}
	ck_assert_uint_le(wakes, 2);
	ck_assert(!queue_send(&q[0], "xxxxxxxxxxxxxxxxxxxx", 20));
	ck_assert_int_lt(link_set_mtu(&desc, 1400), 0);
	ck_assert_int_lt(link_set_carrier(&desc, true), 0);
	stop();
}
END_TEST

/* A worker after another: descriptors and interface stay. */
START_TEST(attached_again)
{
	struct virtio_net_hdr h = {.flags = 0};
	struct xs_err err;
	struct net_frame f;
	uint8_t out[64];

	start(1, 0);
	link_detach(&q[0].ctx);
	host_send(&h, out, plain_frame(out, guest_mac, 9, 60));
	ck_assert_int_eq(link_renew("tap:" NAME, &desc, &err), 0);
	queue_attach(&q[0], &desc, 0);
	ck_assert(guest_receive(&q[0], TEST_TYPE, &f, WAIT_MS));
	ck_assert_uint_eq(((uint8_t *)f.iov[0].iov_base)[20], 9);
	stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("link_tap");
	TCase *tc = tcase_create("tap");

	if (!can_run()) {
		printf("no TAP in a network namespace of our own here\n");
		return 77;
	}
	tcase_add_checked_fixture(tc, tap_fixture_start, tap_fixture_end);
	tcase_set_timeout(tc, 40);
	tcase_add_test(tc, frames_pass);
	tcase_add_test(tc, batches);
	tcase_add_test(tc, segments_from_guest);
	tcase_add_test(tc, segments_to_guest);
	tcase_add_test(tc, queues);
	tcase_add_test(tc, existing_interface);
	tcase_add_test(tc, mtu);
	tcase_add_test(tc, renamed);
	tcase_add_test(tc, carrier);
	tcase_add_test(tc, interface_is_down);
	tcase_add_test(tc, interface_is_deleted);
	tcase_add_test(tc, attached_again);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
