// SPDX-License-Identifier: MIT
/*
 * libnetfront's queue with a backend that keeps the rules: how frames look on
 * the rings, both ways, and what is done when there is no room.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "hypercall/clock.h"
#include "tests/unit/netfront_fixture.h"

static uint8_t data[NET_PACKET_MAX + 1];

static void fill(unsigned int seed)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + (i >> 8) + seed);
}

static int send_len(uint32_t len, const struct netfront_meta *m)
{
	/* uneven pieces */
	struct iovec iov[3] = {{data, len / 3}, {data + len / 3, 1}};

	iov[2].iov_base = data + len / 3 + 1;
	iov[2].iov_len = len - len / 3 - 1;
	return netfront_send(q, iov, 3, m);
}

/* Take a frame of len bytes as the backend, check it, answer it. */
static struct net_tx_req take_frame(uint32_t len, struct net_extra *extra)
{
	uint32_t left = len, at = 0, size;
	struct net_tx_req first = take_tx(), req = first;

	ck_assert_uint_eq(first.size, len);
	if (first.flags & NETTXF_extra_info)
		*extra = take_tx_extra();
	while (left) {
		size = left < NET_PAGE_SIZE ? left : NET_PAGE_SIZE;
		if (at) {
			req = take_tx();
			ck_assert_uint_eq(req.size, size);
			ck_assert_uint_eq(req.flags & ~NETTXF_more_data, 0);
		}
		left -= size;
		ck_assert_int_eq(!!(req.flags & NETTXF_more_data), left != 0);
		ck_assert_uint_le(req.offset + size, NET_PAGE_SIZE);
		ck_assert_mem_eq((uint8_t *)page_of(req.gref) + req.offset,
				 data + at, size);
		answer_tx(req.id, NETIF_RSP_OKAY);
		if (!at && first.flags & NETTXF_extra_info)
			answer_tx(0, NETIF_RSP_NULL);
		at += size;
	}
	return first;
}

START_TEST(sends_frames_of_all_lengths)
{
	static const uint32_t lens[] = {14,   60,    64,    1514,  2047, 2048,
					2049, 4095,  4096,  4097,  8192, 9014,
					8193, 65534, 65535, 12288, 15};
	struct net_extra none;
	struct net_tx_req first;

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		fill(i);
		ck_assert_int_eq(send_len(lens[i], NULL), 0);
		ck_assert_int_eq(net_back_ring_avail(&tx), 0);
		ck_assert_int_eq(netfront_kick(q), 0);
		first = take_frame(lens[i], &none);
		ck_assert_uint_eq(first.flags & ~NETTXF_more_data, 0);
		publish();
		ck_assert_int_eq(poll_all(), 0);
		ck_assert_uint_eq(q->cur->tx_nr_free, q->cur->nr_tx);
	}
	ck_assert_uint_eq(q->stats.tx_packets, 17);
	ck_assert_uint_eq(q->stats.tx_errors, 0);
}
END_TEST

START_TEST(says_what_offloads_a_frame_needs)
{
	struct netfront_meta partial = {.csum_partial = true};
	struct netfront_meta valid = {.csum_valid = true};
	struct netfront_meta gso = {.gso = NETFRONT_GSO_TCPV6,
				    .gso_size = 1428};
	struct net_extra extra;

	ck_assert_int_eq(send_len(200, &partial), 0);
	ck_assert_int_eq(send_len(200, &valid), 0);
	ck_assert_int_eq(send_len(9000, &gso), 0);
	gso.gso = NETFRONT_GSO_TCPV4;
	ck_assert_int_eq(send_len(300, &gso), 0);
	ck_assert_int_eq(netfront_kick(q), 0);
	ck_assert_uint_eq(take_frame(200, &extra).flags,
			  NETTXF_csum_blank | NETTXF_data_validated);
	ck_assert_uint_eq(take_frame(200, &extra).flags, NETTXF_data_validated);
	ck_assert_uint_eq(take_frame(9000, &extra).flags,
			  NETTXF_csum_blank | NETTXF_data_validated |
				  NETTXF_extra_info | NETTXF_more_data);
	ck_assert_uint_eq(extra.type, XEN_NETIF_EXTRA_TYPE_GSO);
	ck_assert_uint_eq(extra.flags, 0);
	ck_assert_uint_eq(extra.gso.type, XEN_NETIF_GSO_TYPE_TCPV6);
	ck_assert_uint_eq(extra.gso.size, 1428);
	ck_assert_uint_eq(extra.gso.features, 0);
	take_frame(300, &extra);
	ck_assert_uint_eq(extra.gso.type, XEN_NETIF_GSO_TYPE_TCPV4);
	publish();
	ck_assert_int_eq(poll_all(), 0);
	ck_assert_uint_eq(q->cur->tx_extras, 0);
	ck_assert_uint_eq(q->cur->tx_nr_free, q->cur->nr_tx);
}
END_TEST

