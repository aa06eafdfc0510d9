// SPDX-License-Identifier: MIT
/*
 * One virtual device in xenstore, as a toolstack sees it.  See xensplit.h.
 *
 * Paths are made here from numbers.  The keys `backend` and `frontend` are not
 * followed: either may have been written by a guest.
 */
#include "tools/xensplit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypercall/xs_parse.h"

static const char *const vbd_classes[] = {"vbd", "xensplit-vbd", "qdisk",
					  "vbd3", NULL};
static const char *const vif_classes[] = {"vif", "xensplit-vif", "qnic", NULL};

const struct pvdev_kind vbd_kind = {"vbd", "disk", vbd_classes, 2};
const struct pvdev_kind vif_kind = {"vif", "NIC", vif_classes, 2};

void pvdev_init(struct pvdev *dev, const struct pvdev_kind *kind,
		const char *class, uint32_t be_domid, uint32_t fe_domid,
		uint32_t devid)
{
	dev->kind = kind;
	dev->class = class;
	dev->be_domid = be_domid;
	dev->fe_domid = fe_domid;
	dev->devid = devid;
	snprintf(dev->be_dir, sizeof(dev->be_dir),
		 "/local/domain/%" PRIu32 "/backend/%s/%" PRIu32 "/%" PRIu32,
		 be_domid, class, fe_domid, devid);
	snprintf(dev->fe_dir, sizeof(dev->fe_dir),
		 "/local/domain/%" PRIu32 "/device/%s/%" PRIu32, fe_domid,
		 kind->type, devid);
	snprintf(dev->error_dir, sizeof(dev->error_dir),
		 "/local/domain/%" PRIu32 "/error/backend/%s/%" PRIu32
		 "/%" PRIu32,
		 be_domid, class, fe_domid, devid);
	if (kind == &vbd_kind)
		vdev_name(devid, dev->name);
	else
		snprintf(dev->name, sizeof(dev->name), "%" PRIu32, devid);
}

uint32_t *pvdev_numbers(struct ctl *ctl, const char *dir, unsigned int *nr)
{
	unsigned int nr_names;
	char **names = xs_list(ctl->xs, XBT_NULL, dir, &nr_names);
	uint32_t *out = calloc(nr_names + 1, sizeof(*out));
	uint64_t n;

	*nr = 0;
	for (unsigned int i = 0; out && i < nr_names; i++) {
		unsigned int at = *nr;

		if (xs_parse_u64(names[i], strlen(names[i]), 0, UINT32_MAX, &n))
			continue;
		while (at && out[at - 1] > n) {
			out[at] = out[at - 1];
			at--;
		}
		out[at] = (uint32_t)n;
		(*nr)++;
	}
	free(names);
	return out;
}

static void each_of_class(struct ctl *ctl, const struct pvdev *like,
			  void (*fn)(const struct pvdev *dev, void *arg),
			  void *arg)
{
	char dir[PVDEV_PATH_MAX];
	unsigned int nr_fes, nr_ids;
	uint32_t *fes, *ids;
	struct pvdev dev;

	snprintf(dir, sizeof(dir), "/local/domain/%" PRIu32 "/backend/%s",
		 like->be_domid, like->class);
	fes = pvdev_numbers(ctl, dir, &nr_fes);
	for (unsigned int f = 0; fes && f < nr_fes; f++) {
		snprintf(dir, sizeof(dir),
			 "/local/domain/%" PRIu32 "/backend/%s/%" PRIu32,
			 like->be_domid, like->class, fes[f]);
		ids = pvdev_numbers(ctl, dir, &nr_ids);
		for (unsigned int i = 0; ids && i < nr_ids; i++) {
			pvdev_init(&dev, like->kind, like->class,
				   like->be_domid, fes[f], ids[i]);
			fn(&dev, arg);
		}
		free(ids);
	}
	free(fes);
}

void pvdev_each(struct ctl *ctl, const struct pvdev_kind *kind,
		void (*fn)(const struct pvdev *dev, void *arg), void *arg)
{
	unsigned int nr;
	uint32_t *backends = ctl_domains(ctl, &nr);

	for (unsigned int i = 0; backends && i < nr; i++) {
		for (unsigned int c = 0; kind->classes[c]; c++) {
			struct pvdev like = {.kind = kind,
					     .class = kind->classes[c],
					     .be_domid = backends[i]};

			each_of_class(ctl, &like, fn, arg);
		}
	}
	free(backends);
}

