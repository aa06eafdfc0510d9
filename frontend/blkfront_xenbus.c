// SPDX-License-Identifier: MIT
/*
 * libblkfront: the control thread.
 *
 * Walks the xenbus states with the backend, from the appearance of the device
 * directory to Closed, on an event loop of its own: new sizes, a backend that
 * goes, a backend that comes back, the toolstack's unplug.  It touches no
 * request; queues are started, stopped and woken.
 *
 * What a state asks for is decided by hypercall/xenbus_state.h; what is not a
 * state is decided here: time limits, directories that vanish, and that a
 * connected backend which is found starting has restarted.
 */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/blkfront_int.h"
#include "hypercall/log.h"
#include "hypercall/xenbus_keys.h"
#include "hypercall/xenbus_state.h"

#define PATH_MAX_LEN 256
/* How long a closing backend may take to let requests in flight end, and how
 * long it may take to follow us to Closed. */
#define DRAIN_S      2.0
#define DRAIN_TICK_S 0.02
#define REFUSAL_S    1.0 /* an old error may stand before a new offer */
#define CLOSE_S      5.0
#define LOG_BURST    10u
#define LOG_MS       10000u

struct blkfront_xenbus {
	struct blkfront *bf;
	pthread_t thread;
	struct ev_loop *loop;
	ev_async poke;
	ev_timer limit; /* of opening, then of closing */
	ev_timer drain;
	ev_timer refusal; /* runs while the backend may be about to offer */
	bool refusal_stands;
	double drain_until;
	atomic_bool stop; /* blkfront_close() wants the end */
	bool stopping;    /* and the thread knows */
	bool reported;    /* a violation, in xenstore */
	/* of what a backend can cause at will */
	struct log_limit limit_log;

	struct xs_store *xs;
	struct xs_watch *front_watch, *back_watch;
	uint32_t back_domid;
	enum xenbus_state own, other;
	char front[64], back[PATH_MAX_LEN];
};

static void step(struct blkfront_xenbus *x);

static bool is_opening(struct blkfront_xenbus *x)
{
	bool yes;

	pthread_mutex_lock(&x->bf->lock);
	yes = x->bf->phase == PHASE_OPENING;
	pthread_mutex_unlock(&x->bf->lock);
	return yes;
}

static void set_limit(struct blkfront_xenbus *x, double seconds)
{
	ev_timer_stop(x->loop, &x->limit);
	ev_now_update(x->loop);
	ev_timer_set(&x->limit, seconds, 0.);
	ev_timer_start(x->loop, &x->limit);
}

/* The directory's absence must not be ended by writing a state into it. */
static void write_state(struct blkfront_xenbus *x, enum xenbus_state state)
{
	int err;

	x->own = state;
	err = xs_writef(x->xs, XBT_NULL, x->front, "state", "%d", state);
	if (err)
		log_warn(x->bf->who, "cannot write %s/state: %s", x->front,
			 strerror(-err));
}

/* The backend's own words, if it left some. */
static void backend_reason(struct blkfront_xenbus *x, char *out, size_t size)
{
	static const char *const keys[] = {"error", "hotplug-error"};
	char text[160];
	struct xs_err err;
	size_t i;

	out[0] = '\0';
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (xs_read_str(x->xs, XBT_NULL, x->back, keys[i], text,
				sizeof(text), &err) ||
		    !text[0])
			continue;
		for (char *c = text; *c; c++)
			if (*c < ' ' || *c > '~')
				*c = '?';
		snprintf(out, size, ": %s", text);
		return;
	}
}

/* Opening has failed, or what was open cannot go on. */
static void give_up(struct blkfront_xenbus *x, int err, const char *text)
{
	char reason[200] = "";

	if (x->back[0])
		backend_reason(x, reason, sizeof(reason));
	blkfront_end(x->bf, err, "%s%s", text, reason);
	if (x->own == XenbusStateInitialised || x->own == XenbusStateConnected)
		write_state(x, XenbusStateClosing);
}

/* A mistake in what the backend wrote: it is told, too. */
static void refuse(struct blkfront_xenbus *x, int err, const char *text)
{
	xs_report_error(x->xs, x->front, x->bf->who, -err, text);
	x->reported = true;
	give_up(x, err, text);
}

/* ---- setup ---- */

