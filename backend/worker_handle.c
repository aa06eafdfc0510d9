// SPDX-License-Identifier: MIT
/*
 * A worker's life.  See worker_handle.h.  Starting the process itself is in
 * worker_spawn.c, what it is asked and says in worker_talk.c.
 */
#include "backend/worker_handle_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/mem_keeper.h"
#include "backend/worker_spawn.h"

#define READY_S    30.0 /* from start to WORKER_READY: against hangs */
#define END_S      5.0  /* from closing its socket to its end */
#define DEATHS_MAX 5u   /* within DEATHS_S; one more, and it is given up */
#define DEATHS_S   10.0
#define DELAY_S    0.1   /* before the second restart; doubles */
#define LOOK_S     0.002 /* between looks at what a dead worker left; doubles */
#define LOOK_MAX_S 0.5
/* The kernel lets go of pages a moment after it said that it is done. */
#define SETTLE_S 0.1

static void start(struct worker_handle *w);
static void release(struct worker_handle *w);

/* ---- telling the devices ---- */

void worker_tell_devices(struct worker_handle *w, enum worker_change what,
			 const char *reason)
{
	struct device *dev;

	if (!w->dom)
		return;
	/* callbacks mark devices but never free one */
	for (dev = LIST_FIRST(&w->dom->devices); dev;
	     dev = LIST_NEXT(dev, of_domain))
		if (dev->priv)
			dev->class->worker_changed(dev, what, reason);
}

/* ---- ends ---- */

void worker_close_sock(struct worker_handle *w)
{
	if (w->sock < 0)
		return;
	ev_io_stop(w->super->loop, &w->on_sock);
	close(w->sock);
	w->sock = -1;
}

static void close_keeper(struct worker_handle *w)
{
	if (w->keeper_sock >= 0)
		close(w->keeper_sock);
	if (w->keeper_pidfd >= 0)
		close(w->keeper_pidfd);
	w->keeper_sock = w->keeper_pidfd = -1;
}

static void free_handle(struct worker_handle *w)
{
	struct supervisor *super = w->super;

	worker_close_sock(w);
	worker_drop_questions(w);
	ring_drain_clear(&w->rings);
	close_keeper(w);
	ev_timer_stop(super->loop, &w->timer);
	LIST_REMOVE(w, link);
	super->nr_workers--;
	free(w);
	super_check_stopped(super);
}

