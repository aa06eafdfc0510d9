// SPDX-License-Identifier: MIT
/*
 * libblkfront: a queue's event channel, and sleeping until it rings.
 *
 * Each queue has an event channel handle of its own, so that its descriptor
 * speaks of that queue alone.  An eventfd beside it lets the control thread
 * wake a sleeper when the connection changes.  No event is asked for
 * (rsp_event) but just before sleeping.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "frontend/blkfront_int.h"

/* A backend that rings without answering is listened to less and less. */
#define EMPTY_EVENTS_FREE   8u
#define EMPTY_EVENTS_MAX_MS 16u

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int watch_fd(int poll_fd, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

int blkfront_events_open(struct blkfront_queue *q)
{
	int fd, err;

	q->port = -1;
	q->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	q->xce = xenevtchn_open(NULL, 0);
	if (q->wake_fd < 0 || q->poll_fd < 0 || !q->xce)
		return errno ? -errno : -EIO;
	fd = xenevtchn_fd(q->xce);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return -errno;
	err = watch_fd(q->poll_fd, fd);
	return err ? err : watch_fd(q->poll_fd, q->wake_fd);
}

void blkfront_events_close(struct blkfront_queue *q)
{
	blkfront_events_unbind(q);
	if (q->poll_fd >= 0)
		close(q->poll_fd);
	if (q->wake_fd >= 0)
		close(q->wake_fd);
	if (q->xce)
		xenevtchn_close(q->xce);
}

int blkfront_events_bind(struct blkfront_queue *q)
{
	q->port = xenevtchn_bind_unbound_port(q->xce, q->domid);
	return q->port < 0 ? -errno : 0;
}

void blkfront_events_unbind(struct blkfront_queue *q)
{
	if (q->xce && q->port >= 0)
		xenevtchn_unbind(q->xce, q->port);
	q->port = -1;
}

/* A backend that has gone cannot be notified; the control thread hears of
 * that from xenstore, so the error says nothing here. */
void blkfront_events_notify(struct blkfront_queue *q)
{
	if (q->port >= 0)
		xenevtchn_notify(q->xce, q->port);
	q->stats.kicks_sent++;
}

void blkfront_queue_wake(struct blkfront_queue *q)
{
	uint64_t one = 1;

	/* EAGAIN: it is awake more than enough. */
	if (write(q->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static void consume_wake(struct blkfront_queue *q)
{
	uint64_t count;

	if (read(q->wake_fd, &count, sizeof(count)) < 0)
		return;
}

static void consume_event(struct blkfront_queue *q)
{
	xenevtchn_port_or_error_t port = xenevtchn_pending(q->xce);

	if (port < 0)
		return;
	q->stats.events++;
	xenevtchn_unmask(q->xce, port);
}

/* Ask for an event; true if there is something to do already. */
static bool arm(struct blkfront_queue *q)
{
	bool ready;

	owner_lock(&q->lock);
	ready = atomic_load(&q->bf->status) != 0;
	if (q->live && blk_front_ring_arm(&q->ring))
		ready = true;
	owner_unlock(&q->lock);
	return ready;
}

int blkfront_fd(struct blkfront_queue *q)
{
	return q->poll_fd;
}

bool blkfront_arm(struct blkfront_queue *q)
{
	/* Consumed before asking, so that what rings after is not lost. */
	consume_wake(q);
	consume_event(q);
	if (atomic_load(&q->nr_in_flight) == 0)
		return false;
	return arm(q);
}

static bool has_responses(struct blkfront_queue *q)
{
	bool yes;

	owner_lock(&q->lock);
	yes = q->live && blk_front_ring_avail(&q->ring) != 0;
	owner_unlock(&q->lock);
	return yes || atomic_load(&q->bf->status);
}

static bool spin(struct blkfront_queue *q)
{
	uint64_t until;

	if (!q->spin_us)
		return false;
	until = now_us() + q->spin_us;
	do {
		if (has_responses(q))
			return true;
		__builtin_ia32_pause();
	} while (now_us() < until);
	return false;
}

/* Poll longer if that would have caught the answer, else shorter. */
static void adapt_spin(struct blkfront_queue *q, uint64_t slept_us)
{
	uint32_t most = q->bf->opt.poll_us;

	if (slept_us < most) {
		q->spin_us = q->spin_us ? q->spin_us * 2 : 4;
		if (q->spin_us > most)
			q->spin_us = most;
	} else {
		q->spin_us /= 2;
	}
}

/* Sleep on both descriptors; 0 on time-out.  After too many events that
 * brought nothing the event channel is left alone for a while: it stays
 * pending, so nothing is lost. */
static int sleep_for(struct blkfront_queue *q, int timeout_ms)
{
	struct pollfd fds[2] = {
		{.fd = q->wake_fd, .events = POLLIN},
		{.fd = xenevtchn_fd(q->xce), .events = POLLIN},
	};
	int nr;

	if (q->empty_events > EMPTY_EVENTS_FREE) {
		uint32_t ms = q->empty_events - EMPTY_EVENTS_FREE;

		if (ms > EMPTY_EVENTS_MAX_MS)
			ms = EMPTY_EVENTS_MAX_MS;
		if (timeout_ms < 0 || (uint32_t)timeout_ms > ms) {
			if (poll(fds, 1, ms) > 0)
				consume_wake(q);
			if (has_responses(q))
				return 1;
		}
	}
	q->stats.sleeps++;
	nr = poll(fds, 2, timeout_ms);
	if (nr < 0)
		return errno == EINTR ? 1 : -errno;
	if (fds[0].revents)
		consume_wake(q);
	if (fds[1].revents) {
		consume_event(q);
		q->empty_events++;
	}
	return nr;
}

/* Time left of timeout_ms that began at start_us; -1: no limit. */
static int time_left(uint64_t start_us, int timeout_ms)
{
	uint64_t spent_ms;

	if (timeout_ms < 0)
		return -1;
	spent_ms = (now_us() - start_us) / 1000;
	return spent_ms >= (uint64_t)timeout_ms ? 0 : timeout_ms - spent_ms;
}

int blkfront_wait(struct blkfront_queue *q, int timeout_ms)
{
	uint64_t start = now_us(), before;
	int n;

	blkfront_kick(q);
	for (;;) {
		n = blkfront_poll(q);
		if (n) {
			q->empty_events = 0;
			return n;
		}
		if (atomic_load(&q->nr_in_flight) == 0)
			return 0;
		if (spin(q) || arm(q))
			continue;
		before = now_us();
		n = sleep_for(q, time_left(start, timeout_ms));
		if (n <= 0)
			return n;
		adapt_spin(q, now_us() - before);
	}
}
