// SPDX-License-Identifier: MIT
/*
 * libnetfront and a backend that lies: each claim that cannot be true fails
 * the interface, at once, for good and with a reason, and nothing else.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "ring/barrier.h"
#include "tests/unit/netfront_fixture.h"

static uint8_t data[NET_PACKET_MAX];

static void send_one(uint32_t len)
{
	struct iovec iov = {data, len};

	ck_assert_int_eq(netfront_send(q, &iov, 1, NULL), 0);
	ck_assert_int_eq(netfront_kick(q), 0);
}

/* The response index itself, whatever was put. */
static void set_rsp_prod(struct net_back_ring *r, uint32_t value)
{
	shm_store_release((uint32_t *)r->shared + 2, value);
}

START_TEST(tx_answer_to_nothing)
{
	static const uint16_t ids[] = {1, 2, 255, 256, 0x7fff, 0xffff};

	send_one(64); /* id 0 */
	answer_tx(ids[_i], NETIF_RSP_OKAY);
	publish();
	ck_assert_int_eq(poll_all(), -EIO);
	must_have_failed("not in flight");
}
END_TEST

START_TEST(tx_answer_twice)
{
	struct net_tx_req req;

	send_one(64);
	send_one(64);
	req = take_tx();
	answer_tx(req.id, NETIF_RSP_OKAY);
	answer_tx(req.id, NETIF_RSP_OKAY);
	publish();
	ck_assert_int_eq(poll_all(), -EIO);
	must_have_failed("not in flight");
}
END_TEST

START_TEST(tx_answer_of_an_extra_that_is_not)
{
	send_one(64);
	answer_tx(0, NETIF_RSP_NULL);
	publish();
	ck_assert_int_eq(poll_all(), -EIO);
	must_have_failed("extra info");
}
END_TEST

START_TEST(tx_unknown_status)
{
	static const int16_t status[] = {2, 100, 32767, -3, -32768};

	send_one(64);
	answer_tx(take_tx().id, status[_i]);
	publish();
	ck_assert_int_eq(poll_all(), -EIO);
	must_have_failed("unknown status");
}
END_TEST

START_TEST(tx_found_by_sending)
{
	int err;
	struct iovec iov = {data, 64};

	while (!(err = netfront_send(q, &iov, 1, NULL)))
		;
	ck_assert_int_eq(err, -EAGAIN);
	ck_assert_int_eq(netfront_kick(q), 0);
	take_tx();
	answer_tx(999, NETIF_RSP_OKAY);
	publish();
	ck_assert_int_eq(netfront_send(q, &iov, 1, NULL), -EIO);
	must_have_failed("not in flight");
}
END_TEST

static const uint32_t wild[] = {2, 257, 0x7fffffff, 0x80000000, 0xffffffff};

START_TEST(tx_index_runs_away)
{
	send_one(64);
	set_rsp_prod(&tx, wild[_i]);
	ck_assert_int_eq(poll_all(), -EIO);
	must_have_failed("tx ring");
}
END_TEST

START_TEST(rx_index_runs_away)
{
	set_rsp_prod(&rx, _i ? wild[_i] : 260);
	ck_assert_int_eq(poll_all(), -EIO);
	must_have_failed("rx ring");
	ck_assert_int_eq(got.frames, 0);
}
END_TEST

START_TEST(index_goes_back)
{
	give_rx(data, 64, 0);
	publish();
	ck_assert_int_eq(poll_all(), 1);
	set_rsp_prod(&rx, 0);
	ck_assert_int_eq(poll_all(), -EIO);
	must_have_failed("rx ring");
}
END_TEST

START_TEST(rx_answer_out_of_place)
{
	static const uint16_t ids[] = {1, 255, 256, 0xffff};

	take_rx();
	put_rx(ids[_i], 0, 0, 64);
	publish();
	ck_assert_int_eq(poll_all(), -EIO);
	must_have_failed("out of its place");
	ck_assert_int_eq(got.frames, 0);
}
END_TEST

START_TEST(rx_beyond_the_buffer)
{
	static const struct {
		uint16_t offset;
		int16_t status;
	} bad[] = {{0, 4097},    {4096, 1},  {4033, 64},      {1, 4096},
		   {65535, 1},   {4097, 0},  {0, 32767},      {65535, 32767},
		   {0xffc0, 64}, {4097, -1}, {0x8000, -32768}};

	take_rx();
	put_rx(0, bad[_i].offset, 0, bad[_i].status);
	publish();
	ck_assert_int_eq(poll_all(), -EIO);
	must_have_failed("beyond the end");
	ck_assert_int_eq(got.frames, 0);
}
END_TEST

