/* SPDX-License-Identifier: MIT */
/*
 * A paravirtual device as the supervisor sees it: a directory below our
 * domain's backend/, a frontend's directory, and the state machine between
 * (hypercall/xenbus_state.h).  What is special about disks or NICs is behind
 * struct device_class; a new class is a file and a line in super_tables.c.
 *
 * What is believed: nodes of the backend directory, which only the toolstack
 * and we can write.  Of the frontend's directory nothing but its state and
 * what a class reads and checks at connect; never its `backend` key.
 *
 * One thread: the supervisor's loop.
 */
#ifndef XENSPLIT_BACKEND_DEVICE_H
#define XENSPLIT_BACKEND_DEVICE_H

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "hypercall/log.h"
#include "hypercall/xenbus_state.h"
#include "hypercall/xs_store.h"

#define DEVICE_PATH_MAX 256u
#define DEVICE_NAME_MAX 48u

struct supervisor;
struct fe_domain;
struct device_class;

/* The operation of the class that is under way. */
enum device_step {
	DEVICE_IDLE,
	DEVICE_OFFERING,
	DEVICE_CONNECTING,
	DEVICE_CHANGING,
	DEVICE_DISCONNECTING,
	DEVICE_RELEASING,
};

/* What became of the worker that serves a device. */
enum worker_change {
	WORKER_CAME, /* ready, and knows nothing of any device */
	WORKER_DIED, /* another one will come */
	WORKER_LOST, /* and no other one will come */
};

struct device {
	const struct device_class *class;
	struct supervisor *super;
	struct fe_domain *dom;
	uint32_t number; /* ours, never used again */
	uint32_t fe_domid, devid;
	char name[DEVICE_NAME_MAX]; /* "vbd/2/51712" */
	char be_dir[DEVICE_PATH_MAX];
	char fe_dir[DEVICE_PATH_MAX]; /* "" until it is known and believed */
	enum xenbus_state state;      /* what we wrote last; or Closing, where
				       * the toolstack wrote that */
	enum device_step step;

	bool online;    /* as the toolstack wants it */
	bool known;     /* frontend and frontend-id are read and checked */
	bool offered;   /* the class holds what offer() opened */
	bool connected; /* the frontend's rings are in use */
	bool forced;    /* be quick and ask nobody */
	bool gone;    /* the directory has vanished: never write there again */
	bool going;   /* take down, then forget */
	bool failing; /* take down because of error, then wait */
	bool starting_over; /* take down, then begin as if new */
	bool renewed;   /* the toolstack wrote Initialising over our state */
	bool bad_own;   /* a key of the toolstack's cannot be read: reported */
	bool fe_seen;   /* the frontend had a state */
	bool vanished;  /* take down because its directory has vanished */
	bool wait_tool; /* failed by configuration: the toolstack's turn */
	bool wait_fe;   /* the frontend has to close or start anew first */
	int fe_last;    /* the frontend's state when last looked at */
	int fe_failed;  /* and when the device failed; -1: it has moved on */
	bool recheck;   /* look whether the size changed */
	bool missed;    /* something happened while a step was under way */
	bool told_force;

	struct xs_err error; /* why it is closed; "" if not by an error */
	/* Failures that a frontend can cause, to slow down those that come
	 * too often. */
	double failed_since;
	unsigned int nr_failed;
	ev_timer hold;
	struct log_limit log_states;
	void *priv; /* the class's, from offer to release */
	void *kept; /* the class's, from one release to the next offer */

	bool is_dirty;
	TAILQ_ENTRY(device) dirty; /* to be evaluated */
	TAILQ_ENTRY(device) all;
	LIST_ENTRY(device) by_id, by_fe_dir, of_domain;
};

/*
 * What a class does.  Each operation ends in exactly one device_done(dev, err,
 * reason), at once or later; until then no other one is begun, except
 * force(), which may come at any time and has the one under way end soon.
 * priv is made by offer() and freed by release(), or by a failed offer().
 */
struct device_class {
	const char *type; /* "vbd": directory below backend/ */
	/* Whether a directory without a device is for us; NULL: each one is.
	 * Asked when it gets a state, and when xensplit/serve is written. */
	bool (*is_ours)(struct supervisor *super, const char *be_dir);
	/* keys of the toolstack that may change at any time, ended by NULL:
	 * changed() is called then; may be NULL */
	const char *const *live_keys;
	/* the same of a key in the frontend's directory; NULL: none */
	const char *front_live_key;
	/* read the toolstack's keys, open what is behind, publish features
	 * (not the state) */
	void (*offer)(struct device *dev);
	/* read the frontend's keys, connect, publish properties.  -EAGAIN: the
	 * toolstack has not finished; asked again when its directory changes,
	 * where changed() is also called if there is no frontend yet. */
	void (*connect)(struct device *dev);
	/* the frontend wrote Reconfiguring, a live key changed, or a tool asks
	 * to look whether what is behind has changed */
	void (*changed)(struct device *dev);
	/* give back rings; keeps what offer opened */
	void (*disconnect)(struct device *dev);
	void (*force)(struct device *dev);
	/* undo offer; frees priv.  Last operation of a device. */
	void (*release)(struct device *dev);
	/* the rest only between a successful offer's begin and release's end */
	void (*worker_changed)(struct device *dev, enum worker_change what,
			       const char *reason);
	/* the worker reports a violation by the peer; it has given back the
	 * rings already */
	void (*worker_event)(struct device *dev, const char *text);
	/* the peer stopped taking what is for it, or does again; may be NULL */
	void (*worker_carrier)(struct device *dev, bool up);
	/* the device is forgotten: free what is kept; may be NULL */
	void (*forget)(struct device *dev);
	/* add what `xensplit stats` shows to obj; full: with counters */
	void (*stats)(struct device *dev, json_t *obj, bool full);
};

/* For classes: the operation under way ended.  err 0 or -errno, with a reason
 * that a person can read. */
void device_done(struct device *dev, int err, const char *reason);
/* For classes: the device cannot go on, whatever is under way.  It is
 * disconnected and released, then Closed, with the reason in the error node. */
void device_fail(struct device *dev, int err, const char *reason);

/* For the supervisor: have device_evaluate() called soon. */
void device_mark(struct device *dev);
/* Look at xenstore and take the next step, if it is time for one.  May free
 * the device. */
void device_evaluate(struct device *dev);
/* The toolstack's `frontend` and `frontend-id`; sets fe_dir and known. */
int device_identify(struct device *dev, struct xs_err *err);
/* Timer of a device that failed too often; set up by who makes a device. */
void device_hold_over(struct ev_loop *loop, ev_timer *timer, int revents);

#endif
