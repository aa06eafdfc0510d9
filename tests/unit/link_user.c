// SPDX-License-Identifier: MIT
/*
 * The user-mode network, used by a guest that speaks ARP, DHCP, UDP and a
 * little TCP, with a server on the host.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/link_user_guest.h"

#define TCP_SYN 0x02
#define TCP_PSH 0x08
#define TCP_ACK 0x10

START_TEST(udp_works)
{
	start("user:loopback=on");
	find_gateway();
	udp_round();
	stop();
}
END_TEST

START_TEST(loopback_is_closed)
{
	uint8_t frame[256];
	uint16_t port;
	int fd = host_socket(SOCK_DGRAM, &port);
	struct flow flow;

	start("user:");
	find_gateway();
	flow = flow_to(port);
	ck_assert(queue_send(&guest, frame, make_frame(frame, &flow, "x", 1)));
	/* when this is answered, that was done with */
	find_gateway();
	ck_assert(!wait_fd(fd, 0));
	stop();
	close(fd);
}
END_TEST

START_TEST(dhcp_works)
{
	uint8_t bootp[300] = {1, 1, 6, 0, 1, 2, 3, 4}, frame[400], *answer;
	struct flow flow = {.to_mac = broadcast,
			    .to = 0xffffffff,
			    .from_port = 68,
			    .to_port = 67,
			    .partial = true};
	struct net_frame f;
	struct iovec iov = {frame, 0};

	start("user:net=192.168.5.0/24,hostname=one");
	memcpy(bootp + 28, guest_mac, 6);
	memcpy(bootp + 236, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
	memset(&f, 0, sizeof(f));
	f.len = make_frame(frame, &flow, bootp, sizeof(bootp));
	iov.iov_len = f.len;
	f.iov = &iov;
	f.nr_iov = 1;
	f.head_len = 64;
	f.csum_partial = true;
	f.csum_start = 34;
	f.csum_offset = 6;
	ck_assert_uint_eq(link_send(&guest.ctx, &f, 1), 1);
	answer = expect(0x0800, &f);
	ck_assert_uint_eq(get16(answer + 36), 68);
	/* yiaddr */
	ck_assert_uint_eq(get32(answer + 42 + 16), 0xc0a8050f);
	stop();
}
END_TEST

/* TCP: what the guest sends next and expects next. */
static uint8_t *tcp_expect(uint8_t flags, uint16_t port)
{
	struct net_frame f;
	uint8_t *data;

	do {
		data = expect(0x0800, &f);
	} while (data[23] != IPPROTO_TCP || get16(data + 34) != port ||
		 (data[47] & flags) != flags);
	return data;
}

static void tcp_send(struct flow *flow, const void *payload, uint32_t len,
		     unsigned int mss)
{
	static uint8_t frame[65536];
	struct iovec iov[3];
	struct net_frame f = {.nr_iov = 3,
			      .iov = iov,
			      .head_len = 54,
			      .csum_partial = true,
			      .csum_start = 34,
			      .csum_offset = 16};

	flow->partial = true;
	f.len = make_frame(frame, flow, payload, len);
	if (len > mss) {
		f.gso = NET_GSO_TCPV4;
		f.gso_size = (uint16_t)mss;
	}
	/* in pieces, as pages of a guest are */
	iov[0] = (struct iovec){frame, 54};
	iov[1] = (struct iovec){frame + 54, (f.len - 54) / 2};
	iov[2] = (struct iovec){frame + 54 + iov[1].iov_len,
				f.len - 54 - iov[1].iov_len};
	ck_assert_uint_eq(link_send(&guest.ctx, &f, 1), 1);
	flow->seq += len;
}

static void read_all(int fd, uint8_t *buf, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n;

		ck_assert(wait_fd(fd, WAIT_MS));
		n = read(fd, buf + got, len - got);
		ck_assert(n > 0);
		got += (size_t)n;
	}
}

#define UPLOAD_STEP  30000u
#define UPLOAD_STEPS 20u

