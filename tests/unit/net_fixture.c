// SPDX-License-Identifier: MIT
/* See net_fixture.h. */
#include "tests/unit/net_fixture.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#include "ring/net_csum.h"
#include "tests/unit/fake_gnttab.h"

#define TX_RING_REF 20u
#define RX_RING_REF 21u
#define TX_PORT     5u
#define RX_PORT     6u
#define MAX_TURNS   1000u

struct fx fx;

/* ---- doubles of what the queue stands on ---- */

void io_loop_add_poller(struct io_loop *loop, struct io_poller *p)
{
	(void)loop;
	fx.poller = p;
}

void io_loop_del_poller(struct io_loop *loop, struct io_poller *p)
{
	(void)loop;
	(void)p;
	fx.poller = NULL;
}

int evtchn_hub_bind_interdomain(struct evtchn_hub *hub, uint32_t domid,
				uint32_t remote_port, evtchn_cb cb, void *arg,
				struct evtchn_port **port)
{
	(void)hub;
	(void)domid;
	(void)cb;
	(void)arg;
	*port = (struct evtchn_port *)&fx.notified[remote_port - TX_PORT];
	return 0;
}

void evtchn_port_close(struct evtchn_port *port)
{
	(void)port;
}

int evtchn_port_notify(struct evtchn_port *port)
{
	++*(unsigned int *)port;
	return 0;
}

static const struct link_ops fake_link = {.name = "fake"};

int link_attach(struct link_ctx *ctx, const struct link_desc *desc,
		unsigned int queue, struct io_loop *loop, struct xs_err *err)
{
	(void)err;
	ctx->ops = &fake_link;
	ctx->desc = desc;
	ctx->queue = queue;
	ctx->loop = loop;
	return 0;
}

void link_detach(struct link_ctx *ctx)
{
	ctx->ops = NULL;
}

static void gather(struct fx_frame *to, const struct net_frame *f)
{
	uint32_t at = 0, i;

	to->meta = *f;
	for (i = 0; i < f->nr_iov; i++) {
		ck_assert_uint_le(at + f->iov[i].iov_len, sizeof(to->data));
		memcpy(to->data + at, f->iov[i].iov_base, f->iov[i].iov_len);
		at += (uint32_t)f->iov[i].iov_len;
	}
	ck_assert_uint_eq(at, f->len);
	ck_assert_uint_le(f->nr_iov, LINK_MAX_IOV);
	ck_assert_uint_le(f->head_len, f->iov[0].iov_len);
}

unsigned int link_send(struct link_ctx *ctx, const struct net_frame *frames,
		       unsigned int nr)
{
	unsigned int i;

	(void)ctx;
	for (i = 0; i < nr; i++) {
		ck_assert_uint_lt(fx.nr_sent, FX_RING);
		gather(&fx.sent[fx.nr_sent++], &frames[i]);
	}
	return nr;
}

unsigned int link_receive(struct link_ctx *ctx, struct net_frame *frames,
			  unsigned int nr)
{
	static struct fx_frame given[NET_BATCH];
	unsigned int i;

	(void)ctx;
	fx.receives++;
	if (nr > fx.nr_waiting)
		nr = fx.nr_waiting;
	for (i = 0; i < nr; i++) {
		struct iovec *iov = fx.waiting_iov[i];
		uint32_t len = fx.waiting[i].meta.len;
		/* in two pieces, where there is enough for a head */
		uint32_t first = len > 300 ? 300 : len;

		given[i] = fx.waiting[i];
		frames[i] = given[i].meta;
		frames[i].iov = iov;
		frames[i].nr_iov = len > first ? 2 : 1;
		frames[i].head_len = (uint16_t)first;
		iov[0] = (struct iovec){given[i].data, first};
		iov[1] = (struct iovec){given[i].data + first, len - first};
	}
	fx.nr_waiting -= nr;
	memmove(fx.waiting, fx.waiting + nr,
		fx.nr_waiting * sizeof(fx.waiting[0]));
	return nr;
}

void link_arm(struct link_ctx *ctx, bool on)
{
	(void)ctx;
	fx.armed = on;
}

/* ---- what the queue tells ---- */

