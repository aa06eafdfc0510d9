/* SPDX-License-Identifier: MIT */
/*
 * Steering the worker of a device towards what the class's operations want,
 * through whatever deaths of workers come between; ending operations, by force
 * where need be.  The same for disks and NICs; what a question says and what
 * is published is behind struct steer_ops.
 *
 * struct steer is the first member of what a class keeps as dev->priv.
 *
 * One thread, the supervisor's loop.
 */
#ifndef XENSPLIT_BACKEND_STEER_H
#define XENSPLIT_BACKEND_STEER_H

#include <ev.h>
#include <stdbool.h>

#include "backend/device.h"
#include "backend/worker_proto.h"

/* What the worker of the device is known to have. */
enum steer_at { STEER_NONE, STEER_ADDED, STEER_CONNECTED };

enum steer_question {
	STEER_ADD,
	STEER_CONNECT,
	STEER_DISCONNECT,
	STEER_REMOVE,
	STEER_CHANGE, /* something about an added device */
};

struct steer;

struct steer_ops {
	/*
	 * Fill in a question: op, its part of the union, and descriptors (at
	 * most WORKER_MAX_FDS, which stay the class's and open until the
	 * answer).  0, or -errno with err set: the operation fails.
	 */
	int (*fill)(struct steer *s, enum steer_question q,
		    struct worker_msg *msg, int *fds, unsigned int *nr_fds,
		    struct xs_err *err);
	/* the worker answered STEER_CHANGE; may be NULL */
	void (*change_answered)(struct steer *s, int err, const char *text);
	/* write our keys as an OFFERING, CONNECTING or CHANGING step ends;
	 * 0, or -errno with err set */
	int (*publish)(struct steer *s, enum device_step step,
		       struct xs_err *err);
	/* nobody will use the connected rings any more */
	void (*rings_dropped)(struct steer *s);
	/* the worker is gone, with all that it had; may be NULL */
	void (*worker_gone)(struct steer *s);
	/* give back all, dev->priv too, steer_end() included */
	void (*free)(struct device *dev);
};

/*
 * `at` follows the worker's answers and its deaths, `want` is set by
 * operations, and steer_go() asks for the next step between them.
 */
struct steer {
	struct device *dev;
	const struct steer_ops *ops;
	enum steer_at at, want;
	bool uses_worker, asking;
	/* the class's: STEER_CHANGE is to be asked; cleared by its fill() */
	bool change_due;
	/* the class's: requests may have been taken from the rings and have to
	 * be answered before the rings are given up, by a new worker if need
	 * be; abandon: do not insist on that */
	bool rings, abandon;
	ev_timer timer; /* of force */
	unsigned int force_stage;
};

/* s is zeroed otherwise. */
void steer_init(struct steer *s, struct device *dev,
		const struct steer_ops *ops);
/* Gives back the worker; for ops->free. */
void steer_end(struct steer *s);
/* Have a worker; 0 or -errno with err set. */
int steer_use_worker(struct steer *s, struct xs_err *err);

/* For the class's operations: what is wanted now.  If the device goes by
 * force, it is done in bounded time.  Ends the operation when it is so, at
 * once or later; may free s. */
void steer_to(struct steer *s, enum steer_at want);
/* Take the next step, if one can be taken now.  May free s. */
void steer_go(struct steer *s);
/* The offer under way fails.  Frees s; the reason may be part of it. */
void steer_offer_failed(struct steer *s, int err, const char *reason);

/* Of struct device_class. */
void steer_force(struct device *dev);
void steer_worker_changed(struct device *dev, enum worker_change what,
			  const char *reason);
void steer_worker_event(struct device *dev, const char *text);

#endif
