// SPDX-License-Identifier: MIT
/*
 * xenlocald: the hypervisor process of embedded Xen.
 *
 *	xenlocald --rundir DIR [--ready-fd N]
 *
 * Makes domain 0, listens on DIR/control (mode 0600 in a directory of mode
 * 0700) and serves until SIGTERM, SIGINT or the control socket end it.  When
 * it listens it writes a newline to descriptor N.  It logs to standard error
 * and never becomes a daemon by itself.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "xenlocald.h"

static void on_signal(int fd)
{
	struct signalfd_siginfo si;

	if (read(fd, &si, sizeof(si)) != sizeof(si))
		return;
	log_line(NULL, "signal %u from pid %u: ending", si.ssi_signo,
		 si.ssi_pid);
	shutting_down = true;
}

static int catch_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? -errno : dispatch_watch(fd, on_signal);
}

static void raise_limits(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		return;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
}

static bool somebody_listens(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 &&
		   !connect(fd, (const struct sockaddr *)sun, sizeof(*sun));

	if (fd >= 0)
		close(fd);
	return yes;
}

static int listen_control(const char *rundir, struct sockaddr_un *sun)
{
	int fd;

	sun->sun_family = AF_UNIX;
	if ((size_t)snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/control",
			     rundir) >= sizeof(sun->sun_path))
		return -ENAMETOOLONG;
	umask(0077);
	if ((mkdir(rundir, 0700) && errno != EEXIST) || chmod(rundir, 0700))
		return -errno;
	if (somebody_listens(sun))
		return -EADDRINUSE;
	unlink(sun->sun_path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)sun, sizeof(*sun)) || listen(fd, 64) ||
	    !handle_add(HANDLE_LISTENER, fd, NULL)) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	return 0;
}

static int start(const char *rundir, struct sockaddr_un *sun)
{
	struct domain *dom0;
	int ret;

	raise_limits();
	ret = dispatch_init();
	if (!ret)
		ret = catch_signals();
	if (!ret)
		ret = listen_control(rundir, sun);
	if (ret) {
		log_line(NULL, "cannot listen in %s: %s", rundir,
			 strerror(-ret));
		return ret;
	}
	ret = domain_create(0, "Domain-0", true, &dom0);
	if (ret)
		log_line(NULL, "cannot make domain 0: %s", strerror(-ret));
	return ret;
}

static void serve_until_end(const char *rundir, int ready_fd)
{
	log_line(NULL, "pid %d serves in %s", (int)getpid(), rundir);
	if (ready_fd >= 0) {
		(void)!write(ready_fd, "\n", 1);
		close(ready_fd);
	}
	while (!shutting_down)
		dispatch_round(-1);
}

static void usage(FILE *out)
{
	fprintf(out, "usage: xenlocald --rundir DIR [--ready-fd N]\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"rundir", required_argument, NULL, 'r'},
		{"ready-fd", required_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct sockaddr_un sun = {0};
	const char *rundir = NULL;
	struct domain *d;
	int c, ready_fd = -1;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r') {
			rundir = optarg;
		} else if (c == 'f') {
			ready_fd = atoi(optarg);
		} else {
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (!rundir || optind != argc) {
		usage(stderr);
		return 2;
	}
	if (start(rundir, &sun))
		return 1;
	serve_until_end(rundir, ready_fd);
	while ((d = domain_next(0)))
		domain_destroy(d);
	unlink(sun.sun_path);
	dispatch_destroy();
	return 0;
}
