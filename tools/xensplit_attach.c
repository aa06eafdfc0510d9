// SPDX-License-Identifier: MIT
/* See xensplit_attach.h. */
#include "tools/xensplit_attach.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypercall/kernel_backend.h"

/* The part of the time limit that undoing may take. */
#define UNDO_SECONDS 1.0

/* -- writing -- */

static int make_dir(struct xs_store *xs, xs_transaction_t t, const char *dir,
		    uint32_t owner, uint32_t reader)
{
	struct xs_permissions perms[2] = {
		{.id = owner, .perms = XS_PERM_NONE},
		{.id = reader, .perms = XS_PERM_READ},
	};
	struct xs_handle *h = xs_store_handle(xs);

	if (!xs_mkdir(h, t, dir) || !xs_set_permissions(h, t, dir, perms, 2))
		return -errno;
	return 0;
}

int attach_write_keys(struct xs_store *xs, xs_transaction_t t, const char *dir,
		      const struct attach_key *keys)
{
	int res = 0;

	for (; !res && keys->key; keys++) {
		if (keys->value)
			res = xs_writef(xs, t, dir, keys->key, "%s",
					keys->value);
	}
	return res;
}

static int write_backend(struct xs_store *xs, xs_transaction_t t,
			 const struct pvdev *dev)
{
	char fe[16];
	const struct attach_key keys[] = {
		{"frontend", dev->fe_dir},
		{"frontend-id", fe},
		{"online", "1"},
		{"state", "1"},
		{NULL, NULL},
	};
	int res = make_dir(xs, t, dev->be_dir, dev->be_domid, dev->fe_domid);

	snprintf(fe, sizeof(fe), "%" PRIu32, dev->fe_domid);
	return res ? res : attach_write_keys(xs, t, dev->be_dir, keys);
}

static int write_frontend(struct xs_store *xs, xs_transaction_t t,
			  const struct pvdev *dev)
{
	char be[16];
	const struct attach_key keys[] = {
		{"backend", dev->be_dir},
		{"backend-id", be},
		{"state", "1"},
		{NULL, NULL},
	};
	int res;

	/* Left over from a device whose backend is gone. */
	res = xs_remove(xs, t, dev->fe_dir);
	if (!res)
		res = make_dir(xs, t, dev->fe_dir, dev->fe_domid,
			       dev->be_domid);
	snprintf(be, sizeof(be), "%" PRIu32, dev->be_domid);
	return res ? res : attach_write_keys(xs, t, dev->fe_dir, keys);
}

static int write_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	struct attach *a = arg;
	int res;

	if (xs_node_exists(xs, t, a->dev.be_dir))
		return -EEXIST;
	res = write_backend(xs, t, &a->dev);
	if (!res)
		res = write_frontend(xs, t, &a->dev);
	return res ? res : a->class->write_keys(a, xs, t);
}

static int already_attached(struct attach *a, const struct pvdev *other)
{
	pvdev_look(&a->ctl, other, &a->view);
	xs_err_set(&a->why,
		   "already attached to domain %" PRIu32 " as %s %" PRIu32
		   " (by domain %" PRIu32 ": backend %s, frontend %s)",
		   other->fe_domid, other->kind->what, other->devid,
		   other->be_domid, xenbus_state_name(a->view.be),
		   xenbus_state_name(a->view.fe));
	return -EEXIST;
}

static int write_device(struct attach *a)
{
	struct pvdev other;
	int res;

	if (!pvdev_find(&a->ctl, a->dev.kind, a->dev.fe_domid, a->dev.devid,
			&other))
		return already_attached(a, &other);
	pvdev_clear_error(&a->ctl, &a->dev);
	res = xs_transact(a->ctl.xs, write_body, a);
	if (res == -EEXIST)
		return already_attached(a, &a->dev);
	if (res == -EACCES || res == -EPERM)
		xs_err_set(&a->why,
			   "this domain (%" PRIu32 ") may not attach a %s; "
			   "run this in domain 0",
			   a->ctl.own_domid, a->dev.kind->what);
	else if (res == -ENOENT)
		/* xenstored takes permissions only for domains it serves */
		xs_err_set(&a->why,
			   "domain %" PRIu32 " or %" PRIu32
			   " is not (or no more) known to xenstored",
			   a->dev.be_domid, a->dev.fe_domid);
	else if (res)
		xs_err_set(&a->why, "cannot write %s: %s", a->dev.be_dir,
			   strerror(-res));
	return res;
}

/* -- waiting -- */

static bool has_failed(const struct pvdev_view *v)
{
	return !v->be_exists || !v->fe_exists || v->error[0] ||
	       v->be >= XenbusStateClosing || v->fe >= XenbusStateClosing;
}

