// SPDX-License-Identifier: MIT
/*
 * The netif rings against the structs and macros of <xen/io/netif.h> and
 * <xen/io/ring.h>; and what a successor finds in the journal.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/netif.h>

/* One thread here: the oracle needs no barriers. */
#undef xen_mb
#undef xen_rmb
#undef xen_wmb
#define xen_mb()  ((void)0)
#define xen_rmb() ((void)0)
#define xen_wmb() ((void)0)

#include "ring/net_ring.h"
#include "tests/unit/check_quiet.h"
#include "tests/unit/run_suite.h"

static _Alignas(4096) uint8_t page[NET_PAGE_SIZE], copy[NET_PAGE_SIZE];
static struct ring_head *const head = (void *)page;

static const uint32_t starts[] = {0,           1,           255,
				  0x7ffffff0u, 0xffffff80u, 0xffffffffu};
#define NR_STARTS ((int)(sizeof(starts) / sizeof(starts[0])))

static void begin_at(struct net_front_ring *front, struct net_back_ring *back,
		     enum net_ring_kind kind, uint32_t start)
{
	net_front_ring_init(front, page, kind);
	front->req_prod = front->req_prod_pvt = front->rsp_cons = start;
	head->req_prod = head->rsp_prod = start;
	head->req_event = head->rsp_event = start + 1;
	ck_assert_int_eq(net_back_ring_init(back, page, kind, NULL, false), 0);
	ck_assert_uint_eq(back->req_cons, start);
}

/* Each side's messages, as the other reads them through Xen's structs. */
START_TEST(tx_layout)
{
	struct netif_tx_sring *sring = (void *)page;
	struct net_front_ring front;
	struct net_back_ring back;
	struct net_tx_rsp rsp;
	union net_tx_slot slot;
	unsigned int i;

	begin_at(&front, &back, NET_RING_TX, starts[_i]);
	for (i = 0; i < 600; i++) {
		uint32_t at = (starts[_i] + i) % 256;
		struct net_tx_req req = {
			.gref = (uint32_t)random(),
			.offset = (uint16_t)random(),
			.flags = (uint16_t)random(),
			.id = (uint16_t)random(),
			.size = (uint16_t)random(),
		};
		struct netif_tx_request *x = &sring->ring[at].req;

		net_front_tx_put(&front, &req);
		net_front_ring_publish(&front);
		ck_assert_uint_eq(x->gref, req.gref);
		ck_assert_uint_eq(x->offset, req.offset);
		ck_assert_uint_eq(x->flags, req.flags);
		ck_assert_uint_eq(x->id, req.id);
		ck_assert_uint_eq(x->size, req.size);
		net_back_tx_get(&back, &slot);
		ck_assert(!memcmp(&slot.req, &req, sizeof(req)));
		rsp = (struct net_tx_rsp){.id = req.id,
					  .status = (int16_t)random()};
		net_back_tx_put(&back, &rsp);
		net_back_ring_publish(&back);
		ck_assert_uint_eq(sring->ring[at].rsp.id, req.id);
		ck_assert_int_eq(sring->ring[at].rsp.status, rsp.status);
		rsp.id++;
		net_front_tx_get(&front, &rsp);
		ck_assert_uint_eq(rsp.id, req.id);
		ck_assert_int_eq(rsp.status, sring->ring[at].rsp.status);
	}
}
END_TEST

