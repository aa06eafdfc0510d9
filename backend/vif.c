// SPDX-License-Identifier: MIT
/*
 * NICs in the supervisor: the operations of the class.  They open what the
 * toolstack named, read what the frontend wrote, and say what is wanted of the
 * worker; steer.c sees to that.
 */
#include "backend/vif.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/device_keys.h"
#include "backend/hotplug_status.h"
#include "backend/super.h"
#include "backend/vif_hotplug.h"

/*
 * A link that a hotplug script has put somewhere.  A device that fails because
 * of its guest is released, and offered again when the guest comes back; the
 * script does not run again then, so the link has to be the same one.
 */
struct kept_link {
	struct link_desc link;
	bool plugged;
	char target[VIF_TARGET_MAX], script[VIF_TEXT_MAX];
};

static void vif_forget(struct device *dev)
{
	struct kept_link *k = dev->kept;

	if (!k)
		return;
	if (k->plugged)
		vif_hotplug(dev, k->script, false);
	link_close(&k->link);
	dev->kept = NULL;
	free(k);
}

static void keep_link(struct vif *v)
{
	struct device *dev = v->dev;
	struct kept_link *k = calloc(1, sizeof(*k));

	if (!k) {
		link_close(&v->link);
		return;
	}
	k->link = v->link;
	k->plugged = v->plugged;
	snprintf(k->target, sizeof(k->target), "%s", v->cfg.target);
	snprintf(k->script, sizeof(k->script), "%s", v->cfg.script);
	dev->kept = k;
	/* else at the next offer, or never */
	if (dev->going || dev->starting_over || !k->script[0])
		vif_forget(dev);
}

/* True: v has the link of the offer before. */
static bool take_kept_link(struct vif *v)
{
	struct kept_link *k = v->dev->kept;

	if (!k || strcmp(k->target, v->cfg.target) ||
	    strcmp(k->script, v->cfg.script)) {
		vif_forget(v->dev);
		return false;
	}
	v->link = k->link;
	v->plugged = k->plugged;
	v->link_is_used = true;
	v->dev->kept = NULL;
	free(k);
	return true;
}

static void vif_free(struct device *dev)
{
	struct vif *v = dev->priv;

	steer_end(&v->steer);
	device_free_stats(sizeof(*v->stats), v->stats_fd, v->stats);
	if (v->pcap_fd >= 0)
		close(v->pcap_fd);
	if (v->link_is_open)
		keep_link(v);
	dev->priv = NULL;
	free(v);
}

static const struct steer_ops vif_steer_ops = {
	.fill = vif_fill,
	.change_answered = vif_change_answered,
	.publish = vif_publish,
	.rings_dropped = vif_rings_dropped,
	.worker_gone = vif_worker_gone,
	.free = vif_free,
};

static int open_link(struct vif *v, struct xs_err *err)
{
	const struct super_options *opt = v->dev->super->opt;
	struct link_open_how how = {.mtu = v->cfg.mtu,
				    .domid = v->dev->fe_domid};
	int e;

	how.queues = opt->queues_max < LINK_MAX_QUEUES ? opt->queues_max
						       : LINK_MAX_QUEUES;
	memcpy(how.mac, v->cfg.policy.mac, sizeof(how.mac));
	if (take_kept_link(v)) {
		e = link_set_mtu(&v->link, v->cfg.mtu);
		xs_err_set(err, "%s cannot have an MTU of %" PRIu32,
			   v->link.label, v->cfg.mtu);
	} else {
		e = link_open(v->cfg.target, &how, &v->link, err);
	}
	v->link_is_open = v->link_is_used || !e;
	v->offer.queues_max = v->link.nr_queues < how.queues ? v->link.nr_queues
							     : how.queues;
	v->offer.link_offers = v->link.offers;
	v->offer.csum_offload = v->cfg.csum_offload;
	/* not "ask again", which is for hotplug scripts */
	return e == -EAGAIN ? -EBUSY : e;
}

static void vif_offer(struct device *dev)
{
	struct vif *v = calloc(1, sizeof(*v));
	struct xs_err err = {"no memory for a NIC"};
	int e;

	if (!v) {
		device_done(dev, -ENOMEM, err.text);
		return;
	}
	v->dev = dev;
	v->stats_fd = v->pcap_fd = -1;
	steer_init(&v->steer, dev, &vif_steer_ops);
	dev->priv = v;
	e = vif_config_read(dev->super->xs, dev->be_dir, dev->fe_domid,
			    dev->devid, &v->cfg, &err);
	if (!e)
		e = open_link(v, &err);
	if (!e)
		e = device_make_stats(sizeof(*v->stats), &v->stats_fd,
				      (void **)&v->stats);
	if (!e)
		e = steer_use_worker(&v->steer, &err);
	if (e)
		steer_offer_failed(&v->steer, e, err.text);
	else
		steer_to(&v->steer, STEER_ADDED);
}

