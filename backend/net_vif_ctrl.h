/* SPDX-License-Identifier: MIT */
/* The control ring of a NIC on the loop that serves it: its page, its port and
 * its turn.  All functions run on that loop's thread. */
#ifndef XENSPLIT_BACKEND_NET_VIF_CTRL_H
#define XENSPLIT_BACKEND_NET_VIF_CTRL_H

#include "backend/io_loop.h"
#include "backend/net_ctrl.h"
#include "hypercall/xs_store.h"

struct net_vif_ctrl;

struct net_vif_ctrl_config {
	struct io_loop *loop;
	uint32_t fe_domid, ref, evtchn, nr_queues;
	bool resume;
	struct net_ring_journal *journal;
	struct net_hash_control *hash;
	struct net_gref *const *gref; /* [nr_queues]; handle: the loop's */
	/* as net_queue_config's */
	void (*violation)(void *arg, const char *text);
	void *arg;
};

/* 0 or -errno with a reason; on failure nothing is left. */
int net_vif_ctrl_open(struct net_vif_ctrl **c,
		      const struct net_vif_ctrl_config *cfg,
		      struct xs_err *err);
void net_vif_ctrl_start(struct net_vif_ctrl *c);
/* NULL is fine. */
void net_vif_ctrl_close(struct net_vif_ctrl *c);

#endif
