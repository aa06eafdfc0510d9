// SPDX-License-Identifier: MIT
/*
 * WIRE_HYPERCALL: takes the buffers out of the packet, calls the family, puts
 * the answer together.
 *
 * Nothing is known here of what a hypercall means.  What no family provides
 * ends in hypercall_refuse(), so that nothing fails without a line in the log.
 */
#include <errno.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include "xenlocald.h"

#include <xen/xen.h>

#include "hypercall.h"
#include "iommu_call.h"

int hypercall_read(const struct hypercall *hc, uint32_t i, void *dst,
		   size_t size)
{
	if (i >= hc->nr_bufs || hc->buf[i].in_len < size)
		return -EFAULT;
	memcpy(dst, hc->buf[i].in, size);
	return 0;
}

int hypercall_write(struct hypercall *hc, uint32_t i, size_t offset,
		    const void *src, size_t size)
{
	uint32_t room = hypercall_room(hc, i);

	if (offset > room || size > room - offset)
		return -EFAULT;
	memcpy(hc->buf[i].out + offset, src, size);
	if (hc->buf[i].out_len < offset + size)
		hc->buf[i].out_len = offset + size;
	return 0;
}

uint32_t hypercall_room(const struct hypercall *hc, uint32_t i)
{
	return i < hc->nr_bufs ? hc->buf[i].out_max : 0;
}

int hypercall_write_bits(struct hypercall *hc, uint32_t i, uint32_t count)
{
	uint32_t room = hypercall_room(hc, i);

	for (uint32_t byte = 0; byte < room; byte++) {
		uint32_t left = count > byte * 8 ? count - byte * 8 : 0;

		hc->buf[i].out[byte] = left >= 8 ? 0xff : (1u << left) - 1;
	}
	if (room)
		hc->buf[i].out_len = room;
	return 0;
}

int hypercall_refuse(const struct hypercall *hc, uint32_t cmd)
{
	hc->caller->count.refused++;
	log_line(hc->caller, "hypercall %s (%u), %s (%u): not provided",
		 hypercall_name(hc->op), hc->op,
		 hypercall_sub_name(hc->op, cmd), cmd);
	return -ENOSYS;
}

/* Buffers of the request; their reply space is one after the other in out. */
static int unpack(const struct request *rq, struct hypercall *hc)
{
	uint32_t room = WIRE_MAX_PAYLOAD - sizeof(struct callbuf_reply);
	uint8_t *out = rq->out + sizeof(struct callbuf_reply);
	uint32_t len = rq->msg->payload_len, used;
	struct callbuf_head head;

	if (!len)
		return 0; /* a hypercall without memory */
	if (len < sizeof(head))
		return -EPROTO;
	memcpy(&head, rq->in, sizeof(head));
	used = sizeof(head);
	if (head.nr > CALLBUF_MAX)
		return -EPROTO;
	for (uint32_t i = 0; i < head.nr; i++) {
		uint32_t in_len = head.buf[i].in_len;
		uint32_t out_max = head.buf[i].out_max;

		if (in_len > len - used || out_max > room)
			return -EPROTO;
		hc->buf[i].in = rq->in + used;
		hc->buf[i].in_len = in_len;
		hc->buf[i].out = out;
		hc->buf[i].out_max = out_max;
		used += in_len;
		out += out_max;
		room -= out_max;
	}
	hc->nr_bufs = head.nr;
	memset(rq->out, 0, out - rq->out);
	return 0;
}

/* Close the gaps between what was written. */
static void pack(struct request *rq, const struct hypercall *hc)
{
	struct callbuf_reply reply = {0};
	uint32_t used = sizeof(reply);

	if (!hc->nr_bufs)
		return;
	for (uint32_t i = 0; i < hc->nr_bufs; i++) {
		reply.out_len[i] = hc->buf[i].out_len;
		memmove(rq->out + used, hc->buf[i].out, hc->buf[i].out_len);
		used += hc->buf[i].out_len;
	}
	memcpy(rq->out, &reply, sizeof(reply));
	rq->out_len = used;
}

/* The sub-op of a hypercall without a family: its first argument, or word. */
static uint32_t sub_op(const struct hypercall *hc)
{
	uint32_t cmd = hc->arg[0];

	if (hc->op == __HYPERVISOR_platform_op ||
	    hc->op == __HYPERVISOR_dm_op || hc->op == __HYPERVISOR_xsm_op)
		if (hypercall_read(hc, 0, &cmd, sizeof(cmd)))
			cmd = UINT32_MAX;
	return cmd;
}

/*
 * ENOSYS is also what a Xen without FLASK says, and libxl asks for a label for
 * every domain that it lists: the log says so once.
 */
static int64_t no_xsm(const struct hypercall *hc)
{
	static bool said;

	if (said)
		return -ENOSYS;
	said = true;
	return hypercall_refuse(hc, sub_op(hc));
}

static int64_t run(struct hypercall *hc)
{
	switch (hc->op) {
	case __HYPERVISOR_xen_version:
		return hypercall_version(hc);
	case __HYPERVISOR_memory_op:
		return hypercall_memory(hc);
	case __HYPERVISOR_sysctl:
		return hypercall_sysctl(hc);
	case __HYPERVISOR_domctl:
		return hypercall_domctl(hc);
	case __HYPERVISOR_xsm_op:
		return no_xsm(hc);
	case XENLOCAL_HYPERCALL:
		return hypercall_own(hc);
	}
	return hypercall_refuse(hc, sub_op(hc));
}

int op_hypercall(struct request *rq)
{
	struct hypercall hc = {
		.caller = rq->dom,
		.op = rq->msg->hypercall.op,
	};
	int rc;

	/* as a restricted privcmd: no hypercalls but the device model's */
	if (rq->h->restrict_domid != WIRE_DOMID_NONE)
		return -EPERM;
	memcpy(hc.arg, rq->msg->hypercall.arg, sizeof(hc.arg));
	rc = unpack(rq, &hc);
	if (rc) {
		log_line(rq->dom, "hypercall %u: malformed buffers", hc.op);
		return rc;
	}
	rq->reply->hypercall.op = hc.op;
	rq->reply->hypercall.result = run(&hc);
	if (rq->reply->hypercall.result == -EPERM)
		rq->dom->count.refused++;
	pack(rq, &hc);
	return 0;
}
