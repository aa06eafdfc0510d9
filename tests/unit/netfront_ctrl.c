// SPDX-License-Identifier: MIT
/*
 * libnetfront's control ring with a backend that answers, refuses, is silent,
 * and lies.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "hypercall/clock.h"
#include "tests/unit/netfront_fixture.h"

static struct net_back_ring back;
static struct net_ctrl_req seen[16];
static uint8_t seen_page[16][NET_PAGE_SIZE];
static int nr_seen, answers; /* how many to give */
static uint32_t status, data;
static uint16_t add_id, add_type;

static void *serve(void *arg)
{
	struct net_ctrl_rsp rsp;
	uint64_t one = 1;

	(void)arg;
	while (nr_seen < answers) {
		if (net_back_ring_avail(&back) < 1) {
			sched_yield();
			continue;
		}
		net_back_ctrl_get(&back, &seen[nr_seen]);
		memcpy(seen_page[nr_seen], nf->ctrl.arg, NET_PAGE_SIZE);
		rsp = (struct net_ctrl_rsp){seen[nr_seen].id + add_id,
					    seen[nr_seen].type + add_type,
					    status, data};
		nr_seen++;
		net_back_ctrl_put(&back, &rsp);
		if (net_back_ring_publish(&back))
			ck_assert_int_eq(
				write(xenevtchn_fd(nf->ctrl.events.xce), &one,
				      sizeof(one)),
				sizeof(one));
	}
	return NULL;
}

static pthread_t server;

static void begin(int nr)
{
	ck_assert_int_eq(netfront_ctrl_connect(nf), 0);
	netfront_ctrl_start(nf);
	ck_assert_int_eq(net_back_ring_init(&back, nf->ctrl.ring.shared,
					    NET_RING_CTRL, NULL, false),
			 0);
	nr_seen = 0;
	answers = nr;
	ck_assert_int_eq(pthread_create(&server, NULL, serve, NULL), 0);
}

static void end(void)
{
	ck_assert_int_eq(pthread_join(server, NULL), 0);
	ck_assert_int_eq(nr_seen, answers);
}

static void check_list(uint32_t nr)
{
	struct xen_netif_gref *list = (void *)seen_page[1];
	uint32_t i, rx_refs = nr < 256 ? nr : 256;

	for (i = 0; i < nr; i++) {
		ck_assert_uint_eq(list[i].ref,
				  i < rx_refs ? q->cur->rx_ref[i]
					      : q->cur->tx_ref[i - 256]);
		ck_assert_uint_eq(list[i].flags,
				  i < rx_refs ? 0
					      : XEN_NETIF_CTRLF_GREF_readonly);
	}
}

START_TEST(offers_static_grants)
{
	static const uint32_t sizes[] = {512, 4096, 300, 100, 1};
	uint32_t nr = sizes[_i] < 512 ? sizes[_i] : 512;

	data = sizes[_i];
	begin(2);
	ck_assert_int_eq(netfront_add_static(nf, 3, q->cur), (int)nr);
	end();
	ck_assert_uint_eq(seen[0].type,
			  XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE);
	ck_assert_uint_eq(seen[0].data[0], 3);
	ck_assert_uint_eq(seen[1].type, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING);
	ck_assert_uint_eq(seen[1].data[0], 3);
	ck_assert_uint_eq(seen[1].data[1], nf->ctrl.arg_ref);
	ck_assert_uint_eq(seen[1].data[2], nr);
	check_list(nr);
}
END_TEST

START_TEST(takes_no_for_an_answer)
{
	static const struct {
		uint32_t status;
		int err;
	} no[] = {{XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED, -EOPNOTSUPP},
		  {XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER, -EINVAL},
		  {XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW, -ENOSPC},
		  {0xffffffff, -EINVAL}};

	status = no[_i].status;
	data = 512;
	begin(2);
	ck_assert_int_eq(netfront_add_static(nf, 0, q->cur), no[_i].err);
	ck_assert_int_eq(netfront_set_hash(nf, 1, data ? seen_page[0] : NULL,
					   40, NULL, 0),
			 no[_i].err);
	end();
	ck_assert_int_eq(netfront_status(nf), 0);
}
END_TEST

