// SPDX-License-Identifier: MIT
/*
 * What no xenstore tool does: awkward, wrong and many clients of xenstore, in
 * the domain it is run in.
 *
 * Usage: xs_client CASE.  Speaks the protocol itself, over $XENSTORED_PATH or
 * $XENSTORED_RUNDIR/socket.  Exit status 0 if xenstore did the right thing; a
 * line on standard error says what it did otherwise.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#define TIMEOUT_MS 20000

struct msg {
	struct xsd_sockmsg hdr;
	char body[XENSTORE_PAYLOAD_MAX + 1];
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(
	const char *format, ...)
{
	va_list ap;

	fputs("xs_client: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static int dial(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const char *path = getenv("XENSTORED_PATH");
	const char *dir = getenv("XENSTORED_RUNDIR");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s%s",
		 path ? path : dir, path ? "" : "/socket");
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("%s: %s", addr.sun_path, strerror(errno));
	return fd;
}

/* Puts a message together; strings go with their final NUL. */
static size_t make(struct msg *m, uint32_t type, uint32_t id, uint32_t tx,
		   const char *a, const char *b)
{
	size_t n = 0;

	m->hdr = (struct xsd_sockmsg){.type = type, .req_id = id, .tx_id = tx};
	if (a) {
		memcpy(m->body, a, strlen(a) + 1);
		n = strlen(a) + 1;
	}
	if (b) {
		memcpy(m->body + n, b, strlen(b) + 1);
		n += strlen(b) + (type == XS_WRITE ? 0 : 1);
	}
	m->hdr.len = (uint32_t)n;
	return sizeof(m->hdr) + n;
}

static void put(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = send(fd, p, len, MSG_NOSIGNAL);
		if (n <= 0)
			die("send: %s", strerror(errno));
		p += n;
		len -= (size_t)n;
	}
}

