// SPDX-License-Identifier: MIT
/*
 * netfront-tap: frames between a queue of the NIC and a queue of the
 * interface, one thread a queue.
 *
 * Frames of the interface are read straight into buffers that the backend
 * sees.  Frames of the backend are written from shared buffers, but for the
 * headers, which are copied first: they are read here to tell the kernel where
 * a checksum belongs, and the backend may write to them at any moment.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "frontend/netfront_tap.h"
#include "frontend/spin.h"
#include "hypercall/clock.h"
#include "ring/net_csum.h"

#define BATCH 64u
/* The kernel's view of the frame is looked at so often while it is busy. */
#define SYNC_TURNS 4096u

static void count(atomic_uint_fast64_t *what)
{
	atomic_store_explicit(
		what, atomic_load_explicit(what, memory_order_relaxed) + 1,
		memory_order_relaxed);
}

/* ---- from the interface to the backend ---- */

/* Partial checksums are for TCP and UDP where the backend will look for them;
 * all others (of tunnels, say) are completed here. */
static bool take_csum(const struct virtio_net_hdr_v1 *h,
		      const struct iovec *iov, unsigned int nr_iov,
		      uint32_t len, struct netfront_meta *m)
{
	struct net_l4 l4;

	if (!net_csum_find(iov[0].iov_base, iov[0].iov_len, len,
			   (enum net_gso)m->gso, &l4) &&
	    l4.csum_start == h->csum_start && l4.csum_offset == h->csum_offset)
		return true;
	if (m->gso || (uint32_t)h->csum_start + h->csum_offset + 2 > len ||
	    (size_t)h->csum_start + h->csum_offset + 2 > iov[0].iov_len)
		return false;
	l4 = (struct net_l4){
		.csum_start = h->csum_start,
		.csum_offset = h->csum_offset,
		.l4_len = len - h->csum_start,
	};
	net_csum_complete(iov, nr_iov, &l4);
	m->csum_partial = false;
	return true;
}

static bool take_header(const struct virtio_net_hdr_v1 *h,
			const struct iovec *iov, unsigned int nr_iov,
			uint32_t len, struct netfront_meta *m)
{
	*m = (struct netfront_meta){
		.csum_partial = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_valid = h->flags & VIRTIO_NET_HDR_F_DATA_VALID,
		.gso_size = h->gso_size,
	};
	switch (h->gso_type) {
	case VIRTIO_NET_HDR_GSO_NONE:
		break;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		m->gso = NETFRONT_GSO_TCPV4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		m->gso = NETFRONT_GSO_TCPV6;
		break;
	default:
		return false;
	}
	return !m->csum_partial || take_csum(h, iov, nr_iov, len, m);
}

/* The pieces as long as the frame is. */
static unsigned int trim(struct iovec *iov, uint32_t len)
{
	unsigned int n = 0;

	while (len > iov[n].iov_len)
		len -= iov[n++].iov_len;
	iov[n].iov_len = len;
	return n + 1;
}

/* There is no backend to give frames to: as on a wire without carrier. */
static int discard(struct tap_queue *tq)
{
	char frame[2048];

	if (read(tq->tap_fd, frame, sizeof(frame)) < 0)
		return -errno;
	count(&tq->out_dropped);
	return 1;
}

/* One frame: 1, 0 there is none, or -errno of the queue. */
static int move_out(struct tap_queue *tq)
{
	struct virtio_net_hdr_v1 header;
	struct iovec iov[1 + NETFRONT_MAX_IOV] = {{&header, sizeof(header)}};
	struct netfront_meta meta;
	ssize_t len;
	int nr;

	nr = netfront_send_bufs(tq->q, tq->max_frame, iov + 1,
				NETFRONT_MAX_IOV);
	tq->starved = nr == -EAGAIN;
	if (nr == -ENETDOWN)
		return discard(tq);
	if (nr < 0)
		return nr;
	len = readv(tq->tap_fd, iov, nr + 1);
	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	len -= (ssize_t)sizeof(header);
	if (len <= 0)
		return 1;
	nr = (int)trim(iov + 1, (uint32_t)len);
	if (!take_header(&header, iov + 1, (unsigned int)nr, (uint32_t)len,
			 &meta) ||
	    netfront_send_commit(tq->q, (uint32_t)len, &meta))
		count(&tq->out_dropped);
	else
		count(&tq->out);
	return 1;
}

/* How many frames, or -errno of the device. */
static int pump_out(struct tap_queue *tq)
{
	unsigned int n;
	int res = 1;

	for (n = 0; n < BATCH && res > 0; n++)
		res = move_out(tq);
	if (n && netfront_kick(tq->q))
		return netfront_status(tq->nf);
	if (res == -EAGAIN || res >= 0)
		return (int)n - (res <= 0);
	return res;
}

/* ---- from the backend to the interface ---- */

struct in_frame {
	struct virtio_net_hdr_v1 header;
	uint8_t head[NET_CSUM_HEAD];
	uint32_t head_len;
};

