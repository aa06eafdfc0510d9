// SPDX-License-Identifier: MIT
/*
 * xensplit block-detach, network-detach: the orderly way asks, waits, and on
 * refusal leaves the device as it was; --force ends in bounded time whatever
 * the frontend does.
 */
#include "tools/xensplit_hotplug.h"
#include "tools/xensplit_nic.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What --force gives the backend to end what is in flight. */
#define FORCE_SECONDS 5.0
/* What a hotplug script may take. */
#define SCRIPT_SECONDS 5.0

struct detach {
	const struct pvdev_kind *kind;
	struct ctl ctl;
	struct pvdev dev;
	bool json, force, confirmed;
	double timeout;
	struct pvdev_view view;
	struct xs_err why;
};

/*
 * Takes the request back, if both ends still are where it found them: a
 * frontend that did not react goes on using the device, and must not lose it
 * without warning an hour later.  One that began to close is left to it.
 */
static int take_back_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	struct detach *d = arg;
	enum xenbus_state be = XenbusStateUnknown, fe = XenbusStateUnknown;
	int res;

	xs_read_state(xs, t, d->dev.be_dir, &be, NULL);
	xs_read_state(xs, t, d->dev.fe_dir, &fe, NULL);
	if (be != XenbusStateClosing || fe != XenbusStateConnected)
		return -EBUSY;
	res = xs_writef(xs, t, d->dev.be_dir, "online", "1");
	if (!res)
		res = xs_writef(xs, t, d->dev.be_dir, "state", "%d",
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
			   "xensplitd running there?  --force removes the %s",
			   d->dev.be_domid, d->timeout,
			   xenbus_state_name(d->view.be), d->dev.kind->what);
	else
		xs_err_set(&d->why,
			   "frontend of domain %" PRIu32
			   " did not let go in %g s (it is in state %s); %s; "
			   "--force removes the %s",
			   d->dev.fe_domid, d->timeout,
			   xenbus_state_name(d->view.fe),
			   back ? "it stays attached" : "the request stands",
			   d->dev.kind->what);
}

static int detach_orderly(struct detach *d)
{
	int res = pvdev_ask_to_close(&d->ctl, &d->dev, false);

	if (!res)
		res = pvdev_wait(&d->ctl, &d->dev, d->timeout,
				 pvdev_backend_closed, &d->view);
	if (res == -ETIMEDOUT) {
		explain_refusal(d);
	} else if (res == -EINTR) {
		xs_transact(d->ctl.xs, take_back_body, d);
		xs_err_set(&d->why, "interrupted");
	} else if (res == -EACCES || res == -EPERM) {
		xs_err_set(&d->why, "this domain may not detach devices; "
				    "run this in domain 0");
	} else if (res && res != -ENOENT) {
		xs_err_set(&d->why, "cannot detach: %s", strerror(-res));
	}
	/* Gone between finding and asking: what was wanted. */
	return res == -ENOENT ? 0 : res;
}

/* Never fails for what the other ends do or do not. */
static int detach_force(struct detach *d)
{
	int res = pvdev_ask_to_close(&d->ctl, &d->dev, true);

	if (res && res != -ENOENT) {
		xs_err_set(&d->why, "cannot detach: %s", strerror(-res));
		return res;
	}
	if (!res)
		res = pvdev_wait(&d->ctl, &d->dev,
				 d->timeout < FORCE_SECONDS ? d->timeout
							    : FORCE_SECONDS,
				 pvdev_backend_closed, &d->view);
	d->confirmed = !res || res == -ENOENT;
	if (res == -ENOTCONN) {
		xs_err_set(&d->why, "the connection to xenstore is lost");
		return res;
	}
	return 0;
}

/* As libxl: when the backend has closed, before its directory goes.  What the
 * script does not manage to undo holds nothing up. */
static void run_script(struct detach *d, const char *script)
{
	struct xs_err why;

	if (hotplug_run(&d->ctl, &d->dev, script, false, SCRIPT_SECONDS, &why))
		complain("%s", why.text);
}

