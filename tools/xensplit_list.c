// SPDX-License-Identifier: MIT
/*
 * xensplit block-list, network-list: every device that a backend's directory
 * names, so a guest can neither hide one nor invent one.
 */
#include "tools/xensplit.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list;

/* What is special about a kind. */
struct list_class {
	const struct pvdev_kind *kind;
	const char *const *heads; /* of columns, ended by NULL */
	/* keys of the backend's directory that JSON has as they are */
	const char *const *keys;
	void (*row)(struct list *l, const struct pvdev *dev,
		    const struct pvdev_view *view);
	void (*json)(struct list *l, const struct pvdev *dev, json_t *obj);
};

struct list {
	const struct list_class *class;
	struct ctl ctl;
	const uint32_t *wanted; /* frontends; nr_wanted 0: all */
	unsigned int nr_wanted;
	struct table *table; /* NULL: JSON */
	json_t *array;
};

static void read_text(struct list *l, const char *dir, const char *key,
		      char out[PVDEV_VALUE_MAX])
{
	if (xs_read_str(l->ctl.xs, XBT_NULL, dir, key, out, PVDEV_VALUE_MAX,
			NULL))
		out[0] = '\0';
}

static void set_text(json_t *obj, const char *key, const char *text)
{
	json_object_set_new(obj, key, text[0] ? json_text(text) : json_null());
}

static void add_json(struct list *l, const struct pvdev *dev,
		     const struct pvdev_view *view)
{
	json_t *obj = json_object();
	char text[PVDEV_VALUE_MAX];

	pvdev_json(dev, obj);
	l->class->json(l, dev, obj);
	ctl_domain_name(&l->ctl, dev->fe_domid, text, sizeof(text));
	json_object_set_new(obj, "domain_name", json_text(text));
	json_object_set_new(obj, "backend_state",
			    json_text(xenbus_state_name(view->be)));
	json_object_set_new(obj, "frontend_state",
			    json_text(xenbus_state_name(view->fe)));
	for (unsigned int i = 0; l->class->keys[i]; i++) {
		const char *key = l->class->keys[i];
		const char *slash = strchr(key, '/');

		read_text(l, dev->be_dir, key, text);
		set_text(obj, slash ? slash + 1 : key, text);
	}
	set_text(obj, "error", view->error);
	json_array_append_new(l->array, obj);
}

/* Who and where, and how both ends are: in every listing. */
static void add_cells(struct list *l, const struct pvdev *dev,
		      const struct pvdev_view *view)
{
	table_cellf(l->table, "%" PRIu32, dev->fe_domid);
	table_cellf(l->table, "%" PRIu32, dev->be_domid);
	table_cellf(l->table, "%" PRIu32, dev->devid);
	table_cell(l->table, xenbus_state_name(view->be));
	table_cell(l->table, xenbus_state_name(view->fe));
}

static void add_keys(struct list *l, const struct pvdev *dev,
		     const char *const *keys)
{
	char text[PVDEV_VALUE_MAX];

	for (unsigned int i = 0; keys[i]; i++) {
		read_text(l, dev->be_dir, keys[i], text);
		table_cell(l->table, text);
	}
}

/* ---- disks ---- */

static void disk_json(struct list *l, const struct pvdev *dev, json_t *obj)
{
	char text[PVDEV_VALUE_MAX];
	uint64_t sectors;

	read_text(l, dev->be_dir, "dev", text);
	if (text[0])
		json_object_set_new(obj, "vdev", json_text(text));
	if (!xs_read_u64(l->ctl.xs, XBT_NULL, dev->be_dir, "sectors", 0,
			 INT64_MAX / 512, &sectors, NULL))
		json_object_set_new(obj, "sectors",
				    json_integer((json_int_t)sectors));
	else
		json_object_set_new(obj, "sectors", json_null());
}

static void disk_row(struct list *l, const struct pvdev *dev,
		     const struct pvdev_view *view)
{
	static const char *const keys[] = {"type", "mode", "sectors", "params",
					   NULL};
	char text[PVDEV_VALUE_MAX];

	read_text(l, dev->be_dir, "dev", text);
	table_cell(l->table, text[0] ? text : dev->name);
	add_cells(l, dev, view);
	add_keys(l, dev, keys);
}

static const char *const disk_heads[] = {
	"Vdev", "Domain", "BE",      "Handle", "Backend", "Frontend",
	"Type", "Mode",   "Sectors", "Params", "Error",   NULL};
static const char *const disk_keys[] = {"type", "mode", "params", "device-type",
					NULL};
static const struct list_class disks = {&vbd_kind, disk_heads, disk_keys,
					disk_row, disk_json};

/* ---- NICs ---- */

