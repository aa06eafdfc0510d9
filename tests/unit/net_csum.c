// SPDX-License-Identifier: MIT
/*
 * Where a checksum belongs and what it is, against a plain sum of 16-bit
 * words as RFC 1071 has it; and headers that lie.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ring/net_csum.h"
#include "ring/net_headers.h"
#include "tests/unit/check_quiet.h"
#include "tests/unit/run_suite.h"

static uint8_t frame[66000];
static uint32_t len;
static struct net_l4 l4;

static void put16(uint32_t at, unsigned int v)
{
	frame[at] = (uint8_t)(v >> 8);
	frame[at + 1] = (uint8_t)v;
}

static void fill_random(uint32_t from, uint32_t n)
{
	for (; n; n--)
		frame[from++] = (uint8_t)random();
}

/* Ethernet and tags; where the next header begins. */
static uint32_t ethernet(unsigned int tags, unsigned int type)
{
	uint32_t at = 12;

	fill_random(0, 12);
	for (; tags; tags--, at += 4) {
		put16(at, tags == 2 ? 0x88a8 : ETHERTYPE_VLAN);
		put16(at + 2, 100);
	}
	put16(at, type);
	return at + 2;
}

/* A whole packet of payload bytes; the checksum field is left blank. */
static void packet(unsigned int tags, int version, unsigned int options,
		   unsigned int proto, uint32_t payload)
{
	uint32_t at = ethernet(tags,
			       version == 4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
	uint32_t l3 = at, header = proto == IPPROTO_TCP ? 20 : 8;

	if (version == 4) {
		at += 20 + options * 4;
		fill_random(l3, at - l3);
		frame[l3] = (uint8_t)(0x45 + options);
		put16(l3 + 2, at - l3 + header + payload);
		put16(l3 + 6, 0x4000);
		frame[l3 + 9] = (uint8_t)proto;
	} else {
		at += 40 + options * 8;
		fill_random(l3, at - l3);
		frame[l3] = 0x60;
		put16(l3 + 4, at - l3 - 40 + header + payload);
		frame[l3 + 6] = (uint8_t)(options ? 0 : proto);
		for (uint32_t i = 0; i < options; i++) {
			frame[l3 + 40 + i * 8] =
				(uint8_t)(i + 1 < options ? 60 : proto);
			frame[l3 + 41 + i * 8] = 0;
		}
	}
	fill_random(at, header + payload);
	if (proto == IPPROTO_TCP)
		frame[at + 12] = 0x50;
	len = at + header + payload;
}

static uint32_t sum16(const uint8_t *p, uint32_t n, uint32_t sum)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The sum over pseudo header and segment, its field included. */
static uint32_t whole_sum(void)
{
	const uint8_t *ip = frame + l4.l3_offset;
	uint32_t sum = l4.proto + (l4.l4_len >> 16) + (l4.l4_len & 0xffff);

	sum = l4.ip_version == 4 ? sum16(ip + 12, 8, sum)
				 : sum16(ip + 8, 32, sum);
	return sum16(frame + l4.csum_start, l4.l4_len, sum);
}

/* Cut the frame into pieces, the headers in the first. */
static unsigned int cut(struct iovec *iov, unsigned int most)
{
	uint32_t at = (uint32_t)(l4.csum_start + l4.csum_offset + 2);
	unsigned int nr = 1;

	if (at > len)
		at = len;
	at += (uint32_t)random() % (len - at + 1);
	iov[0] = (struct iovec){frame, at};
	while (at < len) {
		uint32_t n = (uint32_t)random() % (len - at) + 1;

		if (nr + 1 == most)
			n = len - at;
		iov[nr++] = (struct iovec){frame + at, n};
		at += n;
	}
	return nr;
}

START_TEST(complete)
{
	static const uint32_t sizes[] = {0,  1,  2,    3,    7,    31,
					 32, 33, 1460, 9000, 60000};
	unsigned int tags = (unsigned int)_i % 3, udp, i, options, round;
	int version = _i / 3 ? 6 : 4;
	struct iovec iov[19];
	uint16_t field;

	for (round = 0; round < 5; round++)
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			for (options = 0; options < 4; options++)
				for (udp = 0; udp < 2; udp++) {
					packet(tags, version, options,
					       udp ? IPPROTO_UDP : IPPROTO_TCP,
					       sizes[i]);
					ck_assert_int_eq(
						net_csum_find(frame, len, len,
							      NET_GSO_NONE,
							      &l4),
						0);
					ck_assert_int_eq(l4.ip_version,
							 version);
					ck_assert_uint_eq(
						l4.csum_start + l4.l4_len, len);
					net_csum_pseudo(frame, &l4);
					/* padding is not in the sum */
					fill_random(len, 7);
					net_csum_complete(iov, cut(iov, 19),
							  &l4);
					ck_assert_uint_eq(whole_sum(), 0xffff);
					memcpy(&field,
					       frame + l4.csum_start +
						       l4.csum_offset,
					       2);
					ck_assert(!udp || field);
				}
}
END_TEST

/* A datagram whose sum comes out as 0 says 0xffff: 0 would mean none. */
START_TEST(udp_zero)
{
	struct iovec iov = {frame, 0};
	uint16_t field;
	uint32_t rest;

	packet(0, 4, 0, IPPROTO_UDP, 4);
	ck_assert_int_eq(net_csum_find(frame, len, len, NET_GSO_NONE, &l4), 0);
	put16(len - 2, 0);
	put16(l4.csum_start + 6u, 0);
	rest = 0xffff - whole_sum();
	put16(len - 2, rest);
	ck_assert_uint_eq(whole_sum(), 0xffff);
	net_csum_pseudo(frame, &l4);
	iov.iov_len = len;
	net_csum_complete(&iov, 1, &l4);
	memcpy(&field, frame + l4.csum_start + 6, 2);
	ck_assert_uint_eq(field, 0xffff);
}
END_TEST

/* The pseudo header's sum for segmentation: over the length of the frame. */
START_TEST(gso)
{
	int version = _i ? 6 : 4;
	enum net_gso type = _i ? NET_GSO_TCPV6 : NET_GSO_TCPV4;
	enum net_gso other = _i ? NET_GSO_TCPV4 : NET_GSO_TCPV6;
	uint32_t l3;
	uint16_t field;

	packet(1, version, 1, IPPROTO_TCP, 64000);
	l3 = 18;
	put16(l3 + (_i ? 4 : 2), 0); /* as Linux sends it */
	ck_assert_int_eq(net_csum_find(frame, 256, len, NET_GSO_NONE, &l4),
			 -EBADMSG);
	ck_assert_int_eq(net_csum_find(frame, 256, len, other, &l4), -EBADMSG);
	ck_assert_int_eq(net_csum_find(frame, 256, len, type, &l4), 0);
	ck_assert_uint_eq(l4.l4_len, 64020);
	ck_assert_uint_eq(l4.csum_offset, 16);
	net_csum_pseudo(frame, &l4);
	memcpy(&field, frame + l4.csum_start + 16, 2);
	l4.csum_start = (uint16_t)(l4.csum_start + 16);
	/* no data: the field alone */
	{
		const uint8_t *ip = frame + l4.l3_offset;
		uint32_t sum = IPPROTO_TCP + 64020;

		sum = _i ? sum16(ip + 8, 32, sum) : sum16(ip + 12, 8, sum);
		ck_assert_uint_eq(ntohs(field), sum);
	}
	packet(0, version, 0, IPPROTO_UDP, 1000);
	ck_assert_int_eq(net_csum_find(frame, 256, len, type, &l4), -EBADMSG);
}
END_TEST

/* Every way to cut the headers short, and lengths that contradict. */
START_TEST(liars)
{
	int version = _i ? 6 : 4;
	uint32_t l3 = 14, at, n;

	packet(0, version, 1, IPPROTO_TCP, 100);
	at = l3 + (version == 4 ? 24 : 48);
	for (n = 0; n < at + 20; n++)
		ck_assert_int_eq(
			net_csum_find(frame, n, len, NET_GSO_NONE, &l4),
			-EBADMSG);
	ck_assert_int_eq(net_csum_find(frame, n, len, NET_GSO_NONE, &l4), 0);
	/* the IP header says more than there is */
	ck_assert_int_eq(net_csum_find(frame, n, len - 1, NET_GSO_NONE, &l4),
			 -EBADMSG);
	/* the TCP header is longer than the packet, or too short */
	frame[at + 12] = 0x40;
	ck_assert_int_eq(net_csum_find(frame, len, len, NET_GSO_NONE, &l4),
			 -EBADMSG);
	frame[at + 12] = 0xf0;
	ck_assert_int_eq(net_csum_find(frame, len, len, NET_GSO_NONE, &l4), 0);
	ck_assert_uint_eq(l4.header_len, 60);
	packet(0, version, 1, IPPROTO_TCP, 30);
	frame[at + 12] = 0xf0;
	ck_assert_int_eq(net_csum_find(frame, len, len, NET_GSO_NONE, &l4),
			 -EBADMSG);
	/* no room for a header */
	packet(0, version, 1, IPPROTO_UDP, 0);
	put16(l3 + (_i ? 4 : 2), (_i ? 8 : 24) + 7);
	ck_assert_int_eq(net_csum_find(frame, len, len, NET_GSO_NONE, &l4),
			 -EBADMSG);
	/* the wrong version */
	packet(0, version, 0, IPPROTO_UDP, 10);
	frame[l3] ^= 0x20;
	ck_assert_int_eq(net_csum_find(frame, len, len, NET_GSO_NONE, &l4),
			 -EBADMSG);
	/* something else */
	packet(0, version, 0, IPPROTO_UDP, 10);
	frame[l3 + (_i ? 6 : 9)] = _i ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	ck_assert_int_eq(net_csum_find(frame, len, len, NET_GSO_NONE, &l4),
			 -EPROTONOSUPPORT);
	packet(0, version, 0, IPPROTO_UDP, 10);
	put16(12, ETHERTYPE_ARP);
	ck_assert_int_eq(net_csum_find(frame, len, len, NET_GSO_NONE, &l4),
			 -EPROTONOSUPPORT);
}
END_TEST

START_TEST(fragments)
{
	static const unsigned int frags[] = {0x2000, 1, 0x1fff, 0x3fff};
	struct net_headers h;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		packet(0, 4, 0, IPPROTO_UDP, 100);
		put16(14 + 6, frags[i]);
		ck_assert_int_eq(
			net_csum_find(frame, len, len, NET_GSO_NONE, &l4),
			-EPROTONOSUPPORT);
	}
	/* v6: a fragment header as the only extension */
	for (i = 0; i < 3; i++) {
		packet(0, 6, 1, IPPROTO_UDP, 100);
		frame[14 + 6] = IPPROTO_FRAGMENT;
		put16(14 + 42, i == 0 ? 0x0001 : i == 1 ? 0xfff8 : 0x0006);
		ck_assert_int_eq(net_headers_find(frame, len, &h), 0);
		ck_assert_int_eq(h.fragment, i < 2);
		ck_assert_int_eq(
			net_csum_find(frame, len, len, NET_GSO_NONE, &l4),
			i < 2 ? -EPROTONOSUPPORT : 0);
	}
	/* more extension headers than anyone sends, one that is too long */
	packet(0, 6, 7, IPPROTO_UDP, 100);
	ck_assert_int_eq(net_csum_find(frame, len, len, NET_GSO_NONE, &l4), 0);
	packet(0, 6, 9, IPPROTO_UDP, 100);
	ck_assert_int_eq(net_csum_find(frame, len, len, NET_GSO_NONE, &l4),
			 -EBADMSG);
	packet(0, 6, 1, IPPROTO_UDP, 100);
	frame[14 + 41] = 255;
	ck_assert_int_eq(net_csum_find(frame, len, len, NET_GSO_NONE, &l4),
			 -EBADMSG);
	/* tags without end */
	packet(2, 4, 0, IPPROTO_UDP, 100);
	memmove(frame + 16, frame + 12, len - 12);
	ck_assert_int_eq(net_csum_find(frame, len, len, NET_GSO_NONE, &l4),
			 -EPROTONOSUPPORT);
}
END_TEST

