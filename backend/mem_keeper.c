// SPDX-License-Identifier: MIT
/*
 * See mem_keeper.h.
 *
 * The companion has the worker's memory and its thread-local storage, which
 * is that of the thread that started it.  It makes system calls and touches
 * nothing else.  Its stack is in that memory: whoever breaks into the worker
 * decides what it does with the calls that it may make, and whether it ends by
 * itself.  So the supervisor kills it, and believes the kernel only.
 */
#include "backend/mem_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
/* Its own clone() has the child use its parent's stack. */
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

/* Without a supervisor nobody can tell when the disks are done. */
#define ALONE_S 5

/* the companion's descriptors */
#define READY_FD 0
#define WAIT_FD  1

static _Alignas(16) char stack[16384];

struct start {
	int sock, ready;
	struct sock_fprog filter;
};

/* ---- the supervisor's half ---- */

bool mem_keeper_wanted(void)
{
	FILE *f = fopen("/sys/hypervisor/guest_type", "re");
	char type[8] = "";

	if (!f)
		return false;
	if (!fgets(type, sizeof(type), f))
		type[0] = 0;
	fclose(f);
	return !strcmp(type, "PV\n");
}

bool mem_keeper_end(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	/* fails when it is gone */
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	return poll(&p, 1, 0) == 1;
}

/* ---- the worker's half ---- */

/* Sanitizers would have it keep books in the other thread's storage. */
__attribute__((no_sanitize("address", "thread", "undefined"))) static int
companion(void *arg)
{
	static const struct timespec alone = {.tv_sec = ALONE_S};
	const struct start *s = arg;
	long n;
	char c;

	if (syscall(SYS_dup3, s->ready, READY_FD, 0) < 0 ||
	    syscall(SYS_dup3, s->sock, WAIT_FD, 0) < 0 ||
	    syscall(SYS_close_range, WAIT_FD + 1, ~0u, 0) ||
	    syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &s->filter))
		syscall(SYS_exit, 1);
	/* s is gone after this */
	n = syscall(SYS_write, READY_FD, "", 1);
	if (n == 1)
		n = syscall(SYS_read, WAIT_FD, &c, 1);
	if (!n)
		syscall(SYS_nanosleep, &alone, NULL);
	syscall(SYS_exit, 0);
	return 0;
}

static int run(struct start *s, int *pidfd)
{
	sigset_t all, old;
	int pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	/* no signal when it ends: by then whoever adopted it reaps it */
	pid = clone(companion, stack + sizeof(stack), CLONE_VM | CLONE_PIDFD, s,
		    pidfd);
	if (pid < 0)
		pid = -errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid < 0 ? pid : 0;
}

/* Waits until it has closed itself in. */
static int run_ready(struct start *s, int *pidfd)
{
	int pipe_fd[2], res;
	ssize_t n;
	char c;

	if (pipe2(pipe_fd, O_CLOEXEC))
		return -errno;
	s->ready = pipe_fd[1];
	res = run(s, pidfd);
	close(pipe_fd[1]);
	if (!res) {
		do
			n = read(pipe_fd[0], &c, 1);
		while (n < 0 && errno == EINTR);
		if (n != 1) {
			close(*pidfd);
			res = -ECHILD;
		}
	}
	close(pipe_fd[0]);
	return res;
}

int mem_keeper_start(int sock, int *pidfd)
{
#define CALL_OK(name, skip) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, skip, 0)
	struct sock_filter calls[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 1,
			 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		CALL_OK(read, 5),
		CALL_OK(write, 4),
		CALL_OK(nanosleep, 3),
		CALL_OK(restart_syscall, 2), /* of that, after a stop */
		CALL_OK(exit, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
#undef CALL_OK
	struct start s = {
		.sock = sock,
		.filter = {.len = sizeof(calls) / sizeof(calls[0]),
			   .filter = calls},
	};
	int res = run_ready(&s, pidfd);

	close(sock);
	return res;
}
