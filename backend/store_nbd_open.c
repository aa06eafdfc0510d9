// SPDX-License-Identifier: MIT
/*
 * NBD servers, the supervisor's half: parse the target, ask the server what
 * the export is, and connect the socket that the worker gets.
 *
 *   nbd:unix:PATH[:EXPORT]      nbd:HOST:PORT[:EXPORT]
 *
 * HOST may be a name, an address, or an IPv6 address in brackets; EXPORT may
 * be written exportname=NAME, as QEMU does.  No TLS.
 *
 * Asking ends before the export is chosen where the server can do that, so
 * that a server which serves one client and ends has not served it yet.  All
 * waiting for the server together is bounded; looking up HOST's address is
 * bounded by the resolver.
 */
#include "backend/store_nbd.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "hypercall/clock.h"

#define SERVER_MS 3000u

struct nbd_target {
	char unix_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char host[256], port[32];
	char export[STORE_EXPORT_MAX];
};

static int left_ms(uint64_t until_ms)
{
	uint64_t now = clock_ms();

	return until_ms > now ? (int)(until_ms - now) : 0;
}

/* The target */

/* Copies up to the next colon and returns what follows it, or "". */
static const char *word(const char *from, char *out, size_t size)
{
	size_t len = strcspn(from, ":");
	const char *end = from + len;

	if (*from == '[') {
		from++;
		len = strcspn(from, "]");
		end = from + len;
		if (*end++ != ']')
			return NULL;
	}
	if (!len || len >= size || (*end && *end != ':'))
		return NULL;
	memcpy(out, from, len);
	out[len] = '\0';
	return *end ? end + 1 : end;
}

static int parse_target(const char *text, struct nbd_target *t)
{
	static const char key[] = "exportname=";
	const char *rest;

	memset(t, 0, sizeof(*t));
	if (!strncmp(text, "unix:", 5)) {
		rest = word(text + 5, t->unix_path, sizeof(t->unix_path));
	} else {
		rest = word(text, t->host, sizeof(t->host));
		if (rest)
			rest = word(rest, t->port, sizeof(t->port));
	}
	if (!rest)
		return -EINVAL;
	if (!strncmp(rest, key, sizeof(key) - 1))
		rest += sizeof(key) - 1;
	if (strlen(rest) >= sizeof(t->export))
		return -EINVAL;
	strcpy(t->export, rest);
	return 0;
}

/* The socket */

static int finish_connect(int fd, uint64_t until_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int res, so_error = 0;

	do {
		res = poll(&p, 1, left_ms(until_ms));
	} while (res < 0 && errno == EINTR);
	if (res < 0)
		return -errno;
	if (!res)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &so_error, &len))
		return -errno;
	return -so_error;
}

static int connect_to(const struct sockaddr *addr, socklen_t len, int family,
		      uint64_t until_ms)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, res = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, addr, len)) {
		res = -errno;
		/* EAGAIN: a Unix socket whose backlog is full */
		if (res == -EINPROGRESS)
			res = finish_connect(fd, until_ms);
	}
	if (res) {
		close(fd);
		return res;
	}
	if (family != AF_UNIX) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	}
	return fd;
}

static int connect_unix(const struct nbd_target *t, uint64_t until_ms,
			const char **why)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd;

	strcpy(sun.sun_path, t->unix_path);
	fd = connect_to((struct sockaddr *)&sun, sizeof(sun), AF_UNIX,
			until_ms);
	if (fd < 0)
		*why = strerror(-fd);
	return fd;
}

static int connect_inet(const struct nbd_target *t, uint64_t until_ms,
			const char **why)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *a;
	int fd = -EADDRNOTAVAIL, res;

	res = getaddrinfo(t->host, t->port, &hints, &list);
	if (res) {
		*why = gai_strerror(res);
		return -EADDRNOTAVAIL;
	}
	for (a = list; a; a = a->ai_next) {
		fd = connect_to(a->ai_addr, a->ai_addrlen, a->ai_family,
				until_ms);
		if (fd >= 0)
			break;
	}
	freeaddrinfo(list);
	if (fd < 0)
		*why = strerror(-fd);
	return fd;
}

