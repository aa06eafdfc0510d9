// SPDX-License-Identifier: MIT
/*
 * What the process of a user: link gives up before a guest's first frame: all
 * but sockets of the Internet's kind, and reading files where resolv.conf is,
 * of which libslirp looks for changes.
 *
 * A guest that breaks libslirp has a user of its own without capabilities, in
 * the host's network: it can connect where the host can, which is what the
 * link is for, and now to the host's loopback too.  Other sockets, other files
 * (on kernels with Landlock; elsewhere what any user may read), processes and
 * descriptors are out of reach.
 */
#include "backend/link_user.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <linux/limits.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/sandbox.h"
#include "hypercall/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFINE false
#else
#define CONFINE true
#endif

/* behind those of the workers: domain ids are below this */
#define UID_OFFSET UINT32_C(0x10000)
#define UID_NOBODY 65534u

#define RESOLV_CONF "/etc/resolv.conf"
#define MEMORY_MAX  (UINT64_C(1) << 30)

#define CALL(name) SCMP_SYS(name)
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

static const int allowed[] = {
	/* sockets; socket() is below */
	CALL(bind),
	CALL(listen),
	CALL(accept),
	CALL(accept4),
	CALL(connect),
	CALL(shutdown),
	CALL(getsockname),
	CALL(getpeername),
	CALL(getsockopt),
	CALL(setsockopt),
	CALL(sendto),
	CALL(recvfrom),
	CALL(sendmsg),
	CALL(recvmsg),
	/* descriptors; open is below */
	CALL(read),
	CALL(write),
	CALL(readv),
	CALL(writev),
	CALL(close),
	CALL(fcntl),
	CALL(lseek),
	CALL(fstat),
	CALL(stat),
	CALL(newfstatat),
	CALL(poll),
	CALL(ppoll),
	CALL(restart_syscall),
	/* memory; mmap and mprotect are below */
	CALL(munmap),
	CALL(mremap),
	CALL(madvise),
	CALL(brk),
	/* the rest of a process' life */
	CALL(futex),
	CALL(rt_sigreturn),
	CALL(rt_sigprocmask),
	CALL(rt_sigaction),
	CALL(clock_gettime),
	CALL(gettimeofday),
	CALL(time),
	CALL(getrandom),
	CALL(getpid),
	CALL(gettid),
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
	CALL(exit),
	CALL(exit_group),
};

static int add_conditions(scmp_filter_ctx ctx)
{
	static const int families[] = {AF_INET, AF_INET6};
	static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM};
	static const unsigned int ioctls[] = {FIONREAD, FIONBIO};
	static const int maps[] = {CALL(mmap), CALL(mprotect)};
	unsigned int i;
	int res = 0;

	for (i = 0; !res && i < 4; i++)
		res = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, CALL(socket), 2,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i / 2]),
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf,
				(scmp_datum_t)kinds[i % 2]));
	for (i = 0; !res && i < COUNT(ioctls); i++)
		res = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, CALL(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, ioctls[i]));
	for (i = 0; !res && i < COUNT(maps); i++)
		res = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, maps[i], 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!res)
		res = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(openat), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ,
					       O_ACCMODE | O_CREAT | O_TRUNC,
					       O_RDONLY));
	if (!res)
		res = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, CALL(tgkill), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	return res;
}

/* What is not listed fails: libraries try this and that on their own. */
static int restrict_calls(struct xs_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	unsigned int i;
	int res = -ENOMEM;

	if (ctx) {
		for (i = res = 0; !res && i < COUNT(allowed); i++)
			res = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i],
					       0);
		if (!res)
			res = add_conditions(ctx);
		if (!res)
			res = seccomp_load(ctx);
		seccomp_release(ctx);
	}
	if (res)
		xs_err_set(err, "cannot restrict system calls: %s",
			   strerror(-res));
	return res;
}

/* Files below a directory may be read. */
static void allow_files(int ruleset, const char *dir)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
		.parent_fd = open(dir, O_PATH | O_CLOEXEC),
	};

	if (rule.parent_fd < 0)
		return;
	syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		&rule, 0);
	close(rule.parent_fd);
}

/* The directories, as the file is replaced rather than written; it is often a
 * link to one that something else keeps. */
static bool restrict_files(void)
{
	struct landlock_ruleset_attr attr = {
		/* all that the first version knows */
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
				   sizeof(attr.handled_access_fs), 0);
	char path[PATH_MAX];
	bool done;

	if (ruleset < 0)
		return false;
	allow_files(ruleset, "/etc");
	if (realpath(RESOLV_CONF, path))
		allow_files(ruleset, dirname(path));
	done = !syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(ruleset);
	return done;
}

static int change_user(uint32_t domid, struct xs_err *err)
{
	uid_t uid = SANDBOX_UID_BASE + UID_OFFSET + domid;

	if (!sandbox_is_root())
		return 0;
	if (!setgroups(0, NULL)) {
		/* a container may not have so high ids */
		if (setresgid(uid, uid, uid) && errno == EINVAL) {
			uid = UID_NOBODY;
			if (setresgid(uid, uid, uid))
				uid = 0;
		}
		if (uid && !setresuid(uid, uid, uid))
			return 0;
	}
	xs_err_set(err, "cannot become another user: %s", strerror(errno));
	return -EPERM;
}

static int close_process(struct xs_err *err)
{
	static const struct rlimit none = {0, 0};
	static const struct rlimit memory = {MEMORY_MAX, MEMORY_MAX};

	capng_clear(CAPNG_SELECT_BOTH);
	if (!capng_apply(CAPNG_SELECT_CAPS) && !setrlimit(RLIMIT_CORE, &none) &&
	    (!CONFINE || !setrlimit(RLIMIT_AS, &memory)) &&
	    !prctl(PR_SET_DUMPABLE, 0) &&
	    !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	    /* with the watcher; a new user has to ask for it anew */
	    !prctl(PR_SET_PDEATHSIG, SIGKILL))
		return 0;
	xs_err_set(err, "cannot close the process: %s", strerror(errno));
	return -EPERM;
}

int link_user_box(uint32_t domid, struct xs_err *err)
{
	int res = change_user(domid, err);

	if (!res)
		res = close_process(err);
	if (res || !CONFINE)
		return res;
	if (!restrict_files())
		log_info("-",
			 "user-mode network of domain %u: no Landlock, "
			 "it can read what any user can",
			 domid);
	return restrict_calls(err);
}
