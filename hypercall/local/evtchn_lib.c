// SPDX-License-Identifier: MIT
/*
 * libxenevtchn.so.1 of embedded Xen: event channels over shared words and
 * bells (wire.h), with the semantics of Xen's header and Linux's evtchn
 * device.
 *
 * xenevtchn_fd() is an epoll descriptor over one bell per port.  Its entries
 * are edge-triggered, so a delivered event costs no read; every sixteenth
 * empties the bell.  Two more entries: an eventfd of this process alone, for
 * events that unmask finds waiting, and the handle's socket, which is readable
 * only when the domain or the hypervisor process has gone.
 *
 * Threads: any may notify, unmask, bind and wait at the same time.  notify and
 * unmask take no lock.  A port's slot is never freed while the handle is open;
 * whoever uses it counts itself in, and unbind waits for the count.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <xenevtchn.h>

#include "active_handle.h"
#include "chan.h"
#include "client.h"

/* Beyond Xen's ABI: see hypercall/evtchn_peer.h, which finds it by name. */
int xenlocal_evtchn_peer_cpu(xenevtchn_handle *xce, evtchn_port_t port);
void xenlocal_evtchn_say_cpu(xenevtchn_handle *xce, evtchn_port_t port);

/* epoll data beside port numbers */
#define DATA_READY  UINT64_MAX
#define DATA_CLIENT (UINT64_MAX - 1)

struct slot {
	atomic_uint users; /* threads that look at ch */
	atomic_bool live;  /* checked after counting in */
	atomic_uint nr_delivered;
	struct chan ch;
};

struct xenevtchn_handle {
	struct active_handle active;
	struct client client;
	int epoll_fd;
	int ready_fd; /* readable while nr_ready > 0 */
	bool cloexec;

	/* each set once, with release, under lock; read without */
	struct slot *_Atomic slot[WIRE_MAX_PORTS];

	pthread_mutex_t lock; /* bind, unbind, and the next two */
	uint64_t ready[WIRE_MAX_PORTS / 64];
	uint32_t nr_ready, ready_from;
};

static int fail(int err)
{
	errno = -err;
	return -1;
}

/* --- slots ------------------------------------------------------------------
 */

static struct slot *slot_get(xenevtchn_handle *xce, evtchn_port_t port)
{
	struct slot *s;

	if (port >= WIRE_MAX_PORTS)
		return NULL;
	s = atomic_load_explicit(&xce->slot[port], memory_order_acquire);
	if (!s)
		return NULL;
	atomic_fetch_add(&s->users, 1);
	if (atomic_load(&s->live))
		return s;
	atomic_fetch_sub(&s->users, 1);
	return NULL;
}

static void slot_put(struct slot *s)
{
	atomic_fetch_sub_explicit(&s->users, 1, memory_order_release);
}

/* The port's slot, dead; under lock. */
static struct slot *slot_make(xenevtchn_handle *xce, evtchn_port_t port)
{
	struct slot *s = port < WIRE_MAX_PORTS ? xce->slot[port] : NULL;

	if (s || port >= WIRE_MAX_PORTS)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->ch.bell = -1;
	atomic_store_explicit(&xce->slot[port], s, memory_order_release);
	return s;
}

static int slot_enable(xenevtchn_handle *xce, struct slot *s,
		       evtchn_port_t port, bool add)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = port};

	atomic_store(&s->live, true);
	if (!add || !epoll_ctl(xce->epoll_fd, EPOLL_CTL_ADD, s->ch.bell, &ev))
		return 0;
	atomic_store(&s->live, false);
	return -errno;
}

/* No thread sees the channel from here on; under lock. */
static void slot_disable(struct slot *s)
{
	atomic_store(&s->live, false);
	/* users only set a bit and send without waiting */
	while (atomic_load_explicit(&s->users, memory_order_acquire))
		sched_yield();
}

/* --- events found by unmask
 * --------------------------------------------------- */

static void ready_push(xenevtchn_handle *xce, evtchn_port_t port)
{
	uint64_t bit = 1ull << port % 64;

	pthread_mutex_lock(&xce->lock);
	if (!(xce->ready[port / 64] & bit)) {
		xce->ready[port / 64] |= bit;
		if (xce->nr_ready++ == 0)
			eventfd_write(xce->ready_fd, 1);
	}
	pthread_mutex_unlock(&xce->lock);
}

