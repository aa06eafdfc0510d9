/* SPDX-License-Identifier: MIT */
/*
 * Many clients on one xenstore ring: docs/misc/xenstore.txt of Xen for the
 * messages, drivers/xen/xenbus of Linux for the model.
 *
 * - Request ids on the ring are ours; each answer goes back under the client's
 *   own id.
 * - xenstored knows a watch by path and token.  Ours on the ring are unique,
 *   so two clients may use the same ones and each sees its own.
 * - A transaction belongs to the client that started it; for others it does
 *   not exist (ENOENT, as in Linux).
 * - XS_RESET_WATCHES undoes the watches and transactions of its client only.
 * - What a client leaves behind is undone: watches removed, transactions
 *   aborted.
 * Everything else, quotas and permissions above all, is xenstored's affair,
 * and its errors are passed through.
 *
 * Not thread safe.
 */
#ifndef XENSPLIT_LOCAL_XENBUS_MUX_H
#define XENSPLIT_LOCAL_XENBUS_MUX_H

#include <stddef.h>

#include "xenbus_client.h"
#include "xenbus_ring.h"

struct xenbus_mux {
	struct xenbus_ring *ring;
	TAILQ_HEAD(, xenbus_client) clients;
	TAILQ_HEAD(, xenbus_client) ready;   /* have something for the ring */
	TAILQ_HEAD(, xenbus_client) waiting; /* oldest request first */
	TAILQ_HEAD(, xenbus_watch) watches;
	uint32_t next_id;
	uint64_t next_watch;
	unsigned int nr_open, next_client; /* connections; for the log */
	unsigned long dropped_events;

	struct xenbus_msg tx; /* being put on the ring */
	size_t tx_len, tx_used;
	struct xenbus_msg rx; /* being taken from the ring */
	size_t rx_used;
};

void xenbus_mux_init(struct xenbus_mux *m, struct xenbus_ring *ring);

/* Adds a connection; takes over fd if it returns a client, else NULL. */
struct xenbus_client *xenbus_mux_add(struct xenbus_mux *m, int fd);

/*
 * The client's connection is over: closes it, undoes what it left, and frees
 * it then.  The client may be freed on return.
 */
void xenbus_mux_cut(struct xenbus_mux *m, struct xenbus_client *c);

/*
 * Reads from an idle client; a complete request is queued or answered.
 * Returns 0, or -errno: the caller must cut it.
 */
int xenbus_mux_readable(struct xenbus_mux *m, struct xenbus_client *c);

/*
 * Moves everything that can move between ring and clients.  Returns 0, or
 * -errno when the ring is unusable (see xenbus_ring.h; -EPROTO also for a
 * message that breaks the protocol).
 */
int xenbus_mux_run(struct xenbus_mux *m);

#endif
