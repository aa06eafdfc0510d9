// SPDX-License-Identifier: MIT
/* What can be asked at the control socket, as a table. */
#include "backend/control_commands.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "backend/device_keys.h"
#include "backend/super.h"
#include "backend/vif.h"
#include "backend/worker_handle.h"

static json_t *error(const char *text)
{
	return json_pack("{s:s}", "error", text);
}

static json_t *show_device(struct device *dev, bool full)
{
	json_t *obj = json_pack(
		"{s:s, s:i, s:I, s:s, s:b}", "device", dev->name, "domid",
		(int)dev->fe_domid, "devid", (json_int_t)dev->devid, "state",
		xenbus_state_name(dev->state), "online", (int)dev->online);

	if (obj && dev->error.text[0])
		json_object_set_new(obj, "error",
				    device_json_text(dev->error.text));
	if (obj && dev->priv)
		dev->class->stats(dev, obj, full);
	return obj;
}

static json_t *show_workers(struct supervisor *super)
{
	json_t *list = json_array();
	struct worker_handle *w;

	for (w = LIST_FIRST(&super->workers); w; w = worker_next(w))
		json_array_append_new(list,
				      json_pack("{s:i, s:i, s:i}", "domid",
						(int)worker_domid(w), "pid",
						(int)worker_pid(w), "restarts",
						(int)worker_restarts(w)));
	return list;
}

static json_t *show(struct supervisor *super, const json_t *question, bool full)
{
	const char *name = json_string_value(
		json_object_get(question, "device"));
	json_t *list = json_array();
	struct device *dev;

	for (dev = TAILQ_FIRST(&super->devices); dev;
	     dev = TAILQ_NEXT(dev, all))
		if (!name || !strcmp(name, dev->name))
			json_array_append_new(list, show_device(dev, full));
	return json_pack("{s:o, s:o}", "devices", list, "workers",
			 show_workers(super));
}

static json_t *cmd_list(struct supervisor *super, const json_t *question)
{
	return show(super, question, false);
}

static json_t *cmd_stats(struct supervisor *super, const json_t *question)
{
	return show(super, question, true);
}

static json_t *cmd_version(struct supervisor *super, const json_t *question)
{
	(void)question;
	return json_pack("{s:s, s:s, s:i}", "program", "xensplitd", "version",
			 super->opt->version, "domid", (int)super->domid);
}

static json_t *cmd_resize(struct supervisor *super, const json_t *question)
{
	const char *name = json_string_value(
		json_object_get(question, "device"));
	struct device *dev = name ? super_find(super, name) : NULL;

	if (!dev)
		return error("no such device");
	dev->recheck = true;
	device_mark(dev);
	return json_pack("{s:s}", "device", dev->name);
}

static struct device *find_nic(struct supervisor *super, const char *name)
{
	struct device *dev = super_find(super, name);
	char own[DEVICE_NAME_MAX];

	/* a guest's NIC number is in one of the two */
	if (!dev && !strncmp(name, "vif/", 4)) {
		snprintf(own, sizeof(own), "xensplit-%s", name);
		dev = super_find(super, own);
	}
	return dev && (dev->class == &vif_class || dev->class == &vif_own_class)
		       ? dev
		       : NULL;
}

/* "file": record there, all bytes of a frame or "snap_len"; without it: stop */
static json_t *cmd_pcap(struct supervisor *super, const json_t *question)
{
	const char *name = json_string_value(
		json_object_get(question, "device"));
	const json_t *file = json_object_get(question, "file");
	json_int_t snap_len = json_integer_value(
		json_object_get(question, "snap_len"));
	struct device *dev = name ? find_nic(super, name) : NULL;
	struct xs_err err = {""};

	if (!dev)
		return error("no such NIC");
	if (file && (!json_is_string(file) || *json_string_value(file) != '/'))
		return error("\"file\" is not an absolute path");
	if (snap_len < 0 || snap_len > NET_PACKET_MAX)
		return error("\"snap_len\" is not a length of a frame");
	if (vif_pcap(dev, json_string_value(file), (uint32_t)snap_len, &err))
		return json_pack("{s:o}", "error", device_json_text(err.text));
	return json_pack("{s:s}", "device", dev->name);
}

static const struct {
	const char *name;
	json_t *(*fn)(struct supervisor *super, const json_t *question);
} commands[] = {
	{"list", cmd_list},     {"stats", cmd_stats}, {"version", cmd_version},
	{"resize", cmd_resize}, {"pcap", cmd_pcap},
};

json_t *control_answer(struct supervisor *super, const json_t *question)
{
	const char *name = json_string_value(
		json_object_get(question, "command"));
	json_t *answer = NULL;
	unsigned int i;

	if (!name)
		return error("not an object with a \"command\"");
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(name, commands[i].name))
			answer = commands[i].fn(super, question);
	return answer ? answer : error("unknown command");
}
