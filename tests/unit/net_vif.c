// SPDX-License-Identifier: MIT
/*
 * A whole NIC in a worker, on embedded Xen: real loops, event channels and
 * grants, several queues on several threads, libnetfront's queues on the other
 * side.  What the control thread does to it while frames move.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/net_vif.h"
#include "frontend/netfront_int.h"
#include "hypercall/log.h"
#include "tests/unit/local_fixture.h"
#include "tests/unit/run_suite.h"

/* After stdint.h, which it needs and does not include. */
#include <xen/io/netif.h>

#define GUEST     1u
#define BACK      2u
#define QUEUES    4u
#define LOOPS     2u
#define BURST     32u
#define WAIT_MS   10000
#define FRAME_MAX 2000u

static struct {
	struct io_loop *loop[LOOPS];
	struct net_vif *vif;
	struct net_vif_stats *stats;
	struct worker_net_connect how;
	atomic_uint wakes;
	/* the guest */
	struct netfront nf;
	struct netfront_conn *conn[QUEUES];
	unsigned int nr_queues;
} t;

/* What one thread of the guest's does with its queue. */
struct pump {
	struct netfront_queue *q;
	unsigned int frames; /* to be sent, and to come back */
	unsigned int sent, got, hashed;
	uint32_t len, seed;
	const char *wrong;
};

static void on_wake(void *arg)
{
	(void)arg;
	atomic_fetch_add(&t.wakes, 1);
}

/* ---- life ---- */

static void setup(void)
{
	unsigned int i;

	memset(&t, 0, sizeof(t));
	fixture_start();
	fixture_domain(GUEST);
	fixture_domain(BACK);
	fixture_enter(BACK);
	for (i = 0; i < LOOPS; i++)
		ck_assert_int_eq(io_loop_start(&t.loop[i], i, 20, NULL), 0);
}

static void teardown(void)
{
	unsigned int i;

	for (i = 0; i < LOOPS; i++)
		io_loop_stop(t.loop[i]);
	fixture_stop();
}