/* false: the connection is closed */
static bool get_bytes(int fd, void *data, size_t len)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char *p = data;
	ssize_t n;

	while (len) {
		if (poll(&pfd, 1, TIMEOUT_MS) != 1)
			die("no answer in %d ms", TIMEOUT_MS);
		n = recv(fd, p, len, 0);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool try_get(int fd, struct msg *m)
{
	if (!get_bytes(fd, &m->hdr, sizeof(m->hdr)))
		return false;
	if (m->hdr.len > XENSTORE_PAYLOAD_MAX)
		die("a message of %u bytes", m->hdr.len);
	if (!get_bytes(fd, m->body, m->hdr.len))
		return false;
	m->body[m->hdr.len] = '\0';
	return true;
}

static void get(int fd, struct msg *m)
{
	if (!try_get(fd, m))
		die("connection closed");
}

static void send_msg(int fd, uint32_t type, uint32_t id, uint32_t tx,
		     const char *a, const char *b)
{
	struct msg m;

	put(fd, &m, make(&m, type, id, tx, a, b));
}

/* Asks and returns the answer; events that come before it are skipped. */
static struct msg *ask(int fd, uint32_t type, uint32_t tx, const char *a,
		       const char *b)
{
	static struct msg m;
	static uint32_t id;

	send_msg(fd, type, ++id, tx, a, b);
	do {
		get(fd, &m);
	} while (m.hdr.type == XS_WATCH_EVENT);
	if (m.hdr.req_id != id)
		die("answer to request %u, not %u", m.hdr.req_id, id);
	return &m;
}

static void want_ok(const struct msg *m)
{
	if (m->hdr.type == XS_ERROR)
		die("unexpected %s", m->body);
}

static void want_error(const struct msg *m, const char *error)
{
	if (m->hdr.type != XS_ERROR || strcmp(m->body, error))
		die("answer %u \"%s\" instead of %s", m->hdr.type, m->body,
		    error);
}

static void want_event(int fd, const char *path, const char *token)
{
	struct msg m;

	get(fd, &m);
	if (m.hdr.type != XS_WATCH_EVENT ||
	    m.hdr.len != strlen(path) + strlen(token) + 2 ||
	    strcmp(m.body, path) || strcmp(m.body + strlen(path) + 1, token))
		die("message %u \"%s\" \"%s\" instead of event \"%s\" \"%s\"",
		    m.hdr.type, m.body, m.body + strlen(m.body) + 1, path,
		    token);
}

static uint32_t begin(int fd)
{
	struct msg *m = ask(fd, XS_TRANSACTION_START, 0, "", NULL);

	want_ok(m);
	return (uint32_t)strtoul(m->body, NULL, 10);
}

/*
 * The cases.
 */

static void bytewise(void)
{
	int fd = dial();
	struct msg m;
	size_t len = make(&m, XS_WRITE, 7, 0, "data/bytes", "slowly");

	for (size_t i = 0; i < len; i++)
		put(fd, (char *)&m + i, 1);
	get(fd, &m);
	want_ok(&m);
	if (m.hdr.req_id != 7 || m.hdr.type != XS_WRITE)
		die("answer to %u of type %u", m.hdr.req_id, m.hdr.type);
	want_ok(ask(fd, XS_READ, 0, "data/bytes", NULL));
}

static void pipelined(void)
{
	enum { N = 200 };
	static char all[N * 64];
	size_t len = 0;
	int fd = dial();
	struct msg m;

	want_ok(ask(fd, XS_WRITE, 0, "data/pipe", "x"));
	for (uint32_t i = 0; i < N; i++) {
		size_t n = make(&m, XS_READ, 1000 + i, 0, "data/pipe", NULL);

		memcpy(all + len, &m, n);
		len += n;
	}
	put(fd, all, len);
	for (uint32_t i = 0; i < N; i++) {
		get(fd, &m);
		if (m.hdr.req_id != 1000 + i || strcmp(m.body, "x"))
			die("answer %u has id %u", i, m.hdr.req_id);
	}
}

/* The largest message passes, and the next larger one is the client's end. */
static void size_limits(void)
{
	char path[XENSTORE_PAYLOAD_MAX];
	int fd = dial();
	struct msg m;

	memset(&m, 'a', sizeof(m));
	m.hdr = (struct xsd_sockmsg){.type = XS_WRITE,
				     .len = XENSTORE_PAYLOAD_MAX};
	memcpy(m.body, "data/big", 9);
	put(fd, &m, sizeof(m.hdr) + XENSTORE_PAYLOAD_MAX);
	get(fd, &m);
	/* more than the guest's quota for one node */
	want_error(&m, "ENOSPC");
	memset(path, 'a', sizeof(path));
	path[XENSTORE_PAYLOAD_MAX - 4] = '\0';
	want_error(ask(fd, XS_WATCH, 0, path, "t"), "EINVAL");
	m.hdr.len = XENSTORE_PAYLOAD_MAX + 1;
	put(fd, &m.hdr, sizeof(m.hdr));
	if (try_get(fd, &m))
		die("a body of %u bytes is accepted", XENSTORE_PAYLOAD_MAX + 1);
}

static void malformed(void)
{
	int fd = dial();

	want_error(ask(fd, XS_WATCH, 0, "data", NULL), "EINVAL");
	want_error(ask(fd, XS_WATCH, 0, NULL, NULL), "EINVAL");
	want_error(ask(fd, XS_UNWATCH, 0, "data", "none"), "ENOENT");
	want_error(ask(fd, XS_WATCH_EVENT, 0, "data", "t"), "ENOSYS");
	want_error(ask(fd, 0x12345678, 0, "data", "t"), "ENOSYS");
	want_error(ask(fd, XS_READ, 77, "data", NULL), "ENOENT");
	want_error(ask(fd, XS_INTRODUCE, 0, "9", "1"), "EACCES");
	want_ok(ask(fd, XS_DIRECTORY, 0, "data", NULL));
}

/* Two clients with the same path and token: each has its own watch. */
static void same_watch(void)
{
	int a = dial(), b = dial(), w = dial();

	want_ok(ask(a, XS_WATCH, 0, "data/w", "tok"));
	want_event(a, "data/w", "tok");
	want_ok(ask(b, XS_WATCH, 0, "data/w", "tok"));
	want_event(b, "data/w", "tok");
	want_error(ask(a, XS_WATCH, 0, "data/w", "tok"), "EEXIST");
	want_ok(ask(w, XS_WRITE, 0, "data/w", "1"));
	want_event(a, "data/w", "tok");
	want_event(b, "data/w", "tok");
	want_ok(ask(a, XS_UNWATCH, 0, "data/w", "tok"));
	want_error(ask(a, XS_UNWATCH, 0, "data/w", "tok"), "ENOENT");
	want_ok(ask(w, XS_WRITE, 0, "data/w", "2"));
	want_event(b, "data/w", "tok");
	/* a heard nothing: the next thing it gets is its answer */
	send_msg(a, XS_READ, 5, 0, "data/w", NULL);
	struct msg m;

	get(a, &m);
	if (m.hdr.type != XS_READ)
		die("event for a watch that was removed");
}

static void reset_watches(void)
{
	int a = dial(), b = dial(), w = dial();
	uint32_t tx;
	struct msg m;

	want_ok(ask(a, XS_WATCH, 0, "data/r", "1"));
	want_event(a, "data/r", "1");
	want_ok(ask(a, XS_WATCH, 0, "data/r", "2"));
	want_event(a, "data/r", "2");
	want_ok(ask(b, XS_WATCH, 0, "data/r", "1"));
	want_event(b, "data/r", "1");
	tx = begin(a);
	want_ok(ask(a, XS_RESET_WATCHES, 0, "", NULL));
	want_error(ask(a, XS_READ, tx, "data", NULL), "ENOENT");
	want_ok(ask(w, XS_WRITE, 0, "data/r", "x"));
	want_event(b, "data/r", "1");
	send_msg(a, XS_READ, 5, 0, "data/r", NULL);
	get(a, &m);
	if (m.hdr.type != XS_READ)
		die("event after XS_RESET_WATCHES");
	want_ok(ask(a, XS_WATCH, 0, "data/r", "1"));
}

static void foreign_transaction(void)
{
	int a = dial(), b = dial();
	uint32_t tx = begin(a);

	want_ok(ask(a, XS_WRITE, tx, "data/tx", "a"));
	want_error(ask(b, XS_READ, tx, "data/tx", NULL), "ENOENT");
	want_error(ask(b, XS_TRANSACTION_END, tx, "T", NULL), "ENOENT");
	want_ok(ask(a, XS_TRANSACTION_END, tx, "T", NULL));
	want_ok(ask(b, XS_READ, 0, "data/tx", NULL));
	want_error(ask(a, XS_TRANSACTION_END, tx, "T", NULL), "ENOENT");
}

/* xenstored's limits reach the client as its errors. */
static void transaction_quota(void)
{
	int fd = dial();
	struct msg *m;
	int n = 0;

	do {
		m = ask(fd, XS_TRANSACTION_START, 0, "", NULL);
	} while (m->hdr.type != XS_ERROR && ++n < 1000);
	want_error(m, "ENOSPC");
	if (n < 5)
		die("only %d transactions", n);
}

static void watch_quota(void)
{
	int fd = dial();
	struct msg *m;
	char token[16];
	int n = 0;

	do {
		snprintf(token, sizeof(token), "%d", n);
		m = ask(fd, XS_WATCH, 0, "data/q", token);
	} while (m->hdr.type != XS_ERROR && ++n < 10000);
	want_error(m, "E2BIG");
	if (n < 64)
		die("only %d watches", n);
}

/* Clients that go away: what they had is given back, whatever its state. */
static void leavers(void)
{
	int fd;

	for (int i = 0; i < 40; i++) {
		fd = dial();
		begin(fd);
		begin(fd);
		want_ok(ask(fd, XS_WATCH, 0, "data/l", "a"));
		want_ok(ask(fd, XS_WATCH, 0, "data/l", "b"));
		/* and something on its way */
		send_msg(fd, i % 2 ? XS_WATCH : XS_TRANSACTION_START, 1, 0,
			 i % 2 ? "data/l" : "", i % 2 ? "c" : NULL);
		close(fd);
	}
	fd = dial();
	/* as many as the quota allows, so none can have been left over */
	for (int i = 0; i < 10; i++)
		begin(fd);
	for (int i = 0; i < 100; i++) {
		char token[16];

		snprintf(token, sizeof(token), "%d", i);
		want_ok(ask(fd, XS_WATCH, 0, "data/l", token));
	}
}

/* Many connections, all with a question under way at the same time. */
static void many(void)
{
	enum { N = 300 };
	int fd[N];
	struct msg m;
	char value[16];

	for (int i = 0; i < N; i++)
		fd[i] = dial();
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			snprintf(value, sizeof(value), "%d", i % 50);
			send_msg(fd[i], XS_GET_DOMAIN_PATH, (uint32_t)i, 0,
				 value, NULL);
		}
		for (int i = N - 1; i >= 0; i--) {
			snprintf(value, sizeof(value), "/%d", i % 50);
			get(fd[i], &m);
			if (m.hdr.req_id != (uint32_t)i ||
			    !strstr(m.body, value))
				die("client %d got answer %u \"%s\"", i,
				    m.hdr.req_id, m.body);
		}
	}
}

