// SPDX-License-Identifier: MIT
/*
 * One device's life: reads both ends' states, asks the table what is next, has
 * the class do it, writes our state.
 *
 * device_evaluate() looks at everything anew each time and takes one step; a
 * step that takes time is looked after until device_done(), which has the
 * device evaluated again.  So it does not matter which events come, how often
 * or in which order, nor what a frontend writes between.
 *
 * Not here: what a disk is (vbd.c), where devices come from (super.c), who is
 * at the other end (device_identify.c).
 */
#include "backend/device.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/super.h"

/* A frontend that makes its device fail more often than this is made to wait:
 * each failure costs us an offer, a line of log and some xenstore writes. */
#define FAILURES_FREE    5u
#define FAILURE_PERIOD_S 10.0
#define STATE_LOG_BURST  40u
#define STATE_LOG_MS     10000u

struct inputs {
	bool gone, force;
	enum xenbus_state own, other;
};

/* ---- our state ---- */

struct state_write {
	struct device *dev;
	enum xenbus_state state;
};

/*
 * A state that is written into a directory which the toolstack has just
 * removed would bring it back to life, with nothing else in it; and the
 * toolstack's wish to begin anew must not be written over unseen.
 */
static int state_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	struct state_write *w = arg;
	enum xenbus_state now = XenbusStateUnknown;
	char path[DEVICE_PATH_MAX + 8];
	int err;

	snprintf(path, sizeof(path), "%s/state", w->dev->be_dir);
	if (!xs_node_exists(xs, t, path))
		return -ENOENT;
	err = xs_read_state(xs, t, w->dev->be_dir, &now, NULL);
	if (!err && now == w->state)
		return 0;
	if (!err && now == XenbusStateInitialising &&
	    w->dev->state != XenbusStateInitialising)
		return -EALREADY;
	return xs_writef(xs, t, w->dev->be_dir, "state", "%d", w->state);
}

/* What a frontend can cause as often as it writes its state. */
static bool may_log(struct device *dev)
{
	uint32_t missed;

	if (!log_limit_ok(&dev->log_states, STATE_LOG_BURST, STATE_LOG_MS,
			  &missed))
		return false;
	if (missed)
		log_info(dev->name, "%" PRIu32 " lines were not logged",
			 missed);
	return true;
}

static void set_state(struct device *dev, enum xenbus_state state)
{
	struct state_write w = {dev, state};
	bool same = dev->state == state;
	int err;

	device_mark(dev);
	if (dev->gone)
		return;
	err = xs_transact(dev->super->xs, state_body, &w);
	if (err == -EALREADY) {
		dev->renewed = true;
		return;
	}
	if (err && err != -ENOENT)
		log_err(dev->name, "cannot write state %s: %s",
			xenbus_state_name(state), strerror(-err));
	dev->state = state;
	if (!same && may_log(dev))
		log_info(dev->name, "%s", xenbus_state_name(state));
}

/* ---- operations of the class ---- */

static void begin(struct device *dev, enum device_step step)
{
	dev->step = step;
	dev->missed = false;
	dev->told_force = dev->forced;
	switch (step) {
	case DEVICE_OFFERING:
		dev->class->offer(dev);
		break;
	case DEVICE_CONNECTING:
		dev->class->connect(dev);
		break;
	case DEVICE_CHANGING:
		dev->class->changed(dev);
		break;
	case DEVICE_DISCONNECTING:
		dev->class->disconnect(dev);
		break;
	case DEVICE_RELEASING:
		dev->class->release(dev);
		break;
	case DEVICE_IDLE:
		break;
	}
}

/* Undo what is done, an operation a time; false when nothing is left. */
static bool tear_down(struct device *dev)
{
	if (dev->connected)
		begin(dev, DEVICE_DISCONNECTING);
	else if (dev->offered)
		begin(dev, DEVICE_RELEASING);
	else
		return false;
	return true;
}

static bool is_leaving(const struct device *dev)
{
	return dev->going || dev->failing || dev->starting_over ||
	       dev->vanished;
}

