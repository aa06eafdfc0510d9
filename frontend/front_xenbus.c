// SPDX-License-Identifier: MIT
/*
 * The control thread of a frontend.  See front_dev.h.
 *
 * What a state asks for is decided by hypercall/xenbus_state.h; what is not a
 * state is decided here: time limits, directories that vanish, and that a
 * connected backend which is found starting has restarted.
 */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/front_dev.h"
#include "hypercall/log.h"
#include "hypercall/xenbus_state.h"

/* How long a closing backend may take to let requests in flight end, and how
 * long it may take to follow us to Closed. */
#define DRAIN_S      2.0
#define DRAIN_TICK_S 0.02
#define REFUSAL_S    1.0 /* an old error may stand before a new offer */
#define CLOSE_S      5.0
#define LOG_BURST    10u
#define LOG_MS       10000u

struct front_xenbus {
	struct front_dev *d;
	pthread_t thread;
	struct ev_loop *loop;
	ev_async poke;
	ev_timer limit; /* of opening, then of closing */
	ev_timer drain;
	ev_timer refusal; /* runs while the backend may be about to offer */
	bool refusal_stands;
	double drain_until;
	atomic_bool stop; /* front_stop() wants the end */
	bool stopping;    /* and the thread knows */
	bool reported;    /* a violation, in xenstore */
	bool joined;      /* connect() was done with this backend */
	bool resetting;   /* the backend has yet to leave an earlier frontend */
	/* of what a backend can cause at will */
	struct log_limit limit_log;

	struct xs_store *xs;
	struct xs_watch *front_watch, *back_watch, *key_watch;
	uint32_t back_domid;
	enum xenbus_state own, other;
	char front[64], back[FRONT_PATH_MAX];
};

static void step(struct front_xenbus *x);

static bool is_opening(struct front_xenbus *x)
{
	bool yes;

	pthread_mutex_lock(&x->d->lock);
	yes = x->d->phase == FRONT_OPENING;
	pthread_mutex_unlock(&x->d->lock);
	return yes;
}

static void set_limit(struct front_xenbus *x, double seconds)
{
	ev_timer_stop(x->loop, &x->limit);
	ev_now_update(x->loop);
	ev_timer_set(&x->limit, seconds, 0.);
	ev_timer_start(x->loop, &x->limit);
}

/* The directory's absence must not be ended by writing a state into it. */
static void write_state(struct front_xenbus *x, enum xenbus_state state)
{
	int err;

	x->own = state;
	err = xs_writef(x->xs, XBT_NULL, x->front, "state", "%d", state);
	if (err)
		log_warn(x->d->who, "cannot write %s/state: %s", x->front,
			 strerror(-err));
}

/* Opening has failed, or what was open cannot go on. */
static void give_up(struct front_xenbus *x, int err, const char *text)
{
	char reason[200] = "";

	if (x->back[0])
		front_backend_reason(x->xs, x->back, reason, sizeof(reason));
	front_end(x->d, err, "%s%s", text, reason);
	if (x->own == XenbusStateInitialised || x->own == XenbusStateConnected)
		write_state(x, XenbusStateClosing);
}

/* A mistake in what the backend wrote: it is told, too. */
static void refuse(struct front_xenbus *x, int err, const char *text)
{
	xs_report_error(x->xs, x->front, x->d->who, -err, text);
	x->reported = true;
	give_up(x, err, text);
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
		refuse(x, err, why.text);
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
		refuse(x, err, why.text);
		return;
	}
	x->joined = true;
	if (x->own != XenbusStateConnected)
		write_state(x, XenbusStateConnected);
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
	write_state(x, XenbusStateInitialising);
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

static void drain_check(struct front_xenbus *x)
{
	if (!ev_is_active(&x->drain))
		return;
	if (!all_idle(x->d) && ev_now(x->loop) < x->drain_until)
		return;
	ev_timer_stop(x->loop, &x->drain);
	front_end(x->d, -ENODEV, "the backend closed the %s",
		  x->d->class->noun);
	if (x->own == XenbusStateConnected)
		write_state(x, XenbusStateClosing);
}

static void on_drain(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct front_xenbus *x = w->data;

	(void)loop;
	(void)revents;
	drain_check(x);
	step(x);
}

static void close_device(struct front_xenbus *x)
{
	if (is_opening(x))
		give_up(x, -EIO, "the backend refused the connection");
	else if (!atomic_load(&x->d->status) && !x->stopping)
		drain_begin(x);
	else
		write_state(x, XenbusStateClosing);
}

static void closed_device(struct front_xenbus *x)
{
	ev_timer_stop(x->loop, &x->drain);
	if (is_opening(x))
		give_up(x, -EIO, "the backend closed instead of connecting");
	else if (!x->stopping)
		front_end(x->d, -ENODEV, "the backend closed the %s",
			  x->d->class->noun);
	write_state(x, XenbusStateClosed);
}

