// SPDX-License-Identifier: MIT
/*
 * What a guest's process sees of the host's side of embedded Xen: nothing but
 * its own xenstore socket.
 *
 * The process gets a mount namespace in which the run directory is an empty
 * file system with its own domain's directory in it.  It also gets a user
 * namespace (with the same user and group numbers), for two reasons: without
 * privilege there is no mount namespace otherwise; and a process in a user
 * namespace of its own can neither trace nor look into (/proc/PID/root, /fd)
 * processes outside of it, those of the other guests included.
 *
 * For root the mounts are made before the user namespace is entered: what a
 * user namespace inherits it cannot take off.  Others lose all capabilities at
 * exec, and a user namespace that they make later inherits the mounts.
 *
 * It does not hide processes, and does not keep a user from killing his own.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/xenlocal.h"

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	err = n < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* "0 0 4294967295" for the map "0 100000 65536": the same, seen from inside. */
static int same_ids(const char *map, char *text, size_t size)
{
	unsigned long long inside, outside, count;
	FILE *f = fopen(map, "re");
	size_t n = 0;

	if (!f)
		return -errno;
	while (n < size &&
	       fscanf(f, "%llu %llu %llu", &inside, &outside, &count) == 3)
		n += (size_t)snprintf(text + n, size - n, "%llu %llu %llu\n",
				      inside, inside, count);
	fclose(f);
	return n && n < size ? 0 : -EOVERFLOW;
}

/* Of a process of root: every user and group stays what it is. */
static int map_all(pid_t pid)
{
	static const char *const maps[] = {"uid_map", "gid_map"};
	char own[64], path[64], text[4096];
	int err;

	for (int i = 0; i < 2; i++) {
		snprintf(own, sizeof(own), "/proc/self/%s", maps[i]);
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, maps[i]);
		err = same_ids(own, text, sizeof(text));
		if (!err)
			err = write_file(path, text);
		if (err)
			return err;
	}
	return 0;
}

/* Of a process without privilege: its own user and group, no others. */
static int map_self(uid_t uid, gid_t gid)
{
	char text[64];
	int err;

	err = write_file("/proc/self/setgroups", "deny");
	if (err && err != -ENOENT)
		return err;
	snprintf(text, sizeof(text), "%u %u 1", uid, uid);
	err = write_file("/proc/self/uid_map", text);
	if (err)
		return err;
	snprintf(text, sizeof(text), "%u %u 1", gid, gid);
	return write_file("/proc/self/gid_map", text);
}

/* Waits to be told, writes the maps of its parent from outside, and ends. */
static void map_from_outside(int wait_fd, pid_t pid)
{
	char byte;
	int err = -EPIPE;

	if (read(wait_fd, &byte, 1) == 1)
		err = map_all(pid);
	_exit(-err);
}

/* Enters a user namespace with all ids mapped: root only. */
static int user_ns_as_root(int flags)
{
	pid_t self = getpid(), helper;
	int fds[2], status = 0, err = 0;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	helper = fork();
	if (helper == 0) {
		close(fds[1]);
		map_from_outside(fds[0], self);
	}
	close(fds[0]);
	if (helper < 0)
		err = -errno;
	else if (unshare(flags) < 0)
		err = -errno;
	else if (write(fds[1], "", 1) != 1)
		err = -errno;
	close(fds[1]);
	if (helper > 0 && waitpid(helper, &status, 0) == helper && !err)
		err = WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
	return err;
}

/* A current directory below the run directory would still be the hidden one. */
static int leave_hidden_cwd(void)
{
	char cwd[PATH_MAX];

	if (getcwd(cwd, sizeof(cwd)) && chdir(cwd) == 0)
		return 0;
	return chdir("/") < 0 ? -errno : 0;
}

/* Hides the run directory but for the domain's own part. */
static int hide_rundir(const struct rundir *r, unsigned int domid)
{
	const char *own = in_domdir(r, domid, "");
	char from[64];
	int fd, err = 0;

	/* nothing that happens to mounts here shows elsewhere */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -errno;
	fd = open(own, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	if (mount("xenlocal", r->path, "tmpfs",
		  MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=0755") < 0 ||
	    mkdir(own, 0700) < 0 || mount(from, own, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, r->path, NULL,
		  MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV |
			  MS_NOEXEC,
		  NULL) < 0)
		err = -errno;
	close(fd);
	return err ? err : leave_hidden_cwd();
}

static int raise_loopback(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int enter_net(void)
{
	int err = unshare(CLONE_NEWNET) < 0 ? -errno : raise_loopback();

	if (err)
		say("--net: no network namespace: %s", strerror(-err));
	return err ? -1 : 0;
}

static void warn_open(unsigned int domid, int err)
{
	say("domain %u: no mount namespace (%s): the process can reach the "
	    "control socket, domain 0's xenstore socket and those of other "
	    "guests",
	    domid, strerror(-err));
}

static void warn_trace(unsigned int domid, int err)
{
	say("domain %u: no user namespace (%s): the process can trace those "
	    "of the same user outside its domain",
	    domid, strerror(-err));
}

static int enter_as_root(const struct rundir *r, unsigned int domid,
			 const struct wall *wall)
{
	int err = unshare(CLONE_NEWNS) < 0 ? -errno : 0;

	if (!err && domid)
		err = hide_rundir(r, domid);
	if (err) {
		warn_open(domid, err);
		return wall->own_net ? enter_net() : 0;
	}
	if (!wall->host_caps && domid) {
		err = user_ns_as_root(CLONE_NEWUSER | CLONE_NEWNS);
		if (err)
			warn_trace(domid, err);
	}
	return wall->own_net ? enter_net() : 0;
}

static int enter_as_user(const struct rundir *r, unsigned int domid,
			 const struct wall *wall)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int err = 0;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		err = -errno;
	if (!err)
		err = map_self(uid, gid);
	if (!err && domid)
		err = hide_rundir(r, domid);
	if (err)
		warn_open(domid, err);
	return wall->own_net ? enter_net() : 0;
}

int wall_enter(const struct rundir *r, unsigned int domid,
	       const struct wall *wall)
{
	if (geteuid() == 0)
		return enter_as_root(r, domid, wall);
	return enter_as_user(r, domid, wall);
}
