// SPDX-License-Identifier: MIT
/*
 * Data threads and their adaptive polling.
 *
 * Waking a sleeping thread costs some hundred times what a cache line's way
 * from core to core costs, so a loop that expects work soon looks for it a
 * while before it sleeps.  How long is learnt (poll_window.h), down to not at
 * all: an idle disk costs nothing.
 */
#include "backend/io_loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <xentoollog.h>

#include "backend/placement.h"
#include "backend/poll_window.h"
#include "backend/thread_cpu.h"
#include "backend/uring_engine.h"
#include "hypercall/clock.h"
#include "hypercall/log.h"

#define TURN_MAX_NS     1000000u /* other descriptors get their turn then */
#define TURN_TRIAL_NS   100000u  /* and while a place is tried */
#define LOOP_STACK_SIZE (256u * 1024u)

#define LIB_LOG_BURST 3u
#define LIB_LOG_MS    10000u

/* What Xen's libraries say of a reference that cannot be mapped, which a guest
 * can cause with every request. */
struct lib_log {
	struct xentoollog_logger logger; /* first */
	struct log_limit limit;
};

struct io_loop_private {
	struct lib_log lib_log;
	pthread_t thread;
	ev_async wake;
	ev_prepare before_sleep;
	ev_check after_sleep;
	ev_idle awake;
	struct io_poller *pollers;
	struct poll_window window;
	uint64_t default_max_ns, slept_at_ns;
	struct placement placement;
	struct thread_cpu cpu;
	uint64_t slept_ns, events; /* the last sleep; events until then */
	bool stop, alone;
	/* one call at a time; all under lock */
	pthread_mutex_t lock;
	pthread_cond_t called;
	void (*fn)(void *arg);
	void *arg;
};

static inline void cpu_relax(void)
{
	__builtin_ia32_pause();
}

static int poll_all(struct io_loop_private *p)
{
	struct io_poller *poller, *next;
	int done = 0;

	for (poller = p->pollers; poller; poller = next) {
		next = poller->next;
		done += poller->poll(poller);
	}
	return done;
}

static bool arm_all(struct io_loop_private *p)
{
	struct io_poller *poller, *next;
	bool work = false;

	for (poller = p->pollers; poller; poller = next) {
		next = poller->next;
		work |= poller->arm(poller);
	}
	return work;
}

/* Does anybody else want this CPU? */
static void look_at_switches(struct io_loop_private *p, uint64_t now)
{
	struct rusage ru;

	if (!getrusage(RUSAGE_THREAD, &ru))
		poll_window_switches(&p->window, now, (uint64_t)ru.ru_nivcsw);
}

/* On the frontend's own CPU, looking for work keeps it from making any. */
static uint64_t poll_ns(const struct io_loop_private *p)
{
	return p->placement.together ? 0 : p->window.ns;
}

/* Pollers get the figures of polling and say how long it may be: what the most
 * demanding of them wants. */
static void end_turn(struct io_loop *loop)
{
	struct io_loop_private *p = loop->priv;
	struct io_poller *poller;
	uint64_t max = 0, wanted;
	bool said = false;

	loop->poll_ns = poll_ns(p);
	loop->moves = p->placement.moves;
	loop->poll_max_ns = p->window.max_ns;
	loop->polls_crowded = p->window.crowded;
	for (poller = p->pollers; poller; poller = poller->next) {
		int us = poller->turn ? poller->turn(poller) : -1;

		if (!poller->turn)
			continue;
		wanted = us < 0 ? p->default_max_ns : (uint64_t)us * 1000u;
		max = wanted > max ? wanted : max;
		said = true;
	}
	if (!said)
		max = p->default_max_ns;
	if (max != p->window.max_ns)
		poll_window_limit(&p->window, p->alone ? 0 : max);
}

/* Where this thread runs from now on, after a turn that did so much. */
static void place(struct io_loop *loop, uint64_t now, uint32_t done)
{
	struct io_loop_private *p = loop->priv;
	uint64_t events = evtchn_hub_events(loop->hub);
	const struct placement_look look = {
		.now_ns = now,
		.slept_ns = p->slept_ns,
		.done = done,
		.peer_cpu = events == p->events
				    ? -1
				    : evtchn_hub_peer_cpu(loop->hub),
		.polls = p->window.ns != 0,
	};
	int err = 0;

	p->slept_ns = 0;
	p->events = events;
	switch (placement_turn(&p->placement, &look)) {
	case PLACEMENT_STAY:
		return;
	case PLACEMENT_JOIN:
		err = thread_cpu_join(&p->cpu, p->placement.cpu);
		break;
	case PLACEMENT_PART:
		err = thread_cpu_part(&p->cpu, p->placement.cpu);
		poll_window_open(&p->window);
		break;
	}
	if (err)
		placement_refused(&p->placement, now);
	else
		evtchn_hub_moved(loop->hub);
}

