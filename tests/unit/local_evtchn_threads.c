// SPDX-License-Identifier: MIT
/*
 * A handle of libxenevtchn that several threads use, and one that survives
 * exec.
 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/evtchn_fixture.h"

#define NR_EVENTS 20000

struct stress {
	xenevtchn_handle *h;
	evtchn_port_t port;
	atomic_uint *produced;
};

static void *produce(void *arg)
{
	struct stress *s = arg;
	int i;

	for (i = 0; i < NR_EVENTS; i++) {
		atomic_fetch_add(s->produced, 1);
		xenevtchn_notify(s->h, s->port);
	}
	return NULL;
}

/* No event is lost: whoever waits sees all that was produced. */
START_TEST(threads)
{
	atomic_uint produced = 0;
	struct stress s;
	pthread_t t[2];
	uint32_t seen = 0;
	int a, b, i;

	make_pair(&a, &b);
	s = (struct stress){d1, (uint32_t)a, &produced};
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, produce, &s), 0);
	while (seen < 2 * NR_EVENTS) {
		ck_assert(fixture_readable(xenevtchn_fd(d2), WAIT_MS));
		if (xenevtchn_pending(d2) != b)
			continue;
		xenevtchn_unmask(d2, (uint32_t)b);
		seen = atomic_load(&produced);
	}
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}
END_TEST

static atomic_bool stop_notifying;

static void *notify_any(void *arg)
{
	xenevtchn_handle *h = arg;
	uint32_t port = 0;

	while (!atomic_load(&stop_notifying)) {
		port = (port + 1) % 64;
		xenevtchn_notify(h, port);
		xenevtchn_unmask(h, port);
	}
	return NULL;
}

/* Ports come and go while another thread notifies them. */
START_TEST(unbind_while_notifying)
{
	pthread_t t;
	int i;

	atomic_store(&stop_notifying, false);
	ck_assert_int_eq(pthread_create(&t, NULL, notify_any, d1), 0);
	for (i = 0; i < 300; i++) {
		int port = xenevtchn_bind_unbound_port(d1, 2);

		ck_assert_int_gt(port, 0);
		ck_assert_int_eq(xenevtchn_unbind(d1, (uint32_t)port), 0);
	}
	atomic_store(&stop_notifying, true);
	pthread_join(t, NULL);
}
END_TEST

static void *wait_blocking(void *arg)
{
	return (void *)(intptr_t)xenevtchn_pending(arg);
}

START_TEST(blocking_wait)
{
	pthread_t t;
	void *got;
	int a, b;

	make_pair(&a, &b);
	ck_assert_int_eq(fcntl(xenevtchn_fd(d2), F_SETFL, 0), 0);
	ck_assert_int_eq(pthread_create(&t, NULL, wait_blocking, d2), 0);
	xenevtchn_notify(d1, (uint32_t)a);
	pthread_join(t, &got);
	ck_assert_int_eq((int)(intptr_t)got, b);
}
END_TEST

/* ---- exec ---- */

static int reexec(void *arg)
{
	int port = *(int *)arg;
	xenevtchn_handle *h = xenevtchn_open(NULL, XENEVTCHN_NO_CLOEXEC);
	char fd_text[16], port_text[16];
	int local;

	if (!h)
		return 1;
	local = xenevtchn_bind_interdomain(h, 1, (uint32_t)port);
	if (local < 0)
		return 2;
	snprintf(fd_text, sizeof(fd_text), "%d", xenevtchn_fd(h));
	snprintf(port_text, sizeof(port_text), "%d", local);
	execl("/proc/self/exe", "local_evtchn_threads", "after-exec", fd_text,
	      port_text, (char *)NULL);
	return 3;
}

/* The program after exec: has the port and the event of before. */
static int after_exec(int fd, int port)
{
	xenevtchn_handle *h = xenevtchn_fdopen(NULL, fd, 0);

	if (!h)
		return 11;
	if (xenevtchn_pending(h) != port)
		return 12;
	if (xenevtchn_unmask(h, (uint32_t)port) ||
	    xenevtchn_notify(h, (uint32_t)port))
		return 13;
	/* answered by the test */
	if (!fixture_readable(fd, WAIT_MS) || xenevtchn_pending(h) != port)
		return 14;
	xenevtchn_close(h);
	return 0;
}

START_TEST(handle_survives_exec)
{
	int a = xenevtchn_bind_unbound_port(d1, 2);
	pid_t pid = fixture_fork(2, reexec, &a);

	take_event(d1, a);
	xenevtchn_notify(d1, (uint32_t)a);
	ck_assert_int_eq(fixture_join(pid), 0);
	fixture_enter(1);
	ck_assert_ptr_null(xenevtchn_fdopen(fixture_quiet(), 0, 1));
	ck_assert_ptr_null(xenevtchn_fdopen(fixture_quiet(), 0, 0));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, threads);
	tcase_add_test(tc, unbind_while_notifying);
	tcase_add_test(tc, blocking_wait);
	tcase_add_test(tc, handle_survives_exec);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "after-exec"))
		return after_exec(atoi(argv[2]), atoi(argv[3]));
	return run_evtchn("local_evtchn_threads", add);
}
