/* SPDX-License-Identifier: MIT */
/*
 * The library side of the wire: a handle on the hypervisor process.
 *
 * Compiled into each library of embedded Xen with hidden symbols.  It knows
 * how a request travels and nothing of what it means.
 *
 * After fork(2) the child may call client_close() only, as the Xen headers
 * say of their handles.
 */
#ifndef XENSPLIT_LOCAL_CLIENT_H
#define XENSPLIT_LOCAL_CLIENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

struct client {
	int fd;               /* SOCK_SEQPACKET to xenlocald, or -1 */
	uint32_t domid;       /* the domain this process is in */
	pthread_mutex_t lock; /* held over a request and its reply */
};

/*
 * What goes along with a struct wire_msg.  All members may be zero.  The
 * number of payload bytes sent is msg->payload_len, and that of the reply's
 * is msg->payload_len afterwards.
 */
struct client_io {
	const void *payload;        /* sent; msg->payload_len bytes */
	const int *fds;             /* sent; they stay the caller's */
	unsigned int nr_fds;        /* at most WIRE_MAX_FDS */
	void *reply_payload;        /* room for reply_max bytes */
	size_t reply_max;           /* a longer reply is -EPROTO */
	int *reply_fds;             /* room for reply_fds_max; CLOEXEC */
	unsigned int reply_fds_max; /* more descriptors are -EPROTO */
	unsigned int nr_reply_fds;  /* out: the caller owns and closes them,
				     * also when the call returns an error */
};

/*
 * Open a handle in the domain whose socket is number $XENLOCAL_FD.
 * cloexec: whether the handle's descriptor is closed by exec(2).
 * 0, or -ENOENT: not in a domain (no or no valid $XENLOCAL_FD); -ENOTCONN:
 * the hypervisor has gone; -EMFILE: the domain has too many handles.
 */
int client_open(struct client *c, bool cloexec);

/* Take over a handle's descriptor that exec(2) left open.  As client_open. */
int client_adopt(struct client *c, int fd);

/* Open a connection to the control socket (xenlocal(1)).  0 or -errno. */
int client_open_control(struct client *c, const char *path);

/* Close the handle; xenlocald then releases what was made through it. */
void client_close(struct client *c);

/*
 * Send *msg (op and the op's member are the caller's, zero the rest) and wait
 * for the reply, which replaces *msg.  Thread-safe.  io may be NULL.
 * Returns the reply's err (0 or -errno), or -ENOTCONN when the hypervisor
 * has gone, -EPROTO for a malformed reply, -EMFILE when this process has too
 * few descriptors left for the reply's.
 */
int client_call(struct client *c, struct wire_msg *msg, struct client_io *io);

/* One line for a log about what client_open returned. */
const char *client_explain(int err);

#endif
