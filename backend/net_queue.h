/* SPDX-License-Identifier: MIT */
/*
 * One queue of a NIC, as the worker serves it: a transmit ring, a receive
 * ring, and the queue of the link that belongs to them.  All functions run on
 * the queue's loop thread.
 *
 * Protocol: <xen/io/netif.h>, "Guest transmit" and "Guest receive".
 */
#ifndef XENSPLIT_BACKEND_NET_QUEUE_H
#define XENSPLIT_BACKEND_NET_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/io_loop.h"
#include "backend/link.h"
#include "backend/net_gref.h"
#include "backend/net_hash.h"
#include "backend/net_mcast.h"
#include "backend/net_pcap.h"
#include "backend/net_policy.h"
#include "backend/net_stats.h"
#include "ring/net_check.h"

struct net_queue;

/* What a queue is made from.  What is pointed to outlives the queue, and is
 * shared with the other queues of its NIC. */
struct net_queue_config {
	const char *name; /* of the device */
	struct io_loop *loop;
	const struct link_desc *link;
	struct net_policy *policy;
	struct net_mcast *mcast;
	struct net_hash_control *hash;
	struct net_gref *grefs;
	struct net_pcap *pcap;
	struct net_queue_stats *stats;
	struct net_ring_journal *tx_journal, *rx_journal;
	unsigned int index;
	uint32_t fe_domid;
	uint32_t tx_ref, rx_ref;
	uint32_t evtchn_tx, evtchn_rx; /* the same number: one for both */
	uint32_t features;             /* LINK_*: frames that the guest takes */
	struct net_tx_rules rules;
	bool csum4, csum6; /* the guest takes partial checksums */
	bool rx_notify, resume;
	/* How long frames wait for a guest without buffers before they are
	 * dropped, and how long until it counts as stalled; 0: as Linux's
	 * netback, which knows no stall of guests without rx_notify. */
	uint32_t drain_ms, stall_ms;
	/* The queue stopped because of its peer; text is for people.  Called
	 * at most once. */
	void (*violation)(void *arg, const char *text);
	/* The guest has taken no frame for too long, or does again. */
	void (*stalled)(void *arg, bool stalled);
	/* A frame for this guest that belongs to another queue, by the hash
	 * that the guest has asked for: net_queue_put() it there.  False: it
	 * is lost. */
	bool (*steer)(void *arg, unsigned int queue,
		      const struct net_frame *frame);
	void *arg;
};

/* Map the rings, bind the ports, attach to the link.  0 or -errno with a
 * reason; on failure nothing is left.  Nothing moves yet. */
int net_queue_open(struct net_queue **q, const struct net_queue_config *cfg,
		   struct xs_err *err);
void net_queue_start(struct net_queue *q);
/* Nothing moves any more, and nothing is steered to others. */
void net_queue_stop(struct net_queue *q);
/* Stopped before, as all that may steer to it, or never started. */
void net_queue_close(struct net_queue *q);

/* Any thread, while the queue is open: copy a frame and have this queue
 * deliver it.  False: there is no room. */
bool net_queue_put(struct net_queue *q, const struct net_frame *frame);

#endif
