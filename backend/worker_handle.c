// SPDX-License-Identifier: MIT
/* See worker_handle.h.  Starting the process itself is in worker_spawn.c. */
#include "backend/worker_handle.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/ring_drain.h"
#include "backend/worker_spawn.h"

#define READY_S    30.0 /* from start to WORKER_READY: against hangs */
#define END_S      5.0  /* from closing its socket to its end */
#define DEATHS_MAX 5u   /* within DEATHS_S; one more, and it is given up */
#define DEATHS_S   10.0
#define DELAY_S    0.1   /* before the second restart; doubles */
#define DRAIN_S    0.002 /* between looks at what a dead worker left */
/* Packets read from a worker in one turn of the loop. */
#define READ_BATCH 64u

enum worker_state {
	STARTING, /* waits for WORKER_READY */
	READY,
	DYING,    /* killed, or its socket is closed; waits for its end */
	DRAINING, /* is dead, but the kernel has operations of it */
	WAITING,  /* for the time of the next start */
	LOST,
	ENDING, /* has no domain any more */
};

struct question {
	uint32_t seq;
	bool sent, forgotten;
	struct device *dev;
	worker_answer_cb cb;
	TAILQ_ENTRY(question) link;
	unsigned int nr_fds;
	int fds[WORKER_MAX_FDS];
	struct worker_msg msg;
};

struct worker_handle {
	struct supervisor *super;
	struct fe_domain *dom; /* NULL when ENDING */
	uint32_t domid;
	enum worker_state state;
	pid_t pid;
	int pidfd, sock;
	ev_io on_sock, on_pid;
	ev_timer timer;
	unsigned int users, restarts;
	unsigned int nr_deaths; /* since first_death */
	double first_death;
	bool killed_by_us;
	uint32_t last_seq;
	struct ring_drain rings;
	char who[32];
	TAILQ_HEAD(, question) questions;
	LIST_ENTRY(worker_handle) link;
};

static void start(struct worker_handle *w);
static void release(struct worker_handle *w);

/* ---- telling the devices ---- */

