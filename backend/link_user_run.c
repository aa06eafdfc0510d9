// SPDX-License-Identifier: MIT
/*
 * The process of a user: link: libslirp between the worker's socket and the
 * host's.
 *
 * The worker's frames come with offloads: checksums are completed here, and
 * large TCP segments go to libslirp whole, which copies their payload into a
 * socket of the host's just the same.
 */
#include <errno.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backend/link_fd.h"
#include "backend/link_user.h"
#include "hypercall/clock.h"
#include "hypercall/log.h"
#include "ring/net_csum.h"

#define FRAMES_A_TURN 64u
#define FDS_MAX       4096u /* sockets that are looked at */
#define GUEST_LOGS    5u
#define GUEST_LOG_MS  10000u

struct timer {
	SlirpTimerId id;
	void *cb_opaque;
	int64_t at_ms; /* -1: not set */
	struct timer *next;
};

struct run {
	int sock;
	Slirp *slirp;
	struct timer *timers;
	struct pollfd fd[FDS_MAX]; /* the worker's is the first */
	int nr_fds;
	struct log_limit limit;
	uint32_t domid;
	uint8_t buf[LINK_VNET_LEN + NET_PACKET_MAX + 1];
};

static int64_t now_ns(void *opaque)
{
	(void)opaque;
	return (int64_t)clock_ns();
}

/* What libslirp calls */