START_TEST(rx_layout)
{
	struct netif_rx_sring *sring = (void *)page;
	struct net_front_ring front;
	struct net_back_ring back;
	struct net_rx_rsp rsp, got;
	struct net_rx_req back_req;
	unsigned int i;

	begin_at(&front, &back, NET_RING_RX, starts[_i]);
	for (i = 0; i < 600; i++) {
		uint32_t at = (starts[_i] + i) % 256;
		struct net_rx_req req = {.id = (uint16_t)random(),
					 .gref = (uint32_t)random()};

		net_front_rx_put(&front, &req);
		net_front_ring_publish(&front);
		ck_assert_uint_eq(sring->ring[at].req.id, req.id);
		ck_assert_uint_eq(sring->ring[at].req.pad, 0);
		ck_assert_uint_eq(sring->ring[at].req.gref, req.gref);
		net_back_rx_get(&back, &back_req);
		ck_assert_uint_eq(back_req.id, req.id);
		ck_assert_uint_eq(back_req.gref, req.gref);
		rsp = (struct net_rx_rsp){
			.id = req.id,
			.offset = (uint16_t)random(),
			.flags = (uint16_t)random(),
			.status = (int16_t)random(),
		};
		net_back_rx_put(&back, &rsp);
		net_back_ring_publish(&back);
		ck_assert_uint_eq(sring->ring[at].rsp.id, rsp.id);
		ck_assert_uint_eq(sring->ring[at].rsp.offset, rsp.offset);
		ck_assert_uint_eq(sring->ring[at].rsp.flags, rsp.flags);
		ck_assert_int_eq(sring->ring[at].rsp.status, rsp.status);
		net_front_rx_get(&front, &got);
		ck_assert(!memcmp(&got, &rsp, sizeof(got)));
	}
}
END_TEST

START_TEST(ctrl_layout)
{
	xen_netif_ctrl_sring_t *sring = (void *)page;
	struct net_front_ring front;
	struct net_back_ring back;
	struct net_ctrl_req req, got;
	struct net_ctrl_rsp rsp, got_rsp;
	unsigned int i;

	begin_at(&front, &back, NET_RING_CTRL, starts[_i]);
	ck_assert_uint_eq(net_front_ring_free(&front), 128);
	for (i = 0; i < 300; i++) {
		uint32_t at = (starts[_i] + i) % 128;

		req = (struct net_ctrl_req){
			.id = (uint16_t)random(),
			.type = (uint16_t)random(),
			.data = {(uint32_t)random(), (uint32_t)random(),
				 (uint32_t)random()},
		};
		net_front_ctrl_put(&front, &req);
		net_front_ring_publish(&front);
		ck_assert_uint_eq(sring->ring[at].req.id, req.id);
		ck_assert_uint_eq(sring->ring[at].req.type, req.type);
		ck_assert_uint_eq(sring->ring[at].req.data[0], req.data[0]);
		ck_assert_uint_eq(sring->ring[at].req.data[2], req.data[2]);
		net_back_ctrl_get(&back, &got);
		ck_assert(!memcmp(&got, &req, sizeof(req)));
		rsp = (struct net_ctrl_rsp){req.id, req.type,
					    (uint32_t)random(),
					    (uint32_t)random()};
		net_back_ctrl_put(&back, &rsp);
		net_back_ring_publish(&back);
		ck_assert_uint_eq(sring->ring[at].rsp.id, rsp.id);
		ck_assert_uint_eq(sring->ring[at].rsp.type, rsp.type);
		ck_assert_uint_eq(sring->ring[at].rsp.status, rsp.status);
		ck_assert_uint_eq(sring->ring[at].rsp.data, rsp.data);
		net_front_ctrl_get(&front, &got_rsp);
		ck_assert(!memcmp(&got_rsp, &rsp, sizeof(rsp)));
	}
}
END_TEST

static void same_extra(const struct netif_extra_info *x,
		       const struct net_extra *e)
{
	uint32_t value;

	ck_assert_uint_eq(x->type, e->type);
	ck_assert_uint_eq(x->flags, e->flags);
	switch (e->type) {
	case XEN_NETIF_EXTRA_TYPE_GSO:
		ck_assert_uint_eq(x->u.gso.size, e->gso.size);
		ck_assert_uint_eq(x->u.gso.type, e->gso.type);
		ck_assert_uint_eq(x->u.gso.pad, 0);
		ck_assert_uint_eq(x->u.gso.features, e->gso.features);
		break;
	case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
	case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
		ck_assert(!memcmp(x->u.mcast.addr, e->mcast, 6));
		break;
	case XEN_NETIF_EXTRA_TYPE_HASH:
		memcpy(&value, x->u.hash.value, 4);
		ck_assert_uint_eq(x->u.hash.type, e->hash.type);
		ck_assert_uint_eq(x->u.hash.algorithm, e->hash.algorithm);
		ck_assert_uint_eq(value, e->hash.value);
		break;
	case NET_EXTRA_XDP:
		ck_assert_uint_eq(x->u.pad[0], e->xdp.headroom);
		break;
	}
}