static void tell_devices(struct worker_handle *w, enum worker_change what,
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

static void drop_questions(struct worker_handle *w)
{
	struct question *q;

	while ((q = TAILQ_FIRST(&w->questions))) {
		TAILQ_REMOVE(&w->questions, q, link);
		free(q);
	}
}

/* ---- ends ---- */

static void close_sock(struct worker_handle *w)
{
	if (w->sock < 0)
		return;
	ev_io_stop(w->super->loop, &w->on_sock);
	close(w->sock);
	w->sock = -1;
}

static void free_handle(struct worker_handle *w)
{
	struct supervisor *super = w->super;

	close_sock(w);
	drop_questions(w);
	ring_drain_clear(&w->rings);
	ev_timer_stop(super->loop, &w->timer);
	LIST_REMOVE(w, link);
	super->nr_workers--;
	free(w);
	super_check_stopped(super);
}

static void kill_process(struct worker_handle *w)
{
	if (w->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
}

/* The caller holds w: devices that are told may let go of it. */
static void give_up(struct worker_handle *w, const char *reason)
{
	log_err(w->who, "%s", reason);
	w->state = LOST;
	tell_devices(w, WORKER_LOST, reason);
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

/* A successor before that could have an old write land on a newer one. */
static void start_when_drained(struct worker_handle *w)
{
	int nr = ring_drain_in_flight(&w->rings);

	if (nr > 0) {
		if (w->state != DRAINING)
			log_warn(w->who,
				 "waiting for %d operations that the worker "
				 "left to the kernel",
				 nr);
		w->state = DRAINING;
		set_timer(w, DRAIN_S);
		return;
	}
	if (nr < 0)
		log_err(w->who,
			"cannot tell what the worker left under way: "
			"%s",
			strerror(-nr));
	ring_drain_clear(&w->rings);
	w->state = WAITING;
	start_again(w);
}

static void log_end(struct worker_handle *w, const siginfo_t *info)
{
	bool expected = w->state == ENDING || w->killed_by_us;

	if (info->si_code == CLD_EXITED)
		log_line(w->state == ENDING ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERR,
			 w->who, "worker %d ended with status %d", (int)w->pid,
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
	close_sock(w);
	drop_questions(w);
	ev_timer_stop(loop, &w->timer);
	if (w->state == ENDING) {
		free_handle(w);
		return;
	}
	w->state = WAITING;
	w->users++;
	tell_devices(w, WORKER_DIED, "the worker died");
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
	kill_process(w);
}

/* Broken or lying: dies as if by itself, which is counted. */
static void distrust(struct worker_handle *w, const char *why)
{
	worker_kill(w, why);
	w->killed_by_us = false;
	close_sock(w);
}

/* ---- talking ---- */

static void send_more(struct worker_handle *w)
{
	struct question *q;
	int err = 0;

	for (q = TAILQ_FIRST(&w->questions); q; q = TAILQ_NEXT(q, link)) {
		if (q->sent)
			continue;
		err = worker_send(w->sock, &q->msg, q->fds, q->nr_fds);
		if (err)
			break;
		q->sent = true;
	}
	ev_io_stop(w->super->loop, &w->on_sock);
	if (err && err != -EAGAIN && err != -ETOOMANYREFS && err != -ENOBUFS) {
		/* its death will be seen by itself */
		if (err != -ECONNRESET)
			distrust(w, strerror(-err));
		return;
	}
	ev_io_set(&w->on_sock, w->sock, EV_READ | (err ? EV_WRITE : 0));
	ev_io_start(w->super->loop, &w->on_sock);
}

int worker_ask(struct worker_handle *w, struct device *dev,
	       const struct worker_msg *msg, const int *fds,
	       unsigned int nr_fds, worker_answer_cb cb)
{
	struct question *q;

	if (w->state != READY)
		return -ENOTCONN;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->msg = *msg;
	q->seq = q->msg.seq = ++w->last_seq;
	if (!q->seq) /* 0 means "no question" */
		q->seq = q->msg.seq = ++w->last_seq;
	q->msg.device = dev->number;
	q->dev = dev;
	q->cb = cb;
	q->nr_fds = nr_fds;
	if (nr_fds)
		memcpy(q->fds, fds, nr_fds * sizeof(*fds));
	TAILQ_INSERT_TAIL(&w->questions, q, link);
	send_more(w);
	return 0;
}

void worker_forget(struct worker_handle *w, struct device *dev)
{
	struct question *q;

	for (q = TAILQ_FIRST(&w->questions); q; q = TAILQ_NEXT(q, link))
		if (q->dev == dev) {
			q->forgotten = true;
			q->dev = NULL;
		}
	/* what was not sent must not be: its descriptors may be closed soon */
	for (q = TAILQ_FIRST(&w->questions); q;) {
		struct question *next = TAILQ_NEXT(q, link);

		if (q->forgotten && !q->sent) {
			TAILQ_REMOVE(&w->questions, q, link);
			free(q);
		}
		q = next;
	}
}

static void on_answer(struct worker_handle *w, const struct worker_msg *msg)
{
	struct question *q;

	for (q = TAILQ_FIRST(&w->questions); q; q = TAILQ_NEXT(q, link))
		if (q->seq == msg->seq && q->sent)
			break;
	if (!q || (q->dev && q->dev->number != msg->device)) {
		distrust(w, "it answers a question that was not asked");
		return;
	}
	TAILQ_REMOVE(&w->questions, q, link);
	if (!q->forgotten)
		q->cb(q->dev, msg->err > 0 ? -EPROTO : msg->err, msg->text);
	free(q);
}

/* NULL: of a device that was removed meanwhile. */
static struct device *device_of(struct worker_handle *w,
				const struct worker_msg *msg)
{
	struct device *dev;

	if (!w->dom)
		return NULL;
	for (dev = LIST_FIRST(&w->dom->devices); dev;
	     dev = LIST_NEXT(dev, of_domain))
		if (dev->number == msg->device)
			break;
	return dev && dev->priv ? dev : NULL;
}

static void on_violation(struct worker_handle *w, const struct worker_msg *msg)
{
	struct device *dev = device_of(w, msg);

	if (dev)
		dev->class->worker_event(dev, msg->text);
}

static void on_carrier(struct worker_handle *w, const struct worker_msg *msg)
{
	struct device *dev = device_of(w, msg);

	if (dev && dev->class->worker_carrier)
		dev->class->worker_carrier(dev, msg->err > 0);
}

static void on_message(struct worker_handle *w, const struct worker_msg *msg)
{
	switch (msg->op) {
	case WORKER_READY:
		if (w->state != STARTING)
			break;
		w->state = READY;
		ev_timer_stop(w->super->loop, &w->timer);
		log_info(w->who, "worker %d is ready", (int)w->pid);
		tell_devices(w, WORKER_CAME, "");
		return;
	case WORKER_ANSWER:
		on_answer(w, msg);
		return;
	case WORKER_BLK_VIOLATION:
	case WORKER_NET_VIOLATION:
		on_violation(w, msg);
		return;
	case WORKER_NET_CARRIER:
		on_carrier(w, msg);
		return;
	default:
		break;
	}
	distrust(w, "it sends what it should not");
}

/* It gets into xenstore and onto terminals. */
static void make_printable(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

/* False: no more for now. */
static bool read_one(struct worker_handle *w)
{
	struct worker_msg msg;
	int fds[WORKER_MAX_FDS];
	unsigned int nr_fds = WORKER_MAX_FDS;
	int err = worker_recv(w->sock, &msg, fds, &nr_fds);

	if (err == -EAGAIN)
		return false;
	if (err == -ECONNRESET) {
		/* It ends, or should. */
		if (w->state == READY || w->state == STARTING)
			w->state = DYING;
		close_sock(w);
		kill_process(w);
		return false;
	}
	if (!err && nr_fds) {
		while (nr_fds)
			close(fds[--nr_fds]);
		err = -EPROTO;
	}
	if (err) {
		distrust(w, "it sends malformed packets");
		return false;
	}
	make_printable(msg.text, sizeof(msg.text));
	on_message(w, &msg);
	return w->sock >= 0;
}

static void on_sock(struct ev_loop *loop, ev_io *io, int revents)
{
	struct worker_handle *w = io->data;
	unsigned int i;

	(void)loop;
	if (revents & EV_WRITE)
		send_more(w);
	for (i = 0; i < READ_BATCH && w->sock >= 0; i++)
		if (!read_one(w))
			break;
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
		kill_process(w);
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
		log_warn(w->who, "worker %d does not end by itself",
			 (int)w->pid);
		kill_process(w);
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
			   &w->rings);
	if (err) {
		char reason[96];

		snprintf(reason, sizeof(reason), "cannot start a worker: %s",
			 strerror(-err));
		give_up(w, reason);
		return;
	}
	w->state = STARTING;
	w->killed_by_us = false;
	ev_io_init(&w->on_sock, on_sock, w->sock, EV_READ);
	ev_io_init(&w->on_pid, on_process_end, w->pidfd, EV_READ);
	w->on_sock.data = w->on_pid.data = w;
	ev_io_start(super->loop, &w->on_sock);
	ev_io_start(super->loop, &w->on_pid);
	set_timer(w, READY_S);
}

static struct worker_handle *make_handle(struct fe_domain *dom)
{
	struct worker_handle *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->super = dom->super;
	w->dom = dom;
	w->domid = dom->domid;
	w->sock = w->pidfd = -1;
	w->first_death = -DEATHS_S;
	snprintf(w->who, sizeof(w->who), "domain %" PRIu32, dom->domid);
	TAILQ_INIT(&w->questions);
	ev_timer_init(&w->timer, on_timer, 0., 0.);
	w->timer.data = w;
	LIST_INSERT_HEAD(&w->super->workers, w, link);
	w->super->nr_workers++;
	return w;
}

int worker_use(struct fe_domain *dom, struct xs_err *err)
{
	struct supervisor *super = dom->super;

	if (!dom->worker) {
		if (super->nr_workers >= super->opt->workers_max) {
			xs_err_set(err,
				   "%u workers run already, the most "
				   "that is allowed",
				   super->nr_workers);
			return -EUSERS;
		}
		dom->worker = make_handle(dom);
		if (!dom->worker) {
			xs_err_set(err, "no memory for a worker");
			return -ENOMEM;
		}
		dom->worker->users++;
		start(dom->worker);
	} else {
		dom->worker->users++;
	}
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
		free_handle(w);
		return;
	}
	w->state = ENDING;
	drop_questions(w);
	close_sock(w);
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
