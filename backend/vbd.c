// SPDX-License-Identifier: MIT
/*
 * Block devices in the supervisor: the operations of the class, and steering
 * the worker towards what they want, through whatever deaths of workers come
 * between.
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

/* A forced operation: the worker's time to answer, then the time its end may
 * take.  After that nobody is waited for. */
#define FORCE_ASK_S 2.0
#define FORCE_END_S 1.0
/* A worker of an earlier supervisor may hold an image a moment longer. */
#define LOCK_RETRY_S 0.1
#define LOCK_TRIES   20u

_Static_assert(WORKER_DEVICE_NAME == DEVICE_NAME_MAX, "one copy");

static void steer(struct vbd *v);

/* ---- making and unmaking ---- */

static void drop_journal(struct vbd *v)
{
	if (v->journal_fd >= 0)
		close(v->journal_fd);
	v->journal_fd = -1;
	v->rings = false;
}

static void vbd_free(struct vbd *v)
{
	struct device *dev = v->dev;
	struct supervisor *super = dev->super;

	ev_timer_stop(super->loop, &v->timer);
	if (v->uses_worker) {
		worker_forget(dev->dom->worker, dev);
		worker_unuse(dev->dom);
	}
	size_watch_del(v->size_watch);
	drop_journal(v);
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

/* ---- ends of operations ---- */

static bool in_step(const struct vbd *v, enum device_step step)
{
	return v->dev->step == step;
}

static void offer_failed(struct vbd *v, int err, const char *reason)
{
	struct device *dev = v->dev;
	struct xs_err copy;

	xs_err_set(&copy, "%s", reason);
	vbd_free(v);
	device_done(dev, err, copy.text);
}

/* The worker cannot do what is wanted; whichever operation is under way ends,
 * without one the device is closed. */
static void fail(struct vbd *v, int err, const char *reason)
{
	if (in_step(v, DEVICE_OFFERING)) {
		offer_failed(v, err, reason);
		return;
	}
	ev_timer_stop(v->dev->super->loop, &v->timer);
	v->force_stage = 0;
	drop_journal(v);
	if (v->want == VBD_AT_CONNECTED)
		v->want = VBD_AT_ADDED;
	if (in_step(v, DEVICE_CONNECTING)) {
		device_done(v->dev, err, reason);
		return;
	}
	v->abandon = true;
	if (in_step(v, DEVICE_CHANGING))
		device_done(v->dev, err, reason);
	device_fail(v->dev, err, reason);
	if (!v->asking)
		steer(v);
}

static void offer_succeeded(struct vbd *v)
{
	int e = vbd_publish_features(v);

	if (e)
		offer_failed(v, e, "cannot write the features into xenstore");
	else
		device_done(v->dev, 0, NULL);
}

static void connect_succeeded(struct vbd *v)
{
	int e = vbd_publish_properties(v);

	/* Rings are in use: it is connected, and closed by device.c. */
	device_done(v->dev, 0, NULL);
	if (e)
		device_fail(v->dev, e,
			    "cannot write the properties into xenstore");
}

static void change_succeeded(struct vbd *v)
{
	int e = v->dev->connected ? vbd_publish_size(v) : 0;

	device_done(v->dev, e, "cannot write the new size into xenstore");
}

static void release_succeeded(struct vbd *v)
{
	struct device *dev = v->dev;

	vbd_free(v);
	device_done(dev, 0, NULL);
}

/* What was wanted is so. */
static void arrived(struct vbd *v)
{
	ev_timer_stop(v->dev->super->loop, &v->timer);
	v->force_stage = 0;
	switch (v->dev->step) {
	case DEVICE_OFFERING:
		offer_succeeded(v);
		break;
	case DEVICE_CONNECTING:
		connect_succeeded(v);
		break;
	case DEVICE_CHANGING:
		change_succeeded(v);
		break;
	case DEVICE_DISCONNECTING:
		drop_journal(v);
		device_done(v->dev, 0, NULL);
		break;
	case DEVICE_RELEASING:
		release_succeeded(v);
		break;
	case DEVICE_IDLE:
		if (v->at == VBD_AT_CONNECTED)
			log_info(v->dev->name, "a new worker took over");
		break;
	}
}

/* ---- asking the worker ---- */

static void on_answer_add(struct device *dev, int err, const char *text)
{
	struct vbd *v = dev->priv;

	v->asking = false;
	if (err) {
		fail(v, err, text);
		return;
	}
	v->at = VBD_AT_ADDED;
	steer(v);
}

static void on_answer_connect(struct device *dev, int err, const char *text)
{
	struct vbd *v = dev->priv;

	v->asking = false;
	if (err) {
		drop_journal(v);
		fail(v, err, text);
		return;
	}
	v->at = VBD_AT_CONNECTED;
	steer(v);
}

static void on_answer_disconnect(struct device *dev, int err, const char *text)
{
	struct vbd *v = dev->priv;

	if (err)
		log_warn(dev->name, "the worker on disconnecting: %s", text);
	v->asking = false;
	v->at = VBD_AT_ADDED;
	drop_journal(v);
	steer(v);
}

static void on_answer_remove(struct device *dev, int err, const char *text)
{
	struct vbd *v = dev->priv;

	if (err)
		log_warn(dev->name, "the worker on removing: %s", text);
	v->asking = false;
	v->at = VBD_AT_NONE;
	steer(v);
}

static void on_answer_resize(struct device *dev, int err, const char *text)
{
	struct vbd *v = dev->priv;

	if (err)
		log_warn(dev->name, "the worker on resizing: %s", text);
	v->asking = false;
	steer(v);
}

/* An abort overtakes a disconnect that is being answered already; its own
 * answer tells nothing new. */
static void on_answer_abort(struct device *dev, int err, const char *text)
{
	(void)dev;
	(void)err;
	(void)text;
}

static int ask_add(struct vbd *v)
{
	struct worker_msg msg = {.op = WORKER_BLK_ADD};
	int fds[1 + STORE_MAX_FDS];

	memcpy(msg.add.name, v->dev->name, sizeof(msg.add.name));
	msg.add.store = v->store;
	msg.add.limits = v->limits;
	fds[0] = v->stats_fd;
	memcpy(fds + 1, v->store.fd, v->store.nr_fds * sizeof(int));
	v->resize_due = false;
	return worker_ask(v->dev->dom->worker, v->dev, &msg, fds,
			  1 + v->store.nr_fds, on_answer_add);
}

/*
 * Whether a worker may have taken requests from the rings: it takes none
 * before it has begun the journal of every queue.
 */
static bool journal_is_begun(const struct vbd *v)
{
	uint32_t slots = blk_ring_entries(v->conn.abi, v->conn.ring_pages);
	size_t size = blk_journal_queue_size(slots);
	struct blk_journal_head head;
	unsigned int i;

	for (i = 0; i < v->conn.nr_queues; i++)
		if (pread(v->journal_fd, &head, sizeof(head),
			  (off_t)(i * size)) != sizeof(head) ||
		    !head.started)
			return false;
	return true;
}

static int ask_connect(struct vbd *v)
{
	struct worker_msg msg = {.op = WORKER_BLK_CONNECT};

	v->conn.resume = journal_is_begun(v);
	msg.connect = v->conn;
	v->rings = true;
	return worker_ask(v->dev->dom->worker, v->dev, &msg, &v->journal_fd, 1,
			  on_answer_connect);
}

static int ask_disconnect(struct vbd *v, worker_answer_cb cb)
{
	struct worker_msg msg = {.op = WORKER_BLK_DISCONNECT};

	msg.disconnect.abort = v->dev->forced || v->abandon;
	return worker_ask(v->dev->dom->worker, v->dev, &msg, NULL, 0, cb);
}

static int ask_remove(struct vbd *v)
{
	struct worker_msg msg = {.op = WORKER_BLK_REMOVE};

	return worker_ask(v->dev->dom->worker, v->dev, &msg, NULL, 0,
			  on_answer_remove);
}

static int ask_resize(struct vbd *v)
{
	struct worker_msg msg = {.op = WORKER_BLK_RESIZE};

	v->resize_due = false;
	msg.resize.size_bytes = v->store.size_bytes;
	return worker_ask(v->dev->dom->worker, v->dev, &msg, NULL, 0,
			  on_answer_resize);
}

/* Requests that were taken have to be answered, so a new worker connects
 * before it disconnects, unless nobody cares any more. */
static enum vbd_at next_goal(const struct vbd *v)
{
	if (v->rings && v->at < VBD_AT_CONNECTED && !v->abandon &&
	    !v->dev->forced)
		return VBD_AT_CONNECTED;
	return v->want;
}

static int ask_next(struct vbd *v, enum vbd_at goal)
{
	if (v->at == VBD_AT_NONE)
		return ask_add(v);
	if (goal == VBD_AT_CONNECTED)
		return ask_connect(v);
	if (v->at == VBD_AT_CONNECTED)
		return ask_disconnect(v, on_answer_disconnect);
	return ask_remove(v);
}

static void steer(struct vbd *v)
{
	enum vbd_at goal = next_goal(v);
	int e;

	if (v->asking)
		return;
	/* Where the worker has nothing, there is nothing to be undone. */
	if (v->at == VBD_AT_NONE && goal <= VBD_AT_ADDED &&
	    (in_step(v, DEVICE_DISCONNECTING) ||
	     in_step(v, DEVICE_RELEASING))) {
		arrived(v);
		return;
	}
	if (v->at == goal && goal == v->want && !v->resize_due) {
		arrived(v);
		return;
	}
	if (!worker_is_ready(v->dev->dom->worker))
		return; /* goes on when it is */
	if (v->at >= VBD_AT_ADDED && v->resize_due)
		e = ask_resize(v);
	else
		e = ask_next(v, goal);
	if (e == -ENOTCONN)
		return;
	v->asking = !e;
	if (e)
		fail(v, e, "no memory to ask the worker");
}

/* ---- force ---- */

static void abandon(struct vbd *v)
{
	v->abandon = true;
	v->at = VBD_AT_NONE;
	v->asking = false;
	worker_forget(v->dev->dom->worker, v->dev);
	if (in_step(v, DEVICE_OFFERING) || in_step(v, DEVICE_CONNECTING))
		fail(v, -ECANCELED, "removed by force");
	else if (in_step(v, DEVICE_CHANGING))
		device_done(v->dev, -ECANCELED, "removed by force");
	else
		steer(v);
}

static void on_force_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct vbd *v = t->data;

	(void)revents;
	if (v->force_stage == 1 && v->uses_worker) {
		v->force_stage = 2;
		ev_timer_set(t, FORCE_END_S, 0.);
		ev_timer_start(loop, t);
		worker_kill(v->dev->dom->worker,
			    "it does not let go of a device by force");
		return;
	}
	abandon(v);
}

