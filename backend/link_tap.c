// SPDX-License-Identifier: MIT
/*
 * tap:NAME: a TAP interface of the network namespace that the supervisor runs
 * in, made if there is none of that name.
 *
 * One descriptor a queue, all kept by the supervisor, so that the interface,
 * its addresses and its place in a bridge outlive a worker; one that was made
 * here goes with the last descriptor.  Frames pass with virtio's header before
 * them: partial checksums and large TCP segments stay as they are in both
 * directions.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/link_fd.h"

#define TUN_DEVICE "/dev/net/tun"

/* Frames are read one behind the other into an arena; a read needs room for
 * the longest, so small ones fill a batch and large ones make it shorter. */
#define BATCH      64u
#define FRAME_AT   64u /* of the header's start: the frame itself is aligned */
#define FRAME_ROOM (FRAME_AT + NET_PACKET_MAX + 1u)
#define ARENA_SIZE (4u * 18u * NET_PAGE_SIZE) /* of the longest, four */

/* More than an interface's queue ever holds. */
#define DRAIN_MAX 4096u

/* supervisor */

static bool valid_name(const char *name)
{
	size_t len = strlen(name);

	/* the kernel makes a number of a percent sign */
	return len && len < IFNAMSIZ && strcmp(name, ".") &&
	       strcmp(name, "..") && !strpbrk(name, "/:% \t\n");
}

static int open_queue(const char *name, unsigned int more_flags)
{
	struct ifreq ifr = {.ifr_name = ""};
	int hdr_len = (int)LINK_VNET_LEN, err;
	int fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, name, strlen(name));
	ifr.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
				more_flags);
	if (!ioctl(fd, TUNSETIFF, &ifr) &&
	    !ioctl(fd, TUNSETVNETHDRSZ, &hdr_len) &&
	    !ioctl(fd, TUNSETOFFLOAD, 0UL))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* An interface that exists may have one queue or be able to have several;
 * which it is shows only by trying. */
static int open_first(const char *name, unsigned int queues,
		      unsigned int *flags)
{
	int fd;

	*flags = queues > 1 ? IFF_MULTI_QUEUE : 0;
	fd = open_queue(name, *flags);
	if (fd != -EINVAL)
		return fd;
	*flags ^= IFF_MULTI_QUEUE;
	return open_queue(name, *flags);
}

static void explain(const struct link_desc *desc, int res, struct xs_err *err)
{
	const char *why = strerror(-res);

	switch (-res) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		why = "this host has no " TUN_DEVICE;
		break;
	case EPERM:
	case EACCES:
		why = "not permitted: it takes CAP_NET_ADMIN, or an interface "
		      "made for this user (ip tuntap add)";
		break;
	case EBUSY:
		why = "another program has it open";
		break;
	case EINVAL:
		why = "there is such an interface, and it is no TAP";
		break;
	default:
		break;
	}
	xs_err_set(err, "cannot open %s: %s", desc->label, why);
}

static int if_mtu(const char *name, uint32_t *mtu, bool set)
{
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), res = 0;
	struct ifreq ifr = {.ifr_name = ""};

	if (sock < 0)
		return -errno;
	memcpy(ifr.ifr_name, name, strlen(name));
	ifr.ifr_mtu = (int)*mtu;
	if (ioctl(sock, set ? SIOCSIFMTU : SIOCGIFMTU, &ifr))
		res = -errno;
	else
		*mtu = (uint32_t)ifr.ifr_mtu;
	close(sock);
	return res;
}

/* The interface's name now: scripts rename it. */
static int name_of(const struct link_desc *desc, struct ifreq *ifr)
{
	memset(ifr, 0, sizeof(*ifr));
	return ioctl(desc->fd[0], TUNGETIFF, ifr) ? -errno : 0;
}

static int open_all(const char *name, unsigned int queues,
		    struct link_desc *desc)
{
	unsigned int flags;
	int fd = open_first(name, queues, &flags);

	if (fd < 0)
		return fd;
	desc->fd[desc->nr_fds++] = fd;
	while (flags && desc->nr_fds < queues) {
		fd = open_queue(name, flags);
		if (fd == -E2BIG || fd == -EBUSY)
			break; /* fewer will do */
		if (fd < 0)
			return fd;
		desc->fd[desc->nr_fds++] = fd;
	}
	desc->nr_queues = desc->tap_queues = desc->nr_fds;
	return 0;
}

static int tap_open(const char *name, const struct link_open_how *how,
		    struct link_desc *desc, struct xs_err *err)
{
	uint32_t mtu = how->mtu;
	int res;

	if (!valid_name(name)) {
		xs_err_set(err, "%s does not name a network interface",
			   desc->label);
		return -EINVAL;
	}
	res = open_all(name, how->queues, desc);
	if (res) {
		explain(desc, res, err);
		return res;
	}
	res = if_mtu(name, &mtu, mtu);
	if (res) {
		xs_err_set(err, "%s: cannot set an MTU of %u: %s", desc->label,
			   mtu, strerror(-res));
		return res;
	}
	desc->mtu = mtu;
	desc->offers = LINK_CSUM | LINK_TSO4 | LINK_TSO6 | LINK_SG;
	return 0;
}

static int tap_set_features(struct link_desc *desc, uint32_t features)
{
	unsigned long offload = 0;

	if (features & LINK_CSUM) {
		offload = TUN_F_CSUM;
		if (features & LINK_TSO4)
			offload |= TUN_F_TSO4;
		if (features & LINK_TSO6)
			offload |= TUN_F_TSO6;
	}
	/* of the whole interface */
	return ioctl(desc->fd[0], TUNSETOFFLOAD, offload) ? -errno : 0;
}

