// SPDX-License-Identifier: MIT
/*
 * xensplit stats: asks the xensplitd of this domain over its control socket
 * and prints what it answers.  It knows no counter by name: a new counter in
 * the daemon is a new line here.
 *
 * One JSON line each way: {"command":"stats"}; {"devices":[...]} or
 * {"error":"..."}.
 */
#include "tools/xensplit.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "hypercall/xs_parse.h"

#define ANSWER_MAX      (16u << 20)
#define ANSWER_SECONDS  10
#define DEFAULT_CONTROL "/run/xensplit/control"

static int control_connect(const char *path)
{
	const struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* A line of at most ANSWER_MAX bytes; free(). */
static int read_line(int fd, char **line, size_t *len)
{
	size_t size = 0;
	char *buf = NULL, *end = NULL, *more;
	ssize_t n = 1;
	int res = 0;

	*len = 0;
	while (!end && !res && n) {
		if (*len == size) {
			size = size ? size * 2 : 65536;
			more = size > ANSWER_MAX ? NULL : realloc(buf, size);
			if (!more) {
				res = -EMSGSIZE;
				break;
			}
			buf = more;
		}
		n = recv(fd, buf + *len, size - *len, 0);
		if (n < 0) {
			if (errno != EINTR)
				res = errno == EAGAIN ? -ETIMEDOUT : -errno;
			continue;
		}
		end = memchr(buf + *len, '\n', (size_t)n);
		*len += (size_t)n;
	}
	if (end)
		*len = (size_t)(end - buf);
	if (!res && !*len)
		res = -ECONNRESET;
	if (res)
		free(buf);
	else
		*line = buf;
	return res;
}

static json_t *ask(const char *path)
{
	static const char request[] = "{\"command\":\"stats\"}\n";
	json_error_t error;
	json_t *answer;
	char *line;
	size_t len;
	int fd, res;

	fd = control_connect(path);
	if (fd < 0) {
		complain("cannot reach xensplitd at %s: %s (is it running in "
			 "this domain?)",
			 path, strerror(-fd));
		return NULL;
	}
	res = send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0 ? -errno
								       : 0;
	if (!res)
		res = read_line(fd, &line, &len);
	close(fd);
	if (res) {
		complain("no answer from xensplitd at %s: %s", path,
			 strerror(-res));
		return NULL;
	}
	answer = json_loadb(line, len, 0, &error);
	free(line);
	if (!answer)
		complain("the answer from %s is not JSON: %s", path,
			 error.text);
	return answer;
}

/* -- choosing -- */

struct choice {
	bool by_domain, by_device;
	uint32_t domid, devid;
};

static bool is_chosen(const struct choice *c, const json_t *dev)
{
	return (!c->by_domain || json_integer_value(json_object_get(
					 dev, "domid")) == c->domid) &&
	       (!c->by_device ||
		json_integer_value(json_object_get(dev, "devid")) == c->devid);
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
	const char *name = json_string_value(json_object_get(dev, "device"));
	const char *state = json_string_value(json_object_get(dev, "state"));
	struct table *t = table_new(2);
	const char *key;
	json_t *value;

	table_cellf(t, "%s", name ? name : "?");
	table_cellf(t, "%s %s", vdev ? vdev : "", state ? state : "");
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
		    strcmp(key, "state") && strcmp(key, "domid") &&
		    strcmp(key, "devid") && !json_is_object(value) &&
		    !json_is_array(value) && !json_is_null(value))
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
		return complain("xensplitd serves no such disk");
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

static int run_stats(const struct choice *c, const char *control, bool json)
{
	const char *rundir = getenv("XENSPLIT_RUNDIR");
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	json_t *answer;
	int res;

	if (control)
		snprintf(path, sizeof(path), "%s", control);
	else if (rundir && *rundir)
		snprintf(path, sizeof(path), "%s/control", rundir);
	else
		snprintf(path, sizeof(path), DEFAULT_CONTROL);
	answer = ask(path);
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
	if (argc - optind == 2) {
		choice.by_device = true;
		if (vdev_parse(argv[optind + 1], &choice.devid))
			return usage_error(
				argv[0],
				"'%s' is not a virtual disk's name or number",
				argv[optind + 1]);
	}
	if (argc - optind >= 1) {
		choice.by_domain = true;
		if (choose_domain(argv[optind], &choice.domid))
			return EXIT_FAILED;
	}
	return run_stats(&choice, control, json);
}
