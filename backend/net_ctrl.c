// SPDX-License-Identifier: MIT
/*
 * The control ring's commands.  See net_ctrl.h.
 *
 * Each request is answered and published before the next is looked at, so a
 * successor takes at most one again; all of them may be done twice.
 */
#include "backend/net_ctrl.h"

#include <errno.h>
#include <stdlib.h>

#include <xen/xen.h>
#include <xen/io/netif.h>

#include "grant/copy.h"

#define PAGE     4096u
#define AT_ONCE  16 /* requests of one run */
#define MAP_PAGE (PAGE / sizeof(uint32_t))

struct net_ctrl {
	struct net_ctrl_setup set;
	struct net_back_ring ring;
	struct grant_copy copy;
	/* what a request's reference holds, as a private copy */
	union {
		uint8_t key[NET_HASH_KEY_MAX];
		uint32_t map[MAP_PAGE];
		struct net_gref_entry gref[NET_GREF_LIST_MAX];
	};
};

static bool fetch(struct net_ctrl *c, uint32_t gref, void *to, size_t len)
{
	grant_copy_from(&c->copy, gref, 0, to, (uint16_t)len);
	return grant_copy_flush(&c->copy) == 0;
}

static uint32_t set_key(struct net_ctrl *c, const struct net_ctrl_req *req)
{
	uint32_t len = req->data[1];

	if (len > NET_HASH_KEY_MAX)
		return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
	if (len && !fetch(c, req->data[0], c->key, len))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	return net_hash_set_key(c->set.hash, c->key, len);
}

static uint32_t set_map(struct net_ctrl *c, const struct net_ctrl_req *req)
{
	uint32_t nr = req->data[1];

	if (nr > NET_HASH_MAP_MAX)
		return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
	if (nr && !fetch(c, req->data[0], c->map, nr * sizeof(c->map[0])))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	return net_hash_set_map(c->set.hash, c->map, nr, req->data[2]);
}

static void hash_command(struct net_ctrl *c, const struct net_ctrl_req *req,
			 struct net_ctrl_rsp *rsp)
{
	struct net_hash_control *hash = c->set.hash;

	if (!hash)
		return;
	switch (req->type) {
	case XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS:
		rsp->status = net_hash_get_types(hash, &rsp->data);
		break;
	case XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS:
		rsp->status = net_hash_set_types(hash, req->data[0]);
		break;
	case XEN_NETIF_CTRL_TYPE_SET_HASH_KEY:
		rsp->status = set_key(c, req);
		break;
	case XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE:
		rsp->status = XEN_NETIF_CTRL_STATUS_SUCCESS;
		rsp->data = NET_HASH_MAP_MAX;
		break;
	case XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE:
		rsp->status = net_hash_set_map_size(hash, req->data[0]);
		break;
	case XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING:
		rsp->status = set_map(c, req);
		break;
	case XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM:
		rsp->status = net_hash_set_algorithm(hash, req->data[0]);
		break;
	}
}

static void del_grefs(struct net_ctrl *c, const struct net_ctrl_req *req,
		      struct net_ctrl_rsp *rsp)
{
	uint32_t nr = req->data[2];

	rsp->data = net_gref_del(c->set.gref[req->data[0]], c->gref, nr);
	/* Whether or not the guest lets us say which. */
	grant_copy_to(&c->copy, req->data[1], 0, c->gref,
		      (uint16_t)(nr * sizeof(c->gref[0])));
	rsp->status = grant_copy_flush(&c->copy)
			      ? XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER
			      : XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static void gref_command(struct net_ctrl *c, const struct net_ctrl_req *req,
			 struct net_ctrl_rsp *rsp)
{
	uint32_t queue = req->data[0], nr = req->data[2];

	if (!c->set.gref)
		return;
	rsp->status = XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	if (queue >= c->set.nr_queues)
		return;
	if (req->type == XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE) {
		rsp->status = XEN_NETIF_CTRL_STATUS_SUCCESS;
		rsp->data = NET_GREF_MAX;
		return;
	}
	if (!nr || nr > NET_GREF_LIST_MAX ||
	    !fetch(c, req->data[1], c->gref, nr * sizeof(c->gref[0])))
		return;
	if (req->type == XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING)
		rsp->status = net_gref_add(c->set.gref[queue], c->gref, nr);
	else
		del_grefs(c, req, rsp);
}

static void serve(struct net_ctrl *c, const struct net_ctrl_req *req,
		  struct net_ctrl_rsp *rsp)
{
	*rsp = (struct net_ctrl_rsp){
		.id = req->id,
		.type = req->type,
		.status = XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED,
	};
	switch (req->type) {
	case XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE:
	case XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING:
	case XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING:
		gref_command(c, req, rsp);
		break;
	default:
		hash_command(c, req, rsp);
	}
}

int net_ctrl_create(struct net_ctrl **out, const struct net_ctrl_setup *setup)
{
	struct net_ctrl *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;
	c->set = *setup;
	grant_copy_init(&c->copy, setup->gnttab, setup->domid);
	ret = net_back_ring_init(&c->ring, setup->page, NET_RING_CTRL,
				 setup->journal, setup->resume);
	if (ret) {
		free(c);
		return ret;
	}
	*out = c;
	return 0;
}

void net_ctrl_destroy(struct net_ctrl *c)
{
	free(c);
}

int net_ctrl_run(struct net_ctrl *c, bool *notify)
{
	int i, nr = net_back_ring_avail(&c->ring);
	struct net_ctrl_req req;
	struct net_ctrl_rsp rsp;

	*notify = false;
	if (nr > AT_ONCE)
		nr = AT_ONCE;
	for (i = 0; i < nr; i++) {
		net_back_ctrl_get(&c->ring, &req);
		serve(c, &req, &rsp);
		net_back_ctrl_put(&c->ring, &rsp);
		*notify |= net_back_ring_publish(&c->ring);
	}
	return nr;
}

bool net_ctrl_arm(struct net_ctrl *c)
{
	return net_back_ring_arm(&c->ring, 1);
}