void worker_kill_process(struct worker_handle *w)
{
	if (w->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
}

/* The caller holds w: devices that are told may let go of it. */
static void give_up(struct worker_handle *w, const char *reason)
{
	log_err(w->who, "%s", reason);
	w->state = LOST;
	worker_tell_devices(w, WORKER_LOST, reason);
}

static void set_timer(struct worker_handle *w, double after)
{
	ev_timer_stop(w->super->loop, &w->timer);
	ev_timer_set(&w->timer, after, 0.);
	ev_timer_start(w->super->loop, &w->timer);
}

/* Another one at once; the ones after it later and later. */
static void start_again(struct worker_handle *w)
{
	double now = ev_now(w->super->loop);

	w->restarts++;
	if (w->killed_by_us) {
		start(w);
		return;
	}
	if (now - w->first_death > DEATHS_S) {
		w->first_death = now;
		w->nr_deaths = 0;
	}
	if (++w->nr_deaths > DEATHS_MAX) {
		give_up(w, "the worker of this domain dies again and again");
		return;
	}
	if (w->nr_deaths == 1) {
		start(w);
		return;
	}
	w->state = WAITING;
	set_timer(w, DELAY_S * (1u << (w->nr_deaths - 2)));
}

static void first_look(struct worker_handle *w, int nr)
{
	w->left_some = nr != 0;
	w->look_s = LOOK_S;
	if (nr > 0)
		log_warn(w->who,
			 "waiting for %d operations that the worker left to "
			 "the kernel",
			 nr);
	if (nr < 0)
		log_err(w->who,
			"cannot tell what the worker left under way: %s",
			strerror(-nr));
}

static void look_later(struct worker_handle *w)
{
	set_timer(w, w->look_s);
	w->look_s = w->look_s < LOOK_MAX_S / 2 ? w->look_s * 2 : LOOK_MAX_S;
}

/* What the process left is done, and its memory is gone; if not, the timer is
 * set for another look.  first: asked for the first time. */
static bool is_drained(struct worker_handle *w, bool first)
{
	int nr = ring_drain_in_flight(&w->rings);

	if (first)
		first_look(w, nr);
	if (nr > 0) {
		look_later(w);
		return false;
	}
	/* one that died before WORKER_READY had nothing under way; a companion
	 * of it ends when its socket is closed */
	if (w->keeper_pidfd >= 0) {
		if (w->left_some) {
			w->left_some = false;
			w->look_s = LOOK_S;
			set_timer(w, SETTLE_S);
			return false;
		}
		if (!mem_keeper_end(w->keeper_pidfd)) {
			look_later(w);
			return false;
		}
	}
	close_keeper(w);
	ring_drain_clear(&w->rings);
	return true;
}

/* A successor before that could have an old write land on a newer one. */
static void start_when_drained(struct worker_handle *w)
{
	if (!is_drained(w, w->state != DRAINING)) {
		w->state = DRAINING;
		return;
	}
	w->state = WAITING;
	start_again(w);
}

/* The process has ended, and nobody wants another: only a companion has to be
 * waited for. */
static void free_when_drained(struct worker_handle *w, bool first)
{
	if (w->keeper_pidfd < 0 || is_drained(w, first))
		free_handle(w);
}

static void log_end(struct worker_handle *w, const siginfo_t *info)
{
	bool expected = w->state == ENDING || w->killed_by_us;

	if (info->si_code == CLD_EXITED)
		log_line(expected ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERR, w->who,
			 "worker %d ended with status %d", (int)w->pid,
			 info->si_status);
	else
		log_line(expected ? LOG_LEVEL_WARN : LOG_LEVEL_ERR, w->who,
			 "worker %d was killed by signal %d (%s)", (int)w->pid,
			 info->si_status, strsignal(info->si_status));
}

static void on_process_end(struct ev_loop *loop, ev_io *io, int revents)
{
	struct worker_handle *w = io->data;
	siginfo_t info = {.si_code = 0};

	(void)revents;
	if (waitid(P_PIDFD, (id_t)w->pidfd, &info, WEXITED | WNOHANG) ||
	    !info.si_pid)
		return;
	log_end(w, &info);
	ev_io_stop(loop, &w->on_pid);
	close(w->pidfd);
	w->pidfd = -1;
	w->pid = 0;
	worker_close_sock(w);
	worker_drop_questions(w);
	ev_timer_stop(loop, &w->timer);
	if (w->state == ENDING) {
		free_when_drained(w, true);
		return;
	}
	w->state = WAITING;
	w->users++;
	worker_tell_devices(w, WORKER_DIED, "the worker died");
	start_when_drained(w);
	release(w);
}

void worker_kill(struct worker_handle *w, const char *why)
{
	if (w->state != STARTING && w->state != READY)
		return;
	log_err(w->who, "worker %d is killed: %s", (int)w->pid, why);
	w->state = DYING;
	w->killed_by_us = true;
	worker_kill_process(w);
}

void worker_distrust(struct worker_handle *w, const char *why)
{
	worker_kill(w, why);
	w->killed_by_us = false;
	worker_close_sock(w);
}

/* ---- life ---- */

static void on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct worker_handle *w = t->data;

	(void)loop;
	(void)revents;
	switch (w->state) {
	case STARTING:
		log_err(w->who, "worker %d does not get ready", (int)w->pid);
		w->state = DYING;
		worker_kill_process(w);
		break;
	case DRAINING:
		w->users++;
		start_when_drained(w);
		release(w);
		break;
	case WAITING:
		w->users++;
		start(w);
		release(w);
		break;
	case ENDING:
		if (!w->pid) {
			free_when_drained(w, false);
			break;
		}
		/* fall through */
	case DYING:
		log_warn(w->who, "worker %d does not end by itself",
			 (int)w->pid);
		worker_kill_process(w);
		break;
	default:
		break;
	}
}

