/* SPDX-License-Identifier: MIT */
/*
 * What a frame's headers say about its checksum, and checksums in software.
 *
 * The guest only says that a checksum is blank (NETTXF_csum_blank), not where
 * it belongs; that is found here from a private copy of the headers: Ethernet,
 * up to two VLAN tags, IPv4 with options or IPv6 with extension headers, TCP or
 * UDP.  The same when the guest is told the same about a frame for it.
 *
 * Pure functions; any thread.
 */
#ifndef XENSPLIT_RING_NET_CSUM_H
#define XENSPLIT_RING_NET_CSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "ring/net_check.h"

/* Bytes of headers that are enough for every frame that is accepted. */
#define NET_CSUM_HEAD 256u

struct net_l4 {
	uint8_t ip_version;   /* 4 or 6 */
	uint8_t proto;        /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t l3_offset;   /* of the IP header */
	uint16_t csum_start;  /* of the TCP or UDP header */
	uint16_t csum_offset; /* of the field, from there */
	uint16_t header_len;  /* of TCP with its options, or UDP */
	uint32_t l4_len; /* bytes that the sum covers, as the IP header says;
			  * padding behind them is not */
};

/*
 * Find the checksum of a frame of len bytes by its first head_len.  0, or
 * -EPROTONOSUPPORT: neither TCP nor UDP, or a fragment; -EBADMSG: headers that
 * contradict each other, the frame's length or gso, or reach beyond head_len
 * (of TCP, options may).  With gso, the IP header's own length may say
 * anything: the frame's counts.
 */
int net_csum_find(const uint8_t *head, size_t head_len, uint32_t len,
		  enum net_gso gso, struct net_l4 *l4);
/* Set the checksum field to the sum of the pseudo header, as it is to be in a
 * frame whose checksum someone else completes. */
void net_csum_pseudo(uint8_t *head, const struct net_l4 *l4);
/* Complete a checksum that was left to others: the sum of the frame from
 * csum_start on, the field in it being the pseudo header's sum, goes into the
 * field, which lies in iov[0].  UDP never gets 0. */
void net_csum_complete(const struct iovec *iov, unsigned int nr_iov,
		       const struct net_l4 *l4);
/* The one's complement sum, not inverted, of bytes in memory order; start with
 * sum 0.  An odd length is allowed for the last piece only. */
uint16_t net_csum_add(uint16_t sum, const void *data, size_t len);

#endif
