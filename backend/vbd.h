/* SPDX-License-Identifier: MIT */
/*
 * Block devices in the supervisor.  vbd.c: the operations; vbd_worker.c: what
 * the worker is told (steered by steer.c); vbd_config.c: the toolstack's keys;
 * vbd_connect.c: the frontend's keys; vbd_publish.c: our keys, and the listing.
 */
#ifndef XENSPLIT_BACKEND_VBD_H
#define XENSPLIT_BACKEND_VBD_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/blk_stats.h"
#include "backend/device.h"
#include "backend/image_lock.h"
#include "backend/size_watch.h"
#include "backend/steer.h"
#include "backend/store.h"
#include "backend/worker_proto.h"

#define VBD_TARGET_MAX 1024u
#define VBD_DEV_MAX    32u
/* max-ring-page-order: 16 pages. */
#define VBD_RING_ORDER_MAX 4u

/* backend/vbd/, where every toolstack puts disks, and backend/xensplit-vbd/,
 * which is ours alone: for domains whose kernel serves the other one.  A
 * frontend does not see the difference. */
extern const struct device_class vbd_class;
extern const struct device_class vbd_own_class;

/* What the toolstack wants, checked. */
struct vbd_config {
	char target[VBD_TARGET_MAX]; /* for store_open() */
	char params[VBD_TARGET_MAX]; /* as written, for listings */
	char dev[VBD_DEV_MAX];       /* "xvda" */
	enum image_mode mode;
	bool cdrom, removable, discard, direct_io_safe;
	bool script; /* a hotplug script waits for xensplit/opened; before us
		      * the kernel may have offered the disk */
	uint32_t sector_size; /* 0: the store's own */
};

/*
 * Read the keys of backend directory dir.  0; -EAGAIN: the hotplug script has
 * not finished; else -errno.  err says what is wrong or awaited.
 */
int vbd_config_read(struct xs_store *xs, const char *dir,
		    struct vbd_config *cfg, struct xs_err *err);

/*
 * Read the keys of frontend directory dir, in one transaction, against what
 * was offered; fills all of c but fe_domid and resume.  Every reference and
 * port is there once.  0 or -errno with err set.
 */
int vbd_connect_read(struct xs_store *xs, const char *dir,
		     unsigned int queues_max, struct worker_blk_connect *c,
		     struct xs_err *err);

struct vbd {
	struct steer steer; /* first: see backend/steer.h */
	struct device *dev;
	struct vbd_config cfg;
	struct store_desc store;
	struct blk_limits limits;
	bool store_is_open;
	struct image_lock *lock;
	struct size_watch *size_watch;
	ev_timer lock_timer; /* waiting for another process's lock */
	unsigned int lock_tries;

	int stats_fd;
	struct blk_disk_stats *stats;

	struct worker_blk_connect conn;
	int journal_fd; /* -1: not connected */
};

/* ---- vbd_worker.c ---- */

/* What the worker is told; free is left to vbd.c. */
int vbd_fill(struct steer *s, enum steer_question q, struct worker_msg *msg,
	     int *fds, unsigned int *nr_fds, struct xs_err *err);
/* The rings are given up: nobody will resume them. */
void vbd_drop_journal(struct steer *s);

/* ---- vbd_publish.c ---- */

/* Our keys before InitWait, and before Connected; `sectors` and `state` again
 * after a change, which is how a connected frontend learns of a new size. */
int vbd_publish(struct steer *s, enum device_step step, struct xs_err *err);
/* For the hotplug script: the disk is open. */
int vbd_publish_opened(struct vbd *v, struct xs_err *err);
void vbd_list(struct device *dev, json_t *obj, bool full);

#endif
