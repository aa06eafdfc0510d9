// SPDX-License-Identifier: MIT
/*
 * xensplit block-attach: writes a disk's two directories as libxl does, and
 * waits for both ends.  It ends with the disk there, or with a reason and
 * nothing left but that reason, in the error node of the backend's domain.
 */
#include "tools/xensplit.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypercall/kernel_backend.h"
#include "tools/xensplit_disk.h"

/* The part of the time limit that undoing may take. */
#define UNDO_SECONDS 1.0

enum wait_for { WAIT_CONNECTED, WAIT_BACKEND, WAIT_NONE };

struct attach {
	struct ctl ctl;
	struct disk_spec disk;
	struct vbd vbd;
	const char *class; /* NULL: as the backend's kernel needs it */
	enum wait_for wait;
	bool json;
	double timeout;
	struct vbd_view view;
	struct xs_err why;
};

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

static int write_backend(struct xs_store *xs, xs_transaction_t t,
			 const struct vbd *vbd, const struct disk_spec *disk)
{
	const struct {
		const char *key, *value;
	} keys[] = {
		{"frontend", vbd->fe_dir},
		{"params", disk->target},
		{"online", "1"},
		{"removable", disk->removable ? "1" : "0"},
		{"bootable", "1"},
		{"dev", disk->vdev},
		{"type", "phy"},
		{"mode", disk->mode},
		{"device-type", disk->cdrom ? "cdrom" : "disk"},
		{"direct-io-safe", disk->direct_io_safe ? "1" : NULL},
		{"discard-enable", disk->discard ? "1" : "0"},
		{"specification", "xen"},
	};
	int res;

	res = make_dir(xs, t, vbd->be_dir, vbd->be_domid, vbd->fe_domid);
	for (size_t i = 0; !res && i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].value)
			res = xs_writef(xs, t, vbd->be_dir, keys[i].key, "%s",
					keys[i].value);
	}
	if (!res)
		res = xs_writef(xs, t, vbd->be_dir, "frontend-id", "%" PRIu32,
				vbd->fe_domid);
	if (!res)
		res = xs_writef(xs, t, vbd->be_dir, "state", "%d",
				XenbusStateInitialising);
	return res;
}

static int write_frontend(struct xs_store *xs, xs_transaction_t t,
			  const struct vbd *vbd, const struct disk_spec *disk)
{
	const char *dir = vbd->fe_dir;
	int res;

	/* Left over from a device whose backend is gone. */
	res = xs_remove(xs, t, dir);
	if (!res)
		res = make_dir(xs, t, dir, vbd->fe_domid, vbd->be_domid);
	if (!res)
		res = xs_writef(xs, t, dir, "backend", "%s", vbd->be_dir);
	if (!res)
		res = xs_writef(xs, t, dir, "backend-id", "%" PRIu32,
				vbd->be_domid);
	if (!res)
		res = xs_writef(xs, t, dir, "virtual-device", "%" PRIu32,
				vbd->devid);
	if (!res)
		res = xs_writef(xs, t, dir, "device-type", "%s",
				disk->cdrom ? "cdrom" : "disk");
	if (!res)
		res = xs_writef(xs, t, dir, "trusted", "%d", disk->trusted);
	if (!res)
		res = xs_writef(xs, t, dir, "state", "%d",
				XenbusStateInitialising);
	return res;
}

static int write_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	struct attach *a = arg;
	int res;

	if (xs_node_exists(xs, t, a->vbd.be_dir))
		return -EEXIST;
	res = write_backend(xs, t, &a->vbd, &a->disk);
	return res ? res : write_frontend(xs, t, &a->vbd, &a->disk);
}

static int already_attached(struct attach *a, const struct vbd *other)
{
	vbd_look(&a->ctl, other, &a->view);
	xs_err_set(&a->why,
		   "already attached to domain %" PRIu32 " as disk %" PRIu32
		   " (by domain %" PRIu32 ": backend %s, frontend %s)",
		   other->fe_domid, other->devid, other->be_domid,
		   xenbus_state_name(a->view.be),
		   xenbus_state_name(a->view.fe));
	return -EEXIST;
}

