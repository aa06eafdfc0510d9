// SPDX-License-Identifier: MIT
/*
 * The control thread of a frontend: its loop and timers, what it watches, and
 * what comes from other threads.  What follows from a state is in
 * front_states.c.
 */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/front_xenbus.h"
#include "hypercall/log.h"

#define CLOSE_S 5.0 /* for the backend to follow us to Closed */

static void step(struct front_xenbus *x);

static void set_limit(struct front_xenbus *x, double seconds)
{
	ev_timer_stop(x->loop, &x->limit);
	ev_now_update(x->loop);
	ev_timer_set(&x->limit, seconds, 0.);
	ev_timer_start(x->loop, &x->limit);
}

/* ---- the device and its backend ---- */

static void on_back(struct xs_watch *w, const char *path, void *arg)
{
	(void)w;
	(void)path;
	step(arg);
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
		front_refuse(x, err, why.text);
		return false;
	}
	front_begin(x);
	err = watch_back(x, "state", &x->back_watch);
	if (!err && x->d->class->back_key)
		err = watch_back(x, x->d->class->back_key, &x->key_watch);
	if (err)
		front_give_up(x, err, "cannot watch the backend's state");
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

static void step(struct front_xenbus *x)
{
	bool ended = atomic_load(&x->d->status) != 0;

	if (!x->back[0] && !x->stopping && !ended)
		find_backend(x);
	if (x->back[0])
		front_walk(x);
	if (x->stopping && front_is_finished(x))
		ev_break(x->loop, EVBREAK_ALL);
}

/* ---- what comes from other threads, and from the clock ---- */

static void stop_begin(struct front_xenbus *x)
{
	x->stopping = true;
	ev_timer_stop(x->loop, &x->drain);
	set_limit(x, CLOSE_S);
	if (x->own == XenbusStateInitialised || x->own == XenbusStateConnected)
		front_write_state(x, XenbusStateClosing);
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
	front_write_state(x, XenbusStateClosing);
}

static void on_poke(struct ev_loop *loop, ev_async *w, int revents)
{
	struct front_xenbus *x = w->data;

	(void)loop;
	(void)revents;
	front_drain_check(x);
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
	front_give_up(x, -ETIMEDOUT, text);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct front_xenbus *x = w->data;

	(void)revents;
	if (!x->stopping) {
		if (front_is_opening(x))
			opening_timed_out(x);
		return;
	}
	if (x->own == XenbusStateClosing)
		front_write_state(x, XenbusStateClosed);
	log_warn(x->d->who, "the backend did not close in %.0f s (it is %s)",
		 CLOSE_S, xenbus_state_name(x->other));
	ev_break(loop, EVBREAK_ALL);
}

static void on_drain(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct front_xenbus *x = w->data;

	(void)loop;
	(void)revents;
	front_drain_check(x);
	step(x);
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
