/* SPDX-License-Identifier: MIT */
/*
 * NICs in the supervisor.  vif.c: the operations; vif_worker.c: what the
 * worker is told (steered by steer.c); vif_config.c: the toolstack's keys;
 * vif_connect.c: the frontend's keys; vif_publish.c: our keys, and the
 * listing.
 */
#ifndef XENSPLIT_BACKEND_VIF_H
#define XENSPLIT_BACKEND_VIF_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/device.h"
#include "backend/link.h"
#include "backend/net_policy.h"
#include "backend/net_stats.h"
#include "backend/steer.h"
#include "backend/worker_proto.h"

#define VIF_TARGET_MAX 1024u
#define VIF_TEXT_MAX   128u
#define VIF_NAME_MAX   16u /* of an interface: IFNAMSIZ */

/* backend/vif/, where every toolstack puts NICs, and backend/xensplit-vif/,
 * which is ours alone. */
extern const struct device_class vif_class, vif_own_class;

/* What the toolstack wants, checked. */
struct vif_config {
	char target[VIF_TARGET_MAX]; /* for link_open() */
	char name[VIF_NAME_MAX];     /* vifname, else vifF.D */
	char bridge[VIF_TEXT_MAX];   /* for listings */
	char script[VIF_TEXT_MAX];   /* "": none, nobody is waited for */
	uint32_t mtu;
	bool csum_offload;
	struct net_policy_settings policy;
};

/*
 * Read the keys of backend directory dir, of NIC devid of domain fe_domid.  0
 * or -errno; err says what is wrong.
 */
int vif_config_read(struct xs_store *xs, const char *dir, uint32_t fe_domid,
		    uint32_t devid, struct vif_config *cfg, struct xs_err *err);
/* Read again what may change at any time: mtu and policy. */
int vif_config_reread(struct xs_store *xs, const char *dir,
		      struct vif_config *cfg, struct xs_err *err);

/* What was offered, as far as it limits what the frontend may ask for. */
struct vif_offer {
	unsigned int queues_max;
	uint32_t link_offers; /* LINK_* */
	bool csum_offload;
};

/*
 * Read the keys of frontend directory dir, in one transaction, against what
 * was offered; fills all of c but fe_domid and resume.  Every reference and
 * port is there once.  0 or -errno with err set.
 */
int vif_connect_read(struct xs_store *xs, const char *dir,
		     const struct vif_offer *offer,
		     struct worker_net_connect *c, struct xs_err *err);
/* Whether the frontend wants the multicast filter, which it may change while
 * it is connected.  0 or -errno. */
int vif_mcast_read(struct xs_store *xs, const char *dir, uint32_t *wanted);
/* What the guest may transmit on a link: LINK_TSO4 and LINK_TSO6. */
uint32_t vif_gso_offered(const struct vif_offer *offer);

/* The question about a change that is under way. */
enum vif_change { VIF_NO_CHANGE, VIF_POLICY, VIF_PCAP, VIF_MCAST };

struct vif {
	struct steer steer; /* first: see backend/steer.h */
	struct device *dev;
	struct vif_config cfg;
	struct vif_offer offer;
	struct link_desc link;
	bool link_is_open, link_is_used; /* by a worker that has gone */
	bool plugged;                    /* its hotplug script was started */
	bool carrier;    /* of the link, as the outside sees it */
	bool bad_change; /* the toolstack's latest change was refused */

	int stats_fd;
	struct net_vif_stats *stats;
	struct worker_net_connect conn;
	bool resume; /* a worker had these rings */

	bool policy_due, pcap_due, mcast_due;
	enum vif_change asked;
	int pcap_fd; /* on its way to the worker; -1: stop, or none */
	uint32_t pcap_snap_len;
	char pcap[VIF_TARGET_MAX]; /* being recorded to; "": not */
};

static inline struct vif *vif_of(struct steer *s)
{
	return (struct vif *)s;
}

/* ---- vif_worker.c ---- */

int vif_fill(struct steer *s, enum steer_question q, struct worker_msg *msg,
	     int *fds, unsigned int *nr_fds, struct xs_err *err);
/* There is a change that the worker has to be told. */
bool vif_change_is_due(const struct vif *v);
void vif_change_answered(struct steer *s, int err, const char *text);
void vif_rings_dropped(struct steer *s);
void vif_worker_gone(struct steer *s);
/* Whether frames can get to the guest. */
void vif_set_carrier(struct vif *v, bool up);
/* Of the class: the guest stopped taking frames, or does again. */
void vif_worker_carrier(struct device *dev, bool up);
/*
 * Record all frames to the file at path, which is made or emptied, in
 * libpcap's format; NULL: stop.  snap_len: bytes of each frame; 0: all.  0 or
 * -errno with err set.
 */
int vif_pcap(struct device *dev, const char *path, uint32_t snap_len,
	     struct xs_err *err);

/* ---- vif_publish.c ---- */

int vif_publish(struct steer *s, enum device_step step, struct xs_err *err);
void vif_list(struct device *dev, json_t *obj, bool full);

#endif
