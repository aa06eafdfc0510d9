// SPDX-License-Identifier: MIT
/*
 * Watches, transactions and typed reads on a double of libxenstore: a list of
 * nodes, and a queue of events whose descriptor may stay silent although
 * events are there.
 */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hypercall/xenbus_keys.h"
#include "hypercall/xs_store.h"
#include "tests/unit/run_suite.h"

#define NR_NODES  32
#define NR_EVENTS 8192

static struct {
	struct {
		char path[256], value[256];
		unsigned int len;
	} nodes[NR_NODES];
	struct {
		char path[64], token[32];
	} events[NR_EVENTS];
	unsigned int nr_events, next_event, conflicts, aborts, starts;
	bool broken;
	int fds[2];
	char last_token[32];
} fake;

static int node_of(const char *path)
{
	for (int i = 0; i < NR_NODES; i++) {
		if (!strcmp(fake.nodes[i].path, path))
			return i;
	}
	errno = ENOENT;
	return -1;
}

static void put(const char *path, const void *value, size_t len)
{
	int i = node_of(path);

	if (i < 0)
		i = node_of("");
	ck_assert_int_ge(i, 0);
	snprintf(fake.nodes[i].path, sizeof(fake.nodes[i].path), "%s", path);
	memcpy(fake.nodes[i].value, value, len);
	fake.nodes[i].len = (unsigned int)len;
}

static void queue_event(const char *path, const char *token)
{
	ck_assert_uint_lt(fake.nr_events, NR_EVENTS);
	snprintf(fake.events[fake.nr_events].path, 64, "%s", path);
	snprintf(fake.events[fake.nr_events++].token, 32, "%s", token);
}

struct xs_handle *xs_open(unsigned long flags)
{
	(void)flags;
	memset(&fake, 0, sizeof(fake));
	return pipe(fake.fds) ? NULL : (struct xs_handle *)&fake;
}

void xs_close(struct xs_handle *h)
{
	(void)h;
	close(fake.fds[0]);
	close(fake.fds[1]);
}

int xs_fileno(struct xs_handle *h)
{
	(void)h;
	return fake.fds[0];
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
	(void)h;
	snprintf(fake.last_token, sizeof(fake.last_token), "%s", token);
	queue_event(path, token);
	return true;
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
	(void)h;
	(void)path;
	(void)token;
	return true;
}

char **xs_check_watch(struct xs_handle *h)
{
	char **out;

	(void)h;
	if (fake.broken || fake.next_event == fake.nr_events) {
		errno = fake.broken ? EINVAL : EAGAIN;
		return NULL;
	}
	out = malloc(2 * sizeof(*out) + 96);
	ck_assert_ptr_nonnull(out);
	out[0] = (char *)(out + 2);
	out[1] = out[0] + 64;
	strcpy(out[0], fake.events[fake.next_event].path);
	strcpy(out[1], fake.events[fake.next_event++].token);
	return out;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path,
	      unsigned int *len)
{
	int i = node_of(path);
	char *out;

	(void)h;
	(void)t;
	if (strstr(path, "secret")) {
		errno = EACCES;
		return NULL;
	}
	if (i < 0)
		return NULL;
	out = malloc(sizeof(fake.nodes[i].value) + 1);
	ck_assert_ptr_nonnull(out);
	memcpy(out, fake.nodes[i].value, fake.nodes[i].len);
	out[fake.nodes[i].len] = '\0';
	*len = fake.nodes[i].len;
	return out;
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path,
	      const void *data, unsigned int len)
{
	(void)h;
	(void)t;
	put(path, data, len);
	return true;
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	int i = node_of(path);

	(void)h;
	(void)t;
	if (i >= 0)
		fake.nodes[i].path[0] = '\0';
	return i >= 0;
}

char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path,
		    unsigned int *num)
{
	(void)h;
	(void)t;
	(void)path;
	*num = 0;
	errno = ENOENT;
	return NULL;
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
	(void)h;
	return ++fake.starts;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
	(void)h;
	(void)t;
	fake.aborts += abort;
	if (!abort && fake.conflicts) {
		fake.conflicts--;
		errno = EAGAIN;
		return false;
	}
	return true;
}

/* -- */

static struct ev_loop *loop;
static struct xs_store *xs;

static void setup(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_int_eq(xs_store_open(&xs, loop), 0);
}

static void teardown(void)
{
	xs_store_close(xs);
	ev_loop_destroy(loop);
}

struct seen {
	unsigned int calls;
	char last[64];
	struct xs_watch *delete;
	bool requeue;
};

static void on_watch(struct xs_watch *w, const char *path, void *arg)
{
	struct seen *s = arg;

	(void)w;
	s->calls++;
	snprintf(s->last, sizeof(s->last), "%s", path);
	xs_watch_del(s->delete);
	s->delete = NULL;
	if (s->requeue)
		queue_event(path, fake.last_token);
}

