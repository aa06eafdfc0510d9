// SPDX-License-Identifier: MIT
/*
 * A NIC's frontend that breaks every rule:  hostile_net DEVID CASE
 *
 * Each case says what the backend has to do, and exits with 0 if it did; those
 * that end the connection print the backend's error.  The script looks at
 * xenstore, the log, and other guests' NICs.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/netif.h>

#include "ring/barrier.h"
#include "tests/e2e/hostile_net.h"

#define STORM  100000u
#define RACES  20000u
#define DEPTH  16u
#define NO_REF 60000u /* never granted */
#define LEN    100u

static unsigned int nr_wrong;

const struct net_extra hostile_gso4 = {
	.type = XEN_NETIF_EXTRA_TYPE_GSO,
	.gso = {.size = 1000, .type = XEN_NETIF_GSO_TYPE_TCPV4}};

void hostile_put(struct raw_net *n, const struct net_tx_req *req)
{
	net_front_tx_put(&n->tx, req);
}

void hostile_put_extra(struct raw_net *n, struct net_extra x, bool more)
{
	x.flags = more ? XEN_NETIF_EXTRA_FLAG_MORE : 0;
	net_front_tx_put_extra(&n->tx, &x);
}

void hostile_put_chain(struct raw_net *n, unsigned int nr, uint16_t size,
		       uint16_t whole)
{
	struct net_tx_req req = raw_net_req(n, whole);
	unsigned int i;

	req.flags = NETTXF_more_data;
	hostile_put(n, &req);
	for (i = 1; i < nr; i++) {
		req = raw_net_req(n, size);
		req.flags = i + 1 < nr ? NETTXF_more_data : 0;
		hostile_put(n, &req);
	}
}

/* ---- packets that are refused one by one; the NIC goes on ---- */

/* What was put is answered so, slot by slot, and the NIC works. */
static void want(struct raw_net *n, const char *what, unsigned int nr,
		 int status)
{
	struct net_tx_rsp rsp;
	unsigned int i;

	raw_net_push(n);
	for (i = 0; i < nr; i++) {
		if (raw_net_tx_response(n, &rsp)) {
			fprintf(stderr, "%s: no response\n", what);
			nr_wrong++;
			return;
		}
		if (rsp.status == status || rsp.status == NETIF_RSP_NULL)
			continue;
		fprintf(stderr, "%s: status %d of slot %u\n", what, rsp.status,
			i);
		nr_wrong++;
	}
	if (raw_net_works(n))
		return;
	fprintf(stderr, "%s: the NIC does not work any more\n", what);
	nr_wrong++;
}

static void bad_sizes(struct raw_net *n)
{
	static const uint16_t sizes[] = {0, 1, 13};
	static const unsigned int counts[] = {19, 20, 21};
	struct net_tx_req req;
	unsigned int i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		req = raw_net_req(n, sizes[i]);
		hostile_put(n, &req);
		want(n, "shorter than its header", 1, NETIF_RSP_ERROR);
	}
	hostile_put_chain(n, 3, 100, 150);
	want(n, "slots longer than the packet", 3, NETIF_RSP_ERROR);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		hostile_put_chain(n, counts[i], 100, 100 * counts[i]);
		want(n, "too many slots", counts[i], NETIF_RSP_ERROR);
	}
	hostile_put_chain(n, 18, 3000, 3000 * 18);
	want(n, "as many slots as may be", 18, NETIF_RSP_OKAY);
	hostile_put_chain(n, 18, 0, LEN);
	want(n, "empty slots", 18, NETIF_RSP_OKAY);
}

static void bad_references(struct raw_net *n)
{
	const uint32_t refs[] = {0, 1, NO_REF, UINT32_MAX, 1u << 31};
	struct net_tx_req req;
	unsigned int i, at, s;

	for (i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
		req = raw_net_req(n, LEN);
		req.gref = refs[i];
		hostile_put(n, &req);
		want(n, "a bad reference", 1, NETIF_RSP_ERROR);
		for (at = 0; at < 18; at += 17) {
			for (s = 0; s < 18; s++) {
				req = raw_net_req(n, s ? 100 : 1800);
				req.flags = s < 17 ? NETTXF_more_data : 0;
				if (s == at)
					req.gref = refs[i];
				hostile_put(n, &req);
			}
			want(n, "a bad reference of 18", 18, NETIF_RSP_ERROR);
		}
	}
}