static bool is_connected(const struct pvdev_view *v)
{
	return !has_failed(v) && v->be == XenbusStateConnected &&
	       v->fe == XenbusStateConnected;
}

static bool is_ready(const struct pvdev_view *v)
{
	return !has_failed(v) && v->be >= XenbusStateInitWait;
}

static bool connected_or_failed(const struct pvdev_view *v)
{
	return is_connected(v) || has_failed(v);
}

static bool ready_or_failed(const struct pvdev_view *v)
{
	return is_ready(v) || has_failed(v);
}

static void explain_failure(struct attach *a)
{
	const struct pvdev_view *v = &a->view;

	if (v->error[0])
		xs_err_set(&a->why, "%.200s", v->error);
	else if (!v->be_exists)
		xs_err_set(&a->why, "the backend's directory was removed");
	else if (!v->fe_exists)
		xs_err_set(&a->why, "the frontend's directory was removed");
	else if (v->be >= XenbusStateClosing)
		xs_err_set(&a->why,
			   "the backend in domain %" PRIu32
			   " closed the device and left no reason (state %s)",
			   a->dev.be_domid, xenbus_state_name(v->be));
	else
		xs_err_set(&a->why,
			   "the frontend of domain %" PRIu32
			   " closed the device (state %s)",
			   a->dev.fe_domid, xenbus_state_name(v->fe));
}

static void explain_timeout(struct attach *a, double seconds)
{
	const struct pvdev_view *v = &a->view;

	if (v->be < XenbusStateInitWait)
		xs_err_set(&a->why,
			   "no backend is serving domain %" PRIu32
			   "'s backend/%s (is xensplitd running there?)",
			   a->dev.be_domid, a->dev.class);
	else if (v->fe == XenbusStateConnected)
		xs_err_set(&a->why,
			   "the backend in domain %" PRIu32
			   " did not connect in %g s (it is in state %s)",
			   a->dev.be_domid, seconds, xenbus_state_name(v->be));
	else
		xs_err_set(&a->why,
			   "frontend of domain %" PRIu32
			   " did not connect in %g s (it is in state %s)",
			   a->dev.fe_domid, seconds, xenbus_state_name(v->fe));
}

static double undo_seconds(const struct attach *a)
{
	return a->timeout > 2 * UNDO_SECONDS ? UNDO_SECONDS : a->timeout / 2;
}

static int wait_until(struct attach *a, pvdev_until until)
{
	double left = a->deadline - ev_time();
	int res;

	res = pvdev_wait(&a->ctl, &a->dev, left > 0.01 ? left : 0.01, until,
			 &a->view);
	if (!res && !has_failed(&a->view))
		return 0;
	if (!res)
		explain_failure(a);
	else if (res == -ETIMEDOUT)
		explain_timeout(a, a->timeout - undo_seconds(a));
	else if (res == -EINTR)
		xs_err_set(&a->why, "interrupted");
	else
		xs_err_set(&a->why, "the connection to xenstore is lost: %s",
			   strerror(-res));
	return res ? res : -EIO;
}

static bool runs_script(const struct attach *a)
{
	return a->class->has_script && a->class->has_script(a);
}

/* The script needs what the backend made, and the frontend's end is not
 * connected before it has run. */
static int wait_for_device(struct attach *a)
{
	int res = 0;

	a->deadline = ev_time() + a->timeout - undo_seconds(a);
	if (runs_script(a)) {
		res = wait_until(a, ready_or_failed);
		if (!res) {
			a->online = true;
			res = a->class->run_script(a, true,
						   a->deadline - ev_time());
		}
	}
	if (!res && a->wait == WAIT_BACKEND)
		res = wait_until(a, ready_or_failed);
	else if (!res && a->wait == WAIT_CONNECTED)
		res = wait_until(a, connected_or_failed);
	return res;
}

/* Gives the backend the rest of the time to let go, then removes what is
 * left.  It looks at directories only; a backend that is late finds its own
 * gone, which it has to take as the end anyway. */
static void undo(struct attach *a)
{
	struct pvdev_view view;
	int res;

	a->ctl.interrupted = false;
	pvdev_look(&a->ctl, &a->dev, &view);
	if (!pvdev_ask_to_close(&a->ctl, &a->dev, true) &&
	    view.be > XenbusStateInitialising)
		pvdev_wait(&a->ctl, &a->dev, undo_seconds(a),
			   pvdev_backend_closed, &view);
	if (a->online)
		a->class->run_script(a, false, UNDO_SECONDS);
	res = pvdev_remove(&a->ctl, &a->dev);
	if (res)
		complain("cannot remove %s: %s", a->dev.be_dir, strerror(-res));
	xs_writef(a->ctl.xs, XBT_NULL, a->dev.error_dir, "error", "%d %s", EIO,
		  a->why.text);
}

