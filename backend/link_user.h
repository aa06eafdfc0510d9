/* SPDX-License-Identifier: MIT */
/*
 * user:[OPTIONS]: a network of the guest's own behind NAT, by libslirp; no
 * privileges and no set-up on the host.
 *
 * libslirp interprets what a guest sends, in C, so it runs in a process of its
 * own: this program again with --user-link.  It has the host's network, its
 * own user id, one end of a socket pair to the worker, and little else
 * (link_user_box.c).  It outlives the worker, and so do the guest's
 * connections.  A watcher, its parent, starts it anew if a guest manages to
 * end it.
 *
 * Each packet on the socket (SOCK_SEQPACKET) is a virtio header and a frame.
 */
#ifndef XENSPLIT_BACKEND_LINK_USER_H
#define XENSPLIT_BACKEND_LINK_USER_H

#include <netinet/in.h>

#include "backend/link.h"

#define LINK_USER_ARG      "--user-link"
#define LINK_USER_FORWARDS 32u
#define LINK_USER_SEARCHES 8u

/* A port of the host's that leads to one of the guest's. */
struct link_user_forward {
	bool udp;
	struct in_addr host, guest; /* host 0.0.0.0: all; guest: the first */
	uint16_t host_port, guest_port;
};

struct link_user_config {
	bool ipv4, ipv6;
	bool restricted; /* to what is forwarded */
	bool loopback;   /* the gateway's address leads to 127.0.0.1 */
	struct in_addr net, mask, host, dns, dhcp_start;
	struct in6_addr net6, host6, dns6;
	uint8_t prefix6;
	char hostname[64], domain[256];
	char search[LINK_USER_SEARCHES][256];
	unsigned int nr_searches, nr_forwards;
	struct link_user_forward forward[LINK_USER_FORWARDS];
};

/*
 * OPTIONS, by commas or semicolons, named as QEMU's -netdev user does:
 * net=ADDR/LEN host= dns= dhcpstart= hostname= domainname= dnssearch=
 * restrict=on|off ipv4= ipv6= ipv6-net=ADDR/LEN ipv6-host= ipv6-dns=
 * hostfwd=[tcp|udp]:[ADDR]:PORT-[ADDR]:PORT, and loopback=on|off (off).
 * Pure; -EINVAL with err naming the option.
 */
int link_user_parse(const char *options, struct link_user_config *cfg,
		    struct xs_err *err);

/* First thing in main(): if the arguments are those of the process, be it and
 * never return. */
void link_user_main(int argc, char *const argv[]);

/* For link_user_main(), in link_user_run.c: serve frames on sock until the
 * other end closes.  A line on ready_fd (closed then) says how it began: empty
 * or why not.  An exit status. */
struct link_user_process {
	int sock, ready_fd;
	uint32_t mtu, domid;
	struct link_user_config cfg;
};
int link_user_run(const struct link_user_process *p);

/* In link_user_box.c: give up everything but the network, for good.  0, or
 * -errno with err set: do not go on. */
int link_user_box(uint32_t domid, struct xs_err *err);

#endif