static void on_violation(void *arg, const char *text)
{
	(void)arg;
	ck_assert_ptr_null(fx.violation);
	fx.violation = text;
}

static void on_stalled(void *arg, bool stalled)
{
	(void)arg;
	fx.stalled = stalled;
}

static bool on_steer(void *arg, unsigned int queue,
		     const struct net_frame *frame)
{
	(void)arg;
	(void)frame;
	fx.steered++;
	fx.steered_to = queue;
	return true;
}

static void on_wake(void *arg)
{
	(void)arg;
}

/* ---- life ---- */

static void open_queue(void)
{
	const struct fx_setup *how = &fx.how;
	struct net_vif_journal *j = &fx.stats->journal;
	struct net_queue_config cfg = {
		.name = "vif/7/0",
		.loop = &fx.loop,
		.link = &fx.link,
		.policy = fx.policy,
		.mcast = &fx.mcast,
		.hash = &fx.hash,
		.pcap = &fx.pcap,
		.stats = &fx.stats->queue[0],
		.tx_journal = &j->tx[0],
		.rx_journal = &j->rx[0],
		.fe_domid = FAKE_DOMID,
		.tx_ref = TX_RING_REF,
		.rx_ref = RX_RING_REF,
		.evtchn_tx = TX_PORT,
		.evtchn_rx = how->split ? RX_PORT : TX_PORT,
		.features = how->features,
		.rules = {true, true, true, true},
		.csum4 = !how->no_csum,
		.csum6 = !how->no_csum,
		.rx_notify = !how->blind,
		.resume = how->resume,
		.violation = on_violation,
		.stalled = on_stalled,
		.steer = how->hash ? on_steer : NULL,
	};
	struct xs_err err = {""};

	net_mcast_init(&fx.mcast, &j->mcast, how->resume);
	net_hash_control_init(&fx.hash, &j->hash, 2, how->resume);
	ck_assert_int_eq(net_gref_create(&fx.grefs, fx.loop.gnttab, FAKE_DOMID,
					 &j->gref[0], how->resume),
			 0);
	cfg.grefs = fx.grefs;
	ck_assert_msg(!net_queue_open(&fx.q, &cfg, &err), "%s", err.text);
	net_queue_start(fx.q);
	ck_assert_ptr_nonnull(fx.poller);
}

static void close_queue(void)
{
	net_queue_stop(fx.q);
	net_queue_close(fx.q);
	net_gref_destroy(fx.grefs);
	net_hash_control_destroy(&fx.hash);
	net_mcast_destroy(&fx.mcast);
	ck_assert_ptr_null(fx.poller);
}

void fx_open(const struct fx_setup *how)
{
	unsigned int i;

	memset(&fx, 0, sizeof(fx));
	fx.how = *how;
	fx.stalled = -1;
	fx.loop.ev = ev_loop_new(EVFLAG_AUTO);
	fx.loop.now_ns = UINT64_C(1000000000);
	fx.stats = aligned_alloc(64, sizeof(*fx.stats));
	fx.sent = calloc(FX_RING, sizeof(*fx.sent));
	fx.waiting = calloc(FX_RING, sizeof(*fx.waiting));
	fx.got = calloc(FX_RING, sizeof(*fx.got));
	ck_assert(fx.loop.ev && fx.stats && fx.sent && fx.waiting && fx.got);
	memset(fx.stats, 0, sizeof(*fx.stats));
	for (i = 0; i < 1u << 16; i++)
		fx.tx_status[i] = 99;
	fx.link.offers = how->offers;
	ck_assert_int_eq(net_policy_create(&fx.policy, &how->policy), 0);
	ck_assert_int_eq(net_pcap_init(&fx.pcap, on_wake, NULL), 0);
	for (i = 0; i < FX_RING; i++) {
		fake_grant(FX_TX_REF(i), false);
		fake_grant(FX_RX_REF(i), true);
	}
	fake_grant(TX_RING_REF, true);
	fake_grant(RX_RING_REF, true);
	net_front_ring_init(&fx.tx, fake_frame(TX_RING_REF), NET_RING_TX);
	net_front_ring_init(&fx.rx, fake_frame(RX_RING_REF), NET_RING_RX);
	open_queue();
}

