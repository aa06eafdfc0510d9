/* SPDX-License-Identifier: MIT */
/*
 * A NIC of one queue with both its ends in this process, as rig.h has a disk:
 * the real code of frontend/, ring/ and backend/ from netfront_send_commit() to
 * the link and from the link to netfront_poll().
 */
#ifndef XENSPLIT_TESTS_INSN_NET_RIG_H
#define XENSPLIT_TESTS_INSN_NET_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/net_queue.h"
#include "frontend/netfront_int.h"
#include "tests/insn/rig.h"

#define NET_RIG_BURST 32u

struct net_rig_case {
	const char *name;
	const char *target; /* of the link */
	uint32_t bytes;     /* of a frame that the frontend sends; 0: none */
	bool copied;        /* by grant copy, not through static grants */
};

struct net_rig {
	const struct net_rig_case *what;
	/* frontend */
	struct netfront nf;
	struct netfront_queue *q;
	uint64_t sent, received;
	/* backend */
	struct rig_loop rl;
	struct link_desc link;
	struct net_policy *policy;
	struct net_mcast mcast;
	struct net_hash_control hash;
	struct net_gref *grefs;
	struct net_pcap pcap;
	struct net_vif_stats *stats;
	struct net_queue *bq;
};

/* Make a NIC for a case; ends the program if that fails. */
void net_rig_open(struct net_rig *rig, const struct net_rig_case *what);
void net_rig_close(struct net_rig *rig);

/* Put as many frames as there is room for, at most nr, and publish them. */
unsigned int net_rig_send(struct net_rig *rig, unsigned int nr);
/* Take frames and what is answered; how many frames. */
unsigned int net_rig_receive(struct net_rig *rig);
/* One pass of the backend; how much it did.  Before it: now_ns, as rig.h. */
int net_rig_back(struct net_rig *rig);

/* Frames of each case so often, a dump of callgrind's a case. */
void net_insn(unsigned long frames);

#endif
