// SPDX-License-Identifier: MIT
/*
 * netfront-tap: the TAP interface.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/netfront_tap.h"

/* An ioctl about the interface by its name. */
static int if_ioctl(const struct tap_if *t, unsigned long what,
		    struct ifreq *ifr)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (sock < 0)
		return -errno;
	memcpy(ifr->ifr_name, t->name, sizeof(ifr->ifr_name));
	if (ioctl(sock, what, ifr) < 0)
		err = -errno;
	close(sock);
	return err;
}

int tap_if_set_mtu(const struct tap_if *t, uint32_t mtu)
{
	struct ifreq ifr = {.ifr_mtu = (int)mtu};

	return if_ioctl(t, SIOCSIFMTU, &ifr);
}

int tap_if_set_up(const struct tap_if *t)
{
	struct ifreq ifr = {0};
	int err = if_ioctl(t, SIOCGIFFLAGS, &ifr);

	if (err)
		return err;
	ifr.ifr_flags |= IFF_UP;
	return if_ioctl(t, SIOCSIFFLAGS, &ifr);
}

int tap_if_set_carrier(const struct tap_if *t, bool on)
{
	int value = on;

	return ioctl(t->fd[0], TUNSETCARRIER, &value) < 0 ? -errno : 0;
}

static int set_mac(const struct tap_if *t, const uint8_t mac[6])
{
	struct ifreq ifr = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};

	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	return if_ioctl(t, SIOCSIFHWADDR, &ifr);
}

/* TCP may hand the interface frames of 64 KiB and their headers beside it,
 * which is more than a ring can say: the kernel is to stay below. */
static int set_gso_max(const struct tap_if *t)
{
	struct {
		struct nlmsghdr nh;
		struct ifinfomsg info;
		struct nlattr size_attr;
		uint32_t size;
	} req = {
		.nh = {.nlmsg_len = sizeof(req),
		       .nlmsg_type = RTM_NEWLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.info = {.ifi_family = AF_UNSPEC,
			 .ifi_index = (int)if_nametoindex(t->name)},
		.size_attr = {.nla_len = sizeof(struct nlattr) + 4,
			      .nla_type = IFLA_GSO_MAX_SIZE},
		.size = TAP_MAX_FRAME - TAP_L2_MAX,
	};
	struct {
		struct nlmsghdr nh;
		struct nlmsgerr err;
		char room[256];
	} ack;
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err = 0;

	if (sock < 0)
		return -errno;
	if (send(sock, &req, sizeof(req), 0) < 0 ||
	    recv(sock, &ack, sizeof(ack), 0) < (ssize_t)sizeof(ack.nh) + 4)
		err = errno ? -errno : -EPROTO;
	else if (ack.nh.nlmsg_type == NLMSG_ERROR)
		err = ack.err.error;
	close(sock);
	return err;
}

static int set_offloads(int fd, const struct netfront_info *info)
{
	unsigned int what = 0;

	/* The interface has one switch for both versions of IP. */
	if (info->csum4 && info->csum6)
		what |= TUN_F_CSUM;
	if (what && info->gso4)
		what |= TUN_F_TSO4;
	if (what && info->gso6)
		what |= TUN_F_TSO6;
	return ioctl(fd, TUNSETOFFLOAD, what) < 0 ? -errno : 0;
}

static int open_queue(struct tap_if *t, unsigned int i)
{
	int header = sizeof(struct virtio_net_hdr_v1), fd;
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};

	if (t->nr_queues > 1)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	memcpy(ifr.ifr_name, t->name, sizeof(ifr.ifr_name));
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	t->fd[i] = fd;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 ||
	    ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
		return -errno;
	memcpy(t->name, ifr.ifr_name, sizeof(t->name));
	return 0;
}

/* What a person can do about it. */
static const char *hint(int err)
{
	switch (-err) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return " (there is no /dev/net/tun: load the module tun, or "
		       "hand the device into the container)";
	case EPERM:
	case EACCES:
		return " (CAP_NET_ADMIN is needed: be root, or use a user and "
		       "network namespace: unshare -rn)";
	case EBUSY:
		return " (another program has an interface of that name)";
	default:
		return "";
	}
}

int tap_if_open(struct tap_if *t, const struct netfront_info *info, char *err,
		size_t err_size)
{
	const char *what = "cannot make the TAP interface";
	unsigned int i;
	int res = 0;

	for (i = 0; i < TAP_MAX_QUEUES; i++)
		t->fd[i] = -1;
	for (i = 0; i < t->nr_queues && !res; i++)
		res = open_queue(t, i);
	if (!res) {
		what = "cannot set the interface's offloads";
		res = set_offloads(t->fd[0], info);
	}
	if (!res) {
		what = "cannot set the interface's largest frame";
		res = set_gso_max(t);
	}
	if (!res) {
		what = "cannot set the interface's address";
		res = set_mac(t, info->mac);
	}
	if (!res) {
		what = "cannot set the interface's MTU";
		res = tap_if_set_mtu(t, info->mtu);
	}
	if (!res) {
		what = "cannot set the interface's carrier";
		res = tap_if_set_carrier(t, false);
	}
	if (!res)
		return 0;
	snprintf(err, err_size, "%s %s: %s%s", what, t->name, strerror(-res),
		 hint(res));
	tap_if_close(t);
	return res;
}

void tap_if_close(struct tap_if *t)
{
	unsigned int i;

	for (i = 0; i < TAP_MAX_QUEUES; i++) {
		if (t->fd[i] >= 0)
			close(t->fd[i]);
		t->fd[i] = -1;
	}
}
