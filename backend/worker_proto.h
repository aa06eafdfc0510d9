/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor and a worker say to each other, over a SOCK_SEQPACKET
 * socketpair, one struct a packet, descriptors beside it.
 *
 * The supervisor asks, the worker answers each question once with the same
 * seq (not necessarily in order: a disconnect may take long).  The worker also
 * sends events of its own (seq 0).  The supervisor trusts nothing a worker
 * says beyond the device it is about: a worker that was broken into can lie
 * about its own guest's disks and NICs only.
 */
#ifndef XENSPLIT_BACKEND_WORKER_PROTO_H
#define XENSPLIT_BACKEND_WORKER_PROTO_H

#include <stdint.h>

#include "backend/blk_stats.h"
#include "backend/link.h"
#include "backend/net_policy.h"
#include "backend/net_stats.h"
#include "backend/store.h"
#include "backend/uring_ring.h"
#include "ring/blk_check.h"

#define WORKER_FD          3 /* the socket, in a worker */
#define WORKER_MAX_FDS     12u
#define WORKER_DEVICE_NAME 48u

enum worker_op {
	/* supervisor to worker */
	WORKER_START = 1,      /* start; before all else, and not answered */
	WORKER_BLK_ADD,        /* add; fds: stats memfd, then the store's */
	WORKER_BLK_CONNECT,    /* connect; fd: journal memfd */
	WORKER_BLK_DISCONNECT, /* disconnect; answered when all is unmapped */
	WORKER_BLK_REMOVE,     /* disconnected before */
	WORKER_BLK_RESIZE,     /* resize */
	WORKER_NET_ADD,        /* net_add; fds: stats memfd, then the link's */
	WORKER_NET_CONNECT,    /* net_connect */
	WORKER_NET_DISCONNECT, /* answered when all is unmapped */
	WORKER_NET_REMOVE,     /* disconnected before */
	WORKER_NET_POLICY,     /* net_policy: from the next frame on */
	WORKER_NET_PCAP,       /* net_pcap; fd: the file, or none: stop */
	WORKER_NET_MCAST,      /* net_mcast: the filter, while connected */
	/* worker to supervisor */
	WORKER_ANSWER = 64,   /* seq of the question; err, text */
	WORKER_READY,         /* seq 0: handles are open, privileges dropped;
			       * fd: its companion's pidfd, if it has one */
	WORKER_BLK_VIOLATION, /* seq 0: text; the rings of `device` are given
			       * back already */
	WORKER_NET_VIOLATION, /* the same, of a NIC */
	WORKER_NET_CARRIER,   /* seq 0: err 0 the guest does not take frames,
			       * 1 it does again */
};

/* The io_urings that the worker inherited, as WORKER_FD + 1 and following: one
 * a data thread, or none. */
#define WORKER_MAX_LOOPS 4u
/* behind them, if it has one, the socket of its companion (mem_keeper.h) */
#define WORKER_KEEPER_FD (WORKER_FD + 1 + (int)WORKER_MAX_LOOPS)
struct worker_start {
	uint32_t nr_loops, nr_rings, has_keeper;
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

struct worker_net_add {
	char name[WORKER_DEVICE_NAME]; /* "vif/2/0", for the log */
	struct link_desc link;
	struct net_policy_settings policy;
};

struct worker_net_queue {
	uint32_t tx_ref, rx_ref;
	uint32_t evtchn_tx, evtchn_rx; /* the same number: one for both */
};

struct worker_net_connect {
	uint32_t fe_domid, nr_queues;
	uint32_t features;       /* LINK_*: frames that the guest takes */
	uint32_t sg, gso4, gso6; /* what it may transmit */
	uint32_t csum4, csum6; /* the guest takes partial checksums of v4, v6 */
	uint32_t rx_notify;    /* feature-rx-notify */
	uint32_t mcast_control;
	uint32_t resume; /* a worker died with these rings */
	uint32_t has_ctrl, ctrl_ref, ctrl_evtchn;
	struct worker_net_queue queue[NET_MAX_QUEUES];
};

struct worker_net_pcap {
	uint32_t snap_len;
};

struct worker_net_mcast {
	uint32_t on; /* request-multicast-control */
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
		struct worker_net_add net_add;
		struct worker_net_connect net_connect;
		struct net_policy_settings net_policy;
		struct worker_net_pcap net_pcap;
		struct worker_net_mcast net_mcast;
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
