// SPDX-License-Identifier: MIT
/*
 * xensplit block-detach: the orderly way asks, waits, and on refusal leaves
 * the disk as it was; --force ends in bounded time whatever the frontend does.
 */
#include "tools/xensplit.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What --force gives the backend to end what is in flight. */
#define FORCE_SECONDS 5.0

struct detach {
	struct ctl ctl;
	struct vbd vbd;
	bool json, force, confirmed;
	double timeout;
	struct vbd_view view;
	struct xs_err why;
};

/*
 * Takes the request back, if both ends still are where it found them: a
 * frontend that did not react goes on using the disk, and must not lose it
 * without warning an hour later.  One that began to close is left to it.
 */
static int take_back_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	struct detach *d = arg;
	enum xenbus_state be = XenbusStateUnknown, fe = XenbusStateUnknown;
	int res;

	xs_read_state(xs, t, d->vbd.be_dir, &be, NULL);
	xs_read_state(xs, t, d->vbd.fe_dir, &fe, NULL);
	if (be != XenbusStateClosing || fe != XenbusStateConnected)
		return -EBUSY;
	res = xs_writef(xs, t, d->vbd.be_dir, "online", "1");
	if (!res)
		res = xs_writef(xs, t, d->vbd.be_dir, "state", "%d",
				XenbusStateConnected);
	return res;
}

static void explain_refusal(struct detach *d)
{
	bool back = !xs_transact(d->ctl.xs, take_back_body, d);

	if (d->view.fe == XenbusStateClosed)
		xs_err_set(&d->why,
			   "the backend in domain %" PRIu32
			   " did not close in %g s (it is in state %s); is "
			   "xensplitd running there?  --force removes the "
			   "disk",
			   d->vbd.be_domid, d->timeout,
			   xenbus_state_name(d->view.be));
	else
		xs_err_set(&d->why,
			   "frontend of domain %" PRIu32
			   " did not let go in %g s (it is in state %s); %s; "
			   "--force removes the disk",
			   d->vbd.fe_domid, d->timeout,
			   xenbus_state_name(d->view.fe),
			   back ? "the disk stays attached"
				: "the request stands");
}

static int detach_orderly(struct detach *d)
{
	int res = vbd_ask_to_close(&d->ctl, &d->vbd, false);

	if (!res)
		res = vbd_wait(&d->ctl, &d->vbd, d->timeout, vbd_backend_closed,
			       &d->view);
	if (res == -ETIMEDOUT) {
		explain_refusal(d);
	} else if (res == -EINTR) {
		xs_transact(d->ctl.xs, take_back_body, d);
		xs_err_set(&d->why, "interrupted");
	} else if (res == -EACCES || res == -EPERM) {
		xs_err_set(&d->why, "this domain may not detach disks; run "
				    "this in domain 0");
	} else if (res && res != -ENOENT) {
		xs_err_set(&d->why, "cannot detach: %s", strerror(-res));
	}
	/* Gone between finding and asking: what was wanted. */
	return res == -ENOENT ? 0 : res;
}

/* Never fails for what the other ends do or do not. */
static int detach_force(struct detach *d)
{
	int res = vbd_ask_to_close(&d->ctl, &d->vbd, true);

	if (res && res != -ENOENT) {
		xs_err_set(&d->why, "cannot detach: %s", strerror(-res));
		return res;
	}
	if (!res)
		res = vbd_wait(&d->ctl, &d->vbd,
			       d->timeout < FORCE_SECONDS ? d->timeout
							  : FORCE_SECONDS,
			       vbd_backend_closed, &d->view);
	d->confirmed = !res || res == -ENOENT;
	if (res == -ENOTCONN) {
		xs_err_set(&d->why, "the connection to xenstore is lost");
		return res;
	}
	return 0;
}

static int detach(struct detach *d)
{
	int res = d->force ? detach_force(d) : detach_orderly(d);

	if (res)
		return res;
	d->confirmed |= !d->force;
	res = vbd_remove(&d->ctl, &d->vbd);
	if (res)
		xs_err_set(&d->why, "cannot remove %s: %s", d->vbd.be_dir,
			   strerror(-res));
	else
		vbd_clear_error(&d->ctl, &d->vbd);
	return res;
}

static int detach_find(struct detach *d, const char *domain, const char *vdev,
		       uint32_t devid)
{
	uint32_t fe;
	int res = ctl_domain(&d->ctl, domain, &fe, &d->why);

	/* What a dead domain left can be removed by its number. */
	if (res == -ENOENT && strspn(domain, "0123456789") == strlen(domain)) {
		fe = (uint32_t)strtoul(domain, NULL, 10);
		res = 0;
	}
	if (res)
		return res;
	res = vbd_find(&d->ctl, fe, devid, &d->vbd);
	if (res) {
		d->vbd.class = NULL;
		xs_err_set(&d->why,
			   "no disk %s (%" PRIu32 ") is attached to domain "
			   "%" PRIu32,
			   vdev, devid, fe);
	}
	return res;
}

static void report(struct detach *d, const char *vdev, int res)
{
	json_t *obj;

	if (res)
		complain("%s: %s", vdev, d->why.text);
	else if (!d->confirmed)
		complain("%s: removed; the backend in domain %" PRIu32
			 " did not confirm it (it is in state %s)",
			 vdev, d->vbd.be_domid, xenbus_state_name(d->view.be));
	if (!d->json)
		return;
	obj = json_object();
	if (d->vbd.class)
		vbd_json(&d->vbd, obj);
	json_object_set_new(obj, "detached", json_boolean(!res));
	json_object_set_new(obj, "forced", json_boolean(d->force));
	json_object_set_new(obj, "confirmed", json_boolean(d->confirmed));
	if (res)
		json_object_set_new(obj, "error", json_text(d->why.text));
	print_json(obj);
}

int cmd_block_detach(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"force", no_argument, NULL, 'f'},
		{"timeout", required_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	struct detach d = {.timeout = 10};
	uint32_t devid;
	int c, res;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			d.json = true;
		else if (c == 'f')
			d.force = true;
		else if (c == 't' && !parse_seconds(optarg, &d.timeout))
			return usage_error(argv[0],
					   "--timeout %s: seconds over 0",
					   optarg);
		else if (c == '?')
			return usage_error(argv[0], "see the usage");
	}
	if (argc - optind != 2)
		return usage_error(argv[0], "a domain and a disk are needed");
	if (vdev_parse(argv[optind + 1], &devid))
		return usage_error(argv[0],
				   "'%s' is not a virtual disk's name or "
				   "number",
				   argv[optind + 1]);
	if (ctl_open(&d.ctl))
		return EXIT_FAILED;
	res = detach_find(&d, argv[optind], argv[optind + 1], devid);
	if (!res)
		res = detach(&d);
	report(&d, argv[optind + 1], res);
	ctl_close(&d.ctl);
	return res ? EXIT_FAILED : EXIT_OK;
}
