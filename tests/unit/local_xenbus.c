// SPDX-License-Identifier: MIT
/*
 * A guest's xenbus device against a xenstored that can do anything: the test
 * plays xenstored on a page of its own.
 */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#include "hypercall/local/xenbus_mux.h"
#include "hypercall/local/xenbus_ring.h"
#include "tests/unit/run_suite.h"

static struct xenstore_domain_interface page;
static struct wire_evtchn_page evtchn;
static struct xenbus_ring ring;
static struct xenbus_mux mux;
static int bell;

/* All indices start here; near the wrap in most tests. */
static void start_at(uint32_t index)
{
	page.req_prod = page.req_cons = index;
	page.rsp_prod = page.rsp_cons = index;
	ring.req_prod = ring.rsp_cons = index;
}

static void setup(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	memset(&page, 0, sizeof(page));
	memset(&evtchn, 0, sizeof(evtchn));
	memset(&ring, 0, sizeof(ring));
	ring.page = &page;
	ring.chan.page = &evtchn;
	ring.chan.bell = pair[0];
	ring.domid = 7;
	bell = pair[1];
	start_at(UINT32_MAX - 20);
	xenbus_mux_init(&mux, &ring);
}

static void teardown(void)
{
	struct xenbus_client *c;

	while ((c = TAILQ_FIRST(&mux.clients))) {
		TAILQ_REMOVE(&mux.clients, c, all);
		xenbus_client_free(c);
	}
	close(ring.chan.bell);
	close(bell);
}

/* A program of the guest; its end is returned. */
static int connect_client(struct xenbus_client **c)
{
	int pair[2];

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	*c = xenbus_mux_add(&mux, pair[0]);
	ck_assert_ptr_nonnull(*c);
	return pair[1];
}

static void client_says(int fd, struct xenbus_client *c, uint32_t type,
			uint32_t tx, const void *body, uint32_t len)
{
	struct xsd_sockmsg hdr = {type, 42, tx, len};

	ck_assert_int_eq(write(fd, &hdr, sizeof(hdr)), sizeof(hdr));
	ck_assert_int_eq(write(fd, body, len), len);
	ck_assert_int_eq(xenbus_mux_readable(&mux, c), 0);
}

/* xenstored takes len bytes of a request off the ring. */
static void store_takes(void *data, uint32_t len)
{
	char *p = data;

	while (len--) {
		ck_assert_int_eq(xenbus_mux_run(&mux), 0);
		ck_assert_uint_ne(page.req_cons, page.req_prod);
		*p++ = page.req[MASK_XENSTORE_IDX(page.req_cons++)];
	}
}

static struct xsd_sockmsg store_hears(char *body)
{
	struct xsd_sockmsg hdr;

	store_takes(&hdr, sizeof(hdr));
	ck_assert_uint_le(hdr.len, XENSTORE_PAYLOAD_MAX);
	store_takes(body, hdr.len);
	return hdr;
}

static void store_puts(const void *data, uint32_t len)
{
	const char *p = data;

	while (len--)
		page.rsp[MASK_XENSTORE_IDX(page.rsp_prod++)] = *p++;
}

/* xenstored answers; returns what the device makes of it. */
static int store_says(uint32_t type, uint32_t id, const void *body,
		      uint32_t len)
{
	struct xsd_sockmsg hdr = {type, id, 0, len};

	store_puts(&hdr, sizeof(hdr));
	store_puts(body, len);
	return xenbus_mux_run(&mux);
}

static void client_hears(int fd, struct xenbus_client *c, uint32_t type,
			 const void *body, uint32_t len)
{
	struct xsd_sockmsg hdr;
	char got[XENSTORE_PAYLOAD_MAX];

	ck_assert_int_eq(xenbus_client_flush(c), 0);
	ck_assert_int_eq(read(fd, &hdr, sizeof(hdr)), sizeof(hdr));
	ck_assert_uint_eq(hdr.type, type);
	ck_assert_uint_eq(hdr.len, len);
	ck_assert_int_eq(read(fd, got, len), len);
	ck_assert_mem_eq(got, body, len);
}