static int connect_server(const struct nbd_target *t, uint64_t until_ms,
			  const struct store_desc *desc, struct xs_err *err)
{
	const char *why = NULL;
	int fd;

	fd = t->unix_path[0] ? connect_unix(t, until_ms, &why)
			     : connect_inet(t, until_ms, &why);
	if (fd < 0)
		xs_err_set(err, "cannot connect to the NBD server %s: %s",
			   desc->label, why);
	return fd;
}

/* The handshake */

struct nbd_handle *store_nbd_start(int sock, const struct store_desc *desc,
				   bool opt_mode, struct xs_err *err)
{
	struct nbd_handle *h = nbd_create();

	if (h && !nbd_set_opt_mode(h, opt_mode) &&
	    !nbd_set_export_name(h, desc->nbd_export) &&
	    !nbd_set_pread_initialize(h, false)) {
		/* from here on sock is libnbd's */
		if (!nbd_aio_connect_socket(h, sock))
			return h;
	} else {
		close(sock);
	}
	xs_err_set(err, "%s: %s", desc->label, nbd_get_error());
	nbd_close(h);
	return NULL;
}

int store_nbd_wait(struct nbd_handle *h, int (*there)(struct nbd_handle *h),
		   uint64_t until_ms, const struct store_desc *desc,
		   struct xs_err *err)
{
	int res = 1, ms;

	while (there(h) <= 0) {
		if (res < 0 || nbd_aio_is_dead(h) > 0 ||
		    nbd_aio_is_closed(h) > 0) {
			const char *why = nbd_get_error();

			xs_err_set(err,
				   "%s: the NBD server ended the "
				   "conversation: %s",
				   desc->label, why ? why : "no reason given");
			return -ECONNABORTED;
		}
		ms = left_ms(until_ms);
		if (!ms) {
			xs_err_set(err,
				   "%s: no answer from the NBD server in time",
				   desc->label);
			return -ETIMEDOUT;
		}
		res = nbd_poll(h, ms);
	}
	return 0;
}

static int may_choose(struct nbd_handle *h)
{
	return nbd_aio_is_negotiating(h) > 0 || nbd_aio_is_ready(h) > 0;
}

static int is_over(struct nbd_handle *h)
{
	return nbd_aio_is_closed(h) > 0 || nbd_aio_is_dead(h) > 0;
}

static int keep_result(void *data, int *error)
{
	*(int *)data = *error;
	return 1;
}

/* Size and flags, by NBD_OPT_INFO, or by NBD_OPT_GO from servers without. */
static int ask_export(struct nbd_handle *h, uint64_t until_ms,
		      const struct store_desc *desc, struct xs_err *err)
{
	int res, refused = 0;
	nbd_completion_callback cb = {
		.callback = keep_result,
		.user_data = &refused,
	};

	res = store_nbd_wait(h, may_choose, until_ms, desc, err);
	if (res || nbd_aio_is_ready(h) > 0)
		return res; /* an old server does not negotiate */
	if (!nbd_aio_opt_info(h, cb)) {
		res = store_nbd_wait(h, may_choose, until_ms, desc, err);
		if (res)
			return res;
		if (nbd_get_size(h) >= 0)
			return 0;
	}
	refused = 0;
	if (nbd_aio_opt_go(h, cb))
		refused = nbd_get_errno();
	else
		res = store_nbd_wait(h, may_choose, until_ms, desc, err);
	if (!res && nbd_aio_is_ready(h) <= 0) {
		xs_err_set(err, "%s: the NBD server has no export '%s': %s",
			   desc->label, desc->nbd_export,
			   strerror(refused ? refused : EINVAL));
		res = -ENOENT;
	}
	return res;
}

static void say_goodbye(struct nbd_handle *h, const struct store_desc *desc)
{
	struct xs_err ignored;
	int res;

	res = nbd_aio_is_ready(h) > 0 ? nbd_aio_disconnect(h, 0)
				      : nbd_aio_opt_abort(h);
	if (!res)
		store_nbd_wait(h, is_over, clock_ms() + 500, desc, &ignored);
	nbd_close(h);
}