static void add_vif(const char *target)
{
	const struct link_open_how how = {.queues = QUEUES, .mtu = 9000};
	const struct net_vif_host host = {t.loop, LOOPS, on_wake, NULL};
	struct worker_net_add add = {.name = "vif/1/0"};
	struct xs_err err = {""};
	int fd = memfd_create("stats", MFD_CLOEXEC);

	ck_assert_int_eq(ftruncate(fd, sizeof(*t.stats)), 0);
	t.stats = mmap(NULL, sizeof(*t.stats), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(t.stats, MAP_FAILED);
	ck_assert_msg(!link_open(target, &how, &add.link, &err), "%s",
		      err.text);
	ck_assert_msg(!net_vif_add(&t.vif, 3, &add, &fd, 1, &host, &err), "%s",
		      err.text);
}

static void open_guest(unsigned int nr, bool ctrl)
{
	const struct netfront_features can = {
		.sg = true, .csum4 = true, .csum6 = true, .nr_queues = nr};
	struct netfront *nf = &t.nf;
	unsigned int i;

	fixture_enter(GUEST);
	front_dev_init(&nf->dev, &netfront_class, 0, 1000);
	nf->dev.phase = FRONT_CONNECTED;
	nf->gntshr = xengntshr_open(fixture_quiet(), 0);
	ck_assert_ptr_nonnull(nf->gntshr);
	pthread_mutex_init(&nf->ctrl.lock, NULL);
	nf->ctrl.port = -1;
	nf->back_domid = BACK;
	nf->nr_queues = t.nr_queues = nr;
	t.how = (struct worker_net_connect){
		.fe_domid = GUEST,
		.nr_queues = nr,
		.features = LINK_CSUM | LINK_SG,
		.sg = 1,
		.csum4 = 1,
		.csum6 = 1,
		.rx_notify = 1,
	};
	for (i = 0; i < nr; i++) {
		struct netfront_conn **c = &t.conn[i];

		ck_assert_int_eq(netfront_queue_create(&nf->queues[i], nf, i),
				 0);
		ck_assert_int_eq(netfront_conn_create(c, nf->gntshr,
						      &nf->queues[i]->events,
						      BACK, &can),
				 0);
		t.how.queue[i] = (struct worker_net_queue){
			(*c)->tx_ring_ref, (*c)->rx_ring_ref,
			(uint32_t)(*c)->port_tx, (uint32_t)(*c)->port_rx};
		netfront_queue_give(nf->queues[i], *c);
	}
	if (!ctrl)
		return;
	ck_assert_int_eq(netfront_ctrl_connect(nf), 0);
	t.how.has_ctrl = 1;
	t.how.ctrl_ref = nf->ctrl.ring_ref;
	t.how.ctrl_evtchn = (uint32_t)nf->ctrl.port;
}

static void connect_vif(void)
{
	struct xs_err err = {""};

	ck_assert_msg(!net_vif_connect(t.vif, &t.how, &err), "%s", err.text);
}

static void add_static(void)
{
	unsigned int i;

	netfront_ctrl_start(&t.nf);
	for (i = 0; i < t.nr_queues; i++)
		ck_assert_int_eq(netfront_add_static(&t.nf, i, t.conn[i]),
				 2 * NET_RING_ENTRIES);
}

static void close_guest(void)
{
	unsigned int i;

	netfront_ctrl_close(&t.nf);
	pthread_mutex_destroy(&t.nf.ctrl.lock);
	for (i = 0; i < t.nr_queues; i++)
		netfront_queue_destroy(t.nf.queues[i]);
	xengntshr_close(t.nf.gntshr);
	front_dev_destroy(&t.nf.dev);
}

static void close_vif(void)
{
	net_vif_stop(t.vif);
	ck_assert(net_vif_try_finish(t.vif));
	net_vif_remove(t.vif);
	munmap(t.stats, sizeof(*t.stats));
}

/* ---- frames ---- */

static void make(uint8_t *frame, uint32_t len, uint32_t seed, uint32_t number)
{
	static const uint8_t head[] = {2,    0, 0, 0, 0, 1, 0,    0x16,
				       0x3e, 1, 2, 3, 8, 0, 0x45, 0};
	uint32_t i;

	memset(frame, 0, 64);
	memcpy(frame, head, sizeof(head));
	frame[16] = (uint8_t)((len - 14) >> 8);
	frame[17] = (uint8_t)(len - 14);
	frame[23] = 253; /* for experiments */
	frame[26] = 10;
	frame[30] = 10;
	memcpy(frame + 34, &seed, 4);
	memcpy(frame + 38, &number, 4);
	for (i = 42; i < len; i++)
		frame[i] = (uint8_t)(seed + number + i);
}

static void on_frame(void *user, const struct iovec *iov, unsigned int nr_iov,
		     uint32_t len, const struct netfront_meta *meta)
{
	uint8_t want[FRAME_MAX], got[FRAME_MAX];
	struct pump *p = user;
	uint32_t at = 0, number;
	unsigned int i;

	p->hashed += meta->has_hash;
	for (i = 0; i < nr_iov && at + iov[i].iov_len <= sizeof(got); i++) {
		memcpy(got + at, iov[i].iov_base, iov[i].iov_len);
		at += (uint32_t)iov[i].iov_len;
	}
	memcpy(&number, got + 38, 4);
	make(want, len, p->seed, number);
	if (len != p->len || at != len || memcmp(want, got, len))
		p->wrong = "a frame came back changed";
	p->got++;
}

static bool is_open(const struct pump *p)
{
	return p->got < p->frames && !p->wrong;
}

/* Send all and take all; frames that a change cost are sent anew. */
static void *run_pump(void *arg)
{
	struct pump *p = arg;
	uint8_t frame[FRAME_MAX];
	struct iovec iov = {frame, p->len};

	while (is_open(p)) {
		unsigned int i, before = p->got;
		int n;

		for (i = 0; i < BURST && p->sent < p->frames; i++) {
			make(frame, p->len, p->seed, p->sent);
			if (netfront_send(p->q, &iov, 1, NULL))
				break;
			p->sent++;
		}
		n = netfront_wait(p->q, 64, on_frame, p, 1000);
		if (n < 0)
			p->wrong = "the interface has failed";
		if (!n && p->got == before && p->sent == p->frames)
			p->sent = p->got; /* lost on the way */
	}
	return NULL;
}

/* A burst of frames on each queue that comes back before the next is sent, so
 * that none is ever lost. */
static void echo_all(unsigned int rounds, uint32_t len)
{
	unsigned int r, i;

	for (r = 0; r < rounds; r++) {
		for (i = 0; i < t.nr_queues; i++) {
			struct pump p = {.q = t.nf.queues[i],
					 .frames = BURST,
					 .len = len,
					 .seed = i};

			run_pump(&p);
			ck_assert_msg(!p.wrong, "%s", p.wrong);
			ck_assert_uint_eq(p.got, BURST);
		}
	}
}

static uint64_t sum(size_t offset)
{
	uint64_t all = 0;
	unsigned int i;

	for (i = 0; i < t.nr_queues; i++)
		all += atomic_load(
			(atomic_uint_fast64_t *)((char *)&t.stats->queue[i] +
						 offset));
	return all;
}
#define SUM(name) sum(offsetof(struct net_queue_stats, name))

/* ---- tests ---- */

START_TEST(there_and_back)
{
	bool ctrl = _i & 1;

	add_vif("memory:echo");
	open_guest(_i & 2 ? 1 : QUEUES, ctrl);
	connect_vif();
	if (ctrl)
		add_static();
	echo_all(20, 100);
	echo_all(5, 1514);
	/* frames are there a moment before they are counted */
	fixture_wait_for(SUM(rx_packets) == 25u * BURST * t.nr_queues);
	fixture_wait_for(SUM(tx_packets) == SUM(rx_packets));
	fixture_wait_for(SUM(static_bytes) ==
			 (ctrl ? SUM(tx_bytes) + SUM(rx_bytes) : 0));
	ck_assert(ctrl || SUM(grant_copy_bytes) > 0);
	close_vif();
	close_guest();
}
END_TEST

/* What the supervisor may ask for at any moment, while all queues are busy. */
START_TEST(changed_while_frames_move)
{
	struct net_policy_settings policy = {.mac = {0, 0x16, 0x3e, 1, 2, 3}};
	uint8_t key[40] = {1, 2, 3, 4, 5, 6, 7};
	const uint32_t map[4] = {3, 2, 1, 0};
	pthread_t thread[QUEUES];
	struct pump pump[QUEUES];
	unsigned int i, rounds = 0;
	int busy;

	add_vif("memory:echo");
	open_guest(QUEUES, true);
	connect_vif();
	add_static();
	for (i = 0; i < QUEUES; i++) {
		/* hashed frames come back on another queue: one for all */
		pump[i] = (struct pump){.q = t.nf.queues[i],
					.frames = 3000,
					.len = 200,
					.seed = 7};
		pthread_create(&thread[i], NULL, run_pump, &pump[i]);
	}
	do {
		int fd = rounds & 1 ? -1 : memfd_create("pcap", MFD_CLOEXEC);

		policy.check_mac = rounds & 1;
		policy.rate[NET_TO_GUEST].packets_per_s = rounds & 2 ? 1000000
								     : 0;
		policy.rate[NET_TO_GUEST].packets_burst = rounds & 2 ? 100 : 0;
		ck_assert_int_eq(net_vif_set_policy(t.vif, &policy), 0);
		ck_assert_int_eq(net_vif_set_pcap(t.vif, fd, 128), 0);
		net_vif_set_mcast(t.vif, rounds & 1);
		net_vif_turn(t.vif);
		key[8] = (uint8_t)rounds;
		ck_assert_int_eq(
			netfront_set_hash(&t.nf, XEN_NETIF_CTRL_HASH_TYPE_IPV4,
					  key, 40, map, 4),
			0);
		ck_assert_int_eq(netfront_set_hash(&t.nf, 0, NULL, 0, NULL, 0),
				 0);
		for (i = 0, busy = 0; i < QUEUES; i++)
			busy |= pthread_tryjoin_np(thread[i], NULL) != 0 ? 1
									 : 0;
		rounds++;
	} while (busy && rounds < 20);
	for (i = 0; i < QUEUES; i++) {
		pthread_join(thread[i], NULL);
		ck_assert_msg(!pump[i].wrong, "%s", pump[i].wrong);
	}
	ck_assert_ptr_null(net_vif_take_violation(t.vif));
	close_vif();
	close_guest();
}
END_TEST

/* All frames go where the guest's table says. */
START_TEST(steered)
{
	const uint8_t key[40] = {0x6d, 0x5a, 0x56, 0xda};
	const uint32_t map[2] = {2, 2};
	struct pump p = {.len = 100, .seed = 1};
	uint8_t frame[FRAME_MAX];
	struct iovec iov = {frame, 100};
	unsigned int i, tries;

	add_vif("memory:echo");
	open_guest(QUEUES, true);
	connect_vif();
	add_static();
	ck_assert_int_eq(netfront_set_hash(&t.nf, XEN_NETIF_CTRL_HASH_TYPE_IPV4,
					   key, 40, map, 2),
			 0);
	for (i = 0; i < 4 * BURST; i++) {
		struct netfront_queue *q = t.nf.queues[i % QUEUES];

		make(frame, 100, 1, i);
		ck_assert_int_eq(netfront_send(q, &iov, 1, NULL), 0);
		ck_assert_int_eq(netfront_kick(q), 0);
	}
	for (tries = 0; p.got < 4 * BURST && tries < 20; tries++)
		ck_assert_int_ge(netfront_wait(t.nf.queues[2], 64, on_frame, &p,
					       WAIT_MS),
				 0);
	ck_assert_msg(!p.wrong, "%s", p.wrong);
	ck_assert_uint_eq(p.got, 4 * BURST);
	ck_assert_uint_eq(p.hashed, 4 * BURST);
	close_vif();
	close_guest();
}
END_TEST

/* The worker goes without a word and another takes over, again and again; the
 * guest's rings stay as they are. */
START_TEST(taken_over)
{
	unsigned int i, r;
	pthread_t thread[QUEUES];
	struct pump pump[QUEUES];

	add_vif("memory:echo");
	open_guest(QUEUES, true);
	connect_vif();
	add_static();
	t.how.resume = 1;
	for (i = 0; i < QUEUES; i++) {
		pump[i] = (struct pump){.q = t.nf.queues[i],
					.frames = 2000,
					.len = 300,
					.seed = i};
		pthread_create(&thread[i], NULL, run_pump, &pump[i]);
	}
	for (r = 0; r < 10; r++) {
		net_vif_stop(t.vif);
		connect_vif();
	}
	for (i = 0; i < QUEUES; i++) {
		pthread_join(thread[i], NULL);
		ck_assert_msg(!pump[i].wrong, "%s", pump[i].wrong);
	}
	/* static grants were taken over, too */
	ck_assert_uint_eq(SUM(grant_copies), 0);
	close_vif();
	close_guest();
}
END_TEST

START_TEST(violated)
{
	const char *text = NULL;

	add_vif("memory:echo");
	open_guest(2, true);
	connect_vif();
	if (_i)
		((uint32_t *)t.conn[1]->tx.shared)[0] = 5000;
	else
		((uint32_t *)t.nf.ctrl.ring.shared)[0] = 5000;
	front_events_notify(&t.nf.queues[1]->events, t.conn[1]->port_tx);
	front_events_notify(&t.nf.ctrl.events, t.nf.ctrl.port);
	fixture_wait_for((text = net_vif_take_violation(t.vif)));
	ck_assert_ptr_nonnull(strstr(text, "further ahead"));
	ck_assert_uint_ge(t.wakes, 1);
	ck_assert_ptr_null(net_vif_take_violation(t.vif));
	close_vif();
	close_guest();
}
END_TEST

/* What does not work says what, leaves nothing, and may be tried again. */
START_TEST(cannot_be_connected)
{
	static const char *const said[] = {"receive ring reference",
					   "event channel", "control ring",
					   "malformed", "malformed"};
	struct worker_net_connect good;
	struct xs_err err = {""};

	add_vif("memory:echo");
	open_guest(QUEUES, true);
	good = t.how;
	switch (_i) {
	case 0:
		t.how.queue[2].rx_ref = 4000;
		break;
	case 1:
		t.how.queue[3].evtchn_tx = t.how.queue[3].evtchn_rx = 900;
		break;
	case 2:
		t.how.ctrl_ref = 4000;
		break;
	case 3:
		t.how.nr_queues = 0;
		break;
	case 4:
		t.how.nr_queues = NET_MAX_QUEUES + 1;
		break;
	}
	ck_assert_int_lt(net_vif_connect(t.vif, &t.how, &err), 0);
	ck_assert_msg(strstr(err.text, said[_i]) != NULL, "%s", err.text);
	ck_assert(net_vif_try_finish(t.vif));
	ck_assert_int_eq(fixture_ports(BACK, "interdomain"), 0);
	t.how = good;
	connect_vif();
	ck_assert_int_eq(net_vif_connect(t.vif, &t.how, &err), -EBUSY);
	add_static();
	echo_all(2, 100);
	close_vif();
	close_guest();
}
END_TEST

START_TEST(cannot_be_added)
{
	const struct link_open_how how = {.queues = 1};
	const struct net_vif_host host = {t.loop, LOOPS, on_wake, NULL};
	struct worker_net_add add = {.name = "vif/1/0"};
	struct xs_err err = {""};
	struct net_vif *vif;
	int fd = memfd_create("stats", MFD_CLOEXEC);

	ck_assert_int_eq(link_open("memory:sink", &how, &add.link, &err), 0);
	ck_assert_int_eq(net_vif_add(&vif, 1, &add, &fd, 1, &host, &err),
			 -EPROTO);
	ck_assert_int_eq(ftruncate(fd, sizeof(struct net_vif_stats)), 0);
	ck_assert_int_eq(net_vif_add(&vif, 1, &add, &fd, 2, &host, &err),
			 -EPROTO);
	add.policy.access = 5000;
	ck_assert_int_eq(net_vif_add(&vif, 1, &add, &fd, 1, &host, &err),
			 -EINVAL);
	add.policy.access = 0;
	memset(add.name, 'x', sizeof(add.name));
	ck_assert_int_eq(net_vif_add(&vif, 1, &add, &fd, 1, &host, &err),
			 -EPROTO);
	/* it stayed ours all the while */
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_vif");
	TCase *c = tcase_create("a NIC");

	log_init("net_vif", LOG_LEVEL_ERR);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 50);
	tcase_add_loop_test(c, there_and_back, 0, 4);
	tcase_add_test(c, changed_while_frames_move);
	tcase_add_test(c, steered);
	tcase_add_test(c, taken_over);
	tcase_add_loop_test(c, violated, 0, 2);
	tcase_add_loop_test(c, cannot_be_connected, 0, 5);
	tcase_add_test(c, cannot_be_added);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