/* ---- the device and its backend ---- */

static void on_back(struct xs_watch *w, const char *path, void *arg)
{
	(void)w;
	(void)path;
	step(arg);
}

static bool is_with_frontend(enum xenbus_state backend)
{
	return backend == XenbusStateInitialised ||
	       backend == XenbusStateConnected || backend == XenbusStateClosing;
}

static void begin_with(struct front_xenbus *x, enum xenbus_state state)
{
	enum xenbus_state stored;
	struct xs_err why;

	x->own = state;
	if (xs_read_state(x->xs, XBT_NULL, x->front, &stored, &why) ||
	    stored != state)
		write_state(x, state);
}

/*
 * Begin from Initialising, whatever an earlier frontend left: that is what
 * makes a backend offer itself anew.  Linux's and QEMU's do so only when they
 * are Closed; one that is still connected to a frontend that was killed, or to
 * the kernel's, closes when it sees Closed.
 */
static void begin(struct front_xenbus *x)
{
	enum xenbus_state other;
	struct xs_err why;

	x->resetting = !xs_read_state(x->xs, XBT_NULL, x->back, &other, &why) &&
		       is_with_frontend(other);
	begin_with(x,
		   x->resetting ? XenbusStateClosed : XenbusStateInitialising);
}

/* Whether the backend is still closing what an earlier frontend left. */
static bool is_resetting(struct front_xenbus *x)
{
	if (x->resetting && !x->stopping && !is_with_frontend(x->other)) {
		x->resetting = false;
		write_state(x, XenbusStateInitialising);
	}
	return x->resetting && !x->stopping;
}

