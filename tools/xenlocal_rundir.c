// SPDX-License-Identifier: MIT
/*
 * The directory one embedded Xen lives in:
 *
 *   lock                 held by whoever changes what runs
 *   made                 the directory itself was made by start
 *   control              xenlocald's socket, for the administrator
 *   socket               xenstored's, for domain 0
 *   *.proc, *.log        processes and what they say
 *   dom0/, domN/         a domain: id (its socket's inode number), and for a
 *                        guest its xenstore socket, its xenbus device's log
 *                        and process, and ready, made when all of it is there
 *
 * A guest sees an empty directory here but for its own domN.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/xenlocal.h"

/* What may be left in the directory, so that nothing else is ever removed. */
static const char *const our_files[] = {
	"control",        "socket",        "xenlocald.proc", "xenlocald.log",
	"xenstored.proc", "xenstored.pid", "xenstored.log",
};

static const char *const our_dom_files[] = {
	"xenstore", "ready", "xenbus.log", "xenbus.proc", "id",
};

int rundir_choose(struct rundir *r, const char *option)
{
	const char *base = option, *sub = "";
	char path[PATH_MAX];
	int n;

	r->lock_fd = -1;
	if (!base)
		base = getenv("XENLOCAL_RUNDIR");
	if (!base || !*base) {
		base = getenv("XDG_RUNTIME_DIR");
		sub = "/xenlocal";
	}
	if ((!base || !*base) && geteuid() == 0)
		base = "/run";
	if (!base || !*base) {
		say("no directory to run in: give --rundir, or set "
		    "XENLOCAL_RUNDIR or XDG_RUNTIME_DIR");
		return -1;
	}
	path[0] = '\0';
	if (base[0] != '/' && !getcwd(path, sizeof(path))) {
		say("current directory: %s", strerror(errno));
		return -1;
	}
	n = snprintf(r->path, sizeof(r->path), "%s%s%s%s", path,
		     path[0] ? "/" : "", base, sub);
	if (n < 0 || (size_t)n >= sizeof(r->path)) {
		say("%s%s%s%s: name too long: %d bytes, at most %d (sockets' "
		    "names are short)",
		    path, path[0] ? "/" : "", base, sub, n, MAX_RUNDIR);
		return -1;
	}
	while (n > 1 && r->path[n - 1] == '/')
		r->path[--n] = '\0';
	return 0;
}

int rundir_make(struct rundir *r)
{
	struct stat st;
	int fd;

	if (mkdir(r->path, 0700) == 0) {
		fd = open(in_rundir(r, "made"), O_WRONLY | O_CREAT | O_CLOEXEC,
			  0600);
		if (fd >= 0)
			close(fd);
	} else if (errno != EEXIST) {
		say("%s: %s", r->path, strerror(errno));
		return -1;
	}
	if (stat(r->path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		say("%s: not a directory", r->path);
		return -1;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 022)) {
		say("%s: must be owned by you and writable by nobody else",
		    r->path);
		return -1;
	}
	return 0;
}

/* The lock file may be removed by the one who held it: then try again. */
int rundir_lock(struct rundir *r)
{
	const char *path = in_rundir(r, "lock");
	struct stat ours, now;
	int fd;

	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || flock(fd, LOCK_EX) < 0) {
			say("%s: %s", path, strerror(errno));
			if (fd >= 0)
				close(fd);
			return -1;
		}
		if (fstat(fd, &ours) == 0 && stat(path, &now) == 0 &&
		    ours.st_ino == now.st_ino && ours.st_dev == now.st_dev)
			break;
		close(fd);
	}
	r->lock_fd = fd;
	return 0;
}

void rundir_unlock(struct rundir *r)
{
	if (r->lock_fd >= 0)
		close(r->lock_fd);
	r->lock_fd = -1;
}

static char *path_buffer(void)
{
	static char buffers[4][MAX_PATH + NAME_MAX_LEN];
	static unsigned int next;

	return buffers[next++ % 4];
}

const char *in_rundir(const struct rundir *r, const char *name)
{
	char *buf = path_buffer();

	snprintf(buf, MAX_PATH, "%s/%s", r->path, name);
	return buf;
}

const char *in_domdir(const struct rundir *r, unsigned int domid,
		      const char *name)
{
	char *buf = path_buffer();

	snprintf(buf, MAX_PATH, "%s/dom%u%s%s", r->path, domid,
		 *name ? "/" : "", name);
	return buf;
}

int domdir_make(const struct rundir *r, unsigned int domid)
{
	const char *path = in_domdir(r, domid, "");

	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		say("%s: %s", path, strerror(errno));
		return -1;
	}
	return 0;
}

void domdir_remove(const struct rundir *r, unsigned int domid)
{
	for (size_t i = 0; i < sizeof(our_dom_files) / sizeof(char *); i++)
		unlink(in_domdir(r, domid, our_dom_files[i]));
	rmdir(in_domdir(r, domid, ""));
}

void rundir_each_dom(const struct rundir *r,
		     void (*fn)(const struct rundir *r, unsigned int domid,
				void *arg),
		     void *arg)
{
	DIR *d = opendir(r->path);
	struct dirent *e;
	unsigned int domid;
	int end;

	if (!d)
		return;
	while ((e = readdir(d))) {
		end = 0;
		if (sscanf(e->d_name, "dom%5u%n", &domid, &end) == 1 &&
		    !e->d_name[end])
			fn(r, domid, arg);
	}
	closedir(d);
}

static void remove_dom(const struct rundir *r, unsigned int domid, void *arg)
{
	(void)arg;
	domdir_remove(r, domid);
}

void rundir_clear(struct rundir *r, bool all)
{
	bool made = access(in_rundir(r, "made"), F_OK) == 0;

	rundir_each_dom(r, remove_dom, NULL);
	for (size_t i = 0; i < sizeof(our_files) / sizeof(char *); i++)
		unlink(in_rundir(r, our_files[i]));
	if (!all)
		return;
	unlink(in_rundir(r, "made"));
	unlink(in_rundir(r, "lock"));
	if (made)
		rmdir(r->path);
}
