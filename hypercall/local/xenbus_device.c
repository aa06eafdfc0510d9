// SPDX-License-Identifier: MIT
/*
 * xenlocal-xenbus: the xenbus device of one guest of embedded Xen.
 *
 * What /dev/xen/xenbus and the driver behind it are in a guest's kernel, as a
 * process in the domain: programs reach it through $XENSTORED_PATH, a Unix
 * socket, and their messages go to xenstored over the domain's one ring.  It
 * decides nothing about permissions or quotas; xenstored knows it only as the
 * guest.
 *
 * Usage: xenlocal-xenbus --socket PATH [--ready-fd N]
 * The domain is the one whose socket is inherited.  A byte is written to
 * descriptor N when clients can connect.  Ends on SIGTERM or SIGINT with 0,
 * when the domain is destroyed with 0, when the ring breaks with 1.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "xenbus_mux.h"
#include "xenbus_ring.h"

struct device {
	struct xenbus_ring ring;
	struct xenbus_mux mux;
	int epoll_fd, listen_fd, signal_fd;
	bool listening; /* false: out of descriptors, until a client goes */
	unsigned int nr_full; /* how many clients that was */
	const char *path;
};

static int watch_fd(struct device *d, int op, int fd, uint32_t events,
		    void *ptr)
{
	struct epoll_event e = {.events = events, .data.ptr = ptr};

	return epoll_ctl(d->epoll_fd, op, fd, &e) < 0 ? -errno : 0;
}

static int listen_at(struct device *d, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	d->listen_fd = socket(AF_UNIX,
			      SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->listen_fd < 0)
		return -errno;
	unlink(path);
	umask(077);
	if (bind(d->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(d->listen_fd, SOMAXCONN) < 0)
		return -errno;
	d->path = path;
	d->listening = true;
	return 0;
}

static int catch_signals(struct device *d)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return d->signal_fd < 0 ? -errno : 0;
}

static int setup(struct device *d, const char *path)
{
	struct rlimit rl;
	int rc;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (d->epoll_fd < 0)
		return -errno;
	rc = catch_signals(d);
	if (rc == 0)
		rc = listen_at(d, path);
	if (rc == 0)
		rc = watch_fd(d, EPOLL_CTL_ADD, d->listen_fd, EPOLLIN,
			      &d->listen_fd);
	if (rc == 0)
		rc = watch_fd(d, EPOLL_CTL_ADD, d->signal_fd, EPOLLIN,
			      &d->signal_fd);
	if (rc == 0)
		rc = watch_fd(d, EPOLL_CTL_ADD, d->ring.chan.bell, EPOLLIN,
			      &d->ring.chan.bell);
	/* only a hang-up is waited for: the domain or xenlocald is gone */
	if (rc == 0)
		rc = watch_fd(d, EPOLL_CTL_ADD, d->ring.client.fd, EPOLLRDHUP,
			      &d->ring.client.fd);
	return rc;
}

/* Out of descriptors: connections wait in the backlog until one is free. */
static void set_listening(struct device *d, bool on)
{
	if (on == d->listening)
		return;
	if (watch_fd(d, EPOLL_CTL_MOD, d->listen_fd, on ? EPOLLIN : 0,
		     &d->listen_fd) == 0)
		d->listening = on;
	d->nr_full = d->mux.nr_open;
}

static void accept_clients(struct device *d)
{
	struct xenbus_client *c;
	int fd;

	for (;;) {
		fd = accept4(d->listen_fd, NULL, NULL,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				set_listening(d, false);
			return;
		}
		c = xenbus_mux_add(&d->mux, fd);
		if (!c) {
			close(fd);
			continue;
		}
		c->events = EPOLLIN;
		if (watch_fd(d, EPOLL_CTL_ADD, fd, c->events, c) < 0)
			xenbus_mux_cut(&d->mux, c);
	}
}