START_TEST(no_table_at_all)
{
	begin(1);
	ck_assert_int_eq(netfront_add_static(nf, 0, q->cur), -EOPNOTSUPP);
	end();
}
END_TEST

START_TEST(sets_up_a_hash)
{
	static const uint16_t types[] = {
		XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM,
		XEN_NETIF_CTRL_TYPE_SET_HASH_KEY,
		XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE,
		XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING,
		XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS,
	};
	const uint32_t mapping[4] = {0, 1, 0, 1};
	uint8_t key[40];

	memset(key, 0x5a, sizeof(key));
	begin(6);
	ck_assert_int_eq(netfront_set_hash(nf, 0xf, key, 40, mapping, 4), 0);
	/* and off again */
	ck_assert_int_eq(netfront_set_hash(nf, 0, NULL, 0, NULL, 0), 0);
	end();
	for (int i = 0; i < 5; i++)
		ck_assert_uint_eq(seen[i].type, types[i]);
	ck_assert_uint_eq(seen[0].data[0],
			  XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ);
	ck_assert_uint_eq(seen[1].data[1], 40);
	ck_assert_mem_eq(seen_page[1], key, 40);
	ck_assert_uint_eq(seen[2].data[0], 4);
	ck_assert_uint_eq(seen[3].data[1], 4);
	ck_assert_mem_eq(seen_page[3], mapping, sizeof(mapping));
	ck_assert_uint_eq(seen[4].data[0], 0xf);
	ck_assert_uint_eq(seen[5].data[0], XEN_NETIF_CTRL_HASH_ALGORITHM_NONE);
	ck_assert_int_eq(netfront_set_hash(nf, 1, key, 41, NULL, 0), -EINVAL);
	ck_assert_int_eq(netfront_set_hash(nf, 1, key, 4, mapping, 3), -EINVAL);
}
END_TEST

START_TEST(silence_is_waited_for_once)
{
	uint64_t start;

	begin(0);
	end();
	ck_assert_int_eq(netfront_add_static(nf, 0, q->cur), -ETIMEDOUT);
	start = clock_us();
	ck_assert_int_eq(netfront_add_static(nf, 0, q->cur), -ETIMEDOUT);
	ck_assert_uint_lt(clock_us() - start, 500000);
	ck_assert_int_eq(netfront_status(nf), 0);
	/* the next backend is asked again */
	data = 512;
	begin(2);
	ck_assert_int_eq(netfront_add_static(nf, 0, q->cur), 512);
	end();
	netfront_ctrl_stop(nf);
	ck_assert_int_eq(netfront_add_static(nf, 0, q->cur), -EOPNOTSUPP);
}
END_TEST

START_TEST(answers_of_something_else)
{
	add_id = _i == 0;
	add_type = _i == 1;
	begin(1);
	ck_assert_int_eq(netfront_add_static(nf, 0, q->cur), -EIO);
	end();
	must_have_failed("control request");
}
END_TEST

START_TEST(too_many_answers)
{
	struct net_ctrl_rsp rsp = {0};

	begin(0);
	end();
	net_back_ctrl_put(&back, &rsp);
	net_back_ctrl_put(&back, &rsp);
	net_back_ring_publish(&back);
	ck_assert_int_eq(netfront_add_static(nf, 0, q->cur), -EIO);
	must_have_failed("control ring");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, offers_static_grants, 0, 5);
	tcase_add_loop_test(tc, takes_no_for_an_answer, 0, 4);
	tcase_add_test(tc, no_table_at_all);
	tcase_add_test(tc, sets_up_a_hash);
	tcase_add_test(tc, silence_is_waited_for_once);
	tcase_add_loop_test(tc, answers_of_something_else, 0, 2);
	tcase_add_test(tc, too_many_answers);
}

int main(void)
{
	return run_netfront("netfront_ctrl", add);
}
