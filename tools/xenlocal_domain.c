// SPDX-License-Identifier: MIT
/*
 * Making and ending domains: the hypervisor's part, xenstore's part, and the
 * domain's xenbus device.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/xenlocal.h"

#define READY_MS 10000
#define GUEST_MS 5000

int parse_domid(const char *text, uint32_t *domid)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' ||
	    n >= ADMIN_DOMID_END) {
		say("%s: not a domain's number (0 to %u)", text,
		    ADMIN_DOMID_END - 1);
		return -1;
	}
	*domid = (uint32_t)n;
	return 0;
}

int domain_save_inode(const struct rundir *r, unsigned int domid, int fd)
{
	const char *path = in_domdir(r, domid, "id");
	struct stat st;
	FILE *f;
	int rc = -1;

	if (fstat(fd, &st) < 0)
		return -1;
	f = fopen(path, "we");
	if (f && fprintf(f, "%llu\n", (unsigned long long)st.st_ino) > 0 &&
	    fflush(f) == 0)
		rc = 0;
	if (rc < 0)
		say("%s: %s", path, strerror(errno));
	if (f)
		fclose(f);
	return rc;
}

uint64_t domain_inode(const struct rundir *r, unsigned int domid)
{
	FILE *f = fopen(in_domdir(r, domid, "id"), "re");
	unsigned long long inode = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%llu", &inode) != 1)
		inode = 0;
	fclose(f);
	return inode;
}

/* Starts the domain's xenbus device; xenstored must know the domain by now. */
static int start_device(const struct rundir *r, unsigned int domid, int dom_fd)
{
	char fd_text[32], ready_text[16], *libs = library_path();
	const char *argv[] = {our_file("libexec", "xenlocal-xenbus"),
			      "--socket",
			      in_domdir(r, domid, "xenstore"),
			      "--ready-fd",
			      ready_text,
			      NULL};
	const char *env[] = {libs,
			     fd_text,
			     "XENSTORED_PATH",
			     "XENSTORED_RUNDIR",
			     "XENLOCAL_RUNDIR",
			     NULL};
	struct launch l = {
		.argv = argv,
		.env = env,
		.log = in_domdir(r, domid, "xenbus.log"),
		.keep_fd = dom_fd,
	};
	struct proc p = {0};
	int fds[2], rc = -1;

	if (!libs || pipe2(fds, O_CLOEXEC) < 0) {
		free(libs);
		return -1;
	}
	snprintf(fd_text, sizeof(fd_text), ADMIN_FD_ENV "=%d", dom_fd);
	snprintf(ready_text, sizeof(ready_text), "%d", fds[1]);
	l.ready_fd = fds[1];
	rc = proc_launch(&l, &p);
	close(fds[1]);
	if (rc == 0)
		rc = proc_save(in_domdir(r, domid, "xenbus.proc"), &p);
	if (rc == 0) {
		rc = proc_wait_ready(&p, fds[0], READY_MS);
		if (rc < 0)
			say("domain %u: its xenbus device did not start; %s",
			    domid, l.log);
	}
	if (rc < 0)
		proc_end(&p, 1000);
	close(fds[0]);
	free(libs);
	return rc;
}

static int check_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-");

	if (n && !name[n] && n <= NAME_MAX_LEN && name[0] != '-')
		return 0;
	say("%s: not a domain's name (1 to %d of letters, digits and _.+-)",
	    name, NAME_MAX_LEN);
	return -1;
}

/* From the hypervisor's part on a domain exists; this says that it is whole. */
static int mark_ready(const struct rundir *r, unsigned int domid)
{
	const char *path = in_domdir(r, domid, "ready");
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		say("%s: %s", path, strerror(errno));
		return -1;
	}
	close(fd);
	return 0;
}

bool domain_is_ready(const struct rundir *r, unsigned int domid)
{
	return domid == 0 || access(in_domdir(r, domid, "ready"), F_OK) == 0;
}

/* What follows the hypervisor's part; -1 leaves it to the caller to undo. */
static int equip(struct host *h, const struct domain_spec *spec, uint32_t gfn,
		 uint32_t port)
{
	int dom_fd, rc;

	rc = admin_domain_socket(h->admin, spec->domid, &dom_fd);
	if (rc < 0) {
		say("domain %u: no socket: %s", spec->domid, strerror(-rc));
		return -1;
	}
	rc = domdir_make(&h->dir, spec->domid);
	if (rc == 0)
		rc = domain_save_inode(&h->dir, spec->domid, dom_fd);
	if (rc == 0)
		rc = store_create(spec, gfn, port);
	if (rc == 0)
		rc = start_device(&h->dir, spec->domid, dom_fd);
	if (rc == 0)
		rc = mark_ready(&h->dir, spec->domid);
	close(dom_fd);
	return rc;
}

static void unmake(struct host *h, uint32_t domid)
{
	store_destroy(domid);
	admin_destroy(h->admin, domid);
	domdir_remove(&h->dir, domid);
}

int domain_create(struct host *h, struct domain_spec *spec)
{
	uint32_t gfn, port, other;
	char name[NAME_MAX_LEN + 1];
	int rc;

	if (spec->name && check_name(spec->name) < 0)
		return -1;
	use_dom0_store(h);
	if (spec->name && store_name_taken(spec->name, &other)) {
		say("%s: is the name of domain %u already", spec->name, other);
		return -1;
	}
	rc = admin_create(h->admin, &spec->domid, spec->name ? spec->name : "",
			  &gfn, &port);
	if (rc == -EEXIST) {
		say("domain %u exists already", spec->domid);
		return -1;
	}
	if (rc < 0) {
		say("cannot make a domain: %s", strerror(-rc));
		return -1;
	}
	if (!spec->name) {
		snprintf(name, sizeof(name), "dom%u", spec->domid);
		spec->name = name;
	}
	rc = equip(h, spec, gfn, port);
	if (rc < 0)
		unmake(h, spec->domid);
	if (spec->name == name)
		spec->name = NULL;
	return rc;
}

int domain_destroy(struct host *h, uint32_t domid)
{
	static struct members m;
	struct proc device;
	int rc, fd;

	if (domid == 0) {
		say("domain 0 ends with xenlocal stop");
		return -1;
	}
	rc = admin_domain_socket(h->admin, domid, &fd);
	if (rc < 0) {
		say("domain %u: %s", domid,
		    rc == -ENOENT || rc == -ESRCH ? "does not exist"
						  : strerror(-rc));
		return -1;
	}
	close(fd);
	/* its programs first, so that they can still say good-bye */
	memset(&m, 0, sizeof(m));
	members_add(&m, domain_inode(&h->dir, domid));
	members_spare(&m, h->xenlocald.pid);
	proc_load(in_domdir(&h->dir, domid, "xenbus.proc"), &device);
	members_spare(&m, device.pid);
	members_end(&m, GUEST_MS);
	proc_end(&device, 2000);

	use_dom0_store(h);
	store_destroy(domid);
	rc = admin_destroy(h->admin, domid);
	if (rc < 0)
		say("domain %u: %s", domid, strerror(-rc));
	domdir_remove(&h->dir, domid);
	return rc < 0 ? -1 : 0;
}
