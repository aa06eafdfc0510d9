/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor and a worker say to each other, over a SOCK_SEQPACKET
 * socketpair, one struct a packet, descriptors beside it.
 *
 * The supervisor asks, the worker answers each question once with the same
 * seq (not necessarily in order: a disconnect may take long).  The worker also
 * sends events of its own (seq 0).  The supervisor trusts nothing a worker
 * says beyond the device it is about: a worker that was broken into can lie
 * about its own guest's disks only.
 */
#ifndef XENSPLIT_BACKEND_WORKER_PROTO_H
#define XENSPLIT_BACKEND_WORKER_PROTO_H

#include <stdint.h>

#include "backend/blk_stats.h"
#include "backend/store.h"
#include "backend/uring_ring.h"
#include "ring/blk_check.h"

#define WORKER_FD          3 /* the socket, in a worker */
#define WORKER_MAX_FDS     8u
#define WORKER_DEVICE_NAME 48u

enum worker_op {
	/* supervisor to worker */
	WORKER_START = 1,      /* start; before all else, and not answered */
	WORKER_BLK_ADD,        /* add; fds: stats memfd, then the store's */
	WORKER_BLK_CONNECT,    /* connect; fd: journal memfd */
	WORKER_BLK_DISCONNECT, /* disconnect; answered when all is unmapped */
	WORKER_BLK_REMOVE,     /* disconnected before */
	WORKER_BLK_RESIZE,     /* resize */
	/* worker to supervisor */
	WORKER_ANSWER = 64,   /* seq of the question; err, text */
	WORKER_READY,         /* seq 0: handles are open, privileges dropped */
	WORKER_BLK_VIOLATION, /* seq 0: text; the rings of `device` are given
			       * back already */
};

/* The io_urings that the worker inherited, as WORKER_FD + 1 and following: one
 * a data thread, or none. */
#define WORKER_MAX_LOOPS 4u
struct worker_start {
	uint32_t nr_loops, nr_rings;
	struct io_uring_params ring[WORKER_MAX_LOOPS];
};

struct worker_blk_add {
	char name[WORKER_DEVICE_NAME]; /* "vbd/2/51712", for the log */
	struct store_desc store;
	struct blk_limits limits;
};

struct worker_blk_queue {
	uint32_t ring_ref[BLK_RING_MAX_PAGES];
	uint32_t event_channel;
};

struct worker_blk_connect {
	uint32_t fe_domid, abi, nr_queues, ring_pages;
	uint32_t persistent; /* frontend keeps its grants */
	uint32_t resume;     /* the journal is of a worker that died */
	struct worker_blk_queue queue[BLK_MAX_QUEUES];
};

struct worker_blk_disconnect {
	uint32_t abort; /* answer what is in flight with errors, now */
};

struct worker_blk_resize {
	uint64_t size_bytes;
};

struct worker_msg {
	uint32_t op;
	uint32_t seq;
	uint32_t device; /* the supervisor's number of the device */
	int32_t err;     /* answers: 0 or -errno */
	union {
		struct worker_start start;
		struct worker_blk_add add;
		struct worker_blk_connect connect;
		struct worker_blk_disconnect disconnect;
		struct worker_blk_resize resize;
		char text[XS_ERR_MAX]; /* answers and events: a reason */
	};
};

/* Send or receive one packet; 0 or -errno (-ECONNRESET: the other end went).
 * Received descriptors are close-on-exec and the caller's; *nr_fds: in room,
 * out count. Too many, or a short packet: -EPROTO, and none is kept. */
int worker_send(int sock, const struct worker_msg *msg, const int *fds,
		unsigned int nr_fds);
int worker_recv(int sock, struct worker_msg *msg, int *fds,
		unsigned int *nr_fds);

#endif
