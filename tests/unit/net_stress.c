// SPDX-License-Identifier: MIT
/*
 * Both sides of a transmit and a receive ring on two threads that sleep
 * whenever arm() lets them: every message arrives once, in order and whole,
 * and no wake-up is lost.  For ThreadSanitizer, too.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include <xen/xen.h>
#include <xen/io/netif.h>

#include "ring/net_check.h"
#include "tests/unit/check_quiet.h"
#include "tests/unit/run_suite.h"

#define PACKETS 60000u
#define FRAMES  60000u

static _Alignas(4096) uint8_t tx_page[NET_PAGE_SIZE], rx_page[NET_PAGE_SIZE];
static struct net_ring_journal tx_journal;
static sem_t to_back, to_front;
static uint64_t back_sleeps, front_sleeps;

/* A wake-up that does not come is a failure, not a hang. */
static bool wait_for(sem_t *sem)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	while (sem_timedwait(sem, &until))
		if (errno != EINTR)
			return false;
	return true;
}

struct back {
	struct net_back_ring tx, rx;
	uint32_t packets, frames;
	const char *failed;
};

/* Packets that are there: of seq n, with n % 4 more slots. */
static bool back_takes(struct back *b)
{
	const struct net_tx_rules rules = {true, true, true, true};
	int avail = net_back_ring_avail(&b->tx);
	struct net_tx_packet p;
	const char *why;
	uint32_t value, i;
	bool some = false;

	while (avail > 0) {
		if (net_tx_take(&b->tx, avail, &rules, &p, &why, &value) !=
		    NET_TX_OK) {
			b->failed = why;
			return true;
		}
		avail -= p.nr_slots;
		if (p.nr_frags != 1 + b->packets % 4)
			b->failed = "a packet of another number of pieces";
		for (i = 0; i < p.nr_frags; i++)
			if (p.frag[i].gref != b->packets)
				b->failed = "another packet";
		b->packets++;
		net_tx_answer(&b->tx, p.nr_slots, p.nr_extras, NETIF_RSP_OKAY);
		some = true;
	}
	if (avail < 0)
		b->failed = "an impossible index";
	if (net_back_ring_publish(&b->tx))
		sem_post(&to_front);
	return some;
}

static bool back_fills(struct back *b)
{
	int avail = net_back_ring_avail(&b->rx);
	struct net_rx_req req;
	bool some = avail > 0;

	for (; avail > 0; avail--) {
		net_back_rx_get(&b->rx, &req);
		if (req.id != (uint16_t)b->frames || req.gref != b->frames + 7)
			b->failed = "another buffer";
		net_back_rx_put(&b->rx,
				&(struct net_rx_rsp){
					.id = req.id,
					.offset = (uint16_t)(b->frames >> 3),
					.flags = (uint16_t)(b->frames >> 5),
					.status = (int16_t)(b->frames & 0x7ff),
				});
		b->frames++;
	}
	if (avail < 0)
		b->failed = "an impossible index";
	if (net_back_ring_publish(&b->rx))
		sem_post(&to_front);
	return some;
}

static void *back_thread(void *arg)
{
	struct back *b = arg;
	bool some;

	while (!b->failed && (b->packets < PACKETS || b->frames < FRAMES)) {
		some = back_takes(b);
		some |= back_fills(b);
		if (some || b->packets + b->frames == PACKETS + FRAMES ||
		    net_back_ring_arm(&b->tx, 1) ||
		    net_back_ring_arm(&b->rx, 1))
			continue;
		back_sleeps++;
		if (!wait_for(&to_back))
			b->failed = "the backend was not woken";
	}
	return NULL;
}

struct front {
	struct net_front_ring tx, rx;
	uint32_t packets, slots, posted, got;
	uint16_t tx_got;
	const char *failed;
};

