/* SPDX-License-Identifier: MIT */
/* Shared by the files of xs_store.h's implementation; nobody else's. */
#ifndef XENSPLIT_HYPERCALL_XS_INTERNAL_H
#define XENSPLIT_HYPERCALL_XS_INTERNAL_H

#include "hypercall/log.h"
#include "hypercall/xs_store.h"

/* Longest path we make; xenstore's own limit is 3072. */
#define XS_PATH_MAX 1024u

#define XS_WATCH_BUCKETS 512u
#define XS_ERROR_LIMITS  64u

struct xs_event;

struct xs_store {
	struct xs_handle *h;
	struct ev_loop *loop; /* NULL: no watches */
	ev_io io;
	ev_prepare prepare;
	ev_idle more; /* active while a turn left events behind */
	bool dispatching, lost;
	uint64_t next_id;
	struct xs_watch *watches[XS_WATCH_BUCKETS];
	void (*on_lost)(struct xs_store *xs, void *arg);
	void *on_lost_arg;
	/* log lines of xs_report_error, by a hash of the device's name */
	struct log_limit error_limits[XS_ERROR_LIMITS];
};

/* dir/key, or dir when key is NULL.  -ENAMETOOLONG. */
int xs_path(char out[XS_PATH_MAX], const char *dir, const char *key);

int xs_watch_start(struct xs_store *xs);
void xs_watch_stop(struct xs_store *xs);

#endif