static uint32_t block_size(struct nbd_handle *h, int which, uint32_t missing)
{
	int64_t n = nbd_get_block_size(h, which);

	return n > 0 && n <= 4096 && !(n & (n - 1)) ? (uint32_t)n : missing;
}

static int take_facts(struct nbd_handle *h, const struct store_open_how *how,
		      struct store_desc *desc, struct xs_err *err)
{
	int64_t size = nbd_get_size(h);
	int64_t min = nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM);
	uint32_t sector;

	sector = how->sector_size ? how->sector_size : 512;
	if (!how->sector_size && min > 512 && min <= 4096)
		sector = (uint32_t)min;
	if (min > sector) {
		xs_err_set(err,
			   "%s: the NBD server wants blocks of %lld bytes, "
			   "the sectors have %u",
			   desc->label, (long long)min, sector);
		return -EINVAL;
	}
	if (size < (int64_t)sector) {
		xs_err_set(err, "%s is shorter than a sector", desc->label);
		return -EINVAL;
	}
	desc->read_only = nbd_is_read_only(h) != 0;
	if (desc->read_only && !how->read_only) {
		xs_err_set(err, "%s: the NBD server serves it read-only",
			   desc->label);
		return -EROFS;
	}
	desc->size_bytes = (uint64_t)size - (uint64_t)size % sector;
	desc->sector_size = sector;
	desc->physical_sector_size = block_size(h, LIBNBD_SIZE_PREFERRED, 4096);
	if (desc->physical_sector_size < sector)
		desc->physical_sector_size = sector;
	desc->flush = nbd_can_flush(h) > 0;
	desc->discard = nbd_can_trim(h) > 0;
	desc->discard_granularity = desc->physical_sector_size;
	return 0;
}

static int learn(const struct nbd_target *t, uint64_t until_ms,
		 const struct store_open_how *how, struct store_desc *desc,
		 struct xs_err *err)
{
	struct nbd_handle *h;
	int fd, res;

	fd = connect_server(t, until_ms, desc, err);
	if (fd < 0)
		return fd;
	h = store_nbd_start(fd, desc, true, err);
	if (!h)
		return -EIO;
	res = ask_export(h, until_ms, desc, err);
	if (!res)
		res = take_facts(h, how, desc, err);
	say_goodbye(h, desc);
	return res;
}

static int bad_target(const struct store_desc *desc, struct xs_err *err)
{
	xs_err_set(err,
		   "%s is not nbd:unix:PATH[:EXPORT] or "
		   "nbd:HOST:PORT[:EXPORT], or too long",
		   desc->label);
	return -EINVAL;
}

int store_nbd_open(const char *target, const struct store_open_how *how,
		   struct store_desc *desc, struct xs_err *err)
{
	uint64_t until_ms = clock_ms() + SERVER_MS;
	struct nbd_target t;
	int res;

	if (parse_target(target, &t))
		return bad_target(desc, err);
	strcpy(desc->nbd_export, t.export);
	desc->single_loop = true;
	res = learn(&t, until_ms, how, desc, err);
	if (res)
		return res;
	res = connect_server(&t, until_ms, desc, err);
	if (res < 0)
		return res;
	desc->fd[0] = res;
	desc->nr_fds = 1;
	return 0;
}

/* An export's size does not change while a client is connected. */
int store_nbd_size(const struct store_desc *desc, uint64_t *size_bytes)
{
	*size_bytes = desc->size_bytes;
	return 0;
}

int store_nbd_renew(const char *target, struct store_desc *desc,
		    struct xs_err *err)
{
	struct nbd_target t;
	int fd, old = desc->fd[0];

	if (parse_target(target, &t))
		return bad_target(desc, err);
	/* first, or a server that serves one client at a time never sees us;
	 * nobody else has it any more */
	shutdown(old, SHUT_RDWR);
	fd = connect_server(&t, clock_ms() + SERVER_MS, desc, err);
	if (fd < 0)
		return fd;
	close(old);
	desc->fd[0] = fd;
	return 0;
}
