// SPDX-License-Identifier: MIT
/*
 * What a frontend does in which state.  See front_xenbus.h.
 *
 * What a state asks for is decided by hypercall/xenbus_state.h; what is not a
 * state is decided here: what an earlier frontend left, and that a connected
 * backend which is found starting has restarted.
 */
#include <errno.h>
#include <string.h>

#include "frontend/front_xenbus.h"

/* How long a closing backend may take to let requests in flight end. */
#define DRAIN_S      2.0
#define DRAIN_TICK_S 0.02
#define REFUSAL_S    1.0 /* an old error may stand before a new offer */
/* and after a connection that failed because an earlier frontend died, one
 * always stands; a busy backend takes its time then */
#define RESET_S   10.0
#define LOG_BURST 10u
#define LOG_MS    10000u

bool front_is_opening(struct front_xenbus *x)
{
	bool yes;

	pthread_mutex_lock(&x->d->lock);
	yes = x->d->phase == FRONT_OPENING;
	pthread_mutex_unlock(&x->d->lock);
	return yes;
}

/* The directory's absence must not be ended by writing a state into it. */
void front_write_state(struct front_xenbus *x, enum xenbus_state state)
{
	int err;

	x->own = state;
	err = xs_writef(x->xs, XBT_NULL, x->front, "state", "%d", state);
	if (err)
		log_warn(x->d->who, "cannot write %s/state: %s", x->front,
			 strerror(-err));
}

void front_give_up(struct front_xenbus *x, int err, const char *text)
{
	char reason[200] = "";

	if (x->back[0])
		front_backend_reason(x->xs, x->back, reason, sizeof(reason));
	front_end(x->d, err, "%s%s", text, reason);
	if (x->own == XenbusStateInitialised || x->own == XenbusStateConnected)
		front_write_state(x, XenbusStateClosing);
}

void front_refuse(struct front_xenbus *x, int err, const char *text)
{
	xs_report_error(x->xs, x->front, x->d->who, -err, text);
	x->reported = true;
	front_give_up(x, err, text);
}

/* ---- beginning ---- */

/* of either end */
static bool is_in_connection(enum xenbus_state state)
{
	return state == XenbusStateInitialised ||
	       state == XenbusStateConnected || state == XenbusStateClosing;
}

static void begin_with(struct front_xenbus *x, enum xenbus_state state)
{
	enum xenbus_state stored;
	struct xs_err why;

	x->own = state;
	if (xs_read_state(x->xs, XBT_NULL, x->front, &stored, &why) ||
	    stored != state)
		front_write_state(x, state);
}

/* Whether an earlier frontend left rings that a backend at InitWait may be
 * about to map: it is not at once that it sees what a frontend writes. */
static bool is_half_connected(struct front_xenbus *x)
{
	enum xenbus_state stored;
	struct xs_err why;

	return !xs_read_state(x->xs, XBT_NULL, x->front, &stored, &why) &&
	       is_in_connection(stored);
}

/*
 * Begin from Initialising, whatever an earlier frontend left: that is what
 * makes a backend offer itself anew.  Linux's and QEMU's do so only when they
 * are Closed; one that is still connected to a frontend that was killed, or to
 * the kernel's, closes when it sees Closed.  So does one that is connecting to
 * it just now; what that comes to would be taken for an answer to us.
 */
void front_begin(struct front_xenbus *x)
{
	enum xenbus_state other;
	struct xs_err why;

	x->resetting = !xs_read_state(x->xs, XBT_NULL, x->back, &other, &why) &&
		       (is_in_connection(other) ||
			(other == XenbusStateInitWait && is_half_connected(x)));
	begin_with(x,
		   x->resetting ? XenbusStateClosed : XenbusStateInitialising);
}

/* Whether the backend is still closing what an earlier frontend left. */
static bool is_resetting(struct front_xenbus *x)
{
	if (x->resetting && !x->stopping && !is_in_connection(x->other) &&
	    x->other != XenbusStateInitWait) {
		x->resetting = false;
		x->was_reset = true;
		front_write_state(x, XenbusStateInitialising);
	}
	return x->resetting && !x->stopping;
}

/* ---- setting up and connecting ---- */

static struct front_place place(const struct front_xenbus *x)
{
	return (struct front_place){
		.xs = x->xs,
		.front = x->front,
		.back = x->back,
		.back_domid = x->back_domid,
	};
}

static void setup(struct front_xenbus *x)
{
	const struct front_place at = place(x);
	struct xs_err why = {""};
	int err = x->d->class->setup(x->d, &at, &why);

	if (err)
		front_refuse(x, err, why.text);
	else
		x->own = x->d->class->set_up;
}

