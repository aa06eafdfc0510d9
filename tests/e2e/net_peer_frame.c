// SPDX-License-Identifier: MIT
/*
 * net_peer: frames that say what they hold.
 *
 * The payload is a header (magic, stream, number, length) and words that
 * follow from the number, so that a frame that was cut, mixed up or overwritten
 * is seen as such.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "ring/net_csum.h"
#include "tests/e2e/net_peer.h"

#define ETH_LEN    14u
#define TYPE_LOCAL 0x88b5u /* for local experiments */
#define TYPE_VLAN  0x8100u
#define TYPE_IPV4  0x0800u
#define TYPE_IPV6  0x86ddu
#define MAGIC      0x786e7031u
#define PORT       7777

struct payload {
	uint32_t magic, stream;
	uint64_t seq;
	uint32_t len, plain;
} __attribute__((packed));

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	return x ^ (x >> 27);
}

static void pattern(uint64_t seq, uint8_t *out, uint32_t len)
{
	uint64_t word;
	uint32_t at;

	for (at = 0; at + 8 <= len; at += 8) {
		word = mix(seq * 8191 + at);
		memcpy(out + at, &word, 8);
	}
	for (; at < len; at++)
		out[at] = (uint8_t)(seq + at);
}

/* ---- building ---- */

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = v >> 8;
	at[1] = v & 0xff;
}

static bool is_v6(enum peer_proto p)
{
	return p == PEER_UDP6 || p == PEER_TCP6;
}

static bool is_tcp(enum peer_proto p)
{
	return p == PEER_TCP4 || p == PEER_TCP6;
}

static uint32_t put_ip4(uint8_t *at, const struct peer_config *cfg,
			uint32_t len)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(len),
		.ttl = 64,
		.protocol = is_tcp(cfg->proto) ? IPPROTO_TCP : IPPROTO_UDP,
		.saddr = htonl(0x0a4d0000 + cfg->src_ip),
		.daddr = htonl(0x0a4d0000 + cfg->dst_ip),
	};

	ip.check = ~net_csum_add(0, &ip, sizeof(ip));
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

