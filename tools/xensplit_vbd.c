// SPDX-License-Identifier: MIT
/*
 * One virtual disk in xenstore, as a toolstack sees it.  See xensplit.h.
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

const char *const vbd_classes[] = {"vbd", "xensplit-vbd", "qdisk", "vbd3",
				   NULL};

void vbd_init(struct vbd *vbd, const char *class, uint32_t be_domid,
	      uint32_t fe_domid, uint32_t devid)
{
	vbd->class = class;
	vbd->be_domid = be_domid;
	vbd->fe_domid = fe_domid;
	vbd->devid = devid;
	snprintf(vbd->be_dir, sizeof(vbd->be_dir),
		 "/local/domain/%" PRIu32 "/backend/%s/%" PRIu32 "/%" PRIu32,
		 be_domid, class, fe_domid, devid);
	snprintf(vbd->fe_dir, sizeof(vbd->fe_dir),
		 "/local/domain/%" PRIu32 "/device/vbd/%" PRIu32, fe_domid,
		 devid);
	snprintf(vbd->error_dir, sizeof(vbd->error_dir),
		 "/local/domain/%" PRIu32 "/error/backend/%s/%" PRIu32
		 "/%" PRIu32,
		 be_domid, class, fe_domid, devid);
	vdev_name(devid, vbd->vdev);
}

int vbd_find(struct ctl *ctl, uint32_t fe_domid, uint32_t devid,
	     struct vbd *vbd)
{
	unsigned int nr;
	uint32_t *ids = ctl_domains(ctl, &nr);
	int res = ids ? -ENOENT : -ENOMEM;

	for (unsigned int i = 0; ids && res == -ENOENT && i < nr; i++) {
		for (unsigned int c = 0; vbd_classes[c]; c++) {
			vbd_init(vbd, vbd_classes[c], ids[i], fe_domid, devid);
			/* xs_node_exists() is true of what may not be read:
			 * other domains' backends, seen from a driver
			 * domain. */
			if (xs_node_exists(ctl->xs, XBT_NULL, vbd->be_dir) &&
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
		       const char *prefix, char out[VBD_VALUE_MAX])
{
	char text[4096], shown[VBD_VALUE_MAX - 64];
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
	snprintf(out, VBD_VALUE_MAX, "%s%s", prefix, shown);
	return true;
}

void vbd_look(struct ctl *ctl, const struct vbd *vbd, struct vbd_view *view)
{
	char fe_error[VBD_PATH_MAX], status[16];

	memset(view, 0, sizeof(*view));
	view->be_exists = xs_node_exists(ctl->xs, XBT_NULL, vbd->be_dir);
	view->fe_exists = xs_node_exists(ctl->xs, XBT_NULL, vbd->fe_dir);
	/* out of range counts as unknown here */
	xs_read_state(ctl->xs, XBT_NULL, vbd->be_dir, &view->be, NULL);
	xs_read_state(ctl->xs, XBT_NULL, vbd->fe_dir, &view->fe, NULL);

	if (look_error(ctl, vbd->be_dir, "error", "", view->error))
		return;
	if (!xs_read_str(ctl->xs, XBT_NULL, vbd->be_dir, "hotplug-status",
			 status, sizeof(status), NULL) &&
	    !strcmp(status, "error")) {
		if (!look_error(ctl, vbd->be_dir, "hotplug-error",
				"hotplug script: ", view->error))
			snprintf(view->error, sizeof(view->error),
				 "the hotplug script failed");
		return;
	}
	snprintf(fe_error, sizeof(fe_error),
		 "/local/domain/%" PRIu32 "/error/device/vbd/%" PRIu32,
		 vbd->fe_domid, vbd->devid);
	if (view->fe >= XenbusStateClosing)
		look_error(ctl, fe_error, "error", "frontend: ", view->error);
}

struct wait {
	struct ctl *ctl;
	const struct vbd *vbd;
	vbd_until until;
	struct vbd_view *view;
	bool reached, timed_out;
};

static void wait_look(struct wait *w)
{
	vbd_look(w->ctl, w->vbd, w->view);
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

int vbd_wait(struct ctl *ctl, const struct vbd *vbd, double seconds,
	     vbd_until until, struct vbd_view *view)
{
	struct wait w = {.ctl = ctl, .vbd = vbd, .until = until, .view = view};
	struct xs_watch *be = NULL, *fe = NULL;
	ev_timer timer;
	int res;

	res = xs_watch_add(ctl->xs, vbd->be_dir, wait_changed, &w, &be);
	if (!res)
		res = xs_watch_add(ctl->xs, vbd->fe_dir, wait_changed, &w, &fe);
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
		vbd_look(ctl, vbd, view);
out:
	xs_watch_del(be);
	xs_watch_del(fe);
	return res;
}

bool vbd_backend_closed(const struct vbd_view *view)
{
	return !view->be_exists || view->be == XenbusStateClosed;
}

struct closing {
	const struct vbd *vbd;
	bool force;
};

static int closing_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	struct closing *c = arg;
	const char *dir = c->vbd->be_dir;
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

int vbd_ask_to_close(struct ctl *ctl, const struct vbd *vbd, bool force)
{
	struct closing c = {vbd, force};

	return xs_transact(ctl->xs, closing_body, &c);
}

static int remove_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	const struct vbd *vbd = arg;
	char stop[VBD_PATH_MAX];
	int res;

	snprintf(stop, sizeof(stop), "/local/domain/%" PRIu32 "/device",
		 vbd->fe_domid);
	res = xs_remove_tree(xs, t, vbd->fe_dir, stop);
	if (res)
		return res;
	snprintf(stop, sizeof(stop), "/local/domain/%" PRIu32 "/backend",
		 vbd->be_domid);
	return xs_remove_tree(xs, t, vbd->be_dir, stop);
}

int vbd_remove(struct ctl *ctl, const struct vbd *vbd)
{
	return xs_transact(ctl->xs, remove_body, (void *)vbd);
}

void vbd_clear_error(struct ctl *ctl, const struct vbd *vbd)
{
	char stop[VBD_PATH_MAX];

	snprintf(stop, sizeof(stop), "/local/domain/%" PRIu32 "/error",
		 vbd->be_domid);
	if (xs_node_exists(ctl->xs, XBT_NULL, vbd->error_dir))
		xs_remove_tree(ctl->xs, XBT_NULL, vbd->error_dir, stop);
}

void vbd_json(const struct vbd *vbd, json_t *obj)
{
	json_object_set_new(obj, "domain", json_integer(vbd->fe_domid));
	json_object_set_new(obj, "vdev", json_text(vbd->vdev));
	json_object_set_new(obj, "devid", json_integer(vbd->devid));
	json_object_set_new(obj, "backend_domain", json_integer(vbd->be_domid));
	json_object_set_new(obj, "class", json_text(vbd->class));
	json_object_set_new(obj, "backend", json_text(vbd->be_dir));
	json_object_set_new(obj, "frontend", json_text(vbd->fe_dir));
}
