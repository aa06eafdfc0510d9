// SPDX-License-Identifier: MIT
/* See steer.h. */
#include "backend/steer.h"

#include <errno.h>
#include <string.h>

#include "backend/super.h"
#include "backend/worker_handle.h"

/* A forced operation: the worker's time to answer, then the time its end may
 * take.  After that nobody is waited for. */
#define FORCE_ASK_S 2.0
#define FORCE_END_S 1.0

_Static_assert(WORKER_DEVICE_NAME == DEVICE_NAME_MAX, "one copy");

static void on_force_timer(struct ev_loop *loop, ev_timer *t, int revents);

void steer_init(struct steer *s, struct device *dev,
		const struct steer_ops *ops)
{
	s->dev = dev;
	s->ops = ops;
	ev_timer_init(&s->timer, on_force_timer, 0., 0.);
	s->timer.data = s;
}

void steer_end(struct steer *s)
{
	ev_timer_stop(s->dev->super->loop, &s->timer);
	if (!s->uses_worker)
		return;
	s->uses_worker = false;
	worker_forget(s->dev->dom->worker, s->dev);
	worker_unuse(s->dev->dom);
}

int steer_use_worker(struct steer *s, struct xs_err *err)
{
	int e = worker_use(s->dev->dom, err);

	s->uses_worker = !e;
	return e;
}

static void drop_rings(struct steer *s)
{
	s->rings = false;
	s->ops->rings_dropped(s);
}

/* ---- ends of operations ---- */

static bool in_step(const struct steer *s, enum device_step step)
{
	return s->dev->step == step;
}

void steer_offer_failed(struct steer *s, int err, const char *reason)
{
	struct device *dev = s->dev;
	struct xs_err copy;

	xs_err_set(&copy, "%s", reason);
	s->ops->free(dev);
	device_done(dev, err, copy.text);
}

/* The worker cannot do what is wanted; whichever operation is under way ends,
 * without one the device is closed. */
static void fail(struct steer *s, int err, const char *reason)
{
	if (in_step(s, DEVICE_OFFERING)) {
		steer_offer_failed(s, err, reason);
		return;
	}
	ev_timer_stop(s->dev->super->loop, &s->timer);
	s->force_stage = 0;
	drop_rings(s);
	if (s->want == STEER_CONNECTED)
		s->want = STEER_ADDED;
	if (in_step(s, DEVICE_CONNECTING)) {
		device_done(s->dev, err, reason);
		return;
	}
	s->abandon = true;
	if (in_step(s, DEVICE_CHANGING))
		device_done(s->dev, err, reason);
	device_fail(s->dev, err, reason);
	if (!s->asking)
		steer_go(s);
}

static void offer_succeeded(struct steer *s)
{
	struct xs_err err = {""};
	int e = s->ops->publish(s, DEVICE_OFFERING, &err);

	if (e)
		steer_offer_failed(s, e, err.text);
	else
		device_done(s->dev, 0, NULL);
}

static void connect_succeeded(struct steer *s)
{
	struct xs_err err = {""};
	int e = s->ops->publish(s, DEVICE_CONNECTING, &err);

	/* Rings are in use: it is connected, and closed by device.c. */
	if (e)
		device_fail(s->dev, e, err.text);
	device_done(s->dev, 0, NULL);
}

static void change_succeeded(struct steer *s)
{
	struct xs_err err = {""};
	int e = s->ops->publish(s, DEVICE_CHANGING, &err);

	device_done(s->dev, e, err.text);
}

/* What was wanted is so. */
static void arrived(struct steer *s)
{
	struct device *dev = s->dev;

	ev_timer_stop(dev->super->loop, &s->timer);
	s->force_stage = 0;
	switch (dev->step) {
	case DEVICE_OFFERING:
		offer_succeeded(s);
		break;
	case DEVICE_CONNECTING:
		connect_succeeded(s);
		break;
	case DEVICE_CHANGING:
		change_succeeded(s);
		break;
	case DEVICE_DISCONNECTING:
		drop_rings(s);
		device_done(dev, 0, NULL);
		break;
	case DEVICE_RELEASING:
		s->ops->free(dev);
		device_done(dev, 0, NULL);
		break;
	case DEVICE_IDLE:
		break;
	}
}

