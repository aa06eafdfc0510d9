// SPDX-License-Identifier: MIT
/*
 * Block devices in the supervisor: the operations of the class.  They open
 * what the toolstack named, read what the frontend wrote, and say what is
 * wanted of the worker; vbd_worker.c sees to that.
 */
#include "backend/vbd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/blk_journal.h"
#include "backend/super.h"
#include "backend/worker_handle.h"

/* A worker of an earlier supervisor may hold an image a moment longer. */
#define LOCK_RETRY_S 0.1
#define LOCK_TRIES   20u

/* ---- making and unmaking ---- */

void vbd_free(struct vbd *v)
{
	struct device *dev = v->dev;
	struct supervisor *super = dev->super;

	ev_timer_stop(super->loop, &v->timer);
	if (v->uses_worker) {
		worker_forget(dev->dom->worker, dev);
		worker_unuse(dev->dom);
	}
	size_watch_del(v->size_watch);
	vbd_drop_journal(v);
	if (v->stats)
		munmap(v->stats, sizeof(*v->stats));
	if (v->stats_fd >= 0)
		close(v->stats_fd);
	image_lock_drop(super->locks, v->lock);
	if (v->store_is_open)
		store_close(&v->store);
	dev->priv = NULL;
	free(v);
}

/* The worker writes there and must not be able to make it shorter under our
 * eyes. */
static int make_stats(struct vbd *v)
{
	int fd = memfd_create("xensplit-stats",
			      MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *p;

	if (fd < 0)
		return -errno;
	v->stats_fd = fd;
	if (ftruncate(fd, sizeof(*v->stats)) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	p = mmap(NULL, sizeof(*v->stats), PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	v->stats = p;
	return 0;
}

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

static void offer_locked(struct vbd *v)
{
	struct device *dev = v->dev;
	struct xs_err err = {"no memory for statistics"};
	int e;

	set_limits(v);
	e = make_stats(v);
	if (!e)
		e = worker_use(dev->dom, &err);
	if (e) {
		vbd_offer_failed(v, e, err.text);
		return;
	}
	v->uses_worker = true;
	if (v->store.nr_fds)
		size_watch_add(dev->super->sizes, v->store.fd[0],
			       on_size_change, v, &v->size_watch);
	v->want = VBD_AT_ADDED;
	if (dev->forced)
		vbd_start_force_timer(v);
	vbd_steer(v);
}

static void try_lock(struct vbd *v)
{
	struct xs_err err = {"cannot lock the image"};
	int e = take_lock(v, &err);

	if (!e) {
		offer_locked(v);
	} else if (e == -EAGAIN && ++v->lock_tries < LOCK_TRIES) {
		ev_timer_set(&v->timer, LOCK_RETRY_S, 0.);
		ev_timer_start(v->dev->super->loop, &v->timer);
	} else {
		vbd_offer_failed(v, e == -EAGAIN ? -EBUSY : e, err.text);
	}
}

static void on_lock_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	try_lock(t->data);
}

static void vbd_offer(struct device *dev)
{
	struct vbd *v = calloc(1, sizeof(*v));
	struct store_open_how how;
	struct xs_err err = {"no memory for a disk"};
	int e = -ENOMEM;

	if (!v) {
		device_done(dev, e, err.text);
		return;
	}
	v->dev = dev;
	v->stats_fd = v->journal_fd = -1;
	ev_timer_init(&v->timer, on_lock_timer, 0., 0.);
	v->timer.data = v;
	dev->priv = v;
	e = vbd_config_read(dev->super->xs, dev->be_dir, &v->cfg, &err);
	if (!e) {
		how = (struct store_open_how){
			.read_only = v->cfg.mode == IMAGE_READ,
			.discard = v->cfg.discard,
			.direct_io_safe = v->cfg.direct_io_safe,
			.sector_size = v->cfg.sector_size,
		};
		e = store_open(v->cfg.target, &how, &v->store, &err);
		/* not "ask again", which is for hotplug scripts */
		if (e == -EAGAIN)
			e = -EBUSY;
		v->store_is_open = !e;
	}
	if (e)
		vbd_offer_failed(v, e, err.text);
	else
		try_lock(v);
}

static void vbd_connect(struct device *dev)
{
	struct vbd *v = dev->priv;
	struct xs_err err = {"no memory for a journal"};
	int e;

	e = vbd_connect_read(dev->super->xs, dev->fe_dir,
			     dev->super->opt->queues_max, &v->conn, &err);
	if (!e) {
		v->conn.fe_domid = dev->fe_domid;
		v->abandon = false;
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
	v->want = VBD_AT_CONNECTED;
	vbd_steer(v);
}

static void vbd_disconnect(struct device *dev)
{
	struct vbd *v = dev->priv;

	v->want = VBD_AT_ADDED;
	if (dev->forced)
		vbd_start_force_timer(v);
	vbd_steer(v);
}

static void vbd_release(struct device *dev)
{
	struct vbd *v = dev->priv;

	v->want = VBD_AT_NONE;
	if (dev->forced)
		vbd_start_force_timer(v);
	vbd_steer(v);
}

static void vbd_changed(struct device *dev)
{
	struct vbd *v = dev->priv;
	uint64_t size;
	int e = store_size(&v->store, &size);

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
	v->resize_due = v->at >= VBD_AT_ADDED || v->asking;
	vbd_steer(v);
}

const struct device_class vbd_class = {
	.type = "vbd",
	.offer = vbd_offer,
	.connect = vbd_connect,
	.changed = vbd_changed,
	.disconnect = vbd_disconnect,
	.force = vbd_force,
	.release = vbd_release,
	.worker_changed = vbd_worker_changed,
	.worker_event = vbd_worker_event,
	.stats = vbd_list,
};