static void setup(struct blkfront_xenbus *x)
{
	struct blkfront_offer offer;
	struct xs_err why;
	int err;

	err = blkfront_read_offer(x->xs, x->back, &offer, &why);
	if (!err)
		err = blkfront_setup_rings(x->bf, x->back_domid, &offer, &why);
	if (err) {
		refuse(x, err, why.text);
		return;
	}
	err = blkfront_write_setup(x->xs, x->front, x->bf);
	if (err) {
		xs_err_set(&why, "cannot write %s: %s", x->front,
			   strerror(-err));
		give_up(x, err, why.text);
		return;
	}
	x->own = XenbusStateInitialised;
}

/* ---- connected ---- */

static void connect_disk(struct blkfront_xenbus *x)
{
	struct blkfront *bf = x->bf;
	struct blkfront_info info;
	struct xs_err why;
	int err;

	blkfront_get_info(bf, &info);
	err = blkfront_read_disk(x->xs, x->back, &info, &why);
	if (err) {
		refuse(x, err, why.text);
		return;
	}
	info.persistent = info.persistent && !bf->opt.no_persistent;
	blkfront_setup_start(bf, &info);
	write_state(x, XenbusStateConnected);
	ev_timer_stop(x->loop, &x->limit);
	pthread_mutex_lock(&bf->lock);
	bf->info = info;
	if (bf->phase == PHASE_OPENING)
		bf->phase = PHASE_CONNECTED;
	pthread_cond_broadcast(&bf->changed);
	pthread_mutex_unlock(&bf->lock);
}

static bool may_log(struct blkfront_xenbus *x)
{
	uint32_t missed;

	if (!log_limit_ok(&x->limit_log, LOG_BURST, LOG_MS, &missed))
		return false;
	if (missed)
		log_info(x->bf->who, "%u lines were not logged", missed);
	return true;
}

/* Connected was written once more: read the size again. */
static void changed(struct blkfront_xenbus *x)
{
	struct blkfront *bf = x->bf;
	struct blkfront_info now, old;
	struct xs_err why;
	unsigned int i;

	blkfront_get_info(bf, &old);
	now = old;
	if (blkfront_read_disk(x->xs, x->back, &now, &why)) {
		if (may_log(x))
			log_warn(bf->who, "new size not taken: %s", why.text);
		return;
	}
	if (now.size_bytes == old.size_bytes)
		return;
	if (now.sector_size != old.sector_size) {
		if (may_log(x))
			log_warn(bf->who,
				 "the sector size cannot change from %u to %u",
				 old.sector_size, now.sector_size);
		return;
	}
	pthread_mutex_lock(&bf->lock);
	bf->info.size_bytes = now.size_bytes;
	pthread_mutex_unlock(&bf->lock);
	for (i = 0; i < bf->nr_queues; i++)
		blkfront_queue_resize(bf->queues[i],
				      now.size_bytes / BLK_SECTOR_SIZE);
	if (may_log(x))
		log_info(bf->who, "size is now %llu bytes, was %llu",
			 (unsigned long long)now.size_bytes,
			 (unsigned long long)old.size_bytes);
}

/* A backend that was connected begins anew: so do we, with new rings; what is
 * in flight is sent again then. */
static bool has_restarted(const struct blkfront_xenbus *x)
{
	if (atomic_load(&x->bf->status) || x->stopping)
		return false;
	if (x->own == XenbusStateConnected)
		return x->other == XenbusStateInitialising ||
		       x->other == XenbusStateInitWait;
	return x->own == XenbusStateInitialised &&
	       x->other == XenbusStateInitialising;
}

static void restart(struct blkfront_xenbus *x)
{
	unsigned int i;

	if (may_log(x))
		log_info(x->bf->who, "the backend restarted, connecting again");
	for (i = 0; i < x->bf->nr_queues; i++)
		blkfront_queue_stop(x->bf->queues[i]);
	write_state(x, XenbusStateInitialising);
}

/* ---- closing ---- */

static bool all_idle(const struct blkfront *bf)
{
	unsigned int i;

	for (i = 0; i < bf->nr_queues; i++)
		if (atomic_load(&bf->queues[i]->nr_in_flight))
			return false;
	return true;
}