START_TEST(refuses_what_cannot_be_sent)
{
	struct netfront_meta m = {.gso = NETFRONT_GSO_TCPV4};
	struct iovec huge[2] = {{data, NET_PACKET_MAX}, {data, 1}};

	ck_assert_int_eq(send_len(13, NULL), -EINVAL);
	ck_assert_int_eq(netfront_send(q, huge, 2, NULL), -EMSGSIZE);
	ck_assert_int_eq(send_len(100, &m), -EINVAL);
	m.gso = 3;
	m.gso_size = 1;
	ck_assert_int_eq(send_len(100, &m), -EINVAL);
	can = (struct netfront_features){.nr_queues = 1};
	connect_queue();
	ck_assert_int_eq(send_len(4097, NULL), -EMSGSIZE);
	ck_assert_int_eq(send_len(4096, NULL), 0);
	m = (struct netfront_meta){.csum_partial = true};
	ck_assert_int_eq(send_len(100, &m), -EOPNOTSUPP);
	for (m.gso = 1; m.gso < 3; m.gso++) {
		m.gso_size = 1400;
		ck_assert_int_eq(send_len(100, &m), -EOPNOTSUPP);
	}
	ck_assert_int_eq(netfront_multicast(q, data, true), -EOPNOTSUPP);
	/* nothing of what was refused is on the ring */
	ck_assert_int_eq(netfront_kick(q), 0);
	ck_assert_int_eq(net_back_ring_avail(&tx), 1);
}
END_TEST

