// SPDX-License-Identifier: MIT
/* The control socket: clients and lines.  What commands do is in
 * control_commands.c. */
#include "backend/control.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/control_commands.h"
#include "backend/super.h"
#include "hypercall/log.h"

#define CLIENTS_MAX  16u
#define LINE_MAX_LEN 4096u
#define IDLE_S       60.

struct client {
	struct control *control;
	int fd;
	ev_io io;
	ev_timer idle;
	char in[LINE_MAX_LEN];
	size_t in_len;
	char *out; /* the answer that is being written; NULL: none */
	size_t out_len, out_at;
	LIST_ENTRY(client) link;
};

struct control {
	struct supervisor *super;
	int fd;
	ev_io io;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	unsigned int nr_clients;
	LIST_HEAD(, client) clients;
};

static void client_drop(struct client *c)
{
	struct ev_loop *loop = c->control->super->loop;

	ev_io_stop(loop, &c->io);
	ev_timer_stop(loop, &c->idle);
	close(c->fd);
	LIST_REMOVE(c, link);
	c->control->nr_clients--;
	free(c->out);
	free(c);
}

static void wait_for(struct client *c, int events)
{
	struct ev_loop *loop = c->control->super->loop;

	ev_io_stop(loop, &c->io);
	ev_io_set(&c->io, c->fd, events);
	ev_io_start(loop, &c->io);
}

/* False: the client was dropped. */
static bool client_write(struct client *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at,
				 c->out_len - c->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			wait_for(c, EV_WRITE);
			return true;
		}
		if (n <= 0) {
			client_drop(c);
			return false;
		}
		c->out_at += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	wait_for(c, EV_READ);
	return true;
}

static bool client_answer(struct client *c, const char *line, size_t len)
{
	json_error_t error;
	json_t *question = json_loadb(line, len, JSON_REJECT_DUPLICATES,
				      &error);
	json_t *answer = control_answer(c->control->super, question);

	c->out = json_dumps(answer, JSON_COMPACT);
	json_decref(question);
	json_decref(answer);
	if (!c->out) {
		client_drop(c);
		return false;
	}
	/* its NUL becomes the end of the line */
	c->out_len = strlen(c->out) + 1;
	c->out[c->out_len - 1] = '\n';
	c->out_at = 0;
	return client_write(c);
}

/* Answers the lines that are there, one at a time. */
static void client_lines(struct client *c)
{
	while (!c->out) {
		char *end = memchr(c->in, '\n', c->in_len);
		size_t len;

		if (!end)
			break;
		len = (size_t)(end - c->in);
		if (!client_answer(c, c->in, len))
			return;
		c->in_len -= len + 1;
		memmove(c->in, end + 1, c->in_len);
	}
	if (c->in_len == sizeof(c->in) && !c->out)
		client_drop(c); /* a line that is too long */
}

static void on_client(struct ev_loop *loop, ev_io *io, int revents)
{
	struct client *c = io->data;
	ssize_t n;

	ev_timer_again(loop, &c->idle);
	if (revents & EV_WRITE) {
		if (client_write(c))
			client_lines(c);
		return;
	}
	n = read(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_drop(c);
		return;
	}
	c->in_len += (size_t)n;
	client_lines(c);
}

static void on_idle(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	client_drop(t->data);
}

static void on_connection(struct ev_loop *loop, ev_io *io, int revents)
{
	static const char full[] = "{\"error\":\"too many clients\"}\n";
	struct control *control = io->data;
	struct client *c;
	int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)revents;
	if (fd < 0)
		return;
	c = control->nr_clients < CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL);
		close(fd);
		return;
	}
	c->control = control;
	c->fd = fd;
	ev_io_init(&c->io, on_client, fd, EV_READ);
	ev_timer_init(&c->idle, on_idle, 0., IDLE_S);
	c->io.data = c->idle.data = c;
	ev_io_start(loop, &c->io);
	ev_timer_again(loop, &c->idle);
	LIST_INSERT_HEAD(&control->clients, c, link);
	control->nr_clients++;
}

/* A socket that a dead supervisor left is replaced, a living one's is not. */
static int bind_path(int fd, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int probe, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (probe < 0)
		return -errno;
	err = connect(probe, (struct sockaddr *)&addr, sizeof(addr)) ? errno
								     : 0;
	close(probe);
	if (!err)
		return -EADDRINUSE;
	if (err == ECONNREFUSED)
		unlink(path);
	/* mode 0600 from the beginning; nothing else runs that could see the
	 * changed mask */
	{
		mode_t old = umask(0177);

		err = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno
								       : 0;
		umask(old);
	}
	return err;
}

static void make_parent(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path || (size_t)(slash - path) >= sizeof(dir))
		return;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	mkdir(dir, 0755); /* if it cannot be, bind says so */
}

int control_open(struct control **out, struct supervisor *super,
		 const char *path)
{
	struct control *control = calloc(1, sizeof(*control));
	int err;

	if (!control)
		return -ENOMEM;
	control->super = super;
	LIST_INIT(&control->clients);
	control->fd = socket(AF_UNIX,
			     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	err = control->fd < 0 ? -errno : 0;
	if (!err) {
		make_parent(path);
		err = bind_path(control->fd, path);
	}
	if (!err && listen(control->fd, CLIENTS_MAX))
		err = -errno;
	if (err) {
		log_err("-", "control socket %s: %s", path, strerror(-err));
		if (control->fd >= 0)
			close(control->fd);
		free(control);
		return err;
	}
	strcpy(control->path, path);
	ev_io_init(&control->io, on_connection, control->fd, EV_READ);
	control->io.data = control;
	ev_io_start(super->loop, &control->io);
	*out = control;
	return 0;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	while (!LIST_EMPTY(&control->clients))
		client_drop(LIST_FIRST(&control->clients));
	ev_io_stop(control->super->loop, &control->io);
	close(control->fd);
	unlink(control->path);
	free(control);
}