static void start_force_timer(struct vbd *v)
{
	if (v->force_stage)
		return;
	v->force_stage = 1;
	ev_timer_stop(v->dev->super->loop, &v->timer);
	ev_init(&v->timer, on_force_timer);
	ev_timer_set(&v->timer, FORCE_ASK_S, 0.);
	ev_timer_start(v->dev->super->loop, &v->timer);
}

static void vbd_force(struct device *dev)
{
	struct vbd *v = dev->priv;

	if (!v)
		return;
	if (in_step(v, DEVICE_OFFERING) && !v->uses_worker) {
		offer_failed(v, -ECANCELED, "removed by force");
		return;
	}
	start_force_timer(v);
	if (in_step(v, DEVICE_DISCONNECTING) && v->asking &&
	    v->at == VBD_AT_CONNECTED)
		ask_disconnect(v, on_answer_abort);
	else
		steer(v);
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
		offer_failed(v, e, err.text);
		return;
	}
	v->uses_worker = true;
	if (v->store.nr_fds)
		size_watch_add(dev->super->sizes, v->store.fd[0],
			       on_size_change, v, &v->size_watch);
	v->want = VBD_AT_ADDED;
	if (dev->forced)
		start_force_timer(v);
	steer(v);
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
		offer_failed(v, e == -EAGAIN ? -EBUSY : e, err.text);
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
		offer_failed(v, e, err.text);
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
	steer(v);
}

