// SPDX-License-Identifier: MIT
/*
 * Load and verification through libnetfront, without anything between: what
 * end-to-end tests and benchmarks run in a guest.
 *
 * One thread a queue.  Prints a line of results, or JSON; see net_peer --help.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <xen/io/netif.h>

#include "tests/e2e/net_peer.h"

#define BATCH   32u
#define WAIT_MS 50

struct peer {
	pthread_t thread;
	unsigned int index;
	struct netfront_queue *q;
	struct peer_frame frame; /* what is sent */
	uint8_t copy[PEER_MAX_FRAME + 1];
	uint64_t sent, sent_bytes; /* next number to send */
	uint64_t good, other, corrupt, bad_csum, late, rx_bytes, rx_all;
	uint64_t gso, partial, hashed, unsent;
	uint64_t next[PEER_MAX_QUEUES]; /* of each stream */
	uint64_t due_ns;
	int err;
};

static struct peer_config cfg;
static struct netfront *nic;
static struct peer peers[PEER_MAX_QUEUES];
static uint64_t deadline_ns;
static volatile sig_atomic_t stopped;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- receiving ---- */

static const uint8_t *gather(struct peer *p, const struct iovec *iov,
			     unsigned int nr_iov)
{
	size_t at = 0;
	unsigned int i;

	for (i = 0; i < nr_iov; i++) {
		memcpy(p->copy + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	return p->copy;
}

static void reflect(struct peer *p, uint32_t len,
		    const struct netfront_meta *meta)
{
	struct iovec iov = {p->copy, len};
	struct netfront_meta m = *meta;
	uint8_t mac[6];

	memcpy(mac, p->copy, 6);
	memcpy(p->copy, p->copy + 6, 6);
	memcpy(p->copy + 6, mac, 6);
	if (netfront_send(p->q, &iov, 1, &m)) {
		p->unsent++;
		return;
	}
	p->sent++;
	p->sent_bytes += len;
}

static void receive(void *user, const struct iovec *iov, unsigned int nr_iov,
		    uint32_t len, const struct netfront_meta *meta)
{
	struct peer *p = user;
	uint32_t stream;
	uint64_t seq;

	p->rx_bytes += len;
	p->rx_all++;
	p->gso += meta->gso != NETFRONT_GSO_NONE;
	p->partial += meta->csum_partial;
	p->hashed += meta->has_hash;
	if (cfg.plain && cfg.mode != PEER_REFLECT)
		return;
	gather(p, iov, nr_iov);
	switch (peer_frame_check(p->copy, len, meta, &stream, &seq)) {
	case PEER_GOOD:
		p->good++;
		if (seq < p->next[stream])
			p->late++;
		else
			p->next[stream] = seq + 1;
		break;
	case PEER_OTHER:
		p->other++;
		return;
	case PEER_CORRUPT:
		p->corrupt++;
		break;
	case PEER_BAD_CSUM:
		p->bad_csum++;
		break;
	}
	if (cfg.mode == PEER_REFLECT)
		reflect(p, len, meta);
}

/* ---- sending ---- */

static uint64_t got_back(const struct peer *p)
{
	return cfg.plain ? p->rx_all : p->good + p->corrupt + p->bad_csum;
}

/* How many may be sent now. */
static unsigned int allowed(struct peer *p, uint64_t now)
{
	uint64_t n = BATCH, outstanding;

	if (cfg.mode != PEER_TX && cfg.mode != PEER_ECHO)
		return 0;
	if (cfg.packets && n > cfg.packets - p->sent)
		n = cfg.packets - p->sent;
	if (cfg.mode == PEER_ECHO) {
		outstanding = p->sent - got_back(p);
		if (outstanding >= cfg.window)
			return 0;
		if (n > cfg.window - outstanding)
			n = cfg.window - outstanding;
	}
	if (!cfg.rate)
		return (unsigned int)n;
	if (p->due_ns > now)
		return 0;
	if (!p->due_ns || now - p->due_ns > 100000000)
		p->due_ns = now;
	p->due_ns += 1000000000 / cfg.rate;
	return n ? 1 : 0;
}

/* 0, -EAGAIN: the ring is full, or why it is over. */
static int send_some(struct peer *p, unsigned int nr)
{
	const struct iovec iov = {p->frame.data, p->frame.len};
	int err;

	while (nr--) {
		peer_frame_set(&p->frame, &cfg, p->sent);
		err = netfront_send(p->q, &iov, 1, &p->frame.meta);
		if (err)
			return err;
		p->sent++;
		p->sent_bytes += p->frame.len;
	}
	return 0;
}

static bool all_done(const struct peer *p)
{
	switch (cfg.mode) {
	case PEER_TX:
		return cfg.packets && p->sent >= cfg.packets;
	case PEER_ECHO:
		return cfg.packets && got_back(p) >= cfg.packets;
	case PEER_RX:
		return cfg.packets && got_back(p) >= cfg.packets;
	default:
		return false;
	}
}

/* A turn: 0 or why it is over. */
static int turn(struct peer *p, uint64_t now)
{
	int wait_ms = cfg.rate ? 1 : WAIT_MS, err = 0;
	unsigned int nr = allowed(p, now);

	if (nr)
		err = send_some(p, nr);
	if (err == -ENETDOWN)
		nr = 0; /* until a backend is there again */
	else if (err && err != -EAGAIN)
		return err;
	if (cfg.busy || (nr && !err)) {
		err = netfront_kick(p->q);
		if (!err)
			err = netfront_poll(p->q, 2 * BATCH, receive, p);
	} else {
		err = netfront_wait(p->q, 2 * BATCH, receive, p, wait_ms);
	}
	return err < 0 ? err : 0;
}

/* What is still on its way. */
static void linger(struct peer *p)
{
	uint64_t until = now_ns() + cfg.linger_ms * 1000000ull;
	enum peer_mode mode = cfg.mode;

	while (!stopped && now_ns() < until &&
	       !(mode == PEER_ECHO && got_back(p) >= p->sent))
		if (netfront_wait(p->q, 2 * BATCH, receive, p, 10) < 0)
			return;
}

static void *run(void *arg)
{
	struct peer *p = arg;
	unsigned int i;
	uint64_t now;

	for (i = 0; i < cfg.nr_joins && !p->err && !p->index; i++)
		p->err = netfront_multicast(p->q, cfg.join[i], true);
	while (!stopped && !p->err && !all_done(p)) {
		now = now_ns();
		if (deadline_ns && now >= deadline_ns)
			break;
		p->err = turn(p, now);
	}
	if (!p->err)
		linger(p);
	return NULL;
}

/* ---- results ---- */

/* Most frames that one of the queues got. */
static uint64_t most_of_a_queue(void)
{
	uint64_t most = 0;
	unsigned int i;

	for (i = 0; i < PEER_MAX_QUEUES; i++)
		if (peers[i].rx_all > most)
			most = peers[i].rx_all;
	return most;
}

#define FIELDS(X)     \
	X(sent)       \
	X(sent_bytes) \
	X(good)       \
	X(other)      \
	X(corrupt)    \
	X(bad_csum)   \
	X(late)       \
	X(rx_all)     \
	X(rx_bytes)   \
	X(gso)        \
	X(partial)    \
	X(hashed)     \
	X(unsent)

static void add(struct peer *sum, const struct peer *p)
{
#define X(f) sum->f += p->f;
	FIELDS(X)
#undef X
	if (!sum->err)
		sum->err = p->err;
}

static void print_number(const char *name, double value, bool is_first)
{
	if (cfg.json)
		printf("%s\"%s\":%.15g", is_first ? "{" : ",", name, value);
	else
		printf("%s%s=%.15g", is_first ? "" : " ", name, value);
}

static void print_ring(void)
{
	struct netfront_stats sum = {0}, s;
	unsigned int i;

	for (i = 0; i < netfront_nr_queues(nic); i++) {
		netfront_queue_stats(netfront_queue(nic, i), &s);
		sum.tx_errors += s.tx_errors;
		sum.rx_errors += s.rx_errors;
		sum.kicks_sent += s.kicks_sent;
		sum.events += s.events;
		sum.sleeps += s.sleeps;
		sum.reconnects += s.reconnects;
	}
	print_number("tx_errors", sum.tx_errors, false);
	print_number("rx_errors", sum.rx_errors, false);
	print_number("kicks", sum.kicks_sent, false);
	print_number("events", sum.events, false);
	print_number("sleeps", sum.sleeps, false);
	print_number("reconnects", sum.reconnects, false);
}

static void print_info(const struct netfront_info *i)
{
	print_number("queues", i->nr_queues, true);
	print_number("mtu", i->mtu, false);
	print_number("sg", i->sg, false);
	print_number("gso4", i->gso4, false);
	print_number("gso6", i->gso6, false);
	print_number("csum4", i->csum4, false);
	print_number("csum6", i->csum6, false);
	print_number("static_grants", i->static_grants, false);
	print_number("split_events", i->split_events, false);
	print_number("ctrl", i->hash, false);
	print_number("multicast", i->multicast, false);
	print_number("carrier", i->carrier, false);
	print_number("max_len", i->max_len, false);
}

static void print_results(const struct peer *sum, double seconds)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
#define X(f) print_number(#f, (double)sum->f, false);
	FIELDS(X)
#undef X
	print_number("rx_most", most_of_a_queue(), false);
	print_number("seconds", seconds, false);
	print_number("tx_pps", sum->sent / seconds, false);
	print_number("rx_pps", sum->rx_all / seconds, false);
	print_number("tx_mb_s", sum->sent_bytes / seconds / 1e6, false);
	print_number("rx_mb_s", sum->rx_bytes / seconds / 1e6, false);
	print_number("cpu_s",
		     ru.ru_utime.tv_sec + ru.ru_stime.tv_sec +
			     (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6,
		     false);
	print_ring();
	print_number("error", sum->err, false);
}

/* ---- main ---- */

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static void say_ready(void)
{
	if (cfg.ready_fd < 0)
		return;
	if (write(cfg.ready_fd, "ready\n", 6) != 6)
		perror("net_peer: --ready-fd");
	close(cfg.ready_fd);
}

/* The key of Microsoft's verification suite, as every driver has it. */
static void set_hash(void)
{
	static const uint8_t key[40] = {
		0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
		0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
		0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
		0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
	};
	uint32_t types = XEN_NETIF_CTRL_HASH_TYPE_IPV4 |
			 XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP |
			 XEN_NETIF_CTRL_HASH_TYPE_IPV6 |
			 XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP;
	int err;

	if (!cfg.nr_map)
		return;
	err = netfront_set_hash(nic, types, key, sizeof(key), cfg.map,
				cfg.nr_map);
	if (!err)
		return;
	fprintf(stderr, "net_peer: hash: %s\n", strerror(-err));
	netfront_close(nic);
	exit(2);
}

static double run_all(const struct netfront_info *info)
{
	unsigned int i, nr = netfront_nr_queues(nic);
	uint64_t start = now_ns();

	deadline_ns = cfg.seconds > 0 ? start + (uint64_t)(cfg.seconds * 1e9)
				      : 0;
	for (i = 0; i < nr; i++) {
		peers[i].index = i;
		peers[i].q = netfront_queue(nic, i);
		peer_frame_init(&peers[i].frame, &cfg, info->mac, i);
		if (pthread_create(&peers[i].thread, NULL, run, &peers[i])) {
			perror("net_peer: pthread_create");
			exit(1);
		}
	}
	for (i = 0; i < nr; i++)
		pthread_join(peers[i].thread, NULL);
	return (now_ns() - start) / 1e9;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	static struct peer sum;
	struct netfront_info info;
	double seconds;
	char err[512];
	unsigned int i;

	peer_args(argc, argv, &cfg);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	if (netfront_open(&nic, cfg.devid, &cfg.front, err, sizeof(err))) {
		fprintf(stderr, "net_peer: %s\n", err);
		return 2;
	}
	set_hash();
	netfront_get_info(nic, &info);
	print_info(&info);
	say_ready();
	if (cfg.mode != PEER_INFO) {
		seconds = run_all(&info);
		for (i = 0; i < netfront_nr_queues(nic); i++)
			add(&sum, &peers[i]);
		print_results(&sum, seconds);
	}
	puts(cfg.json ? "}" : "");
	netfront_close(nic);
	if (sum.err)
		fprintf(stderr, "net_peer: %s\n", strerror(-sum.err));
	return sum.err || sum.corrupt || sum.bad_csum ? 1 : 0;
}
