// SPDX-License-Identifier: MIT
/*
 * xenlocal exec: a program in a domain.  It becomes the program (no process
 * stays in between), so signals and the exit status are the program's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/xenlocal.h"

/* As a shell says that it could not run something. */
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND  127

static bool is_missing(int rc)
{
	return rc == -ENOENT || rc == -ESRCH;
}

/*
 * The domain's socket; the domain is made if it does not exist.  One that is
 * being made or destroyed right now is waited for, by the lock.
 */
static int enter_domain(struct host *h, uint32_t domid, int *fd)
{
	struct domain_spec spec = {.domid = domid};
	int rc = admin_domain_socket(h->admin, domid, fd);

	if (rc == 0 && domain_is_ready(&h->dir, domid))
		return 0;
	if (rc == 0)
		close(*fd);
	if (rundir_lock(&h->dir) < 0)
		return -1;
	rc = admin_domain_socket(h->admin, domid, fd);
	if (is_missing(rc)) {
		if (domain_create(h, &spec) < 0)
			return -1;
		rc = admin_domain_socket(h->admin, domid, fd);
	}
	rundir_unlock(&h->dir);
	if (rc == 0 && domain_is_ready(&h->dir, domid))
		return 0;
	if (rc == 0)
		say("domain %u: was not made by xenlocal, or only in part: "
		    "xenlocal destroy %u",
		    domid, domid);
	else
		say("domain %u: %s", domid, strerror(-rc));
	return -1;
}

/* Above the usual numbers, where a shell's redirections do not reach it. */
static int inherit(int fd)
{
	int high = fcntl(fd, F_DUPFD, 100);

	if (high < 0)
		high = fcntl(fd, F_DUPFD, 3);
	close(fd);
	return high;
}

static int set_environment(const struct host *h, uint32_t domid, int fd)
{
	char number[16], *libs = library_path();

	if (!libs)
		return -1;
	snprintf(number, sizeof(number), "%d", fd);
	setenv(ADMIN_FD_ENV, number, 1);
	setenv("LD_LIBRARY_PATH", strchr(libs, '=') + 1, 1);
	free(libs);
	if (domid) {
		setenv("XENSTORED_PATH", in_domdir(&h->dir, domid, "xenstore"),
		       1);
		unsetenv("XENSTORED_RUNDIR");
		unsetenv("XENLOCAL_RUNDIR");
	} else {
		setenv("XENSTORED_RUNDIR", h->dir.path, 1);
		setenv("XENLOCAL_RUNDIR", h->dir.path, 1);
		unsetenv("XENSTORED_PATH");
	}
	return 0;
}

static int run(struct host *h, uint32_t domid, const struct wall *wall,
	       char **argv)
{
	int fd;

	if (enter_domain(h, domid, &fd) < 0)
		return EXIT_CANNOT_RUN;
	fd = inherit(fd);
	if (fd < 0 || set_environment(h, domid, fd) < 0) {
		say("domain %u: %s", domid, strerror(errno));
		return EXIT_CANNOT_RUN;
	}
	if ((domid || wall->own_net) && wall_enter(&h->dir, domid, wall) < 0)
		return EXIT_CANNOT_RUN;
	host_close(h);
	execvp(argv[0], argv);
	say("%s: %s", argv[0], strerror(errno));
	return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

int cmd_exec(int argc, char **argv)
{
	static const struct option options[] = {
		{"rundir", required_argument, NULL, 'r'},
		{"domid", required_argument, NULL, 'd'},
		{"net", no_argument, NULL, 'n'},
		{"host-caps", no_argument, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	struct wall wall = {0};
	const char *rundir = NULL;
	uint32_t domid = ADMIN_DOMID_END;
	struct host h;
	int opt;

	/* "+": CMD's options are its own */
	while ((opt = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (opt == 'r')
			rundir = optarg;
		else if (opt == 'n')
			wall.own_net = true;
		else if (opt == 'c')
			wall.host_caps = true;
		else if (opt != 'd' || parse_domid(optarg, &domid) < 0)
			return 2;
	}
	if (domid == ADMIN_DOMID_END || optind == argc) {
		say("exec takes --domid N and a command");
		return 2;
	}
	if (host_open(&h, rundir) < 0)
		return EXIT_CANNOT_RUN;
	return run(&h, domid, &wall, argv + optind);
}