/* -- the command -- */

/* Of those that xensplitd serves: one of our own where the kernel of that
 * domain, which can only be asked here, serves what toolstacks write. */
static const char *backend_class(const struct attach *a, uint32_t be)
{
	const struct pvdev_kind *kind = a->class->kind;

	if (a->be_class)
		return a->be_class;
	if (kind->nr_own > 1 && be == a->ctl.own_domid &&
	    kernel_serves(kind->type))
		return kind->classes[1];
	return kind->classes[0];
}

static int attach_open(struct attach *a, const char *domain)
{
	const struct pvdev_kind *kind = a->class->kind;
	uint32_t fe = 0, be = 0;
	int res;

	res = ctl_domain(&a->ctl, domain, &fe, &a->why);
	if (!res && a->backend)
		res = ctl_domain(&a->ctl, a->backend, &be, &a->why);
	if (res)
		return res;
	if (fe == be) {
		xs_err_set(&a->why,
			   "domain %" PRIu32
			   " cannot be frontend and backend of one %s",
			   fe, kind->what);
		return -EINVAL;
	}
	a->dev.fe_domid = fe;
	a->dev.be_domid = be;
	res = a->class->choose ? a->class->choose(a) : 0;
	if (!res)
		pvdev_init(&a->dev, kind, backend_class(a, be), be, fe,
			   a->dev.devid);
	return res;
}

static void report(struct attach *a, int res)
{
	json_t *obj;

	if (res)
		complain("%s: %s", a->label, a->why.text);
	if (!a->json)
		return;
	obj = json_object();
	if (a->dev.class)
		pvdev_json(&a->dev, obj);
	json_object_set_new(obj, "attached", json_boolean(!res));
	if (res) {
		json_object_set_new(obj, "error", json_text(a->why.text));
	} else if (a->wait != WAIT_NONE) {
		json_object_set_new(obj, "backend_state",
				    json_text(xenbus_state_name(a->view.be)));
		json_object_set_new(obj, "frontend_state",
				    json_text(xenbus_state_name(a->view.fe)));
	}
	print_json(obj);
}

static int attach_run(struct attach *a, const char *domain)
{
	int res;

	if (ctl_open(&a->ctl))
		return EXIT_FAILED;
	res = attach_open(a, domain);
	if (!res)
		res = write_device(a);
	if (!res && (a->wait != WAIT_NONE || runs_script(a))) {
		res = wait_for_device(a);
		if (res)
			undo(a);
	}
	report(a, res);
	ctl_close(&a->ctl);
	return res ? EXIT_FAILED : EXIT_OK;
}

static bool parse_wait(const char *text, enum attach_wait *wait)
{
	static const char *const names[] = {[WAIT_CONNECTED] = "connected",
					    [WAIT_BACKEND] = "backend",
					    [WAIT_NONE] = "none"};

	for (unsigned int i = 0; i < 3; i++) {
		if (!strcmp(text, names[i])) {
			*wait = (enum attach_wait)i;
			return true;
		}
	}
	return false;
}

static bool parse_class(const char *text, const struct pvdev_kind *kind,
			const char **class)
{
	for (unsigned int i = 0; i < kind->nr_own; i++) {
		if (!strcmp(text, kind->classes[i])) {
			*class = kind->classes[i];
			return true;
		}
	}
	return false;
}

int attach_main(int argc, char **argv, const struct attach_class *class,
		void *spec)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"wait", required_argument, NULL, 'w'},
		{"class", required_argument, NULL, 'c'},
		{"timeout", required_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	struct attach a = {.class = class, .spec = spec, .timeout = 10};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			a.json = true;
		else if (c == 'w' && !parse_wait(optarg, &a.wait))
			return usage_error(argv[0],
					   "--wait=%s: connected, backend or "
					   "none",
					   optarg);
		else if (c == 'c' &&
			 !parse_class(optarg, class->kind, &a.be_class))
			return usage_error(
				argv[0], "--class=%s: not one of ours", optarg);
		else if (c == 't' && !parse_seconds(optarg, &a.timeout))
			return usage_error(argv[0],
					   "--timeout %s: seconds over 0",
					   optarg);
		else if (c == '?')
			return usage_error(argv[0], "see the usage");
	}
	if (argc - optind < (class->may_be_bare ? 1 : 2))
		return usage_error(argv[0], "%s", class->needs);
	if (class->parse(&a, (unsigned int)(argc - optind - 1),
			 (const char *const *)argv + optind + 1)) {
		complain("%s", a.why.text);
		return EXIT_USAGE;
	}
	return attach_run(&a, argv[optind]);
}
