/* SPDX-License-Identifier: MIT */
/*
 * One connection of a guest's program to its xenbus device: it puts messages
 * together from a stream, and holds what the program has not read yet.
 *
 * A client has at most one request on its way to xenstored.  A program that
 * writes more before it reads the answer (libxenstore never does) is read on
 * after the answer, so its messages wait in the kernel's socket buffer and
 * nothing here grows with them.
 *
 * Watches and transactions that xenstored made for the client hang on it, and
 * are undone one by one when the program is gone.  So a client outlives its
 * connection until that is done.
 *
 * Not thread safe.
 */
#ifndef XENSPLIT_LOCAL_XENBUS_CLIENT_H
#define XENSPLIT_LOCAL_XENBUS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <xen/io/xs_wire.h>

/*
 * What may wait for a program that does not read: it is cut when more would
 * have to.  Only watch events get there, because no new request is taken
 * while more than XENBUS_OUT_BUSY waits.
 */
#define XENBUS_OUT_MAX  (256u << 10)
#define XENBUS_OUT_BUSY (16u << 10)

struct xenbus_msg {
	struct xsd_sockmsg hdr;
	char body[XENSTORE_PAYLOAD_MAX + 1]; /* + 1: room for a final NUL */
};

struct xenbus_watch {
	TAILQ_ENTRY(xenbus_watch) of_client;
	TAILQ_ENTRY(xenbus_watch) of_mux;
	struct xenbus_client *client;
	uint64_t id;       /* the token on the wire, as hexadecimal */
	const char *token; /* the client's; both after the struct */
	char path[];       /* as the client spelt it */
};

struct xenbus_transaction {
	TAILQ_ENTRY(xenbus_transaction) of_client;
	uint32_t id;
};

enum xenbus_client_state {
	XENBUS_IDLE,    /* a request is being read, or none is there */
	XENBUS_READY,   /* in the mux's queue, for the ring */
	XENBUS_WAITING, /* on the ring, or with xenstored */
};

struct xenbus_client {
	TAILQ_ENTRY(xenbus_client) all;
	TAILQ_ENTRY(xenbus_client) queue; /* ready or waiting */
	int fd;          /* -1: gone, only here to be cleaned up after */
	uint32_t events; /* what epoll is told now */
	unsigned int nr; /* for the log */
	enum xenbus_client_state state;
	bool cleaning;    /* undoing watches and transactions */
	uint32_t wire_id; /* waiting: request id on the ring */
	uint32_t wire_type, wire_tx;
	bool wire_cleanup; /* that request undoes something */

	struct xenbus_msg in;       /* the request being read or answered */
	size_t in_used;             /* bytes of it, header included */
	struct xenbus_watch *watch; /* what XS_WATCH or XS_UNWATCH is about */

	char *out;
	size_t out_start, out_len, out_size;

	TAILQ_HEAD(, xenbus_watch) watches;
	TAILQ_HEAD(, xenbus_transaction) transactions;
};

/* Takes over fd (non-blocking).  NULL: out of memory, fd is still open. */
struct xenbus_client *xenbus_client_new(int fd);

/* Frees it with its watches and transactions; closes fd if still open. */
void xenbus_client_free(struct xenbus_client *c);

/* Closes the connection and drops what waits for it; the rest stays. */
void xenbus_client_close(struct xenbus_client *c);

/*
 * Reads towards one complete request in c->in.  Returns 1 when it is there, 0
 * when the socket is drained first, -errno when the client must be cut:
 * -EPIPE it closed, -EMSGSIZE its body is too long.
 */
int xenbus_client_read(struct xenbus_client *c);

/*
 * Queues one message.  Quietly does nothing for a client that is gone.
 * Returns -ENOBUFS when XENBUS_OUT_MAX would be passed, -ENOMEM; the message
 * is then queued in no part, and the client must be cut.
 */
int xenbus_client_queue(struct xenbus_client *c, const struct xsd_sockmsg *hdr,
			const void *body);

/* Writes what the socket takes.  -errno: the client must be cut. */
int xenbus_client_flush(struct xenbus_client *c);

#endif
