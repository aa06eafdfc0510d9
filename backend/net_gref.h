/* SPDX-License-Identifier: MIT */
/*
 * Static grants of one queue: references that the guest announced on the
 * control ring, mapped once, through which packets are moved by memcpy.
 *
 * Protocol: <xen/io/netif.h>, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING and _DEL_.
 *
 * Two parties.  The owner (one thread at a time: where the control ring is
 * served, and where the vif is set up and taken down) adds and deletes; the
 * grant handle is the owner's.  The queue's thread finds: between
 * net_gref_enter() and net_gref_leave(), once a turn, and the addresses it got
 * are good until it leaves.  Adding and deleting map and unmap outside of the
 * lock, so a turn never waits for the hypervisor; and a queue that is busy all
 * the time lets the owner in between two turns.
 *
 * The guest may write to the pages at any moment: copy what is to be judged.
 * A reference that is not found is simply to be copied by grant copy, which
 * works for static ones as well.
 */
#ifndef XENSPLIT_BACKEND_NET_GREF_H
#define XENSPLIT_BACKEND_NET_GREF_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <xengnttab.h>

#define NET_GREF_MAX      1024u /* pages of a queue */
#define NET_GREF_LIST_MAX 512u  /* of one request: a page of entries */
#define NET_GREF_BITS     12u   /* of the table: a quarter full at most */
#define NET_GREF_PROBES   16u   /* places where a reference may stand */

/* An entry of the guest's list, as a private copy: struct xen_netif_gref. */
struct net_gref_entry {
	uint32_t ref;
	uint16_t flags;  /* XEN_NETIF_CTRLF_GREF_readonly */
	uint16_t status; /* XEN_NETIF_CTRL_STATUS_*; set by _del */
};

/* What is mapped; plain data, may lie in memory that outlives the process. */
struct net_gref_list {
	uint32_t nr;
	struct {
		uint32_t ref, flags;
	} entry[NET_GREF_MAX];
};

/* A place of the table; read by the queue's thread. */
struct net_gref_slot {
	char *page; /* NULL: free */
	uint32_t ref;
	uint16_t extent;
	bool writable;
};

struct net_gref {
	pthread_mutex_t lock,
		gate; /* of the table; of the owner's wish for it */
	atomic_bool wanted;
	uint32_t nr;        /* mapped; written under lock */
	uint32_t max_probe; /* furthest place in use, below NET_GREF_PROBES */
	struct net_gref_slot *table;
	struct net_gref_owner *owner;
};

/* keep: list is a predecessor's, and is mapped again; what cannot be mapped is
 * dropped (it is then copied).  list is kept up to date. */
int net_gref_create(struct net_gref **g, xengnttab_handle *handle,
		    uint32_t domid, struct net_gref_list *list, bool keep);
/* Unmaps all.  NULL is fine. */
void net_gref_destroy(struct net_gref *g);

/* Map all of them or none: XEN_NETIF_CTRL_STATUS_*.  One that is there already
 * in the same way counts as added. */
uint32_t net_gref_add(struct net_gref *g, const struct net_gref_entry *e,
		      unsigned int nr);
/* Unmap those that were added and set each status; how many were unmapped. */
uint32_t net_gref_del(struct net_gref *g, struct net_gref_entry *e,
		      unsigned int nr);
uint32_t net_gref_mapped(struct net_gref *g);

/* The queue's thread. */
void net_gref_let_owner(struct net_gref *g);
static inline void net_gref_enter(struct net_gref *g)
{
	if (atomic_load_explicit(&g->wanted, memory_order_relaxed))
		net_gref_let_owner(g);
	pthread_mutex_lock(&g->lock);
}

static inline void net_gref_leave(struct net_gref *g)
{
	pthread_mutex_unlock(&g->lock);
}

/* The ith place where ref may stand.  Frontends use runs of references: eight
 * neighbours are neighbours here, on two cache lines. */
static inline uint32_t net_gref_place(uint32_t ref, uint32_t i)
{
	uint32_t group = (ref >> 3) * 0x9e3779b1u >> (32 - NET_GREF_BITS + 3);

	return ((group + i) << 3 | (ref & 7)) & ((1u << NET_GREF_BITS) - 1);
}

/* The page of ref, or NULL: not a static grant, or not one that may be written
 * when write. */
static inline char *net_gref_find(const struct net_gref *g, uint32_t ref,
				  bool write)
{
	uint32_t i;

	if (!g->nr)
		return NULL;
	for (i = 0; i <= g->max_probe; i++) {
		const struct net_gref_slot *s =
			&g->table[net_gref_place(ref, i)];

		if (s->page && s->ref == ref)
			return write && !s->writable ? NULL : s->page;
	}
	return NULL;
}

#endif