/* What it is plugged into: the link, else the bridge, else the gateway. */
static void read_plug(struct list *l, const struct pvdev *dev,
		      char text[PVDEV_VALUE_MAX])
{
	read_text(l, dev->be_dir, "xensplit/link", text);
	if (!text[0])
		read_text(l, dev->be_dir, "bridge", text);
	if (!text[0])
		read_text(l, dev->be_dir, "gatewaydev", text);
}

static void nic_json(struct list *l, const struct pvdev *dev, json_t *obj)
{
	uint64_t n;

	if (xs_read_u64(l->ctl.xs, XBT_NULL, dev->fe_dir, "mtu", 0, UINT32_MAX,
			&n, NULL))
		n = 1500;
	json_object_set_new(obj, "mtu", json_integer((json_int_t)n));
	if (xs_read_u64(l->ctl.xs, XBT_NULL, dev->be_dir, "carrier", 0, 1, &n,
			NULL))
		json_object_set_new(obj, "carrier", json_null());
	else
		json_object_set_new(obj, "carrier", json_boolean(n));
}

static void nic_row(struct list *l, const struct pvdev *dev,
		    const struct pvdev_view *view)
{
	static const char *const keys[] = {"mac", "ip", "rate", "vlan", NULL};
	char text[PVDEV_VALUE_MAX];

	read_text(l, dev->be_dir, "vifname", text);
	if (text[0])
		table_cell(l->table, text);
	else
		table_cellf(l->table, "vif%" PRIu32 ".%" PRIu32, dev->fe_domid,
			    dev->devid);
	add_cells(l, dev, view);
	read_plug(l, dev, text);
	table_cell(l->table, text);
	add_keys(l, dev, keys);
}

static const char *const nic_heads[] = {
	"Vif", "Domain", "BE",   "Handle", "Backend", "Frontend", "Plug",
	"MAC", "IP",     "Rate", "VLAN",   "Error",   NULL};
static const char *const nic_keys[] = {"mac",
				       "bridge",
				       "gatewaydev",
				       "vifname",
				       "script",
				       "ip",
				       "rate",
				       "vlan",
				       "hotplug-status",
				       "xensplit/link",
				       "xensplit/antispoof",
				       "xensplit/rate-rx",
				       "xensplit/pps",
				       "xensplit/pps-rx",
				       NULL};
static const struct list_class nics = {&vif_kind, nic_heads, nic_keys, nic_row,
				       nic_json};

/* ---- all ---- */

static bool is_wanted(struct list *l, uint32_t domid)
{
	for (unsigned int i = 0; i < l->nr_wanted; i++) {
		if (l->wanted[i] == domid)
			return true;
	}
	return !l->nr_wanted;
}

static void list_one(const struct pvdev *dev, void *arg)
{
	struct list *l = arg;
	struct pvdev_view view;

	if (!is_wanted(l, dev->fe_domid))
		return;
	pvdev_look(&l->ctl, dev, &view);
	if (l->table) {
		l->class->row(l, dev, &view);
		table_cell(l->table, view.error);
	} else {
		add_json(l, dev, &view);
	}
}

static void list_all(struct list *l, bool json)
{
	const char *const *heads = l->class->heads;
	unsigned int nr_heads = 0;

	while (heads[nr_heads])
		nr_heads++;
	if (json)
		l->array = json_array();
	else
		l->table = table_new(nr_heads);
	for (unsigned int i = 0; l->table && i < nr_heads; i++)
		table_cell(l->table, heads[i]);
	pvdev_each(&l->ctl, l->class->kind, list_one, l);
	if (json)
		print_json(l->array);
	else
		table_print(l->table);
}

static int list_main(int argc, char **argv, const struct list_class *class)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	struct list l = {.class = class};
	uint32_t *wanted;
	struct xs_err why;
	bool json = false;
	int c, res = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else
			return usage_error(argv[0], "see the usage");
	}
	if (ctl_open(&l.ctl))
		return EXIT_FAILED;
	wanted = calloc((size_t)(argc - optind) + 1, sizeof(*wanted));
	l.wanted = wanted;
	for (int i = optind; wanted && !res && i < argc; i++)
		res = ctl_domain(&l.ctl, argv[i], &wanted[l.nr_wanted++], &why);
	if (res)
		complain("%s", why.text);
	else
		list_all(&l, json);
	free(wanted);
	ctl_close(&l.ctl);
	return res ? EXIT_FAILED : EXIT_OK;
}

int cmd_block_list(int argc, char **argv)
{
	return list_main(argc, argv, &disks);
}

int cmd_network_list(int argc, char **argv)
{
	return list_main(argc, argv, &nics);
}
