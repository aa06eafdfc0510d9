/* SPDX-License-Identifier: MIT */
/*
 * Links: what a NIC is plugged into.  One file a link behind one small
 * interface; a new link is a file and a line in link.c.
 *
 * A link has two halves, as a store has (backend/store.h).  The supervisor
 * opens what the toolstack named and describes it in a struct link_desc: plain
 * data and descriptors, which travel to the worker.  The worker moves frames
 * and opens nothing.
 *
 * A target is SCHEME:REST: tap:NAME (a TAP interface, made if missing; the
 * default, with the name the toolstack gave the vif), user:[OPTIONS] (NAT
 * through libslirp, which runs in a process of its own), memory:WHAT (nothing
 * behind it: sink, echo or source; for tests and benchmarks).
 *
 * Directions are named as seen from the outside world: `send` takes frames
 * that the guest transmitted, `receive` gives frames for the guest.
 */
#ifndef XENSPLIT_BACKEND_LINK_H
#define XENSPLIT_BACKEND_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "backend/io_loop.h"
#include "hypercall/xs_store.h"
#include "ring/net_check.h"

#define LINK_NAME_MAX   16u
#define LINK_LABEL_MAX  96u
#define LINK_MAX_QUEUES 8u
/* iovecs of a frame: the private head, and a piece per slot. */
#define LINK_MAX_IOV (NET_TX_SLOTS_MAX + 1u)

/* Features of frames, as both ends can do them: bits. */
#define LINK_CSUM 0x1u /* partial checksums over TCP and UDP, v4 and v6 */
#define LINK_TSO4 0x2u
#define LINK_TSO6 0x4u
#define LINK_SG   0x8u /* frames longer than an MTU of 1500 */

/*
 * A frame.  Whoever hands it over owns it and the memory behind iov; it stays
 * valid until the call that takes it returns (send), or until the next call of
 * receive or detach on the same ctx (receive).
 */
struct net_frame {
	uint32_t len; /* sum of iov: from the Ethernet header on */
	uint16_t nr_iov;
	uint16_t gso_size; /* bytes of payload a segment; with gso */
	uint8_t gso;       /* enum net_gso */
	bool csum_partial; /* the checksum is to be completed: */
	bool csum_valid;   /* it was checked, or never left this host */
	uint16_t csum_start, csum_offset; /* of csum_partial */
	uint16_t head_len; /* bytes of iov[0] that are private memory of the
			    * sender's: headers may be read from there and
			    * nowhere else */
	struct iovec *iov;
};

/* What the toolstack wants of the link. */
struct link_open_how {
	uint32_t domid;      /* the guest */
	unsigned int queues; /* at most; 1 to LINK_MAX_QUEUES */
	uint32_t mtu;        /* 0: the link's own */
	uint8_t mac[6];      /* the guest's */
};

/* What the supervisor knows of an open link; sent to the worker as it is, the
 * descriptors beside it. */
struct link_desc {
	char link[LINK_NAME_MAX];   /* link_ops.name */
	char label[LINK_LABEL_MAX]; /* the target for people, printable */
	uint32_t mtu;               /* bytes after the Ethernet header */
	uint32_t domid;             /* the guest */
	uint32_t nr_queues;         /* 1 to what link_open_how asked for */
	uint32_t offers; /* LINK_*: what frames to and from it may have */
	uint8_t mac[6];  /* the guest's */
	/* memory: see link_memory.c; count 0: endless */
	uint32_t memory_what, memory_size;
	uint64_t memory_count;
	/* user: its watcher, and whose child that is */
	uint32_t pid, pid_of;
	uint32_t tap_queues; /* tap: those that the kernel uses */
	uint32_t nr_fds;
	int fd[LINK_MAX_QUEUES]; /* one a queue; -1 when closed */
};

/* A link as one queue of a vif uses it; on one loop's thread. */
struct link_ctx {
	const struct link_ops *ops;
	const struct link_desc *desc;
	struct io_loop *loop;
	unsigned int queue;
	/* the user's: frames may be there to receive; called on the loop's
	 * thread after link_arm() */
	void (*readable)(struct link_ctx *ctx);
	void *user;
	uint64_t sent, dropped, received; /* frames */
	void *priv;
};