int pvdev_find(struct ctl *ctl, const struct pvdev_kind *kind,
	       uint32_t fe_domid, uint32_t devid, struct pvdev *dev)
{
	unsigned int nr;
	uint32_t *ids = ctl_domains(ctl, &nr);
	int res = ids ? -ENOENT : -ENOMEM;

	for (unsigned int i = 0; ids && res == -ENOENT && i < nr; i++) {
		for (unsigned int c = 0; kind->classes[c]; c++) {
			pvdev_init(dev, kind, kind->classes[c], ids[i],
				   fe_domid, devid);
			/* xs_node_exists() is true of what may not be read:
			 * other domains' backends, seen from a driver
			 * domain. */
			if (xs_node_exists(ctl->xs, XBT_NULL, dev->be_dir) &&
			    (!ctl->own_domid || ids[i] == ctl->own_domid)) {
				res = 0;
				break;
			}
		}
	}
	free(ids);
	return res;
}

static bool look_error(struct ctl *ctl, const char *dir, const char *key,
		       const char *prefix, char out[PVDEV_VALUE_MAX])
{
	char text[4096], shown[PVDEV_VALUE_MAX - 64];
	const char *p = text;

	if (xs_read_str(ctl->xs, XBT_NULL, dir, key, text, sizeof(text),
			NULL) ||
	    !text[0])
		return false;
	/* "22 text": the number is for programs */
	while (*p >= '0' && *p <= '9')
		p++;
	p = p > text && *p == ' ' ? p + 1 : text;
	xs_printable(shown, sizeof(shown), p, strlen(p));
	snprintf(out, PVDEV_VALUE_MAX, "%s%s", prefix, shown);
	return true;
}

void pvdev_look(struct ctl *ctl, const struct pvdev *dev,
		struct pvdev_view *view)
{
	char fe_error[PVDEV_PATH_MAX], status[16];

	memset(view, 0, sizeof(*view));
	view->be_exists = xs_node_exists(ctl->xs, XBT_NULL, dev->be_dir);
	view->fe_exists = xs_node_exists(ctl->xs, XBT_NULL, dev->fe_dir);
	/* out of range counts as unknown here */
	xs_read_state(ctl->xs, XBT_NULL, dev->be_dir, &view->be, NULL);
	xs_read_state(ctl->xs, XBT_NULL, dev->fe_dir, &view->fe, NULL);

	if (look_error(ctl, dev->be_dir, "error", "", view->error))
		return;
	if (!xs_read_str(ctl->xs, XBT_NULL, dev->be_dir, "hotplug-status",
			 status, sizeof(status), NULL) &&
	    !strcmp(status, "error")) {
		if (!look_error(ctl, dev->be_dir, "hotplug-error",
				"hotplug script: ", view->error))
			snprintf(view->error, sizeof(view->error),
				 "the hotplug script failed");
		return;
	}
	snprintf(fe_error, sizeof(fe_error),
		 "/local/domain/%" PRIu32 "/error/device/%s/%" PRIu32,
		 dev->fe_domid, dev->kind->type, dev->devid);
	if (view->fe >= XenbusStateClosing)
		look_error(ctl, fe_error, "error", "frontend: ", view->error);
}

struct wait {
	struct ctl *ctl;
	const struct pvdev *dev;
	pvdev_until until;
	struct pvdev_view *view;
	bool reached, timed_out;
};

static void wait_look(struct wait *w)
{
	pvdev_look(w->ctl, w->dev, w->view);
	if (w->until(w->view)) {
		w->reached = true;
		ev_break(w->ctl->loop, EVBREAK_ALL);
	}
}

static void wait_changed(struct xs_watch *watch, const char *path, void *arg)
{
	struct wait *w = arg;

	(void)watch;
	(void)path;
	if (!w->reached)
		wait_look(w);
}

static void wait_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct wait *w = timer->data;

	(void)revents;
	w->timed_out = true;
	ev_break(loop, EVBREAK_ALL);
}