START_TEST(sends_in_two_steps)
{
	struct iovec iov[NETFRONT_MAX_IOV];
	struct net_extra none;
	uint8_t *buf;
	uint32_t at = 0;
	int nr, i;

	fill(3);
	buf = netfront_send_buf(q);
	ck_assert_ptr_nonnull(buf);
	memcpy(buf, data, NETFRONT_BUF_SIZE);
	ck_assert_int_eq(netfront_send_commit(q, NETFRONT_BUF_SIZE + 1, NULL),
			 -EMSGSIZE);
	ck_assert_int_eq(netfront_send_commit(q, 13, NULL), -EINVAL);
	ck_assert_int_eq(netfront_send_commit(q, NETFRONT_BUF_SIZE, NULL), 0);
	/* once only */
	ck_assert_int_eq(netfront_send_commit(q, 100, NULL), -EMSGSIZE);
	ck_assert_int_eq(netfront_send_bufs(q, 65536, iov, 17), -EMSGSIZE);
	ck_assert_int_eq(netfront_send_bufs(q, 65535, iov, 15), -EINVAL);
	nr = netfront_send_bufs(q, 65535, iov, NETFRONT_MAX_IOV);
	ck_assert_int_eq(nr, 16);
	for (i = 0; i < nr; i++) {
		memcpy(iov[i].iov_base, data + at, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	ck_assert_uint_eq(at, 65535);
	/* it became shorter */
	ck_assert_int_eq(netfront_send_commit(q, 5000, NULL), 0);
	ck_assert_int_eq(netfront_kick(q), 0);
	take_frame(NETFRONT_BUF_SIZE, &none);
	take_frame(5000, &none);
	ck_assert_int_eq(net_back_ring_avail(&tx), 0);
}
END_TEST

START_TEST(a_full_ring_says_try_again)
{
	struct net_tx_req req[NET_RING_ENTRIES];
	unsigned int n = 0, i, room = netfront_send_room(q);

	while (send_len(64, NULL) == 0)
		n++;
	ck_assert_uint_eq(n, room);
	ck_assert_uint_ge(n, NET_RING_ENTRIES - 2);
	ck_assert_int_eq(send_len(64, NULL), -EAGAIN);
	ck_assert_ptr_null(netfront_send_buf(q));
	ck_assert_int_eq(netfront_kick(q), 0);
	for (i = 0; i < n; i++)
		req[i] = take_tx();
	/* in any order */
	for (i = 0; i < n; i++)
		answer_tx(req[(i * 77 + 5) % n].id,
			  i % 2 ? NETIF_RSP_OKAY : NETIF_RSP_DROPPED);
	publish();
	/* sending finds the room by itself */
	ck_assert_int_eq(send_len(64, NULL), 0);
	ck_assert_uint_eq(netfront_send_room(q), room - 1);
	ck_assert_uint_eq(q->stats.tx_errors, (n + 1) / 2);
}
END_TEST

START_TEST(notifies_as_asked)
{
	int before = notifies;

	ck_assert_int_eq(send_len(64, NULL), 0);
	ck_assert_int_eq(netfront_kick(q), 0);
	ck_assert_int_eq(notifies, before + 1);
	/* the backend has not asked again */
	ck_assert_int_eq(send_len(64, NULL), 0);
	ck_assert_int_eq(netfront_kick(q), 0);
	ck_assert_int_eq(netfront_kick(q), 0);
	ck_assert_int_eq(notifies, before + 1);
	take_tx();
	take_tx();
	ck_assert(!net_back_ring_arm(&tx, 1));
	ck_assert_int_eq(send_len(64, NULL), 0);
	ck_assert_int_eq(netfront_kick(q), 0);
	ck_assert_int_eq(notifies, before + 2);
	ck_assert_uint_eq(q->stats.kicks_suppressed, 1);
}
END_TEST

/* ---- receiving ---- */

START_TEST(receives_frames_of_all_lengths)
{
	static const uint32_t lens[] = {14,   60,   1514, 4095,
					4096, 4097, 9014, 65535};

	/* several times around the ring */
	for (size_t i = 0; i < 200; i++) {
		uint32_t len = lens[i % 8];

		fill(i);
		give_rx(data, len, 0);
		ck_assert_int_eq(poll_all(), 0);
		publish();
		ck_assert_int_eq(poll_all(), 1);
		ck_assert_uint_eq(got.len, len);
		ck_assert_mem_eq(got.data, data, len);
		ck_assert(!got.meta.csum_partial && !got.meta.csum_valid);
		/* all buffers are back */
		ck_assert_int_eq(net_back_ring_avail(&rx), NET_RING_ENTRIES);
	}
	ck_assert_uint_eq(q->stats.rx_packets, 200);
}
END_TEST

START_TEST(says_what_came_with_a_frame)
{
	struct net_extra gso = {.type = XEN_NETIF_EXTRA_TYPE_GSO,
				.flags = XEN_NETIF_EXTRA_FLAG_MORE};
	struct net_extra hash = {.type = XEN_NETIF_EXTRA_TYPE_HASH};
	struct net_rx_req req;

	give_rx(data, 100, NETRXF_csum_blank | NETRXF_data_validated);
	publish();
	ck_assert_int_eq(poll_all(), 1);
	ck_assert(got.meta.csum_partial && got.meta.csum_valid);
	give_rx(data, 100, NETRXF_data_validated);
	publish();
	ck_assert_int_eq(poll_all(), 1);
	ck_assert(!got.meta.csum_partial && got.meta.csum_valid);

	gso.gso.type = XEN_NETIF_GSO_TYPE_TCPV4;
	gso.gso.size = 1448;
	hash.hash.type = _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP;
	hash.hash.algorithm = XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ;
	hash.hash.value = 0x12345678;
	req = take_rx();
	put_rx(req.id, 100, NETRXF_extra_info | NETRXF_more_data, 3000);
	take_rx();
	net_back_rx_put_extra(&rx, &gso);
	take_rx();
	net_back_rx_put_extra(&rx, &hash);
	req = take_rx();
	put_rx(req.id, 0, 0, 1000);
	publish();
	ck_assert_int_eq(poll_all(), 1);
	ck_assert_uint_eq(got.len, 4000);
	ck_assert_uint_eq(got.nr_iov, 2);
	ck_assert_uint_eq(got.meta.gso, NETFRONT_GSO_TCPV4);
	ck_assert_uint_eq(got.meta.gso_size, 1448);
	ck_assert(got.meta.csum_partial && got.meta.has_hash);
	ck_assert_uint_eq(got.meta.hash, 0x12345678);
	ck_assert_uint_eq(got.meta.hash_type,
			  _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP);
	ck_assert_int_eq(net_back_ring_avail(&rx), NET_RING_ENTRIES);
}
END_TEST

START_TEST(waits_for_the_rest_of_a_frame)
{
	struct net_rx_req req = take_rx();

	put_rx(req.id, 0, NETRXF_more_data, 4096);
	publish();
	ck_assert_int_eq(poll_all(), 0);
	ck_assert_int_eq(poll_all(), 0);
	ck_assert_int_eq(net_back_ring_avail(&rx), NET_RING_ENTRIES - 1);
	give_rx(data, 64, 0);
	publish();
	ck_assert_int_eq(poll_all(), 1);
	ck_assert_uint_eq(got.len, 4160);
	ck_assert_int_eq(net_back_ring_avail(&rx), NET_RING_ENTRIES);
}
END_TEST

START_TEST(drops_frames_that_make_no_sense)
{
	struct net_extra extra = {.type = XEN_NETIF_EXTRA_TYPE_GSO};
	struct net_rx_req req;
	int i;

	for (i = 0; i < 8; i++) {
		req = take_rx();
		switch (i) {
		case 0: /* the backend could not copy */
			put_rx(req.id, 0, 0, NETIF_RSP_ERROR);
			break;
		case 1: /* nothing */
			put_rx(req.id, 0, 0, 0);
			break;
		case 2: /* shorter than a header */
			put_rx(req.id, 0, 0, 13);
			break;
		case 3: /* half of it lost */
			put_rx(req.id, 0, NETRXF_more_data, 4096);
			req = take_rx();
			put_rx(req.id, 0, 0, NETIF_RSP_DROPPED);
			break;
		case 4: /* a prefix that nobody asked for */
			put_rx(req.id, 0, NETRXF_gso_prefix, 100);
			break;
		default: /* GSO without size, of no type; unknown extra */
			put_rx(req.id, 0, NETRXF_extra_info, 100);
			extra.gso.type = i == 5 ? 1 : i == 6 ? 9 : 0;
			extra.gso.size = i == 5 ? 0 : 1400;
			if (i == 7)
				extra.type = 17;
			take_rx();
			net_back_rx_put_extra(&rx, &extra);
		}
		publish();
		ck_assert_int_eq(poll_all(), 1);
		ck_assert_int_eq(got.frames, 0);
		ck_assert_uint_eq(q->stats.rx_errors, i + 1);
		ck_assert_int_eq(netfront_status(nf), 0);
	}
	give_rx(data, 64, 0);
	publish();
	ck_assert_int_eq(poll_all(), 1);
	ck_assert_int_eq(got.frames, 1);
}
END_TEST

START_TEST(takes_no_more_than_asked)
{
	int i;

	for (i = 0; i < 200; i++)
		give_rx(data, 64, 0);
	publish();
	ck_assert_int_eq(netfront_poll(q, 1, receive, NULL), 1);
	ck_assert_int_eq(netfront_poll(q, 70, receive, NULL), 70);
	ck_assert_int_eq(poll_all(), 129);
	ck_assert_int_eq(got.frames, 200);
}
END_TEST

/* A receiver that sends, and that polls where it must not. */
static void answer_back(void *user, const struct iovec *iov,
			unsigned int nr_iov, uint32_t len,
			const struct netfront_meta *meta)
{
	receive(user, iov, nr_iov, len, meta);
	ck_assert_int_eq(netfront_poll(q, 1, receive, NULL), -EBUSY);
	ck_assert_int_eq(netfront_wait(q, 1, receive, NULL, 0), -EBUSY);
	ck_assert_int_eq(netfront_send(q, iov, nr_iov, meta), 0);
}

START_TEST(a_receiver_may_send)
{
	give_rx(data, 64, 0);
	give_rx(data, 9000, 0);
	publish();
	ck_assert_int_eq(netfront_poll(q, 10, answer_back, NULL), 2);
	ck_assert_int_eq(netfront_kick(q), 0);
	ck_assert_int_eq(net_back_ring_avail(&tx), 4);
}
END_TEST

/* ---- multicast ---- */

START_TEST(joins_and_leaves_groups)
{
	static const uint8_t mac[6] = {1, 0, 0x5e, 1, 2, 3};
	struct net_extra extra;
	struct net_tx_req req;

	for (int join = 1; join >= 0; join--) {
		ck_assert_int_eq(netfront_multicast(q, mac, join), 0);
		ck_assert_int_eq(netfront_kick(q), 0);
		req = take_tx();
		ck_assert_uint_eq(req.flags, NETTXF_extra_info);
		extra = take_tx_extra();
		ck_assert_uint_eq(extra.type,
				  join ? XEN_NETIF_EXTRA_TYPE_MCAST_ADD
				       : XEN_NETIF_EXTRA_TYPE_MCAST_DEL);
		ck_assert_mem_eq(extra.mcast, mac, 6);
		answer_tx(req.id, NETIF_RSP_OKAY);
		answer_tx(0, NETIF_RSP_NULL);
		publish();
		ck_assert_int_eq(poll_all(), 0);
	}
	ck_assert_uint_eq(q->cur->tx_nr_free, q->cur->nr_tx);
}
END_TEST

/* ---- waiting ---- */

static void *late_backend(void *arg)
{
	(void)arg;
	/* once the frontend asks for an event, and so sleeps or will look */
	while (__atomic_load_n((uint32_t *)q->cur->rx.shared + 3,
			       __ATOMIC_SEQ_CST) == 1)
		sched_yield();
	give_rx(data, 64, 0);
	publish();
	return NULL;
}

START_TEST(sleeps_until_a_frame_comes)
{
	pthread_t t;

	/* the first event was asked for already when the ring was made */
	give_rx(data, 64, 0);
	publish();
	ck_assert_int_eq(poll_all(), 1);
	ck_assert_int_eq(pthread_create(&t, NULL, late_backend, NULL), 0);
	ck_assert_int_eq(netfront_wait(q, 10, receive, NULL, 20000), 1);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_int_eq(got.frames, 2);
	ck_assert_int_eq(netfront_wait(q, 10, receive, NULL, 1), 0);
}
END_TEST

START_TEST(sleeps_until_there_is_room)
{
	struct pollfd fd;
	struct net_tx_req req;
	int i;

	while (send_len(64, NULL) == 0)
		;
	ck_assert_int_eq(netfront_kick(q), 0);
	ck_assert(!netfront_arm(q));
	for (i = 0; i < 18; i++) {
		req = take_tx();
		answer_tx(req.id, NETIF_RSP_OKAY);
	}
	publish();
	fd = (struct pollfd){.fd = netfront_fd(q), .events = POLLIN};
	ck_assert_int_eq(poll(&fd, 1, 10000), 1);
	ck_assert_int_eq(netfront_wait(q, 10, receive, NULL, 10000), 0);
	ck_assert_uint_eq(netfront_send_room(q), 18);
}
END_TEST

START_TEST(a_storm_of_events_costs_little)
{
	uint64_t start = clock_us();
	int i;

	for (i = 0; i < 40; i++) {
		ring_bell();
		ck_assert_int_eq(netfront_wait(q, 1, receive, NULL, 5), 0);
	}
	ck_assert_uint_gt(q->events.empty_events, 8);
	/* it was asleep nearly all of the time */
	ck_assert_uint_ge(clock_us() - start, 40 * 4000);
	ck_assert_int_eq(netfront_status(nf), 0);
}
END_TEST

static int backend_cpu;

static int peer_cpu(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	(void)port;
	return backend_cpu;
}

START_TEST(where_the_backend_is)
{
	cpu_set_t one;
	int cpu = sched_getcpu();

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	q->events.peer.cpu = NULL;
	ck_assert(!netfront_backend_is_here(q));
	q->events.peer.cpu = peer_cpu;
	backend_cpu = -1;
	ck_assert(!netfront_backend_is_here(q));
	backend_cpu = cpu;
	ck_assert(netfront_backend_is_here(q));
	backend_cpu = cpu + 1;
	ck_assert(!netfront_backend_is_here(q));
}
END_TEST

/* ---- a backend that goes and comes back ---- */

START_TEST(comes_back_with_new_rings)
{
	void *before = q->cur->rx_mem;

	ck_assert_int_eq(send_len(64, NULL), 0);
	ck_assert_int_eq(netfront_kick(q), 0);
	netfront_queue_give(q, &netfront_no_conn);
	ck_assert_int_eq(send_len(64, NULL), -ENETDOWN);
	ck_assert_int_eq(poll_all(), 0);
	ck_assert_int_eq(netfront_kick(q), 0);
	ck_assert_uint_eq(netfront_send_room(q), 0);
	ck_assert_int_eq(netfront_wait(q, 1, receive, NULL, 1), 0);
	ck_assert_int_eq(fake.shared, 0);
	connect_queue();
	ck_assert_ptr_nonnull(before);
	ck_assert_int_eq(send_len(64, NULL), 0);
	ck_assert_int_eq(netfront_kick(q), 0);
	ck_assert_int_eq(net_back_ring_avail(&tx), 1);
	ck_assert_int_eq(net_back_ring_avail(&rx), NET_RING_ENTRIES);
	/* two before the queue's thread looks: the first is given back */
	connect_queue();
	ck_assert_uint_eq(fake.shared, 2 + 2 * NET_RING_ENTRIES);
	ck_assert_uint_eq(q->stats.reconnects, 2);
}
END_TEST

START_TEST(takes_fewer_buffers_where_sharing_is_limited)
{
	netfront_queue_give(q, &netfront_no_conn);
	ck_assert_int_eq(poll_all(), 0);
	/* rings, transmit, receive: the third call is the receive buffers' */
	fake_fail_share(3, ENOSPC);
	connect_queue();
	ck_assert_uint_eq(q->cur->nr_tx, NET_RING_ENTRIES);
	ck_assert_uint_eq(q->cur->nr_rx, NET_RING_ENTRIES / 2);
	ck_assert_int_eq(net_back_ring_avail(&rx), NET_RING_ENTRIES / 2);
	for (int i = 0; i < 1000; i++) {
		give_rx(data, 9000, 0);
		publish();
		ck_assert_int_eq(poll_all(), 1);
	}
	netfront_queue_give(q, &netfront_no_conn);
	ck_assert_int_eq(poll_all(), 0);
	fake_fail_share(2, EPERM);
	struct netfront_conn *c;

	ck_assert_int_eq(netfront_conn_create(&c, nf->gntshr, &q->events,
					      FAKE_DOMID, &can),
			 -EPERM);
	ck_assert_int_eq(fake.shared, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, sends_frames_of_all_lengths);
	tcase_add_test(tc, says_what_offloads_a_frame_needs);
	tcase_add_test(tc, refuses_what_cannot_be_sent);
	tcase_add_test(tc, sends_in_two_steps);
	tcase_add_test(tc, a_full_ring_says_try_again);
	tcase_add_test(tc, notifies_as_asked);
	tcase_add_test(tc, receives_frames_of_all_lengths);
	tcase_add_test(tc, says_what_came_with_a_frame);
	tcase_add_test(tc, waits_for_the_rest_of_a_frame);
	tcase_add_test(tc, drops_frames_that_make_no_sense);
	tcase_add_test(tc, takes_no_more_than_asked);
	tcase_add_test(tc, a_receiver_may_send);
	tcase_add_test(tc, joins_and_leaves_groups);
	tcase_add_test(tc, sleeps_until_a_frame_comes);
	tcase_add_test(tc, sleeps_until_there_is_room);
	tcase_add_test(tc, a_storm_of_events_costs_little);
	tcase_add_test(tc, where_the_backend_is);
	tcase_add_test(tc, comes_back_with_new_rings);
	tcase_add_test(tc, takes_fewer_buffers_where_sharing_is_limited);
}

int main(void)
{
	return run_netfront("netfront_queue", add);
}
