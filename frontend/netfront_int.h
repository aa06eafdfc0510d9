/* SPDX-License-Identifier: MIT */
/*
 * What the files of libnetfront share.  Not for users of the library.
 *
 * A queue's data path belongs to one thread of the caller's and takes no lock.
 * What is shared with one backend (rings, buffers, ports) is a connection,
 * which the control thread (frontend/front_xenbus.c) makes and hands over
 * whole: it puts it into `next` and raises `attention`; the queue's thread, at
 * its next call, takes it and frees the one before.  So a backend can go and
 * come back while a queue's thread is anywhere.
 */
#ifndef XENSPLIT_NETFRONT_INT_H
#define XENSPLIT_NETFRONT_INT_H

#include <pthread.h>
#include <stdatomic.h>
#include <xengnttab.h>

#include "frontend/front_dev.h"
#include "frontend/front_events.h"
#include "frontend/netfront.h"
#include "grant/pool.h"
#include "ring/net_ring.h"

#define NETFRONT_MAX_QUEUES 8u
/* Slots that are taken from the rx ring in one go; longer than any packet. */
#define NETFRONT_RX_BATCH 64u
/* Responses of one received packet, extra infos included: what Linux's netback
 * can ever put, and some. */
#define NETFRONT_RX_CHAIN_MAX 24u

/* What was negotiated for frames. */
struct netfront_features {
	bool sg, gso4, gso6, csum4, csum6;
	bool mcast;   /* the backend takes multicast commands */
	bool dynamic; /* and looks at request-multicast-control at any time */
	bool ctrl;    /* it has a control ring */
	bool split;
	uint32_t nr_queues;
};

/* Rings and buffers that are shared with one backend. */
struct netfront_conn {
	/* transmit; ids are numbers of buffers */
	struct net_front_ring tx;
	uint8_t *tx_mem;
	const uint32_t *tx_ref; /* of each page */
	uint32_t nr_tx;         /* pages: a power of two */
	uint32_t tx_head, tx_nr_free;
	uint8_t tx_free[NET_RING_ENTRIES]; /* a circle, so that ids follow the
					    * ring's order */
	bool tx_busy[NET_RING_ENTRIES];
	uint32_t tx_extras; /* on the ring */
	uint32_t tx_offset; /* within the page of the frame being built */
	uint32_t tx_room;   /* bytes of it; 0: none */

	/* receive; ids are slots of the ring, as all backends expect */
	struct net_front_ring rx;
	uint8_t *rx_mem;
	const uint32_t *rx_ref;
	uint32_t nr_rx;
	uint32_t rx_nr_free;
	uint8_t rx_free[NET_RING_ENTRIES];
	uint8_t rx_at[NET_RING_ENTRIES]; /* the buffer of each slot */

	struct netfront_features can;
	int port_tx, port_rx; /* the same if not split */

	struct grant_pool *ring_pool, *tx_pool, *rx_pool;
	uint32_t tx_ring_ref, rx_ring_ref;
	struct front_events *events; /* the queue's, to unbind */
};

struct netfront_queue {
	/* Not 0: look at next and at the device's status. */
	atomic_uint attention;
	bool tx_starved; /* the caller waits for room to send */
	bool in_poll;    /* receive() runs: no other poll, no change */
	struct netfront_conn *cur; /* NULL: no backend */
	struct netfront *nf;
	unsigned int index;
	struct netfront_stats stats;
	struct front_events events;

	/* From the control thread: a connection, or the mark that there is
	 * none; NULL: no news. */
	_Atomic(struct netfront_conn *) next;
	struct netfront_conn *prepared; /* the control thread's own */
};

/* The control ring; under its lock but for the pool. */
struct netfront_ctrl {
	pthread_mutex_t lock;
	struct grant_pool *pool; /* the ring, and a page for arguments */
	struct net_front_ring ring;
	void *arg;
	uint32_t ring_ref, arg_ref;
	struct front_events events;
	int port;
	bool open;   /* a connected backend takes requests */
	bool broken; /* it did not answer: not used again */
	uint16_t next_id;
};

struct netfront {
	struct front_dev dev;
	struct netfront_options opt; /* with defaults filled in */
	xengntshr_handle *gntshr;
	unsigned int nr_queues;
	struct netfront_queue *queues[NETFRONT_MAX_QUEUES];
	struct netfront_ctrl ctrl;
	uint32_t back_domid; /* the control thread's */
	struct netfront_features offer;
	struct netfront_info info; /* under dev.lock */
};

/* In place of a connection: there is none. */
extern struct netfront_conn netfront_no_conn;

/* ---- netfront_conn.c: what is shared with a backend ---- */

int netfront_conn_create(struct netfront_conn **conn, xengntshr_handle *gntshr,
			 struct front_events *events, uint32_t domid,
			 const struct netfront_features *can);
/* NULL and netfront_no_conn are fine. */
void netfront_conn_destroy(struct netfront_conn *c);

int netfront_queue_create(struct netfront_queue **queue, struct netfront *nf,
			  unsigned int index);
void netfront_queue_destroy(struct netfront_queue *q);
/* Control thread: hand a connection (or netfront_no_conn) over; wakes. */
void netfront_queue_give(struct netfront_queue *q, struct netfront_conn *c);
/* Queue's thread, when attention is raised: the device's status, and cur is
 * what it is to be. */
int netfront_attend(struct netfront_queue *q);

static inline int netfront_check(struct netfront_queue *q)
{
	if (__builtin_expect(atomic_load_explicit(&q->attention,
						  memory_order_relaxed) != 0,
			     0))
		return netfront_attend(q);
	return 0;
}

/* ---- netfront_tx.c, netfront_rx.c ---- */

/* Take responses to transmitted frames; 0 or -EIO: a violation. */
int netfront_reap(struct netfront_queue *q);
/* The end of the interface for what the backend did. */
int netfront_violation(struct netfront_queue *q, const char *what,
		       uint32_t value);
/* Put all free receive buffers on the ring and show them. */
void netfront_refill(struct netfront_conn *c, struct front_events *events,
		     struct netfront_stats *stats);

/* ---- netfront_keys.c: what the two ends tell each other ---- */

int netfront_read_offer(struct xs_store *xs, const char *back,
			struct netfront_features *offer, struct xs_err *err);
/* Write the connection of all queues (their prepared ones) and the state
 * Connected, at once. */
int netfront_write_setup(struct xs_store *xs, const char *front,
			 struct netfront *nf);
/* mac and mtu of the device directory. */
int netfront_read_device(struct xs_store *xs, const char *front,
			 struct netfront_info *info, struct xs_err *err);
int netfront_read_carrier(struct xs_store *xs, const char *back, bool *up,
			  struct xs_err *err);

/* ---- netfront_ctrl.c: the control ring ---- */

/* For a new backend: ring, port; not used before _start(). */
int netfront_ctrl_connect(struct netfront *nf);
void netfront_ctrl_start(struct netfront *nf);
void netfront_ctrl_stop(struct netfront *nf);
void netfront_ctrl_close(struct netfront *nf);
/* Offer all buffers of a connection as static grants; how many were taken, or
 * -errno. */
int netfront_add_static(struct netfront *nf, unsigned int queue,
			const struct netfront_conn *c);

extern const struct front_class netfront_class;

#endif