/* A frame that the worker has no room for is lost; TCP sends it again. */
static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
	struct run *r = opaque;
	struct virtio_net_hdr_v1 hdr = {
		.flags = VIRTIO_NET_HDR_F_DATA_VALID,
	};
	struct iovec iov[2] = {{&hdr, sizeof(hdr)}, {(void *)buf, len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	sendmsg(r->sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	return (ssize_t)len;
}

static void guest_error(const char *text, void *opaque)
{
	struct run *r = opaque;
	uint32_t missed;

	if (log_limit_ok(&r->limit, GUEST_LOGS, GUEST_LOG_MS, &missed))
		log_warn("-", "user-mode network of domain %u: %s", r->domid,
			 text);
}

static void *timer_new(SlirpTimerId id, void *cb_opaque, void *opaque)
{
	struct run *r = opaque;
	struct timer *t = calloc(1, sizeof(*t));

	if (!t)
		abort(); /* the watcher starts another */
	t->id = id;
	t->cb_opaque = cb_opaque;
	t->at_ms = -1;
	t->next = r->timers;
	r->timers = t;
	return t;
}

static void timer_free(void *timer, void *opaque)
{
	struct run *r = opaque;
	struct timer **at;

	for (at = &r->timers; *at; at = &(*at)->next) {
		if (*at != timer)
			continue;
		*at = (*at)->next;
		free(timer);
		return;
	}
}

static void timer_mod(void *timer, int64_t at_ms, void *opaque)
{
	struct timer *t = timer;

	(void)opaque;
	t->at_ms = at_ms;
}

static void ignore_fd(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void ignore(void *opaque)
{
	(void)opaque;
}

static void started(Slirp *slirp, void *opaque)
{
	(void)slirp;
	(void)opaque;
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = now_ns,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = ignore_fd,
	.unregister_poll_fd = ignore_fd,
	.notify = ignore,
	.init_completed = started,
	.timer_new_opaque = timer_new,
};

/* The loop */

static int add_poll(int fd, int events, void *opaque)
{
	struct run *r = opaque;
	struct pollfd *p = &r->fd[r->nr_fds];

	if (r->nr_fds == FDS_MAX)
		return 0; /* the worker's, of which get_revents() says nothing
			   */
	p->fd = fd;
	p->events = 0;
	if (events & SLIRP_POLL_IN)
		p->events |= POLLIN;
	if (events & SLIRP_POLL_OUT)
		p->events |= POLLOUT;
	if (events & SLIRP_POLL_PRI)
		p->events |= POLLPRI;
	return r->nr_fds++;
}

static int get_revents(int i, void *opaque)
{
	struct run *r = opaque;
	short got = i > 0 && i < r->nr_fds ? r->fd[i].revents : 0;
	int events = 0;

	if (got & POLLIN)
		events |= SLIRP_POLL_IN;
	if (got & POLLOUT)
		events |= SLIRP_POLL_OUT;
	if (got & POLLPRI)
		events |= SLIRP_POLL_PRI;
	if (got & POLLERR)
		events |= SLIRP_POLL_ERR;
	if (got & POLLHUP)
		events |= SLIRP_POLL_HUP;
	return events;
}

static int timeout_ms(const struct run *r, uint32_t slirp_ms)
{
	int64_t left = slirp_ms, now = now_ns(NULL) / 1000000;
	const struct timer *t;

	for (t = r->timers; t; t = t->next)
		if (t->at_ms >= 0 && t->at_ms - now < left)
			left = t->at_ms > now ? t->at_ms - now : 0;
	return left > INT32_MAX ? -1 : (int)left;
}

static void run_timers(struct run *r)
{
	int64_t now = now_ns(NULL) / 1000000;
	struct timer *t, *next;

	for (t = r->timers; t; t = next) {
		next = t->next;
		if (t->at_ms < 0 || t->at_ms > now)
			continue;
		t->at_ms = -1;
		slirp_handle_timer(r->slirp, t->id, t->cb_opaque);
	}
}

/* False: a frame whose headers are not what its sender says. */
static bool complete_checksum(uint8_t *data, uint32_t len,
			      const struct net_frame *f)
{
	struct iovec iov = {data, len};
	struct net_l4 l4;

	if (net_csum_find(data, len, len, f->gso, &l4))
		return false;
	net_csum_pseudo(data, &l4);
	net_csum_complete(&iov, 1, &l4);
	return true;
}

static void input(struct run *r, size_t size)
{
	uint8_t *data = r->buf + LINK_VNET_LEN;
	struct iovec iov = {data, size - LINK_VNET_LEN};
	struct virtio_net_hdr_v1 hdr;
	struct net_frame f = {.len = (uint32_t)iov.iov_len, .iov = &iov};

	memcpy(&hdr, r->buf, sizeof(hdr));
	if (!link_vnet_get(&hdr, &f))
		return;
	if (f.csum_partial && !complete_checksum(data, f.len, &f))
		return;
	slirp_input(r->slirp, data, (int)f.len);
}

/* An empty packet looks the same. */
static bool is_closed(int sock)
{
	struct pollfd p = {.fd = sock};

	return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

/* False: the other end is closed. */
static bool take_frames(struct run *r)
{
	unsigned int i;

	for (i = 0; i < FRAMES_A_TURN; i++) {
		ssize_t n = recv(r->sock, r->buf, sizeof(r->buf), MSG_DONTWAIT);

		if (!n && is_closed(r->sock))
			return false;
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if ((size_t)n > LINK_VNET_LEN)
			input(r, (size_t)n);
	}
	return true;
}

static int serve(struct run *r)
{
	for (;;) {
		uint32_t slirp_ms = UINT32_MAX;
		int res;

		r->fd[0] = (struct pollfd){.fd = r->sock, .events = POLLIN};
		r->nr_fds = 1;
		slirp_pollfds_fill(r->slirp, &slirp_ms, add_poll, r);
		res = poll(r->fd, (nfds_t)r->nr_fds, timeout_ms(r, slirp_ms));
		if (res < 0 && errno != EINTR)
			return 1;
		slirp_pollfds_poll(r->slirp, res < 0, get_revents, r);
		run_timers(r);
		if (res > 0 && r->fd[0].revents && !take_frames(r))
			return 0;
	}
}

/* The start */

static Slirp *make_slirp(struct run *r, const struct link_user_process *p)
{
	const struct link_user_config *c = &p->cfg;
	const char *search[LINK_USER_SEARCHES + 1] = {NULL};
	SlirpConfig cfg = {
		.version = 4,
		.restricted = c->restricted,
		.in_enabled = c->ipv4,
		.vnetwork = c->net,
		.vnetmask = c->mask,
		.vhost = c->host,
		.in6_enabled = c->ipv6,
		.vprefix_addr6 = c->net6,
		.vprefix_len = c->prefix6,
		.vhost6 = c->host6,
		.vhostname = c->hostname[0] ? c->hostname : NULL,
		.vdhcp_start = c->dhcp_start,
		.vnameserver = c->dns,
		.vnameserver6 = c->dns6,
		.vdomainname = c->domain[0] ? c->domain : NULL,
		.if_mtu = p->mtu,
		.if_mru = p->mtu,
		.disable_host_loopback = !c->loopback,
	};
	unsigned int i;

	for (i = 0; i < c->nr_searches; i++)
		search[i] = c->search[i];
	if (c->nr_searches)
		cfg.vdnssearch = search;
	return slirp_new(&cfg, &callbacks, r);
}

static int forward_ports(Slirp *slirp, const struct link_user_config *c,
			 struct xs_err *err)
{
	unsigned int i;

	for (i = 0; i < c->nr_forwards; i++) {
		const struct link_user_forward *f = &c->forward[i];
		struct in_addr guest = f->guest;

		if (guest.s_addr == INADDR_ANY)
			guest = c->dhcp_start;
		if (!slirp_add_hostfwd(slirp, f->udp, f->host, f->host_port,
				       guest, f->guest_port))
			continue;
		xs_err_set(err, "cannot forward %s port %u of the host: %s",
			   f->udp ? "UDP" : "TCP", f->host_port,
			   strerror(errno));
		return -EADDRINUSE;
	}
	return 0;
}

static void say_ready(int fd, const struct xs_err *err)
{
	char line[XS_ERR_MAX + 1];
	int len;

	if (fd < 0)
		return;
	len = snprintf(line, sizeof(line), "%s\n", err->text);
	if (write(fd, line, (size_t)len) != len)
		log_warn("-", "nobody waits for the user-mode network");
	close(fd);
}

int link_user_run(const struct link_user_process *p)
{
	static struct run r;
	struct xs_err err = {""};
	int res = 0;

	r.sock = p->sock;
	r.domid = p->domid;
	r.slirp = make_slirp(&r, p);
	if (!r.slirp) {
		xs_err_set(&err, "libslirp does not take these settings");
		res = -EINVAL;
	}
	/* low ports are root's, so before it is given up */
	if (!res)
		res = forward_ports(r.slirp, &p->cfg, &err);
	if (!res)
		res = link_user_box(p->domid, &err);
	say_ready(p->ready_fd, &err);
	return res ? 1 : serve(&r);
}