static int tap_set_queues(struct link_desc *desc, unsigned int nr)
{
	while (desc->tap_queues != nr) {
		bool more = desc->tap_queues < nr;
		unsigned int i = more ? desc->tap_queues : desc->tap_queues - 1;
		struct ifreq ifr = {
			.ifr_flags = more ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE,
		};

		if (ioctl(desc->fd[i], TUNSETQUEUE, &ifr))
			return -errno;
		desc->tap_queues = more ? i + 1 : i;
	}
	return 0;
}

static int tap_set_mtu(struct link_desc *desc, uint32_t mtu)
{
	struct ifreq ifr;
	int res = name_of(desc, &ifr);

	return res ? res : if_mtu(ifr.ifr_name, &mtu, true);
}

/* What waits since before the guest went is not for who comes now. */
static void drain(const struct link_desc *desc)
{
	char buf[LINK_VNET_LEN + 64];
	unsigned int i, n;

	for (i = 0; i < desc->tap_queues; i++)
		for (n = 0; n < DRAIN_MAX; n++)
			if (read(desc->fd[i], buf, sizeof(buf)) < 0)
				break;
}

static int tap_set_carrier(struct link_desc *desc, bool up)
{
	int on = up;

	if (up)
		drain(desc);
	return ioctl(desc->fd[0], TUNSETCARRIER, &on) ? -errno : 0;
}

/* worker */

struct tap_ctx {
	struct link_fd lfd;
	int fd;
	uint8_t *arena;
	struct iovec iov[BATCH];
};

static int tap_attach(struct link_ctx *ctx, struct xs_err *err)
{
	struct tap_ctx *t = calloc(1, sizeof(*t));

	if (t)
		t->arena = aligned_alloc(NET_PAGE_SIZE, ARENA_SIZE);
	if (!t || !t->arena) {
		free(t);
		xs_err_set(err, "%s: no memory for frames", ctx->desc->label);
		return -ENOMEM;
	}
	t->fd = ctx->desc->fd[ctx->queue];
	link_fd_init(&t->lfd, ctx, t->fd);
	ctx->priv = t;
	return 0;
}

static void tap_detach(struct link_ctx *ctx)
{
	struct tap_ctx *t = ctx->priv;

	link_fd_arm(&t->lfd, false);
	free(t->arena);
	free(t);
}

static unsigned int tap_send(struct link_ctx *ctx,
			     const struct net_frame *frames, unsigned int nr)
{
	struct tap_ctx *t = ctx->priv;
	unsigned int i, sent = 0;

	for (i = 0; i < nr; i++) {
		const struct net_frame *f = &frames[i];
		struct virtio_net_hdr_v1 hdr;
		struct iovec iov[LINK_MAX_IOV + 1];

		link_vnet_put(&hdr, f);
		iov[0] = (struct iovec){&hdr, sizeof(hdr)};
		memcpy(iov + 1, f->iov, f->nr_iov * sizeof(*iov));
		/* EIO: the interface is down; nobody listens */
		if (writev(t->fd, iov, f->nr_iov + 1) > 0)
			sent++;
	}
	return sent;
}

/*
 * Where the header of the frame behind the one that ends at `at` goes.  Xen
 * copies from one page to one page, and the guest gets a long frame page by
 * page: if it begins with a page of ours, each of them is one copy and not two.
 * How long the next one is nobody knows, but long ones come in rows.
 */
static uint32_t next_at(uint32_t at, uint32_t len)
{
	uint32_t align = len > NET_PAGE_SIZE ? NET_PAGE_SIZE : FRAME_AT;

	return (at + FRAME_AT + align - 1) / align * align - FRAME_AT;
}

static bool is_final(int err)
{
	return err != EAGAIN && err != EINTR && err != ENOMEM && err != ENOBUFS;
}

static unsigned int tap_receive(struct link_ctx *ctx, struct net_frame *frames,
				unsigned int nr)
{
	struct tap_ctx *t = ctx->priv;
	uint32_t at = NET_PAGE_SIZE - FRAME_AT;
	unsigned int n = 0, tries;

	if (nr > BATCH)
		nr = BATCH;
	for (tries = 0; tries < nr && at + FRAME_ROOM <= ARENA_SIZE; tries++) {
		uint8_t *frame = t->arena + at + FRAME_AT;
		uint8_t *hdr = frame - LINK_VNET_LEN;
		ssize_t len = read(t->fd, hdr,
				   LINK_VNET_LEN + NET_PACKET_MAX + 1);
		struct net_frame *f = &frames[n];

		if (len < 0) {
			/* the interface was deleted */
			t->lfd.dead |= is_final(errno);
			break;
		}
		f->len = (uint32_t)len - LINK_VNET_LEN;
		if ((uint32_t)len < LINK_VNET_LEN ||
		    !link_vnet_get((void *)hdr, f))
			continue;
		f->head_len = (uint16_t)f->len;
		f->nr_iov = 1;
		f->iov = &t->iov[n];
		t->iov[n++] = (struct iovec){frame, f->len};
		at = next_at(at + FRAME_AT + f->len, f->len);
	}
	return n;
}

static void tap_arm(struct link_ctx *ctx, bool on)
{
	struct tap_ctx *t = ctx->priv;

	link_fd_arm(&t->lfd, on);
}

const struct link_ops link_tap = {
	.name = "tap",
	.scheme = "tap",
	.open = tap_open,
	.set_features = tap_set_features,
	.set_queues = tap_set_queues,
	.set_mtu = tap_set_mtu,
	.set_carrier = tap_set_carrier,
	.attach = tap_attach,
	.detach = tap_detach,
	.send = tap_send,
	.receive = tap_receive,
	.arm = tap_arm,
};