static int detach(struct detach *d)
{
	char script[PVDEV_VALUE_MAX];
	bool has_script = hotplug_script_of(&d->ctl, &d->dev, script);
	int res = d->force ? detach_force(d) : detach_orderly(d);

	if (res)
		return res;
	d->confirmed |= !d->force;
	if (has_script)
		run_script(d, script);
	res = pvdev_remove(&d->ctl, &d->dev);
	if (res)
		xs_err_set(&d->why, "cannot remove %s: %s", d->dev.be_dir,
			   strerror(-res));
	else
		pvdev_clear_error(&d->ctl, &d->dev);
	return res;
}

struct by_mac {
	struct detach *d;
	uint32_t fe_domid, devid;
	uint8_t mac[6];
	bool found;
};

static void compare_mac(const struct pvdev *dev, void *arg)
{
	struct by_mac *m = arg;
	char text[PVDEV_VALUE_MAX];
	uint8_t mac[6];

	if (dev->fe_domid != m->fe_domid || m->found ||
	    xs_read_str(m->d->ctl.xs, XBT_NULL, dev->be_dir, "mac", text,
			sizeof(text), NULL) ||
	    nic_parse_mac(text, mac) || memcmp(mac, m->mac, sizeof(mac)))
		return;
	m->found = true;
	m->devid = dev->devid;
}

/* As xl: a NIC is named by its number or its address. */
static bool find_mac(struct detach *d, uint32_t fe_domid, const char *name,
		     uint32_t *devid)
{
	struct by_mac m = {.d = d, .fe_domid = fe_domid};

	if (nic_parse_mac(name, m.mac))
		return true; /* by number */
	pvdev_each(&d->ctl, d->kind, compare_mac, &m);
	*devid = m.devid;
	return m.found;
}

static int detach_find(struct detach *d, const char *domain, const char *name,
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
	res = -ENOENT;
	if (d->kind != &vif_kind || find_mac(d, fe, name, &devid))
		res = pvdev_find(&d->ctl, d->kind, fe, devid, &d->dev);
	if (res) {
		d->dev.class = NULL;
		xs_err_set(&d->why, "no %s %s is attached to domain %" PRIu32,
			   d->kind->what, name, fe);
	}
	return res;
}

static void report(struct detach *d, const char *name, int res)
{
	json_t *obj;

	if (res)
		complain("%s: %s", name, d->why.text);
	else if (!d->confirmed)
		complain("%s: removed; the backend in domain %" PRIu32
			 " did not confirm it (it is in state %s)",
			 name, d->dev.be_domid, xenbus_state_name(d->view.be));
	if (!d->json)
		return;
	obj = json_object();
	if (d->dev.class)
		pvdev_json(&d->dev, obj);
	json_object_set_new(obj, "detached", json_boolean(!res));
	json_object_set_new(obj, "forced", json_boolean(d->force));
	json_object_set_new(obj, "confirmed", json_boolean(d->confirmed));
	if (res)
		json_object_set_new(obj, "error", json_text(d->why.text));
	print_json(obj);
}

static int detach_main(int argc, char **argv, const struct pvdev_kind *kind,
		       int (*parse)(const char *text, uint32_t *devid),
		       const char *what)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"force", no_argument, NULL, 'f'},
		{"timeout", required_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	struct detach d = {.kind = kind, .timeout = 10};
	uint32_t devid = 0;
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
		return usage_error(argv[0], "a domain and a %s are needed",
				   kind->what);
	if (parse(argv[optind + 1], &devid))
		return usage_error(argv[0], "'%s' is not %s", argv[optind + 1],
				   what);
	if (ctl_open(&d.ctl))
		return EXIT_FAILED;
	res = detach_find(&d, argv[optind], argv[optind + 1], devid);
	if (!res)
		res = detach(&d);
	report(&d, argv[optind + 1], res);
	ctl_close(&d.ctl);
	return res ? EXIT_FAILED : EXIT_OK;
}

int cmd_block_detach(int argc, char **argv)
{
	return detach_main(argc, argv, &vbd_kind, vdev_parse,
			   "a virtual disk's name or number");
}

static int parse_nic(const char *text, uint32_t *devid)
{
	uint8_t mac[6];

	return nic_parse_mac(text, mac) ? nic_parse_devid(text, devid) : 0;
}

int cmd_network_detach(int argc, char **argv)
{
	return detach_main(argc, argv, &vif_kind, parse_nic,
			   "a NIC's number (vif/0, 0) or address");
}