static void start(struct worker_handle *w)
{
	struct supervisor *super = w->super;
	int err;

	err = worker_spawn(w->domid, super->opt, &w->pid, &w->pidfd, &w->sock,
			   &w->keeper_sock, &w->rings);
	if (err) {
		char reason[96];

		snprintf(reason, sizeof(reason), "cannot start a worker: %s",
			 strerror(-err));
		give_up(w, reason);
		return;
	}
	w->state = STARTING;
	w->killed_by_us = false;
	ev_io_init(&w->on_sock, worker_on_sock, w->sock, EV_READ);
	ev_io_init(&w->on_pid, on_process_end, w->pidfd, EV_READ);
	w->on_sock.data = w->on_pid.data = w;
	ev_io_start(super->loop, &w->on_sock);
	ev_io_start(super->loop, &w->on_pid);
	set_timer(w, READY_S);
}

/* Those that only wait for what a process left do not count. */
static unsigned int nr_running(const struct supervisor *super)
{
	const struct worker_handle *w;
	unsigned int nr = 0;

	for (w = LIST_FIRST(&super->workers); w; w = LIST_NEXT(w, link))
		nr += w->dom || w->pid;
	return nr;
}

static struct worker_handle *make_handle(struct fe_domain *dom)
{
	struct worker_handle *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->super = dom->super;
	w->dom = dom;
	w->domid = dom->domid;
	w->sock = w->pidfd = w->keeper_sock = w->keeper_pidfd = -1;
	w->first_death = -DEATHS_S;
	snprintf(w->who, sizeof(w->who), "domain %" PRIu32, dom->domid);
	TAILQ_INIT(&w->questions);
	ev_timer_init(&w->timer, on_timer, 0., 0.);
	w->timer.data = w;
	LIST_INSERT_HEAD(&w->super->workers, w, link);
	w->super->nr_workers++;
	return w;
}

/* The last one of this domain, which nobody wanted any more, has not ended or
 * not drained: the next one starts after that.  False: there is none. */
static bool take_back(struct fe_domain *dom)
{
	struct worker_handle *w;

	for (w = LIST_FIRST(&dom->super->workers); w; w = LIST_NEXT(w, link))
		if (w->domid == dom->domid && w->state == ENDING)
			break;
	if (!w)
		return false;
	/* its timer goes on */
	w->state = w->pid ? DYING : DRAINING;
	w->killed_by_us = true;
	w->nr_deaths = 0;
	w->users = 1;
	w->dom = dom;
	dom->worker = w;
	return true;
}

static int use_first(struct fe_domain *dom, struct xs_err *err)
{
	struct supervisor *super = dom->super;
	unsigned int nr = nr_running(super);

	if (nr >= super->opt->workers_max) {
		xs_err_set(err,
			   "%u workers run already, the most that is allowed",
			   nr);
		return -EUSERS;
	}
	if (take_back(dom))
		return 0;
	dom->worker = make_handle(dom);
	if (!dom->worker) {
		xs_err_set(err, "no memory for a worker");
		return -ENOMEM;
	}
	dom->worker->users++;
	start(dom->worker);
	return 0;
}

int worker_use(struct fe_domain *dom, struct xs_err *err)
{
	int e = 0;

	if (dom->worker)
		dom->worker->users++;
	else
		e = use_first(dom, err);
	if (e)
		return e;
	if (dom->worker->state != LOST)
		return 0;
	xs_err_set(err, "the worker of domain %" PRIu32 " cannot be started",
		   dom->domid);
	release(dom->worker);
	return -ECHILD;
}

void worker_unuse(struct fe_domain *dom)
{
	release(dom->worker);
}

static void release(struct worker_handle *w)
{
	if (--w->users)
		return;
	w->dom->worker = NULL;
	w->dom = NULL;
	if (!w->pid) {
		bool waits = w->state == DRAINING && w->keeper_pidfd >= 0;

		w->state = ENDING;
		if (!waits) /* or its timer goes on */
			free_handle(w);
		return;
	}
	w->state = ENDING;
	worker_drop_questions(w);
	worker_close_sock(w);
	set_timer(w, END_S);
}

bool worker_is_ready(const struct worker_handle *w)
{
	return w->state == READY;
}

pid_t worker_pid(const struct worker_handle *w)
{
	return w->pid;
}

uint32_t worker_domid(const struct worker_handle *w)
{
	return w->domid;
}

unsigned int worker_restarts(const struct worker_handle *w)
{
	return w->restarts;
}

struct worker_handle *worker_next(const struct worker_handle *w)
{
	return LIST_NEXT(w, link);
}
