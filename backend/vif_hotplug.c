// SPDX-License-Identifier: MIT
/* See vif_hotplug.h. */
#include "backend/vif_hotplug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/hotplug.h"
#include "backend/hotplug_status.h"
#include "backend/super.h"

/* As libxl. */
#define SCRIPT_S 40.0

struct hotplug_run {
	struct supervisor *super;
	struct hotplug hotplug;
	const char *class; /* below backend/ */
	uint32_t fe_domid, devid;
	bool online;        /* what runs */
	bool again, wanted; /* and what is to run then */
	char name[DEVICE_NAME_MAX], be_dir[DEVICE_PATH_MAX];
	char script[VIF_TEXT_MAX], netdev[VIF_TEXT_MAX];
	ev_io io;
	ev_timer timer;
	LIST_ENTRY(hotplug_run) link;
};

static void start(struct hotplug_run *r);

static int fail_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	struct hotplug_run *r = ((void **)arg)[0];
	const struct xs_err *err = ((void **)arg)[1];
	char path[DEVICE_PATH_MAX + 16], status[16];

	snprintf(path, sizeof(path), "%s/state", r->be_dir);
	if (!xs_node_exists(xs, t, path))
		return 0;
	if (!xs_read_str(xs, t, r->be_dir, "hotplug-status", status,
			 sizeof(status), NULL) &&
	    !strcmp(status, "error"))
		return 0;
	if (xs_writef(xs, t, r->be_dir, "hotplug-error", "%s", err->text))
		return 0;
	xs_writef(xs, t, r->be_dir, "hotplug-status", "error");
	return 0;
}

static void failed(struct hotplug_run *r, const struct xs_err *err)
{
	const void *arg[] = {r, err};

	log_err(r->name, "%s", err->text);
	if (r->online)
		xs_transact(r->super->xs, fail_body, arg);
}

static void forget(struct hotplug_run *r)
{
	struct supervisor *super = r->super;

	LIST_REMOVE(r, link);
	free(r);
	super_check_stopped(super);
}

static void ended(struct hotplug_run *r)
{
	struct xs_err err;

	ev_io_stop(r->super->loop, &r->io);
	ev_timer_stop(r->super->loop, &r->timer);
	if (hotplug_end(&r->hotplug, &err))
		failed(r, &err);
	if (!r->again || r->wanted == r->online) {
		forget(r);
		return;
	}
	r->again = false;
	r->online = r->wanted;
	start(r);
}

static void on_end(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	ended(io->data);
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	ended(timer->data);
}

static void start(struct hotplug_run *r)
{
	struct xs_err err;

	if (hotplug_start(&r->hotplug, r->script, r->class, r->fe_domid,
			  r->devid, r->netdev, r->online, &err)) {
		failed(r, &err);
		forget(r);
		return;
	}
	log_debug(r->name, "%s %s", r->script,
		  r->online ? "online" : "offline");
	ev_io_init(&r->io, on_end, r->hotplug.pidfd, EV_READ);
	ev_timer_init(&r->timer, on_time, SCRIPT_S, 0.);
	r->io.data = r->timer.data = r;
	ev_io_start(r->super->loop, &r->io);
	ev_timer_start(r->super->loop, &r->timer);
}

static void run(struct device *dev, const char *script, bool online)
{
	struct supervisor *super = dev->super;
	struct hotplug_run *r;

	for (r = LIST_FIRST(&super->scripts); r; r = LIST_NEXT(r, link)) {
		if (strcmp(r->be_dir, dev->be_dir))
			continue;
		r->again = true;
		r->wanted = online;
		return;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		log_err(dev->name, "no memory for its hotplug script");
		return;
	}
	r->super = super;
	r->class = dev->class->type;
	r->fe_domid = dev->fe_domid;
	r->devid = dev->devid;
	r->online = online;
	snprintf(r->name, sizeof(r->name), "%s", dev->name);
	snprintf(r->be_dir, sizeof(r->be_dir), "%s", dev->be_dir);
	snprintf(r->script, sizeof(r->script), "%s", script);
	if (xs_read_str(super->xs, XBT_NULL, dev->be_dir, "gatewaydev",
			r->netdev, sizeof(r->netdev), NULL))
		r->netdev[0] = '\0';
	LIST_INSERT_HEAD(&super->scripts, r, link);
	start(r);
}

void vif_hotplug(struct device *dev, const char *script, bool online)
{
	if (dev->super->opt->run_scripts && script[0])
		run(dev, script, online);
}

static int reset_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	struct device *dev = arg;
	struct xs_err err;

	if (hotplug_status_read(xs, t, vif_keys, dev->be_dir, &err))
		return -ENOENT;
	return xs_writef(xs, t, dev->be_dir, "hotplug-status", "%s", "");
}

void vif_hotplug_new_link(struct device *dev, const char *script)
{
	if (!script[0])
		return;
	if (!xs_transact(dev->super->xs, reset_body, dev))
		run(dev, script, true);
	else
		vif_hotplug(dev, script, true);
}

void vif_hotplug_stop(struct supervisor *super)
{
	struct hotplug_run *r;

	while ((r = LIST_FIRST(&super->scripts))) {
		r->again = false;
		ended(r);
	}
}