/* The descriptor never becomes readable here: events are found anyway. */
START_TEST(events_without_descriptor)
{
	struct seen s = {0};
	struct xs_watch *w;

	ck_assert_int_eq(xs_watch_add(xs, "/a", on_watch, &s, &w), 0);
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_uint_eq(s.calls, 1);
	ck_assert_str_eq(s.last, "/a");
	queue_event("/a/b", fake.last_token);
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_uint_eq(s.calls, 2);
	ck_assert_str_eq(s.last, "/a/b");
}
END_TEST

START_TEST(duplicates_fold)
{
	struct seen s = {0};
	struct xs_watch *w;

	xs_watch_add(xs, "/a", on_watch, &s, &w);
	for (int i = 0; i < 300; i++) {
		queue_event("/a/x", fake.last_token);
		queue_event("/a/y", fake.last_token);
	}
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_uint_eq(s.calls, 3);
	/* the next turn is a new one */
	queue_event("/a/x", fake.last_token);
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_uint_eq(s.calls, 4);
}
END_TEST

/* A storm does not hold the loop, nor does the loop sleep on what is left. */
START_TEST(storm_is_cut)
{
	struct seen s = {0};
	struct xs_watch *w;
	char path[64];

	xs_watch_add(xs, "/a", on_watch, &s, &w);
	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "/a/%d", i);
		queue_event(path, fake.last_token);
	}
	ev_run(loop, EVRUN_ONCE);
	ck_assert_uint_gt(s.calls, 0);
	ck_assert_uint_lt(s.calls, 3001);
	for (int i = 0; i < 5 && s.calls < 3001; i++)
		ev_run(loop, EVRUN_NOWAIT);
	ck_assert_uint_eq(s.calls, 3001);
}
END_TEST

/* A callback that causes its own event is one call a turn. */
START_TEST(own_events_wait_for_the_next_turn)
{
	struct seen s = {.requeue = true};
	struct xs_watch *w;

	xs_watch_add(xs, "/a", on_watch, &s, &w);
	for (unsigned int i = 0; i < 5; i++) {
		ck_assert_uint_le(s.calls, 2 * i);
		ev_run(loop, EVRUN_NOWAIT);
		ck_assert_uint_gt(s.calls, i);
	}
}
END_TEST

START_TEST(delete_within_callback)
{
	struct seen a = {0}, b = {0};
	struct xs_watch *wa, *wb;
	char token[32];

	xs_watch_add(xs, "/a", on_watch, &a, &wa);
	xs_watch_add(xs, "/b", on_watch, &b, &wb);
	strcpy(token, fake.last_token);
	a.delete = wb; /* whose event is in the same turn */
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_uint_eq(a.calls, 1);
	ck_assert_uint_eq(b.calls, 0);
	/* itself; and a late event of the other */
	queue_event("/b", token);
	a.delete = wa;
	queue_event("/a", "1");
	queue_event("/a/2", "1");
	queue_event("/a", "junk");
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_uint_eq(a.calls, 2);
	ck_assert_uint_eq(b.calls, 0);
	xs_watch_del(NULL);
}
END_TEST

static void on_lost(struct xs_store *store, void *arg)
{
	ck_assert_ptr_eq(store, xs);
	++*(int *)arg;
}

START_TEST(lost_is_told_once)
{
	struct seen s = {0};
	struct xs_watch *w;
	int lost = 0;

	xs_store_on_lost(xs, on_lost, &lost);
	xs_watch_add(xs, "/a", on_watch, &s, &w);
	fake.broken = true;
	for (int i = 0; i < 3; i++)
		ev_run(loop, EVRUN_NOWAIT);
	ck_assert_int_eq(lost, 1);
	/* nothing keeps the loop any more */
	ev_run(loop, 0);
}
END_TEST

static int body(struct xs_store *store, xs_transaction_t t, void *arg)
{
	int *calls = arg;

	(void)store;
	ck_assert_uint_ne(t, XBT_NULL);
	return ++*calls == 100 ? -EBADMSG : 0;
}

START_TEST(transactions)
{
	int calls = 0;

	fake.conflicts = 3;
	ck_assert_int_eq(xs_transact(xs, body, &calls), 0);
	ck_assert_int_eq(calls, 4);
	/* a peer that always conflicts does not hold us for ever */
	fake.conflicts = 1000;
	calls = 0;
	ck_assert_int_eq(xs_transact(xs, body, &calls), -EAGAIN);
	ck_assert_int_eq(calls, (int)XS_TRANSACTION_TRIES);
	calls = 99;
	ck_assert_int_eq(xs_transact(xs, body, &calls), -EBADMSG);
	ck_assert_uint_eq(fake.aborts, 1);
}
END_TEST