static uint32_t copy_head(struct in_frame *f, const struct iovec *iov,
			  unsigned int nr_iov)
{
	uint32_t at = 0;
	size_t n;
	unsigned int i;

	for (i = 0; i < nr_iov && at < sizeof(f->head); i++) {
		n = sizeof(f->head) - at;
		if (n > iov[i].iov_len)
			n = iov[i].iov_len;
		memcpy(f->head + at, iov[i].iov_base, n);
		at += n;
	}
	return at;
}

/* What the kernel must know of a frame whose checksum is to be completed. */
static bool fill_header(struct in_frame *f, uint32_t len,
			const struct netfront_meta *m)
{
	struct net_l4 l4;

	if (net_csum_find(f->head, f->head_len, len, (enum net_gso)m->gso, &l4))
		return false;
	f->header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	f->header.csum_start = l4.csum_start;
	f->header.csum_offset = l4.csum_offset;
	if (m->gso == NETFRONT_GSO_NONE)
		return true;
	f->header.gso_type = m->gso == NETFRONT_GSO_TCPV4
				     ? VIRTIO_NET_HDR_GSO_TCPV4
				     : VIRTIO_NET_HDR_GSO_TCPV6;
	f->header.gso_size = m->gso_size;
	f->header.hdr_len = l4.csum_start + l4.header_len;
	return true;
}

/* Header and private head, then what is left of the shared pieces. */
static int write_frame(struct tap_queue *tq, struct in_frame *f,
		       const struct iovec *iov, unsigned int nr_iov)
{
	struct iovec out[2 + NETFRONT_MAX_IOV * 2] = {
		{&f->header, sizeof(f->header)}, {f->head, f->head_len}};
	unsigned int n = f->head_len ? 2 : 1, i;
	size_t skip = f->head_len;

	if (nr_iov > NETFRONT_MAX_IOV * 2)
		return -EMSGSIZE;
	for (i = 0; i < nr_iov; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		out[n].iov_base = (uint8_t *)iov[i].iov_base + skip;
		out[n++].iov_len = iov[i].iov_len - skip;
		skip = 0;
	}
	return writev(tq->tap_fd, out, (int)n) < 0 ? -errno : 0;
}

static void move_in(void *user, const struct iovec *iov, unsigned int nr_iov,
		    uint32_t len, const struct netfront_meta *meta)
{
	struct tap_queue *tq = user;
	struct in_frame f;

	memset(&f.header, 0, sizeof(f.header));
	f.head_len = 0;
	if (meta->csum_partial) {
		f.head_len = copy_head(&f, iov, nr_iov);
		if (!fill_header(&f, len, meta)) {
			count(&tq->in_dropped);
			return;
		}
	} else if (meta->csum_valid) {
		f.header.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
	/* An interface that is down takes nothing. */
	if (write_frame(tq, &f, iov, nr_iov))
		count(&tq->in_dropped);
	else
		count(&tq->in);
}

/* ---- the thread ---- */

/* Carrier and MTU, as the backend and the toolstack say. */
static void sync_info(struct tap_queue *tq)
{
	struct netfront_info info;

	if (tq->index)
		return;
	netfront_get_info(tq->nf, &info);
	if (info.carrier != tq->carrier &&
	    !tap_if_set_carrier(tq->tap, info.carrier))
		tq->carrier = info.carrier;
	if (info.mtu != tq->mtu && info.mtu &&
	    !tap_if_set_mtu(tq->tap, info.mtu))
		tq->mtu = info.mtu;
}

/* False: it is time to stop. */
static bool sleep_now(struct tap_queue *tq)
{
	struct pollfd fds[3] = {
		{.fd = tq->stop_fd, .events = POLLIN},
		{.fd = netfront_fd(tq->q), .events = POLLIN},
		{.fd = tq->starved ? -1 : tq->tap_fd, .events = POLLIN},
	};
	uint64_t before;

	if (netfront_arm(tq->q))
		return true;
	before = clock_us();
	count(&tq->sleeps);
	if (poll(fds, 3, -1) < 0)
		return true;
	tq->spin_us = spin_after_sleep(tq->spin_us, tq->poll_us,
				       clock_us() - before);
	if (fds[1].revents)
		sync_info(tq);
	return !fds[0].revents;
}

static bool should_stop(const struct tap_queue *tq)
{
	struct pollfd fd = {.fd = tq->stop_fd, .events = POLLIN};

	return poll(&fd, 1, 0) > 0;
}

static int run(struct tap_queue *tq)
{
	uint64_t last = clock_us();
	unsigned int turns = 0;
	int in, out;

	sync_info(tq);
	for (;;) {
		out = pump_out(tq);
		if (out < 0)
			return out;
		in = netfront_poll(tq->q, BATCH, move_in, tq);
		if (in < 0)
			return in;
		if (++turns % SYNC_TURNS == 0) {
			sync_info(tq);
			if (should_stop(tq))
				return 0;
		}
		if (in + out > 0) {
			last = clock_us();
			continue;
		}
		if (tq->spin_us && clock_us() - last < tq->spin_us &&
		    !netfront_backend_is_here(tq->q))
			continue;
		if (!sleep_now(tq))
			return 0;
		last = clock_us();
	}
}

void *tap_queue_run(void *queue)
{
	struct tap_queue *tq = queue;

	tq->result = run(tq);
	tq->ended();
	return NULL;
}