/* The backend closes while requests are in flight: it still answers them. */
static void drain_begin(struct blkfront_xenbus *x)
{
	if (ev_is_active(&x->drain))
		return;
	atomic_store(&x->bf->closing, true);
	ev_now_update(x->loop);
	x->drain_until = ev_now(x->loop) + DRAIN_S;
	ev_timer_set(&x->drain, 0., DRAIN_TICK_S);
	ev_timer_start(x->loop, &x->drain);
}

static void drain_check(struct blkfront_xenbus *x)
{
	if (!ev_is_active(&x->drain))
		return;
	if (!all_idle(x->bf) && ev_now(x->loop) < x->drain_until)
		return;
	ev_timer_stop(x->loop, &x->drain);
	blkfront_end(x->bf, -ENODEV, "the backend closed the disk");
	if (x->own == XenbusStateConnected)
		write_state(x, XenbusStateClosing);
}

static void on_drain(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct blkfront_xenbus *x = w->data;

	(void)loop;
	(void)revents;
	drain_check(x);
	step(x);
}

static void close_disk(struct blkfront_xenbus *x)
{
	if (is_opening(x))
		give_up(x, -EIO, "the backend refused the connection");
	else if (!atomic_load(&x->bf->status) && !x->stopping)
		drain_begin(x);
	else
		write_state(x, XenbusStateClosing);
}

static void closed_disk(struct blkfront_xenbus *x)
{
	ev_timer_stop(x->loop, &x->drain);
	if (is_opening(x))
		give_up(x, -EIO, "the backend closed instead of connecting");
	else if (!x->stopping)
		blkfront_end(x->bf, -ENODEV, "the backend closed the disk");
	write_state(x, XenbusStateClosed);
}

/* ---- the device and its backend ---- */

static void on_back(struct xs_watch *w, const char *path, void *arg)
{
	(void)w;
	(void)path;
	step(arg);
}

/* The path of the backend is the toolstack's word, but in a directory that
 * the own domain may write: it must at least lie in the domain it names. */
static int check_backend(struct blkfront_xenbus *x, uint64_t domid,
			 struct xs_err *why)
{
	char prefix[40];
	int len = snprintf(prefix, sizeof(prefix), "/local/domain/%u/",
			   (unsigned int)domid);

	if (!strncmp(x->back, prefix, len))
		return 0;
	xs_err_set(why, "%s/backend is %s, not below %s of its backend-id",
		   x->front, x->back, prefix);
	x->back[0] = '\0';
	return -EINVAL;
}

static int read_backend(struct blkfront_xenbus *x, struct xs_err *why)
{
	uint64_t domid;
	int err;

	err = xenbus_key_read_str(x->xs, XBT_NULL, vbd_keys, x->front,
				  "backend", x->back, sizeof(x->back), why);
	if (!err && !x->back[0])
		err = -ENOENT;
	if (!err)
		err = xenbus_key_read(x->xs, XBT_NULL, vbd_keys, x->front,
				      "backend-id", &domid, why);
	if (!err)
		err = check_backend(x, domid, why);
	if (err) {
		x->back[0] = '\0';
		return err;
	}
	x->back_domid = domid;
	return 0;
}

/* Begin from Initialising, whatever an earlier frontend left: that is what
 * makes a backend offer itself anew. */
static void begin(struct blkfront_xenbus *x)
{
	enum xenbus_state stored;
	struct xs_err why;

	x->own = XenbusStateInitialising;
	if (xs_read_state(x->xs, XBT_NULL, x->front, &stored, &why) ||
	    stored != XenbusStateInitialising)
		write_state(x, XenbusStateInitialising);
}

static bool find_backend(struct blkfront_xenbus *x)
{
	char path[PATH_MAX_LEN + 8];
	struct xs_err why = {""};
	int err;

	err = read_backend(x, &why);
	if (err == -ENOENT)
		return false;
	if (err) {
		refuse(x, err, why.text);
		return false;
	}
	begin(x);
	snprintf(path, sizeof(path), "%s/state", x->back);
	err = xs_watch_add(x->xs, path, on_back, x, &x->back_watch);
	if (err)
		give_up(x, err, "cannot watch the backend's state");
	return !err;
}

static void device_gone(struct blkfront_xenbus *x)
{
	ev_timer_stop(x->loop, &x->drain);
	xs_watch_del(x->back_watch);
	x->back_watch = NULL;
	x->back[0] = '\0';
	x->own = XenbusStateClosed;
	blkfront_end(x->bf, -ENODEV, "the device was removed");
}

