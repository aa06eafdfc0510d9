// SPDX-License-Identifier: MIT
/* Checksums of TCP and UDP.  See net_csum.h. */
#include "ring/net_csum.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "ring/net_headers.h"

#define TCP_HEADER 20u
#define UDP_HEADER 8u

static int find_tcp(const uint8_t *tcp, struct net_l4 *l4)
{
	l4->csum_offset = 16;
	l4->header_len = (uint16_t)((tcp[12] >> 4) * 4);
	return l4->header_len < TCP_HEADER || l4->header_len > l4->l4_len
		       ? -EBADMSG
		       : 0;
}

int net_csum_find(const uint8_t *head, size_t head_len, uint32_t len,
		  enum net_gso gso, struct net_l4 *l4)
{
	struct net_headers h;
	uint32_t end;
	int ret = net_headers_find(head, head_len, &h);

	if (ret)
		return ret;
	if (h.fragment || (h.proto != IPPROTO_TCP && h.proto != IPPROTO_UDP))
		return gso ? -EBADMSG : -EPROTONOSUPPORT;
	if ((gso == NET_GSO_TCPV4 && h.ip_version != 4) ||
	    (gso == NET_GSO_TCPV6 && h.ip_version != 6) ||
	    (gso && h.proto != IPPROTO_TCP))
		return -EBADMSG;
	end = gso ? len : h.end;
	if (end > len || end < h.l4_offset)
		return -EBADMSG;
	*l4 = (struct net_l4){
		.ip_version = h.ip_version,
		.proto = h.proto,
		.l3_offset = h.l3_offset,
		.csum_start = h.l4_offset,
		.csum_offset = 6,
		.header_len = UDP_HEADER,
		.l4_len = end - h.l4_offset,
	};
	if (h.proto == IPPROTO_UDP)
		return l4->l4_len < UDP_HEADER ||
				       head_len < h.l4_offset + UDP_HEADER
			       ? -EBADMSG
			       : 0;
	if (l4->l4_len < TCP_HEADER || head_len < h.l4_offset + TCP_HEADER)
		return -EBADMSG;
	return find_tcp(head + h.l4_offset, l4);
}

static uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

uint16_t net_csum_add(uint16_t sum, const void *data, size_t len)
{
	const char *p = data;
	uint64_t low = sum, high = 0, word;

	for (; len >= 32; len -= 32, p += 32) {
		uint64_t w[4];

		memcpy(w, p, sizeof(w));
		low += (uint32_t)w[0];
		high += w[0] >> 32;
		low += (uint32_t)w[1];
		high += w[1] >> 32;
		low += (uint32_t)w[2];
		high += w[2] >> 32;
		low += (uint32_t)w[3];
		high += w[3] >> 32;
	}
	while (len) {
		size_t n = len < 8 ? len : 8;

		word = 0;
		memcpy(&word, p, n);
		low += (uint32_t)word;
		high += word >> 32;
		p += n;
		len -= n;
	}
	/* both far below 2^63: a frame has 64 KiB */
	return fold(low + high);
}

void net_csum_pseudo(uint8_t *head, const struct net_l4 *l4)
{
	const uint8_t *ip = head + l4->l3_offset;
	uint8_t tail[8] = {
		(uint8_t)(l4->l4_len >> 24),
		(uint8_t)(l4->l4_len >> 16),
		(uint8_t)(l4->l4_len >> 8),
		(uint8_t)l4->l4_len,
		0,
		0,
		0,
		l4->proto,
	};
	uint16_t sum = net_csum_add(0, tail, sizeof(tail));

	if (l4->ip_version == 4)
		sum = net_csum_add(sum, ip + 12, 8);
	else
		sum = net_csum_add(sum, ip + 8, 32);
	memcpy(head + l4->csum_start + l4->csum_offset, &sum, sizeof(sum));
}

void net_csum_complete(const struct iovec *iov, unsigned int nr_iov,
		       const struct net_l4 *l4)
{
	size_t skip = l4->csum_start, rest = l4->l4_len;
	uint64_t sum = 0;
	bool odd = false;
	unsigned int i;
	uint16_t part;

	for (i = 0; i < nr_iov && rest; i++) {
		size_t n = iov[i].iov_len;

		if (n <= skip) {
			skip -= n;
			continue;
		}
		n = n - skip < rest ? n - skip : rest;
		part = net_csum_add(0, (const char *)iov[i].iov_base + skip, n);
		/* after an odd number of bytes, high and low change places */
		sum += odd ? __builtin_bswap16(part) : part;
		odd ^= n & 1;
		skip = 0;
		rest -= n;
	}
	part = (uint16_t)~fold(sum);
	if (!part && l4->proto == IPPROTO_UDP)
		part = 0xffff;
	memcpy((char *)iov[0].iov_base + l4->csum_start + l4->csum_offset,
	       &part, sizeof(part));
}
