/* SPDX-License-Identifier: MIT */
/*
 * What the libraries of embedded Xen say to the hypervisor process,
 * xenlocald, and what both keep in shared memory.
 *
 * Private to hypercall/local/: nothing outside this folder includes it.
 *
 * Three kinds of SOCK_SEQPACKET Unix sockets, one message a packet:
 *
 *  - The domain socket.  A process is in domain N because it inherited this
 *    socket (its number is in $XENLOCAL_FD; the number gives no authority, the
 *    descriptor does).  All processes of a domain share it, so nothing is ever
 *    answered on it.  The one message it takes is WIRE_OPEN, which carries the
 *    server's end of a socketpair that the process just made.
 *
 *  - A handle, the other end of that pair: one open xencall, xenevtchn,
 *    xengnttab, ... handle.  Strictly request, reply; the library holds a lock
 *    over the two.  When it closes (the process closed the handle, or died)
 *    xenlocald releases all that was made through it.
 *
 *  - The control socket, $XENLOCAL_RUNDIR/control: for xenlocal(1), the
 *    host's administrator.  Also request, reply.
 *
 * Every message is copied into private memory before it is looked at; counts
 * are bounded by the WIRE_MAX_* below on both sides.
 */
#ifndef XENSPLIT_LOCAL_WIRE_H
#define XENSPLIT_LOCAL_WIRE_H

#include <stdatomic.h>
#include <stdint.h>

#define WIRE_FD_ENV      "XENLOCAL_FD"
#define WIRE_PAGE_SIZE   4096u
#define WIRE_MAX_REFS    128u   /* grant references in one message */
#define WIRE_MAX_FDS     128u   /* descriptors in one message (kernel: 253) */
#define WIRE_MAX_PAYLOAD 8192u  /* hypercall bytes in one message, each way */
#define WIRE_MAX_SHARE   65536u /* pages in one share call */
#define WIRE_GRANT_REFS  32768u /* v1 entries in 64 frames, as Xen's default */
#define WIRE_NR_RESERVED 8u     /* GNTTAB_NR_RESERVED_ENTRIES */
#define WIRE_MAX_PORTS   4096u  /* two-level event channels, 64 bit */
#define WIRE_DOMID_SELF  0x7ff0u
#define WIRE_DOMID_NONE  0x7ff4u /* DOMID_INVALID */

enum wire_op {
	/* domain socket; fd 0: the server's end of a new socketpair */
	WIRE_OPEN = 1,

	/* any handle */
	WIRE_DOMAIN_SELF, /* -> reply.domid */
	WIRE_RESTRICT,    /* domid: from now on only to affect that domain */

	/* event channels: a port belongs to the handle that made it */
	WIRE_EVTCHN_ALLOC_UNBOUND = 16, /* evtchn.remote_domid -> evtchn */
	WIRE_EVTCHN_BIND_INTERDOMAIN, /* evtchn.remote_{domid,port} -> evtchn */
	WIRE_EVTCHN_BIND_VIRQ,        /* evtchn.virq -> evtchn */
	WIRE_EVTCHN_UNBIND,           /* evtchn.port */
	WIRE_EVTCHN_RESTRICT,         /* evtchn.remote_domid */
	WIRE_XENBUS_CLAIM,  /* the guest kernel's xenstore page and port ->
			     * evtchn, fds: as evtchn, then the page's memfd.
			     * Both go on living when the claimer's handle
			     * closes; the next claimer gets the same. */
	WIRE_EVTCHN_REOPEN, /* evtchn.port of this handle -> evtchn, fds: for
			     * a process that inherited the handle by exec */
	WIRE_XENBUS_INFO,   /* domain 0 only, claims nothing: what
			     * /proc/xen/xsd_port and xsd_kva tell xenstored ->
			     * evtchn.port, fd 0: the page's memfd */

