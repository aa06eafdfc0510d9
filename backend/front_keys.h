/* SPDX-License-Identifier: MIT */
/*
 * Reading what a frontend wrote into its directory: hostile text, read in one
 * transaction so that it is of one moment, and copied before it is looked at.
 */
#ifndef XENSPLIT_BACKEND_FRONT_KEYS_H
#define XENSPLIT_BACKEND_FRONT_KEYS_H

#include "backend/device.h"
#include "hypercall/xenbus_keys.h"

#define FRONT_DIR_MAX (DEVICE_PATH_MAX + 16u)

struct front_keys {
	const struct xenbus_key *keys;
	const char *dir;
	struct xs_err *err;
	/* all that is to be read; may run more than once */
	int (*read)(struct front_keys *r);
	struct xs_store *xs;
	xs_transaction_t t;
	int result;
};

/* Runs r->read in a transaction; what it returned, or why that failed. */
int front_keys_read(struct xs_store *xs, struct front_keys *r);

/* For r->read; dir: r->dir or a queue's.  0 or -errno with err set. */
int front_key_u32(const struct front_keys *r, const char *dir, const char *key,
		  uint32_t *out);
bool front_key_exists(const struct front_keys *r, const char *dir,
		      const char *key);
/* -EINVAL: value is more than what was offered. */
int front_too_much(const struct front_keys *r, const char *key, uint32_t value,
		   uint32_t most);
/* The directory of queue n; of a single queue, the frontend's own. */
void front_queue_dir(const struct front_keys *r, unsigned int nr_queues,
		     unsigned int n, char out[FRONT_DIR_MAX]);
/* Two rings in one page, or two queues on one port, would have two threads
 * work on what each believes its own: -EINVAL if a value is in v twice, which
 * is sorted here.  what: the key. */
int front_unique(const struct front_keys *r, const char *what, uint32_t *v,
		 unsigned int nr);

#endif
