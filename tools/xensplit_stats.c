// SPDX-License-Identifier: MIT
/*
 * xensplit stats: asks the xensplitd of this domain and prints what it answers.
 * It knows no counter by name: a new counter in the daemon is a new line here.
 */
#include "tools/xensplit.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypercall/xs_parse.h"
#include "tools/xensplit_nic.h"

/* -- choosing -- */

struct choice {
	bool by_domain, by_device;
	const char *type; /* of the device: "vbd/" */
	uint32_t domid, devid;
};

static bool is_device(const struct choice *c, const json_t *dev)
{
	const char *name = json_string_value(json_object_get(dev, "device"));

	/* our own classes are called after the others */
	if (name && !strncmp(name, "xensplit-", 9))
		name += 9;
	return name && !strncmp(name, c->type, strlen(c->type)) &&
	       json_integer_value(json_object_get(dev, "devid")) == c->devid;
}

static bool is_chosen(const struct choice *c, const json_t *dev)
{
	return (!c->by_domain || json_integer_value(json_object_get(
					 dev, "domid")) == c->domid) &&
	       (!c->by_device || is_device(c, dev));
}

/* -- printing -- */

static void add_value(struct table *t, const char *name, const char *unit,
		      const json_t *value)
{
	table_cellf(t, "  %s%s", name, unit);
	if (json_is_integer(value))
		table_cellf(t, "%" JSON_INTEGER_FORMAT,
			    json_integer_value(value));
	else if (json_is_real(value))
		table_cellf(t, "%.3f", json_real_value(value));
	else if (json_is_boolean(value))
		table_cell(t, json_boolean_value(value) ? "yes" : "no");
	else if (json_is_string(value))
		table_cell(t, json_string_value(value));
	else
		table_cell(t, "");
}

/* An array of objects: a line for each of their values. */
static void add_list(struct table *t, const char *name, const json_t *list)
{
	char label[64];
	const char *key;
	json_t *obj, *value;
	size_t i;

	json_array_foreach(list, i, obj)
	{
		json_object_foreach(obj, key, value)
		{
			snprintf(label, sizeof(label), "%s %zu %s", name, i,
				 key);
			add_value(t, label, "", value);
		}
	}
}

static void print_device(json_t *dev)
{
	const char *vdev = json_string_value(json_object_get(dev, "vdev"));
	const char *vif = json_string_value(json_object_get(dev, "vif"));
	const char *name = json_string_value(json_object_get(dev, "device"));
	const char *state = json_string_value(json_object_get(dev, "state"));
	struct table *t = table_new(2);
	const char *key;
	json_t *value;

	table_cellf(t, "%s", name ? name : "?");
	table_cellf(t, "%s %s",
		    vdev  ? vdev
		    : vif ? vif
			  : "",
		    state ? state : "");
	json_object_foreach(json_object_get(dev, "counters"), key, value)
		add_value(t, key, "", value);
	json_object_foreach(json_object_get(dev, "latency_us"), key, value)
	{
		char label[64];

		snprintf(label, sizeof(label), "latency %s", key);
		add_value(t, label, " (us)", value);
	}
	json_object_foreach(dev, key, value)
	{
		if (json_is_array(value))
			add_list(t, key, value);
		if (strcmp(key, "device") && strcmp(key, "vdev") &&
		    strcmp(key, "vif") && strcmp(key, "state") &&
		    strcmp(key, "domid") && strcmp(key, "devid") &&
		    !json_is_object(value) && !json_is_array(value) &&
		    !json_is_null(value))
			add_value(t, key, "", value);
	}
	table_print(t);
}

static int show(json_t *answer, const struct choice *c, bool json)
{
	json_t *devices = json_object_get(answer, "devices"), *dev;
	const char *error = json_string_value(json_object_get(answer, "error"));
	json_t *chosen = json_array();
	size_t i;

	if (error || !json_is_array(devices)) {
		json_decref(chosen);
		return complain("xensplitd: %s",
				error ? error : "an answer without devices");
	}
	json_array_foreach(devices, i, dev)
	{
		if (is_chosen(c, dev))
			json_array_append(chosen, dev);
	}
	if (!json_array_size(chosen) && c->by_device) {
		json_decref(chosen);
		return complain("xensplitd serves no such device");
	}
	if (json) {
		print_json(json_pack("{s:o}", "devices", chosen));
		return EXIT_OK;
	}
	json_array_foreach(chosen, i, dev)
	{
		if (i)
			putchar('\n');
		print_device(dev);
	}
	json_decref(chosen);
	return EXIT_OK;
}

/* -- the command -- */

/* A name needs xenstore; a number does not, and works without. */
static int choose_domain(const char *text, uint32_t *domid)
{
	struct xs_err why;
	struct ctl ctl;
	uint64_t n;
	int res;

	if (!xs_parse_u64(text, strlen(text), 0, UINT32_MAX, &n)) {
		*domid = (uint32_t)n;
		return 0;
	}
	res = ctl_open(&ctl);
	if (res)
		return res;
	res = ctl_domain(&ctl, text, domid, &why);
	if (res)
		complain("%s", why.text);
	ctl_close(&ctl);
	return res;
}

/* "vif/0" is a NIC, all else a disk. */
static int choose_device(const char *text, struct choice *c)
{
	bool nic = !strncmp(text, "vif/", 4);

	c->by_device = true;
	c->type = nic ? "vif/" : "vbd/";
	return nic ? nic_parse_devid(text, &c->devid)
		   : vdev_parse(text, &c->devid);
}

static int run_stats(const struct choice *c, const char *control, bool json)
{
	json_t *answer = control_ask(control,
				     json_pack("{s:s}", "command", "stats"));
	int res;

	if (!answer)
		return EXIT_FAILED;
	res = show(answer, c, json);
	json_decref(answer);
	return res;
}

int cmd_stats(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"control", required_argument, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	struct choice choice = {.by_domain = false};
	const char *control = NULL;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 'c')
			control = optarg;
		else
			return usage_error(argv[0], "see the usage");
	}
	if (argc - optind > 2)
		return usage_error(argv[0], "too many words");
	if (argc - optind == 2 && choose_device(argv[optind + 1], &choice))
		return usage_error(argv[0],
				   "'%s' is not a virtual disk's name or "
				   "number, nor vif/NUMBER",
				   argv[optind + 1]);
	if (argc - optind >= 1) {
		choice.by_domain = true;
		if (choose_domain(argv[optind], &choice.domid))
			return EXIT_FAILED;
	}
	return run_stats(&choice, control, json);
}
