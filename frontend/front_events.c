// SPDX-License-Identifier: MIT
/*
 * A queue's event channels and sleeping.  See front_events.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "frontend/front_events.h"
#include "frontend/spin.h"
#include "hypercall/clock.h"

/* A backend that rings without answering is listened to less and less. */
#define EMPTY_EVENTS_FREE   8u
#define EMPTY_EVENTS_MAX_MS 16u
/* An answer that is quick costs nothing more. */
#define TURNS_BEFORE_LOOK 16u

int front_time_left(uint64_t start_us, int timeout_ms)
{
	uint64_t spent_ms;

	if (timeout_ms < 0)
		return -1;
	spent_ms = (clock_us() - start_us) / 1000;
	return spent_ms >= (uint64_t)timeout_ms ? 0 : timeout_ms - spent_ms;
}

static int watch_fd(int poll_fd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int front_events_open(struct front_events *ev, unsigned int nr_ports,
		      uint32_t poll_us)
{
	int fd, err;

	ev->nr_ports = nr_ports;
	ev->poll_us = poll_us;
	ev->spin_us = poll_us;
	evtchn_peer_find(&ev->peer);
	atomic_store(&ev->port, -1);
	ev->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ev->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	ev->xce = xenevtchn_open(NULL, 0);
	if (ev->wake_fd < 0 || ev->poll_fd < 0 || !ev->xce)
		return errno ? -errno : -EIO;
	fd = xenevtchn_fd(ev->xce);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return -errno;
	err = watch_fd(ev->poll_fd, fd);
	return err ? err : watch_fd(ev->poll_fd, ev->wake_fd);
}

void front_events_close(struct front_events *ev)
{
	if (ev->poll_fd >= 0)
		close(ev->poll_fd);
	if (ev->wake_fd >= 0)
		close(ev->wake_fd);
	if (ev->xce)
		xenevtchn_close(ev->xce);
	ev->poll_fd = ev->wake_fd = -1;
	ev->xce = NULL;
}

int front_events_bind(struct front_events *ev, uint32_t domid)
{
	int port = xenevtchn_bind_unbound_port(ev->xce, domid);

	if (port < 0)
		return -errno;
	atomic_store_explicit(&ev->port, port, memory_order_relaxed);
	return port;
}

void front_events_unbind(struct front_events *ev, int port)
{
	if (ev->xce && port >= 0)
		xenevtchn_unbind(ev->xce, port);
}

void front_events_notify(struct front_events *ev, int port)
{
	if (port >= 0)
		xenevtchn_notify(ev->xce, port);
}

void front_events_wake(struct front_events *ev)
{
	uint64_t one = 1;

	/* EAGAIN: it is awake more than enough. */
	if (write(ev->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static void consume_wake(struct front_events *ev)
{
	uint64_t count;

	if (read(ev->wake_fd, &count, sizeof(count)) < 0)
		return;
}

static void consume_ports(struct front_events *ev)
{
	xenevtchn_port_or_error_t port;
	unsigned int i;

	for (i = 0; i < ev->nr_ports; i++) {
		port = xenevtchn_pending(ev->xce);
		if (port < 0)
			return;
		ev->events++;
		xenevtchn_unmask(ev->xce, port);
	}
}

void front_events_consume(struct front_events *ev)
{
	consume_wake(ev);
	consume_ports(ev);
}

bool front_events_backend_is_here(const struct front_events *ev)
{
	int port = atomic_load_explicit(&ev->port, memory_order_relaxed);

	return ev->peer.cpu && port >= 0 &&
	       ev->peer.cpu(ev->xce, (evtchn_port_t)port) == sched_getcpu();
}

bool front_events_spin(struct front_events *ev, front_ready_fn ready, void *arg)
{
	unsigned int turns = 0;
	uint64_t until;

	if (!ev->spin_us)
		return false;
	until = clock_us() + ev->spin_us;
	do {
		if (ready(arg))
			return true;
		if (++turns == TURNS_BEFORE_LOOK &&
		    front_events_backend_is_here(ev))
			return false;
		__builtin_ia32_pause();
	} while (clock_us() < until);
	return false;
}

/* Without the event channel; true when that is all there is to do now. */
static bool sleep_deaf(struct front_events *ev, front_ready_fn ready, void *arg,
		       int timeout_ms)
{
	struct pollfd fd = {.fd = ev->wake_fd, .events = POLLIN};
	uint32_t ms;

	if (ev->empty_events <= EMPTY_EVENTS_FREE)
		return false;
	ms = ev->empty_events - EMPTY_EVENTS_FREE;
	if (ms > EMPTY_EVENTS_MAX_MS)
		ms = EMPTY_EVENTS_MAX_MS;
	if (timeout_ms >= 0 && (uint32_t)timeout_ms <= ms)
		return false;
	if (poll(&fd, 1, (int)ms) > 0)
		consume_wake(ev);
	return ready(arg);
}

int front_events_sleep(struct front_events *ev, front_ready_fn ready, void *arg,
		       int timeout_ms)
{
	struct pollfd fds[2] = {
		{.fd = ev->wake_fd, .events = POLLIN},
		{.fd = xenevtchn_fd(ev->xce), .events = POLLIN},
	};
	uint64_t before = clock_us();
	int nr;

	if (sleep_deaf(ev, ready, arg, timeout_ms))
		return 1;
	ev->sleeps++;
	nr = poll(fds, 2, timeout_ms);
	if (nr < 0)
		return errno == EINTR ? 1 : -errno;
	if (fds[0].revents)
		consume_wake(ev);
	if (fds[1].revents) {
		consume_ports(ev);
		ev->empty_events++;
	}
	if (nr > 0)
		ev->spin_us = spin_after_sleep(ev->spin_us, ev->poll_us,
					       clock_us() - before);
	return nr;
}
