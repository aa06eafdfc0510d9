// SPDX-License-Identifier: MIT
/*
 * libxencall.so.1 of embedded Xen: hypercalls as messages to xenlocald.
 *
 * What memory goes along is call_marshal.c's knowledge; what a hypercall does
 * is xenlocald's.  Two are taken apart here, because they are made of several:
 * multicall, and a list of domains that is longer than a message.
 *
 * Any thread may call through one handle; calls are then made one at a time.
 */
#define __XEN_TOOLS__ 1
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xencall.h>
#include <xentoollog.h>
#include <xen/sysctl.h>

#include "active_handle.h"
#include "callbuf.h"
#include "client.h"

struct xencall_handle {
	struct active_handle active;
	struct client client;
};

static int restrict_handle(struct active_handle *ah, domid_t domid)
{
	struct xencall_handle *xcall = ACTIVE_CONTAINER(ah,
							struct xencall_handle);

	/* as Xen's own: no hypercall at all once restricted */
	(void)domid;
	return xentoolcore__restrict_by_dup2_null(xcall->client.fd);
}

xencall_handle *xencall_open(struct xentoollog_logger *logger,
			     unsigned open_flags)
{
	struct xencall_handle *xcall = calloc(1, sizeof(*xcall));
	int rc;

	(void)open_flags; /* NON_REENTRANT is only about a buffer cache */
	if (!xcall)
		return NULL;
	xcall->client.fd = -1;
	xcall->active.restrict_callback = restrict_handle;
	xentoolcore__register_active_handle(&xcall->active);
	rc = client_open(&xcall->client, true);
	if (rc) {
		xentoolcore__deregister_active_handle(&xcall->active);
		active_log_failure(logger, "xencall", rc);
		free(xcall);
		errno = -rc;
		return NULL;
	}
	return xcall;
}

int xencall_close(xencall_handle *xcall)
{
	if (!xcall)
		return 0;
	xentoolcore__deregister_active_handle(&xcall->active);
	client_close(&xcall->client);
	free(xcall);
	return 0;
}

int xencall_fd(xencall_handle *xcall)
{
	return xcall->client.fd;
}

struct call_space {
	uint8_t out[WIRE_MAX_PAYLOAD], in[WIRE_MAX_PAYLOAD];
};

/* Fill the request's payload.  What there is no room for is cut. */
static uint32_t pack(const struct callbuf *buf, uint32_t nr, uint8_t *payload)
{
	struct callbuf_head head = {.nr = nr};
	uint32_t used = sizeof(head), room;

	room = WIRE_MAX_PAYLOAD - sizeof(struct callbuf_reply);
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t in = buf[i].dir & CALLBUF_IN ? buf[i].len : 0;
		uint32_t out = buf[i].dir & CALLBUF_OUT ? buf[i].len : 0;

		if (in > WIRE_MAX_PAYLOAD - used)
			in = WIRE_MAX_PAYLOAD - used;
		if (out > room)
			out = room;
		memcpy(payload + used, buf[i].addr, in);
		used += in;
		room -= out;
		head.buf[i].in_len = in;
		head.buf[i].out_max = out;
	}
	memcpy(payload, &head, sizeof(head));
	return used;
}

/* Put the reply's bytes where the caller wants them. */
static int unpack(const struct callbuf *buf, uint32_t nr,
		  const uint8_t *payload, uint32_t len)
{
	struct callbuf_reply reply;
	uint32_t used = sizeof(reply);

	if (len < sizeof(reply))
		return len ? -EPROTO : 0;
	memcpy(&reply, payload, sizeof(reply));
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t out = reply.out_len[i];

		if (!(buf[i].dir & CALLBUF_OUT) || !out)
			continue;
		if (out > buf[i].len || out > len - used)
			return -EPROTO;
		memcpy(buf[i].addr, payload + used, out);
		used += out;
	}
	return 0;
}

/* The result, or -errno. */
static int64_t call_once(struct xencall_handle *xcall, uint32_t op,
			 const uint64_t arg[5])
{
	struct callbuf buf[CALLBUF_MAX];
	struct call_space space;
	struct wire_msg msg = {.op = WIRE_HYPERCALL};
	struct client_io io = {
		.payload = space.out,
		.reply_payload = space.in,
		.reply_max = sizeof(space.in),
	};
	int nr = call_describe(op, arg, buf), rc;

	if (nr < 0)
		return nr;
	msg.hypercall.op = op;
	memcpy(msg.hypercall.arg, arg, sizeof(msg.hypercall.arg));
	msg.payload_len = pack(buf, nr, space.out);
	msg.hypercall.len = msg.payload_len;
	rc = client_call(&xcall->client, &msg, &io);
	if (rc)
		return rc;
	rc = unpack(buf, nr, space.in, msg.payload_len);
	return rc ? rc : msg.hypercall.result;
}

/*
 * The list of domains is the one array that callers give much room for and
 * take a short answer as the end of, so it is fetched in pieces.
 */
static int64_t call_domain_list(struct xencall_handle *xcall,
				struct xen_sysctl *op)
{
	struct xen_sysctl_getdomaininfolist *list = &op->u.getdomaininfolist;
	struct xen_sysctl piece = *op;
	struct xen_domctl_getdomaininfo *info = list->buffer.p;
	uint64_t arg[5] = {(uintptr_t)&piece};
	uint32_t got = 0;
	int64_t rc;