static int watch_back(struct front_xenbus *x, const char *key,
		      struct xs_watch **watch)
{
	char path[FRONT_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", x->back, key);
	return xs_watch_add(x->xs, path, on_back, x, watch);
}

static bool find_backend(struct front_xenbus *x)
{
	struct xs_err why = {""};
	int err;

	err = front_find_backend(x->xs, x->d->class->keys, x->front, x->back,
				 &x->back_domid, &why);
	if (err == -ENOENT)
		return false;
	if (err) {
		refuse(x, err, why.text);
		return false;
	}
	begin(x);
	err = watch_back(x, "state", &x->back_watch);
	if (!err && x->d->class->back_key)
		err = watch_back(x, x->d->class->back_key, &x->key_watch);
	if (err)
		give_up(x, err, "cannot watch the backend's state");
	return !err;
}

static void device_gone(struct front_xenbus *x)
{
	ev_timer_stop(x->loop, &x->drain);
	xs_watch_del(x->back_watch);
	xs_watch_del(x->key_watch);
	x->back_watch = x->key_watch = NULL;
	x->joined = false;
	x->back[0] = '\0';
	x->own = XenbusStateClosed;
	front_end(x->d, -ENODEV, "the device was removed");
}

static void on_front(struct xs_watch *w, const char *path, void *arg)
{
	struct front_xenbus *x = arg;
	char node[FRONT_PATH_MAX];

	(void)w;
	(void)path;
	snprintf(node, sizeof(node), "%s/backend", x->front);
	if (x->back[0] && !xs_node_exists(x->xs, XBT_NULL, node))
		device_gone(x);
	step(x);
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

	if (x->own != XenbusStateInitialising || !is_opening(x) ||
	    (x->other != XenbusStateClosing && x->other != XenbusStateClosed)) {
		ev_timer_stop(x->loop, &x->refusal);
		return;
	}
	if (!x->refusal_stands) {
		if (!ev_is_active(&x->refusal)) {
			ev_timer_set(&x->refusal, REFUSAL_S, 0.);
			ev_timer_start(x->loop, &x->refusal);
		}
		return;
	}
	front_backend_reason(x->xs, x->back, reason, sizeof(reason));
	if (reason[0])
		give_up(x, -EIO, "the backend cannot serve this device");
}

static bool is_finished(const struct front_xenbus *x)
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

static void walk(struct front_xenbus *x)
{
	enum xenbus_state before;
	struct xs_err why;

	do {
		before = x->own;
		if (xs_read_state(x->xs, XBT_NULL, x->back, &x->other, &why)) {
			refuse(x, -EINVAL, why.text);
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

static void step(struct front_xenbus *x)
{
	bool ended = atomic_load(&x->d->status) != 0;

	if (!x->back[0] && !x->stopping && !ended)
		find_backend(x);
	if (x->back[0])
		walk(x);
	if (x->stopping && is_finished(x))
		ev_break(x->loop, EVBREAK_ALL);
}

/* ---- what comes from other threads, and from the clock ---- */

static void stop_begin(struct front_xenbus *x)
{
	x->stopping = true;
	ev_timer_stop(x->loop, &x->drain);
	set_limit(x, CLOSE_S);
	if (x->own == XenbusStateInitialised || x->own == XenbusStateConnected)
		write_state(x, XenbusStateClosing);
}

/* A violation by the backend was found by a queue. */
static void violation_begin(struct front_xenbus *x)
{
	struct xs_err reason;

	pthread_mutex_lock(&x->d->lock);
	reason = x->d->reason;
	pthread_mutex_unlock(&x->d->lock);
	x->reported = true;
	xs_report_error(x->xs, x->front, x->d->who, EIO, reason.text);
	write_state(x, XenbusStateClosing);
}

static void on_poke(struct ev_loop *loop, ev_async *w, int revents)
{
	struct front_xenbus *x = w->data;

	(void)loop;
	(void)revents;
	drain_check(x);
	if (atomic_load(&x->d->status) == -EIO && !x->reported &&
	    x->own == XenbusStateConnected)
		violation_begin(x);
	if (atomic_load(&x->stop) && !x->stopping)
		stop_begin(x);
	step(x);
}

static void opening_timed_out(struct front_xenbus *x)
{
	char text[FRONT_PATH_MAX + 100];

	if (!x->back[0])
		snprintf(text, sizeof(text),
			 "no such device within %u ms (%s/backend is missing)",
			 x->d->wait_ms, x->front);
	else
		snprintf(text, sizeof(text),
			 "the backend %s is %s, not Connected, after %u ms",
			 x->back, xenbus_state_name(x->other), x->d->wait_ms);
	give_up(x, -ETIMEDOUT, text);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct front_xenbus *x = w->data;

	(void)revents;
	if (!x->stopping) {
		if (is_opening(x))
			opening_timed_out(x);
		return;
	}
	if (x->own == XenbusStateClosing)
		write_state(x, XenbusStateClosed);
	log_warn(x->d->who, "the backend did not close in %.0f s (it is %s)",
		 CLOSE_S, xenbus_state_name(x->other));
	ev_break(loop, EVBREAK_ALL);
}

static void on_refusal(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct front_xenbus *x = w->data;

	(void)loop;
	(void)revents;
	x->refusal_stands = true;
	step(x);
	x->refusal_stands = false;
}

void front_poke(struct front_dev *d)
{
	if (d->xenbus)
		ev_async_send(d->xenbus->loop, &d->xenbus->poke);
}

/* ---- the thread ---- */

static int open_store(struct front_xenbus *x)
{
	uint32_t domid;
	int err;

	err = xs_store_open(&x->xs, x->loop);
	if (!err)
		err = xs_store_domid(x->xs, &domid);
	if (err) {
		front_end(x->d, err, "cannot reach xenstore: %s",
			  strerror(-err));
		return err;
	}
	snprintf(x->front, sizeof(x->front), "/local/domain/%u/device/%s/%u",
		 domid, x->d->class->name, x->d->devid);
	err = xs_watch_add(x->xs, x->front, on_front, x, &x->front_watch);
	if (err)
		front_end(x->d, err, "cannot watch %s: %s", x->front,
			  strerror(-err));
	return err;
}

static void *control_main(void *arg)
{
	struct front_xenbus *x = arg;
	char name[16];

	snprintf(name, sizeof(name), "%s-%u", x->d->class->thread, x->d->devid);
	pthread_setname_np(pthread_self(), name);
	x->own = XenbusStateInitialising;
	if (!open_store(x)) {
		set_limit(x, x->d->wait_ms / 1000.);
		ev_run(x->loop, 0);
	}
	xs_watch_del(x->back_watch);
	xs_watch_del(x->key_watch);
	xs_watch_del(x->front_watch);
	if (x->xs)
		xs_store_close(x->xs);
	return NULL;
}

static int start_thread(struct front_xenbus *x)
{
	sigset_t all, old;
	int err;

	/* Signals are the application's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&x->thread, NULL, control_main, x);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

int front_xenbus_start(struct front_dev *d)
{
	struct front_xenbus *x = calloc(1, sizeof(*x));
	int err;

	if (!x)
		return -ENOMEM;
	x->d = d;
	x->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!x->loop) {
		free(x);
		return -EIO;
	}
	ev_async_init(&x->poke, on_poke);
	ev_init(&x->limit, on_limit);
	ev_init(&x->drain, on_drain);
	ev_init(&x->refusal, on_refusal);
	x->poke.data = x->limit.data = x->drain.data = x->refusal.data = x;
	ev_async_start(x->loop, &x->poke);
	d->xenbus = x;
	err = start_thread(x);
	if (err) {
		d->xenbus = NULL;
		ev_loop_destroy(x->loop);
		free(x);
	}
	return err;
}

void front_xenbus_stop(struct front_dev *d)
{
	struct front_xenbus *x = d->xenbus;

	if (!x)
		return;
	atomic_store(&x->stop, true);
	front_poke(d);
	pthread_join(x->thread, NULL);
	d->xenbus = NULL;
	ev_loop_destroy(x->loop);
	free(x);
}
