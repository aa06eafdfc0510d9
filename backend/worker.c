// SPDX-License-Identifier: MIT
/*
 * A worker's control thread: obeys the supervisor, answers, reports.
 *
 * The data threads are in io_loop.c; this thread touches no ring.
 */
#include "backend/worker.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/blk_disk.h"
#include "backend/net_vif.h"
#include "backend/sandbox.h"
#include "backend/worker_proto.h"
#include "hypercall/log.h"

#define MAX_DEVICES      1024u
#define MAX_STOP_WAITERS 4u

struct worker;
struct worker_device;

/* What differs between kinds of devices, once they are there. */
struct worker_class {
	uint32_t violation_op;
	void (*stop)(void *dev, bool abort);
	bool (*try_finish)(void *dev);
	const char *(*take_violation)(void *dev);
	/* after a wake, while it runs; may be NULL */
	void (*turn)(struct worker *w, struct worker_device *d);
	void (*remove)(void *dev);
};

struct worker_device {
	const struct worker_class *class;
	void *dev; /* struct blk_disk or struct net_vif */
	uint32_t number;
	struct worker_device *next;
	uint32_t stop_seq[MAX_STOP_WAITERS]; /* to be answered when stopped */
	unsigned int nr_stop_seq;
	bool stopping;
	const char *violation; /* to be reported when stopped */
};

struct worker {
	struct ev_loop *ev;
	int sock;
	ev_io readable;
	ev_async wake;
	struct io_loop *loop[WORKER_MAX_LOOPS];
	unsigned int nr_loops, nr_devices;
	struct worker_device *devices;
	const struct worker_options *opt;
};

static void wake_control(void *arg)
{
	struct worker *w = arg;

	ev_async_send(w->ev, &w->wake);
}

static void answer(struct worker *w, uint32_t device, uint32_t seq, int err,
		   const struct xs_err *why)
{
	struct worker_msg m = {
		.op = WORKER_ANSWER, .seq = seq, .device = device, .err = err};

	if (err && why)
		memcpy(m.text, why->text, sizeof(m.text));
	if (worker_send(w->sock, &m, NULL, 0))
		ev_break(w->ev, EVBREAK_ALL);
}

/* What the supervisor did not ask for. */
static void tell(struct worker *w, const struct worker_device *d, uint32_t op,
		 int32_t err, const char *text)
{
	struct worker_msg m = {.op = op, .device = d->number, .err = err};

	if (text)
		strncpy(m.text, text, sizeof(m.text) - 1);
	if (worker_send(w->sock, &m, NULL, 0))
		ev_break(w->ev, EVBREAK_ALL);
}

static struct worker_device *find_device(struct worker *w, uint32_t number)
{
	struct worker_device *d;

	for (d = w->devices; d; d = d->next)
		if (d->number == number)
			return d;
	return NULL;
}

/* ---- disks and NICs ---- */

static void disk_stop(void *dev, bool abort)
{
	blk_disk_stop(dev, abort);
}

static bool disk_try_finish(void *dev)
{
	return blk_disk_try_finish(dev);
}

static const char *disk_take_violation(void *dev)
{
	return blk_disk_take_violation(dev);
}

static void disk_remove(void *dev)
{
	blk_disk_remove(dev);
}

static const struct worker_class disk_class = {
	.violation_op = WORKER_BLK_VIOLATION,
	.stop = disk_stop,
	.try_finish = disk_try_finish,
	.take_violation = disk_take_violation,
	.remove = disk_remove,
};

static void nic_stop(void *dev, bool abort)
{
	(void)abort; /* nothing is waited for */
	net_vif_stop(dev);
}

static bool nic_try_finish(void *dev)
{
	return net_vif_try_finish(dev);
}

static const char *nic_take_violation(void *dev)
{
	return net_vif_take_violation(dev);
}