static void on_front(struct xs_watch *w, const char *path, void *arg)
{
	struct blkfront_xenbus *x = arg;
	char node[PATH_MAX_LEN];

	(void)w;
	(void)path;
	snprintf(node, sizeof(node), "%s/backend", x->front);
	if (x->back[0] && !xs_node_exists(x->xs, XBT_NULL, node))
		device_gone(x);
	step(x);
}

/* ---- the machine ---- */

static void act(struct blkfront_xenbus *x, enum xenbus_action action)
{
	switch (action) {
	case XENBUS_SETUP:
		setup(x);
		break;
	case XENBUS_CONNECT:
		connect_disk(x);
		break;
	case XENBUS_CHANGED:
		changed(x);
		break;
	case XENBUS_CLOSE:
		close_disk(x);
		break;
	case XENBUS_CLOSED:
		closed_disk(x);
		break;
	default:
		break;
	}
}

/*
 * A backend that fails before we have set up says so and closes.  What is there
 * when we come may be left over from before us: it has a moment to offer anew.
 */
static void check_refusal(struct blkfront_xenbus *x)
{
	char reason[200];

	if (x->own != XenbusStateInitialising || !is_opening(x) ||
	    (x->other != XenbusStateClosing && x->other != XenbusStateClosed)) {
		ev_timer_stop(x->loop, &x->refusal);
		return;
	}
	if (!x->refusal_stands) {
		if (!ev_is_active(&x->refusal)) {
			ev_timer_set(&x->refusal, REFUSAL_S, 0.);
			ev_timer_start(x->loop, &x->refusal);
		}
		return;
	}
	backend_reason(x, reason, sizeof(reason));
	if (reason[0])
		give_up(x, -EIO, "the backend cannot serve this disk");
}

static bool is_finished(const struct blkfront_xenbus *x)
{
	switch (x->own) {
	case XenbusStateInitialised:
	case XenbusStateConnected:
	case XenbusStateClosing:
		return false;
	case XenbusStateClosed:
		return !x->back[0] || (x->other != XenbusStateConnected &&
				       x->other != XenbusStateClosing &&
				       x->other != XenbusStateInitialised);
	default:
		return true;
	}
}

static void walk(struct blkfront_xenbus *x)
{
	enum xenbus_state before;
	struct xs_err why;

	do {
		before = x->own;
		if (xs_read_state(x->xs, XBT_NULL, x->back, &x->other, &why)) {
			refuse(x, -EINVAL, why.text);
			return;
		}
		if (has_restarted(x))
			restart(x);
		else if (!atomic_load(&x->bf->status) ||
			 x->own != XenbusStateInitialising)
			act(x, xenbus_next(XENBUS_FRONTEND, x->own, x->other,
					   true));
	} while (x->own != before && x->back[0]);
	check_refusal(x);
}

static void step(struct blkfront_xenbus *x)
{
	bool ended = atomic_load(&x->bf->status) != 0;

	if (!x->back[0] && !x->stopping && !ended)
		find_backend(x);
	if (x->back[0])
		walk(x);
	if (x->stopping && is_finished(x))
		ev_break(x->loop, EVBREAK_ALL);
}

/* ---- what comes from other threads, and from the clock ---- */

static void stop_begin(struct blkfront_xenbus *x)
{
	x->stopping = true;
	ev_timer_stop(x->loop, &x->drain);
	set_limit(x, CLOSE_S);
	if (x->own == XenbusStateInitialised || x->own == XenbusStateConnected)
		write_state(x, XenbusStateClosing);
}

/* A violation by the backend was found by a queue. */
static void violation_begin(struct blkfront_xenbus *x)
{
	struct xs_err reason;

	pthread_mutex_lock(&x->bf->lock);
	reason = x->bf->reason;
	pthread_mutex_unlock(&x->bf->lock);
	x->reported = true;
	xs_report_error(x->xs, x->front, x->bf->who, EIO, reason.text);
	write_state(x, XenbusStateClosing);
}

static void on_poke(struct ev_loop *loop, ev_async *w, int revents)
{
	struct blkfront_xenbus *x = w->data;

	(void)loop;
	(void)revents;
	drain_check(x);
	if (atomic_load(&x->bf->status) == -EIO && !x->reported &&
	    x->own == XenbusStateConnected)
		violation_begin(x);
	if (atomic_load(&x->stop) && !x->stopping)
		stop_begin(x);
	step(x);
}

