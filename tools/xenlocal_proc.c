// SPDX-License-Identifier: MIT
/*
 * Background processes: starting, recognising and ending them.
 *
 * A pid alone names nobody for sure, since it is used again.  A process is
 * known by pid and start time, and it is signalled through a pidfd that was
 * checked after it was opened.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hypercall/clock.h"
#include "tools/xenlocal.h"

#define MAX_FOUND 4096

/* Start time in clock ticks; 0 if it is gone or only waits to be reaped. */
static unsigned long long start_time(pid_t pid)
{
	char path[64], text[1024], *p;
	unsigned long long start;
	char state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = strrchr(text, ')'); /* the name before it may hold anything */
	if (!p || sscanf(p + 1,
			 " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u"
			 " %*d %*d %*d %*d %*d %*d %llu",
			 &state, &start) != 2)
		return 0;
	return state == 'Z' || state == 'X' ? 0 : start;
}

bool proc_alive(const struct proc *p)
{
	return p->pid > 0 && p->start && start_time(p->pid) == p->start;
}

int proc_save(const char *path, const struct proc *p)
{
	FILE *f = fopen(path, "we");

	if (!f || fprintf(f, "%d %llu\n", (int)p->pid, p->start) < 0 ||
	    fflush(f)) {
		say("%s: %s", path, strerror(errno));
		if (f)
			fclose(f);
		return -1;
	}
	fclose(f);
	return 0;
}

void proc_load(const char *path, struct proc *p)
{
	FILE *f = fopen(path, "re");
	int pid;

	memset(p, 0, sizeof(*p));
	if (!f)
		return;
	if (fscanf(f, "%d %llu", &pid, &p->start) == 2)
		p->pid = pid;
	fclose(f);
}

