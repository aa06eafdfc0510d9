/* SPDX-License-Identifier: MIT */
/*
 * Inside xenlocald, the hypervisor process: domains, handles, and how a
 * message reaches the function that handles it.
 *
 * xenlocald is one thread round one epoll loop.  No handler may block; what a
 * domain sends (also descriptors) can be anything.  To add an operation: add
 * it to wire.h, declare op_NAME() at the end of this file, add a line to the
 * table in dispatch.c.
 */
#ifndef XENSPLIT_LOCAL_XENLOCALD_H
#define XENSPLIT_LOCAL_XENLOCALD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "wire.h"

/* Limits of one domain; what exceeds them gets -EMFILE, and a log line. */
#define MAX_HANDLES 1024u
#define MAX_MAPS    262144u /* granted pages mapped at a time */

struct domain;
struct handle;
struct share;
struct channel;

/* --- log.c: lines to stderr, with time and domain ----------------------- */

/* d may be NULL.  A domain's lines are limited: 20 at once, 1 a second. */
void log_line(struct domain *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
uint64_t now_ms(void); /* CLOCK_MONOTONIC */

/* --- idtab.c: small integers for pointers ------------------------------- */

/* Ids count from 1, so 0 is never valid.  All-zero is an empty table. */
struct idtab {
	void **slot;    /* slot[i]: pointer of id i + 1, or NULL */
	uint32_t *free; /* stack of free slots */
	uint32_t size, nr_free;
};

uint32_t idtab_add(struct idtab *t, void *ptr);      /* 0: out of memory */
void *idtab_get(const struct idtab *t, uint32_t id); /* NULL: not there */
void idtab_del(struct idtab *t, uint32_t id);
void idtab_free(struct idtab *t); /* the table, not what it points to */

/* --- dispatch.c: handles and messages ------------------------------------ */

enum handle_kind {
	HANDLE_LIBRARY,  /* a library in a domain; or the device model's */
	HANDLE_DOMAIN,   /* the domain socket */
	HANDLE_LISTENER, /* the control socket itself */
	HANDLE_CONTROL,  /* a connection to it */
};

struct port;
LIST_HEAD(port_list, port);

struct handle {
	enum handle_kind kind;
	int fd;
	struct domain *dom;      /* NULL on control */
	pid_t pid;               /* who opened it, for logs and status */
	bool dead;               /* freed at the end of the loop's round */
	uint32_t restrict_domid; /* WIRE_DOMID_NONE, or the only domain */
	struct port_list ports;
	struct idtab shares; /* struct share, gnttab.c */
	struct idtab maps;   /* struct mapping, gnttab.c */
	bool xenbus;         /* claimed the domain's xenbus */
	void *device;        /* device.c's */
	char *status;        /* WIRE_CTL_STATUS: the text being read */
	uint32_t status_len;
	LIST_ENTRY(handle) link; /* of dom->handles, or the control list */
};
LIST_HEAD(handle_list, handle);

/* One message being handled. */
struct request {
	struct handle *h;
	struct domain *dom;         /* h->dom; NULL on control */
	const struct wire_msg *msg; /* a private copy; payload_len checked */
	const uint8_t *in;          /* payload, msg->payload_len bytes */
	struct wire_msg *reply; /* zeroed; err is set from the return value */
	uint8_t *out;           /* payload of the reply: WIRE_MAX_PAYLOAD */
	uint32_t out_len;
	int in_fd[WIRE_MAX_FDS]; /* closed after, unless request_take_fd() */
	uint32_t nr_in_fds;
	int out_fd[WIRE_MAX_FDS];
	bool out_close[WIRE_MAX_FDS];
	uint32_t nr_out_fds;
};

/* Returns 0 or -errno; with an error no descriptors are sent. */
typedef int op_fn(struct request *rq);

enum {
	OP_LIBRARY = 1,    /* accepted on a library's handle */
	OP_CONTROL = 2,    /* accepted on the control socket */
	OP_DOMAIN = 4,     /* accepted on a domain socket */
	OP_PRIVILEGED = 8, /* library's handle: of a privileged domain only */
};

/* Own descriptor i of the request; -EPROTO if there is none. */
int request_take_fd(struct request *rq, uint32_t i);
/*
 * Send fd along; close_after: it is the reply's to close (also on failure).
 * Returns its index in the reply, or -ENOSPC.
 */
int request_put_fd(struct request *rq, int fd, bool close_after);
/* Close what a domain sent and is not what it should be; never blocks. */
void close_untrusted(int fd);

struct handle *handle_add(enum handle_kind kind, int fd, struct domain *dom);
/* Cut it and release all that was made through it. */
void handle_close(struct handle *h);
int dispatch_init(void); /* the epoll descriptor */
/* Serve one round; timeout_ms as of epoll_wait(2). */
void dispatch_round(int timeout_ms);
/* Call fn when fd is readable (signals). */
int dispatch_watch(int fd, void (*fn)(int fd));
void dispatch_destroy(void); /* at the end: close the control handles */

/* --- domain.c ------------------------------------------------------------- */

struct domain {
	uint32_t domid;
	char name[64];
	bool privileged;
	bool dying;
	uint8_t uuid[16];
	uint64_t created_ms; /* now_ms() */
	uint32_t nr_fds;     /* domain_charge() */
	int client_fd;       /* domain socket, to hand out */
	struct handle_list handles;
	uint32_t nr_handles;

	/* for domctl and sysctl; nothing else looks at them */
	bool paused, shutdown;
	uint32_t shutdown_code;
	uint64_t max_pages;

	/* evtchn.c */
	struct port *port[WIRE_MAX_PORTS];
	uint32_t nr_ports, next_port;

	/* gnttab.c */
	struct grant *grant; /* WIRE_GRANT_REFS of them */
	uint64_t *ref_used;  /* bitmap of references */
	uint32_t next_ref, nr_refs;
	uint32_t nr_frames; /* numbers given out, ever */
	LIST_HEAD(share_list, share) shares;
	LIST_HEAD(view_list, view) views; /* what others grant to this domain */
	uint32_t nr_shares, nr_maps;

	/* the guest's xenbus */
	struct share *xenstore_share;
	uint32_t xenstore_gfn, xenstore_port;
	struct handle *xenbus; /* who claimed it */

	struct { /* since creation, for status */
		uint64_t maps, unmaps, shares, windows, binds, messages;
		uint64_t refused;
	} count;

	struct { /* log.c */
		uint64_t ms;
		uint32_t tokens, dropped;
	} log;

	void *iommu; /* iommu.c's */
};

/* WIRE_DOMID_SELF is not resolved.  NULL: no such domain. */
struct domain *domain_find(uint32_t domid);
/* The first domain whose id is at least from, or NULL. */
struct domain *domain_next(uint32_t from);
uint32_t domain_count(void);
/*
 * domid: WIRE_DOMID_SELF for the next free one.  The name need not be unique;
 * it is cut and cleaned of what is not printable.  0 or -errno: -EEXIST,
 * -EINVAL (a reserved id), ...
 */
int domain_create(uint32_t domid, const char *name, bool privileged,
		  struct domain **out);
/* Cuts its handles, closes its ports, clears its grants; frees d. */
void domain_destroy(struct domain *d);
/*
 * Count descriptors that xenlocald keeps for d against its part of them, so
 * that one domain cannot use up those of the others; false (and a log line
 * that says what) when there are no more.
 */
bool domain_charge(struct domain *d, uint32_t fds, const char *what);
void domain_uncharge(struct domain *d, uint32_t fds);
/* Resolve WIRE_DOMID_SELF, and check the handle's restriction.  -EPERM. */
int request_domid(const struct request *rq, uint32_t domid, uint32_t *out);

/* --- evtchn.c ---------------------------------------------------------------
 */

/* An unbound port that no handle owns (the kernel's own).  Port or -errno. */
int evtchn_alloc_kernel(struct domain *d, uint32_t remote_domid);
/* Put port, side and descriptors of a port into the reply.  0 or -errno. */
int evtchn_hand_out(struct request *rq, struct domain *d, uint32_t port);
/* Set a port's own event pending and unmasked: its user may be a new one. */
void evtchn_kick(struct domain *d, uint32_t port);
/* Raise a global VIRQ (VIRQ_DOM_EXC, ...) to the port bound to it. */
void virq_raise_global(uint32_t virq);
void evtchn_handle_release(struct handle *h);
void evtchn_domain_release(struct domain *d);

/* A port that an unmap notification uses: open until put, though its handle
 * closes before (all handles of a dying process close in any order). */
struct port *evtchn_get(struct domain *d, uint32_t port);
void evtchn_put(struct port *p, bool send);

/* For the status text: state is a word, as lsevtchn says it. */
struct port_info {
	const char *state;
	uint32_t remote_domid, remote_port, virq;
};
bool evtchn_info(struct domain *d, uint32_t port, struct port_info *info);

/* --- gnttab.c, gnttab_map.c, view.c ------------------------------------------
 */

/*
 * Frame numbers are of the whole machine and never used again; a granted
 * page's frame is also its bus address (frame << 12) for devices.
 */
struct frame {
	struct share *share; /* keeps the page; see frame_get() */
	uint32_t number;     /* frame number */
	uint32_t page;       /* page of the memfd */
	int fd;              /* the memfd; the share's */
	bool writable;       /* the grant is */
};

/*
 * The frame that domain d has granted to anyone (its "own" memory), by frame
 * number.  0, or -ENOENT.  The result is valid until the loop's next round
 * unless frame_get() holds it.
 */
int frame_find(struct domain *d, uint32_t number, struct frame *f);
/* By grant reference.  grantee: WIRE_DOMID_NONE for whoever. */
int frame_by_ref(struct domain *granter, uint32_t ref, uint32_t grantee,
		 struct frame *f);
void frame_get(const struct frame *f);
void frame_put(const struct frame *f);
/*
 * Copy len bytes at byte off of the frame, len + off <= WIRE_PAGE_SIZE, to or
 * from buf.  Through a short mapping: write(2) could be made to wait by a
 * domain that holds the file's lock.  0 or -errno.
 */
int frame_access(const struct frame *f, uint32_t off, void *buf, uint32_t len,
		 bool write);

/* A page of xenlocald's own making, granted by d as reference ref. */
int gnttab_grant_kernel(struct domain *d, uint32_t ref, uint32_t grantee,
			struct share **out, uint32_t *frame);
int share_fd(const struct share *s);
void gnttab_handle_release(struct handle *h);
void gnttab_domain_release(struct domain *d);

/* --- iommu.c, device.c: called by the core, always
 * ---------------------------- */

/*
 * A grant was mapped in domain d (once for each mapping), or such a mapping
 * has gone; the page may be mapped several times, readable or writable.  The
 * frame stays valid between the two calls.  A failure fails the mapping.
 */
int iommu_map_frame(struct domain *d, const struct frame *f, bool writable);
void iommu_unmap_frame(struct domain *d, const struct frame *f, bool writable);
/* Domain d granted its own pages, or took the grants back. */
int iommu_own_frame(struct domain *d, const struct frame *f);
void iommu_disown_frame(struct domain *d, const struct frame *f);
/* d is going; its mappings have been unmapped by then. */
void iommu_domain_release(struct domain *d);
/* h is closing; h->device may be set. */
void device_handle_release(struct handle *h);

/* --- control.c
 * ------------------------------------------------------------------ */

/* xenlocald was asked to end. */
extern bool shutting_down;

/* --- the operations: one function each, in the file named
 * ------------------------ */

op_fn op_open, op_domain_self, op_restrict; /* dispatch.c */

op_fn op_evtchn_alloc_unbound, op_evtchn_bind_interdomain; /* evtchn.c */
op_fn op_evtchn_bind_virq, op_evtchn_unbind, op_evtchn_reopen;
op_fn op_xenbus_claim, op_xenbus_info; /* domain.c */

op_fn op_gnttab_share, op_gnttab_unshare; /* gnttab.c */
op_fn op_gnttab_share_notify, op_gnttab_share_refs;
op_fn op_gnttab_map, op_gnttab_unmap; /* gnttab_map.c */
op_fn op_gnttab_map_notify, op_gnttab_window;

op_fn op_hypercall, op_foreign_map;                      /* hypercall.c, ... */
op_fn op_device_register, op_device_dma, op_device_open; /* device.c */

op_fn op_ctl_domain_create, op_ctl_domain_destroy; /* control.c */
op_fn op_ctl_domain_socket, op_ctl_status, op_ctl_shutdown;

#endif