static void bad_extras(struct raw_net *n)
{
	struct net_tx_req req;
	struct net_extra x;

	req = raw_net_req(n, LEN);
	req.flags = NETTXF_extra_info | NETTXF_csum_blank;
	hostile_put(n, &req);
	hostile_put_extra(n, hostile_gso4, true);
	hostile_put_extra(n, hostile_gso4, false);
	want(n, "GSO twice", 3, NETIF_RSP_ERROR);
	hostile_put(n, &req);
	hostile_put_extra(n, hostile_gso4, false);
	want(n, "GSO that is no TCP", 2, NETIF_RSP_ERROR);
	req.flags = NETTXF_csum_blank;
	hostile_put(n, &req);
	want(n, "a blank checksum without one", 1, NETIF_RSP_ERROR);
	req.flags = NETTXF_extra_info;
	x = (struct net_extra){.type = NET_EXTRA_XDP};
	hostile_put(n, &req);
	hostile_put_extra(n, x, false);
	want(n, "XDP headroom", 2, NETIF_RSP_ERROR);
	x = (struct net_extra){.type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
			       .mcast = {1, 0, 0x5e, 1, 2, 3}};
	hostile_put(n, &req);
	hostile_put_extra(n, x, false);
	want(n, "a group, before a filter is asked for", 2, NETIF_RSP_OKAY);
	x = (struct net_extra){.type = XEN_NETIF_EXTRA_TYPE_HASH};
	hostile_put(n, &req);
	hostile_put_extra(n, x, false);
	want(n, "a hash", 2, NETIF_RSP_OKAY);
}

/* Half a packet waits for its other half, however often it is shown. */
static void half_packet(struct raw_net *n)
{
	struct net_tx_req req = raw_net_req(n, LEN);
	unsigned int i;

	req.flags = NETTXF_more_data;
	hostile_put(n, &req);
	for (i = 0; i < 100; i++)
		raw_net_push(n);
	if (net_front_ring_avail(&n->tx)) {
		fprintf(stderr, "half a packet was answered\n");
		nr_wrong++;
	}
	req = raw_net_req(n, 20);
	hostile_put(n, &req);
	want(n, "a packet in two halves", 2, NETIF_RSP_OKAY);
}

static int do_packets(struct raw_net *n)
{
	if (raw_net_connect(n, false))
		return 1;
	bad_sizes(n);
	bad_references(n);
	bad_extras(n);
	half_packet(n);
	return raw_net_disconnect(n) || nr_wrong;
}

/* A backend that offered no GSO. */
static int do_nogso(struct raw_net *n)
{
	struct net_tx_req req;

	if (raw_net_connect(n, false))
		return 1;
	req = raw_net_req(n, LEN);
	req.flags = NETTXF_extra_info | NETTXF_csum_blank;
	hostile_put(n, &req);
	hostile_put_extra(n, hostile_gso4, false);
	want(n, "GSO without an offer", 2, NETIF_RSP_ERROR);
	return raw_net_disconnect(n) || nr_wrong;
}

/* More groups than the filter holds, and commands that cannot be. */
static int do_groups(struct raw_net *n)
{
	struct net_extra x = {.type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
			      .mcast = {1, 0, 0x5e}};
	struct net_tx_req req;
	struct net_tx_rsp rsp;
	unsigned int i, refused = 0;

	if (raw_net_connect(n, true))
		return 1;
	for (i = 0; i < 200; i++) {
		req = raw_net_req(n, 0);
		req.flags = NETTXF_extra_info;
		x.mcast[5] = (uint8_t)i;
		hostile_put(n, &req);
		hostile_put_extra(n, x, false);
		raw_net_push(n);
		if (raw_net_tx_response(n, &rsp))
			return 1;
		refused += rsp.status == NETIF_RSP_ERROR;
		if (raw_net_tx_response(n, &rsp))
			return 1;
	}
	if (refused < 100 || refused >= 200) {
		fprintf(stderr, "%u of 200 groups refused\n", refused);
		nr_wrong++;
	}
	x.type = XEN_NETIF_EXTRA_TYPE_MCAST_DEL;
	hostile_put(n, &req);
	hostile_put_extra(n, x, true);
	x.type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD;
	hostile_put_extra(n, x, false);
	want(n, "join and leave at once", 3, NETIF_RSP_ERROR);
	return raw_net_disconnect(n) || nr_wrong;
}

static void refused_control(struct raw_net *n, uint16_t type, uint32_t d0,
			    uint32_t d1, uint32_t d2)
{
	int status = raw_net_ask(n, type, d0, d1, d2);

	if (status > 0 && raw_net_works(n))
		return;
	fprintf(stderr, "control request %u (%u, %u, %u): status %d\n", type,
		d0, d1, d2, status);
	nr_wrong++;
}