void fx_close(void)
{
	close_queue();
	net_pcap_destroy(&fx.pcap);
	net_policy_destroy(fx.policy);
	ev_loop_destroy(fx.loop.ev);
	free(fx.stats);
	free(fx.sent);
	free(fx.waiting);
	free(fx.got);
	ck_assert_uint_eq(fake.mapped, 0);
	ck_assert_uint_eq(fake.bad_unmaps, 0);
}

void fx_replace_worker(void)
{
	close_queue();
	fx.how.resume = true;
	open_queue();
}

/* ---- time ---- */

int fx_poll(void)
{
	fx.loop.now_ns += 1000;
	return fx.poller->poll(fx.poller);
}

bool fx_arm(void)
{
	return fx.poller->arm(fx.poller);
}

void fx_run(void)
{
	unsigned int turns;

	for (turns = 0; turns < MAX_TURNS; turns++)
		if (!fx_poll() && !fx_arm())
			return;
	ck_abort_msg("the queue does not come to rest");
}

void fx_sleep_ms(uint64_t ms)
{
	fx.loop.now_ns += ms * 1000000;
}

/* ---- the guest ---- */

void fx_static(uint32_t first_ref, unsigned int nr)
{
	struct net_gref_entry e[FX_RING] = {0};
	unsigned int i;

	for (i = 0; i < nr; i++) {
		e[i].ref = first_ref + i;
		if (first_ref + i < FX_RX_REF(0))
			e[i].flags = XEN_NETIF_CTRLF_GREF_readonly;
	}
	ck_assert_uint_eq(net_gref_add(fx.grefs, e, nr),
			  XEN_NETIF_CTRL_STATUS_SUCCESS);
}

uint16_t fx_tx_put(uint16_t flags, uint16_t offset, uint16_t size,
		   const void *data, uint16_t data_len)
{
	uint32_t slot = fx.tx_next++ % FX_RING;
	struct net_tx_req req = {
		.gref = FX_TX_REF(slot),
		.offset = offset,
		.flags = flags,
		.id = (uint16_t)(fx.tx_next + 1000),
		.size = size,
	};

	if (data)
		memcpy((char *)fake_frame(req.gref) + offset, data, data_len);
	net_front_tx_put(&fx.tx, &req);
	return req.id;
}

uint16_t fx_tx_frame(const void *data, uint16_t len, uint16_t flags)
{
	return fx_tx_put(flags, 64, len, data, len);
}

void fx_tx_extra(const struct net_extra *x)
{
	net_front_tx_put_extra(&fx.tx, x);
	fx.tx_next++;
}

void fx_tx_publish(void)
{
	net_front_ring_publish(&fx.tx);
}

unsigned int fx_tx_answers(void)
{
	int i, nr = net_front_ring_avail(&fx.tx);

	ck_assert_int_ge(nr, 0);
	for (i = 0; i < nr; i++) {
		struct net_tx_rsp rsp;

		net_front_tx_get(&fx.tx, &rsp);
		if (rsp.status == NETIF_RSP_NULL)
			continue;
		ck_assert_int_eq(fx.tx_status[rsp.id], 99);
		fx.tx_status[rsp.id] = rsp.status;
	}
	return (unsigned int)nr;
}

void fx_rx_buffers(unsigned int nr)
{
	while (nr--) {
		uint32_t slot = fx.rx_next++ % FX_RING;
		struct net_rx_req req = {(uint16_t)slot, FX_RX_REF(slot)};

		memset(fake_frame(req.gref), 0xee, 4096);
		net_front_rx_put(&fx.rx, &req);
	}
	net_front_ring_publish(&fx.rx);
}

static void take_extras(struct fx_frame *f, int *nr)
{
	struct net_extra *x;

	do {
		ck_assert_int_gt((*nr)--, 0);
		ck_assert_uint_lt(f->nr_extras, 4);
		x = &f->extra[f->nr_extras++];
		net_front_rx_get_extra(&fx.rx, x);
		f->nr_slots++;
	} while (x->flags & XEN_NETIF_EXTRA_FLAG_MORE);
}