/* Segments that no wire carries go through whole. */
START_TEST(tcp_offload_works)
{
	static uint8_t data[UPLOAD_STEP], back[UPLOAD_STEP];
	uint16_t port;
	int fd = host_socket(SOCK_STREAM, &port), conn;
	struct flow flow;
	uint8_t *answer;
	unsigned int i, k;

	start("user:loopback=on");
	find_gateway();
	flow = flow_to(port);
	flow.seq = 1000;
	flow.tcp_flags = TCP_SYN;
	tcp_send(&flow, "", 0, 1460);
	answer = tcp_expect(TCP_SYN | TCP_ACK, port);
	flow.seq++;
	flow.ack = get32(answer + 38) + 1;
	flow.tcp_flags = TCP_ACK | TCP_PSH;
	tcp_send(&flow, "", 0, 1460);
	ck_assert(wait_fd(fd, WAIT_MS));
	conn = accept(fd, NULL, NULL);
	ck_assert(conn >= 0);
	for (i = 0; i < UPLOAD_STEPS; i++) {
		for (k = 0; k < UPLOAD_STEP; k++)
			data[k] = (uint8_t)(k * 7 + i);
		tcp_send(&flow, data, UPLOAD_STEP, 1460);
		read_all(conn, back, UPLOAD_STEP);
		ck_assert(!memcmp(data, back, UPLOAD_STEP));
		do {
			answer = tcp_expect(TCP_ACK, port);
		} while (get32(answer + 42) != flow.seq);
	}
	close(conn);
	close(fd);
	stop();
}
END_TEST

/* With a port that is free a moment before; another program may take it. */
static void start_forward(uint16_t *port)
{
	struct link_open_how how = {.domid = 7, .queues = 1};
	struct xs_err err = {""};
	char target[80];
	int i, res = -1;

	for (i = 0; res && i < 10; i++) {
		close(host_socket(SOCK_DGRAM, port));
		snprintf(target, sizeof(target),
			 "user:hostfwd=udp:127.0.0.1:%u-:7777", *port);
		res = link_open(target, &how, &desc, &err);
	}
	ck_assert_msg(!res, "%s", err.text);
	queue_attach(&guest, &desc, 0);
}

/* From outside to the guest */
START_TEST(forward_works)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct net_frame f;
	uint16_t port = 0;
	uint8_t *data;
	int out;

	start_forward(&port);
	find_gateway();
	out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sin.sin_port = htons(port);
	ck_assert_int_eq(sendto(out, "knock", 5, 0, (struct sockaddr *)&sin,
				sizeof(sin)),
			 5);
	do {
		data = expect(0x0800, &f);
	} while (data[23] != IPPROTO_UDP);
	ck_assert_uint_eq(get32(data + 30), GUEST);
	ck_assert_uint_eq(get16(data + 36), 7777);
	ck_assert(!memcmp(data + 42, "knock", 5));
	close(out);
	stop();
}
END_TEST

START_TEST(taken_port_is_said)
{
	char target[80];
	uint16_t port;
	int fd = host_socket(SOCK_STREAM, &port);
	const char *why;

	snprintf(target, sizeof(target), "user:hostfwd=tcp:127.0.0.1:%u-:22",
		 port);
	why = desc_refused(target, 1, 0);
	ck_assert_msg(strstr(why, "cannot forward TCP port") != NULL, "%s",
		      why);
	close(fd);
}
END_TEST

/* Frames that are none, from a guest that broke its worker. */
START_TEST(nonsense_is_dropped)
{
	uint8_t buf[2048];
	unsigned int i, k;

	start("user:loopback=on");
	find_gateway();
	srandom(1);
	for (i = 0; i < 3000; i++) {
		uint32_t len = (uint32_t)random() % sizeof(buf);

		for (k = 0; k < len; k++)
			buf[k] = (uint8_t)random();
		/* past the first look, now and then */
		if (len > 40 && i % 2)
			memcpy(buf + 12 + 12, "\x08\x00\x45", 3);
		while (send(desc.fd[0], buf, len, MSG_DONTWAIT) < 0 &&
		       errno == EAGAIN)
			wait_room();
	}
	find_gateway();
	udp_round();
	stop();
}
END_TEST

START_TEST(mtu_is_fixed)
{
	start("user:");
	ck_assert_int_eq(link_set_mtu(&desc, 1500), 0);
	ck_assert_int_eq(link_set_mtu(&desc, 9000), -EOPNOTSUPP);
	ck_assert_uint_eq(desc.mtu, 1500);
	stop();
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, udp_works);
	tcase_add_test(tc, loopback_is_closed);
	tcase_add_test(tc, dhcp_works);
	tcase_add_test(tc, tcp_offload_works);
	tcase_add_test(tc, forward_works);
	tcase_add_test(tc, taken_port_is_said);
	tcase_add_test(tc, nonsense_is_dropped);
	tcase_add_test(tc, mtu_is_fixed);
}

int main(int argc, char **argv)
{
	return run_link_user(argc, argv, "link_user", add);
}
