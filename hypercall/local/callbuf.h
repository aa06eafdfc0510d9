/* SPDX-License-Identifier: MIT */
/*
 * How the memory behind a hypercall's arguments travels in WIRE_HYPERCALL.
 *
 * Private to hypercall/local/.  A real hypervisor reads and writes the
 * caller's memory; xenlocald cannot, so the library sends a copy of every
 * buffer that the hypercall may read, and takes back what it wrote.  Which
 * buffers those are is call_marshal.c's table; this is only the framing:
 *
 *	request: struct callbuf_head, then in_len bytes of each buffer
 *	reply:   struct callbuf_reply, then out_len bytes of each buffer
 *
 * Buffer 0 is the argument structure, the others are what guest handles in it
 * point to, in the order of the table; a null handle is a buffer of length 0.
 * What does not fit into WIRE_MAX_PAYLOAD is cut: out_max says to the other
 * side how much there is room for.
 */
#ifndef XENSPLIT_LOCAL_CALLBUF_H
#define XENSPLIT_LOCAL_CALLBUF_H

#include <stdint.h>

#define CALLBUF_MAX 4u

struct callbuf_head {
	uint32_t nr; /* at most CALLBUF_MAX */
	uint32_t pad;
	struct {
		uint32_t in_len;  /* bytes sent */
		uint32_t out_max; /* bytes there is room for in the reply */
	} buf[CALLBUF_MAX];
};

struct callbuf_reply {
	uint32_t out_len[CALLBUF_MAX]; /* at most the request's out_max */
};

/* One buffer in the caller's memory, as call_describe finds it. */
#define CALLBUF_IN  1u
#define CALLBUF_OUT 2u
struct callbuf {
	void *addr;
	uint32_t len, dir;
};

/*
 * Find the buffers of one hypercall in the caller's memory.
 *
 * op, arg: as given to xencall.  buf: filled, CALLBUF_MAX entries.  Returns
 * how many, or -EINVAL when a count in the argument structure is absurd.  A
 * hypercall or sub-op that is not in the table has what is needed to name it
 * and nothing else.
 */
int call_describe(uint32_t op, const uint64_t arg[5], struct callbuf *buf);

#endif