START_TEST(large_messages_cross_the_ring)
{
	static char body[XENSTORE_PAYLOAD_MAX], seen[XENSTORE_PAYLOAD_MAX];
	struct xenbus_client *c;
	struct xsd_sockmsg hdr;
	int fd = connect_client(&c);

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)(i * 7);
	client_says(fd, c, XS_WRITE, 0, body, sizeof(body));
	hdr = store_hears(seen);
	ck_assert_uint_eq(hdr.type, XS_WRITE);
	ck_assert_uint_eq(hdr.len, sizeof(body));
	ck_assert_mem_eq(body, seen, sizeof(body));
	ck_assert_int_eq(store_says(XS_WRITE, hdr.req_id, "OK", 3), 0);
	client_hears(fd, c, XS_WRITE, "OK", 3);
	close(fd);
}
END_TEST

/* Indices that cannot be: nothing is copied by them. */
static const struct {
	uint32_t req_cons, rsp_prod; /* relative to where all started */
} impossible[] = {
	{1, 0},    {(uint32_t)-1025, 0}, {1u << 31, 0},
	{0, 1025}, {0, (uint32_t)-1},    {0, 1u << 31},
};

START_TEST(impossible_indices_are_refused)
{
	struct xenbus_client *c;
	int fd = connect_client(&c);

	page.req_cons += impossible[_i].req_cons;
	page.rsp_prod += impossible[_i].rsp_prod;
	client_says(fd, c, XS_READ, 0, "a", 2);
	ck_assert_int_eq(xenbus_mux_run(&mux), -EPROTO);
	close(fd);
}
END_TEST

START_TEST(a_ring_given_up_is_an_error)
{
	struct xenbus_client *c;
	int fd = connect_client(&c);

	page.error = XENSTORE_ERROR_PROTO;
	client_says(fd, c, XS_READ, 0, "a", 2);
	ck_assert_int_eq(xenbus_mux_run(&mux), -EIO);
	close(fd);
}
END_TEST

/* What xenstored may not answer while a client waits for XS_TRANSACTION_START
 * under the id that it sees; + is added to that id. */
static const struct {
	uint32_t type, plus, len;
	const char *body;
} nonsense[] = {
	{XS_TRANSACTION_START, 1, 2, "1"},
	{XS_READ, 0, 2, "1"},
	{XS_INVALID, 0, 2, "1"},
	{XS_TRANSACTION_START, 0, 2, "x"},
	{XS_TRANSACTION_START, 0, 2, "0"},
	{XS_TRANSACTION_START, 0, 0, ""},
	{XS_TRANSACTION_START, 0, 3, "-1"},
	{XS_TRANSACTION_START, 0, 11, "4294967296"},
	{XS_WATCH_EVENT, 0, 2, "a"},
	{XS_WATCH_EVENT, 0, 0, ""},
	{XS_WATCH_EVENT, 0, 4, "a\0x"},
	{XS_WATCH_EVENT, 0, 3, "a\0x"},
};

START_TEST(nonsense_is_refused)
{
	struct xenbus_client *c;
	struct xsd_sockmsg hdr;
	char body[XENSTORE_PAYLOAD_MAX];
	int fd = connect_client(&c);

	client_says(fd, c, XS_TRANSACTION_START, 0, "", 1);
	hdr = store_hears(body);
	ck_assert_int_eq(store_says(nonsense[_i].type,
				    hdr.req_id + nonsense[_i].plus,
				    nonsense[_i].body, nonsense[_i].len),
			 -EPROTO);
	close(fd);
}
END_TEST

START_TEST(a_length_is_checked_before_it_is_used)
{
	struct xsd_sockmsg hdr = {XS_WATCH_EVENT, 0, 0,
				  XENSTORE_PAYLOAD_MAX + 1};

	store_puts(&hdr, sizeof(hdr));
	ck_assert_int_eq(xenbus_mux_run(&mux), -EPROTO);
}
END_TEST

START_TEST(events_of_no_watch_are_dropped)
{
	ck_assert_int_eq(store_says(XS_WATCH_EVENT, 0, "a\0ffff", 7), 0);
}
END_TEST