static void nic_turn(struct worker *w, struct worker_device *d)
{
	int carrier = net_vif_take_carrier(d->dev);

	if (carrier >= 0)
		tell(w, d, WORKER_NET_CARRIER, carrier, NULL);
	net_vif_turn(d->dev);
}

static void nic_remove(void *dev)
{
	net_vif_remove(dev);
}

static const struct worker_class nic_class = {
	.violation_op = WORKER_NET_VIOLATION,
	.stop = nic_stop,
	.try_finish = nic_try_finish,
	.take_violation = nic_take_violation,
	.turn = nic_turn,
	.remove = nic_remove,
};

/* ---- stopping ---- */

static void finish_stop(struct worker *w, struct worker_device *d)
{
	d->stopping = false;
	if (d->violation)
		tell(w, d, d->class->violation_op, 0, d->violation);
	d->violation = NULL;
	while (d->nr_stop_seq)
		answer(w, d->number, d->stop_seq[--d->nr_stop_seq], 0, NULL);
}

static void look_after(struct worker *w, struct worker_device *d)
{
	const char *violation = d->class->take_violation(d->dev);

	if (violation) {
		d->violation = violation;
		d->stopping = true;
		d->class->stop(d->dev, true);
	}
	if (d->stopping && d->class->try_finish(d->dev))
		finish_stop(w, d);
	if (!d->stopping && d->class->turn)
		d->class->turn(w, d);
}

static void on_wake(struct ev_loop *ev, ev_async *a, int revents)
{
	struct worker *w = a->data;
	struct worker_device *d;

	(void)ev;
	(void)revents;
	for (d = w->devices; d; d = d->next)
		look_after(w, d);
}

/* ---- questions ---- */

struct question {
	const struct worker_msg *msg;
	int *fds;
	unsigned int nr_fds;
	struct worker_device *d; /* NULL for the ADDs */
	struct xs_err err;
};

/* answered later */
#define LATER 1

static int check_place(struct worker *w, struct question *qu)
{
	if (!find_device(w, qu->msg->device) && w->nr_devices < MAX_DEVICES)
		return 0;
	xs_err_set(&qu->err, "no place for another device");
	return -ENOSPC;
}

static int add_device(struct worker *w, struct question *qu,
		      const struct worker_class *class, void *dev)
{
	struct worker_device *d = calloc(1, sizeof(*d));

	qu->nr_fds = 0; /* the device's now */
	if (!d) {
		class->remove(dev);
		return -ENOMEM;
	}
	d->class = class;
	d->dev = dev;
	d->number = qu->msg->device;
	d->next = w->devices;
	w->devices = d;
	w->nr_devices++;
	return 0;
}

static int blk_add(struct worker *w, struct question *qu)
{
	struct blk_disk_host host = {w->loop, w->nr_loops, wake_control, w};
	struct blk_disk *disk;
	int e = check_place(w, qu);

	if (!e)
		e = blk_disk_add(&disk, qu->msg->device, &qu->msg->add, qu->fds,
				 qu->nr_fds, &host, &qu->err);
	return e ? e : add_device(w, qu, &disk_class, disk);
}

static int blk_connect(struct worker *w, struct question *qu)
{
	(void)w;
	if (qu->nr_fds != 1) {
		xs_err_set(&qu->err, "no journal");
		return -EPROTO;
	}
	return blk_disk_connect(qu->d->dev, &qu->msg->connect, qu->fds[0],
				&qu->err);
}

static int blk_resize(struct worker *w, struct question *qu)
{
	(void)w;
	blk_disk_resize(qu->d->dev, qu->msg->resize.size_bytes);
	return 0;
}

static int net_add(struct worker *w, struct question *qu)
{
	struct net_vif_host host = {w->loop, w->nr_loops, wake_control, w};
	struct net_vif *vif;
	int e = check_place(w, qu);

	if (!e && !qu->nr_fds) {
		xs_err_set(&qu->err, "no statistics");
		e = -EPROTO;
	}
	if (!e)
		e = net_vif_add(&vif, qu->msg->device, &qu->msg->net_add,
				qu->fds, qu->nr_fds, &host, &qu->err);
	return e ? e : add_device(w, qu, &nic_class, vif);
}

