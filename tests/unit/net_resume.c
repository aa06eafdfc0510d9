// SPDX-License-Identifier: MIT
/*
 * A worker that dies between any two stores, and its successor: every packet
 * is sent, with the reference that the guest gave; every slot is answered
 * once, in its place; no buffer is filled but one that is still owed.
 *
 * The workers are child processes.  Rings and journals are shared memory.  All
 * of this is compiled with store_hooks.c, which ends a child before its Nth
 * store.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/io/netif.h>

#include "ring/net_check.h"
#include "tests/unit/run_suite.h"
#include "tests/unit/store_hooks.h"

#define PACKETS 13u
#define BUFFERS 16u
#define TX_GREF 5000u  /* of packet n: n more */
#define RX_GREF 90000u /* of buffer n: n more */

struct world {
	_Alignas(4096) uint8_t tx[NET_PAGE_SIZE];
	_Alignas(4096) uint8_t rx[NET_PAGE_SIZE];
	struct net_ring_journal tx_journal, rx_journal;
	uint32_t sent[PACKETS];
	uint32_t bogus; /* references that no one gave */
	/* the guest's side */
	struct net_front_ring tx_front, rx_front;
	uint32_t tx_got, rx_got; /* slots answered */
};

static struct world *w;

/* Packet n has n % 3 extra infos and n % 4 more slots. */
static unsigned int slots_of(uint32_t n)
{
	return 1 + n % 3 + n % 4;
}

static void put_packet(uint32_t n)
{
	struct net_tx_req req = {
		.gref = TX_GREF + n,
		.flags = (uint16_t)((n % 3 ? NETTXF_extra_info : 0) |
				    (n % 4 ? NETTXF_more_data : 0)),
		.size = (uint16_t)(60 + 10 * (n % 4)),
	};
	uint32_t i;

	req.id = (uint16_t)w->tx_front.req_prod_pvt;
	net_front_tx_put(&w->tx_front, &req);
	for (i = 0; i < n % 3; i++)
		net_front_tx_put_extra(
			&w->tx_front,
			&(struct net_extra){
				.type = i ? XEN_NETIF_EXTRA_TYPE_GSO
					  : XEN_NETIF_EXTRA_TYPE_HASH,
				.flags = i + 1 < n % 3,
				.gso = {.size = 30, .type = 1}});
	for (i = 0; i < n % 4; i++)
		net_front_tx_put(
			&w->tx_front,
			&(struct net_tx_req){
				.gref = TX_GREF + n,
				.flags = i + 1 < n % 4 ? NETTXF_more_data : 0,
				.id = (uint16_t)w->tx_front.req_prod_pvt,
				.size = 10});
}

/* ---- the worker, in a child ---- */

static void send_batch(struct net_back_ring *r, unsigned int most)
{
	const struct net_tx_rules rules = {true, true, true, true};
	struct net_tx_packet p;
	unsigned int slots[8], extras[8], nr = 0, i;
	int avail = net_back_ring_avail(r);
	const char *why;
	uint32_t value;

	while (nr < most && avail > 0) {
		if (net_tx_take(r, avail, &rules, &p, &why, &value) !=
		    NET_TX_OK)
			_exit(3);
		avail -= p.nr_slots;
		slots[nr] = p.nr_slots;
		extras[nr++] = p.nr_extras;
		for (i = 0; i < p.nr_frags; i++) {
			uint32_t n = p.frag[i].gref - TX_GREF;

			if (n >= PACKETS || p.frag[i].gref != p.frag[0].gref)
				w->bogus++;
			else if (!i)
				w->sent[n]++;
		}
	}
	for (i = 0; i < nr; i++) {
		net_tx_answer(r, slots[i], extras[i], NETIF_RSP_OKAY);
		if (i % 3 == 2)
			net_back_ring_publish(r);
	}
	net_back_ring_publish(r);
}

static void fill_buffers(struct net_back_ring *r, unsigned int most)
{
	int avail = net_back_ring_avail(r);

	if (avail < 0)
		_exit(4);
	for (; avail && most; avail--, most--) {
		struct net_rx_req req;

		net_back_rx_get(r, &req);
		if (req.gref != RX_GREF + req.id)
			w->bogus++;
		if (most % 4 == 3)
			/* its slot for an extra info, whose bytes would be
			 * another reference */
			net_back_rx_put_extra(
				r, &(struct net_extra){
					   .type = XEN_NETIF_EXTRA_TYPE_GSO,
					   .gso = {1448, 0, 1}});
		else
			net_back_rx_put(r, &(struct net_rx_rsp){.id = req.id,
								.status = 60});
	}
	net_back_ring_publish(r);
}

