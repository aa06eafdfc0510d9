// SPDX-License-Identifier: MIT
/* See link_user_guest.h. */
#include "tests/unit/link_user_guest.h"

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/link_user.h"
#include "tests/unit/run_suite.h"

const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
struct link_desc desc;
struct queue guest;
static uint8_t gateway_mac[6];

void start(const char *target)
{
	desc_open(&desc, target, 4, 0);
	ck_assert_uint_eq(desc.nr_queues, 1);
	ck_assert_uint_eq(desc.mtu, 1500);
	queue_attach(&guest, &desc, 0);
}

void stop(void)
{
	link_detach(&guest.ctx);
	link_close(&desc);
	link_close(&desc);
}

uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* The next frame of an Ethernet type; others pass by. */
uint8_t *expect(uint16_t type, struct net_frame *f)
{
	while (queue_receive(&guest, f, WAIT_MS)) {
		uint8_t *data = f->iov[0].iov_base;

		ck_assert_uint_eq(f->nr_iov, 1);
		ck_assert_uint_eq(f->iov[0].iov_len, f->len);
		if (get16(data + 12) == type)
			return data;
	}
	ck_abort_msg("no frame of type %04x", type);
	return NULL;
}

void wait_room(void)
{
	struct pollfd p = {.fd = desc.fd[0], .events = POLLOUT};

	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
}

void find_gateway(void)
{
	uint8_t arp[42] = {0}, *answer;
	struct net_frame f;

	memcpy(arp, broadcast, 6);
	memcpy(arp + 6, guest_mac, 6);
	memcpy(arp + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
	memcpy(arp + 22, guest_mac, 6);
	memcpy(arp + 28, "\x0a\x00\x02\x0f", 4);
	memcpy(arp + 38, "\x0a\x00\x02\x02", 4);
	wait_room();
	ck_assert(queue_send(&guest, arp, sizeof(arp)));
	answer = expect(0x0806, &f);
	ck_assert_uint_eq(answer[21], 2);
	memcpy(gateway_mac, answer + 22, 6);
}

int host_socket(int type, uint16_t *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert(fd >= 0);
	ck_assert(!bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	ck_assert(!getsockname(fd, (struct sockaddr *)&sin, &len));
	if (type == SOCK_STREAM)
		ck_assert(!listen(fd, 4));
	*port = ntohs(sin.sin_port);
	return fd;
}

bool wait_fd(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

struct flow flow_to(uint16_t port)
{
	return (struct flow){.to_mac = gateway_mac,
			     .from = GUEST,
			     .to = GATEWAY,
			     .from_port = 5000,
			     .to_port = port};
}

/* A datagram to the host and back. */
void udp_round(void)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint8_t frame[256], *answer;
	char buf[64];
	uint16_t port;
	int fd = host_socket(SOCK_DGRAM, &port);
	struct flow flow = flow_to(port);
	struct net_frame f;

	ck_assert(queue_send(&guest, frame,
			     make_frame(frame, &flow, "question", 8)));
	ck_assert(wait_fd(fd, WAIT_MS));
	ck_assert_int_eq(recvfrom(fd, buf, sizeof(buf), 0,
				  (struct sockaddr *)&from, &len),
			 8);
	ck_assert(!memcmp(buf, "question", 8));
	ck_assert_int_eq(
		sendto(fd, "answer", 6, 0, (struct sockaddr *)&from, len), 6);
	do {
		answer = expect(0x0800, &f);
	} while (answer[23] != IPPROTO_UDP || get16(answer + 34) != port);
	ck_assert(f.csum_valid && !f.csum_partial && !f.gso);
	ck_assert(!memcmp(answer + 42, "answer", 6));
	close(fd);
}

int run_link_user(int argc, char **argv, const char *suite,
		  void (*add)(TCase *tc))
{
	Suite *s = suite_create(suite);

	/* the process is this program again */
	link_user_main(argc, argv);
	suite_add(s, suite, 40, link_fixture_start, link_fixture_end, add);
	return run_suite(s);
}