static int net_connect(struct worker *w, struct question *qu)
{
	(void)w;
	return net_vif_connect(qu->d->dev, &qu->msg->net_connect, &qu->err);
}

static int net_policy(struct worker *w, struct question *qu)
{
	int e = net_vif_set_policy(qu->d->dev, &qu->msg->net_policy);

	(void)w;
	if (e)
		xs_err_set(&qu->err, "the policy cannot be used: %s",
			   strerror(-e));
	return e;
}

static int net_mcast(struct worker *w, struct question *qu)
{
	(void)w;
	net_vif_set_mcast(qu->d->dev, qu->msg->net_mcast.on);
	return 0;
}

static int net_pcap(struct worker *w, struct question *qu)
{
	int e, fd = qu->nr_fds ? qu->fds[0] : -1;

	(void)w;
	if (qu->nr_fds > 1)
		return -EPROTO;
	qu->nr_fds = 0; /* taken over */
	e = net_vif_set_pcap(qu->d->dev, fd, qu->msg->net_pcap.snap_len);
	if (e)
		xs_err_set(&qu->err, "the recording cannot be written: %s",
			   strerror(-e));
	return e;
}

static int do_disconnect(struct worker *w, struct question *qu)
{
	struct worker_device *d = qu->d;
	bool abort = d->class == &disk_class && qu->msg->disconnect.abort;

	if (d->nr_stop_seq == MAX_STOP_WAITERS)
		return -EBUSY;
	d->stop_seq[d->nr_stop_seq++] = qu->msg->seq;
	d->stopping = true;
	d->class->stop(d->dev, abort);
	look_after(w, d);
	return LATER;
}

static int do_remove(struct worker *w, struct question *qu)
{
	struct worker_device **at, *d = qu->d;

	if (!d->class->try_finish(d->dev)) {
		xs_err_set(&qu->err, "still connected");
		return -EBUSY;
	}
	for (at = &w->devices; *at != d; at = &(*at)->next)
		;
	*at = d->next;
	d->class->remove(d->dev);
	free(d);
	w->nr_devices--;
	return 0;
}

static const struct {
	uint32_t op;
	const struct worker_class *class; /* NULL: there is no device yet */
	int (*fn)(struct worker *w, struct question *qu);
} questions[] = {
	{WORKER_BLK_ADD, NULL, blk_add},
	{WORKER_BLK_CONNECT, &disk_class, blk_connect},
	{WORKER_BLK_DISCONNECT, &disk_class, do_disconnect},
	{WORKER_BLK_REMOVE, &disk_class, do_remove},
	{WORKER_BLK_RESIZE, &disk_class, blk_resize},
	{WORKER_NET_ADD, NULL, net_add},
	{WORKER_NET_CONNECT, &nic_class, net_connect},
	{WORKER_NET_DISCONNECT, &nic_class, do_disconnect},
	{WORKER_NET_REMOVE, &nic_class, do_remove},
	{WORKER_NET_POLICY, &nic_class, net_policy},
	{WORKER_NET_PCAP, &nic_class, net_pcap},
	{WORKER_NET_MCAST, &nic_class, net_mcast},
};
#define NR_QUESTIONS (sizeof(questions) / sizeof(questions[0]))

static void ask(struct worker *w, struct question *qu)
{
	const struct worker_msg *m = qu->msg;
	unsigned int i = 0;
	int e;

	while (i < NR_QUESTIONS && questions[i].op != m->op)
		i++;
	if (i == NR_QUESTIONS) {
		e = -ENOSYS;
	} else {
		qu->d = find_device(w, m->device);
		if (questions[i].class &&
		    (!qu->d || qu->d->class != questions[i].class)) {
			xs_err_set(&qu->err, "no such device");
			e = -ENODEV;
		} else {
			e = questions[i].fn(w, qu);
		}
	}
	if (e != LATER)
		answer(w, m->device, m->seq, e, &qu->err);
}