struct link_ops {
	const char *name, *scheme;

	/* supervisor: open; err says why not, naming the target */
	int (*open)(const char *target, const struct link_open_how *how,
		    struct link_desc *desc, struct xs_err *err);
	/* supervisor: what the connected frontend can take (LINK_*), before
	 * frames move; may be NULL */
	int (*set_features)(struct link_desc *desc, uint32_t features);
	/* supervisor: the first nr queues are in use; may be NULL */
	int (*set_queues)(struct link_desc *desc, unsigned int nr);
	/* supervisor; may be NULL */
	int (*set_mtu)(struct link_desc *desc, uint32_t mtu);
	/* supervisor: whether the guest's side can take frames; may be NULL */
	int (*set_carrier)(struct link_desc *desc, bool up);
	/* supervisor: replace what a worker that died has used up; NULL if
	 * its successor can use the same */
	int (*renew)(const char *target, struct link_desc *desc,
		     struct xs_err *err);
	/* either side: forget what is kept beside the descriptors; may be
	 * NULL */
	void (*close)(struct link_desc *desc);

	/* worker, on the loop's thread */
	int (*attach)(struct link_ctx *ctx, struct xs_err *err);
	void (*detach)(struct link_ctx *ctx);
	/* takes nr frames in order, each whole or not at all; how many went
	 * (the others are lost, as on any wire) */
	unsigned int (*send)(struct link_ctx *ctx,
			     const struct net_frame *frames, unsigned int nr);
	/* at most nr frames for the guest; 0: none now */
	unsigned int (*receive)(struct link_ctx *ctx, struct net_frame *frames,
				unsigned int nr);
	/* have readable() called once when there is something; on: false takes
	 * that back (the guest has no room: frames wait at the link) */
	void (*arm)(struct link_ctx *ctx, bool on);
};

/* Supervisor.  On success the caller owns desc->fd[] and what else is open;
 * link_close() gives all of it back.  0 or -errno with err set; nothing stays
 * open after an error. */
int link_open(const char *target, const struct link_open_how *how,
	      struct link_desc *desc, struct xs_err *err);
/* Supervisor and worker; a zeroed desc is fine, and so is closing twice. */
void link_close(struct link_desc *desc);
/* Supervisor: what frames for the guest may have from now on (LINK_*).  Those
 * that wait at the link already may still have more. */
int link_set_features(struct link_desc *desc, uint32_t features);
/* Supervisor: the guest uses queues 0 to nr - 1 of desc->nr_queues; before
 * they are attached.  Frames come to no other. */
int link_set_queues(struct link_desc *desc, unsigned int nr);
/* Supervisor: change the link's MTU (68 to 65535 - 14), and desc->mtu. */
int link_set_mtu(struct link_desc *desc, uint32_t mtu);
int link_set_carrier(struct link_desc *desc, bool up);
/* Supervisor: before a worker takes over from one that died. */
int link_renew(const char *target, struct link_desc *desc, struct xs_err *err);

/* Worker, on the loop's thread; ctx->readable and user are set by the caller
 * before, the rest is zeroed here.  desc outlives the ctx, and stays open
 * between a detach and the next attach.  A queue is attached once at a time. */
int link_attach(struct link_ctx *ctx, const struct link_desc *desc,
		unsigned int queue, struct io_loop *loop, struct xs_err *err);
void link_detach(struct link_ctx *ctx);
unsigned int link_send(struct link_ctx *ctx, const struct net_frame *frames,
		       unsigned int nr);
unsigned int link_receive(struct link_ctx *ctx, struct net_frame *frames,
			  unsigned int nr);
/* Cheap when nothing changes.  readable() never runs within this call. */
void link_arm(struct link_ctx *ctx, bool on);

extern const struct link_ops link_tap, link_user, link_memory;

#endif
