// SPDX-License-Identifier: MIT
/*
 * The least that can stand between two network stacks without a ring: frames
 * of one TAP are written to another, a thread a direction, with the vnet header
 * (so checksums and TCP segmentation stay undone, as with netfront and
 * netback).  What the path through grants is compared with.
 *
 *   tap_forward NAME NETNS NAME NETNS
 *
 * NETNS is a file as in /proc/PID/ns/net.  Says "ready" and goes on until it is
 * killed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FRAME_MAX (sizeof(struct virtio_net_hdr_v1) + 65536)

static int tap[2];

static void die(const char *what)
{
	fprintf(stderr, "tap_forward: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void enter(const char *netns)
{
	int fd = open(netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(netns);
	close(fd);
}

static int make_tap(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int len = sizeof(struct virtio_net_hdr_v1);
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETVNETHDRSZ, &len) ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		die(name);
	return fd;
}

static void *forward(void *arg)
{
	const int *from = arg, *to = from == &tap[0] ? &tap[1] : &tap[0];
	char *frame = malloc(FRAME_MAX);
	ssize_t len;

	if (!frame)
		die("memory");
	for (;;) {
		len = read(*from, frame, FRAME_MAX);
		if (len < 0)
			die("read");
		/* an interface that is down takes nothing */
		if (write(*to, frame, (size_t)len) < 0 && errno != EIO)
			die("write");
	}
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int i;

	if (argc != 5) {
		fprintf(stderr, "usage: tap_forward NAME NETNS NAME NETNS\n");
		return 64;
	}
	for (i = 0; i < 2; i++) {
		enter(argv[2 + 2 * i]);
		tap[i] = make_tap(argv[1 + 2 * i]);
	}
	puts("ready");
	fflush(stdout);
	if (pthread_create(&thread, NULL, forward, &tap[0]))
		die("thread");
	forward(&tap[1]);
}