	/* grants, owner's side */
	WIRE_GNTTAB_SHARE = 32,   /* share; fd 0: sealed memfd -> share */
	WIRE_GNTTAB_UNSHARE,      /* share.share_id */
	WIRE_GNTTAB_SHARE_NOTIFY, /* notify, on unshare or death */
	WIRE_GNTTAB_SHARE_REFS,   /* share.{share_id,first_page} -> payload:
				   * uint32_t references from that page on */

	/* grants, grantee's side */
	WIRE_GNTTAB_MAP,        /* map -> mapped, fds */
	WIRE_GNTTAB_UNMAP,      /* unmap */
	WIRE_GNTTAB_MAP_NOTIFY, /* notify, on unmap or death */
	WIRE_GNTTAB_WINDOW,     /* window: what a copy needs -> window, fds */

	/* everything else that libxenctrl asks for */
	WIRE_HYPERCALL = 48, /* hypercall, payload -> hypercall, payload */
	WIRE_FOREIGN_MAP,    /* foreign: frames of another domain -> fds */

	/* devices behind the IOMMU: the device model's handle */
	WIRE_DEVICE_REGISTER = 64, /* device.sbdf; control socket only */
	WIRE_DEVICE_DMA,           /* dma, payload -> dma, payload */
	WIRE_DEVICE_OPEN, /* owner: device.sbdf -> fd 0: socket to the model */

	/* control socket only */
	WIRE_CTL_DOMAIN_CREATE = 80, /* domain -> domain */
	WIRE_CTL_DOMAIN_DESTROY,     /* domain.domid */
	WIRE_CTL_DOMAIN_SOCKET,      /* domain.domid -> fd 0: domain socket */
	WIRE_CTL_STATUS,             /* -> payload: JSON text, in pieces */
	WIRE_CTL_SHUTDOWN,
};

/*
 * An event channel in shared memory: one page for both directions, and a bell.
 * word[s] is what side s has to hear of.  A sender sets PENDING in the other
 * side's word and rings only if the word was 0 before.  The receiver delivers
 * by exchanging PENDING for MASKED and unmasks by clearing MASKED; if PENDING
 * came in between it has an event at once, and nobody rings.  chan.h does all
 * of this for the libraries.
 *
 * The bell is an end of a Unix stream socket pair; to ring is to send one byte
 * with MSG_DONTWAIT | MSG_NOSIGNAL, and a full socket has been rung already.
 * An eventfd would be cheaper, but both domains would share one file
 * description, and a hostile one could clear O_NONBLOCK and fill the counter,
 * so that every notify of its peer blocks for ever (a pipe's reader can do the
 * same with the pipe's lock).  A socket's ends are apart.  The receiver waits
 * with EPOLLET and reads only so often that the socket never fills.
 *
 * cpu[s] is the CPU, plus one, where side s last sent or took an event: a hint
 * for whoever serves it, and nothing else.
 *
 * Whatever a peer scribbles here disturbs this one channel and no other.
 *
 * The creator (alloc_unbound, virq) is side 0; the binder is side 1.  When one
 * side's port closes, the other is unbound and keeps page and bell; who binds
 * it again gets the free side, with the same descriptors.
 */
#define WIRE_EVT_PENDING 1u
#define WIRE_EVT_MASKED  2u
struct wire_evtchn_page {
	struct {
		_Alignas(64) atomic_uint word;
	} side[2];
	_Alignas(64) atomic_uint cpu[2];
};
/* order of the descriptors in an event channel's reply */
enum { WIRE_EVT_FD_PAGE, WIRE_EVT_FD_BELL, WIRE_EVT_NR_FDS };

struct wire_evtchn {
	uint32_t port, remote_domid, remote_port, virq;
	uint32_t side; /* reply: which side of the page the caller is */
};

/*
 * Grants.  xengntshr_share_pages makes one memfd a call, sealed against
 * shrinking, growing and further seals (and against future writable mappings
 * where the grant is read-only), so all pages of one memfd were shared with
 * one domain by one call, and a grantee that gets the descriptor gets nothing
 * else.  The owner keeps the mapping it made before sealing.
 *
 * For each pair (granter, grantee) xenlocald keeps a view: a memfd of
 * WIRE_GRANT_REFS grant_entry_v1_t, entry r being reference r if and only if
 * it is granted to that grantee.  xenlocald alone can write it (sealed with
 * F_SEAL_FUTURE_WRITE after xenlocald mapped it); the grantee's library maps
 * it to check every copy against the live entry, so a revoked grant fails at
 * once.  The entry's frame is a number that is never used again.
 */