static void join(struct front_xenbus *x)
{
	const struct front_place at = place(x);
	struct front_dev *d = x->d;
	struct xs_err why = {""};
	int err = d->class->connect(d, &at, &why);

	if (err) {
		front_refuse(x, err, why.text);
		return;
	}
	x->joined = true;
	if (x->own != XenbusStateConnected)
		front_write_state(x, XenbusStateConnected);
	ev_timer_stop(x->loop, &x->limit);
	pthread_mutex_lock(&d->lock);
	if (d->phase == FRONT_OPENING)
		d->phase = FRONT_CONNECTED;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

/* Connected, of a net backend for the first time, or written once more. */
static void changed(struct front_xenbus *x)
{
	const struct front_place at = place(x);

	if (atomic_load(&x->d->status))
		return;
	if (x->joined)
		x->d->class->changed(x->d, &at);
	else
		join(x);
}

bool front_may_log(struct front_dev *d)
{
	uint32_t missed;

	if (!log_limit_ok(&d->xenbus->limit_log, LOG_BURST, LOG_MS, &missed))
		return false;
	if (missed)
		log_info(d->who, "%u lines were not logged", missed);
	return true;
}

/* A backend that was connected begins anew: so do we, with new rings.  One
 * that was not yet may be in InitWait as long as it likes. */
static bool has_restarted(const struct front_xenbus *x)
{
	if (atomic_load(&x->d->status) || x->stopping)
		return false;
	if (x->own != XenbusStateConnected && x->own != x->d->class->set_up)
		return false;
	return x->other == XenbusStateInitialising ||
	       (x->joined && x->other == XenbusStateInitWait);
}

static void restart(struct front_xenbus *x)
{
	if (front_may_log(x->d))
		log_info(x->d->who, "the backend restarted, connecting again");
	x->joined = false;
	x->d->class->stop(x->d);
	front_write_state(x, XenbusStateInitialising);
}

/* ---- closing ---- */

static bool all_idle(struct front_dev *d)
{
	return !d->class->is_idle || d->class->is_idle(d);
}

/* The backend closes while requests are in flight: it still answers them. */
static void drain_begin(struct front_xenbus *x)
{
	if (ev_is_active(&x->drain))
		return;
	atomic_store(&x->d->closing, true);
	ev_now_update(x->loop);
	x->drain_until = ev_now(x->loop) + DRAIN_S;
	ev_timer_set(&x->drain, 0., DRAIN_TICK_S);
	ev_timer_start(x->loop, &x->drain);
}

void front_drain_check(struct front_xenbus *x)
{
	if (!ev_is_active(&x->drain))
		return;
	if (!all_idle(x->d) && ev_now(x->loop) < x->drain_until)
		return;
	ev_timer_stop(x->loop, &x->drain);
	front_end(x->d, -ENODEV, "the backend closed the %s",
		  x->d->class->noun);
	if (x->own == XenbusStateConnected)
		front_write_state(x, XenbusStateClosing);
}

static void close_device(struct front_xenbus *x)
{
	if (front_is_opening(x))
		front_give_up(x, -EIO, "the backend refused the connection");
	else if (!atomic_load(&x->d->status) && !x->stopping)
		drain_begin(x);
	else
		front_write_state(x, XenbusStateClosing);
}

static void closed_device(struct front_xenbus *x)
{
	ev_timer_stop(x->loop, &x->drain);
	if (front_is_opening(x))
		front_give_up(x, -EIO,
			      "the backend closed instead of connecting");
	else if (!x->stopping)
		front_end(x->d, -ENODEV, "the backend closed the %s",
			  x->d->class->noun);
	front_write_state(x, XenbusStateClosed);
}

/* ---- the machine ---- */

static void act(struct front_xenbus *x, enum xenbus_action action)
{
	switch (action) {
	case XENBUS_SETUP:
		setup(x);
		break;
	case XENBUS_CONNECT:
		join(x);
		break;
	case XENBUS_CHANGED:
		changed(x);
		break;
	case XENBUS_CLOSE:
		close_device(x);
		break;
	case XENBUS_CLOSED:
		closed_device(x);
		break;
	default:
		break;
	}
}

/*
 * A backend that fails before we have set up says so and closes.  What is there
 * when we come may be left over from before us: it has a moment to offer anew.
 */
static void check_refusal(struct front_xenbus *x)
{
	char reason[200];

	if (x->own != XenbusStateInitialising || !front_is_opening(x) ||
	    (x->other != XenbusStateClosing && x->other != XenbusStateClosed)) {
		ev_timer_stop(x->loop, &x->refusal);
		return;
	}
	if (!x->refusal_stands) {
		if (!ev_is_active(&x->refusal)) {
			ev_timer_set(&x->refusal,
				     x->was_reset ? RESET_S : REFUSAL_S, 0.);
			ev_timer_start(x->loop, &x->refusal);
		}
		return;
	}
	front_backend_reason(x->xs, x->back, reason, sizeof(reason));
	if (reason[0])
		front_give_up(x, -EIO, "the backend cannot serve this device");
}

bool front_is_finished(const struct front_xenbus *x)
{
	switch (x->own) {
	case XenbusStateInitialised:
	case XenbusStateConnected:
	case XenbusStateClosing:
		return false;
	case XenbusStateClosed:
		return !x->back[0] || (x->other != XenbusStateConnected &&
				       x->other != XenbusStateClosing &&
				       x->other != XenbusStateInitialised);
	default:
		return true;
	}
}

void front_walk(struct front_xenbus *x)
{
	enum xenbus_state before;
	struct xs_err why;

	do {
		before = x->own;
		if (xs_read_state(x->xs, XBT_NULL, x->back, &x->other, &why)) {
			front_refuse(x, -EINVAL, why.text);
			return;
		}
		if (is_resetting(x))
			return;
		if (has_restarted(x))
			restart(x);
		else if (!atomic_load(&x->d->status) ||
			 x->own != XenbusStateInitialising)
			act(x, xenbus_next(XENBUS_FRONTEND, x->own, x->other,
					   true));
	} while (x->own != before && x->back[0]);
	check_refusal(x);
}
