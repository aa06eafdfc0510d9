// SPDX-License-Identifier: MIT
/*
 * NBD servers, the worker's half: libnbd's asynchronous calls on the loop.
 * Formatted and remote images come this way, through servers that exist.
 *
 * One connection a disk, shared by the contexts of its queues, which are all
 * on one loop.  It is known by the socket's inode and lives until the desc is
 * closed: a frontend may go and come back, while a socket cannot go through
 * the handshake twice.
 *
 * When the server goes, what is in flight and all that comes later fails.
 * Nothing connects again on its own.
 *
 * libnbd runs completion callbacks under the handle's lock; they only note
 * what ended, and the owners hear of it when libnbd has returned.
 */
#include "backend/store_nbd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hypercall/clock.h"
#include "hypercall/log.h"

#define HANDSHAKE_MS 5000u
#define TRIM_MAX     (UINT64_C(1) << 30) /* a trim's length has 32 bits */

struct nbd_conn {
	struct nbd_conn *next;
	ino_t socket;
	char label[STORE_LABEL_MAX];
	struct nbd_handle *h;
	struct io_loop *loop; /* while users */
	unsigned int users;
	ev_io watch; /* on the desc's descriptor: libnbd closes its own */
	ev_prepare deliver; /* never started: fed by end_later() */
	int direction;
	bool dead, cancelled;
	struct store_io *ended, **ended_end;
};

static pthread_mutex_t conns_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nbd_conn *conns;

static void update_watch(struct nbd_conn *c)
{
	int dir, events;

	if (c->dead)
		return;
	dir = (int)nbd_aio_get_direction(c->h);
	if (dir == c->direction)
		return;
	c->direction = dir;
	events = (dir & LIBNBD_AIO_DIRECTION_READ ? EV_READ : 0) |
		 (dir & LIBNBD_AIO_DIRECTION_WRITE ? EV_WRITE : 0);
	ev_io_stop(c->loop->ev, &c->watch);
	ev_io_set(&c->watch, c->watch.fd, events);
	ev_io_start(c->loop->ev, &c->watch);
}

/* From a fresh stack: fed events are run before the loop sleeps. */
static void end_later(struct nbd_conn *c, struct store_io *io)
{
	io->next = NULL;
	*c->ended_end = io;
	c->ended_end = &io->next;
	ev_feed_event(c->loop->ev, &c->deliver, EV_CUSTOM);
}

static void note_death(struct nbd_conn *c)
{
	const char *why;

	if (c->dead ||
	    (nbd_aio_is_dead(c->h) <= 0 && nbd_aio_is_closed(c->h) <= 0))
		return;
	why = nbd_get_error();
	c->dead = true;
	ev_io_stop(c->loop->ev, &c->watch);
	if (c->cancelled)
		return;
	log_err(c->label,
		"the NBD server is gone (%s); all requests fail until the "
		"disk is detached and attached again",
		why ? why : "it closed the connection");
}

/* libnbd's callback: one command of io ended. */
static int part_ended(void *data, int *error)
{
	struct store_io *io = data;

	if (*error && !io->res)
		io->res = -*error;
	assert(io->parts);
	if (!--io->parts)
		end_later(io->ctx->priv, io);
	return 1; /* retire the command */
}

static void issue_part(struct nbd_conn *c, struct store_io *io, void *buf,
		       size_t len, uint64_t at)
{
	nbd_completion_callback cb = {
		.callback = part_ended,
		.user_data = io,
	};
	int64_t res = -1;

	io->parts++;
	switch (io->op) {
	case STORE_READ:
		res = nbd_aio_pread(c->h, buf, len, at, cb, 0);
		break;
	case STORE_WRITE:
		res = nbd_aio_pwrite(c->h, buf, len, at, cb, 0);
		break;
	case STORE_FLUSH:
		res = nbd_aio_flush(c->h, cb, 0);
		break;
	case STORE_DISCARD:
		res = nbd_aio_trim(c->h, len, at, cb, 0);
		break;
	}
	if (res >= 0)
		return;
	io->parts--; /* refused: no callback */
	if (!io->res)
		io->res = nbd_get_errno() ? -nbd_get_errno() : -EIO;
}