struct wire_share {
	uint32_t domid, count, writable;
	uint32_t share_id;   /* reply */
	uint32_t first_ref;  /* reply: `count` consecutive references... */
	uint32_t scattered;  /* ...unless this: ask with SHARE_REFS */
	uint32_t first_page; /* SHARE_REFS: references from here on */
	uint32_t stage;      /* WIRE_SHARE_* */
};
/*
 * A read-only grant's memfd cannot be written by xenlocald either, but it has
 * to clear the byte of an unmap notification.  So such a page is shared in two
 * steps: PREPARE sends it sealed against resizing only, xenlocald maps it,
 * the library adds the other seals, and COMMIT (by share_id) checks them and
 * grants.  Everything else is done in one step, with all seals in place.
 */
enum { WIRE_SHARE_AT_ONCE, WIRE_SHARE_PREPARE, WIRE_SHARE_COMMIT };

struct wire_map {
	uint32_t count, writable;
	struct {
		uint32_t domid, ref;
	} ref[WIRE_MAX_REFS];
};

struct wire_mapped {
	uint32_t count;
	int32_t failed_index; /* with reply.err: which reference it was */
	struct {
		uint32_t handle;   /* to unmap with */
		uint16_t fd_index; /* into the reply's descriptors */
		uint16_t pad;
		uint32_t page; /* within that memfd */
	} page[WIRE_MAX_REFS];
};

struct wire_unmap {
	uint32_t count;
	uint32_t handle[WIRE_MAX_REFS];
};

/* on unmap, unshare or death: clear a byte in the page, and/or send an event */
struct wire_notify {
	uint32_t handle_or_share; /* of the page, as the op says */
	uint32_t page;            /* for a share: which page */
	uint32_t clear_byte, offset;
	uint32_t send_event, port;
};

struct wire_window {
	uint32_t domid, ref, writable;
	uint32_t want_view;   /* fd 1 of the reply is the pair's view */
	uint32_t frame, page; /* reply: entry's frame; page within fd 0 */
	uint32_t nr_pages;    /* reply: of fd 0; their frames are consecutive */
};

struct wire_hypercall {
	uint32_t op, len; /* hypercall number; bytes of payload */
	uint64_t arg[5];
	int64_t result;
};

struct wire_foreign {
	uint32_t domid, count, prot;
	uint64_t gfn[WIRE_MAX_REFS];
	int32_t err[WIRE_MAX_REFS]; /* reply; 0: next descriptor, page below */
	uint16_t fd_index[WIRE_MAX_REFS];
	uint32_t page[WIRE_MAX_REFS];
};

struct wire_device {
	uint32_t sbdf;
};

struct wire_dma {
	uint64_t bus_addr;
	uint32_t len, write; /* write: device to memory */
};

struct wire_domain {
	uint32_t domid; /* create: WIRE_DOMID_SELF for the next free one */
	uint32_t privileged;
	uint32_t xenstore_gfn, xenstore_port; /* create's reply */
	char name[64];
};

struct wire_msg {
	uint32_t op;
	int32_t err;     /* reply: 0 or -errno */
	uint32_t offset; /* WIRE_CTL_STATUS: where to go on; reply: total */
	uint32_t payload_len; /* bytes after the struct in the packet */
	union {
		uint32_t domid;
		struct wire_evtchn evtchn;
		struct wire_share share;
		struct wire_map map;
		struct wire_mapped mapped;
		struct wire_unmap unmap;
		struct wire_notify notify;
		struct wire_window window;
		struct wire_hypercall hypercall;
		struct wire_foreign foreign;
		struct wire_device device;
		struct wire_dma dma;
		struct wire_domain domain;
	};
};

#endif
