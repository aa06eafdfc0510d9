/* SPDX-License-Identifier: MIT */
/*
 * The supervisor: finds devices below the own domain's backend/, follows both
 * ends' states in xenstore, and keeps a worker process per guest.  It touches
 * no ring and maps no grant.
 *
 * Watches are few, because xenstored grants a domain 128 of them: one on each
 * class's directory, two per frontend domain.  Events are dispatched by path.
 *
 * Of the two, one is on the domain's device directory, for its states.  The
 * other tells that the domain has gone: @releaseDomain is for domain 0 only,
 * and the removal of a whole tree is told only to watches of exactly a node in
 * it that the watcher may read, such as one device's directory.
 *
 * One thread, one libev loop.  A device that is to be looked at goes on a list
 * which is worked off before the loop sleeps, so that any number of events
 * about a device costs one look a turn.
 */
#ifndef XENSPLIT_BACKEND_SUPER_H
#define XENSPLIT_BACKEND_SUPER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "backend/device.h"
#include "hypercall/log.h"
#include "hypercall/xs_store.h"

struct control;
struct hotplug_run;
struct image_locks;
struct size_watches;
struct worker_handle;

#define SUPER_BUCKETS     4096u
#define SUPER_DOM_BUCKETS 256u

/* Which directories of backend/vbd, backend/vif are served. */
enum super_serve {
	SUPER_SERVE_AUTO, /* all, but where the kernel serves them: marked */
	SUPER_SERVE_ALL,
	SUPER_SERVE_MARKED, /* with xensplit/serve = 1 */
};

struct super_options {
	const char *control;      /* path of the control socket; NULL: none */
	unsigned int workers_max; /* guests served at the same time */
	unsigned int queues_max;  /* offered per disk or NIC */
	unsigned int loops;       /* data threads of a worker; 0: its choice */
	unsigned int poll_us;     /* polling of a worker before each sleep */
	bool run_scripts;         /* NICs' hotplug scripts; else others do */
	const char *log_level;    /* handed to workers */
	const char *version;      /* what the control socket tells */
	enum super_serve vbd, vif;
	int ready_fd; /* gets a line when all is set up; -1: none */
};

LIST_HEAD(device_list, device);
TAILQ_HEAD(device_queue, device);

/* A domain with devices of ours. */
struct fe_domain {
	struct supervisor *super;
	uint32_t domid;
	bool gone; /* its home has vanished from xenstore */
	struct xs_watch *watch;
	struct xs_watch *life_watch; /* on life_device's fe_dir */
	struct device *life_device;
	struct worker_handle *worker; /* NULL while nothing is offered */
	struct device_list devices;
	LIST_ENTRY(fe_domain) link;
};
LIST_HEAD(domain_list, fe_domain);

struct class_watch {
	const struct device_class *class;
	struct supervisor *super;
	struct xs_watch *watch;
	char path[64]; /* /local/domain/N/backend/TYPE */
};

struct supervisor {
	struct ev_loop *loop;
	struct xs_store *xs;
	uint32_t domid;
	const struct super_options *opt;
	struct class_watch *class_watches;
	unsigned int nr_classes;
	struct xs_watch *release_watch;
	struct control *control;
	struct image_locks *locks;
	struct size_watches *sizes;
	ev_signal sigterm, sigint, sighup;
	ev_prepare prepare;
	ev_idle more; /* active while devices are dirty */
	ev_timer stop_timer;
	bool stopping, hurry; /* hurry: everything is forced */
	uint32_t last_number;
	unsigned int nr_workers, nr_devices;
	LIST_HEAD(worker_list, worker_handle) workers;
	LIST_HEAD(script_list, hotplug_run) scripts;
	struct device_queue devices, dirty;
	struct domain_list domains[SUPER_DOM_BUCKETS];
	struct device_list by_id[SUPER_BUCKETS], by_fe_dir[SUPER_BUCKETS];
	struct log_limit log_names;
};

/* Opens xenstore, finds the devices that exist; 0 or -errno, having logged
 * why.  opt stays the caller's and must outlive the supervisor. */
int super_open(struct supervisor **super, const struct super_options *opt);
/* Serves until SIGTERM or SIGINT, then closes every device in order. */
void super_run(struct supervisor *super);
void super_close(struct supervisor *super);

/* "vbd/2/51712", or NULL. */
struct device *super_find(struct supervisor *super, const char *name);
/* Look again at the sizes of all disks, the policies of all NICs. */
void super_recheck_all(struct supervisor *super);

/* Between the two files of the supervisor: watch, and so find, devices. */
int super_watch_classes(struct supervisor *super);

/* For device.c: enter into the table of frontend directories; forget. */
void super_index_fe_dir(struct device *dev);
void super_forget(struct device *dev);
/* For device.c: a frontend's directory has vanished, perhaps with its domain;
 * finds out as far as possible and marks the domain's devices. */
void super_check_domain(struct fe_domain *dom);
/* For workers that ended: the loop may be done. */
void super_check_stopped(struct supervisor *super);

#endif
