/* SPDX-License-Identifier: MIT */
/*
 * The control ring of a vif: hash settings and static grants.
 *
 * Protocol: <xen/io/netif.h>, "Control ring".  Served on one thread: a loop's
 * or the control thread; the thread of the grant handle.  What it changes is
 * made for that: net_hash.h, net_gref.h.  The caller owns the event channel and
 * notifies.
 */
#ifndef XENSPLIT_BACKEND_NET_CTRL_H
#define XENSPLIT_BACKEND_NET_CTRL_H

#include <stdbool.h>
#include <stdint.h>
#include <xengnttab.h>

#include "backend/net_gref.h"
#include "backend/net_hash.h"
#include "ring/net_ring.h"

struct net_ctrl_setup {
	void *page; /* the mapped ring */
	struct net_ring_journal *journal;
	bool resume;
	xengnttab_handle *gnttab;
	uint32_t domid; /* the guest's */
	uint32_t nr_queues;
	struct net_hash_control *hash; /* NULL: not offered */
	/* [nr_queues], the guest's static grants; NULL: not offered */
	struct net_gref *const *gref;
};

struct net_ctrl;

/* What setup points to stays the caller's and must outlive it.  -EPROTO: the
 * ring cannot be. */
int net_ctrl_create(struct net_ctrl **c, const struct net_ctrl_setup *setup);
/* NULL is fine. */
void net_ctrl_destroy(struct net_ctrl *c);

/* Serve what is there, at most a few requests; how many, or -EPROTO: an index
 * that cannot be, disconnect.  *notify: the guest is to be notified. */
int net_ctrl_run(struct net_ctrl *c, bool *notify);
/* Before sleeping; true: there is something, do not sleep. */
bool net_ctrl_arm(struct net_ctrl *c);

#endif