/* ---- asking the worker ---- */

static void on_answer_add(struct device *dev, int err, const char *text)
{
	struct steer *s = dev->priv;

	s->asking = false;
	if (err) {
		fail(s, err, text);
		return;
	}
	s->at = STEER_ADDED;
	steer_go(s);
}

static void on_answer_connect(struct device *dev, int err, const char *text)
{
	struct steer *s = dev->priv;

	s->asking = false;
	if (err) {
		drop_rings(s);
		fail(s, err, text);
		return;
	}
	s->at = STEER_CONNECTED;
	if (in_step(s, DEVICE_IDLE))
		log_info(dev->name, "a new worker took over");
	steer_go(s);
}

static void on_answer_disconnect(struct device *dev, int err, const char *text)
{
	struct steer *s = dev->priv;

	if (err)
		log_warn(dev->name, "the worker on disconnecting: %s", text);
	s->asking = false;
	s->at = STEER_ADDED;
	drop_rings(s);
	steer_go(s);
}

static void on_answer_remove(struct device *dev, int err, const char *text)
{
	struct steer *s = dev->priv;

	if (err)
		log_warn(dev->name, "the worker on removing: %s", text);
	s->asking = false;
	s->at = STEER_NONE;
	steer_go(s);
}

static void on_answer_change(struct device *dev, int err, const char *text)
{
	struct steer *s = dev->priv;

	if (err)
		log_warn(dev->name, "the worker on a change: %s", text);
	s->asking = false;
	if (s->ops->change_answered)
		s->ops->change_answered(s, err, text);
	steer_go(s);
}

/* An abort overtakes a disconnect that is being answered already; its own
 * answer tells nothing new. */
static void on_answer_abort(struct device *dev, int err, const char *text)
{
	(void)dev;
	(void)err;
	(void)text;
}

static int ask(struct steer *s, enum steer_question q, worker_answer_cb cb,
	       struct xs_err *err)
{
	struct worker_msg msg = {.op = 0};
	int fds[WORKER_MAX_FDS];
	unsigned int nr_fds = 0;
	int e = s->ops->fill(s, q, &msg, fds, &nr_fds, err);

	if (e)
		return e;
	e = worker_ask(s->dev->dom->worker, s->dev, &msg, fds, nr_fds, cb);
	if (e == -ENOMEM)
		xs_err_set(err, "no memory to ask the worker");
	return e;
}

/* Requests that were taken have to be answered, so a new worker connects
 * before it disconnects, unless nobody cares any more. */
static enum steer_at next_goal(const struct steer *s)
{
	if (s->rings && s->at < STEER_CONNECTED && !s->abandon &&
	    !s->dev->forced)
		return STEER_CONNECTED;
	return s->want;
}

static int ask_next(struct steer *s, enum steer_at goal, struct xs_err *err)
{
	if (s->at == STEER_NONE)
		return ask(s, STEER_ADD, on_answer_add, err);
	if (s->change_due)
		return ask(s, STEER_CHANGE, on_answer_change, err);
	if (goal == STEER_CONNECTED)
		return ask(s, STEER_CONNECT, on_answer_connect, err);
	if (s->at == STEER_CONNECTED)
		return ask(s, STEER_DISCONNECT, on_answer_disconnect, err);
	return ask(s, STEER_REMOVE, on_answer_remove, err);
}

