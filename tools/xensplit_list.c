// SPDX-License-Identifier: MIT
/*
 * xensplit block-list: every disk that a backend's directory names, so a guest
 * can neither hide one nor invent one.
 */
#include "tools/xensplit.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypercall/xs_parse.h"

struct list {
	struct ctl ctl;
	const uint32_t *wanted; /* frontends; nr_wanted 0: all */
	unsigned int nr_wanted;
	struct table *table; /* NULL: JSON */
	json_t *array;
};

static void read_text(struct list *l, const char *dir, const char *key,
		      char out[VBD_VALUE_MAX])
{
	if (xs_read_str(l->ctl.xs, XBT_NULL, dir, key, out, VBD_VALUE_MAX,
			NULL))
		out[0] = '\0';
}

static void add_json(struct list *l, const struct vbd *vbd,
		     const struct vbd_view *view)
{
	static const char *const keys[] = {"type", "mode", "params",
					   "device-type", NULL};
	json_t *obj = json_object();
	char text[VBD_VALUE_MAX];
	uint64_t sectors;

	vbd_json(vbd, obj);
	read_text(l, vbd->be_dir, "dev", text);
	if (text[0])
		json_object_set_new(obj, "vdev", json_text(text));
	ctl_domain_name(&l->ctl, vbd->fe_domid, text, sizeof(text));
	json_object_set_new(obj, "domain_name", json_text(text));
	json_object_set_new(obj, "backend_state",
			    json_text(xenbus_state_name(view->be)));
	json_object_set_new(obj, "frontend_state",
			    json_text(xenbus_state_name(view->fe)));
	for (unsigned int i = 0; keys[i]; i++) {
		read_text(l, vbd->be_dir, keys[i], text);
		json_object_set_new(obj, keys[i],
				    text[0] ? json_text(text) : json_null());
	}
	if (!xs_read_u64(l->ctl.xs, XBT_NULL, vbd->be_dir, "sectors", 0,
			 INT64_MAX / 512, &sectors, NULL))
		json_object_set_new(obj, "sectors",
				    json_integer((json_int_t)sectors));
	else
		json_object_set_new(obj, "sectors", json_null());
	json_object_set_new(obj, "error",
			    view->error[0] ? json_text(view->error)
					   : json_null());
	json_array_append_new(l->array, obj);
}

static void add_row(struct list *l, const struct vbd *vbd,
		    const struct vbd_view *view)
{
	static const char *const keys[] = {"type", "mode", "sectors", "params",
					   NULL};
	char text[VBD_VALUE_MAX];

	read_text(l, vbd->be_dir, "dev", text);
	table_cell(l->table, text[0] ? text : vbd->vdev);
	table_cellf(l->table, "%" PRIu32, vbd->fe_domid);
	table_cellf(l->table, "%" PRIu32, vbd->be_domid);
	table_cellf(l->table, "%" PRIu32, vbd->devid);
	table_cell(l->table, xenbus_state_name(view->be));
	table_cell(l->table, xenbus_state_name(view->fe));
	for (unsigned int i = 0; keys[i]; i++) {
		read_text(l, vbd->be_dir, keys[i], text);
		table_cell(l->table, text);
	}
	table_cell(l->table, view->error);
}

static bool is_wanted(struct list *l, uint32_t domid)
{
	for (unsigned int i = 0; i < l->nr_wanted; i++) {
		if (l->wanted[i] == domid)
			return true;
	}
	return !l->nr_wanted;
}

/* Children that are numbers, ascending; free(). */
static uint32_t *numbers_below(struct list *l, const char *dir,
			       unsigned int *nr)
{
	unsigned int nr_names;
	char **names = xs_list(l->ctl.xs, XBT_NULL, dir, &nr_names);
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

static void list_frontend(struct list *l, const char *class, uint32_t be,
			  uint32_t fe)
{
	char dir[VBD_PATH_MAX];
	unsigned int nr;
	uint32_t *devids;

	snprintf(dir, sizeof(dir),
		 "/local/domain/%" PRIu32 "/backend/%s/%" PRIu32, be, class,
		 fe);
	devids = numbers_below(l, dir, &nr);
	for (unsigned int i = 0; devids && i < nr; i++) {
		struct vbd_view view;
		struct vbd vbd;

		vbd_init(&vbd, class, be, fe, devids[i]);
		vbd_look(&l->ctl, &vbd, &view);
		if (l->table)
			add_row(l, &vbd, &view);
		else
			add_json(l, &vbd, &view);
	}
	free(devids);
}

static void list_backend(struct list *l, uint32_t be)
{
	char dir[VBD_PATH_MAX];

	for (unsigned int c = 0; vbd_classes[c]; c++) {
		unsigned int nr;
		uint32_t *fes;

		snprintf(dir, sizeof(dir),
			 "/local/domain/%" PRIu32 "/backend/%s", be,
			 vbd_classes[c]);
		fes = numbers_below(l, dir, &nr);
		for (unsigned int i = 0; fes && i < nr; i++) {
			if (is_wanted(l, fes[i]))
				list_frontend(l, vbd_classes[c], be, fes[i]);
		}
		free(fes);
	}
}

static void list_all(struct list *l, bool json)
{
	static const char *const heads[] = {
		"Vdev", "Domain", "BE",      "Handle", "Backend", "Frontend",
		"Type", "Mode",   "Sectors", "Params", "Error"};
	const unsigned int nr_heads = sizeof(heads) / sizeof(heads[0]);
	unsigned int nr;
	uint32_t *backends = ctl_domains(&l->ctl, &nr);

	if (json)
		l->array = json_array();
	else
		l->table = table_new(nr_heads);
	for (unsigned int i = 0; l->table && i < nr_heads; i++)
		table_cell(l->table, heads[i]);
	for (unsigned int i = 0; backends && i < nr; i++)
		list_backend(l, backends[i]);
	if (json)
		print_json(l->array);
	else
		table_print(l->table);
	free(backends);
}

int cmd_block_list(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	struct list l = {.table = NULL};
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
