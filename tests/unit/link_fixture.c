// SPDX-License-Identifier: MIT
/*
 * See link_fixture.h.
 */
#include "tests/unit/link_fixture.h"

#include <arpa/inet.h>
#include <check.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

#include "ring/net_csum.h"

const uint8_t guest_mac[6] = {0x00, 0x16, 0x3e, 0x11, 0x22, 0x33};
struct io_loop link_loop;
static bool late;

void link_fixture_start(void)
{
	link_loop.ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	ck_assert(link_loop.ev);
}

void link_fixture_end(void)
{
	ev_loop_destroy(link_loop.ev);
}

static struct link_open_how how_of(unsigned int queues, uint32_t mtu)
{
	struct link_open_how how = {.domid = 7, .queues = queues, .mtu = mtu};

	memcpy(how.mac, guest_mac, sizeof(guest_mac));
	return how;
}

void desc_open(struct link_desc *desc, const char *target, unsigned int queues,
	       uint32_t mtu)
{
	struct link_open_how how = how_of(queues, mtu);
	struct xs_err err = {""};
	int res = link_open(target, &how, desc, &err);

	ck_assert_msg(!res, "%s: %d %s", target, res, err.text);
}

const char *desc_refused(const char *target, unsigned int queues, uint32_t mtu)
{
	static struct xs_err err;
	struct link_open_how how = how_of(queues, mtu);
	struct link_desc desc;

	err.text[0] = '\0';
	ck_assert_msg(link_open(target, &how, &desc, &err) < 0, "%s", target);
	ck_assert_uint_eq(desc.nr_fds, 0);
	ck_assert(err.text[0]);
	return err.text;
}

static void on_readable(struct link_ctx *ctx)
{
	struct queue *q = ctx->user;

	q->readable = true;
}

void queue_attach(struct queue *q, const struct link_desc *desc,
		  unsigned int number)
{
	struct xs_err err = {""};
	int res;

	memset(q, 0, sizeof(*q));
	q->ctx.readable = on_readable;
	q->ctx.user = q;
	res = link_attach(&q->ctx, desc, number, &link_loop, &err);
	ck_assert_msg(!res, "%s", err.text);
}

bool queue_send(struct queue *q, const void *data, uint32_t len)
{
	struct iovec iov = {(void *)data, len};
	struct net_frame f = {.len = len,
			      .nr_iov = 1,
			      .head_len = (uint16_t)len,
			      .iov = &iov};

	return link_send(&q->ctx, &f, 1) == 1;
}

static void on_late(struct ev_loop *ev, ev_timer *w, int revents)
{
	(void)ev;
	(void)w;
	(void)revents;
	late = true;
}

bool queue_receive(struct queue *q, struct net_frame *f, int ms)
{
	ev_timer timer;
	bool got = link_receive(&q->ctx, f, 1);

	if (got)
		return true;
	late = false;
	ev_now_update(link_loop.ev);
	ev_timer_init(&timer, on_late, ms / 1000.0, 0.);
	ev_timer_start(link_loop.ev, &timer);
	while (!late && !got) {
		q->readable = false;
		link_arm(&q->ctx, true);
		while (!q->readable && !late)
			ev_run(link_loop.ev, EVRUN_ONCE);
		got = link_receive(&q->ctx, f, 1);
	}
	link_arm(&q->ctx, false);
	ev_timer_stop(link_loop.ev, &timer);
	return got;
}

void loop_turn(void)
{
	int i;

	for (i = 0; i < 4; i++)
		ev_run(link_loop.ev, EVRUN_NOWAIT);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t put_transport(uint8_t *p, const struct flow *f, uint32_t len)
{
	uint32_t head = f->tcp_flags ? 20 : 8;

	memset(p, 0, head);
	put16(p, f->from_port);
	put16(p + 2, f->to_port);
	if (!f->tcp_flags) {
		put16(p + 4, head + len);
		return head;
	}
	put32(p + 4, f->seq);
	put32(p + 8, f->ack);
	p[12] = 5 << 4;
	p[13] = f->tcp_flags;
	put16(p + 14, 65535);
	return head;
}

uint32_t make_frame(uint8_t *out, const struct flow *f, const void *payload,
		    uint32_t len)
{
	uint8_t *ip = out + ETH_HLEN;
	uint32_t head = put_transport(ip + 20, f, len), total;
	struct iovec iov = {out, 0};
	struct net_l4 l4;
	uint16_t sum;

	memcpy(out, f->to_mac, 6);
	memcpy(out + 6, guest_mac, 6);
	put16(out + 12, ETHERTYPE_IP);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, 20 + head + len);
	ip[8] = 64;
	ip[9] = f->tcp_flags ? IPPROTO_TCP : IPPROTO_UDP;
	put32(ip + 12, f->from);
	put32(ip + 16, f->to);
	sum = (uint16_t)~net_csum_add(0, ip, 20);
	memcpy(ip + 10, &sum, 2);
	memcpy(ip + 20 + head, payload, len);
	iov.iov_len = total = ETH_HLEN + 20 + head + len;
	ck_assert_int_eq(net_csum_find(out, total, total, NET_GSO_NONE, &l4),
			 0);
	net_csum_pseudo(out, &l4);
	if (!f->partial)
		net_csum_complete(&iov, 1, &l4);
	return total;
}