START_TEST(rx_within_the_buffer)
{
	static const struct {
		uint16_t offset;
		int16_t status;
	} good[] = {{0, 4096}, {4032, 64}, {4082, 14}, {1, 4095}};

	take_rx();
	put_rx(0, good[_i].offset, 0, good[_i].status);
	publish();
	ck_assert_int_eq(poll_all(), 1);
	ck_assert_uint_eq(got.len, good[_i].status);
}
END_TEST

START_TEST(rx_chain_without_end)
{
	struct net_rx_req req;

	for (unsigned int i = 0; i < NETFRONT_RX_CHAIN_MAX; i++) {
		req = take_rx();
		put_rx(req.id, 0, NETRXF_more_data, 4096);
		publish();
		ck_assert_int_eq(poll_all(),
				 i < NETFRONT_RX_CHAIN_MAX - 1 ? 0 : -EIO);
	}
	must_have_failed("too many pieces");
}
END_TEST

START_TEST(rx_extras_without_end)
{
	struct net_extra extra = {.type = XEN_NETIF_EXTRA_TYPE_GSO,
				  .flags = XEN_NETIF_EXTRA_FLAG_MORE,
				  .gso.type = 1,
				  .gso.size = 1};
	struct net_rx_req req = take_rx();

	put_rx(req.id, 0, NETRXF_extra_info, 64);
	for (unsigned int i = 0; i < 40; i++) {
		take_rx();
		net_back_rx_put_extra(&rx, &extra);
	}
	publish();
	ck_assert_int_eq(poll_all(), -EIO);
	must_have_failed("too many pieces");
}
END_TEST

/* Longer than a packet can be, in few enough pieces: dropped. */
START_TEST(rx_too_long)
{
	struct net_rx_req req;

	for (int i = 0; i < 17; i++) {
		req = take_rx();
		put_rx(req.id, 0, i < 16 ? NETRXF_more_data : 0, 4096);
	}
	publish();
	ck_assert_int_eq(poll_all(), 1);
	ck_assert_int_eq(got.frames, 0);
	ck_assert_uint_eq(q->stats.rx_errors, 1);
}
END_TEST

/* Frames that came before the lie are not lost with it. */
START_TEST(what_came_before_is_not_given)
{
	give_rx(data, 64, 0);
	publish();
	ck_assert_int_eq(poll_all(), 1);
	give_rx(data, 64, 0);
	take_rx();
	put_rx(77, 0, 0, 64);
	publish();
	ck_assert_int_eq(poll_all(), -EIO);
	must_have_failed("out of its place");
}
END_TEST

/*
 * The backend rewrites the ring while the frontend reads it: whatever is seen
 * is within bounds (the sanitizers look), and the interface lives or fails.
 */
static atomic_bool stop;

static void *rewriter(void *arg)
{
	uint32_t *slots = (uint32_t *)rx.shared + 16, seed = 1;

	(void)arg;
	while (!atomic_load(&stop)) {
		seed = seed * 1664525 + 1013904223;
		/* the half with offset and id stays: else it ends at once */
		shm_store_u32(slots + (seed >> 8) % 256 * 2 + 1,
			      (seed >> 28) % 8 | (seed & 0x0fff0000));
	}
	return NULL;
}

START_TEST(rx_rewritten_while_read)
{
	pthread_t t;
	int n = 0;

	ck_assert_int_eq(pthread_create(&t, NULL, rewriter, NULL), 0);
	for (int i = 0; i < 300 && n >= 0; i++) {
		while (net_back_ring_avail(&rx) > 200) {
			struct net_rx_req req = take_rx();

			put_rx(req.id, 0, 0, 64);
		}
		publish();
		n = poll_all();
	}
	atomic_store(&stop, true);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	atomic_store(&stop, false);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, tx_answer_to_nothing, 0, 6);
	tcase_add_test(tc, tx_answer_twice);
	tcase_add_test(tc, tx_answer_of_an_extra_that_is_not);
	tcase_add_loop_test(tc, tx_unknown_status, 0, 5);
	tcase_add_test(tc, tx_found_by_sending);
	tcase_add_loop_test(tc, tx_index_runs_away, 0, 5);
	tcase_add_loop_test(tc, rx_index_runs_away, 0, 5);
	tcase_add_test(tc, index_goes_back);
	tcase_add_loop_test(tc, rx_answer_out_of_place, 0, 4);
	tcase_add_loop_test(tc, rx_beyond_the_buffer, 0, 11);
	tcase_add_loop_test(tc, rx_within_the_buffer, 0, 4);
	tcase_add_test(tc, rx_chain_without_end);
	tcase_add_test(tc, rx_extras_without_end);
	tcase_add_test(tc, rx_too_long);
	tcase_add_test(tc, what_came_before_is_not_given);
	tcase_add_test(tc, rx_rewritten_while_read);
}

int main(void)
{
	return run_netfront("netfront_hostile", add);
}