/* Poll for the window's time after the last work that was found; true: a whole
 * turn's time was spent and there may be more. */
static bool poll_while_it_pays(struct io_loop *loop)
{
	struct io_loop_private *p = loop->priv;
	uint64_t start = clock_ns(), last = start, now = start;
	uint64_t window_ns = poll_ns(p);
	uint64_t turn_ns = placement_tries(&p->placement) ? TURN_TRIAL_NS
							  : TURN_MAX_NS;
	uint32_t done = 0;
	int n;

	for (;;) {
		loop->now_ns = now;
		n = poll_all(p);
		if (n) {
			done += (uint32_t)n;
			/* the clock takes as long as some of the work does */
			if (loop->now_ns == now)
				loop->now_ns = clock_ns();
			last = now = loop->now_ns;
			if (last - start >= turn_ns)
				break;
			continue;
		}
		if (!window_ns)
			break;
		cpu_relax();
		now = clock_ns();
		if (now - last >= window_ns || now - start >= turn_ns)
			break;
	}
	if (done)
		loop->polls_useful++;
	else if (window_ns)
		loop->polls_useless++;
	if (window_ns)
		look_at_switches(p, now);
	place(loop, now, done);
	end_turn(loop);
	return done && last - start >= turn_ns;
}

static void before_sleep(struct ev_loop *ev, ev_prepare *w, int revents)
{
	struct io_loop *loop = w->data;
	struct io_loop_private *p = loop->priv;
	bool more = p->pollers && poll_while_it_pays(loop);

	(void)revents;
	/* in every case: a port that stays masked wakes nobody any more */
	evtchn_hub_unmask(loop->hub);
	if (!p->pollers) {
		ev_idle_stop(ev, &p->awake);
		p->slept_at_ns = 0;
		return;
	}
	if (more || arm_all(p)) {
		ev_idle_start(ev, &p->awake);
		p->slept_at_ns = 0;
		return;
	}
	ev_idle_stop(ev, &p->awake);
	loop->sleeps++;
	/* for who learns from it; the clock may be a system call, as in a PV
	 * domain whose TSC is not stable */
	p->slept_at_ns = p->alone ? 0 : clock_ns();
}

static void after_sleep(struct ev_loop *ev, ev_check *w, int revents)
{
	struct io_loop *loop = w->data;
	struct io_loop_private *p = loop->priv;
	uint64_t now;

	(void)ev;
	(void)revents;
	if (!p->slept_at_ns)
		return;
	now = clock_ns();
	p->slept_ns = now - p->slept_at_ns;
	/* beside the frontend it says nothing of what polling would catch, and
	 * after a move both must find their step again */
	if (p->window.max_ns && !p->placement.together &&
	    !placement_tries(&p->placement))
		poll_window_slept(&p->window, now, p->slept_ns);
	p->slept_at_ns = 0;
}

static void stay_awake(struct ev_loop *ev, ev_idle *w, int revents)
{
	/* its being active is all it is for: the loop does not block */
	(void)ev;
	(void)w;
	(void)revents;
}

static void on_wake(struct ev_loop *ev, ev_async *w, int revents)
{
	struct io_loop *loop = w->data;
	struct io_loop_private *p = loop->priv;
	void (*fn)(void *arg);

	(void)revents;
	pthread_mutex_lock(&p->lock);
	fn = p->fn;
	pthread_mutex_unlock(&p->lock);
	if (fn) {
		fn(p->arg);
		pthread_mutex_lock(&p->lock);
		p->fn = NULL;
		pthread_cond_broadcast(&p->called);
		pthread_mutex_unlock(&p->lock);
	}
	if (p->stop)
		ev_break(ev, EVBREAK_ALL);
}

