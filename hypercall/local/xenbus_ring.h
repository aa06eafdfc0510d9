/* SPDX-License-Identifier: MIT */
/*
 * A guest's end of its xenstore ring: <xen/io/xs_wire.h>, struct
 * xenstore_domain_interface, and docs/misc/xenstore-ring.txt of Xen.
 *
 * Knows bytes, indices and the event channel; knows no messages.  xenstored
 * is in another domain and is not trusted: each of its indices is read once
 * and checked before it is used, and ours are kept in private memory.
 *
 * Not thread safe.  All functions that return int or ssize_t return -errno on
 * failure.
 */
#ifndef XENSPLIT_LOCAL_XENBUS_RING_H
#define XENSPLIT_LOCAL_XENBUS_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "chan.h"
#include "client.h"

struct xenstore_domain_interface;

struct xenbus_ring {
	struct xenstore_domain_interface *page;
	struct chan chan;     /* its bell is what to wait for */
	struct client client; /* its fd hangs up when the domain dies */
	unsigned int domid;   /* the domain we are in */
	uint32_t req_prod;    /* what we last published: never read back */
	uint32_t rsp_cons;
	bool unannounced; /* moved an index since the last notify */
};

/*
 * Claims the xenstore page and port of the domain this process is in.  The
 * ring must be as XS_INTRODUCE leaves it: a ring in the middle of a
 * conversation cannot be taken over, and is refused with -EBUSY.
 */
int xenbus_ring_open(struct xenbus_ring *ring);
void xenbus_ring_close(struct xenbus_ring *ring);

/*
 * Moves up to len bytes to or from the ring.  Return the number of bytes moved
 * (0: full, or empty), -EPROTO for impossible indices of xenstored's, -EIO
 * when xenstored says that it has given this ring up.
 */
ssize_t xenbus_ring_write(struct xenbus_ring *ring, const void *data,
			  size_t len);
ssize_t xenbus_ring_read(struct xenbus_ring *ring, void *data, size_t len);

/* Tells xenstored, if anything moved since the last call. */
void xenbus_ring_notify(struct xenbus_ring *ring);

/*
 * Takes note of the events so far; call when the bell is readable, before the
 * ring is looked at, so that a later event makes it readable again.
 */
void xenbus_ring_ack(struct xenbus_ring *ring);

#endif
