/* SPDX-License-Identifier: MIT */
/*
 * A NIC in a worker: its link's descriptors, its policy, and its queues spread
 * over the loops.  All functions run on the worker's control thread.
 *
 * Files: net_vif.c this; net_vif_ctrl.c the control ring's place on a loop;
 * net_queue.c a queue's life; net_tx.c from the guest; net_rx.c to the guest;
 * net_steer.c from one queue to another; net_ctrl.c the control ring's
 * requests; net_hash.c Toeplitz; net_mcast.c the multicast filter; net_gref.c
 * static grants; net_pcap.c recording; ring/net_csum.c what a frame's headers
 * say about its checksum.
 */
#ifndef XENSPLIT_BACKEND_NET_VIF_H
#define XENSPLIT_BACKEND_NET_VIF_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/worker_proto.h"

struct net_vif;

/* The loops of the worker, and how a vif has the control thread look at it:
 * wake(arg) is called on loop threads. */
struct net_vif_host {
	struct io_loop **loop;
	unsigned int nr_loops;
	void (*wake)(void *arg);
	void *arg;
};

/* fds: the stats memfd, then the link's; taken over on success. */
int net_vif_add(struct net_vif **vif, uint32_t number,
		const struct worker_net_add *add, const int *fds,
		unsigned int nr_fds, const struct net_vif_host *host,
		struct xs_err *err);
/* Disconnected before.  Closes the descriptors. */
void net_vif_remove(struct net_vif *vif);

uint32_t net_vif_number(const struct net_vif *vif);

/* On failure nothing is left connected. */
int net_vif_connect(struct net_vif *vif, const struct worker_net_connect *c,
		    struct xs_err *err);
/* Begin to stop.  Frames under way are dropped; there is nothing to wait for
 * but the loops. */
void net_vif_stop(struct net_vif *vif);
/* After a wake: the text of a violation by the peer, once, or NULL. */
const char *net_vif_take_violation(struct net_vif *vif);
/* After a wake: the guest has stopped (or begun again) to take frames: 0 down,
 * 1 up, once; -1: no change. */
int net_vif_take_carrier(struct net_vif *vif);
/* After a wake: true when no queue is connected (any more). */
bool net_vif_try_finish(struct net_vif *vif);
/* After a wake: whatever else has to be done on the control thread. */
void net_vif_turn(struct net_vif *vif);
int net_vif_set_policy(struct net_vif *vif,
		       const struct net_policy_settings *settings);
/* request-multicast-control of a connected guest has changed. */
void net_vif_set_mcast(struct net_vif *vif, bool on);
/* Record all frames of the vif to fd (taken over), in libpcap's format; fd -1:
 * stop.  snap_len: bytes of each frame.  0 or -errno of a file that
 * cannot be written, or was not to the end. */
int net_vif_set_pcap(struct net_vif *vif, int fd, uint32_t snap_len);

#endif