static void worker(uint64_t stores, bool resume)
{
	struct net_back_ring tx, rx;
	unsigned int turn;

	store_hook_left = stores;
	if (net_back_ring_init(&tx, w->tx, NET_RING_TX, &w->tx_journal,
			       resume) ||
	    net_back_ring_init(&rx, w->rx, NET_RING_RX, &w->rx_journal, resume))
		_exit(2);
	for (turn = 0; turn < 8; turn++) {
		send_batch(&tx, 1 + turn % 8);
		fill_buffers(&rx, 1 + turn % 7);
	}
	_exit(0);
}

/* ---- the guest ---- */

static void begin(void)
{
	uint32_t n;

	memset(w, 0, sizeof(*w));
	net_front_ring_init(&w->tx_front, w->tx, NET_RING_TX);
	net_front_ring_init(&w->rx_front, w->rx, NET_RING_RX);
	for (n = 0; n < PACKETS; n++)
		put_packet(n);
	net_front_ring_publish(&w->tx_front);
	for (n = 0; n < BUFFERS; n++)
		net_front_rx_put(&w->rx_front,
				 &(struct net_rx_req){.id = (uint16_t)n,
						      .gref = RX_GREF + n});
	net_front_ring_publish(&w->rx_front);
}

/* Take what is answered, and look that it is right. */
static void take_answers(void)
{
	uint32_t n = 0, first = 0;
	int avail = net_front_ring_avail(&w->tx_front);

	ck_assert_int_ge(avail, 0);
	for (; avail; avail--, w->tx_got++) {
		struct net_tx_rsp rsp;
		uint32_t at;

		net_front_tx_get(&w->tx_front, &rsp);
		while (w->tx_got >= first + slots_of(n))
			first += slots_of(n++);
		at = w->tx_got - first;
		if (at && at <= n % 3) {
			ck_assert_int_eq(rsp.status, NETIF_RSP_NULL);
			continue;
		}
		ck_assert_int_eq(rsp.status, NETIF_RSP_OKAY);
		ck_assert_uint_eq(rsp.id, w->tx_got);
		ck_assert_uint_ge(w->sent[n], 1);
	}
	avail = net_front_ring_avail(&w->rx_front);
	ck_assert_int_ge(avail, 0);
	for (; avail; avail--, w->rx_got++) {
		struct net_rx_rsp rsp;

		net_front_rx_get(&w->rx_front, &rsp);
		if (rsp.status == 60)
			ck_assert_uint_eq(rsp.id, w->rx_got);
	}
	ck_assert_uint_eq(w->bogus, 0);
}

/* One after the other; true if the last one came to its end. */
static bool run_worker(uint64_t stores, bool resume)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid)
		worker(stores, resume);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == STORE_HOOK_EXIT)
		return false;
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	return true;
}

START_TEST(every_store)
{
	uint64_t stores;
	uint32_t n, total = 0;
	bool whole;

	for (n = 0; n < PACKETS; n++)
		total += slots_of(n);
	for (stores = 1;; stores++) {
		begin();
		whole = run_worker(stores, false);
		take_answers();
		if (!whole) {
			/* and now and then once more, soon after */
			if (stores % 3 == 0) {
				run_worker(1 + stores % 97, true);
				take_answers();
			}
			/* whatever the guest makes of our index */
			if (w->tx_journal.started)
				((struct ring_head *)w->tx)->rsp_prod += 1000;
			ck_assert(run_worker(0, true));
			take_answers();
		}
		ck_assert_uint_eq(w->tx_got, total);
		ck_assert_uint_eq(w->rx_got, BUFFERS);
		for (n = 0; n < PACKETS; n++)
			ck_assert(w->sent[n] >= 1 && w->sent[n] <= 3);
		if (whole)
			break;
	}
	ck_assert_uint_gt(stores, 400);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_resume");
	TCase *tc = tcase_create("resume");

	w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w == MAP_FAILED)
		return EXIT_FAILURE;
	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 50);
	tcase_add_test(tc, every_store);
	return run_suite(suite);
}