static int do_control(struct raw_net *n)
{
	static const uint16_t unknown[] = {0, 11, 100, 65535};
	uint32_t ref;
	size_t i;

	if (raw_net_connect(n, false))
		return 1;
	ref = raw_net_ref(n, 1);
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		refused_control(n, unknown[i], 1, 2, 3);
	refused_control(n, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, 77, 0, 0);
	refused_control(n, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, ~0u, 0, 0);
	refused_control(n, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, ref, 4097, 0);
	refused_control(n, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, NO_REF, 40, 0);
	refused_control(n, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE, ~0u, 0,
			0);
	refused_control(n, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, ref, ~0u, ~0u);
	memset(n->data + NET_PAGE_SIZE, 0xff, NET_PAGE_SIZE);
	refused_control(n, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING, 0, ref, 10);
	refused_control(n, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING, 0, NO_REF, 1);
	refused_control(n, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING, 9999, ref, 1);
	refused_control(n, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING, 0, ref, ~0u);
	refused_control(n, XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING, 9, ref, 1);
	return raw_net_disconnect(n) || nr_wrong;
}

/* ---- receiving: buffers that cannot be written ---- */

static int do_buffers(struct raw_net *n)
{
	const uint32_t refs[] = {0, 1, NO_REF, UINT32_MAX};
	unsigned int i, lost = 0, good = 0;
	struct net_rx_req req;
	struct net_rx_rsp rsp;

	if (raw_net_connect(n, false))
		return 1;
	for (i = 0; i < 64; i++) {
		req = (struct net_rx_req){.id = (uint16_t)i,
					  .gref = raw_net_ref(n, 2 + i % 8)};
		if (i % 2)
			req.gref = refs[i / 2 % 4];
		net_front_rx_put(&n->rx, &req);
	}
	net_front_ring_publish(&n->rx);
	raw_net_notify(n);
	for (i = 0; i < 64; i++) {
		if (raw_net_rx_response(n, &rsp))
			return 1;
		lost += rsp.status < 0;
		good += rsp.status > 0;
	}
	if (lost != 32 || good != 32) {
		fprintf(stderr, "%u frames lost, %u arrived\n", lost, good);
		nr_wrong++;
	}
	if (!raw_net_works(n))
		nr_wrong++;
	return raw_net_disconnect(n) || nr_wrong;
}

/* ---- a ring that changes after it was looked at ---- */

static atomic_bool race_over;

/* The first slots: size and offset within a page, references, flags of single
 * slots; ids stay, so that each is answered. */
static void *flip(void *arg)
{
	struct raw_net *n = arg;
	uint32_t *slots = (uint32_t *)((uint8_t *)n->tx.shared + 64), *slot;
	uint64_t x = 88172645463325252u;

	while (!atomic_load_explicit(&race_over, memory_order_relaxed)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		slot = slots + x % NET_RING_ENTRIES * 3;
		shm_store_u32(slot, x & 64 ? NO_REF : raw_net_ref(n, 0));
		shm_store_u32(slot + 1, (uint32_t)(x >> 16) % 2048 |
						(uint32_t)(x >> 40 & 3) << 16);
		((volatile uint16_t *)slot)[5] = (x >> 44) % 2048;
		n->data[x >> 52] = (uint8_t)x;
	}
	return NULL;
}

static int race_batch(struct raw_net *n)
{
	struct net_tx_req req;
	struct net_tx_rsp rsp;
	unsigned int i;

	for (i = 0; i < DEPTH; i++) {
		req = raw_net_req(n, LEN);
		hostile_put(n, &req);
	}
	raw_net_push(n);
	for (i = 0; i < DEPTH; i++) {
		if (raw_net_tx_response(n, &rsp)) {
			fprintf(stderr, "race: no response\n");
			return -1;
		}
	}
	return 0;
}

static int do_race(struct raw_net *n)
{
	pthread_t thread;
	unsigned int i;
	int bad = 0;

	if (raw_net_connect(n, false))
		return 1;
	if (pthread_create(&thread, NULL, flip, n))
		return 1;
	for (i = 0; i < RACES && !bad; i += DEPTH)
		bad = race_batch(n);
	atomic_store(&race_over, true);
	pthread_join(thread, NULL);
	return bad || !raw_net_works(n) || raw_net_disconnect(n);
}

static int do_storm(struct raw_net *n)
{
	unsigned int i;

	if (raw_net_connect(n, false))
		return 1;
	for (i = 0; i < STORM; i++) {
		raw_net_notify(n);
		if (i % 10000 == 0 && !raw_net_works(n))
			return 1;
	}
	return !raw_net_works(n) || raw_net_disconnect(n);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct raw_net *n);
	} cases[] = {
		{"packets", do_packets}, {"nogso", do_nogso},
		{"groups", do_groups},   {"control", do_control},
		{"buffers", do_buffers}, {"race", do_race},
		{"storm", do_storm},
	};
	struct raw_net n;
	int err;
	size_t i;

	if (argc < 3)
		return 64;
	if (raw_net_open(&n, (unsigned int)atoi(argv[1])))
		return 2;
	err = hostile_net_ends(&n, argv[2]);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(argv[2], cases[i].name))
			err = cases[i].run(&n);
	raw_net_close(&n);
	return err == 64 ? 64 : err != 0;
}
