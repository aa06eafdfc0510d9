// SPDX-License-Identifier: MIT
/*
 * Embedded Xen for a unit test; see local_fixture.h.
 */
#include "tests/unit/local_fixture.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xentoollog.h>

#define MAX_DOMAINS 16

static char rundir[64];
static pid_t daemon_pid, owner_pid;
static struct client control;
static struct {
	uint32_t domid, gfn, port;
	int fd;
} domains[MAX_DOMAINS];
static unsigned int nr_domains;

static void find_daemon(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	int up;

	ck_assert_int_gt(n, 0);
	path[n] = '\0';
	/* build/tests/unit/NAME -> build */
	for (up = 0; up < 3; up++)
		*strrchr(path, '/') = '\0';
	ck_assert_uint_lt(strlen(path) + 32, size);
	strcat(path, "/libexec/xenlocald");
}

static void run_daemon(int ready_fd)
{
	char path[4096], fd[16], log[96];
	int log_fd;

	find_daemon(path, sizeof(path));
	snprintf(fd, sizeof(fd), "%d", ready_fd);
	snprintf(log, sizeof(log), "%s/log", rundir);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_fd = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	dup2(log_fd, STDERR_FILENO);
	execl(path, path, "--rundir", rundir, "--ready-fd", fd, (char *)NULL);
	_exit(127);
}

static int64_t control_call(struct wire_msg *msg, int *fd)
{
	struct client_io io = {.reply_fds = fd, .reply_fds_max = fd ? 1 : 0};

	return client_call(&control, msg, &io);
}

static void learn_socket(uint32_t domid)
{
	struct wire_msg msg = {.op = WIRE_CTL_DOMAIN_SOCKET};
	unsigned int i;

	for (i = 0; i < nr_domains && domains[i].domid != domid; i++)
		;
	ck_assert_uint_lt(i, MAX_DOMAINS);
	if (i < nr_domains)
		close(domains[i].fd);
	else
		nr_domains++;
	msg.domain.domid = domid;
	domains[i].domid = domid;
	ck_assert_int_eq(control_call(&msg, &domains[i].fd), 0);
	domains[i].gfn = msg.domain.xenstore_gfn;
	domains[i].port = msg.domain.xenstore_port;
}