static void on_readable(struct ev_loop *ev, ev_io *io, int revents)
{
	struct worker *w = io->data;
	struct worker_msg msg;
	int fds[WORKER_MAX_FDS];
	struct question qu = {
		.msg = &msg, .fds = fds, .nr_fds = WORKER_MAX_FDS};
	int e = worker_recv(w->sock, &msg, fds, &qu.nr_fds);

	(void)revents;
	if (e) {
		if (e != -ECONNRESET)
			log_err("-", "the supervisor's message: %s",
				strerror(-e));
		ev_break(ev, EVBREAK_ALL);
		return;
	}
	ask(w, &qu);
	while (qu.nr_fds)
		close(fds[--qu.nr_fds]);
}

/* ---- life ---- */

/* The first packet says what was inherited. */
static int receive_start(int sock, struct worker_start *start)
{
	struct worker_msg msg;
	unsigned int nr_fds = 0;
	int e = worker_recv(sock, &msg, NULL, &nr_fds);

	if (e)
		return e;
	*start = msg.start;
	if (msg.op != WORKER_START || !start->nr_loops ||
	    start->nr_loops > WORKER_MAX_LOOPS ||
	    start->nr_rings > start->nr_loops)
		return -EPROTO;
	return 0;
}

static int start_loops(struct worker *w, const struct worker_start *start)
{
	int e = 0;

	while (!e && w->nr_loops < start->nr_loops) {
		unsigned int i = w->nr_loops;
		struct uring_ring ring = {.fd = WORKER_FD + 1 + (int)i,
					  .params = start->ring[i]};

		e = io_loop_start(&w->loop[i], i, w->opt->poll_max_us,
				  i < start->nr_rings ? &ring : NULL);
		if (!e)
			w->nr_loops++;
	}
	return e;
}

/* keeper: the companion's pidfd, or -1 */
static int drop_privileges(struct worker *w, const struct worker_start *start,
			   int *keeper)
{
	struct sandbox_how how = {.domid = w->opt->domid,
				  .keeper_pidfd = start->has_keeper ? keeper
								    : NULL,
				  .keeper_fd = WORKER_KEEPER_FD};
	struct xs_err err = {""};
	int e = sandbox_enter(&how, &err);

	if (e)
		log_err("-", "cannot give up privileges: %s", err.text);
	return e;
}

static void start_watchers(struct worker *w)
{
	ev_io_init(&w->readable, on_readable, w->sock, EV_READ);
	ev_async_init(&w->wake, on_wake);
	w->readable.data = w->wake.data = w;
	ev_io_start(w->ev, &w->readable);
	ev_async_start(w->ev, &w->wake);
}

int worker_main(int sock, const struct worker_options *opt)
{
	struct worker w = {.sock = sock, .opt = opt};
	struct worker_msg ready = {.op = WORKER_READY};
	struct worker_start start;
	int keeper = -1, e;

	sandbox_early();
	w.ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!w.ev)
		return 1;
	start_watchers(&w);
	e = receive_start(sock, &start);
	if (!e)
		e = start_loops(&w, &start);
	if (e) {
		log_err("-", "cannot open the hypervisor's devices: %s",
			strerror(-e));
		return 1;
	}
	e = drop_privileges(&w, &start, &keeper);
	if (!e)
		e = worker_send(sock, &ready, &keeper, keeper >= 0);
	if (keeper >= 0)
		close(keeper);
	if (!e)
		ev_run(w.ev, 0);
	/* The supervisor went, or nothing can be said to it.  Rings stay as
	 * the journal has them; leaving is all there is to do, and the kernel
	 * takes back the rest. */
	_exit(e ? 1 : 0);
}