static void vbd_disconnect(struct device *dev)
{
	struct vbd *v = dev->priv;

	v->want = VBD_AT_ADDED;
	if (dev->forced)
		start_force_timer(v);
	steer(v);
}

static void vbd_release(struct device *dev)
{
	struct vbd *v = dev->priv;

	v->want = VBD_AT_NONE;
	if (dev->forced)
		start_force_timer(v);
	steer(v);
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
	steer(v);
}

/* ---- the worker ---- */

static void vbd_worker_changed(struct device *dev, enum worker_change what,
			       const char *reason)
{
	struct vbd *v = dev->priv;

	if (!v->uses_worker)
		return;
	v->at = VBD_AT_NONE;
	v->asking = false;
	switch (what) {
	case WORKER_DIED:
		/* by force, death is an answer */
		if (dev->forced && dev->step != DEVICE_IDLE)
			abandon(v);
		break;
	case WORKER_CAME:
		steer(v);
		break;
	case WORKER_LOST:
		fail(v, -ECHILD, reason);
		break;
	}
}

static void vbd_worker_event(struct device *dev, const char *text)
{
	struct vbd *v = dev->priv;

	if (v->at != VBD_AT_CONNECTED)
		return;
	/* A disconnect that is under way will be answered all the same. */
	if (!v->asking)
		v->at = VBD_AT_ADDED;
	v->want = v->want == VBD_AT_CONNECTED ? VBD_AT_ADDED : v->want;
	drop_journal(v);
	device_fail(dev, -EPROTO, text);
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