static void show_log(void)
{
	char path[96], buf[512];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", rundir);
	f = fopen(path, "re");
	while (f && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		fwrite(buf, 1, n, stderr);
	if (f)
		fclose(f);
}

/* At the end of a test that failed, in the process that Check forked for it;
 * the log goes to standard error then. */
static void clean_up(void)
{
	char path[96];

	if (getpid() != owner_pid || daemon_pid <= 0)
		return;
	kill(daemon_pid, SIGKILL);
	waitpid(daemon_pid, NULL, 0);
	show_log();
	snprintf(path, sizeof(path), "%s/log", rundir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/control", rundir);
	unlink(path);
	rmdir(rundir);
}

void fixture_start(void)
{
	char path[96], c;
	int pipe_fd[2];

	owner_pid = getpid();
	atexit(clean_up);

	strcpy(rundir, "/tmp/xensplit-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(rundir));
	ck_assert_int_eq(pipe(pipe_fd), 0);
	daemon_pid = fork();
	ck_assert_int_ge(daemon_pid, 0);
	if (daemon_pid == 0) {
		close(pipe_fd[0]);
		run_daemon(pipe_fd[1]);
	}
	close(pipe_fd[1]);
	ck_assert_msg(read(pipe_fd[0], &c, 1) == 1, "xenlocald did not start");
	close(pipe_fd[0]);
	snprintf(path, sizeof(path), "%s/control", rundir);
	ck_assert_int_eq(client_open_control(&control, path), 0);
	nr_domains = 0;
	learn_socket(0);
}

const char *fixture_rundir(void)
{
	return rundir;
}

static bool log_has(const char *text)
{
	char path[96], line[1024];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", rundir);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, text) != NULL;
	fclose(f);
	return found;
}

void fixture_log_has(const char *text)
{
	int tries = 0;

	while (!log_has(text))
		fixture_retry(&tries, text);
}

void fixture_stop(void)
{
	char path[96];
	int status;

	client_close(&control);
	while (nr_domains)
		close(domains[--nr_domains].fd);
	kill(daemon_pid, SIGTERM);
	ck_assert_int_eq(waitpid(daemon_pid, &status, 0), daemon_pid);
	daemon_pid = 0;
	if (status || getenv("LOCAL_TEST_VERBOSE"))
		show_log();
	snprintf(path, sizeof(path), "%s/log", rundir);
	unlink(path);
	ck_assert_int_eq(status, 0);
	/* not empty would mean that xenlocald left something */
	ck_assert_int_eq(rmdir(rundir), 0);
}

void fixture_domain(uint32_t domid)
{
	struct wire_msg msg = {.op = WIRE_CTL_DOMAIN_CREATE};

	msg.domain.domid = domid;
	ck_assert_int_eq(control_call(&msg, NULL), 0);
	ck_assert_uint_eq(msg.domain.domid, domid);
	learn_socket(domid);
}

void fixture_destroy(uint32_t domid)
{
	struct wire_msg msg = {.op = WIRE_CTL_DOMAIN_DESTROY};

	msg.domain.domid = domid;
	ck_assert_int_eq(control_call(&msg, NULL), 0);
}

static unsigned int find_domain(uint32_t domid)
{
	unsigned int i;

	for (i = 0; i < nr_domains && domains[i].domid != domid; i++)
		;
	ck_assert_uint_lt(i, nr_domains);
	return i;
}

uint32_t fixture_xenstore_gfn(uint32_t domid)
{
	return domains[find_domain(domid)].gfn;
}

uint32_t fixture_xenstore_port(uint32_t domid)
{
	return domains[find_domain(domid)].port;
}

void fixture_enter(uint32_t domid)
{
	unsigned int i = find_domain(domid);
	char text[16];

	snprintf(text, sizeof(text), "%d", domains[i].fd);
	setenv(WIRE_FD_ENV, text, 1);
}

void fixture_handle(struct client *c, uint32_t domid)
{
	fixture_enter(domid);
	ck_assert_int_eq(client_open(c, true), 0);
	ck_assert_uint_eq(c->domid, domid);
}

/* The domain's object in the status text; the caller frees it. */
static char *read_status(uint32_t domid)
{
	char *text = NULL, key[32], *start, *end, *part;
	uint32_t done = 0, total = 0;

	do {
		struct wire_msg msg = {.op = WIRE_CTL_STATUS, .offset = done};
		char piece[WIRE_MAX_PAYLOAD];
		struct client_io io = {.reply_payload = piece,
				       .reply_max = sizeof(piece)};

		ck_assert_int_eq(client_call(&control, &msg, &io), 0);
		total = msg.offset;
		text = realloc(text, total + 1);
		memcpy(text + done, piece, msg.payload_len);
		done += msg.payload_len;
	} while (done < total);
	text[total] = '\0';
	snprintf(key, sizeof(key), "{\"domid\":%u,", domid);
	start = strstr(text, key);
	end = start ? strstr(start + 1, "{\"domid\":") : NULL;
	part = start ? strndup(start,
			       end ? (size_t)(end - start) : strlen(start))
		     : NULL;
	free(text);
	return part;
}

long fixture_status(uint32_t domid, const char *key)
{
	char *text = read_status(domid), quoted[64], *at;
	long n = -1;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = text ? strstr(text, quoted) : NULL;
	if (at)
		n = strtol(at + strlen(quoted), NULL, 10);
	free(text);
	return n;
}

long fixture_ports(uint32_t domid, const char *state)
{
	char *text = read_status(domid), quoted[64], *at;
	long n = 0;

	snprintf(quoted, sizeof(quoted), "\"state\":\"%s\"", state);
	for (at = text; at && (at = strstr(at, quoted)); at++)
		n++;
	free(text);
	return n;
}

void fixture_retry(int *tries, const char *what)
{
	if (++*tries > 10000)
		ck_abort_msg("not within ten seconds: %s", what);
	poll(NULL, 0, 1);
}

pid_t fixture_fork(uint32_t domid, int (*fn)(void *arg), void *arg)
{
	pid_t pid;

	fixture_enter(domid);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(arg));
	}
	return pid;
}

int fixture_join(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

bool fixture_readable(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1;
}

static void discard(struct xentoollog_logger *logger, xentoollog_level level,
		    int err, const char *context, const char *format,
		    va_list al)
{
	(void)logger;
	(void)level;
	(void)err;
	(void)context;
	(void)format;
	(void)al;
}

static void discard_progress(struct xentoollog_logger *logger,
			     const char *context, const char *what, int percent,
			     unsigned long done, unsigned long total)
{
	(void)logger;
	(void)context;
	(void)what;
	(void)percent;
	(void)done;
	(void)total;
}

struct xentoollog_logger *fixture_quiet(void)
{
	static struct xentoollog_logger quiet = {
		.vmessage = discard,
		.progress = discard_progress,
	};

	return getenv("LOCAL_TEST_VERBOSE") ? NULL : &quiet;
}
