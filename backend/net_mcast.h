/* SPDX-License-Identifier: MIT */
/*
 * The multicast filter of a vif: the groups that the guest wants to get.
 *
 * Protocol: <xen/io/netif.h>, "feature-multicast-control" and
 * XEN_NETIF_EXTRA_TYPE_MCAST_ADD, _DEL.  The list is amended whether or not
 * the filter is on.
 *
 * Any thread may call anything; net_mcast_pass() takes no lock.
 */
#ifndef XENSPLIT_BACKEND_NET_MCAST_H
#define XENSPLIT_BACKEND_NET_MCAST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define NET_MCAST_MAX 64u /* as Linux */

/* Plain data; may lie in memory that outlives the process.  0: free; an
 * address is in the low 48 bits with bit 63 set. */
struct net_mcast_list {
	atomic_uint_fast64_t addr[NET_MCAST_MAX];
};

struct net_mcast {
	pthread_mutex_t lock; /* of those who change the list */
	atomic_bool on;
	atomic_uint end; /* places in use lie before it */
	struct net_mcast_list *list;
};

/* keep: list holds what a predecessor was told. */
void net_mcast_init(struct net_mcast *m, struct net_mcast_list *list,
		    bool keep);
void net_mcast_destroy(struct net_mcast *m);
/* request-multicast-control. */
void net_mcast_set(struct net_mcast *m, bool on);
/* An address may be added several times, and is then to be deleted as often.
 * -ENOSPC: NET_MCAST_MAX are there; -EINVAL: not a group address.  The guest is
 * answered NETIF_RSP_ERROR. */
int net_mcast_add(struct net_mcast *m, const uint8_t addr[6]);
/* Deleting what is not there is no error. */
void net_mcast_del(struct net_mcast *m, const uint8_t addr[6]);

bool net_mcast_listed(const struct net_mcast *m, const uint8_t dst[6]);
/* Does a frame for dst pass?  Unicast and broadcast always do. */
static inline bool net_mcast_pass(const struct net_mcast *m,
				  const uint8_t dst[6])
{
	if (!(dst[0] & 1) ||
	    !atomic_load_explicit(&m->on, memory_order_relaxed))
		return true;
	return net_mcast_listed(m, dst);
}

#endif