static void issue(struct nbd_conn *c, struct store_io *io)
{
	uint64_t at = io->offset + io->moved, len;
	uint32_t i;

	io->parts = 1; /* ours, until all are issued */
	switch (io->op) {
	case STORE_READ:
	case STORE_WRITE:
		for (i = 0; i < io->nr_iov && !io->res; i++) {
			const struct iovec *v = &io->iov[i];

			if (v->iov_len)
				issue_part(c, io, v->iov_base, v->iov_len, at);
			at += v->iov_len;
		}
		break;
	case STORE_FLUSH:
		issue_part(c, io, NULL, 0, 0);
		break;
	case STORE_DISCARD:
		len = io->len - io->moved;
		len = len < TRIM_MAX ? len : TRIM_MAX;
		io->moved += len;
		if (len)
			issue_part(c, io, NULL, len, at);
		break;
	}
	if (!--io->parts)
		end_later(c, io);
}

static void deliver(struct nbd_conn *c)
{
	struct store_io *io;
	int res;

	while ((io = c->ended)) {
		c->ended = io->next;
		if (!c->ended)
			c->ended_end = &c->ended;
		res = io->res;
		if (!res && io->op == STORE_DISCARD && io->moved < io->len) {
			issue(c, io);
			continue;
		}
		if (res && c->cancelled)
			res = -ECANCELED;
		else if (res && c->dead)
			res = -EIO;
		store_io_done(io, res);
	}
}

static void on_event(struct ev_loop *ev, ev_io *w, int revents)
{
	struct nbd_conn *c = w->data;
	unsigned int dir;

	(void)ev;
	dir = nbd_aio_get_direction(c->h);
	if (dir & LIBNBD_AIO_DIRECTION_READ && revents & EV_READ)
		nbd_aio_notify_read(c->h);
	else if (dir & LIBNBD_AIO_DIRECTION_WRITE && revents & EV_WRITE)
		nbd_aio_notify_write(c->h);
	note_death(c);
	deliver(c);
	update_watch(c);
}

static void on_deliver(struct ev_loop *ev, ev_prepare *w, int revents)
{
	struct nbd_conn *c = w->data;

	(void)ev;
	(void)revents;
	deliver(c);
	update_watch(c);
}

static void nbd_submit(struct store_ctx *ctx, struct store_io *io)
{
	struct nbd_conn *c = ctx->priv;

	if (c->dead) {
		store_io_done(io, c->cancelled ? -ECANCELED : -EIO);
		return;
	}
	if (io->op == STORE_FLUSH && !ctx->desc->flush) {
		store_io_done(io, -EOPNOTSUPP);
		return;
	}
	issue(c, io);
	note_death(c);
	update_watch(c);
}

/* With the socket shut down, each step reads an end or fails to send, so the
 * handle dies soon; and with it all commands. */
static void nbd_cancel(struct store_ctx *ctx)
{
	struct nbd_conn *c = ctx->priv;
	unsigned int dir;

	if (c->dead)
		return;
	c->cancelled = true;
	shutdown(c->watch.fd, SHUT_RDWR);
	while (nbd_aio_is_dead(c->h) <= 0 && nbd_aio_is_closed(c->h) <= 0) {
		dir = nbd_aio_get_direction(c->h);
		if (dir & LIBNBD_AIO_DIRECTION_READ)
			nbd_aio_notify_read(c->h);
		else if (dir & LIBNBD_AIO_DIRECTION_WRITE)
			nbd_aio_notify_write(c->h);
		else
			break;
	}
	note_death(c);
	deliver(c);
}

static int is_ready(struct nbd_handle *h)
{
	return nbd_aio_is_ready(h);
}

static int check_export(struct nbd_handle *h, const struct store_desc *desc,
			struct xs_err *err)
{
	int64_t size = nbd_get_size(h);

	if (size < 0 || (uint64_t)size < desc->size_bytes) {
		xs_err_set(err, "%s: the NBD export has become shorter",
			   desc->label);
		return -EIO;
	}
	if (!desc->read_only && nbd_is_read_only(h)) {
		xs_err_set(err, "%s: the NBD export has become read-only",
			   desc->label);
		return -EROFS;
	}
	return 0;
}

static int handshake(struct nbd_conn *c, const struct store_desc *desc,
		     struct xs_err *err)
{
	int fd = fcntl(desc->fd[0], F_DUPFD_CLOEXEC, 0), res;