static void offer_done(struct device *dev, int err, const char *reason)
{
	if (err) {
		/* what was broken off because the frontend is gone says
		 * nothing of what the toolstack wants: one that comes back is
		 * offered the device again */
		if (!is_leaving(dev))
			dev->wait_tool = true;
		device_fail(dev, err, reason);
		return;
	}
	dev->offered = true;
	if (!is_leaving(dev))
		set_state(dev, XenbusStateInitWait);
	device_mark(dev);
}

static void connect_done(struct device *dev, int err, const char *reason)
{
	if (err == -EAGAIN) {
		if (may_log(dev))
			log_info(dev->name, "waiting: %s", reason);
		return;
	}
	if (err) {
		device_fail(dev, err, reason);
		return;
	}
	dev->connected = true;
	if (!is_leaving(dev)) {
		set_state(dev, XenbusStateConnected);
		xs_clear_error(dev->super->xs, dev->be_dir);
		dev->error.text[0] = '\0';
	}
	device_mark(dev);
}

void device_done(struct device *dev, int err, const char *reason)
{
	enum device_step step = dev->step;

	dev->step = DEVICE_IDLE;
	switch (step) {
	case DEVICE_OFFERING:
		offer_done(dev, err, reason);
		break;
	case DEVICE_CONNECTING:
		connect_done(dev, err, reason);
		/* -EAGAIN waits for the directory to change */
		if (err == -EAGAIN && !is_leaving(dev))
			return;
		break;
	case DEVICE_CHANGING:
		if (err && may_log(dev))
			log_warn(dev->name, "%s", reason);
		/* The table may say "changed" for as long as the frontend's
		 * state is what it is: once per change is enough.  But what it
		 * did meanwhile has not been seen. */
		if (!is_leaving(dev) && !dev->recheck && !dev->missed)
			return;
		break;
	case DEVICE_DISCONNECTING:
		dev->connected = false;
		break;
	case DEVICE_RELEASING:
		dev->offered = false;
		break;
	case DEVICE_IDLE:
		break;
	}
	device_mark(dev);
}

/* ---- failing ---- */

static void count_failure(struct device *dev)
{
	double now = ev_now(dev->super->loop);

	if (now - dev->failed_since > FAILURE_PERIOD_S) {
		dev->failed_since = now;
		dev->nr_failed = 0;
	}
	if (++dev->nr_failed <= FAILURES_FREE || ev_is_active(&dev->hold))
		return;
	ev_timer_set(&dev->hold, FAILURE_PERIOD_S, 0.);
	ev_timer_start(dev->super->loop, &dev->hold);
}

void device_hold_over(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct device *dev = timer->data;

	(void)loop;
	(void)revents;
	dev->nr_failed = 0;
	device_mark(dev);
}

