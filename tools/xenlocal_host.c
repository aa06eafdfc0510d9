// SPDX-License-Identifier: MIT
/*
 * A running embedded Xen as xenlocal sees it, and where our own files are.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/xenlocal.h"

int host_recall(struct host *h, const char *rundir_option)
{
	memset(h, 0, sizeof(*h));
	if (rundir_choose(&h->dir, rundir_option) < 0)
		return -1;
	proc_load(in_rundir(&h->dir, "xenlocald.proc"), &h->xenlocald);
	proc_load(in_rundir(&h->dir, "xenstored.proc"), &h->xenstored);
	return 0;
}

int host_recall_locked(struct host *h, const char *rundir_option)
{
	int lock;

	if (host_recall(h, rundir_option) < 0)
		return -1;
	if (access(h->dir.path, F_OK) < 0)
		return 0;
	if (rundir_lock(&h->dir) < 0)
		return -1;
	/* once more: it may have changed while we waited */
	lock = h->dir.lock_fd;
	host_recall(h, rundir_option);
	h->dir.lock_fd = lock;
	return 0;
}

int host_open(struct host *h, const char *rundir_option)
{
	const char *path;
	int rc;

	if (host_recall(h, rundir_option) < 0)
		return -1;
	path = in_rundir(&h->dir, "control");
	rc = admin_open(path, &h->admin);
	if (rc == 0)
		return 0;
	if (rc == -ECONNREFUSED || h->xenlocald.pid)
		say("%s: the hypervisor process (pid %d) has died; see "
		    "xenlocald.log there, then xenlocal stop or start",
		    h->dir.path, (int)h->xenlocald.pid);
	else if (rc == -ENOENT)
		say("%s: no embedded Xen runs there (xenlocal start)",
		    h->dir.path);
	else
		say("%s: %s", path, strerror(-rc));
	return -1;
}

/* A guest's processes, but for its xenbus device: that goes last. */
static void add_guest(const struct rundir *r, unsigned int domid, void *arg)
{
	struct members *m = arg;
	struct proc device;

	if (!domid)
		return;
	members_add(m, domain_inode(r, domid));
	proc_load(in_domdir(r, domid, "xenbus.proc"), &device);
	members_spare(m, device.pid);
}

static void members_init(struct members *m, const struct host *h)
{
	m->nr_inodes = m->nr_spare = 0;
	members_spare(m, h->xenlocald.pid);
	members_spare(m, h->xenstored.pid);
}

void host_sweep(struct host *h, int timeout_ms, bool all)
{
	static struct members m;

	members_init(&m, h);
	rundir_each_dom(&h->dir, add_guest, &m);
	members_end(&m, timeout_ms);
	m.nr_spare = 0;
	members_spare(&m, h->xenlocald.pid);
	members_end(&m, 2000);
	members_init(&m, h);
	members_add(&m, domain_inode(&h->dir, 0));
	members_end(&m, timeout_ms);
	proc_end(&h->xenstored, 2000);
	proc_end(&h->xenlocald, 5000);
	rundir_clear(&h->dir, all);
}

void host_close(struct host *h)
{
	admin_close(h->admin);
	h->admin = NULL;
	rundir_unlock(&h->dir);
}

const char *our_file(const char *kind, const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 4], *slash;
	char exe[PATH_MAX - 256];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[n > 0 ? n : 0] = '\0';
	for (int up = 0; up < 2; up++) {
		slash = strrchr(exe, '/');
		if (slash)
			*slash = '\0';
	}
	snprintf(path, PATH_MAX, "%s/%s%s%s", exe, kind, *name ? "/" : "",
		 name);
	return path;
}

char *library_path(void)
{
	const char *old = getenv("LD_LIBRARY_PATH");
	char *text;
	int n;

	n = asprintf(&text, "LD_LIBRARY_PATH=%s%s%s", our_file("lib", ""),
		     old && *old ? ":" : "", old && *old ? old : "");
	return n < 0 ? NULL : text;
}

void use_dom0_store(const struct host *h)
{
	setenv("XENSTORED_PATH", in_rundir(&h->dir, "socket"), 1);
}