/* The next after the last one, so that a busy port starves no other. */
static uint64_t ready_next(xenevtchn_handle *xce)
{
	uint32_t first = xce->ready_from / 64, i;
	uint64_t later = ~0ull << xce->ready_from % 64;

	for (i = 0; i <= WIRE_MAX_PORTS / 64; i++) {
		uint32_t w = (first + i) % (WIRE_MAX_PORTS / 64);
		uint64_t bits = xce->ready[w] & (i ? ~0ull : later);

		if (bits)
			return w * 64 + (uint32_t)__builtin_ctzll(bits);
	}
	return DATA_READY;
}

static uint64_t ready_pop(xenevtchn_handle *xce)
{
	uint64_t port = DATA_READY;

	pthread_mutex_lock(&xce->lock);
	if (xce->nr_ready) {
		port = ready_next(xce);
		xce->ready[port / 64] &= ~(1ull << port % 64);
		xce->ready_from = ((uint32_t)port + 1) % WIRE_MAX_PORTS;
		xce->nr_ready--;
	}
	if (!xce->nr_ready) {
		eventfd_t n;

		eventfd_read(xce->ready_fd, &n);
	}
	pthread_mutex_unlock(&xce->lock);
	return port;
}

/* --- open and close
 * ---------------------------------------------------------------- */

static int restrict_handle(struct active_handle *ah, domid_t domid)
{
	return xenevtchn_restrict(ACTIVE_CONTAINER(ah, xenevtchn_handle),
				  domid);
}

static xenevtchn_handle *handle_new(void)
{
	xenevtchn_handle *xce = calloc(1, sizeof(*xce));

	if (!xce)
		return NULL;
	xce->client.fd = xce->epoll_fd = xce->ready_fd = -1;
	pthread_mutex_init(&xce->lock, NULL);
	xce->active.restrict_callback = restrict_handle;
	xentoolcore__register_active_handle(&xce->active);
	return xce;
}

static int watch(xenevtchn_handle *xce, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	return epoll_ctl(xce->epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int open_fds(xenevtchn_handle *xce)
{
	int ret = client_open(&xce->client, xce->cloexec);

	if (ret)
		return ret;
	xce->epoll_fd = epoll_create1(xce->cloexec ? EPOLL_CLOEXEC : 0);
	xce->ready_fd = eventfd(0, EFD_NONBLOCK |
					   (xce->cloexec ? EFD_CLOEXEC : 0));
	if (xce->epoll_fd < 0 || xce->ready_fd < 0)
		return -errno;
	ret = watch(xce, xce->ready_fd, EPOLLIN, DATA_READY);
	/* no events: hang-up is always told */
	return ret ? ret : watch(xce, xce->client.fd, 0, DATA_CLIENT);
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger,
				 unsigned int flags)
{
	xenevtchn_handle *xce;
	int ret;

	if (flags & ~(unsigned int)XENEVTCHN_NO_CLOEXEC) {
		errno = EINVAL;
		return NULL;
	}
	xce = handle_new();
	if (!xce)
		return NULL;
	xce->cloexec = !(flags & XENEVTCHN_NO_CLOEXEC);
	ret = open_fds(xce);
	if (!ret)
		return xce;
	active_log_failure(logger, "xenevtchn", ret);
	xenevtchn_close(xce);
	errno = -ret;
	return NULL;
}

/* Legal in a forked child: touches nothing that the parent still uses. */
int xenevtchn_close(xenevtchn_handle *xce)
{
	uint32_t i;

	if (!xce)
		return 0;
	xentoolcore__deregister_active_handle(&xce->active);
	client_close(&xce->client);
	for (i = 0; i < WIRE_MAX_PORTS; i++) {
		struct slot *s = xce->slot[i];

		if (s)
			chan_close(&s->ch);
		free(s);
	}
	if (xce->epoll_fd >= 0)
		close(xce->epoll_fd);
	if (xce->ready_fd >= 0)
		close(xce->ready_fd);
	pthread_mutex_destroy(&xce->lock);
	free(xce);
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
	return xce->epoll_fd;
}

/* --- after exec
 * ------------------------------------------------------------------------ */

/* A port whose bell is still in the epoll descriptor: get its page again. */
static void port_adopt(xenevtchn_handle *xce, evtchn_port_t port, int bell)
{
	struct wire_msg msg = {.op = WIRE_EVTCHN_REOPEN, .evtchn.port = port};
	int fds[WIRE_EVT_NR_FDS];
	struct client_io io = {.reply_fds = fds,
			       .reply_fds_max = WIRE_EVT_NR_FDS};
	struct slot *s = slot_make(xce, port);
	unsigned int i;

	if (s && !client_call(&xce->client, &msg, &io) &&
	    io.nr_reply_fds == WIRE_EVT_NR_FDS) {
		close(fds[WIRE_EVT_FD_BELL]);
		fds[WIRE_EVT_FD_BELL] = bell;
		if (chan_open(&s->ch, fds, msg.evtchn.side))
			return;
		slot_enable(xce, s, port, false);
		if (atomic_load(&s->ch.page->side[s->ch.side].word) ==
		    WIRE_EVT_PENDING)
			ready_push(xce, port);
		return;
	}
	for (i = 0; i < io.nr_reply_fds; i++)
		close(fds[i]);
	close(bell);
}

/* The kernel tells what is in an epoll descriptor: that is all there is to
 * find the handle's other descriptors by. */
static int scan_epoll(xenevtchn_handle *xce, bool ports)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", xce->epoll_fd);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		unsigned long long data;
		int fd;

		if (sscanf(line, "tfd: %d events: %*x data: %llx", &fd,
			   &data) != 2)
			continue;
		if (ports && data < WIRE_MAX_PORTS)
			port_adopt(xce, (evtchn_port_t)data, fd);
		else if (!ports && data == DATA_READY)
			xce->ready_fd = fd;
		else if (!ports && data == DATA_CLIENT)
			xce->client.fd = fd;
	}
	fclose(f);
	return 0;
}

xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *logger, int fd,
				   unsigned int flags)
{
	xenevtchn_handle *xce;
	int ret;

	if (flags) {
		errno = EINVAL;
		return NULL;
	}
	xce = handle_new();
	if (!xce)
		return NULL;
	xce->epoll_fd = fd;
	ret = scan_epoll(xce, false);
	if (!ret && (xce->ready_fd < 0 || xce->client.fd < 0))
		ret = -EINVAL;
	if (!ret)
		ret = client_adopt(&xce->client, xce->client.fd);
	if (!ret)
		ret = scan_epoll(xce, true);
	if (!ret)
		return xce;
	xce->epoll_fd = -1; /* still the caller's */
	active_log_failure(logger, "xenevtchn", ret);
	xenevtchn_close(xce);
	errno = -ret;
	return NULL;
}

/* --- ports
 * ---------------------------------------------------------------------------------
 */

static void port_release(xenevtchn_handle *xce, evtchn_port_t port)
{
	struct wire_msg msg = {.op = WIRE_EVTCHN_UNBIND, .evtchn.port = port};

	client_call(&xce->client, &msg, NULL);
}

static int port_enter(xenevtchn_handle *xce, const struct wire_evtchn *e,
		      const int fds[WIRE_EVT_NR_FDS])
{
	struct slot *s;
	int ret;

	if (!xce->cloexec)
		fcntl(fds[WIRE_EVT_FD_BELL], F_SETFD, 0);
	pthread_mutex_lock(&xce->lock);
	s = slot_make(xce, e->port);
	if (!s) {
		close(fds[WIRE_EVT_FD_PAGE]);
		close(fds[WIRE_EVT_FD_BELL]);
		ret = -ENOMEM;
	} else {
		ret = chan_open(&s->ch, fds, e->side);
		if (!ret)
			ret = slot_enable(xce, s, e->port, true);
		if (ret)
			chan_close(&s->ch);
	}
	pthread_mutex_unlock(&xce->lock);
	return ret;
}

static xenevtchn_port_or_error_t bind_port(xenevtchn_handle *xce,
					   struct wire_msg *msg)
{
	int fds[WIRE_EVT_NR_FDS];
	struct client_io io = {.reply_fds = fds,
			       .reply_fds_max = WIRE_EVT_NR_FDS};
	unsigned int i;
	int ret = client_call(&xce->client, msg, &io);