static void opening_timed_out(struct blkfront_xenbus *x)
{
	char text[PATH_MAX_LEN + 100];

	if (!x->back[0])
		snprintf(text, sizeof(text),
			 "no such device within %u ms (%s/backend is missing)",
			 x->bf->opt.wait_ms, x->front);
	else
		snprintf(text, sizeof(text),
			 "the backend %s is %s, not Connected, after %u ms",
			 x->back, xenbus_state_name(x->other),
			 x->bf->opt.wait_ms);
	give_up(x, -ETIMEDOUT, text);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct blkfront_xenbus *x = w->data;

	(void)revents;
	if (!x->stopping) {
		if (is_opening(x))
			opening_timed_out(x);
		return;
	}
	if (x->own == XenbusStateClosing)
		write_state(x, XenbusStateClosed);
	log_warn(x->bf->who, "the backend did not close in %.0f s (it is %s)",
		 CLOSE_S, xenbus_state_name(x->other));
	ev_break(loop, EVBREAK_ALL);
}

static void on_refusal(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct blkfront_xenbus *x = w->data;

	(void)loop;
	(void)revents;
	x->refusal_stands = true;
	step(x);
	x->refusal_stands = false;
}

void blkfront_xenbus_poke(struct blkfront *bf)
{
	if (bf->xenbus)
		ev_async_send(bf->xenbus->loop, &bf->xenbus->poke);
}

/* ---- the thread ---- */

static int open_store(struct blkfront_xenbus *x)
{
	uint32_t domid;
	int err;

	err = xs_store_open(&x->xs, x->loop);
	if (!err)
		err = xs_store_domid(x->xs, &domid);
	if (err) {
		blkfront_end(x->bf, err, "cannot reach xenstore: %s",
			     strerror(-err));
		return err;
	}
	snprintf(x->front, sizeof(x->front), "/local/domain/%u/device/vbd/%u",
		 domid, x->bf->devid);
	err = xs_watch_add(x->xs, x->front, on_front, x, &x->front_watch);
	if (err)
		blkfront_end(x->bf, err, "cannot watch %s: %s", x->front,
			     strerror(-err));
	return err;
}

static void *control_main(void *arg)
{
	struct blkfront_xenbus *x = arg;
	char name[16];

	snprintf(name, sizeof(name), "bf-%u", x->bf->devid);
	pthread_setname_np(pthread_self(), name);
	x->own = XenbusStateInitialising;
	if (!open_store(x)) {
		set_limit(x, x->bf->opt.wait_ms / 1000.);
		ev_run(x->loop, 0);
	}
	xs_watch_del(x->back_watch);
	xs_watch_del(x->front_watch);
	if (x->xs)
		xs_store_close(x->xs);
	return NULL;
}

static int start_thread(struct blkfront_xenbus *x)
{
	sigset_t all, old;
	int err;

	/* Signals are the application's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&x->thread, NULL, control_main, x);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

int blkfront_xenbus_start(struct blkfront *bf)
{
	struct blkfront_xenbus *x = calloc(1, sizeof(*x));
	int err;

	if (!x)
		return -ENOMEM;
	x->bf = bf;
	x->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!x->loop) {
		free(x);
		return -EIO;
	}
	ev_async_init(&x->poke, on_poke);
	ev_init(&x->limit, on_limit);
	ev_init(&x->drain, on_drain);
	ev_init(&x->refusal, on_refusal);
	x->poke.data = x->limit.data = x->drain.data = x->refusal.data = x;
	ev_async_start(x->loop, &x->poke);
	bf->xenbus = x;
	err = start_thread(x);
	if (err) {
		bf->xenbus = NULL;
		ev_loop_destroy(x->loop);
		free(x);
	}
	return err;
}

void blkfront_xenbus_stop(struct blkfront *bf)
{
	struct blkfront_xenbus *x = bf->xenbus;

	if (!x)
		return;
	atomic_store(&x->stop, true);
	blkfront_xenbus_poke(bf);
	pthread_join(x->thread, NULL);
	bf->xenbus = NULL;
	ev_loop_destroy(x->loop);
	free(x);
}
