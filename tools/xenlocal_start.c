// SPDX-License-Identifier: MIT
/*
 * xenlocal start: the hypervisor process, then xenstored in domain 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#include "tools/xenlocal.h"

#define READY_MS 20000

static int start_xenlocald(struct host *h)
{
	const char *program = our_file("libexec", "xenlocald");
	char fd_text[16];
	const char *argv[] = {program,      "--rundir", h->dir.path,
			      "--ready-fd", fd_text,    NULL};
	struct launch l = {
		.argv = argv,
		.log = in_rundir(&h->dir, "xenlocald.log"),
		.keep_fd = -1,
	};
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		say("%s", strerror(errno));
		return -1;
	}
	snprintf(fd_text, sizeof(fd_text), "%d", fds[1]);
	l.ready_fd = fds[1];
	rc = proc_launch(&l, &h->xenlocald);
	close(fds[1]);
	if (rc == 0)
		rc = proc_save(in_rundir(&h->dir, "xenlocald.proc"),
			       &h->xenlocald);
	if (rc == 0) {
		rc = proc_wait_ready(&h->xenlocald, fds[0], READY_MS);
		if (rc < 0)
			say("xenlocald did not start; see %s", l.log);
	}
	close(fds[0]);
	return rc;
}

/* Any version's; the highest if there are several. */
static int find_xenstored(char *path, size_t size)
{
	const char *chosen = getenv("XENLOCAL_XENSTORED");
	glob_t g;
	int rc;

	if (chosen && *chosen) {
		snprintf(path, size, "%s", chosen);
		return 0;
	}
	rc = glob("/usr/lib/xen-*/bin/xenstored", 0, NULL, &g);
	if (rc == 0)
		snprintf(path, size, "%s", g.gl_pathv[g.gl_pathc - 1]);
	globfree(&g);
	if (rc == 0)
		return 0;
	say("no xenstored in /usr/lib/xen-*/bin: install xen-utils-4.17, or "
	    "name one in XENLOCAL_XENSTORED");
	return -1;
}

static int launch_xenstored(struct host *h, const char *program)
{
	char fd_text[32], rundir[MAX_PATH + 32], preload[PATH_MAX + 16];
	char *libs = library_path();
	int dom_fd, rc = -1;

	const char *argv[] = {program,
			      "-N",
			      "--internal-db=on",
			      "--pid-file",
			      in_rundir(&h->dir, "xenstored.pid"),
			      NULL};
	const char *env[] = {libs,    preload,          rundir,
			     fd_text, "XENSTORED_PATH", "TMPDIR",
			     NULL};
	struct launch l = {
		.argv = argv,
		.env = env,
		.log = in_rundir(&h->dir, "xenstored.log"),
		.ready_fd = -1,
	};

	if (!libs || admin_domain_socket(h->admin, 0, &dom_fd) < 0) {
		say("xenlocald gives no socket for domain 0");
		free(libs);
		return -1;
	}
	l.keep_fd = dom_fd;
	snprintf(fd_text, sizeof(fd_text), ADMIN_FD_ENV "=%d", dom_fd);
	snprintf(rundir, sizeof(rundir), "XENSTORED_RUNDIR=%s", h->dir.path);
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s",
		 our_file("lib/xenlocal", "libxenlocal-proc.so"));
	if (domain_save_inode(&h->dir, 0, dom_fd) == 0)
		rc = proc_launch(&l, &h->xenstored);
	if (rc == 0)
		rc = proc_save(in_rundir(&h->dir, "xenstored.proc"),
			       &h->xenstored);
	close(dom_fd);
	free(libs);
	return rc;
}

/* One question and its answer.  0: answered, -1: not yet, or not any more. */
static int ask_store(const char *path, int timeout_ms)
{
	static const struct xsd_sockmsg ask = {.type = XS_DIRECTORY, .len = 2};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct pollfd pfd = {.events = POLLIN};
	char buf[sizeof(ask) + 2];
	int rc = -1;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	memcpy(buf, &ask, sizeof(ask));
	memcpy(buf + sizeof(ask), "/", 2);
	pfd.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pfd.fd < 0)
		return -1;
	if (connect(pfd.fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	    send(pfd.fd, buf, sizeof(buf), MSG_NOSIGNAL) == sizeof(buf) &&
	    poll(&pfd, 1, timeout_ms) == 1 &&
	    recv(pfd.fd, buf, sizeof(ask), 0) > 0)
		rc = 0;
	close(pfd.fd);
	return rc;
}

/* xenstored says to nobody when it is ready: ask until it answers. */
static int wait_for_store(struct host *h)
{
	const char *path = in_rundir(&h->dir, "socket");

	for (int ms = 0; ms < READY_MS; ms += 10) {
		if (access(path, F_OK) == 0 && ask_store(path, 5000) == 0)
			return 0;
		if (!proc_alive(&h->xenstored))
			break;
		poll(NULL, 0, 10);
	}
	say("xenstored did not start; see %s",
	    in_rundir(&h->dir, "xenstored.log"));
	return -1;
}

static int start_xenstored(struct host *h)
{
	char program[PATH_MAX];

	if (find_xenstored(program, sizeof(program)) < 0 ||
	    launch_xenstored(h, program) < 0 || wait_for_store(h) < 0)
		return -1;
	use_dom0_store(h);
	return store_init_dom0();
}

/* Whether start may go on here; cleans up after a crash. */
static int check_unused(struct host *h)
{
	if (proc_alive(&h->xenlocald)) {
		say("%s: already running (pid %d)%s", h->dir.path,
		    (int)h->xenlocald.pid,
		    proc_alive(&h->xenstored) ? ""
					      : ", but xenstored has died: "
						"xenlocal stop first");
		return -1;
	}
	if (admin_open(in_rundir(&h->dir, "control"), &h->admin) == 0) {
		say("%s: a hypervisor process that xenlocal did not start "
		    "serves here already",
		    h->dir.path);
		return -1;
	}
	if (h->xenlocald.pid) {
		say("%s: cleaning up after one that died", h->dir.path);
		host_sweep(h, 1000, false);
	}
	memset(&h->xenlocald, 0, sizeof(h->xenlocald));
	memset(&h->xenstored, 0, sizeof(h->xenstored));
	return 0;
}

static int start_all(struct host *h)
{
	int rc;

	if (domdir_make(&h->dir, 0) < 0 || start_xenlocald(h) < 0)
		return -1;
	rc = admin_open(in_rundir(&h->dir, "control"), &h->admin);
	if (rc < 0) {
		say("%s: %s", in_rundir(&h->dir, "control"), strerror(-rc));
		return -1;
	}
	return start_xenstored(h);
}

/* A failed start leaves no process; the logs stay, which the error names. */
static void undo(struct host *h)
{
	proc_end(&h->xenstored, 1000);
	proc_end(&h->xenlocald, 2000);
}

int cmd_start(int argc, char **argv)
{
	static const struct option options[] = {
		{"rundir", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	const char *rundir = NULL;
	struct host h;
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt != 'r')
			return 2;
		rundir = optarg;
	}
	if (optind != argc) {
		say("start takes no argument: %s", argv[optind]);
		return 2;
	}
	if (rundir_choose(&h.dir, rundir) < 0 || rundir_make(&h.dir) < 0 ||
	    host_recall_locked(&h, rundir) < 0)
		return 1;
	rc = check_unused(&h);
	if (rc == 0) {
		rc = start_all(&h);
		if (rc < 0)
			undo(&h);
	}
	host_close(&h);
	return rc < 0 ? 1 : 0;
}
