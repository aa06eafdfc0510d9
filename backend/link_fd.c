// SPDX-License-Identifier: MIT
/*
 * See link_fd.h.
 *
 * The header's numbers are in the host's byte order, which is little-endian
 * wherever Xen's x86 interface is.
 */
#include "backend/link_fd.h"

#include <string.h>

#define ETH_LEN    14u
#define TCP_LEN    20u
#define CSUM_BYTES 2u

static void on_readable(struct ev_loop *ev, ev_io *io, int revents)
{
	struct link_fd *l = io->data;

	(void)revents;
	ev_io_stop(ev, io);
	l->armed = false;
	l->ctx->readable(l->ctx);
}

void link_fd_init(struct link_fd *l, struct link_ctx *ctx, int fd)
{
	memset(l, 0, sizeof(*l));
	l->ctx = ctx;
	ev_io_init(&l->io, on_readable, fd, EV_READ);
	l->io.data = l;
}

void link_fd_arm(struct link_fd *l, bool on)
{
	on = on && !l->dead;
	if (on == l->armed)
		return;
	l->armed = on;
	if (on)
		ev_io_start(l->ctx->loop->ev, &l->io);
	else
		ev_io_stop(l->ctx->loop->ev, &l->io);
}

/* How long the headers of a TCP frame are; the kernel takes what is wrong as
 * a hint that is wrong. */
static uint32_t headers_len(const struct net_frame *f)
{
	uint32_t at = f->csum_start + 12u, len;
	const uint8_t *head = f->iov[0].iov_base;

	if (at >= f->head_len)
		return f->csum_start + TCP_LEN;
	len = f->csum_start + (head[at] >> 4) * 4u;
	return len < f->len ? len : f->len;
}

void link_vnet_put(struct virtio_net_hdr_v1 *h, const struct net_frame *f)
{
	memset(h, 0, sizeof(*h));
	if (f->csum_partial) {
		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h->csum_start = f->csum_start;
		h->csum_offset = f->csum_offset;
	} else if (f->csum_valid) {
		h->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
	if (f->gso == NET_GSO_NONE)
		return;
	h->gso_type = f->gso == NET_GSO_TCPV4 ? VIRTIO_NET_HDR_GSO_TCPV4
					      : VIRTIO_NET_HDR_GSO_TCPV6;
	h->gso_size = f->gso_size;
	h->hdr_len = (uint16_t)headers_len(f);
}

static bool get_gso(const struct virtio_net_hdr_v1 *h, struct net_frame *f)
{
	f->gso = NET_GSO_NONE;
	f->gso_size = 0;
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return true;
	if (h->gso_type == VIRTIO_NET_HDR_GSO_TCPV4)
		f->gso = NET_GSO_TCPV4;
	else if (h->gso_type == VIRTIO_NET_HDR_GSO_TCPV6)
		f->gso = NET_GSO_TCPV6;
	else
		return false;
	f->gso_size = h->gso_size;
	return f->gso_size && f->csum_partial;
}

bool link_vnet_get(const struct virtio_net_hdr_v1 *h, struct net_frame *f)
{
	if (f->len < ETH_LEN || f->len > NET_PACKET_MAX)
		return false;
	f->csum_partial = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	f->csum_valid = h->flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM |
				    VIRTIO_NET_HDR_F_DATA_VALID);
	f->csum_start = f->csum_offset = 0;
	if (f->csum_partial) {
		f->csum_start = h->csum_start;
		f->csum_offset = h->csum_offset;
		if (f->csum_start < ETH_LEN ||
		    (uint32_t)f->csum_start + f->csum_offset + CSUM_BYTES >
			    f->len)
			return false;
	}
	return get_gso(h, f);
}
