// SPDX-License-Identifier: MIT
/*
 * What a worker is asked, and what it says: nothing of that is believed.  See
 * worker_handle.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/worker_handle_priv.h"

/* Packets read from a worker in one turn of the loop. */
#define READ_BATCH 64u

void worker_drop_questions(struct worker_handle *w)
{
	struct question *q;

	while ((q = TAILQ_FIRST(&w->questions))) {
		TAILQ_REMOVE(&w->questions, q, link);
		free(q);
	}
}

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
			worker_distrust(w, strerror(-err));
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
		worker_distrust(w, "it answers a question that was not asked");
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
		worker_tell_devices(w, WORKER_CAME, "");
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
	worker_distrust(w, "it sends what it should not");
}

/* It gets into xenstore and onto terminals. */
static void make_printable(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

/* Descriptors come with WORKER_READY, one, and never else.  The worker has seen
 * nothing of its guest before that, so this one is what it should be. */
static bool take_keeper(struct worker_handle *w, const struct worker_msg *msg,
			const int *fds, unsigned int nr_fds)
{
	if (msg->op != WORKER_READY || w->state != STARTING ||
	    w->keeper_sock < 0 || nr_fds != 1)
		return false;
	w->keeper_pidfd = fds[0];
	return true;
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
		worker_close_sock(w);
		worker_kill_process(w);
		return false;
	}
	if (!err && nr_fds && !take_keeper(w, &msg, fds, nr_fds)) {
		while (nr_fds)
			close(fds[--nr_fds]);
		err = -EPROTO;
	}
	if (err) {
		worker_distrust(w, "it sends malformed packets");
		return false;
	}
	make_printable(msg.text, sizeof(msg.text));
	on_message(w, &msg);
	return w->sock >= 0;
}

void worker_on_sock(struct ev_loop *loop, ev_io *io, int revents)
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