/* Descriptors 0 to 2, the two to keep, and nothing else. */
static int arrange_fds(const struct launch *l, int error_fd)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int log = open(l->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 ||
	    dup2(log, 2) < 0)
		return -errno;
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	if (l->keep_fd >= 0 && fcntl(l->keep_fd, F_SETFD, 0) < 0)
		return -errno;
	if (l->ready_fd >= 0 && fcntl(l->ready_fd, F_SETFD, 0) < 0)
		return -errno;
	return fcntl(error_fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

__attribute__((noreturn)) static void child(const struct launch *l,
					    int error_fd)
{
	sigset_t none;
	int err;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (const char *const *e = l->env; e && *e; e++) {
		if (strchr(*e, '='))
			putenv((char *)*e);
		else
			unsetenv(*e);
	}
	err = arrange_fds(l, error_fd);
	if (!err) {
		execv(l->argv[0], (char **)l->argv);
		err = -errno;
	}
	if (write(error_fd, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

int proc_launch(const struct launch *l, struct proc *p)
{
	int fds[2], err = 0;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		say("%s", strerror(errno));
		return -1;
	}
	p->pid = fork();
	if (p->pid == 0)
		child(l, fds[1]);
	close(fds[1]);
	if (p->pid < 0) {
		say("fork: %s", strerror(errno));
		close(fds[0]);
		return -1;
	}
	/* end of file: exec(2) closed the other end, so it worked */
	n = read(fds[0], &err, sizeof(err));
	close(fds[0]);
	if (n == sizeof(err)) {
		say("%s: %s", l->argv[0], strerror(-err));
		waitpid(p->pid, NULL, 0);
		return -1;
	}
	p->start = start_time(p->pid);
	return 0;
}

/* A pidfd of exactly this process; -1 if it is gone. */
static int open_pidfd(const struct proc *p)
{
	int fd;

	if (p->pid <= 0)
		return -1;
	fd = pidfd_open(p->pid, 0);
	if (fd >= 0 && !proc_alive(p)) {
		close(fd);
		return -1;
	}
	return fd;
}

int proc_wait_ready(const struct proc *p, int fd, int timeout_ms)
{
	struct pollfd pfd[2] = {{.fd = fd, .events = POLLIN}, {.fd = -1}};
	char byte;
	int n;

	pfd[1].fd = open_pidfd(p);
	pfd[1].events = POLLIN;
	do {
		n = poll(pfd, 2, timeout_ms);
	} while (n < 0 && errno == EINTR);
	if (pfd[1].fd >= 0)
		close(pfd[1].fd);
	if (n <= 0 || !(pfd[0].revents & (POLLIN | POLLHUP)))
		return -1;
	/* end of file instead of a byte: it ended without being ready */
	return read(fd, &byte, 1) == 1 ? 0 : -1;
}

/* Waits until all of fds[] (some -1) are readable, that is, ended. */
static bool all_ended(struct pollfd *fds, size_t nr, int timeout_ms)
{
	long long until = (long long)clock_ms() + timeout_ms;
	bool left;

	for (;;) {
		long long wait = until - (long long)clock_ms();

		left = false;
		for (size_t i = 0; i < nr; i++) {
			if (fds[i].fd >= 0 && fds[i].revents) {
				waitpid(-1, NULL, WNOHANG);
				close(fds[i].fd);
				fds[i].fd = -1;
			}
			left |= fds[i].fd >= 0;
		}
		if (!left || wait < 0)
			return !left;
		poll(fds, nr, (int)wait);
	}
}

static void signal_all(const struct pollfd *fds, size_t nr, int sig)
{
	for (size_t i = 0; i < nr; i++) {
		if (fds[i].fd >= 0)
			pidfd_send_signal(fds[i].fd, sig, NULL, 0);
	}
}

static void end_pidfds(struct pollfd *fds, size_t nr, int timeout_ms)
{
	for (size_t i = 0; i < nr; i++) {
		fds[i].events = POLLIN;
		fds[i].revents = 0;
	}
	signal_all(fds, nr, SIGTERM);
	signal_all(fds, nr, SIGCONT); /* a stopped one would not hear it */
	if (!all_ended(fds, nr, timeout_ms)) {
		signal_all(fds, nr, SIGKILL);
		all_ended(fds, nr, 10000);
	}
	for (size_t i = 0; i < nr; i++) {
		if (fds[i].fd >= 0)
			close(fds[i].fd);
	}
}

void proc_end(const struct proc *p, int timeout_ms)
{
	struct pollfd pfd = {.fd = open_pidfd(p)};

	if (pfd.fd >= 0)
		end_pidfds(&pfd, 1, timeout_ms);
}

void members_add(struct members *m, uint64_t inode)
{
	if (inode && m->nr_inodes < MAX_MEMBER_DOMS)
		m->inode[m->nr_inodes++] = inode;
}

void members_spare(struct members *m, pid_t pid)
{
	if (pid > 0 && m->nr_spare < sizeof(m->spare) / sizeof(pid_t))
		m->spare[m->nr_spare++] = pid;
}

static bool is_spared(const struct members *m, pid_t pid)
{
	for (size_t i = 0; i < m->nr_spare; i++) {
		if (m->spare[i] == pid)
			return true;
	}
	return pid == getpid();
}

/* The index of the inode that the process holds a socket of; -1: of none. */
static ssize_t find_inode(const struct members *m, pid_t pid)
{
	unsigned long long inode;
	char path[64], text[64];
	struct dirent *e;
	ssize_t found = -1, n;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	if (!d)
		return -1;
	while (found < 0 && (e = readdir(d))) {
		n = readlinkat(dirfd(d), e->d_name, text, sizeof(text) - 1);
		if (n <= 0)
			continue;
		text[n] = '\0';
		if (sscanf(text, "socket:[%llu]", &inode) != 1)
			continue;
		for (size_t i = 0; i < m->nr_inodes; i++) {
			if (m->inode[i] == inode)
				found = (ssize_t)i;
		}
	}
	closedir(d);
	return found;
}

size_t members_find(const struct members *m, struct proc *out, size_t *dom,
		    size_t max)
{
	struct dirent *e;
	size_t nr = 0;
	ssize_t i;
	DIR *d = opendir("/proc");

	if (!d)
		return 0;
	while (m->nr_inodes && (e = readdir(d))) {
		struct proc p = {.pid = atoi(e->d_name)};

		if (p.pid <= 0 || is_spared(m, p.pid))
			continue;
		p.start = start_time(p.pid);
		i = p.start ? find_inode(m, p.pid) : -1;
		if (i < 0)
			continue;
		if (nr < max) {
			out[nr] = p;
			if (dom)
				dom[nr] = (size_t)i;
		}
		nr++;
	}
	closedir(d);
	return nr;
}

void members_end(const struct members *m, int timeout_ms)
{
	static struct proc found[MAX_FOUND];
	static struct pollfd fds[MAX_FOUND];

	/* again, for what was forked while the list was made */
	for (int i = 0; i < 100; i++) {
		size_t nr = members_find(m, found, NULL, MAX_FOUND);
		size_t nr_fds = 0;

		if (nr > MAX_FOUND)
			nr = MAX_FOUND;
		for (size_t j = 0; j < nr; j++) {
			fds[nr_fds].fd = open_pidfd(&found[j]);
			if (fds[nr_fds].fd >= 0)
				nr_fds++;
		}
		if (!nr_fds)
			return;
		end_pidfds(fds, nr_fds, timeout_ms);
		timeout_ms = 0; /* they had their time */
	}
}