static int write_device(struct attach *a)
{
	struct vbd other;
	int res;

	if (!vbd_find(&a->ctl, a->vbd.fe_domid, a->vbd.devid, &other))
		return already_attached(a, &other);
	vbd_clear_error(&a->ctl, &a->vbd);
	res = xs_transact(a->ctl.xs, write_body, a);
	if (res == -EEXIST)
		return already_attached(a, &a->vbd);
	if (res == -EACCES || res == -EPERM)
		xs_err_set(&a->why,
			   "this domain (%" PRIu32 ") may not attach disks; "
			   "run this in domain 0",
			   a->ctl.own_domid);
	else if (res == -ENOENT)
		/* xenstored takes permissions only for domains it serves */
		xs_err_set(&a->why,
			   "domain %" PRIu32 " or %" PRIu32
			   " is not (or no more) known to xenstored",
			   a->vbd.be_domid, a->vbd.fe_domid);
	else if (res)
		xs_err_set(&a->why, "cannot write %s: %s", a->vbd.be_dir,
			   strerror(-res));
	return res;
}

/* -- waiting -- */

static bool has_failed(const struct vbd_view *v)
{
	return !v->be_exists || !v->fe_exists || v->error[0] ||
	       v->be >= XenbusStateClosing || v->fe >= XenbusStateClosing;
}

static bool is_connected(const struct vbd_view *v)
{
	return !has_failed(v) && v->be == XenbusStateConnected &&
	       v->fe == XenbusStateConnected;
}

static bool is_ready(const struct vbd_view *v)
{
	return !has_failed(v) && v->be >= XenbusStateInitWait;
}

static bool connected_or_failed(const struct vbd_view *v)
{
	return is_connected(v) || has_failed(v);
}

static bool ready_or_failed(const struct vbd_view *v)
{
	return is_ready(v) || has_failed(v);
}

static void explain_failure(struct attach *a)
{
	const struct vbd_view *v = &a->view;

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
			   a->vbd.be_domid, xenbus_state_name(v->be));
	else
		xs_err_set(&a->why,
			   "the frontend of domain %" PRIu32
			   " closed the device (state %s)",
			   a->vbd.fe_domid, xenbus_state_name(v->fe));
}

static void explain_timeout(struct attach *a, double seconds)
{
	const struct vbd_view *v = &a->view;

	if (v->be < XenbusStateInitWait)
		xs_err_set(&a->why,
			   "no backend is serving domain %" PRIu32
			   "'s backend/%s (is xensplitd running there?)",
			   a->vbd.be_domid, a->vbd.class);
	else if (v->fe == XenbusStateConnected)
		xs_err_set(&a->why,
			   "the backend in domain %" PRIu32
			   " did not connect in %g s (it is in state %s)",
			   a->vbd.be_domid, seconds, xenbus_state_name(v->be));
	else
		xs_err_set(&a->why,
			   "frontend of domain %" PRIu32
			   " did not connect in %g s (it is in state %s)",
			   a->vbd.fe_domid, seconds, xenbus_state_name(v->fe));
}

static int wait_for_device(struct attach *a)
{
	double undo = a->timeout > 2 * UNDO_SECONDS ? UNDO_SECONDS
						    : a->timeout / 2;
	double seconds = a->timeout - undo;
	vbd_until until = a->wait == WAIT_BACKEND ? ready_or_failed
						  : connected_or_failed;
	int res;

	res = vbd_wait(&a->ctl, &a->vbd, seconds, until, &a->view);
	if (!res && !has_failed(&a->view))
		return 0;
	if (!res)
		explain_failure(a);
	else if (res == -ETIMEDOUT)
		explain_timeout(a, seconds);
	else if (res == -EINTR)
		xs_err_set(&a->why, "interrupted");
	else
		xs_err_set(&a->why, "the connection to xenstore is lost: %s",
			   strerror(-res));
	return res ? res : -EIO;
}

/* Gives the backend the rest of the time to let go, then removes what is
 * left.  It looks at directories only; a backend that is late finds its own
 * gone, which it has to take as the end anyway. */