/* Extra infos of all types, both ways; what comes back is what went. */
START_TEST(extras)
{
	static const struct net_extra all[] = {
		{.type = XEN_NETIF_EXTRA_TYPE_GSO,
		 .flags = 1,
		 .gso = {0x1234, 0xabcd, 2}},
		{.type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
		 .mcast = {1, 0, 0x5e, 4, 5, 6}},
		{.type = XEN_NETIF_EXTRA_TYPE_MCAST_DEL,
		 .flags = 0xff,
		 .mcast = {0xff, 0xfe, 0xfd, 4, 5, 6}},
		{.type = XEN_NETIF_EXTRA_TYPE_HASH, .hash = {3, 1, 0xdeadbeef}},
		{.type = NET_EXTRA_XDP, .xdp = {256}},
		{.type = 0},
		{.type = 77, .flags = 5},
	};
	struct netif_extra_info x;
	struct net_front_ring front;
	struct net_back_ring back;
	union net_tx_slot slot;
	struct net_extra got;
	unsigned int i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		begin_at(&front, &back, NET_RING_TX, 0);
		net_front_tx_put_extra(&front, &all[i]);
		memcpy(&x, page + 64, sizeof(x));
		same_extra(&x, &all[i]);
		net_back_tx_get(&back, &slot);
		net_extra_of(&slot, &got);
		ck_assert(!memcmp(&got, &all[i], sizeof(got)));

		begin_at(&front, &back, NET_RING_RX, 0);
		net_back_rx_put_extra(&back, &all[i]);
		memcpy(&x, page + 64, sizeof(x));
		same_extra(&x, &all[i]);
		net_front_rx_get_extra(&front, &got);
		ck_assert(!memcmp(&got, &all[i], sizeof(got)));
	}
}
END_TEST

/* Random steps of both sides beside ring.h's macros on a copy. */
struct pair {
	struct net_front_ring front;
	struct net_back_ring back;
	netif_tx_front_ring_t xf;
	netif_tx_back_ring_t xb;
};

static void mirror(struct pair *p)
{
	netif_tx_sring_t *sring = (void *)copy;

	memcpy(copy, page, sizeof(copy));
	FRONT_RING_ATTACH(&p->xf, sring, p->front.rsp_cons, NET_PAGE_SIZE);
	p->xf.req_prod_pvt = p->front.req_prod_pvt;
	BACK_RING_ATTACH(&p->xb, sring, p->back.rsp_prod_pvt, NET_PAGE_SIZE);
	p->xb.req_cons = p->back.req_cons;
	ck_assert_uint_eq(p->xf.nr_ents, p->front.nr_ents);
	ck_assert_uint_eq(RING_FREE_REQUESTS(&p->xf),
			  net_front_ring_free(&p->front));
}

static void front_step(struct pair *p)
{
	struct net_tx_req req = {.size = 60};
	struct net_tx_rsp rsp;
	unsigned int n = net_front_ring_free(&p->front);
	bool want;
	int avail;

	for (n = (unsigned int)random() % (n + 1); n; n--)
		net_front_tx_put(&p->front, &req);
	mirror(p);
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&p->xf, want);
	ck_assert_int_eq(net_front_ring_publish(&p->front), want);
	ck_assert(!memcmp(page, copy, sizeof(page)));
	avail = net_front_ring_avail(&p->front);
	ck_assert_int_eq(avail, XEN_RING_NR_UNCONSUMED_RESPONSES(&p->xf));
	for (avail = (int)(random() % (avail + 1)); avail; avail--)
		net_front_tx_get(&p->front, &rsp);
}

static void back_step(struct pair *p)
{
	struct net_tx_rsp rsp = {.id = 1};
	union net_tx_slot slot;
	unsigned int n;
	int avail = net_back_ring_avail(&p->back);
	bool want;

	mirror(p);
	ck_assert_int_eq(avail, XEN_RING_NR_UNCONSUMED_REQUESTS(&p->xb));
	for (avail = (int)(random() % (avail + 1)); avail; avail--)
		net_back_tx_get(&p->back, &slot);
	n = p->back.req_cons - p->back.rsp_prod_pvt;
	for (n = (unsigned int)random() % (n + 1); n; n--)
		net_back_tx_put(&p->back, &rsp);
	mirror(p);
	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&p->xb, want);
	ck_assert_int_eq(net_back_ring_publish(&p->back), want);
	ck_assert(!memcmp(page, copy, sizeof(page)));
}