START_TEST(states)
{
	enum xenbus_state state = XenbusStateClosed;
	struct xs_err err = {""};

	ck_assert_int_eq(xs_read_state(xs, XBT_NULL, "/d", &state, &err), 0);
	ck_assert_int_eq(state, XenbusStateUnknown);
	state = XenbusStateClosed;
	ck_assert_int_eq(xs_read_state(xs, XBT_NULL, "/secret", &state, &err),
			 0);
	ck_assert_int_eq(state, XenbusStateUnknown);
	put("/d/state", "4", 1);
	ck_assert_int_eq(xs_read_state(xs, XBT_NULL, "/d", &state, &err), 0);
	ck_assert_int_eq(state, XenbusStateConnected);
	put("/d/state", "9", 1);
	ck_assert_int_eq(xs_read_state(xs, XBT_NULL, "/d", &state, &err),
			 -EINVAL);
	ck_assert_str_eq(err.text, "/d/state: '9' is not from 0 to 8");
}
END_TEST

START_TEST(switch_state)
{
	ck_assert_int_eq(xs_switch_state(xs, "/d", XenbusStateInitWait,
					 XenbusStateConnected),
			 -ENOENT);
	ck_assert_int_eq(node_of("/d/state"), -1);
	put("/d/state", "2", 1);
	ck_assert_int_eq(xs_switch_state(xs, "/d", XenbusStateInitWait,
					 XenbusStateConnected),
			 0);
	/* the toolstack was faster */
	put("/d/state", "5", 1);
	ck_assert_int_eq(xs_switch_state(xs, "/d", XenbusStateConnected,
					 XenbusStateInitWait),
			 -ESTALE);
	ck_assert_int_eq(fake.nodes[node_of("/d/state")].value[0], '5');
}
END_TEST

START_TEST(keys)
{
	struct xs_err err = {""};
	char text[8];
	uint64_t n;

	ck_assert_int_eq(xenbus_key_read(xs, XBT_NULL, vbd_keys, "/d",
					 "ring-page-order", &n, &err),
			 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(xenbus_key_read(xs, XBT_NULL, vbd_keys, "/d",
					 "event-channel", &n, &err),
			 -ENOENT);
	ck_assert_str_eq(err.text, "/d/event-channel is missing");
	put("/d/ring-page-order", "5", 1);
	ck_assert_int_eq(xenbus_key_read(xs, XBT_NULL, vbd_keys, "/d",
					 "ring-page-order", &n, &err),
			 -EINVAL);
	ck_assert_str_eq(err.text,
			 "/d/ring-page-order: '5' is not from 0 to 4");
	put("/d/event-channel", "1\n\0", 3);
	ck_assert_int_eq(xenbus_key_read(xs, XBT_NULL, vbd_keys, "/d",
					 "event-channel", &n, &err),
			 -EINVAL);
	ck_assert_str_eq(err.text, "/d/event-channel: '1\\x0a\\x00' is not a "
				   "decimal number");
	ck_assert_int_eq(xenbus_key_read_str(xs, XBT_NULL, vbd_keys, "/d",
					     "protocol", text, sizeof(text),
					     &err),
			 0);
	ck_assert_str_eq(text, "");
	put("/d/protocol", "x86_64-abi", 10);
	ck_assert_int_eq(xenbus_key_read_str(xs, XBT_NULL, vbd_keys, "/d",
					     "protocol", text, sizeof(text),
					     &err),
			 -EINVAL);
	ck_assert_str_eq(err.text,
			 "/d/protocol: value is too long: 'x86_64-abi'");
}
END_TEST

START_TEST(error_node)
{
	const char *dir = "/local/domain/1/backend/vbd/2/51712";
	char path[256];

	snprintf(path, sizeof(path), "%s/error", dir);
	xs_report_error(xs, dir, "vbd/2/51712", -EINVAL, "no such image");
	ck_assert_int_ge(node_of(path), 0);
	ck_assert_str_eq(fake.nodes[node_of(path)].value, "22 no such image");
	ck_assert_int_ge(node_of("error/backend/vbd/2/51712/error"), 0);
	put("error/backend/vbd/2/51712", "", 0);
	xs_clear_error(xs, dir);
	ck_assert_int_eq(node_of(path), -1);
	ck_assert_int_eq(node_of("error/backend/vbd/2/51712"), -1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("xs_store");
	TCase *tc = tcase_create("store");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, events_without_descriptor);
	tcase_add_test(tc, duplicates_fold);
	tcase_add_test(tc, storm_is_cut);
	tcase_add_test(tc, own_events_wait_for_the_next_turn);
	tcase_add_test(tc, delete_within_callback);
	tcase_add_test(tc, lost_is_told_once);
	tcase_add_test(tc, transactions);
	tcase_add_test(tc, states);
	tcase_add_test(tc, switch_state);
	tcase_add_test(tc, keys);
	tcase_add_test(tc, error_node);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
