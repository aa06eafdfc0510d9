// SPDX-License-Identifier: MIT
/*
 * The user-mode network's process: what it may do, and what becomes of the link
 * when it dies.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/link_user.h"
#include "tests/unit/link_user_guest.h"

/* The first child of pid */
static pid_t child_of(pid_t pid)
{
	char path[80];
	FILE *f;
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%d", &child) != 1)
		child = 0;
	fclose(f);
	return child;
}

static bool status_has(pid_t pid, const char *line)
{
	char path[64], text[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	ck_assert(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return strstr(text, line);
}

START_TEST(process_is_confined)
{
	char path[64];
	struct dirent *e;
	DIR *d;
	pid_t pid;
	int fds = 0;

	start("user:");
	find_gateway(); /* it serves, so the start is over */
	pid = child_of((pid_t)desc.pid);
	ck_assert_int_gt(pid, 0);
	ck_assert(status_has(pid, "CapEff:\t0000000000000000"));
	ck_assert(status_has(pid, "CapPrm:\t0000000000000000"));
	ck_assert(status_has(pid, "NoNewPrivs:\t1"));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	ck_assert(status_has(pid, "Seccomp:\t2"));
#endif
	ck_assert(geteuid() || !status_has(pid, "Uid:\t0"));
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	if (d) {
		while ((e = readdir(d)))
			fds += e->d_name[0] != '.';
		closedir(d);
		/* the standard ones and the socket */
		ck_assert_int_le(fds, 4);
	}
	stop();
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MUST(cond)                                  \
	do {                                        \
		if (!(cond))                        \
			_exit(__LINE__ % 200 + 10); \
	} while (0)

/* What code of a guest's could do there. */
static void inside_the_box(void)
{
	bool landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
	bool resolv = !access("/etc/resolv.conf", R_OK);
	char *none[] = {NULL};
	struct xs_err err;

	MUST(!link_user_box(7, &err));
	MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
	MUST(socket(AF_INET6, SOCK_DGRAM, 0) >= 0 || errno == EAFNOSUPPORT);
	MUST(socket(AF_INET, SOCK_RAW, 1) < 0 && errno == EPERM);
	MUST(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
	MUST(socket(AF_NETLINK, SOCK_DGRAM, 0) < 0 && errno == EPERM);
	MUST(socket(AF_PACKET, SOCK_DGRAM, 0) < 0 && errno == EPERM);
	MUST(syscall(SYS_fork) < 0 && errno == EPERM);
	MUST(execve("/bin/true", none, none) < 0 && errno == EPERM);
	MUST(kill(getppid(), 0) < 0 && errno == EPERM);
	MUST(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0);
	MUST(mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	MUST(open("/tmp/x", O_WRONLY | O_CREAT, 0600) < 0 && errno == EPERM);
	MUST(open("/dev/null", O_RDWR) < 0);
	MUST(!landlock ||
	     (open("/proc/self/status", O_RDONLY) < 0 && errno == EACCES));
	MUST(!resolv || open("/etc/resolv.conf", O_RDONLY) >= 0);
}

START_TEST(box_is_closed)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		alarm(20);
		inside_the_box();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(!status, "wait status %x", (unsigned int)status);
}
END_TEST
#endif

/* A guest that ends it loses frames and connections, not its network. */
START_TEST(process_is_started_again)
{
	pid_t before, now = 0;
	struct pollfd p;
	int pidfd;

	start("user:loopback=on");
	find_gateway();
	before = child_of((pid_t)desc.pid);
	ck_assert_int_gt(before, 0);
	pidfd = pidfd_open(before, 0);
	ck_assert(!kill(before, SIGKILL));
	p = (struct pollfd){.fd = pidfd, .events = POLLIN};
	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	close(pidfd);
	find_gateway();
	udp_round();
	now = child_of((pid_t)desc.pid);
	ck_assert(now > 0 && now != before);
	stop();
}
END_TEST

START_TEST(process_ends_with_the_link)
{
	struct pollfd p = {.events = POLLIN};
	pid_t watcher, pid;

	start("user:");
	watcher = (pid_t)desc.pid;
	pid = child_of(watcher);
	ck_assert(pid > 0);
	p.fd = pidfd_open(pid, 0);
	ck_assert_int_ge(p.fd, 0);
	stop();
	ck_assert(kill(watcher, 0) < 0 && errno == ESRCH);
	/* it is init's now, but has to end by itself */
	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	close(p.fd);
}
END_TEST

/* Whoever else has the description leaves the process alone. */
START_TEST(worker_leaves_it_alone)
{
	struct xs_err err = {""};
	pid_t pid;
	int status, before = desc.fd[0];

	start("user:loopback=on");
	pid = fork();
	if (!pid) {
		link_close(&desc);
		_exit(desc.nr_fds);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	before = desc.fd[0];
	ck_assert(!link_renew("user:loopback=on", &desc, &err));
	ck_assert_int_eq(before, desc.fd[0]);
	find_gateway();
	udp_round();
	stop();
}
END_TEST

START_TEST(renewed_when_gone)
{
	struct xs_err err = {""};
	struct net_frame f;
	int i;

	start("user:loopback=on");
	find_gateway();
	kill((pid_t)desc.pid, SIGKILL);
	/* its child goes too, then nobody has the other end */
	for (i = 0; i < WAIT_MS / 10 && !wait_fd(desc.fd[0], 10); i++)
		;
	while (queue_receive(&guest, &f, 1))
		;
	link_arm(&guest.ctx, true);
	loop_turn();
	ck_assert(!guest.readable);
	link_detach(&guest.ctx);
	ck_assert_msg(!link_renew("user:loopback=on", &desc, &err), "%s",
		      err.text);
	queue_attach(&guest, &desc, 0);
	find_gateway();
	udp_round();
	stop();
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, process_is_confined);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	tcase_add_test(tc, box_is_closed);
#endif
	tcase_add_test(tc, process_is_started_again);
	tcase_add_test(tc, process_ends_with_the_link);
	tcase_add_test(tc, worker_leaves_it_alone);
	tcase_add_test(tc, renewed_when_gone);
}

int main(int argc, char **argv)
{
	return run_link_user(argc, argv, "link_user_process", add);
}