START_TEST(what_a_client_leaves_is_undone)
{
	struct xenbus_client *c;
	struct xsd_sockmsg hdr;
	char body[XENSTORE_PAYLOAD_MAX], token[32];
	int fd = connect_client(&c);

	client_says(fd, c, XS_WATCH, 0, "a\0t", 4);
	hdr = store_hears(body);
	ck_assert_str_eq(body, "a");
	strcpy(token, body + 2);
	ck_assert_int_eq(store_says(XS_WATCH, hdr.req_id, "OK", 3), 0);
	client_hears(fd, c, XS_WATCH, "OK", 3);
	client_says(fd, c, XS_TRANSACTION_START, 0, "", 1);
	hdr = store_hears(body);
	/* it goes while its transaction is being started */
	xenbus_mux_cut(&mux, c);
	close(fd);
	ck_assert_int_eq(store_says(XS_TRANSACTION_START, hdr.req_id, "9", 2),
			 0);

	hdr = store_hears(body);
	ck_assert_uint_eq(hdr.type, XS_UNWATCH);
	ck_assert_str_eq(body, "a");
	ck_assert_str_eq(body + 2, token);
	ck_assert_int_eq(store_says(XS_UNWATCH, hdr.req_id, "OK", 3), 0);
	hdr = store_hears(body);
	ck_assert_uint_eq(hdr.type, XS_TRANSACTION_END);
	ck_assert_uint_eq(hdr.tx_id, 9);
	ck_assert_str_eq(body, "F");
	ck_assert(!TAILQ_EMPTY(&mux.clients));
	ck_assert_int_eq(store_says(XS_TRANSACTION_END, hdr.req_id, "OK", 3),
			 0);
	ck_assert(TAILQ_EMPTY(&mux.clients));
}
END_TEST

START_TEST(a_watch_on_its_way_is_undone_too)
{
	struct xenbus_client *c;
	struct xsd_sockmsg hdr;
	char body[XENSTORE_PAYLOAD_MAX];
	int fd = connect_client(&c);

	client_says(fd, c, XS_WATCH, 0, "a\0t", 4);
	hdr = store_hears(body);
	xenbus_mux_cut(&mux, c);
	close(fd);
	ck_assert_int_eq(store_says(XS_WATCH, hdr.req_id, "OK", 3), 0);
	hdr = store_hears(body);
	ck_assert_uint_eq(hdr.type, XS_UNWATCH);
	ck_assert_int_eq(store_says(XS_ERROR, hdr.req_id, "EIO", 4), 0);
	ck_assert(TAILQ_EMPTY(&mux.clients));
}
END_TEST

START_TEST(requests_that_never_left_are_dropped)
{
	struct xenbus_client *c;
	int fd = connect_client(&c);

	client_says(fd, c, XS_WATCH, 0, "a\0t", 4);
	xenbus_mux_cut(&mux, c);
	close(fd);
	ck_assert(TAILQ_EMPTY(&mux.clients));
	ck_assert_int_eq(xenbus_mux_run(&mux), 0);
	ck_assert_uint_eq(page.req_prod, page.req_cons);
}
END_TEST

START_TEST(a_notify_is_sent_once)
{
	struct xenbus_client *c;
	char rings[16];
	int fd = connect_client(&c), n;

	client_says(fd, c, XS_READ, 0, "a", 2);
	ck_assert_int_eq(xenbus_mux_run(&mux), 0);
	ck_assert_int_eq(xenbus_mux_run(&mux), 0);
	n = (int)recv(bell, rings, sizeof(rings), MSG_DONTWAIT);
	ck_assert_int_eq(n, 1);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("local_xenbus");
	TCase *tc = tcase_create("hostile xenstored");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, large_messages_cross_the_ring);
	tcase_add_loop_test(tc, impossible_indices_are_refused, 0,
			    sizeof(impossible) / sizeof(impossible[0]));
	tcase_add_test(tc, a_ring_given_up_is_an_error);
	tcase_add_loop_test(tc, nonsense_is_refused, 0,
			    sizeof(nonsense) / sizeof(nonsense[0]));
	tcase_add_test(tc, a_length_is_checked_before_it_is_used);
	tcase_add_test(tc, events_of_no_watch_are_dropped);
	tcase_add_test(tc, what_a_client_leaves_is_undone);
	tcase_add_test(tc, a_watch_on_its_way_is_undone_too);
	tcase_add_test(tc, requests_that_never_left_are_dropped);
	tcase_add_test(tc, a_notify_is_sent_once);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