START_TEST(oracle)
{
	struct pair p;
	unsigned int step;
	int want;

	srandom((unsigned int)_i);
	begin_at(&p.front, &p.back, NET_RING_TX, starts[_i]);
	for (step = 0; step < 3000; step++) {
		switch (random() % 4) {
		case 0:
			front_step(&p);
			break;
		case 1:
			back_step(&p);
			break;
		case 2:
			mirror(&p);
			RING_FINAL_CHECK_FOR_REQUESTS(&p.xb, want);
			ck_assert_int_eq(net_back_ring_arm(&p.back, 1),
					 want != 0);
			ck_assert(!memcmp(page, copy, 64));
			break;
		case 3:
			mirror(&p);
			RING_FINAL_CHECK_FOR_RESPONSES(&p.xf, want);
			ck_assert_int_eq(net_front_ring_arm(&p.front, 1),
					 want != 0);
			ck_assert(!memcmp(page, copy, 64));
			break;
		}
	}
}
END_TEST

/* Indices that no peer can have. */
START_TEST(impossible)
{
	static const uint32_t ahead[] = {257, 1000, 0x7fffffff, 0x80000000,
					 0xffffffff};
	struct net_front_ring front;
	struct net_back_ring back;
	unsigned int i;

	for (i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
		begin_at(&front, &back, NET_RING_RX, starts[_i]);
		head->req_prod = starts[_i] + 256;
		ck_assert_int_eq(net_back_ring_avail(&back), 256);
		head->req_prod = starts[_i] + ahead[i];
		ck_assert_int_eq(net_back_ring_avail(&back), -EPROTO);
		ck_assert(net_back_ring_arm(&back, 1));
		ck_assert_int_eq(net_back_ring_init(&back, page, NET_RING_RX,
						    NULL, false),
				 -EPROTO);
		head->rsp_prod = starts[_i] + 1;
		ck_assert_int_eq(net_front_ring_avail(&front), -EPROTO);
		front.req_prod++;
		ck_assert_int_eq(net_front_ring_avail(&front), 1);
		head->rsp_prod = starts[_i] + ahead[i];
		ck_assert_int_eq(net_front_ring_avail(&front), -EPROTO);
		ck_assert(net_front_ring_arm(&front, 1));
	}
}
END_TEST

/* Asking for more than the next: half a packet is there. */
START_TEST(arm_more)
{
	struct net_tx_req req = {.size = 60};
	struct net_front_ring front;
	struct net_back_ring back;
	unsigned int i;

	begin_at(&front, &back, NET_RING_TX, starts[_i]);
	for (i = 0; i < 3; i++)
		net_front_tx_put(&front, &req);
	ck_assert(net_front_ring_publish(&front));
	ck_assert(net_back_ring_arm(&back, 3));
	ck_assert(!net_back_ring_arm(&back, 5));
	net_front_tx_put(&front, &req);
	ck_assert(!net_front_ring_publish(&front));
	ck_assert(!net_back_ring_arm(&back, 5));
	net_front_tx_put(&front, &req);
	ck_assert(net_front_ring_publish(&front));
	ck_assert(net_back_ring_arm(&back, 5));
}
END_TEST

static struct net_ring_journal journal;

static void put_ids(struct net_front_ring *front, unsigned int nr)
{
	static uint16_t id;

	for (; nr; nr--, id++)
		net_front_tx_put(front, &(struct net_tx_req){.gref = id + 1u,
							     .id = id,
							     .size = 60});
	net_front_ring_publish(front);
}

/* A worker dies with taken requests, some answered, some answers published;
 * its successor sees those it owes as they were, and then what came since. */