/* What the link has to know of the frontend. */
static int tell_link(struct vif *v, struct xs_err *err)
{
	int e = link_set_features(&v->link, v->conn.features);

	if (!e)
		e = link_set_queues(&v->link, v->conn.nr_queues);
	if (e)
		xs_err_set(err, "%s cannot be set up for the frontend: %s",
			   v->link.label, strerror(-e));
	return e;
}

/*
 * The frontend is told Connected only when the hotplug script has put the
 * other end where it belongs; until then it is asked again at each change of
 * hotplug-status.  Without a script nobody would ever write that key.
 */
static void vif_connect(struct device *dev)
{
	struct vif *v = dev->priv;
	struct xs_store *xs = dev->super->xs;
	struct xs_err err = {""};
	int e = 0;

	if (v->cfg.script[0])
		e = hotplug_status_read(xs, XBT_NULL, vif_keys, dev->be_dir,
					&err);
	if (!e)
		e = vif_connect_read(xs, dev->fe_dir, &v->offer, &v->conn,
				     &err);
	if (!e)
		e = tell_link(v, &err);
	if (e) {
		device_done(dev, e, err.text);
		return;
	}
	v->conn.fe_domid = dev->fe_domid;
	v->steer.abandon = false;
	v->resume = false;
	steer_to(&v->steer, STEER_CONNECTED);
}

static void vif_disconnect(struct device *dev)
{
	struct vif *v = dev->priv;

	vif_set_carrier(v, false);
	steer_to(&v->steer, STEER_ADDED);
}

static void vif_release(struct device *dev)
{
	struct vif *v = dev->priv;

	steer_to(&v->steer, STEER_NONE);
}

/* A mistake leaves everything as it was, and is shown where tools look. */
static void refuse_change(struct vif *v, int e, const struct xs_err *err)
{
	v->bad_change = true;
	xs_report_error(v->dev->super->xs, v->dev->be_dir, v->dev->name, e,
			err->text);
	device_done(v->dev, 0, NULL);
}

static int change_mtu(struct vif *v, uint32_t mtu, struct xs_err *err)
{
	int e;

	if (mtu == v->cfg.mtu)
		return 0;
	e = link_set_mtu(&v->link, mtu);
	if (e)
		xs_err_set(err, "%s cannot have an MTU of %" PRIu32 ": %s",
			   v->link.label, mtu, strerror(-e));
	else
		log_info(v->dev->name, "the MTU is %" PRIu32 " now", mtu);
	return e;
}

/* The frontend's word: what cannot be understood changes nothing. */
static void change_mcast(struct vif *v)
{
	uint32_t wanted;

	if (v->steer.at != STEER_CONNECTED ||
	    vif_mcast_read(v->dev->super->xs, v->dev->fe_dir, &wanted) ||
	    wanted == v->conn.mcast_control)
		return;
	v->conn.mcast_control = wanted;
	v->mcast_due = true;
}

static void vif_changed(struct device *dev)
{
	struct vif *v = dev->priv;
	struct vif_config cfg = v->cfg;
	struct xs_err err = {""};
	int e = vif_config_reread(dev->super->xs, dev->be_dir, &cfg, &err);

	if (!e)
		e = change_mtu(v, cfg.mtu, &err);
	if (e) {
		refuse_change(v, e, &err);
		return;
	}
	if (v->bad_change)
		xs_clear_error(dev->super->xs, dev->be_dir);
	v->bad_change = false;
	if (memcmp(&cfg.policy, &v->cfg.policy, sizeof(cfg.policy))) {
		log_info(dev->name, "the policy changes");
		v->policy_due = v->steer.at >= STEER_ADDED || v->steer.asking;
	}
	v->cfg = cfg;
	change_mcast(v);
	v->steer.change_due = vif_change_is_due(v);
	steer_go(&v->steer);
}

static const char *const live_keys[] = {"mac",
					"ip",
					"rate",
					"vlan",
					"mtu",
					"xensplit/antispoof",
					"xensplit/rate-rx",
					"xensplit/pps",
					"xensplit/pps-rx",
					NULL};

static bool vif_is_ours(struct supervisor *super, const char *be_dir)
{
	return device_is_ours(super->xs, vif_keys, be_dir, "vif",
			      super->opt->vif);
}

/* clang-format off */
#define VIF_OPERATIONS \
	.live_keys = live_keys, \
	.front_live_key = "request-multicast-control", \
	.offer = vif_offer, \
	.connect = vif_connect, \
	.changed = vif_changed, \
	.disconnect = vif_disconnect, \
	.force = steer_force, \
	.release = vif_release, \
	.forget = vif_forget, \
	.worker_changed = steer_worker_changed, \
	.worker_event = steer_worker_event, \
	.worker_carrier = vif_worker_carrier, \
	.stats = vif_list
/* clang-format on */

const struct device_class vif_class = {
	.type = "vif",
	.is_ours = vif_is_ours,
	VIF_OPERATIONS,
};

const struct device_class vif_own_class = {
	.type = "xensplit-vif",
	VIF_OPERATIONS,
};