	do {
		struct xen_sysctl_getdomaininfolist *p =
			&piece.u.getdomaininfolist;

		p->num_domains = 0;
		p->max_domains = list->max_domains - got;
		set_xen_guest_handle_raw(p->buffer, info + got);
		rc = call_once(xcall, __HYPERVISOR_sysctl, arg);
		if (rc < 0)
			return rc;
		if (p->num_domains > p->max_domains)
			return -EPROTO;
		if (!p->num_domains)
			break;
		got += p->num_domains;
		p->first_domain = info[got - 1].domain + 1;
	} while (got < list->max_domains);
	list->num_domains = got;
	return rc;
}

static int64_t call(struct xencall_handle *xcall, uint32_t op,
		    const uint64_t arg[5]);

static int64_t call_multi(struct xencall_handle *xcall, const uint64_t arg[5])
{
	struct multicall_entry *entry = (void *)(uintptr_t)arg[0];

	for (uint64_t i = 0; i < arg[1]; i++) {
		/* a multicall in a multicall is an error in Xen as well */
		if (entry[i].op == __HYPERVISOR_multicall)
			entry[i].result = -EINVAL;
		else
			entry[i].result = call(xcall, entry[i].op,
					       entry[i].args);
	}
	return 0;
}

static int64_t call(struct xencall_handle *xcall, uint32_t op,
		    const uint64_t arg[5])
{
	struct xen_sysctl *sysctl;

	if (op == __HYPERVISOR_multicall)
		return call_multi(xcall, arg);
	if (op == __HYPERVISOR_sysctl && arg[0]) {
		sysctl = (void *)(uintptr_t)arg[0];
		if (sysctl->cmd == XEN_SYSCTL_getdomaininfolist)
			return call_domain_list(xcall, sysctl);
	}
	return call_once(xcall, op, arg);
}

static long call_errno(struct xencall_handle *xcall, uint32_t op, uint64_t a1,
		       uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	const uint64_t arg[6] = {a1, a2, a3, a4, a5};
	int64_t rc = call(xcall, op, arg);

	if (rc >= 0)
		return rc;
	errno = (int)-rc;
	return -1;
}

int xencall0(xencall_handle *xcall, unsigned int op)
{
	return call_errno(xcall, op, 0, 0, 0, 0, 0);
}

int xencall1(xencall_handle *xcall, unsigned int op, uint64_t arg1)
{
	return call_errno(xcall, op, arg1, 0, 0, 0, 0);
}

int xencall2(xencall_handle *xcall, unsigned int op, uint64_t arg1,
	     uint64_t arg2)
{
	return call_errno(xcall, op, arg1, arg2, 0, 0, 0);
}

long xencall2L(xencall_handle *xcall, unsigned int op, uint64_t arg1,
	       uint64_t arg2)
{
	return call_errno(xcall, op, arg1, arg2, 0, 0, 0);
}

int xencall3(xencall_handle *xcall, unsigned int op, uint64_t arg1,
	     uint64_t arg2, uint64_t arg3)
{
	return call_errno(xcall, op, arg1, arg2, arg3, 0, 0);
}

int xencall4(xencall_handle *xcall, unsigned int op, uint64_t arg1,
	     uint64_t arg2, uint64_t arg3, uint64_t arg4)
{
	return call_errno(xcall, op, arg1, arg2, arg3, arg4, 0);
}

int xencall5(xencall_handle *xcall, unsigned int op, uint64_t arg1,
	     uint64_t arg2, uint64_t arg3, uint64_t arg4, uint64_t arg5)
{
	return call_errno(xcall, op, arg1, arg2, arg3, arg4, arg5);
}

/*
 * Any memory would do, as everything is copied; programs written for Xen may
 * still count on whole pages, and libxenctrl on zeros in those parts of an
 * argument that it does not copy in.
 */
void *xencall_alloc_buffer_pages(xencall_handle *xcall, size_t nr_pages)
{
	void *p;

	(void)xcall;
	if (!nr_pages || nr_pages > SIZE_MAX / WIRE_PAGE_SIZE) {
		errno = EINVAL;
		return NULL;
	}
	p = aligned_alloc(WIRE_PAGE_SIZE, nr_pages * WIRE_PAGE_SIZE);
	if (p)
		memset(p, 0, nr_pages * WIRE_PAGE_SIZE);
	return p;
}

void xencall_free_buffer_pages(xencall_handle *xcall, void *p, size_t nr_pages)
{
	(void)xcall;
	(void)nr_pages;
	free(p);
}

void *xencall_alloc_buffer(xencall_handle *xcall, size_t size)
{
	if (size > SIZE_MAX - WIRE_PAGE_SIZE) {
		errno = ENOMEM;
		return NULL;
	}
	return xencall_alloc_buffer_pages(
		xcall, size ? (size + WIRE_PAGE_SIZE - 1) / WIRE_PAGE_SIZE : 1);
}

void xencall_free_buffer(xencall_handle *xcall, void *p)
{
	(void)xcall;
	free(p);
}

int xencall_buffers_never_fault(xencall_handle *xcall)
{
	(void)xcall;
	return 1;
}
