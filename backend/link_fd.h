/* SPDX-License-Identifier: MIT */
/*
 * What links behind a descriptor share (worker's half): waiting until it is
 * readable, and the virtio header before each frame.
 */
#ifndef XENSPLIT_BACKEND_LINK_FD_H
#define XENSPLIT_BACKEND_LINK_FD_H

#include <linux/virtio_net.h>

#include "backend/link.h"

/* The header as it is written to and read from the descriptor. */
#define LINK_VNET_LEN ((uint32_t)sizeof(struct virtio_net_hdr_v1))

/* Set by the link's attach; loop's thread. */
struct link_fd {
	ev_io io;
	struct link_ctx *ctx;
	bool armed;
	bool dead; /* it will never be readable again: no use in waiting */
};

void link_fd_init(struct link_fd *l, struct link_ctx *ctx, int fd);
/* As link_arm(); also before detach, with false. */
void link_fd_arm(struct link_fd *l, bool on);

/* The header that says about a frame what struct net_frame does. */
void link_vnet_put(struct virtio_net_hdr_v1 *h, const struct net_frame *f);
/*
 * The other way: f->len and iov are set already and describe one piece of
 * private memory; h is not trusted.  False: a frame that cannot be, or that no
 * guest was asked about (UDP segmentation); it is to be dropped.
 */
bool link_vnet_get(const struct virtio_net_hdr_v1 *h, struct net_frame *f);

#endif
