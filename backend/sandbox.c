// SPDX-License-Identifier: MIT
/*
 * Giving up privileges, in two parts around the start of the threads.
 *
 * Capabilities belong to threads.  Those of all threads go when libc changes
 * the user id of all of them; a process that is not root drops what a user
 * namespace gave it while it still has one thread.
 */
#include "backend/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backend/mem_keeper.h"
#include "backend/sandbox_calls.h"
#include "hypercall/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTER_CALLS false
#else
#define FILTER_CALLS true
#endif

#define UID_NOBODY 65534u

/* what sandbox_early() got */
static bool have_net, have_ipc, have_uts;
static int empty_root = -1;

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

/* Who is not root may still make namespaces inside a user namespace, where
 * the same user stands alone. */
static void enter_user_namespace(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];

	if (unshare(CLONE_NEWUSER))
		return;
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	write_file("/proc/self/gid_map", map);
}

bool sandbox_is_root(void)
{
	FILE *f = geteuid() ? NULL : fopen("/proc/self/uid_map", "re");
	unsigned long long first, outside, nr, ids = 0;

	if (!f)
		return !geteuid();
	while (fscanf(f, "%llu %llu %llu", &first, &outside, &nr) == 3)
		ids += nr;
	fclose(f);
	return ids > 1;
}

/* A file system with nothing in it, mounted nowhere. */
static int make_empty_root(void)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), mnt = -1;

	if (fs < 0)
		return -1;
	if (!fsconfig(fs, FSCONFIG_SET_STRING, "size", "4k", 0) &&
	    !fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "1", 0) &&
	    !fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0555", 0) &&
	    !fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mnt = fsmount(fs, FSMOUNT_CLOEXEC,
			      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
				      MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	close(fs);
	return mnt;
}

/* root keeps what sandbox_enter() needs; threads inherit it until then */
static void drop_early(bool root)
{
	capng_clear(CAPNG_SELECT_ALL);
	if (root)
		capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
			      CAP_SETUID, CAP_SETGID, CAP_SYS_CHROOT,
			      CAP_DAC_OVERRIDE, -1);
	capng_apply(CAPNG_SELECT_ALL);
}

void sandbox_early(void)
{
	bool root = sandbox_is_root();

	/* a second arena would make libc count processors, in a file */
	mallopt(M_ARENA_MAX, 2);
	if (!root)
		enter_user_namespace();
	have_net = !unshare(CLONE_NEWNET);
	have_ipc = !unshare(CLONE_NEWIPC);
	have_uts = !unshare(CLONE_NEWUTS);
	if (root)
		empty_root = make_empty_root();
	drop_early(root);
}

/* chroot() is for all threads: they share it. */
static int leave_files(struct xs_err *err)
{
	int res = 0;

	if (empty_root < 0)
		return 0;
	if (fchdir(empty_root) || chroot(".")) {
		res = -errno;
		xs_err_set(err, "cannot enter the empty root: %s",
			   strerror(-res));
	}
	close(empty_root);
	empty_root = -1;
	return res;
}

static int change_user(uid_t *uid, struct xs_err *err)
{
	int res;

	/* a container may not have so high ids; workers then share one */
	if (setgroups(0, NULL))
		res = -errno;
	else if (!setresgid(*uid, *uid, *uid) ||
		 (errno == EINVAL && (*uid = UID_NOBODY) &&
		  !setresgid(*uid, *uid, *uid)))
		res = setresuid(*uid, *uid, *uid) ? -errno : 0;
	else
		res = -errno;
	if (res)
		xs_err_set(err, "cannot become user %u: %s", *uid,
			   strerror(-res));
	return res;
}

static int drop_capabilities(struct xs_err *err)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_CAPS)) {
		xs_err_set(err, "cannot drop capabilities");
		return -EPERM;
	}
	capng_get_caps_process();
	if (capng_have_capabilities(CAPNG_SELECT_CAPS) > CAPNG_NONE) {
		xs_err_set(err, "capabilities are left");
		return -EPERM;
	}
	return 0;
}

static int close_process(struct xs_err *err)
{
	static const struct rlimit none = {0, 0};

	/* a core file would hold the guest's data; nobody is to look inside */
	if (setrlimit(RLIMIT_CORE, &none) || prctl(PR_SET_DUMPABLE, 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		xs_err_set(err, "cannot close the process: %s",
			   strerror(errno));
		return -EPERM;
	}
	return 0;
}

static void report(bool root, bool chrooted, uid_t uid)
{
	char user[32] = "user unchanged (not root)";

	if (root)
		snprintf(user, sizeof(user), "user %u", uid);
	log_info("-",
		 "sandbox: %s; own network %s, IPC %s, host name %s; empty "
		 "root %s; system calls %s",
		 user, have_net ? "yes" : "refused",
		 have_ipc ? "yes" : "refused", have_uts ? "yes" : "refused",
		 chrooted ? "yes" : "no",
		 FILTER_CALLS ? "restricted"
			      : "not restricted (a sanitizer build)");
}

int sandbox_enter(const struct sandbox_how *how, struct xs_err *err)
{
	bool root = sandbox_is_root(), chrooted = empty_root >= 0;
	uid_t uid = how->uid_base ? how->uid_base : SANDBOX_UID_BASE;
	int res;

	uid += how->domid;
	res = leave_files(err);
	if (!res && root)
		res = change_user(&uid, err);
	if (!res)
		res = drop_capabilities(err);
	if (!res)
		res = close_process(err);
	if (res)
		return res;
	if (how->keeper_pidfd) {
		res = mem_keeper_start(how->keeper_fd, how->keeper_pidfd);
		if (res) {
			*how->keeper_pidfd = -1;
			log_warn("-",
				 "nobody keeps the memory if this worker is "
				 "killed: %s",
				 strerror(-res));
		}
	}
	report(root, chrooted, uid);
	return FILTER_CALLS ? sandbox_load_calls(err) : 0;
}