/* A client that never reads its events is cut; the others do not notice. */
static void deaf(void)
{
	int d = dial(), w = dial(), cut = 0;
	char token[3001], value[16];
	struct pollfd pfd = {.fd = d};

	memset(token, 't', sizeof(token) - 1);
	token[sizeof(token) - 1] = '\0';
	want_ok(ask(d, XS_WATCH, 0, "data/d", token));
	for (int i = 0; i < 2000 && !cut; i++) {
		snprintf(value, sizeof(value), "%d", i);
		want_ok(ask(w, XS_WRITE, 0, "data/d", value));
		cut = poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLHUP);
	}
	if (!cut)
		die("6 MB of events for a client that reads none, and it is "
		    "not cut");
	want_ok(ask(w, XS_READ, 0, "data/d", NULL));
}

/* Holds a transaction until it is killed. */
static void hold(void)
{
	int fd = dial();
	uint32_t tx = begin(fd);

	want_ok(ask(fd, XS_WRITE, tx, "data/held", "x"));
	puts("held");
	fflush(stdout);
	pause();
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"bytewise", bytewise},
	{"pipelined", pipelined},
	{"size_limits", size_limits},
	{"malformed", malformed},
	{"same_watch", same_watch},
	{"reset_watches", reset_watches},
	{"foreign_transaction", foreign_transaction},
	{"transaction_quota", transaction_quota},
	{"watch_quota", watch_quota},
	{"leavers", leavers},
	{"many", many},
	{"deaf", deaf},
	{"hold", hold},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc == 2 && !strcmp(argv[1], cases[i].name)) {
			cases[i].run();
			return 0;
		}
	}
	die("usage: xs_client CASE");
}
