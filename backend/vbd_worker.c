// SPDX-License-Identifier: MIT
/*
 * Steering a disk's worker towards what the operations in vbd.c want, through
 * whatever deaths of workers come between; ending operations, by force where
 * need be.
 */
#include "backend/vbd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backend/blk_journal.h"
#include "backend/super.h"
#include "backend/worker_handle.h"

/* A forced operation: the worker's time to answer, then the time its end may
 * take.  After that nobody is waited for. */
#define FORCE_ASK_S 2.0
#define FORCE_END_S 1.0

_Static_assert(WORKER_DEVICE_NAME == DEVICE_NAME_MAX, "one copy");

void vbd_drop_journal(struct vbd *v)
{
	if (v->journal_fd >= 0)
		close(v->journal_fd);
	v->journal_fd = -1;
	v->rings = false;
}

/* ---- ends of operations ---- */

static bool in_step(const struct vbd *v, enum device_step step)
{
	return v->dev->step == step;
}

void vbd_offer_failed(struct vbd *v, int err, const char *reason)
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
		vbd_offer_failed(v, err, reason);
		return;
	}
	ev_timer_stop(v->dev->super->loop, &v->timer);
	v->force_stage = 0;
	vbd_drop_journal(v);
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
		vbd_steer(v);
}

static void offer_succeeded(struct vbd *v)
{
	int e = vbd_publish_features(v);
	struct xs_err err;

	if (e) {
		vbd_publish_error(e, &err);
		vbd_offer_failed(v, e, err.text);
	} else {
		device_done(v->dev, 0, NULL);
	}
}

static void connect_succeeded(struct vbd *v)
{
	int e = vbd_publish_properties(v);
	struct xs_err err;

	/* Rings are in use: it is connected, and closed by device.c. */
	if (e) {
		vbd_publish_error(e, &err);
		device_fail(v->dev, e, err.text);
	}
	device_done(v->dev, 0, NULL);
}

static void change_succeeded(struct vbd *v)
{
	int e = v->dev->connected ? vbd_publish_size(v) : 0;
	struct xs_err err;

	vbd_publish_error(e, &err);
	device_done(v->dev, e, err.text);
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
		vbd_drop_journal(v);
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
	vbd_steer(v);
}

static void on_answer_connect(struct device *dev, int err, const char *text)
{
	struct vbd *v = dev->priv;

	v->asking = false;
	if (err) {
		vbd_drop_journal(v);
		fail(v, err, text);
		return;
	}
	v->at = VBD_AT_CONNECTED;
	vbd_steer(v);
}

static void on_answer_disconnect(struct device *dev, int err, const char *text)
{
	struct vbd *v = dev->priv;

	if (err)
		log_warn(dev->name, "the worker on disconnecting: %s", text);
	v->asking = false;
	v->at = VBD_AT_ADDED;
	vbd_drop_journal(v);
	vbd_steer(v);
}

static void on_answer_remove(struct device *dev, int err, const char *text)
{
	struct vbd *v = dev->priv;

	if (err)
		log_warn(dev->name, "the worker on removing: %s", text);
	v->asking = false;
	v->at = VBD_AT_NONE;
	vbd_steer(v);
}

static void on_answer_resize(struct device *dev, int err, const char *text)
{
	struct vbd *v = dev->priv;

	if (err)
		log_warn(dev->name, "the worker on resizing: %s", text);
	v->asking = false;
	vbd_steer(v);
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

void vbd_steer(struct vbd *v)
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
		vbd_steer(v);
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

void vbd_start_force_timer(struct vbd *v)
{
	if (v->force_stage)
		return;
	v->force_stage = 1;
	ev_timer_stop(v->dev->super->loop, &v->timer);
	ev_init(&v->timer, on_force_timer);
	ev_timer_set(&v->timer, FORCE_ASK_S, 0.);
	ev_timer_start(v->dev->super->loop, &v->timer);
}

void vbd_force(struct device *dev)
{
	struct vbd *v = dev->priv;

	if (!v)
		return;
	if (!v->uses_worker) {
		/* waiting for the lock of its image */
		ev_timer_stop(dev->super->loop, &v->timer);
		if (in_step(v, DEVICE_OFFERING))
			vbd_offer_failed(v, -ECANCELED, "removed by force");
		else
			device_done(dev, -ECANCELED, "removed by force");
		return;
	}
	vbd_start_force_timer(v);
	if (in_step(v, DEVICE_DISCONNECTING) && v->asking &&
	    v->at == VBD_AT_CONNECTED)
		ask_disconnect(v, on_answer_abort);
	else
		vbd_steer(v);
}

/* ---- the worker ---- */

void vbd_worker_changed(struct device *dev, enum worker_change what,
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
		vbd_steer(v);
		break;
	case WORKER_LOST:
		fail(v, -ECHILD, reason);
		break;
	}
}

void vbd_worker_event(struct device *dev, const char *text)
{
	struct vbd *v = dev->priv;

	if (v->at != VBD_AT_CONNECTED)
		return;
	/* A disconnect that is under way will be answered all the same. */
	if (!v->asking)
		v->at = VBD_AT_ADDED;
	v->want = v->want == VBD_AT_CONNECTED ? VBD_AT_ADDED : v->want;
	vbd_drop_journal(v);
	device_fail(dev, -EPROTO, text);
}
