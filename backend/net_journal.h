/* SPDX-License-Identifier: MIT */
/*
 * What a new worker needs to go on with a NIC where one died: the rings, and
 * what the guest has set up through them and will not say again.  Plain data
 * in memory that the supervisor keeps, begun as zeros; written by the worker
 * only, each part by the file that owns it.
 *
 * A successor checks what it finds: the dead worker may have been broken into.
 */
#ifndef XENSPLIT_BACKEND_NET_JOURNAL_H
#define XENSPLIT_BACKEND_NET_JOURNAL_H

#include "backend/net_gref.h"
#include "backend/net_hash.h"
#include "backend/net_mcast.h"
#include "ring/net_ring.h"

#define NET_JOURNAL_QUEUES 8u

struct net_vif_journal {
	struct net_ring_journal tx[NET_JOURNAL_QUEUES];
	struct net_ring_journal rx[NET_JOURNAL_QUEUES];
	struct net_ring_journal ctrl;
	struct net_hash_config hash;
	struct net_mcast_list mcast;
	struct net_gref_list gref[NET_JOURNAL_QUEUES];
};

#endif