/* Sends what waits for the client, and asks epoll for what it now needs. */
static void settle_client(struct device *d, struct xenbus_client *c)
{
	uint32_t events = 0;

	if (c->out_len && xenbus_client_flush(c) < 0) {
		xenbus_mux_cut(&d->mux, c);
		return;
	}
	if (c->out_len)
		events |= EPOLLOUT;
	if (c->state == XENBUS_IDLE && c->out_len <= XENBUS_OUT_BUSY)
		events |= EPOLLIN;
	if (events == c->events)
		return;
	c->events = events;
	if (watch_fd(d, EPOLL_CTL_MOD, c->fd, events, c) < 0)
		xenbus_mux_cut(&d->mux, c);
}

static int settle(struct device *d)
{
	struct xenbus_client *c, *next;
	int rc;

	rc = xenbus_mux_run(&d->mux);
	for (c = TAILQ_FIRST(&d->mux.clients); c; c = next) {
		next = TAILQ_NEXT(c, all);
		if (c->fd >= 0)
			settle_client(d, c);
	}
	if (d->mux.nr_open < d->nr_full)
		set_listening(d, true);
	/* a client that was cut just now left things to undo */
	return rc < 0 ? rc : xenbus_mux_run(&d->mux);
}

static void client_event(struct device *d, struct xenbus_client *c,
			 uint32_t events)
{
	/* cut earlier in this round */
	if (c->fd < 0)
		return;
	if ((events & EPOLLIN) && xenbus_mux_readable(&d->mux, c) == 0)
		return;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		xenbus_mux_cut(&d->mux, c);
}

/* Returns 0 to go on, 1 to end, -errno when the ring is broken. */
static int one_round(struct device *d)
{
	struct epoll_event e;
	int n;

	/* one event a round: a client freed in it can be in no other */
	n = epoll_wait(d->epoll_fd, &e, 1, -1);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (e.data.ptr == &d->signal_fd)
		return 1;
	if (e.data.ptr == &d->ring.client.fd) {
		fprintf(stderr, "xenbus of domain %u: the domain is gone\n",
			d->ring.domid);
		return 1;
	}
	if (e.data.ptr == &d->ring.chan.bell)
		xenbus_ring_ack(&d->ring);
	else if (e.data.ptr == &d->listen_fd)
		accept_clients(d);
	else
		client_event(d, e.data.ptr, e.events);
	return settle(d);
}

static int serve(struct device *d, int ready_fd)
{
	int rc;

	xenbus_mux_init(&d->mux, &d->ring);
	if (ready_fd >= 0) {
		if (write(ready_fd, "\n", 1) != 1)
			return -errno;
		close(ready_fd);
	}
	do {
		rc = one_round(d);
	} while (rc == 0);
	unlink(d->path);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"ready-fd", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	static struct device d;
	const char *path = NULL;
	int opt, rc, ready_fd = -1;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 's')
			path = optarg;
		else if (opt == 'r')
			ready_fd = atoi(optarg);
		else
			return 2;
	}
	if (!path || optind != argc) {
		fprintf(stderr,
			"usage: xenlocal-xenbus --socket PATH [--ready-fd N]\n");
		return 2;
	}
	rc = xenbus_ring_open(&d.ring);
	if (rc < 0) {
		fprintf(stderr, "xenlocal-xenbus: xenstore ring: %s\n",
			strerror(-rc));
		return 1;
	}
	rc = setup(&d, path);
	if (rc < 0)
		fprintf(stderr, "xenbus of domain %u: %s: %s\n", d.ring.domid,
			path, strerror(-rc));
	else
		rc = serve(&d, ready_fd);
	if (rc < 0 && d.path)
		fprintf(stderr, "xenbus of domain %u: xenstore ring: %s\n",
			d.ring.domid, strerror(-rc));
	xenbus_ring_close(&d.ring);
	return rc < 0 ? 1 : 0;
}
