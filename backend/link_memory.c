// SPDX-License-Identifier: MIT
/*
 * memory:WHAT: a link with nothing behind it, for tests and measurements of
 * everything but a network.
 *
 *   sink                 forgets what the guest sends
 *   echo                 gives each frame back as it came, on the same queue;
 *                        what does not fit while the guest does not take them
 *                        is lost
 *   source:SIZE[:COUNT]  sends the guest frames of SIZE bytes, as fast as it
 *                        takes them, COUNT a queue or without end; forgets
 *                        what comes from it
 *
 * A source's frames are UDP to the guest's MAC, from 192.0.2.1 port 9 to
 * 192.0.2.2 port 9; their payload begins with a number that counts from 0 on
 * each queue, in network order.
 */
#include "backend/link.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypercall/xs_parse.h"

enum { MEMORY_SINK, MEMORY_ECHO, MEMORY_SOURCE };

#define BATCH       64u
#define LINE        64u
#define ECHO_SIZE   (1u << 20) /* a power of two */
#define PAYLOAD_AT  (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr))
#define SOURCE_MIN  60u
#define MTU_DEFAULT 1500u

/* supervisor */

static int parse_source(const char *text, struct link_desc *desc)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	uint64_t size;

	if (xs_parse_u64(text, len, SOURCE_MIN, NET_PACKET_MAX, &size) ||
	    (colon && xs_parse_u64(colon + 1, strlen(colon + 1), 1, INT64_MAX,
				   &desc->memory_count)))
		return -EINVAL;
	desc->memory_size = (uint32_t)size;
	return 0;
}

static int memory_open(const char *target, const struct link_open_how *how,
		       struct link_desc *desc, struct xs_err *err)
{
	int res = 0;

	if (!desc->mtu)
		desc->mtu = MTU_DEFAULT;
	desc->nr_queues = how->queues;
	desc->offers = LINK_CSUM | LINK_TSO4 | LINK_TSO6 | LINK_SG;
	if (!strcmp(target, "sink"))
		desc->memory_what = MEMORY_SINK;
	else if (!strcmp(target, "echo"))
		desc->memory_what = MEMORY_ECHO;
	else if (!strncmp(target, "source:", 7))
		desc->memory_what = MEMORY_SOURCE;
	else
		res = -EINVAL;
	if (!res && desc->memory_what == MEMORY_SOURCE)
		res = parse_source(target + 7, desc);
	if (res)
		xs_err_set(err,
			   "%s is none of memory:sink, memory:echo, "
			   "memory:source:SIZE[:COUNT] with a SIZE of %u to %u",
			   desc->label, SOURCE_MIN, NET_PACKET_MAX);
	else if (desc->memory_size > desc->mtu + ETH_HLEN)
		res = -EMSGSIZE;
	if (res == -EMSGSIZE)
		xs_err_set(err, "%s: such frames need an MTU of %u, it is %u",
			   desc->label, desc->memory_size - ETH_HLEN,
			   desc->mtu);
	return res;
}

/* worker */

struct memory_ctx {
	struct link_ctx *ctx;
	ev_idle there; /* runs while armed and there is something */
	bool armed;
	uint32_t what;
	struct iovec iov[BATCH];
	uint8_t *mem;
	/* echo: bytes put and taken since the beginning; given: up to where
	 * the user still looks at frames */
	uint64_t put, taken, given;
	/* source */
	uint32_t stride;
	uint64_t next, left;
};

/* Before each frame in the echo's memory; one line. */
struct echo_head {
	_Alignas(64) struct net_frame frame;
	uint32_t skip; /* not a frame: go on at the beginning */
};

static void update_idle(struct memory_ctx *m)
{
	bool any = m->what == MEMORY_ECHO     ? m->put != m->given
		   : m->what == MEMORY_SOURCE ? m->left
					      : false;

	if (m->armed && any)
		ev_idle_start(m->ctx->loop->ev, &m->there);
	else
		ev_idle_stop(m->ctx->loop->ev, &m->there);
}

static void on_there(struct ev_loop *ev, ev_idle *w, int revents)
{
	struct memory_ctx *m = w->data;

	(void)ev;
	(void)revents;
	m->armed = false;
	update_idle(m);
	m->ctx->readable(m->ctx);
}

