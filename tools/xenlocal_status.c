// SPDX-License-Identifier: MIT
/*
 * xenlocal status: the hypervisor's account of itself, and the processes that
 * the account cannot know of.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/xenlocal.h"

#define EXIT_PART_DIED   1
#define EXIT_NOT_RUNNING 3
#define MAX_LISTED       4096

static json_t *describe_proc(const struct proc *p)
{
	return json_pack("{s:i, s:b}", "pid", (int)p->pid, "alive",
			 proc_alive(p));
}

/* The name a process has in ps(1); empty if it is gone. */
static void comm_of(pid_t pid, char *name, size_t size)
{
	char path[64];
	FILE *f;

	name[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(name, (int)size, f))
		name[strcspn(name, "\n")] = '\0';
	fclose(f);
}

/* Adds "processes" to each domain. */
static void add_processes(const struct host *h, json_t *domains)
{
	static struct members m;
	static struct proc found[MAX_LISTED];
	static size_t dom[MAX_LISTED];
	json_t *d, *list[MAX_MEMBER_DOMS] = {NULL};
	char comm[64];
	size_t i, nr;

	members_spare(&m, h->xenlocald.pid);
	json_array_foreach(domains, i, d)
	{
		uint32_t domid = (uint32_t)json_integer_value(
			json_object_get(d, "domid"));
		json_t *procs = json_array();

		json_object_set_new(d, "processes", procs);
		if (m.nr_inodes == MAX_MEMBER_DOMS ||
		    !domain_inode(&h->dir, domid))
			continue;
		list[m.nr_inodes] = procs;
		members_add(&m, domain_inode(&h->dir, domid));
	}
	nr = members_find(&m, found, dom, MAX_LISTED);
	for (i = 0; i < nr && i < MAX_LISTED; i++) {
		comm_of(found[i].pid, comm, sizeof(comm));
		json_array_append_new(list[dom[i]],
				      json_pack("{s:i, s:s}", "pid",
						(int)found[i].pid, "name",
						comm));
	}
}

/* What xenlocald says, or an empty object if it says nothing. */
static json_t *ask(struct host *h)
{
	json_error_t error;
	json_t *root;
	char *text;
	int rc;

	rc = admin_open(in_rundir(&h->dir, "control"), &h->admin);
	if (rc < 0)
		return json_object();
	rc = admin_status(h->admin, &text);
	if (rc < 0) {
		say("xenlocald: %s", strerror(-rc));
		return json_object();
	}
	root = json_loads(text, 0, &error);
	free(text);
	if (!root) {
		say("xenlocald's status is not JSON: %s", error.text);
		return json_object();
	}
	return root;
}

static long long number(json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

static void print_processes(json_t *d)
{
	json_t *p, *list = json_object_get(d, "processes");
	size_t i;

	json_array_foreach(list, i, p)
	{
		printf("%s%lld %s",
		       i ? ", " : "       processes: ", number(p, "pid"),
		       json_string_value(json_object_get(p, "name")));
	}
	if (json_array_size(list))
		putchar('\n');
}

static void print_domain(json_t *d)
{
	json_t *grants = json_object_get(d, "grants");
	json_t *counters = json_object_get(d, "counters");
	const char *name = json_string_value(json_object_get(d, "name"));
	char other[16];

	snprintf(other, sizeof(other), "dom%lld", number(d, "domid"));
	printf("%5lld  %-20s %9lld %6zu %7lld %7lld %8lld\n",
	       number(d, "domid"), name && *name ? name : other,
	       number(d, "uptime_ms") / 1000,
	       json_array_size(json_object_get(d, "ports")),
	       number(grants, "references"), number(grants, "maps"),
	       number(counters, "refused"));
	print_processes(d);
}

/* Devices and what the IOMMU did for them, one a line, as xenlocald says it. */
static void print_devices(json_t *root)
{
	json_t *d, *list = json_object_get(root, "devices");
	char *text;
	size_t i;

	if (json_array_size(list))
		printf("devices:\n");
	json_array_foreach(list, i, d)
	{
		text = json_dumps(d, JSON_COMPACT | JSON_SORT_KEYS);
		if (text)
			printf("       %s\n", text);
		free(text);
	}
}

static void print_text(const struct host *h, json_t *root)
{
	json_t *d, *domains = json_object_get(root, "domains");
	size_t i;

	printf("%s: xenlocald pid %d%s, xenstored pid %d%s\n", h->dir.path,
	       (int)h->xenlocald.pid,
	       proc_alive(&h->xenlocald) ? "" : " (has died)",
	       (int)h->xenstored.pid,
	       proc_alive(&h->xenstored) ? "" : " (has died)");
	if (json_array_size(domains))
		printf("DOMID  NAME                 UPTIME(s)  PORTS  GRANTS    "
		       "MAPS  REFUSED\n");
	json_array_foreach(domains, i, d) print_domain(d);
	print_devices(root);
}

static int status(struct host *h, bool as_json)
{
	json_t *root = ask(h);

	add_processes(h, json_object_get(root, "domains"));
	json_object_set_new(root, "rundir", json_string(h->dir.path));
	json_object_set_new(root, "xenlocald", describe_proc(&h->xenlocald));
	json_object_set_new(root, "xenstored", describe_proc(&h->xenstored));
	if (as_json) {
		json_dumpf(root, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_text(h, root);
	}
	json_decref(root);
	return proc_alive(&h->xenlocald) && proc_alive(&h->xenstored)
		       ? 0
		       : EXIT_PART_DIED;
}

int cmd_status(int argc, char **argv)
{
	static const struct option options[] = {
		{"rundir", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	const char *rundir = NULL;
	bool as_json = false;
	struct host h;
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'r')
			rundir = optarg;
		else if (opt == 'j')
			as_json = true;
		else
			return 2;
	}
	if (optind != argc) {
		say("status takes options only: %s", argv[optind]);
		return 2;
	}
	if (host_recall(&h, rundir) < 0)
		return 2;
	if (!h.xenlocald.pid) {
		say("%s: no embedded Xen runs there", h.dir.path);
		return EXIT_NOT_RUNNING;
	}
	rc = status(&h, as_json);
	host_close(&h);
	return rc;
}