START_TEST(journal_replay)
{
	struct net_front_ring front;
	struct net_back_ring back;
	union net_tx_slot slot;
	unsigned int round, i, taken, put, published = 0;
	uint16_t next = 0;

	begin_at(&front, &back, NET_RING_TX, starts[_i]);
	net_back_ring_init(&back, page, NET_RING_TX, &journal, false);
	put_ids(&front, 1);
	next = ((struct net_tx_req *)(page + 64 + starts[_i] % 256 * 12))->id;
	for (round = 0; round < 300; round++) {
		struct net_tx_rsp rsp;

		put_ids(&front, (unsigned int)random() %
					(net_front_ring_free(&front) + 1));
		taken = (unsigned int)net_back_ring_avail(&back);
		taken = (unsigned int)random() % (taken + 1);
		for (i = 0; i < taken; i++) {
			net_back_tx_get(&back, &slot);
			ck_assert_uint_eq(slot.req.id, (uint16_t)(next + i));
			ck_assert_uint_eq(slot.req.gref, slot.req.id + 1u);
		}
		if (random() % 3 == 0) {
			/* the rate: later, and as before whatever the guest
			 * writes there meanwhile */
			uint32_t back_by = (uint32_t)random() % (taken + 1);

			net_back_ring_rewind(&back, back.req_cons - back_by);
			for (i = taken - back_by; i < taken; i++)
				memset(page + 64 +
					       (back.req_cons + i + back_by -
						taken) %
						       256 * 12,
				       0xff, 12);
			for (i = taken - back_by; i < taken; i++) {
				net_back_tx_get(&back, &slot);
				ck_assert_uint_eq(slot.req.id,
						  (uint16_t)(next + i));
			}
		}
		published = (unsigned int)random() % (taken + 1);
		for (put = 0; put < taken; put++) {
			rsp = (struct net_tx_rsp){.id = (uint16_t)(next + put)};
			net_back_tx_put(&back, &rsp);
			if (put + 1 == published)
				net_back_ring_publish(&back);
		}
		next = (uint16_t)(next + published);
		for (; net_front_ring_avail(&front);)
			net_front_tx_get(&front, &rsp);
		/* Whatever the guest wrote over our index. */
		head->rsp_prod = (uint32_t)random();
		ck_assert_int_eq(net_back_ring_init(&back, page, NET_RING_TX,
						    &journal, true),
				 0);
	}
}
END_TEST

START_TEST(journal_refused)
{
	struct net_front_ring front;
	struct net_back_ring back;
	union net_tx_slot slot;
	unsigned int i;

	begin_at(&front, &back, NET_RING_TX, starts[_i]);
	/* Nothing was begun with it: a new ring. */
	memset(&journal, 0, sizeof(journal));
	ck_assert_int_eq(
		net_back_ring_init(&back, page, NET_RING_TX, &journal, true),
		0);
	ck_assert_uint_eq(back.req_cons, starts[_i]);
	put_ids(&front, 20);
	for (i = 0; i < 10; i++)
		net_back_tx_get(&back, &slot);
	/* The guest takes back what was taken already. */
	head->req_prod -= 15;
	ck_assert_int_eq(
		net_back_ring_init(&back, page, NET_RING_TX, &journal, true),
		-EPROTO);
	head->req_prod += 15;
	journal.req_cons += 247;
	ck_assert_int_eq(
		net_back_ring_init(&back, page, NET_RING_TX, &journal, true),
		-EUCLEAN);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_ring");
	TCase *tc = tcase_create("ring");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 50);
	tcase_add_loop_test(tc, tx_layout, 0, NR_STARTS);
	tcase_add_loop_test(tc, rx_layout, 0, NR_STARTS);
	tcase_add_loop_test(tc, ctrl_layout, 0, NR_STARTS);
	tcase_add_test(tc, extras);
	tcase_add_loop_test(tc, oracle, 0, NR_STARTS);
	tcase_add_loop_test(tc, impossible, 0, NR_STARTS);
	tcase_add_loop_test(tc, arm_more, 0, NR_STARTS);
	tcase_add_loop_test(tc, journal_replay, 0, NR_STARTS);
	tcase_add_loop_test(tc, journal_refused, 0, NR_STARTS);
	return run_suite(suite);
}
