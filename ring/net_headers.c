// SPDX-License-Identifier: MIT
/* Where the headers of a frame lie.  See net_headers.h. */
#include "ring/net_headers.h"

#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>

#define MAX_TAGS       2u
#define MAX_EXTENSIONS 8u
#define ETHERTYPE_QINQ 0x88a8u

static int find_v4(const uint8_t *head, size_t head_len, struct net_headers *h)
{
	const uint8_t *ip = head + h->l3_offset;
	unsigned int header_len, total;

	if (head_len < h->l3_offset + 20u || ip[0] >> 4 != 4)
		return -EBADMSG;
	header_len = (ip[0] & 15u) * 4;
	total = net_be16(ip + 2);
	if (header_len < 20 || head_len < h->l3_offset + header_len ||
	    (total && total < header_len))
		return -EBADMSG;
	h->ip_version = 4;
	h->proto = ip[9];
	h->fragment = (net_be16(ip + 6) & 0x3fff) != 0; /* MF and offset */
	h->l4_offset = (uint16_t)(h->l3_offset + header_len);
	h->end = total ? h->l3_offset + total : 0;
	return 0;
}

/* Step over extension headers; proto is that of the header at *at. */
static int skip_extensions(const uint8_t *head, size_t head_len,
			   struct net_headers *h, size_t *at)
{
	unsigned int i;

	for (i = 0; i < MAX_EXTENSIONS; i++) {
		const uint8_t *ext = head + *at;
		size_t len;

		switch (h->proto) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_FRAGMENT:
		case IPPROTO_AH:
			break;
		default:
			return 0;
		}
		if (head_len < *at + 8)
			return -EBADMSG;
		len = (ext[1] + 1u) * 8;
		if (h->proto == IPPROTO_AH)
			len = (ext[1] + 2u) * 4;
		if (h->proto == IPPROTO_FRAGMENT) {
			len = 8;
			/* one that is whole is none */
			if (net_be16(ext + 2) & 0xfff9) {
				h->fragment = true;
				return 0;
			}
		}
		if (head_len < *at + len)
			return -EBADMSG;
		h->proto = ext[0];
		*at += len;
	}
	return -EBADMSG;
}

static int find_v6(const uint8_t *head, size_t head_len, struct net_headers *h)
{
	const uint8_t *ip = head + h->l3_offset;
	size_t at = h->l3_offset + 40u;
	unsigned int payload;
	int ret;

	if (head_len < at || ip[0] >> 4 != 6)
		return -EBADMSG;
	payload = net_be16(ip + 4);
	h->ip_version = 6;
	h->proto = ip[6];
	h->end = payload ? (uint32_t)at + payload : 0;
	ret = skip_extensions(head, head_len, h, &at);
	if (ret)
		return ret;
	if (h->end && at > h->end)
		return -EBADMSG;
	h->l4_offset = (uint16_t)at;
	return 0;
}

int net_headers_find(const uint8_t *head, size_t head_len,
		     struct net_headers *h)
{
	size_t at = 2 * ETH_ALEN;
	unsigned int tags, type;

	if (head_len > UINT16_MAX)
		head_len = UINT16_MAX;
	*h = (struct net_headers){0};
	for (tags = 0;; tags++) {
		if (head_len < at + 2)
			return -EBADMSG;
		type = net_be16(head + at);
		at += 2;
		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
			break;
		if (tags == MAX_TAGS)
			return -EPROTONOSUPPORT;
		at += 2;
	}
	h->l3_offset = (uint16_t)at;
	if (type == ETHERTYPE_IP)
		return find_v4(head, head_len, h);
	if (type == ETHERTYPE_IPV6)
		return find_v6(head, head_len, h);
	return -EPROTONOSUPPORT;
}