static void report(struct device *dev, int err, const char *reason)
{
	char path[DEVICE_PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s/state", dev->be_dir);
	if (xs_node_exists(dev->super->xs, XBT_NULL, path))
		xs_report_error(dev->super->xs, dev->be_dir, dev->name, err,
				reason);
	else
		log_err(dev->name, "%s", reason);
}

void device_fail(struct device *dev, int err, const char *reason)
{
	/* A device on its way out meets errors that are of no interest: its
	 * image, its frontend or its worker are gone. */
	if (is_leaving(dev)) {
		log_debug(dev->name, "%s", reason);
		device_mark(dev);
		return;
	}
	xs_err_set(&dev->error, "%s", reason);
	dev->failing = true;
	dev->fe_failed = dev->fe_last;
	if (!dev->wait_tool)
		dev->wait_fe = true;
	count_failure(dev);
	report(dev, err, reason);
	set_state(dev, XenbusStateClosing);
}

static void fail_by_toolstack(struct device *dev, int err, const char *reason)
{
	dev->wait_tool = true;
	device_fail(dev, err, reason);
}

/* ---- looking ---- */

static int read_own(struct device *dev, struct inputs *in, struct xs_err *why)
{
	struct xs_store *xs = dev->super->xs;
	uint64_t state, online, force;
	int err;

	err = xs_read_u64(xs, XBT_NULL, dev->be_dir, "state", 0,
			  XenbusStateReconfigured, &state, why);
	if (err == -ENOENT) {
		in->gone = true;
		return 0;
	}
	if (err)
		return err;
	in->own = (enum xenbus_state)state;
	err = xs_read_u64_or(xs, XBT_NULL, dev->be_dir, "online", 0, 1, 1,
			     &online, why);
	if (err)
		return err;
	dev->online = online;
	if (dev->online)
		return 0;
	err = xs_read_u64_or(xs, XBT_NULL, dev->be_dir, "xensplit/force", 0, 1,
			     0, &force, why);
	in->force = !err && force;
	return err;
}

/* False: nothing can be done now. */
static bool read_inputs(struct device *dev, struct inputs *in)
{
	struct xs_err why = {""};
	int err;

	memset(in, 0, sizeof(*in));
	in->own = dev->state;
	err = read_own(dev, in, &why);
	if (err == -EINVAL) {
		if (!dev->bad_own && !is_leaving(dev)) {
			dev->bad_own = true;
			fail_by_toolstack(dev, err, why.text);
			in->own = dev->state;
		}
	} else if (err) {
		log_err(dev->name, "%s", why.text);
		return dev->super->stopping;
	} else {
		dev->bad_own = false;
	}
	if (!dev->known || in->gone)
		return true;
	err = xs_read_state(dev->super->xs, XBT_NULL, dev->fe_dir, &in->other,
			    &why);
	if (err == -EINVAL) {
		/* not a state: as one who goes on as before */
		in->other = XenbusStateReconfigured;
		dev->fe_last = in->other;
		if (!dev->wait_fe && !dev->wait_tool)
			device_fail(dev, err, why.text);
	}
	dev->fe_last = in->other;
	if (in->other != XenbusStateUnknown) {
		dev->fe_seen = true;
	} else if (dev->fe_seen) {
		dev->fe_seen = false;
		dev->vanished = true;
		super_check_domain(dev->dom);
	}
	return true;
}

/* ---- stepping ---- */

static void take_down(struct device *dev)
{
	if (tear_down(dev))
		return;
	set_state(dev, XenbusStateClosed);
	super_forget(dev);
}

static void start_over(struct device *dev)
{
	dev->starting_over = true;
	if (tear_down(dev))
		return;
	xs_clear_error(dev->super->xs, dev->be_dir);
	dev->error.text[0] = '\0';
	dev->starting_over = dev->failing = dev->known = false;
	dev->renewed = dev->bad_own = false;
	dev->wait_tool = dev->wait_fe = false;
	dev->failed_since = 0.;
	ev_timer_stop(dev->super->loop, &dev->hold);
	dev->state = XenbusStateInitialising;
	device_mark(dev);
}

static void finish_failure(struct device *dev)
{
	if (tear_down(dev))
		return;
	dev->failing = false;
	set_state(dev, XenbusStateClosed);
}

/*
 * The frontend's directory was there and is no more, most often because its
 * domain has died.  Nobody is left to close in order for; what was opened is
 * given back.  Should a frontend appear again, it is offered the device again.
 */
static void vanish(struct device *dev)
{
	if (tear_down(dev))
		return;
	dev->vanished = dev->forced = false;
	/* it costs us a worker and an image: not as often as one can write */
	count_failure(dev);
	set_state(dev, XenbusStateClosed);
}

static void offer(struct device *dev)
{
	if (dev->wait_tool || ev_is_active(&dev->hold))
		return;
	if (dev->wait_fe && dev->state == XenbusStateClosed)
		return;
	if (dev->offered)
		set_state(dev, XenbusStateInitWait);
	else
		begin(dev, DEVICE_OFFERING);
}

static void connect(struct device *dev)
{
	if (dev->wait_fe || ev_is_active(&dev->hold))
		return;
	if (dev->offered)
		begin(dev, DEVICE_CONNECTING);
	else
		offer(dev);
}

static void idle(struct device *dev)
{
	/* A toolstack that says "offline" and no more: the frontend would
	 * never know. */
	if (!dev->online && dev->state == XenbusStateConnected) {
		set_state(dev, XenbusStateClosing);
	} else if (dev->recheck) {
		dev->recheck = false;
		if (dev->offered)
			begin(dev, DEVICE_CHANGING);
	}
}

static void act(struct device *dev, enum xenbus_action action)
{
	switch (action) {
	case XENBUS_RESTART:
		if (dev->connected)
			begin(dev, DEVICE_DISCONNECTING);
		else
			offer(dev);
		break;
	case XENBUS_OFFER:
		offer(dev);
		break;
	case XENBUS_CONNECT:
		connect(dev);
		break;
	case XENBUS_CHANGED:
		dev->recheck = false;
		if (dev->offered)
			begin(dev, DEVICE_CHANGING);
		break;
	case XENBUS_CLOSE:
		/* The rings stay: what a frontend writes out while it closes
		 * is served until it says Closed. */
		set_state(dev, XenbusStateClosing);
		break;
	case XENBUS_CLOSED:
		if (dev->connected)
			begin(dev, DEVICE_DISCONNECTING);
		else
			set_state(dev, XenbusStateClosed);
		break;
	case XENBUS_REMOVE:
		dev->going = true;
		take_down(dev);
		break;
	case XENBUS_NOTHING:
	case XENBUS_SETUP:
		idle(dev);
		break;
	}
}

static bool began_anew(enum xenbus_state other)
{
	return other <= XenbusStateInitWait || other == XenbusStateClosing ||
	       other == XenbusStateClosed;
}

static void follow(struct device *dev, const struct inputs *in)
{
	struct xs_err why = {""};
	int err;

	if (!dev->known && !dev->wait_tool) {
		err = device_identify(dev, &why);
		if (err)
			fail_by_toolstack(dev, err, why.text);
		device_mark(dev);
		return;
	}
	if ((int)in->other != dev->fe_failed) {
		dev->fe_failed = -1;
		if (began_anew(in->other))
			dev->wait_fe = false;
	}
	if (in->own == XenbusStateClosing && dev->state != XenbusStateClosed)
		dev->state = XenbusStateClosing;
	/* a toolstack that asked to detach and takes it back */
	if (in->own == XenbusStateConnected &&
	    dev->state == XenbusStateClosing && dev->connected)
		dev->state = XenbusStateConnected;
	act(dev,
	    xenbus_next(XENBUS_BACKEND, dev->state, in->other, dev->online));
}

void device_evaluate(struct device *dev)
{
	struct inputs in;

	if (!read_inputs(dev, &in))
		return;
	if (in.gone)
		dev->gone = true;
	if (dev->gone || dev->dom->gone || dev->super->hurry || in.force)
		dev->forced = dev->going = true;
	if (dev->vanished)
		dev->forced = true;
	if (dev->super->stopping)
		dev->going = true;
	if (dev->step != DEVICE_IDLE) {
		dev->missed = true;
		if (dev->forced && !dev->told_force) {
			dev->told_force = true;
			dev->class->force(dev);
		}
		return;
	}
	if (dev->going)
		take_down(dev);
	else if (dev->starting_over || (in.own == XenbusStateInitialising &&
					dev->state != XenbusStateInitialising))
		start_over(dev);
	else if (dev->vanished)
		vanish(dev);
	else if (dev->failing)
		finish_failure(dev);
	else
		follow(dev, &in);
}

void device_mark(struct device *dev)
{
	if (dev->is_dirty)
		return;
	dev->is_dirty = true;
	TAILQ_INSERT_TAIL(&dev->super->dirty, dev, dirty);
	ev_idle_start(dev->super->loop, &dev->super->more);
}