static void undo(struct attach *a)
{
	struct vbd_view view;
	int res;

	a->ctl.interrupted = false;
	vbd_look(&a->ctl, &a->vbd, &view);
	if (!vbd_ask_to_close(&a->ctl, &a->vbd, true) &&
	    view.be > XenbusStateInitialising)
		vbd_wait(&a->ctl, &a->vbd,
			 a->timeout > 2 * UNDO_SECONDS ? UNDO_SECONDS
						       : a->timeout / 2,
			 vbd_backend_closed, &view);
	res = vbd_remove(&a->ctl, &a->vbd);
	if (res)
		complain("cannot remove %s: %s", a->vbd.be_dir, strerror(-res));
	xs_writef(a->ctl.xs, XBT_NULL, a->vbd.error_dir, "error", "%d %s", EIO,
		  a->why.text);
}

/* -- the command -- */

static int attach_open(struct attach *a, const char *domain)
{
	uint32_t fe = 0, be = 0;
	int res;

	res = ctl_domain(&a->ctl, domain, &fe, &a->why);
	if (!res && a->disk.backend)
		res = ctl_domain(&a->ctl, a->disk.backend, &be, &a->why);
	if (res)
		return res;
	if (fe == be) {
		xs_err_set(&a->why,
			   "domain %" PRIu32
			   " cannot be frontend and backend of one disk",
			   fe);
		return -EINVAL;
	}
	if (!a->class && be == a->ctl.own_domid && kernel_serves("vbd"))
		a->class = vbd_classes[VBD_CLASS_OWN];
	else if (!a->class)
		a->class = vbd_classes[VBD_CLASS_SHARED];
	vbd_init(&a->vbd, a->class, be, fe, a->disk.devid);
	return 0;
}

static void report(struct attach *a, int res)
{
	json_t *obj;

	if (res)
		complain("%s: %s", a->disk.vdev, a->why.text);
	if (!a->json)
		return;
	obj = json_object();
	if (a->vbd.class)
		vbd_json(&a->vbd, obj);
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
	if (!res && a->wait != WAIT_NONE) {
		res = wait_for_device(a);
		if (res)
			undo(a);
	}
	report(a, res);
	ctl_close(&a->ctl);
	return res ? EXIT_FAILED : EXIT_OK;
}

static bool parse_wait(const char *text, enum wait_for *wait)
{
	static const char *const names[] = {[WAIT_CONNECTED] = "connected",
					    [WAIT_BACKEND] = "backend",
					    [WAIT_NONE] = "none"};

	for (unsigned int i = 0; i < 3; i++) {
		if (!strcmp(text, names[i])) {
			*wait = (enum wait_for)i;
			return true;
		}
	}
	return false;
}

static bool parse_class(const char *text, const char **class)
{
	for (unsigned int i = 0; i <= VBD_CLASS_OWN; i++) {
		if (!strcmp(text, vbd_classes[i])) {
			*class = vbd_classes[i];
			return true;
		}
	}
	return false;
}

int cmd_block_attach(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"wait", required_argument, NULL, 'w'},
		{"class", required_argument, NULL, 'c'},
		{"timeout", required_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	struct attach a = {.timeout = 10};
	int c, res;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			a.json = true;
		else if (c == 'w' && !parse_wait(optarg, &a.wait))
			return usage_error(argv[0],
					   "--wait=%s: connected, backend or "
					   "none",
					   optarg);
		else if (c == 'c' && !parse_class(optarg, &a.class))
			return usage_error(argv[0], "--class=%s: %s or %s",
					   optarg,
					   vbd_classes[VBD_CLASS_SHARED],
					   vbd_classes[VBD_CLASS_OWN]);
		else if (c == 't' && !parse_seconds(optarg, &a.timeout))
			return usage_error(argv[0],
					   "--timeout %s: seconds over 0",
					   optarg);
		else if (c == '?')
			return usage_error(argv[0], "see the usage");
	}
	if (argc - optind < 2)
		return usage_error(argv[0],
				   "a domain and a disk specification are "
				   "needed");
	if (disk_spec_parse(&a.disk, (unsigned int)(argc - optind - 1),
			    (const char *const *)argv + optind + 1, &a.why)) {
		complain("%s", a.why.text);
		res = EXIT_USAGE;
	} else {
		res = attach_run(&a, argv[optind]);
	}
	disk_spec_free(&a.disk);
	return res;
}