int pvdev_wait(struct ctl *ctl, const struct pvdev *dev, double seconds,
	       pvdev_until until, struct pvdev_view *view)
{
	struct wait w = {.ctl = ctl, .dev = dev, .until = until, .view = view};
	struct xs_watch *be = NULL, *fe = NULL;
	ev_timer timer;
	int res;

	res = xs_watch_add(ctl->xs, dev->be_dir, wait_changed, &w, &be);
	if (!res)
		res = xs_watch_add(ctl->xs, dev->fe_dir, wait_changed, &w, &fe);
	if (res)
		goto out;
	ev_now_update(ctl->loop);
	ev_timer_init(&timer, wait_timer, seconds, 0.);
	timer.data = &w;
	ev_timer_start(ctl->loop, &timer);
	while (!w.reached && !w.timed_out && !ctl->interrupted && !ctl->lost)
		ev_run(ctl->loop, EVRUN_ONCE);
	ev_timer_stop(ctl->loop, &timer);
	if (w.reached)
		res = 0;
	else if (ctl->lost)
		res = -ENOTCONN;
	else if (ctl->interrupted)
		res = -EINTR;
	else
		res = -ETIMEDOUT;
	if (res == -ETIMEDOUT)
		pvdev_look(ctl, dev, view);
out:
	xs_watch_del(be);
	xs_watch_del(fe);
	return res;
}

bool pvdev_backend_closed(const struct pvdev_view *view)
{
	return !view->be_exists || view->be == XenbusStateClosed;
}

struct closing {
	const struct pvdev *dev;
	bool force;
};

static int closing_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	struct closing *c = arg;
	const char *dir = c->dev->be_dir;
	enum xenbus_state state = XenbusStateUnknown;
	int res;

	if (!xs_node_exists(xs, t, dir))
		return -ENOENT;
	xs_read_state(xs, t, dir, &state, NULL);
	res = xs_writef(xs, t, dir, "online", "0");
	if (!res && c->force)
		res = xs_writef(xs, t, dir, "xensplit/force", "1");
	if (!res && state != XenbusStateClosed)
		res = xs_writef(xs, t, dir, "state", "%d", XenbusStateClosing);
	return res;
}

int pvdev_ask_to_close(struct ctl *ctl, const struct pvdev *dev, bool force)
{
	struct closing c = {dev, force};

	return xs_transact(ctl->xs, closing_body, &c);
}

static int remove_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	const struct pvdev *dev = arg;
	char stop[PVDEV_PATH_MAX];
	int res;

	snprintf(stop, sizeof(stop), "/local/domain/%" PRIu32 "/device",
		 dev->fe_domid);
	res = xs_remove_tree(xs, t, dev->fe_dir, stop);
	if (res)
		return res;
	snprintf(stop, sizeof(stop), "/local/domain/%" PRIu32 "/backend",
		 dev->be_domid);
	return xs_remove_tree(xs, t, dev->be_dir, stop);
}

int pvdev_remove(struct ctl *ctl, const struct pvdev *dev)
{
	return xs_transact(ctl->xs, remove_body, (void *)dev);
}

void pvdev_clear_error(struct ctl *ctl, const struct pvdev *dev)
{
	char stop[PVDEV_PATH_MAX];

	snprintf(stop, sizeof(stop), "/local/domain/%" PRIu32 "/error",
		 dev->be_domid);
	if (xs_node_exists(ctl->xs, XBT_NULL, dev->error_dir))
		xs_remove_tree(ctl->xs, XBT_NULL, dev->error_dir, stop);
}

void pvdev_json(const struct pvdev *dev, json_t *obj)
{
	json_object_set_new(obj, "domain", json_integer(dev->fe_domid));
	if (dev->kind == &vbd_kind)
		json_object_set_new(obj, "vdev", json_text(dev->name));
	json_object_set_new(obj, "devid", json_integer(dev->devid));
	json_object_set_new(obj, "backend_domain", json_integer(dev->be_domid));
	json_object_set_new(obj, "class", json_text(dev->class));
	json_object_set_new(obj, "backend", json_text(dev->be_dir));
	json_object_set_new(obj, "frontend", json_text(dev->fe_dir));
}