void fx_rx_take(void)
{
	int nr = net_front_ring_avail(&fx.rx);

	ck_assert_int_ge(nr, 0);
	while (nr > 0) {
		struct fx_frame *f = &fx.got[fx.nr_got++];
		struct net_rx_rsp rsp;
		bool first = true;

		memset(f, 0, sizeof(*f));
		do {
			uint32_t slot = fx.rx.rsp_cons % FX_RING;

			ck_assert_int_gt(nr--, 0);
			net_front_rx_get(&fx.rx, &rsp);
			ck_assert_uint_eq(rsp.id, slot);
			f->nr_slots++;
			if (first) {
				f->flags = rsp.flags;
				f->offset = rsp.offset;
			}
			if (rsp.status < 0) {
				f->failed = true;
			} else {
				ck_assert_int_le(rsp.offset + rsp.status, 4096);
				memcpy(f->data + f->meta.len,
				       (char *)fake_frame(FX_RX_REF(slot)) +
					       rsp.offset,
				       (size_t)rsp.status);
				f->meta.len += (uint32_t)rsp.status;
			}
			if (first && (rsp.flags & NETRXF_extra_info))
				take_extras(f, &nr);
			first = false;
		} while (rsp.flags & NETRXF_more_data);
	}
}

/* ---- the link ---- */

void fx_link_frame(const struct net_frame *meta, const void *data, uint32_t len)
{
	struct fx_frame *f = &fx.waiting[fx.nr_waiting++];

	ck_assert_uint_le(fx.nr_waiting, FX_RING);
	f->meta = meta ? *meta : (struct net_frame){0};
	f->meta.len = len;
	memcpy(f->data, data, len);
}

/* ---- frames ---- */

static void fill(uint8_t *frame, uint32_t from, uint32_t len, uint32_t seed)
{
	while (from < len) {
		seed = seed * 1664525u + 1013904223u;
		frame[from++] = (uint8_t)(seed >> 24);
	}
}

static void ethernet(uint8_t *frame, uint16_t type)
{
	static const uint8_t to[6] = {2, 0, 0, 0, 0, 1}, from[6] = FX_MAC;

	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
}

static void set_csum(uint8_t *frame, uint32_t len, enum net_gso gso, bool blank)
{
	struct iovec iov = {frame, len};
	struct net_l4 l4;

	ck_assert_int_eq(net_csum_find(frame, len, len, gso, &l4), 0);
	net_csum_pseudo(frame, &l4);
	if (!blank)
		net_csum_complete(&iov, 1, &l4);
}

void fx_udp(uint8_t *frame, uint32_t len, uint32_t seed, bool blank)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons((uint16_t)(len - 14)),
		.saddr = htonl(0x0a000002),
		.daddr = htonl(0x0a000001),
	};
	struct udphdr udp = {
		.source = htons((uint16_t)(1024 + (seed & 0xfff))),
		.dest = htons(9),
		.len = htons((uint16_t)(len - 34)),
	};

	ethernet(frame, 0x0800);
	ip.check = (uint16_t)~net_csum_add(0, &ip, sizeof(ip));
	memcpy(frame + 14, &ip, sizeof(ip));
	memcpy(frame + 34, &udp, sizeof(udp));
	fill(frame, 42, len, seed);
	set_csum(frame, len, NET_GSO_NONE, blank);
}

void fx_tcp6(uint8_t *frame, uint32_t len, uint32_t seed, bool blank)
{
	struct ip6_hdr ip = {
		.ip6_flow = htonl(6u << 28),
		.ip6_plen = htons((uint16_t)(len - 54)),
		.ip6_nxt = IPPROTO_TCP,
		.ip6_hlim = 64,
	};
	struct tcphdr tcp = {
		.source = htons(1234),
		.dest = htons(80),
		.doff = 5,
		.ack = 1,
	};

	ip.ip6_src.s6_addr[0] = ip.ip6_dst.s6_addr[0] = 0xfd;
	ip.ip6_src.s6_addr[15] = 1;
	ip.ip6_dst.s6_addr[15] = 2;
	ethernet(frame, 0x86dd);
	memcpy(frame + 14, &ip, sizeof(ip));
	memcpy(frame + 54, &tcp, sizeof(tcp));
	fill(frame, 74, len, seed);
	set_csum(frame, len, NET_GSO_NONE, blank);
}
