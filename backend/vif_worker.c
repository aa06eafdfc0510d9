// SPDX-License-Identifier: MIT
/* What a NIC's worker is told; recording; the link's carrier. */
#include "backend/vif.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/super.h"

_Static_assert(1 + LINK_MAX_QUEUES <= WORKER_MAX_FDS, "descriptors of a NIC");

bool vif_change_is_due(const struct vif *v)
{
	return v->policy_due || v->pcap_due || v->mcast_due;
}

static int fill_add(struct vif *v, struct worker_msg *msg, int *fds,
		    unsigned int *nr_fds, struct xs_err *err)
{
	int e;

	if (v->link_is_used) {
		e = link_renew(v->cfg.target, &v->link, err);
		if (e)
			return e;
		v->link_is_used = false;
	}
	msg->op = WORKER_NET_ADD;
	memcpy(msg->net_add.name, v->dev->name, sizeof(msg->net_add.name));
	msg->net_add.link = v->link;
	msg->net_add.policy = v->cfg.policy;
	fds[0] = v->stats_fd;
	memcpy(fds + 1, v->link.fd, v->link.nr_fds * sizeof(int));
	*nr_fds = 1 + v->link.nr_fds;
	v->policy_due = v->mcast_due = false;
	v->steer.change_due = vif_change_is_due(v);
	return 0;
}

static void fill_change(struct vif *v, struct worker_msg *msg, int *fds,
			unsigned int *nr_fds)
{
	if (v->policy_due) {
		v->policy_due = false;
		v->asked = VIF_POLICY;
		msg->op = WORKER_NET_POLICY;
		msg->net_policy = v->cfg.policy;
	} else if (v->mcast_due) {
		v->mcast_due = false;
		v->asked = VIF_MCAST;
		msg->op = WORKER_NET_MCAST;
		msg->net_mcast.on = v->conn.mcast_control;
	} else {
		v->pcap_due = false;
		v->asked = VIF_PCAP;
		msg->op = WORKER_NET_PCAP;
		msg->net_pcap.snap_len = v->pcap_snap_len;
		if (v->pcap_fd >= 0) {
			fds[0] = v->pcap_fd;
			*nr_fds = 1;
		}
	}
	v->steer.change_due = vif_change_is_due(v);
}

int vif_fill(struct steer *s, enum steer_question q, struct worker_msg *msg,
	     int *fds, unsigned int *nr_fds, struct xs_err *err)
{
	struct vif *v = vif_of(s);

	switch (q) {
	case STEER_ADD:
		return fill_add(v, msg, fds, nr_fds, err);
	case STEER_CONNECT:
		msg->op = WORKER_NET_CONNECT;
		v->conn.resume = v->resume;
		msg->net_connect = v->conn;
		v->resume = true;
		break;
	case STEER_DISCONNECT:
		msg->op = WORKER_NET_DISCONNECT;
		break;
	case STEER_REMOVE:
		msg->op = WORKER_NET_REMOVE;
		break;
	case STEER_CHANGE:
		fill_change(v, msg, fds, nr_fds);
		break;
	}
	return 0;
}

void vif_change_answered(struct steer *s, int err, const char *text)
{
	struct vif *v = vif_of(s);

	(void)text;
	/* another recording may have been asked for meanwhile */
	if (v->asked == VIF_PCAP && !v->pcap_due) {
		if (v->pcap_fd >= 0)
			close(v->pcap_fd);
		v->pcap_fd = -1;
		if (err)
			v->pcap[0] = '\0';
	}
	v->asked = VIF_NO_CHANGE;
}

void vif_worker_gone(struct steer *s)
{
	struct vif *v = vif_of(s);

	v->asked = VIF_NO_CHANGE;
	v->link_is_used = true;
	if (!v->pcap[0] || v->pcap_due)
		return;
	log_warn(v->dev->name, "the recording to %s ended with the worker",
		 v->pcap);
	v->pcap[0] = '\0';
}

/* ---- carrier ---- */

void vif_set_carrier(struct vif *v, bool up)
{
	int e;

	if (v->carrier == up)
		return;
	v->carrier = up;
	e = link_set_carrier(&v->link, up);
	if (e)
		log_warn(v->dev->name, "cannot set the carrier of %s: %s",
			 v->link.label, strerror(-e));
}

void vif_worker_carrier(struct device *dev, bool up)
{
	struct vif *v = dev->priv;

	if (v->steer.at != STEER_CONNECTED || v->carrier == up)
		return;
	log_info(dev->name, "the guest %s",
		 up ? "takes frames again"
		    : "does not take frames: carrier off");
	vif_set_carrier(v, up);
}

void vif_rings_dropped(struct steer *s)
{
	struct vif *v = vif_of(s);

	v->resume = false;
	if (v->link_is_open)
		vif_set_carrier(v, false);
}

/* ---- recording ---- */

static int open_pcap(const char *path, struct xs_err *err)
{
	/* not to wait for the reader of a FIFO */
	int fd = open(path,
		      O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		      0600);
	struct stat st;
	int e = fd < 0 ? -errno : 0;

	if (!e && fstat(fd, &st))
		e = -errno;
	if (!e && !S_ISREG(st.st_mode)) {
		xs_err_set(err, "%.200s is not a file", path);
		close(fd);
		return -EINVAL;
	}
	if (!e && ftruncate(fd, 0))
		e = -errno;
	if (!e)
		return fd;
	xs_err_set(err, "%.160s: %s", path, strerror(-e));
	if (fd >= 0)
		close(fd);
	return e;
}

int vif_pcap(struct device *dev, const char *path, uint32_t snap_len,
	     struct xs_err *err)
{
	struct vif *v = dev->priv;
	int fd = -1;

	if (!v || !dev->offered || v->steer.at == STEER_NONE) {
		xs_err_set(err, "%s is not served at the moment", dev->name);
		return -ENODEV;
	}
	if (v->asked == VIF_PCAP || v->pcap_due) {
		xs_err_set(err, "%s is just being told to record or stop",
			   dev->name);
		return -EBUSY;
	}
	if (path && strlen(path) >= sizeof(v->pcap)) {
		xs_err_set(err, "the path is too long");
		return -ENAMETOOLONG;
	}
	if (path) {
		fd = open_pcap(path, err);
		if (fd < 0)
			return fd;
	}
	snprintf(v->pcap, sizeof(v->pcap), "%s", path ? path : "");
	v->pcap_fd = fd;
	v->pcap_snap_len = snap_len ? snap_len : NET_PACKET_MAX;
	v->pcap_due = true;
	v->steer.change_due = true;
	steer_go(&v->steer);
	return 0;
}