static uint32_t put_ip6(uint8_t *at, const struct peer_config *cfg,
			uint32_t len)
{
	struct ip6_hdr ip = {
		.ip6_flow = htonl(6u << 28),
		.ip6_plen = htons(len - sizeof(ip)),
		.ip6_nxt = is_tcp(cfg->proto) ? IPPROTO_TCP : IPPROTO_UDP,
		.ip6_hlim = 64,
	};

	ip.ip6_src.s6_addr[0] = ip.ip6_dst.s6_addr[0] = 0xfd;
	ip.ip6_src.s6_addr[15] = cfg->src_ip;
	ip.ip6_dst.s6_addr[15] = cfg->dst_ip;
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

static uint32_t put_l4(uint8_t *at, const struct peer_config *cfg, uint32_t len)
{
	struct tcphdr tcp = {.source = htons(PORT),
			     .dest = htons(PORT),
			     .doff = 5,
			     .ack = 1,
			     .window = htons(65535)};
	struct udphdr udp = {
		.source = htons(PORT), .dest = htons(PORT), .len = htons(len)};

	if (is_tcp(cfg->proto)) {
		memcpy(at, &tcp, sizeof(tcp));
		return sizeof(tcp);
	}
	memcpy(at, &udp, sizeof(udp));
	return sizeof(udp);
}

static void put_headers(struct peer_frame *f, const struct peer_config *cfg,
			const uint8_t mac[6])
{
	uint32_t at = 12;

	memset(f->data, 0xff, 6);
	if (cfg->has_dst)
		memcpy(f->data, cfg->dst, 6);
	memcpy(f->data + 6, cfg->has_src ? cfg->src : mac, 6);
	if (cfg->vlan) {
		put16(f->data + at, TYPE_VLAN);
		put16(f->data + at + 2, cfg->vlan);
		at += 4;
	}
	put16(f->data + at, cfg->proto == PEER_RAW ? TYPE_LOCAL
			    : is_v6(cfg->proto)    ? TYPE_IPV6
						   : TYPE_IPV4);
	at += 2;
	if (cfg->proto != PEER_RAW) {
		at += is_v6(cfg->proto)
			      ? put_ip6(f->data + at, cfg, f->len - at)
			      : put_ip4(f->data + at, cfg, f->len - at);
		at += put_l4(f->data + at, cfg, f->len - at);
	}
	f->payload = at;
}

static void set_csum(struct peer_frame *f, const struct peer_config *cfg)
{
	struct iovec iov = {f->data, f->len};
	struct net_l4 l4;

	if (cfg->proto == PEER_RAW)
		return;
	if (net_csum_find(f->data, f->len, f->len, (enum net_gso)f->meta.gso,
			  &l4))
		return;
	net_csum_pseudo(f->data, &l4);
	if (cfg->csum != PEER_CSUM_PARTIAL && !f->meta.gso)
		net_csum_complete(&iov, 1, &l4);
	if (cfg->csum == PEER_CSUM_WRONG)
		f->data[l4.csum_start + l4.csum_offset] ^= 0x55;
}

static void set_payload(struct peer_frame *f, uint64_t seq)
{
	memcpy(f->data + f->payload + offsetof(struct payload, seq), &seq,
	       sizeof(seq));
}

void peer_frame_set(struct peer_frame *f, const struct peer_config *cfg,
		    uint64_t seq)
{
	uint32_t body = f->payload + sizeof(struct payload);

	set_payload(f, seq);
	if (cfg->plain)
		return;
	pattern(seq, f->data + body, f->len - body);
	set_csum(f, cfg);
}

void peer_frame_init(struct peer_frame *f, const struct peer_config *cfg,
		     const uint8_t mac[6], uint32_t stream)
{
	struct payload p = {
		.magic = MAGIC, .stream = stream, .plain = cfg->plain};
	uint32_t body;

	f->len = cfg->size;
	f->meta = (struct netfront_meta){
		.csum_partial = cfg->csum == PEER_CSUM_PARTIAL &&
				cfg->proto != PEER_RAW,
		.gso_size = cfg->gso_size,
	};
	if (cfg->gso_size)
		f->meta.gso = is_v6(cfg->proto) ? NETFRONT_GSO_TCPV6
						: NETFRONT_GSO_TCPV4;
	put_headers(f, cfg, mac);
	body = f->payload + sizeof(p);
	p.len = f->len - f->payload;
	memcpy(f->data + f->payload, &p, sizeof(p));
	pattern(0, f->data + body, f->len - body);
	peer_frame_set(f, cfg, 0);
	set_csum(f, cfg);
}

/* ---- judging ---- */

static bool csum_is_right(const uint8_t *data, const struct net_l4 *l4)
{
	uint8_t head[NET_CSUM_HEAD];
	uint16_t sum, field;

	/* the pseudo header's sum, as the field of a copy */
	memcpy(head, data, l4->csum_start + 20u);
	net_csum_pseudo(head, l4);
	memcpy(&field, head + l4->csum_start + l4->csum_offset, 2);
	sum = net_csum_add(field, data + l4->csum_start, l4->l4_len);
	return sum == 0xffff;
}

static enum peer_verdict find_payload(const uint8_t *data, uint32_t len,
				      const struct netfront_meta *meta,
				      uint32_t *at)
{
	uint32_t type_at = 12;
	struct net_l4 l4;

	while (len >= type_at + 6 && data[type_at] == 0x81 &&
	       data[type_at + 1] == 0)
		type_at += 4;
	if (len >= type_at + 2 && data[type_at] == (TYPE_LOCAL >> 8) &&
	    data[type_at + 1] == (TYPE_LOCAL & 0xff)) {
		*at = type_at + 2;
		return PEER_GOOD;
	}
	if (net_csum_find(data, len < NET_CSUM_HEAD ? len : NET_CSUM_HEAD, len,
			  (enum net_gso)meta->gso, &l4))
		return PEER_OTHER;
	*at = l4.csum_start + l4.header_len;
	if (meta->csum_partial)
		return PEER_GOOD;
	return csum_is_right(data, &l4) ? PEER_GOOD : PEER_BAD_CSUM;
}

enum peer_verdict peer_frame_check(const uint8_t *data, uint32_t len,
				   const struct netfront_meta *meta,
				   uint32_t *stream, uint64_t *seq)
{
	static __thread uint8_t wanted[PEER_MAX_FRAME];
	enum peer_verdict v;
	struct payload p;
	uint32_t at;

	v = find_payload(data, len, meta, &at);
	if (v == PEER_OTHER || len < at + sizeof(p))
		return PEER_OTHER;
	memcpy(&p, data + at, sizeof(p));
	if (p.magic != MAGIC || p.stream >= PEER_MAX_QUEUES)
		return PEER_OTHER;
	if (v != PEER_GOOD)
		return v;
	*stream = p.stream;
	*seq = p.seq;
	/* short frames may have been padded on their way */
	if (p.len < sizeof(p) || at + p.len > len)
		return PEER_CORRUPT;
	at += sizeof(p);
	pattern(p.plain ? 0 : p.seq, wanted, p.len - sizeof(p));
	return memcmp(wanted, data + at, p.len - sizeof(p)) ? PEER_CORRUPT
							    : PEER_GOOD;
}
