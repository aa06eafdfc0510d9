// SPDX-License-Identifier: MIT
/*
 * The supervisor's life: opening, the list of what is to be looked at,
 * signals, stopping.  Tables and watches are in super_tables.c, what a device
 * does next in device.c.
 */
#include "backend/super.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/control.h"
#include "backend/image_lock.h"
#include "backend/size_watch.h"
#include "backend/vif_hotplug.h"
#include "backend/worker_handle.h"

/* How long devices get to close in order before they are forced. */
#define STOP_S 4.0
/* Everything is forced and still not done: the process ends regardless. */
#define STOP_HURRY_S 5.0

/* ---- the dirty list ---- */

static void work_off(struct supervisor *super)
{
	struct device *last = TAILQ_LAST(&super->dirty, device_queue), *dev;

	/* What becomes dirty meanwhile waits for the next turn, so that
	 * sockets and signals get theirs. */
	while ((dev = TAILQ_FIRST(&super->dirty))) {
		bool is_last = dev == last;

		TAILQ_REMOVE(&super->dirty, dev, dirty);
		dev->is_dirty = false;
		device_evaluate(dev);
		if (is_last)
			break;
	}
	if (TAILQ_EMPTY(&super->dirty))
		ev_idle_stop(super->loop, &super->more);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *p, int revents)
{
	(void)loop;
	(void)revents;
	work_off(p->data);
}

/* Keeps the loop from sleeping; the work is done before it would. */
static void on_more(struct ev_loop *loop, ev_idle *i, int revents)
{
	(void)loop;
	(void)i;
	(void)revents;
}

/* ---- stopping ---- */

static void mark_all(struct supervisor *super)
{
	struct device *dev;

	for (dev = TAILQ_FIRST(&super->devices); dev;
	     dev = TAILQ_NEXT(dev, all))
		device_mark(dev);
}

void super_check_stopped(struct supervisor *super)
{
	if (super->stopping && !super->nr_devices && !super->nr_workers &&
	    LIST_EMPTY(&super->scripts))
		ev_break(super->loop, EVBREAK_ALL);
}

static void on_stop_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct supervisor *super = t->data;

	(void)revents;
	if (super->hurry) {
		log_err("-", "%u devices and %u workers do not end",
			super->nr_devices, super->nr_workers);
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	log_warn("-", "%u devices are slow to close: forcing them",
		 super->nr_devices);
	super->hurry = true;
	mark_all(super);
	ev_timer_stop(loop, t);
	ev_timer_set(t, STOP_HURRY_S, 0.);
	ev_timer_start(loop, t);
}

static void on_stop(struct ev_loop *loop, ev_signal *s, int revents)
{
	struct supervisor *super = s->data;

	(void)revents;
	if (super->stopping)
		return;
	super->stopping = true;
	log_info("-", "stopping: closing %u devices", super->nr_devices);
	ev_timer_start(loop, &super->stop_timer);
	mark_all(super);
	super_check_stopped(super);
}

void super_recheck_all(struct supervisor *super)
{
	struct device *dev;

	for (dev = TAILQ_FIRST(&super->devices); dev;
	     dev = TAILQ_NEXT(dev, all)) {
		dev->recheck = true;
		device_mark(dev);
	}
}

static void on_hup(struct ev_loop *loop, ev_signal *s, int revents)
{
	(void)loop;
	(void)revents;
	super_recheck_all(s->data);
}

static void on_store_lost(struct xs_store *xs, void *arg)
{
	(void)xs;
	(void)arg;
	log_err("-", "connected devices go on; nothing can be attached, "
		     "detached or closed until this program is started again");
}

/* ---- life ---- */

static void start_watchers(struct supervisor *super)
{
	ev_signal_init(&super->sigterm, on_stop, SIGTERM);
	ev_signal_init(&super->sigint, on_stop, SIGINT);
	ev_signal_init(&super->sighup, on_hup, SIGHUP);
	ev_timer_init(&super->stop_timer, on_stop_timer, STOP_S, 0.);
	ev_prepare_init(&super->prepare, on_prepare);
	ev_idle_init(&super->more, on_more);
	super->sigterm.data = super->sigint.data = super->sighup.data = super;
	super->stop_timer.data = super->prepare.data = super;
	ev_signal_start(super->loop, &super->sigterm);
	ev_signal_start(super->loop, &super->sigint);
	ev_signal_start(super->loop, &super->sighup);
	ev_prepare_start(super->loop, &super->prepare);
}

static int open_parts(struct supervisor *super)
{
	int err;

	super->locks = image_locks_new();
	if (!super->locks)
		return -ENOMEM;
	err = size_watches_open(&super->sizes, super->loop);
	if (err)
		log_warn("-", "images will not be watched for new sizes: %s",
			 strerror(-err));
	err = xs_store_open(&super->xs, super->loop);
	if (err) {
		log_err("-", "cannot open xenstore: %s", strerror(-err));
		return err;
	}
	xs_store_on_lost(super->xs, on_store_lost, super);
	err = xs_store_domid(super->xs, &super->domid);
	if (err) {
		log_err("-", "cannot read the own domain id: %s",
			strerror(-err));
		return err;
	}
	if (super->opt->control) {
		err = control_open(&super->control, super, super->opt->control);
		if (err)
			return err;
	}
	return super_watch_classes(super);
}

int super_open(struct supervisor **out, const struct super_options *opt)
{
	struct supervisor *super = calloc(1, sizeof(*super));
	int err;

	if (!super)
		return -ENOMEM;
	super->opt = opt;
	TAILQ_INIT(&super->devices);
	TAILQ_INIT(&super->dirty);
	LIST_INIT(&super->workers);
	LIST_INIT(&super->scripts);
	/* Not the default loop, which would reap our children. */
	super->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!super->loop) {
		free(super);
		return -ENOMEM;
	}
	start_watchers(super);
	err = open_parts(super);
	if (err) {
		super_close(super);
		return err;
	}
	log_info("-", "serving backends of domain %" PRIu32, super->domid);
	*out = super;
	return 0;
}

static void tell_ready(struct supervisor *super)
{
	ssize_t n;

	if (super->opt->ready_fd < 0)
		return;
	do {
		n = write(super->opt->ready_fd, "ready\n", 6);
	} while (n < 0 && errno == EINTR);
	close(super->opt->ready_fd);
}

void super_run(struct supervisor *super)
{
	tell_ready(super);
	ev_run(super->loop, 0);
	log_info("-", "stopped");
}

void super_close(struct supervisor *super)
{
	unsigned int i;

	if (!super)
		return;
	/* Devices are gone by now; if some would not go, the process ends
	 * with them. */
	control_close(super->control);
	vif_hotplug_stop(super);
	for (i = 0; i < super->nr_classes; i++)
		xs_watch_del(super->class_watches[i].watch);
	xs_watch_del(super->release_watch);
	if (!super->nr_devices) {
		ev_prepare_stop(super->loop, &super->prepare);
		xs_store_close(super->xs);
		size_watches_close(super->sizes);
		image_locks_free(super->locks);
		free(super->class_watches);
		ev_loop_destroy(super->loop);
		free(super);
	}
}
