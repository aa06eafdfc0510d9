// SPDX-License-Identifier: MIT
/*
 * Block devices in the supervisor: the operations of the class.  They open
 * what the toolstack named, read what the frontend wrote, and say what is
 * wanted of the worker; steer.c sees to that.
 */
#include "backend/vbd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/blk_journal.h"
#include "backend/device_keys.h"
#include "backend/super.h"
#include "backend/vbd_tune.h"
#include "hypercall/xenbus_keys.h"

/* A worker of an earlier supervisor may hold an image a moment longer. */
#define LOCK_RETRY_S 0.1
#define LOCK_TRIES   20u

/* ---- making and unmaking ---- */

static bool was_written(const struct vbd *v)
{
	unsigned int i;

	for (i = 0; v->stats && i < BLK_MAX_QUEUES; i++)
		if (atomic_load(&v->stats->queue[i].write_bytes))
			return true;
	return false;
}

static void vbd_free(struct device *dev)
{
	struct vbd *v = dev->priv;
	struct supervisor *super = dev->super;

	ev_timer_stop(super->loop, &v->lock_timer);
	steer_end(&v->steer);
	size_watch_del(v->size_watch);
	vbd_drop_journal(&v->steer);
	if (v->store_is_open && was_written(v))
		store_touch(&v->store);
	device_free_stats(sizeof(*v->stats), v->stats_fd, v->stats);
	image_lock_drop(super->locks, v->lock);
	if (v->store_is_open)
		store_close(&v->store);
	dev->priv = NULL;
	free(v);
}

static const struct steer_ops vbd_steer_ops = {
	.fill = vbd_fill,
	.publish = vbd_publish,
	.rings_dropped = vbd_drop_journal,
	.free = vbd_free,
};

static void set_limits(struct vbd *v)
{
	const struct store_desc *s = &v->store;
	bool writable = v->cfg.mode != IMAGE_READ && !s->read_only;

	v->limits = (struct blk_limits){
		.nr_sects_512 = s->size_bytes / BLK_SECTOR_SIZE,
		.sector_size = s->sector_size,
		.max_indirect_segs = BLK_MAX_INDIRECT_SEGS,
		.read_only = !writable,
		.flush = s->flush,
		.barrier = s->flush,
		.discard = writable && s->discard && v->cfg.discard,
		.secure_discard = writable && s->discard && v->cfg.discard &&
				  s->secure_discard,
	};
}

/* ---- the operations ---- */

static void on_size_change(void *arg)
{
	struct vbd *v = arg;
	uint64_t size;

	if (store_size(&v->store, &size) || size == v->store.size_bytes)
		return;
	v->dev->recheck = true;
	device_mark(v->dev);
}

static int take_lock(struct vbd *v, struct xs_err *err)
{
	struct image_locks *locks = v->dev->super->locks;

	/* memory: and null: are nobody else's */
	if (!strcmp(v->store.store, store_file.name))
		return image_lock_take(locks, v->store.fd[0], v->cfg.target,
				       v->cfg.mode, v->dev->name, &v->lock,
				       err);
	if (!strcmp(v->store.store, store_nbd.name))
		return image_lock_take(locks, -1, v->cfg.target, v->cfg.mode,
				       v->dev->name, &v->lock, err);
	return 0;
}

/* The store cannot be had, so neither can what is under way. */
static void open_failed(struct vbd *v, int e, const char *reason)
{
	struct device *dev = v->dev;

	if (dev->step == DEVICE_OFFERING) {
		steer_offer_failed(&v->steer, e, reason);
		return;
	}
	if (dev->step == DEVICE_CONNECTING) {
		device_done(dev, e, reason);
		return;
	}
	device_done(dev, 0, NULL);
	if (e != -EAGAIN)
		device_fail(dev, e, reason);
}

static void connect_opened(struct vbd *v);

static void go_on_locked(struct vbd *v)
{
	struct device *dev = v->dev;
	struct xs_err err = {"no memory for statistics"};
	int e;

	set_limits(v);
	e = v->stats ? 0
		     : device_make_stats(sizeof(*v->stats), &v->stats_fd,
					 (void **)&v->stats);
	if (!e)
		e = steer_use_worker(&v->steer, &err);
	if (!e && v->cfg.script)
		e = vbd_publish_opened(v, &err);
	if (e) {
		open_failed(v, e, err.text);
		return;
	}
	vbd_tune(v);
	if (v->store.nr_fds)
		size_watch_add(dev->super->sizes, v->store.fd[0],
			       on_size_change, v, &v->size_watch);
	if (dev->step == DEVICE_CONNECTING)
		connect_opened(v);
	else
		steer_to(&v->steer, STEER_ADDED);
}

static void try_lock(struct vbd *v)
{
	struct xs_err err = {"cannot lock the image"};
	int e = take_lock(v, &err);

	if (!e) {
		go_on_locked(v);
	} else if (e == -EAGAIN && ++v->lock_tries < LOCK_TRIES) {
		ev_timer_set(&v->lock_timer, LOCK_RETRY_S, 0.);
		ev_timer_start(v->dev->super->loop, &v->lock_timer);
	} else {
		open_failed(v, e == -EAGAIN ? -EBUSY : e, err.text);
	}
}

static void on_lock_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	try_lock(t->data);
}

