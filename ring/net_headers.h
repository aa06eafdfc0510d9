/* SPDX-License-Identifier: MIT */
/*
 * Where the headers of a frame lie: Ethernet, up to two VLAN tags, IPv4 with
 * options or IPv6 with extension headers.  For checksums and hashes, from a
 * private copy of the frame's first bytes.  Pure, any thread.
 */
#ifndef XENSPLIT_RING_NET_HEADERS_H
#define XENSPLIT_RING_NET_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_headers {
	uint8_t ip_version; /* 4 or 6 */
	uint8_t proto;      /* of what is at l4_offset */
	bool fragment;      /* of a datagram: there may be no l4 header */
	uint16_t l3_offset, l4_offset;
	/* where the IP packet ends, as its header says; 0: it does not say, as
	 * that of a jumbogram or of one to be cut into segments */
	uint32_t end;
};

/* 0; -EPROTONOSUPPORT: not IP; -EBADMSG: headers that contradict themselves or
 * reach beyond head_len. */
int net_headers_find(const uint8_t *head, size_t head_len,
		     struct net_headers *h);

static inline uint16_t net_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

#endif