static uint16_t ip_checksum(const void *data, unsigned int len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;
	unsigned int i;

	for (i = 0; i < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void make_frame(uint8_t *frame, const struct link_desc *desc)
{
	struct ether_header eth = {.ether_shost = {2, 0, 0, 0, 0, 1},
				   .ether_type = htons(ETHERTYPE_IP)};
	uint32_t size = desc->memory_size, i;
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons((uint16_t)(size - ETH_HLEN)),
		.frag_off = htons(IP_DF),
		.saddr = htonl(0xc0000201),
		.daddr = htonl(0xc0000202),
	};
	struct udphdr udp = {
		.source = htons(9),
		.dest = htons(9),
		.len = htons((uint16_t)(size - ETH_HLEN - sizeof(ip))),
	};

	memcpy(eth.ether_dhost, desc->mac, sizeof(eth.ether_dhost));
	ip.check = ip_checksum(&ip, sizeof(ip));
	memcpy(frame, &eth, ETH_HLEN);
	memcpy(frame + ETH_HLEN, &ip, sizeof(ip));
	memcpy(frame + ETH_HLEN + sizeof(ip), &udp, sizeof(udp));
	for (i = PAYLOAD_AT; i < size; i++)
		frame[i] = (uint8_t)i;
}

static int make_memory(struct memory_ctx *m, const struct link_desc *desc)
{
	size_t size = 0;
	uint32_t i;

	m->stride = (desc->memory_size + LINE - 1) / LINE * LINE;
	if (m->what == MEMORY_ECHO)
		size = ECHO_SIZE;
	else if (m->what == MEMORY_SOURCE)
		size = (size_t)m->stride * BATCH;
	if (!size)
		return 0;
	m->mem = aligned_alloc(LINE, size);
	if (!m->mem)
		return -ENOMEM;
	if (m->what == MEMORY_SOURCE)
		for (i = 0; i < BATCH; i++)
			make_frame(m->mem + (size_t)i * m->stride, desc);
	return 0;
}

static int memory_attach(struct link_ctx *ctx, struct xs_err *err)
{
	struct memory_ctx *m = calloc(1, sizeof(*m));

	if (m) {
		m->ctx = ctx;
		m->what = ctx->desc->memory_what;
		m->left = ctx->desc->memory_count;
		if (!m->left)
			m->left = UINT64_MAX;
	}
	if (!m || make_memory(m, ctx->desc)) {
		free(m);
		xs_err_set(err, "%s: no memory for frames", ctx->desc->label);
		return -ENOMEM;
	}
	ev_idle_init(&m->there, on_there);
	/* or an always busy descriptor would keep it waiting */
	ev_set_priority(&m->there, EV_MAXPRI);
	m->there.data = m;
	ctx->priv = m;
	return 0;
}

static void memory_detach(struct link_ctx *ctx)
{
	struct memory_ctx *m = ctx->priv;

	ev_idle_stop(ctx->loop->ev, &m->there);
	free(m->mem);
	free(m);
}

static void gather(uint8_t *to, const struct net_frame *f)
{
	unsigned int i;

	for (i = 0; i < f->nr_iov; i++) {
		memcpy(to, f->iov[i].iov_base, f->iov[i].iov_len);
		to += f->iov[i].iov_len;
	}
}

static bool echo_put(struct memory_ctx *m, const struct net_frame *f)
{
	uint32_t need = (uint32_t)sizeof(struct echo_head) +
			(f->len + LINE - 1) / LINE * LINE;
	uint32_t at = m->put & (ECHO_SIZE - 1), to_end = ECHO_SIZE - at;
	uint32_t skip = need > to_end ? to_end : 0;
	struct echo_head *h;

	if (m->put + skip + need - m->taken > ECHO_SIZE)
		return false;
	if (skip) {
		h = (void *)(m->mem + at);
		h->skip = skip;
		m->put += skip;
		at = 0;
	}
	h = (void *)(m->mem + at);
	h->skip = 0;
	h->frame = *f;
	gather((uint8_t *)(h + 1), f);
	m->put += need;
	return true;
}

static unsigned int memory_send(struct link_ctx *ctx,
				const struct net_frame *frames, unsigned int nr)
{
	struct memory_ctx *m = ctx->priv;
	unsigned int i;

	if (m->what != MEMORY_ECHO)
		return nr;
	for (i = 0; i < nr; i++)
		if (!echo_put(m, &frames[i]))
			break;
	if (m->armed)
		update_idle(m);
	return i;
}

static void give(struct memory_ctx *m, struct net_frame *f, unsigned int n,
		 uint8_t *data)
{
	f->head_len = (uint16_t)f->len;
	f->nr_iov = 1;
	f->iov = &m->iov[n];
	m->iov[n] = (struct iovec){data, f->len};
}

static unsigned int echo_receive(struct memory_ctx *m, struct net_frame *frames,
				 unsigned int nr)
{
	unsigned int n = 0;

	m->taken = m->given;
	while (n < nr && m->given != m->put) {
		struct echo_head *h = (void *)(m->mem +
					       (m->given & (ECHO_SIZE - 1)));

		if (h->skip) {
			m->given += h->skip;
			continue;
		}
		frames[n] = h->frame;
		give(m, &frames[n], n, (uint8_t *)(h + 1));
		m->given += sizeof(*h) +
			    (h->frame.len + LINE - 1) / LINE * LINE;
		n++;
	}
	return n;
}

static unsigned int source_receive(struct memory_ctx *m,
				   struct net_frame *frames, unsigned int nr)
{
	uint32_t size = m->ctx->desc->memory_size;
	unsigned int n;

	for (n = 0; n < nr && m->left; n++) {
		uint8_t *data = m->mem + (size_t)n * m->stride;
		uint64_t seq = htobe64(m->next++);

		m->left -= m->left != UINT64_MAX;
		memcpy(data + PAYLOAD_AT, &seq, sizeof(seq));
		memset(&frames[n], 0, sizeof(frames[n]));
		frames[n].len = size;
		frames[n].csum_valid = true;
		give(m, &frames[n], n, data);
	}
	return n;
}

static unsigned int memory_receive(struct link_ctx *ctx,
				   struct net_frame *frames, unsigned int nr)
{
	struct memory_ctx *m = ctx->priv;

	if (nr > BATCH)
		nr = BATCH;
	switch (m->what) {
	case MEMORY_ECHO:
		return echo_receive(m, frames, nr);
	case MEMORY_SOURCE:
		return source_receive(m, frames, nr);
	default:
		return 0;
	}
}

static void memory_arm(struct link_ctx *ctx, bool on)
{
	struct memory_ctx *m = ctx->priv;

	if (m->armed == on)
		return;
	m->armed = on;
	update_idle(m);
}

const struct link_ops link_memory = {
	.name = "memory",
	.scheme = "memory",
	.open = memory_open,
	.attach = memory_attach,
	.detach = memory_detach,
	.send = memory_send,
	.receive = memory_receive,
	.arm = memory_arm,
};
