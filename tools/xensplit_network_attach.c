// SPDX-License-Identifier: MIT
/* xensplit network-attach: what a NIC's two directories say. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xensplit_attach.h"
#include "tools/xensplit_hotplug.h"
#include "tools/xensplit_nic.h"

/* As libxl's defaults. */
#define BRIDGE_DEFAULT "xenbr0"
#define MTU_DEFAULT    1500u

struct network {
	struct nic_spec nic;
	char script[PVDEV_VALUE_MAX]; /* "": none */
	char label[24];
};

static const char *given(const char *text)
{
	return *text ? text : NULL;
}

static int write_backend(struct xs_store *xs, xs_transaction_t t,
			 const struct attach *a)
{
	const struct network *n = a->spec;
	const struct nic_spec *nic = &n->nic;
	char mac[18], mtu[16];
	const struct attach_key keys[] = {
		{"handle", a->dev.name},
		{"type", "vif"},
		{"mac", mac},
		{"bridge", given(nic->bridge)},
		{"gatewaydev", given(nic->gatewaydev)},
		{"vifname", given(nic->vifname)},
		{"script", given(n->script)},
		{"ip", given(nic->ip)},
		{"rate", given(nic->rate)},
		{"mtu", nic->mtu == MTU_DEFAULT ? NULL : mtu},
		{"vlan", given(nic->vlan)},
		{"xensplit/link", given(nic->link)},
		{"xensplit/antispoof", given(nic->antispoof)},
		{"xensplit/rate-rx", given(nic->rate_rx)},
		{"xensplit/pps", given(nic->pps)},
		{"xensplit/pps-rx", given(nic->pps_rx)},
		{"xensplit/csum-offload", given(nic->csum_offload)},
		/* has the backend wait for the script */
		{"hotplug-status", n->script[0] ? "" : NULL},
		{NULL, NULL},
	};

	nic_format_mac(nic->mac, mac);
	snprintf(mtu, sizeof(mtu), "%" PRIu32, nic->mtu);
	return attach_write_keys(xs, t, a->dev.be_dir, keys);
}

/* The guest reads its MTU and may not change what it is told. */
static int write_mtu(struct xs_store *xs, xs_transaction_t t,
		     const struct attach *a, uint32_t mtu)
{
	struct xs_permissions perms[] = {
		{.id = a->ctl.own_domid, .perms = XS_PERM_NONE},
		{.id = a->dev.fe_domid, .perms = XS_PERM_READ},
		{.id = a->dev.be_domid, .perms = XS_PERM_READ},
	};
	char path[PVDEV_PATH_MAX + 8];
	int res = xs_writef(xs, t, a->dev.fe_dir, "mtu", "%" PRIu32, mtu);

	snprintf(path, sizeof(path), "%s/mtu", a->dev.fe_dir);
	if (!res && !xs_set_permissions(xs_store_handle(xs), t, path, perms, 3))
		res = -errno;
	return res;
}

static int write_keys(struct attach *a, struct xs_store *xs, xs_transaction_t t)
{
	const struct nic_spec *nic = &((struct network *)a->spec)->nic;
	char mac[18];
	const struct attach_key keys[] = {
		{"handle", a->dev.name},
		{"mac", mac},
		{"trusted", nic->untrusted ? "0" : "1"},
		{NULL, NULL},
	};
	int res = write_backend(xs, t, a);

	nic_format_mac(nic->mac, mac);
	if (!res)
		res = attach_write_keys(xs, t, a->dev.fe_dir, keys);
	return res ? res : write_mtu(xs, t, a, nic->mtu);
}

/* A TAP interface has to be put somewhere; other links are somewhere. */
static void set_defaults(struct network *n)
{
	struct nic_spec *nic = &n->nic;
	bool tap = !nic->link[0] || !strncmp(nic->link, "tap:", 4);

	if (!nic->mtu)
		nic->mtu = MTU_DEFAULT;
	if (!nic->has_mac)
		nic_random_mac(nic->mac);
	if (tap && !nic->bridge[0] && !nic->script[0])
		strcpy(nic->bridge, BRIDGE_DEFAULT);
	if (tap || nic->script[0])
		hotplug_path(given(nic->script), n->script);
}

static int parse(struct attach *a, unsigned int nr, const char *const *words)
{
	struct network *n = a->spec;
	int res = nic_spec_parse(&n->nic, nr, words, &a->why);

	if (res)
		return res;
	set_defaults(n);
	if (n->nic.ignored[0])
		complain("note: %s is ignored, the NIC is paravirtual only",
			 n->nic.ignored);
	a->dev.devid = n->nic.devid;
	a->backend = given(n->nic.backend);
	a->label = "NIC";
	return 0;
}

struct used {
	uint32_t fe_domid, *ids;
	size_t nr;
};

static void add_used(const struct pvdev *dev, void *arg)
{
	struct used *used = arg;
	uint32_t *more;

	if (dev->fe_domid != used->fe_domid)
		return;
	more = realloc(used->ids, (used->nr + 1) * sizeof(*more));
	if (!more)
		return;
	used->ids = more;
	used->ids[used->nr++] = dev->devid;
}

/* The lowest number that no NIC of the domain has. */
static int choose(struct attach *a)
{
	struct network *n = a->spec;
	struct used used = {.fe_domid = a->dev.fe_domid};
	bool again = !n->nic.has_devid;

	if (again)
		pvdev_each(&a->ctl, &vif_kind, add_used, &used);
	while (again) {
		again = false;
		for (size_t i = 0; i < used.nr; i++) {
			if (used.ids[i] == a->dev.devid) {
				a->dev.devid++;
				again = true;
				break;
			}
		}
	}
	free(used.ids);
	snprintf(n->label, sizeof(n->label), "vif/%" PRIu32, a->dev.devid);
	a->label = n->label;
	return 0;
}

/* In another domain, who serves it there runs its scripts. */
static bool has_script(const struct attach *a)
{
	const struct network *n = a->spec;

	return n->script[0] && a->dev.be_domid == a->ctl.own_domid;
}

static int run_script(struct attach *a, bool online, double seconds)
{
	const struct network *n = a->spec;
	struct xs_err ignored;

	return hotplug_run(&a->ctl, &a->dev, n->script, online, seconds,
			   online ? &a->why : &ignored);
}

int cmd_network_attach(int argc, char **argv)
{
	struct network n = {.script = ""};
	const struct attach_class class = {
		.kind = &vif_kind,
		.needs = "a domain is needed",
		.may_be_bare = true,
		.parse = parse,
		.choose = choose,
		.write_keys = write_keys,
		.has_script = has_script,
		.run_script = run_script,
	};

	return attach_main(argc, argv, &class, &n);
}
