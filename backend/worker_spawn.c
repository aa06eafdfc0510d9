// SPDX-License-Identifier: MIT
/*
 * See worker_spawn.h.
 *
 * The child inherits standard output and error, its socket, its io_urings, and
 * where there is one its companion's socket, and the descriptor that
 * $XENLOCAL_FD names; nothing else, whatever libraries may have left open.
 */
#include "backend/worker_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/mem_keeper.h"
#include "backend/uring_ring.h"
#include "backend/worker_proto.h"
#include "hypercall/log.h"

#define LOCAL_FD_ENV "XENLOCAL_FD"
#define LAST_FD      WORKER_KEEPER_FD

struct inherited {
	int sock, local, keeper;
	int ring[WORKER_MAX_LOOPS];
	unsigned int nr_rings;
};

static int local_fd(void)
{
	const char *s = getenv(LOCAL_FD_ENV);
	char *end;
	long n;

	if (!s || !*s)
		return -1;
	n = strtol(s, &end, 10);
	return *end || n < 0 || n > 1 << 20 ? -1 : (int)n;
}

int worker_spawn_reserve_fd(void)
{
	char text[16];
	int old = local_fd(), fd;

	if (old < WORKER_FD || old > LAST_FD)
		return 0;
	fd = fcntl(old, F_DUPFD, LAST_FD + 1);
	if (fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "%d", fd);
	if (setenv(LOCAL_FD_ENV, text, 1))
		return -errno;
	close(old);
	return 0;
}

/* Between fork and exec: async-signal-safe calls only. */
static void run_child(const struct inherited *in, char *const argv[])
{
	int from[WORKER_MAX_LOOPS + 1], keeper = -1, null;
	unsigned int i;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* systemd tells it to all of us; this one is ended by the supervisor */
	signal(SIGTERM, SIG_IGN);
	null = open("/dev/null", O_RDONLY);
	if (null > 0)
		dup2(null, STDIN_FILENO);
	/* out of the way of the numbers they are to have, then there */
	from[0] = fcntl(in->sock, F_DUPFD, LAST_FD + 1);
	for (i = 0; i < in->nr_rings; i++)
		from[i + 1] = fcntl(in->ring[i], F_DUPFD, LAST_FD + 1);
	if (in->keeper >= 0)
		keeper = fcntl(in->keeper, F_DUPFD, LAST_FD + 1);
	for (i = 0; i <= in->nr_rings; i++)
		if (dup2(from[i], WORKER_FD + (int)i) < 0)
			_exit(127);
	close_range(WORKER_FD + 1 + in->nr_rings, ~0u, CLOSE_RANGE_CLOEXEC);
	if (in->keeper >= 0 && dup2(keeper, WORKER_KEEPER_FD) < 0)
		_exit(127);
	if (in->local >= 0)
		fcntl(in->local, F_SETFD, 0);
	execv("/proc/self/exe", argv);
	_exit(127);
}

static unsigned int nr_loops(const struct super_options *opt)
{
	unsigned int n = opt->loops ? opt->loops : (unsigned int)get_nprocs();

	return n < WORKER_MAX_LOOPS ? n : WORKER_MAX_LOOPS;
}

/* All or none; none is no error, files are then served without. */
static void make_rings(struct worker_start *start, struct inherited *in)
{
	unsigned int i;

	for (i = 0; i < start->nr_loops; i++) {
		struct uring_ring ring;
		int err = uring_ring_make(&ring);

		if (err) {
			log_warn("-",
				 "no io_uring on this host (%s): files are "
				 "served without it",
				 strerror(-err));
			while (in->nr_rings)
				close(in->ring[--in->nr_rings]);
			break;
		}
		start->ring[i] = ring.params;
		in->ring[in->nr_rings++] = ring.fd;
	}
	start->nr_rings = in->nr_rings;
}

static int open_pair(int pair[2])
{
	int err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	if (!fcntl(pair[0], F_SETFL, O_NONBLOCK))
		return 0;
	err = -errno;
	close(pair[0]);
	close(pair[1]);
	return err;
}

static int run(const struct inherited *in, char *const argv[], pid_t *pid,
	       int *pidfd)
{
	int err;

	*pid = fork();
	if (*pid < 0)
		return -errno;
	if (!*pid)
		run_child(in, argv);
	/* Nobody else reaps, so the number is still the child's. */
	*pidfd = (int)syscall(SYS_pidfd_open, *pid, 0);
	if (*pidfd < 0) {
		err = -errno;
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
		return err;
	}
	fcntl(*pidfd, F_SETFD, FD_CLOEXEC);
	return 0;
}

/* The worker's companion, where one is needed: ours of its two sockets. */
static int open_keeper(struct worker_start *start, struct inherited *in,
		       int *keeper)
{
	int pair[2];

	*keeper = in->keeper = -1;
	if (!mem_keeper_wanted())
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	*keeper = pair[0];
	in->keeper = pair[1];
	start->has_keeper = 1;
	return 0;
}

static void close_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

int worker_spawn(uint32_t domid, const struct super_options *opt, pid_t *pid,
		 int *pidfd, int *sock, int *keeper, struct ring_drain *rings)
{
	char dom[16], poll[16], level[16];
	char *argv[] = {"xensplitd", "--worker",    dom,   "--poll-us",
			poll,        "--log-level", level, NULL};
	struct worker_msg msg = {.op = WORKER_START,
				 .start.nr_loops = nr_loops(opt)};
	struct inherited in = {.local = local_fd()};
	int pair[2], err;

	snprintf(dom, sizeof(dom), "%" PRIu32, domid);
	snprintf(poll, sizeof(poll), "%u", opt->poll_us);
	snprintf(level, sizeof(level), "%s", opt->log_level);
	err = open_pair(pair);
	if (err)
		return err;
	in.sock = pair[1];
	make_rings(&msg.start, &in);
	ring_drain_set(rings, in.ring, in.nr_rings);
	err = open_keeper(&msg.start, &in, keeper);
	if (!err)
		err = worker_send(pair[0], &msg, NULL, 0);
	if (!err)
		err = run(&in, argv, pid, pidfd);
	close(pair[1]);
	close_open(in.keeper);
	if (err) {
		ring_drain_clear(rings);
		close_open(*keeper);
		*keeper = -1;
		close(pair[0]);
		return err;
	}
	*sock = pair[0];
	return 0;
}
