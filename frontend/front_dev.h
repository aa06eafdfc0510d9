/* SPDX-License-Identifier: MIT */
/*
 * What all frontends have in common: a device that a toolstack made for this
 * domain, its connection with a backend through the xenbus states, and how
 * that ends.
 *
 * A control thread (front_xenbus.h) walks the states, from the appearance of
 * the device directory to Closed: what changes, a backend that goes, a backend
 * that comes back, the toolstack's unplug.  It touches no request; it calls
 * the class, which makes rings, starts, stops and wakes queues.
 *
 * Protocol: <xen/io/xenbus.h>, hypercall/xenbus_state.h.  Functions may be
 * called by any thread unless said otherwise.
 */
#ifndef XENSPLIT_FRONT_DEV_H
#define XENSPLIT_FRONT_DEV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <xengnttab.h>

#include "hypercall/xenbus_keys.h"
#include "hypercall/xs_store.h"

struct front_dev;

/* Where a device is: what the class's functions read and write.  The control
 * thread's. */
struct front_place {
	struct xs_store *xs;
	const char *front, *back; /* directories */
	uint32_t back_domid;
};

/* A kind of device.  All functions run in the control thread; they return 0 or
 * -errno with why set, which ends the device and is reported in xenstore. */
struct front_class {
	const char *name;   /* its directory below device/ */
	const char *noun;   /* for messages: "the backend closed the NOUN" */
	const char *thread; /* name of the control thread, before the number */
	const struct xenbus_key *keys;
	/* What `state` is once the device is set up: Initialised, and Connected
	 * when the backend is (block), or Connected at once (net). */
	enum xenbus_state set_up;
	/* A key in the backend's directory whose change is as important as the
	 * state's; may be NULL. */
	const char *back_key;

	/* Make rings for what the backend offers, and write them and the state
	 * set_up in one transaction. */
	int (*setup)(struct front_dev *d, const struct front_place *at,
		     struct xs_err *why);
	/* The backend is Connected: let the queues go. */
	int (*connect)(struct front_dev *d, const struct front_place *at,
		       struct xs_err *why);
	/* Read again what may change while connected. */
	void (*changed)(struct front_dev *d, const struct front_place *at);
	/* The backend is gone and another may come. */
	void (*stop)(struct front_dev *d);
	/* Nothing that a closing backend should be waited for; NULL: never. */
	bool (*is_idle)(struct front_dev *d);
	/* Wake who sleeps, to look at the status.  Any thread. */
	void (*wake)(struct front_dev *d);
};

enum front_phase {
	FRONT_OPENING,
	FRONT_CONNECTED, /* front_start() has succeeded */
	FRONT_ENDED,     /* failed or gone; why is in reason */
};

struct front_xenbus; /* of front_xenbus.h */

struct front_dev {
	const struct front_class *class;
	unsigned int devid;
	unsigned int wait_ms; /* for the device and its backend, of opening */
	char who[32];         /* for log lines: vbd/51712 */

	atomic_int status;   /* 0, or what every call gets from now on */
	atomic_bool closing; /* nothing new begins; what is under way may end */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock. */
	enum front_phase phase;
	struct xs_err reason;

	struct front_xenbus *xenbus; /* NULL in tests of a queue alone */
};

void front_dev_init(struct front_dev *d, const struct front_class *class,
		    unsigned int devid, unsigned int wait_ms);
void front_dev_destroy(struct front_dev *d);

/* End the device: status becomes err (the first one stays), the reason is kept
 * and logged once, sleepers wake up. */
void front_end(struct front_dev *d, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Why a device could not be opened, for errbuf (if not NULL); returns err. */
int front_cannot_open(const struct front_class *class, unsigned int devid,
		      int err, const char *what, char *errbuf,
		      size_t errbuf_size);
/* Open what memory is shared with (the caller closes it, if it is not NULL),
 * start the control thread and wait until the device is connected, or it is
 * known why not: then errbuf (if not NULL) has a text.  The thread, if it was
 * started, lives until front_stop() in both cases. */
int front_start(struct front_dev *d, xengntshr_handle **gntshr, char *errbuf,
		size_t errbuf_size);
/* Close the device as the protocol says, in bounded time, and end the
 * thread. */
void front_stop(struct front_dev *d);

/* ---- front_xenbus.c, front_states.c: the control thread ---- */

int front_xenbus_start(struct front_dev *d);
void front_xenbus_stop(struct front_dev *d);
/* Something changed that the control thread wants to know. */
void front_poke(struct front_dev *d);
/* May a line be logged that a backend can cause at will?  Control thread. */
bool front_may_log(struct front_dev *d);

/* ---- front_backend.c: who the backend is, and what it says ---- */

#define FRONT_PATH_MAX 256
/* The backend's directory and domain, of the device directory front: -ENOENT
 * if it has none (yet). */
int front_find_backend(struct xs_store *xs, const struct xenbus_key *keys,
		       const char *front, char back[FRONT_PATH_MAX],
		       uint32_t *domid, struct xs_err *why);
/* The backend's own words about a failure, printable, after ": "; or "". */
void front_backend_reason(struct xs_store *xs, const char *back, char *out,
			  size_t size);

/* A number or boolean of a table to be read. */
struct front_number {
	const char *key;
	uint64_t *out;
};
/* All of nr numbers in one transaction, so that they belong together. */
int front_read_numbers(struct xs_store *xs, const struct xenbus_key *keys,
		       const char *dir, const struct front_number *numbers,
		       size_t nr, struct xs_err *err);
/* Remove children of front for which is_stale() is true: what an earlier
 * frontend left. */
int front_remove_stale(struct xs_store *xs, xs_transaction_t t,
		       const char *front, bool (*is_stale)(const char *name));

#endif