void steer_go(struct steer *s)
{
	enum steer_at goal = next_goal(s);
	struct xs_err err = {""};
	int e;

	if (s->asking)
		return;
	/* Where the worker has nothing, there is nothing to be undone. */
	if (s->at == STEER_NONE && goal <= STEER_ADDED &&
	    (in_step(s, DEVICE_DISCONNECTING) ||
	     in_step(s, DEVICE_RELEASING))) {
		arrived(s);
		return;
	}
	if (s->at == goal && goal == s->want && !s->change_due) {
		arrived(s);
		return;
	}
	if (!worker_is_ready(s->dev->dom->worker))
		return; /* goes on when it is */
	e = ask_next(s, goal, &err);
	if (e == -ENOTCONN)
		return;
	s->asking = !e;
	if (e)
		fail(s, e, err.text);
}

static void start_force_timer(struct steer *s)
{
	if (s->force_stage)
		return;
	s->force_stage = 1;
	ev_timer_set(&s->timer, FORCE_ASK_S, 0.);
	ev_timer_start(s->dev->super->loop, &s->timer);
}

void steer_to(struct steer *s, enum steer_at want)
{
	s->want = want;
	if (s->dev->forced)
		start_force_timer(s);
	steer_go(s);
}

/* ---- force ---- */

static void abandon(struct steer *s)
{
	s->abandon = true;
	s->at = STEER_NONE;
	s->asking = false;
	worker_forget(s->dev->dom->worker, s->dev);
	if (in_step(s, DEVICE_OFFERING) || in_step(s, DEVICE_CONNECTING))
		fail(s, -ECANCELED, "removed by force");
	else if (in_step(s, DEVICE_CHANGING))
		device_done(s->dev, -ECANCELED, "removed by force");
	else
		steer_go(s);
}

static void on_force_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct steer *s = t->data;

	(void)revents;
	if (s->force_stage == 1 && s->uses_worker) {
		s->force_stage = 2;
		ev_timer_set(t, FORCE_END_S, 0.);
		ev_timer_start(loop, t);
		worker_kill(s->dev->dom->worker,
			    "it does not let go of a device by force");
		return;
	}
	abandon(s);
}

void steer_force(struct device *dev)
{
	struct steer *s = dev->priv;

	if (!s)
		return;
	if (!s->uses_worker) {
		/* nothing is opened yet, and what was waited for will not come
		 */
		if (in_step(s, DEVICE_OFFERING))
			steer_offer_failed(s, -ECANCELED, "removed by force");
		else
			device_done(dev, -ECANCELED, "removed by force");
		return;
	}
	start_force_timer(s);
	if (in_step(s, DEVICE_DISCONNECTING) && s->asking &&
	    s->at == STEER_CONNECTED) {
		struct xs_err err;

		ask(s, STEER_DISCONNECT, on_answer_abort, &err);
	} else {
		steer_go(s);
	}
}

/* ---- the worker ---- */

void steer_worker_changed(struct device *dev, enum worker_change what,
			  const char *reason)
{
	struct steer *s = dev->priv;

	if (!s->uses_worker)
		return;
	s->at = STEER_NONE;
	s->asking = false;
	if (what != WORKER_CAME && s->ops->worker_gone)
		s->ops->worker_gone(s);
	switch (what) {
	case WORKER_DIED:
		/* by force, death is an answer */
		if (dev->forced && dev->step != DEVICE_IDLE)
			abandon(s);
		break;
	case WORKER_CAME:
		steer_go(s);
		break;
	case WORKER_LOST:
		fail(s, -ECHILD, reason);
		break;
	}
}

void steer_worker_event(struct device *dev, const char *text)
{
	struct steer *s = dev->priv;

	if (s->at != STEER_CONNECTED)
		return;
	/* A disconnect that is under way will be answered all the same. */
	if (!s->asking)
		s->at = STEER_ADDED;
	s->want = s->want == STEER_CONNECTED ? STEER_ADDED : s->want;
	drop_rings(s);
	device_fail(dev, -EPROTO, text);
}