	if (fd < 0) {
		res = -errno;
		xs_err_set(err, "%s: %s", desc->label, strerror(-res));
		return res;
	}
	c->h = store_nbd_start(fd, desc, false, err);
	if (!c->h)
		return -EIO;
	res = store_nbd_wait(c->h, is_ready, clock_ms() + HANDSHAKE_MS, desc,
			     err);
	if (!res)
		res = check_export(c->h, desc, err);
	if (res)
		nbd_close(c->h);
	return res;
}

static struct nbd_conn **find_conn(int fd, ino_t *socket)
{
	struct nbd_conn **at = &conns;
	struct stat st;

	*socket = fstat(fd, &st) ? 0 : st.st_ino;
	while (*at && (*at)->socket != *socket)
		at = &(*at)->next;
	return at;
}

static int new_conn(const struct store_desc *desc, ino_t socket,
		    struct nbd_conn **conn, struct xs_err *err)
{
	struct nbd_conn *c = calloc(1, sizeof(*c));
	int res;

	if (!c)
		return -ENOMEM;
	res = handshake(c, desc, err);
	if (res) {
		free(c);
		return res;
	}
	c->socket = socket;
	memcpy(c->label, desc->label, sizeof(c->label));
	c->label[sizeof(c->label) - 1] = '\0';
	c->ended_end = &c->ended;
	ev_io_init(&c->watch, on_event, desc->fd[0], EV_READ);
	ev_prepare_init(&c->deliver, on_deliver);
	c->watch.data = c->deliver.data = c;
	*conn = c;
	return 0;
}

static int use_conn(struct store_ctx *ctx, struct xs_err *err)
{
	const struct store_desc *desc = ctx->desc;
	struct nbd_conn **at, *c;
	ino_t socket;
	int res;

	at = find_conn(desc->fd[0], &socket);
	if (!*at) {
		res = new_conn(desc, socket, at, err);
		if (res)
			return res;
	}
	c = *at;
	if (c->dead) {
		xs_err_set(err, "%s: the connection to the NBD server is lost",
			   desc->label);
		return -ENOTCONN;
	}
	if (c->users && c->loop != ctx->loop) {
		xs_err_set(err, "%s: in use by another loop", desc->label);
		return -EBUSY;
	}
	if (!c->users++) {
		c->loop = ctx->loop;
		c->direction = -1;
		update_watch(c);
	}
	ctx->priv = c;
	return 0;
}

static int nbd_attach(struct store_ctx *ctx, struct xs_err *err)
{
	int res;

	if (!ctx->desc->nr_fds) {
		xs_err_set(err, "%s: came without its socket",
			   ctx->desc->label);
		return -EBADF;
	}
	pthread_mutex_lock(&conns_lock);
	res = use_conn(ctx, err);
	pthread_mutex_unlock(&conns_lock);
	return res;
}

static void nbd_detach(struct store_ctx *ctx)
{
	struct nbd_conn *c = ctx->priv;

	pthread_mutex_lock(&conns_lock);
	if (!--c->users) {
		ev_clear_pending(c->loop->ev, &c->deliver);
		ev_io_stop(c->loop->ev, &c->watch);
		c->loop = NULL;
	}
	pthread_mutex_unlock(&conns_lock);
}

static void forget(struct store_desc *desc)
{
	struct nbd_conn **at, *c;
	ino_t socket;

	if (!desc->nr_fds)
		return;
	pthread_mutex_lock(&conns_lock);
	at = find_conn(desc->fd[0], &socket);
	c = *at;
	if (c) {
		assert(!c->users);
		*at = c->next;
	}
	pthread_mutex_unlock(&conns_lock);
	if (!c)
		return;
	if (!c->dead)
		nbd_aio_disconnect(c->h, 0);
	nbd_close(c->h);
	free(c);
}

const struct store_ops store_nbd = {
	.name = "nbd",
	.scheme = "nbd",
	.open = store_nbd_open,
	.size = store_nbd_size,
	.renew = store_nbd_renew,
	.close = forget,
	.attach = nbd_attach,
	.detach = nbd_detach,
	.submit = nbd_submit,
	.cancel = nbd_cancel,
};