static int open_store(struct vbd *v, struct xs_err *err)
{
	const struct store_open_how how = {
		.read_only = v->cfg.mode == IMAGE_READ,
		.discard = v->cfg.discard,
		.direct_io_safe = v->cfg.direct_io_safe,
		.sector_size = v->cfg.sector_size,
	};
	int e = store_open(v->cfg.target, &how, &v->store, err);

	v->store_is_open = !e;
	/* not "ask again", which is for hotplug scripts */
	return e == -EAGAIN ? -EBUSY : e;
}

/* Goes on with the operation under way when the store is open and locked. */
static void open_disk(struct vbd *v)
{
	struct device *dev = v->dev;
	struct xs_err err = {""};
	int e = vbd_config_read(dev->super->xs, dev->be_dir, &v->cfg, &err);

	if (e == -EAGAIN && dev->step == DEVICE_OFFERING) {
		/*
		 * libxl runs the hotplug script when we are at InitWait, and
		 * the script says what the disk is: offer it, open it later.
		 */
		log_info(dev->name, "waiting: %s", err.text);
		steer_to(&v->steer, STEER_NONE);
		return;
	}
	if (!e)
		e = open_store(v, &err);
	if (e) {
		open_failed(v, e, err.text);
		return;
	}
	v->lock_tries = 0;
	try_lock(v);
}

static void vbd_offer(struct device *dev)
{
	struct vbd *v = calloc(1, sizeof(*v));

	if (!v) {
		device_done(dev, -ENOMEM, "no memory for a disk");
		return;
	}
	v->dev = dev;
	v->stats_fd = v->journal_fd = -1;
	ev_timer_init(&v->lock_timer, on_lock_timer, 0., 0.);
	v->lock_timer.data = v;
	steer_init(&v->steer, dev, &vbd_steer_ops);
	dev->priv = v;
	open_disk(v);
}

static void connect_opened(struct vbd *v)
{
	struct device *dev = v->dev;
	unsigned int queues_max = dev->super->opt->queues_max;
	struct xs_err err = {"no memory for a journal"};
	int e;

	/* What a running guest read may be the kernel's offer. */
	if (v->cfg.script)
		queues_max = BLK_MAX_QUEUES;
	e = vbd_connect_read(dev->super->xs, dev->fe_dir, queues_max, &v->conn,
			     &err);
	if (!e) {
		v->conn.fe_domid = dev->fe_domid;
		v->steer.abandon = false;
		v->journal_fd = blk_journal_create(
			v->conn.nr_queues,
			blk_ring_entries(v->conn.abi, v->conn.ring_pages));
		e = v->journal_fd < 0 ? v->journal_fd : 0;
		if (e)
			xs_err_set(&err, "no memory for a journal");
	}
	if (e) {
		device_done(dev, e, err.text);
		return;
	}
	steer_to(&v->steer, STEER_CONNECTED);
}

static void vbd_connect(struct device *dev)
{
	struct vbd *v = dev->priv;

	if (v->steer.uses_worker)
		connect_opened(v);
	else
		open_disk(v);
}

static void vbd_disconnect(struct device *dev)
{
	struct vbd *v = dev->priv;

	steer_to(&v->steer, STEER_ADDED);
}

static void vbd_release(struct device *dev)
{
	struct vbd *v = dev->priv;

	steer_to(&v->steer, STEER_NONE);
}

static void vbd_changed(struct device *dev)
{
	struct vbd *v = dev->priv;
	uint64_t size;
	int e;

	if (!v->steer.uses_worker) {
		open_disk(v);
		return;
	}
	vbd_tune(v);
	e = store_size(&v->store, &size);
	if (!e)
		size -= size % v->store.sector_size;
	if (e || size == v->store.size_bytes) {
		device_done(dev, e, "cannot find out the size of the image");
		return;
	}
	log_info(dev->name, "the size changes from %llu to %llu bytes",
		 (unsigned long long)v->store.size_bytes,
		 (unsigned long long)size);
	v->store.size_bytes = size;
	v->limits.nr_sects_512 = size / BLK_SECTOR_SIZE;
	v->steer.change_due = v->steer.at >= STEER_ADDED || v->steer.asking;
	steer_go(&v->steer);
}

static void vbd_force(struct device *dev)
{
	struct vbd *v = dev->priv;

	if (v)
		ev_timer_stop(dev->super->loop, &v->lock_timer);
	steer_force(dev);
}

/* ---- the classes ---- */

static bool vbd_is_ours(struct supervisor *super, const char *be_dir)
{
	return device_is_ours(super->xs, vbd_keys, be_dir, "vbd",
			      super->opt->vbd);
}

static const char *const vbd_live_keys[] = {"xensplit/poll-us", NULL};

/* clang-format off */
#define VBD_OPERATIONS \
	.live_keys = vbd_live_keys, \
	.offer = vbd_offer, \
	.connect = vbd_connect, \
	.changed = vbd_changed, \
	.disconnect = vbd_disconnect, \
	.force = vbd_force, \
	.release = vbd_release, \
	.worker_changed = steer_worker_changed, \
	.worker_event = steer_worker_event, \
	.stats = vbd_list
/* clang-format on */

const struct device_class vbd_class = {
	.type = "vbd",
	.is_ours = vbd_is_ours,
	VBD_OPERATIONS,
};

const struct device_class vbd_own_class = {
	.type = "xensplit-vbd",
	VBD_OPERATIONS,
};
