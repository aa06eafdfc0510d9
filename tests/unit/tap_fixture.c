// SPDX-License-Identifier: MIT
/* See tap_fixture.h. */
#include "tests/unit/tap_fixture.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

const uint8_t host_mac[6] = {2, 0, 0, 0, 0, 1};
struct link_desc desc;
struct queue q[LINK_MAX_QUEUES];
int ctl = -1, host = -1;

/* ---- a namespace of our own ---- */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

static bool enter_namespace(void)
{
	char map[2][40];

	if (!unshare(CLONE_NEWNET))
		return true;
	snprintf(map[0], sizeof(map[0]), "0 %u 1", geteuid());
	snprintf(map[1], sizeof(map[1]), "0 %u 1", getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", map[0]);
	write_file("/proc/self/gid_map", map[1]);
	return true;
}

/* Asked in a child, as it changes the process. */
bool can_run(void)
{
	int status, fd;
	pid_t pid = fork();

	if (!pid) {
		struct ifreq ifr = {.ifr_name = NAME,
				    .ifr_flags = IFF_TAP | IFF_NO_PI};

		if (!enter_namespace())
			_exit(1);
		fd = open("/dev/net/tun", O_RDWR);
		_exit(fd < 0 || ioctl(fd, TUNSETIFF, &ifr));
	}
	return waitpid(pid, &status, 0) == pid && !status;
}

void tap_fixture_start(void)
{
	ck_assert(enter_namespace());
	link_fixture_start();
	ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert(ctl >= 0);
}

void tap_fixture_end(void)
{
	close(ctl);
	link_fixture_end();
}

struct ifreq interface(const char *name)
{
	struct ifreq ifr = {.ifr_name = ""};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ifr;
}

bool has_carrier(void)
{
	struct ethtool_value v = {.cmd = ETHTOOL_GLINK};
	struct ifreq ifr = interface(NAME);

	ifr.ifr_data = (void *)&v;
	ck_assert(!ioctl(ctl, SIOCETHTOOL, &ifr));
	return v.data;
}

void set_up(const char *name)
{
	struct ifreq ifr = interface(name);

	/* nothing of the host's own on it */
	ifr.ifr_flags = IFF_UP | IFF_NOARP;
	ck_assert(!ioctl(ctl, SIOCSIFFLAGS, &ifr));
}

int if_mtu(void)
{
	struct ifreq ifr = interface(NAME);

	ck_assert(!ioctl(ctl, SIOCGIFMTU, &ifr));
	return ifr.ifr_mtu;
}

/* ---- the host's end ---- */

void host_open(void)
{
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(NAME)};
	int one = 1;

	host = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	ck_assert(host >= 0);
	ck_assert(!setsockopt(host, SOL_PACKET, PACKET_VNET_HDR, &one,
			      sizeof(one)));
	ck_assert(!bind(host, (struct sockaddr *)&sll, sizeof(sll)));
}

void host_send(const struct virtio_net_hdr *h, const void *frame, uint32_t len)
{
	struct iovec iov[2] = {{(void *)h, sizeof(*h)}, {(void *)frame, len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	ck_assert_int_eq(sendmsg(host, &msg, 0), (ssize_t)(sizeof(*h) + len));
}

ssize_t host_receive(struct virtio_net_hdr *h, uint8_t *frame, size_t size)
{
	for (;;) {
		struct iovec iov[2] = {{h, sizeof(*h)}, {frame, size}};
		struct sockaddr_ll from;
		struct msghdr msg = {.msg_iov = iov,
				     .msg_iovlen = 2,
				     .msg_name = &from,
				     .msg_namelen = sizeof(from)};
		struct pollfd p = {.fd = host, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, WAIT_MS) != 1)
			return -1;
		n = recvmsg(host, &msg, 0);
		ck_assert_int_gt(n, (ssize_t)sizeof(*h));
		if (from.sll_pkttype != PACKET_OUTGOING)
			return n - (ssize_t)sizeof(*h);
	}
}

void start(unsigned int queues, uint32_t mtu)
{
	unsigned int i;

	desc_open(&desc, "tap:" NAME, queues, mtu);
	set_up(NAME);
	host_open();
	for (i = 0; i < desc.nr_queues; i++)
		queue_attach(&q[i], &desc, i);
}

void stop(void)
{
	unsigned int i;

	for (i = 0; i < desc.nr_queues; i++)
		link_detach(&q[i].ctx);
	close(host);
	link_close(&desc);
	ck_assert_uint_eq(if_nametoindex(NAME), 0);
}

uint32_t plain_frame(uint8_t *out, const uint8_t *to, uint8_t what,
		     uint32_t len)
{
	memset(out, what, len);
	memcpy(out, to, 6);
	memcpy(out + 6, to == guest_mac ? host_mac : guest_mac, 6);
	out[12] = TEST_TYPE >> 8;
	out[13] = TEST_TYPE & 0xff;
	return len;
}

bool guest_receive(struct queue *on, uint16_t type, struct net_frame *f, int ms)
{
	while (queue_receive(on, f, ms)) {
		const uint8_t *p = f->iov[0].iov_base;

		if ((p[12] << 8 | p[13]) == type)
			return true;
	}
	return false;
}