	if (!ret && io.nr_reply_fds != WIRE_EVT_NR_FDS)
		ret = -EPROTO;
	if (ret) {
		for (i = 0; i < io.nr_reply_fds; i++)
			close(fds[i]);
		return fail(ret);
	}
	ret = port_enter(xce, &msg->evtchn, fds);
	if (!ret)
		return (int)msg->evtchn.port;
	port_release(xce, msg->evtchn.port);
	return fail(ret);
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *xce,
						      uint32_t domid)
{
	struct wire_msg msg = {
		.op = WIRE_EVTCHN_ALLOC_UNBOUND,
		.evtchn.remote_domid = domid,
	};

	return bind_port(xce, &msg);
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce,
						     uint32_t domid,
						     evtchn_port_t remote_port)
{
	struct wire_msg msg = {
		.op = WIRE_EVTCHN_BIND_INTERDOMAIN,
		.evtchn.remote_domid = domid,
		.evtchn.remote_port = remote_port,
	};

	return bind_port(xce, &msg);
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *xce,
					      unsigned int virq)
{
	struct wire_msg msg = {
		.op = WIRE_EVTCHN_BIND_VIRQ,
		.evtchn.virq = virq,
	};

	return bind_port(xce, &msg);
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
	struct slot *s = NULL;

	pthread_mutex_lock(&xce->lock);
	if (port < WIRE_MAX_PORTS)
		s = xce->slot[port];
	if (!s || !s->live) {
		pthread_mutex_unlock(&xce->lock);
		return fail(-ENOTCONN);
	}
	slot_disable(s);
	/* a forked child may hold the same file: closing is not enough */
	epoll_ctl(xce->epoll_fd, EPOLL_CTL_DEL, s->ch.bell, NULL);
	chan_close(&s->ch);
	/* only now may xenlocald give the number to somebody else */
	port_release(xce, port);
	pthread_mutex_unlock(&xce->lock);
	return 0;
}

int xenevtchn_restrict(xenevtchn_handle *xce, domid_t domid)
{
	struct wire_msg msg = {
		.op = WIRE_EVTCHN_RESTRICT,
		.evtchn.remote_domid = domid,
	};
	int ret = client_call(&xce->client, &msg, NULL);

	return ret ? fail(ret) : 0;
}

/* --- events
 * ----------------------------------------------------------------------------------
 */

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	struct slot *s = slot_get(xce, port);

	if (!s)
		return fail(-ENOTCONN);
	chan_say_cpu(&s->ch);
	chan_notify(&s->ch);
	slot_put(s);
	return 0;
}

int xenlocal_evtchn_peer_cpu(xenevtchn_handle *xce, evtchn_port_t port)
{
	struct slot *s = slot_get(xce, port);
	int cpu;

	if (!s)
		return -1;
	cpu = chan_peer_cpu(&s->ch);
	slot_put(s);
	return cpu;
}

void xenlocal_evtchn_say_cpu(xenevtchn_handle *xce, evtchn_port_t port)
{
	struct slot *s = slot_get(xce, port);

	if (!s)
		return;
	chan_say_cpu(&s->ch);
	slot_put(s);
}

/* As the evtchn device does, a port that is not bound is passed over. */
int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	struct slot *s = slot_get(xce, port);
	bool event;

	if (!s)
		return 0;
	event = chan_unmask(&s->ch);
	slot_put(s); /* before the lock: unbind waits for us under it */
	if (event)
		ready_push(xce, port);
	return 0;
}

/* The next entry of the epoll descriptor that has something. */
static int next_entry(xenevtchn_handle *xce, uint64_t *data)
{
	struct epoll_event ev;
	int n = epoll_wait(xce->epoll_fd, &ev, 1, 0);

	if (n == 0) {
		int flags = fcntl(xce->epoll_fd, F_GETFL);

		if (flags & O_NONBLOCK)
			return -EAGAIN;
		n = epoll_wait(xce->epoll_fd, &ev, 1, -1);
	}
	if (n != 1)
		return n < 0 ? -errno : -EAGAIN;
	*data = ev.data.u64;
	return 0;
}

static bool deliver(xenevtchn_handle *xce, evtchn_port_t port)
{
	struct slot *s = slot_get(xce, port);
	bool event;

	if (!s)
		return false; /* rang before it was unbound */
	if (atomic_fetch_add(&s->nr_delivered, 1) % CHAN_DRAIN_EVERY == 0)
		chan_drain(&s->ch);
	chan_say_cpu(&s->ch);
	event = chan_deliver(&s->ch);
	slot_put(s);
	return event;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
	uint64_t data = DATA_CLIENT;
	int ret;

	for (;;) {
		ret = next_entry(xce, &data);
		if (ret)
			return fail(ret);
		if (data == DATA_CLIENT)
			return fail(-ENOTCONN);
		if (data == DATA_READY)
			data = ready_pop(xce);
		if (data < WIRE_MAX_PORTS && deliver(xce, (uint32_t)data))
			return (int)data;
	}
}
