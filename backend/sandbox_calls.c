// SPDX-License-Identifier: MIT
/*
 * The system calls a worker may make, as tables.  Everything else ends the
 * process.
 *
 * io_uring_enter() is in it, which could do almost anything; the ring itself
 * is restricted (uring_engine.c), and no other can be made.
 */
#include "backend/sandbox_calls.h"

#include <errno.h>
#include <linux/fs.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/xen.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/gntdev.h>

#define CALL(name) SCMP_SYS(name)
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

static const int allowed[] = {
	/* data */
	CALL(read),
	CALL(write),
	CALL(readv),
	CALL(writev),
	CALL(pread64),
	CALL(pwrite64),
	CALL(preadv),
	CALL(pwritev),
	CALL(preadv2),
	CALL(pwritev2),
	CALL(fdatasync),
	CALL(fsync),
	CALL(fallocate),
	CALL(io_uring_enter),
	CALL(sendmsg),
	CALL(recvmsg),
	CALL(sendmmsg),
	CALL(recvmmsg),
	CALL(sendto),
	CALL(recvfrom),
	CALL(shutdown),
	CALL(lseek),
	/* descriptors; fstat() is newfstatat() in today's libc */
	CALL(close),
	CALL(dup),
	CALL(fcntl),
	CALL(fstat),
	CALL(newfstatat),
	CALL(fstatfs),
	CALL(getsockopt),
	/* waiting; libev makes its epoll anew when the kernel surprises it */
	CALL(poll),
	CALL(ppoll),
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(epoll_pwait2),
	CALL(epoll_ctl),
	CALL(epoll_create1),
	CALL(eventfd2),
	CALL(timerfd_create),
	CALL(timerfd_settime),
	CALL(nanosleep),
	CALL(clock_nanosleep),
	CALL(restart_syscall),
	/* memory; mmap and mprotect are below */
	CALL(munmap),
	CALL(mremap),
	CALL(madvise),
	CALL(brk),
	CALL(msync),
	/* threads and signals */
	CALL(futex),
	CALL(sched_yield),
	CALL(sched_getaffinity),
	CALL(set_robust_list),
	CALL(rseq),
	CALL(rt_sigreturn),
	CALL(rt_sigprocmask),
	CALL(rt_sigaction),
	CALL(sigaltstack),
	CALL(exit),
	CALL(exit_group),
	CALL(gettid),
	CALL(getpid),
	/* harmless questions */
	CALL(clock_gettime),
	CALL(clock_getres),
	CALL(gettimeofday),
	CALL(time),
	CALL(getrandom),
	CALL(getrusage),
	CALL(sysinfo),
	CALL(getcpu),
	CALL(uname),
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
	CALL(getppid),
};

/* What libraries try on their own, and take no for an answer. */
static const struct {
	int call, err;
} refused[] = {
	{CALL(open), EACCES},       {CALL(openat), EACCES},
	{CALL(access), EACCES},     {CALL(faccessat), EACCES},
	{CALL(faccessat2), EACCES}, {CALL(readlink), EACCES},
	{CALL(readlinkat), EACCES}, {CALL(stat), EACCES},
	{CALL(lstat), EACCES},      {CALL(statx), EACCES},
	{CALL(prctl), EPERM},       {CALL(prlimit64), EPERM},
};

/* On Xen's devices, by their numbers; without those that reset a handle or
 * export memory.  BLKDISCARD is the file store's. */
static const unsigned int ioctls[] = {
	IOCTL_GNTDEV_MAP_GRANT_REF,
	IOCTL_GNTDEV_UNMAP_GRANT_REF,
	IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR,
	IOCTL_GNTDEV_SET_MAX_GRANTS,
	IOCTL_GNTDEV_SET_UNMAP_NOTIFY,
	IOCTL_GNTDEV_GRANT_COPY,
	IOCTL_EVTCHN_BIND_INTERDOMAIN,
	IOCTL_EVTCHN_BIND_UNBOUND_PORT,
	IOCTL_EVTCHN_UNBIND,
	IOCTL_EVTCHN_NOTIFY,
	BLKDISCARD,
};

static int add_tables(scmp_filter_ctx ctx)
{
	unsigned int i;
	int res = 0;

	for (i = 0; !res && i < COUNT(allowed); i++)
		res = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (i = 0; !res && i < COUNT(refused); i++)
		res = seccomp_rule_add(ctx,
				       SCMP_ACT_ERRNO((uint16_t)refused[i].err),
				       refused[i].call, 0);
	for (i = 0; !res && i < COUNT(ioctls); i++)
		/* the kernel takes 32 bits of it, libc may extend the sign */
		res = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, CALL(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, ioctls[i]));
	if (!res) /* stdio looks whether it writes to a terminal */
		res = seccomp_rule_add(
			ctx, SCMP_ACT_ERRNO(ENOTTY), CALL(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, TCGETS));
	return res;
}

/* No memory becomes code; signals only to ourselves, for abort(); a thread
 * moves no other. */
static int add_conditions(scmp_filter_ctx ctx)
{
	static const int maps[] = {CALL(mmap), CALL(mprotect)};
	unsigned int i;
	int res = 0;

	for (i = 0; !res && i < COUNT(maps); i++)
		res = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, maps[i], 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!res)
		res = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, CALL(tgkill), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	if (!res)
		res = seccomp_rule_add(ctx, SCMP_ACT_ALLOW,
				       CALL(sched_setaffinity), 1,
				       SCMP_A0(SCMP_CMP_EQ, 0));
	if (!res)
		res = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
				       CALL(sched_setaffinity), 1,
				       SCMP_A0(SCMP_CMP_NE, 0));
	return res;
}

int sandbox_load_calls(struct xs_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int res = -ENOMEM;

	if (ctx) {
		res = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
		if (!res)
			res = add_tables(ctx);
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