static void front_sends(struct front *f)
{
	uint32_t n, i;

	while (f->packets < PACKETS && net_front_ring_free(&f->tx) >= 4) {
		n = f->packets++;
		for (i = 0; i <= n % 4; i++)
			net_front_tx_put(
				&f->tx,
				&(struct net_tx_req){
					.gref = n,
					.flags = i < n % 4 ? NETTXF_more_data
							   : 0,
					.id = (uint16_t)f->slots++,
					.size = (uint16_t)(i ? 5
							     : 60 + n % 4 * 5),
				});
		/* a batch now, a single one then */
		if (n % 23 < 4)
			break;
	}
	while (f->posted < FRAMES && net_front_ring_free(&f->rx)) {
		net_front_rx_put(&f->rx, &(struct net_rx_req){
						 .id = (uint16_t)f->posted,
						 .gref = f->posted + 7,
					 });
		if (f->posted++ % 19 == 0)
			break;
	}
	if (net_front_ring_publish(&f->tx))
		sem_post(&to_back);
	if (net_front_ring_publish(&f->rx))
		sem_post(&to_back);
}

static void front_takes(struct front *f)
{
	int nr = net_front_ring_avail(&f->tx);
	struct net_tx_rsp tx;
	struct net_rx_rsp rx;

	for (; nr > 0; nr--) {
		net_front_tx_get(&f->tx, &tx);
		if (tx.id != f->tx_got++ || tx.status != NETIF_RSP_OKAY)
			f->failed = "another answer";
	}
	nr = net_front_ring_avail(&f->rx);
	for (; nr > 0; nr--, f->got++) {
		net_front_rx_get(&f->rx, &rx);
		if (rx.id != (uint16_t)f->got ||
		    rx.offset != (uint16_t)(f->got >> 3) ||
		    rx.flags != (uint16_t)(f->got >> 5) ||
		    rx.status != (int16_t)(f->got & 0x7ff))
			f->failed = "another frame";
	}
}

static void run_front(struct front *f)
{
	while (!f->failed && (f->packets < PACKETS || f->got < FRAMES ||
			      net_front_ring_free(&f->tx) < NET_RING_ENTRIES)) {
		front_sends(f);
		front_takes(f);
		if ((f->packets < PACKETS &&
		     net_front_ring_free(&f->tx) >= 4) ||
		    (f->posted < FRAMES && net_front_ring_free(&f->rx)) ||
		    (f->got == FRAMES &&
		     net_front_ring_free(&f->tx) == NET_RING_ENTRIES) ||
		    net_front_ring_arm(&f->tx, 1) ||
		    net_front_ring_arm(&f->rx, 1))
			continue;
		front_sleeps++;
		if (!wait_for(&to_front))
			f->failed = "the frontend was not woken";
	}
}

START_TEST(two_threads)
{
	static struct front f;
	static struct back b;
	pthread_t thread;

	sem_init(&to_back, 0, 0);
	sem_init(&to_front, 0, 0);
	net_front_ring_init(&f.tx, tx_page, NET_RING_TX);
	net_front_ring_init(&f.rx, rx_page, NET_RING_RX);
	ck_assert_int_eq(net_back_ring_init(&b.tx, tx_page, NET_RING_TX,
					    _i ? &tx_journal : NULL, false),
			 0);
	ck_assert_int_eq(
		net_back_ring_init(&b.rx, rx_page, NET_RING_RX, NULL, false),
		0);
	pthread_create(&thread, NULL, back_thread, &b);
	run_front(&f);
	pthread_join(thread, NULL);
	if (f.failed || b.failed)
		ck_abort_msg("%s", f.failed ? f.failed : b.failed);
	ck_assert_uint_eq(b.packets, PACKETS);
	ck_assert_uint_eq(f.got, FRAMES);
	ck_assert_uint_gt(back_sleeps + front_sleeps, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_stress");
	TCase *tc = tcase_create("stress");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 50);
	tcase_add_loop_test(tc, two_threads, 0, 2);
	return run_suite(suite);
}