/* Headers of random bytes that begin right: nothing is read or said beyond
 * the head (each in memory of its own length). */
START_TEST(random_heads)
{
	unsigned int round, found = 0;

	srandom((unsigned int)_i);
	for (round = 0; round < 40000; round++) {
		uint32_t head_len = (uint32_t)random() % 200;
		uint8_t *head;

		packet((unsigned int)random() % 3, random() % 2 ? 4 : 6,
		       (unsigned int)random() % 4,
		       random() % 2 ? IPPROTO_TCP : IPPROTO_UDP,
		       (uint32_t)random() % 60);
		for (int flips = (int)(random() % 4); flips; flips--)
			frame[12 + random() % 60] = (uint8_t)random();
		if (head_len > len)
			head_len = len;
		head = malloc(head_len ? head_len : 1);
		ck_assert(head != NULL);
		memcpy(head, frame, head_len);
		if (!net_csum_find(head, head_len, len,
				   (enum net_gso)(random() % 3), &l4)) {
			found++;
			ck_assert(l4.csum_start + l4.csum_offset + 2u <=
				  head_len);
			ck_assert(l4.csum_start + l4.l4_len <= len);
			ck_assert(l4.header_len <= l4.l4_len);
			net_csum_pseudo(head, &l4);
		}
		free(head);
	}
	ck_assert_uint_gt(found, 2000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_csum");
	TCase *tc = tcase_create("csum");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 50);
	tcase_add_loop_test(tc, complete, 0, 6);
	tcase_add_test(tc, udp_zero);
	tcase_add_loop_test(tc, gso, 0, 2);
	tcase_add_loop_test(tc, liars, 0, 2);
	tcase_add_test(tc, fragments);
	tcase_add_loop_test(tc, random_heads, 0, 2);
	return run_suite(suite);
}