void io_loop_call(struct io_loop *loop, void (*fn)(void *arg), void *arg)
{
	struct io_loop_private *p = loop->priv;

	pthread_mutex_lock(&p->lock);
	while (p->fn)
		pthread_cond_wait(&p->called, &p->lock);
	p->fn = fn;
	p->arg = arg;
	ev_async_send(loop->ev, &p->wake);
	while (p->fn == fn && p->arg == arg)
		pthread_cond_wait(&p->called, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

static void request_stop(void *arg)
{
	struct io_loop *loop = arg;

	loop->priv->stop = true;
}

static void *loop_main(void *arg)
{
	struct io_loop *loop = arg;

	ev_run(loop->ev, 0);
	return NULL;
}

static void start_watchers(struct io_loop *loop)
{
	struct io_loop_private *p = loop->priv;

	ev_async_init(&p->wake, on_wake);
	ev_prepare_init(&p->before_sleep, before_sleep);
	/* last of all, so that what other prepare watchers do is seen */
	ev_set_priority(&p->before_sleep, EV_MINPRI);
	ev_check_init(&p->after_sleep, after_sleep);
	ev_set_priority(&p->after_sleep, EV_MAXPRI);
	ev_idle_init(&p->awake, stay_awake);
	p->wake.data = p->before_sleep.data = p->after_sleep.data = loop;
	ev_async_start(loop->ev, &p->wake);
	ev_prepare_start(loop->ev, &p->before_sleep);
	ev_check_start(loop->ev, &p->after_sleep);
}

static void __attribute__((format(printf, 5, 0)))
lib_message(struct xentoollog_logger *logger, xentoollog_level level, int err,
	    const char *context, const char *format, va_list al)
{
	struct lib_log *l = (struct lib_log *)logger;
	uint32_t missed;
	char text[256];

	if (level < XTL_WARN ||
	    !log_limit_ok(&l->limit, LIB_LOG_BURST, LIB_LOG_MS, &missed))
		return;
	vsnprintf(text, sizeof(text), format, al);
	log_warn(context ? context : "-", "%s%s%s", text, err > 0 ? ": " : "",
		 err > 0 ? strerror(err) : "");
	if (missed)
		log_warn("-", "%u such lines were not logged", missed);
}

static void lib_destroy(struct xentoollog_logger *logger)
{
	(void)logger; /* a part of the loop */
}

static void io_loop_free(struct io_loop *loop)
{
	struct io_loop_private *p = loop->priv;

	if (loop->uring)
		uring_engine_destroy(loop->uring);
	evtchn_hub_close(loop->hub);
	if (loop->gnttab)
		xengnttab_close(loop->gnttab);
	if (loop->ev)
		ev_loop_destroy(loop->ev);
	if (p) {
		pthread_cond_destroy(&p->called);
		pthread_mutex_destroy(&p->lock);
	}
	free(p);
	free(loop);
}

static int open_handles(struct io_loop *loop, const struct uring_ring *ring)
{
	int err;

	loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!loop->ev)
		return -ENOMEM;
	loop->priv->lib_log.logger.vmessage = lib_message;
	loop->priv->lib_log.logger.destroy = lib_destroy;
	loop->gnttab = xengnttab_open(&loop->priv->lib_log.logger, 0);
	if (!loop->gnttab)
		return errno ? -errno : -ENODEV;
	err = evtchn_hub_open(&loop->hub, loop->ev);
	if (err)
		return err;
	return ring ? uring_engine_create(loop, ring, &loop->uring) : 0;
}

int io_loop_start(struct io_loop **out, unsigned int index,
		  unsigned int poll_max_us, const struct uring_ring *ring)
{
	struct io_loop *loop = calloc(1, sizeof(*loop));
	struct io_loop_private *p = calloc(1, sizeof(*p));
	pthread_attr_t attr;
	int err;

	if (!loop || !p) {
		free(loop);
		free(p);
		return -ENOMEM;
	}
	loop->priv = p;
	loop->index = index;
	/* on the only CPU, polling just keeps the peer from running */
	p->alone = get_nprocs() == 1;
	p->default_max_ns = poll_max_us * 1000ull;
	poll_window_limit(&p->window, p->alone ? 0 : p->default_max_ns);
	placement_init(&p->placement);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->called, NULL);
	err = open_handles(loop, ring);
	if (err) {
		io_loop_free(loop);
		return err;
	}
	start_watchers(loop);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, LOOP_STACK_SIZE);
	err = -pthread_create(&p->thread, &attr, loop_main, loop);
	pthread_attr_destroy(&attr);
	if (err) {
		io_loop_free(loop);
		return err;
	}
	*out = loop;
	return 0;
}

void io_loop_stop(struct io_loop *loop)
{
	if (!loop)
		return;
	io_loop_call(loop, request_stop, loop);
	pthread_join(loop->priv->thread, NULL);
	io_loop_free(loop);
}

void io_loop_add_poller(struct io_loop *loop, struct io_poller *p)
{
	p->next = loop->priv->pollers;
	p->prev = &loop->priv->pollers;
	if (p->next)
		p->next->prev = &p->next;
	loop->priv->pollers = p;
}

void io_loop_del_poller(struct io_loop *loop, struct io_poller *p)
{
	(void)loop;
	if (p->next)
		p->next->prev = p->prev;
	*p->prev = p->next;
	p->next = NULL;
	p->prev = NULL;
}
