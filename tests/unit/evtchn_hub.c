// SPDX-License-Identifier: MIT
/*
 * The event channel hub on a double of libxenevtchn: a pipe carries the
 * numbers of ports that fire, and a fired port is masked until it is unmasked.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <xenevtchn.h>

#include "hypercall/evtchn_hub.h"
#include "tests/unit/run_suite.h"

#define NR_PORTS 1000

static struct {
	int fds[2];
	bool bound[NR_PORTS], masked[NR_PORTS], waiting[NR_PORTS];
	unsigned int notified[NR_PORTS], unmasked[NR_PORTS];
	bool endless; /* what is pending stays so, masked or not */
} fake;

static void fire(unsigned int port)
{
	uint32_t n = port;

	if (fake.masked[port]) {
		fake.waiting[port] = true;
		return;
	}
	fake.masked[port] = true;
	ck_assert_int_eq(write(fake.fds[1], &n, sizeof(n)), sizeof(n));
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger,
				 unsigned int flags)
{
	(void)logger;
	(void)flags;
	memset(&fake, 0, sizeof(fake));
	return pipe(fake.fds) ? NULL : (xenevtchn_handle *)&fake;
}

int xenevtchn_close(xenevtchn_handle *xce)
{
	(void)xce;
	close(fake.fds[0]);
	close(fake.fds[1]);
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
	(void)xce;
	return fake.fds[0];
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	fake.notified[port]++;
	return 0;
}

/* The lowest free number, so that numbers come back at once. */
xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *xce,
						      uint32_t domid)
{
	(void)xce;
	if (domid == 666) {
		errno = EPERM;
		return -1;
	}
	for (int i = 1; i < NR_PORTS; i++) {
		if (!fake.bound[i]) {
			fake.bound[i] = true;
			fake.masked[i] = fake.waiting[i] = false;
			return i;
		}
	}
	errno = ENOSPC;
	return -1;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce,
						     uint32_t domid,
						     evtchn_port_t remote_port)
{
	(void)remote_port;
	return xenevtchn_bind_unbound_port(xce, domid);
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	ck_assert(fake.bound[port]);
	fake.bound[port] = false;
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
	uint32_t n;

	(void)xce;
	ck_assert_int_eq(read(fake.fds[0], &n, sizeof(n)), sizeof(n));
	if (fake.endless)
		ck_assert_int_eq(write(fake.fds[1], &n, sizeof(n)), sizeof(n));
	return (xenevtchn_port_or_error_t)n;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	ck_assert(fake.bound[port]);
	fake.masked[port] = false;
	fake.unmasked[port]++;
	if (fake.waiting[port]) {
		fake.waiting[port] = false;
		fire(port);
	}
	return 0;
}

/* -- */

static struct ev_loop *loop;
static struct evtchn_hub *hub;

static void setup(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_int_eq(evtchn_hub_open(&hub, loop), 0);
}

static void teardown(void)
{
	evtchn_hub_close(hub);
	for (int i = 0; i < NR_PORTS; i++)
		ck_assert(!fake.bound[i]);
	ev_loop_destroy(loop);
}

struct counter {
	unsigned int calls;
	struct evtchn_port *close, **rebind;
	bool again;
};

static void on_event(struct evtchn_port *port, void *arg)
{
	struct counter *c = arg;

	c->calls++;
	ck_assert(fake.masked[evtchn_port_number(port)]);
	if (c->again)
		fire(evtchn_port_number(port));
	if (c->close)
		evtchn_port_close(c->close);
	c->close = NULL;
	if (c->rebind)
		ck_assert_int_eq(evtchn_hub_alloc_unbound(hub, 1, on_event, c,
							  c->rebind),
				 0);
	c->rebind = NULL;
}

static int deliver(void)
{
	uint64_t before = evtchn_hub_events(hub);

	ev_run(loop, EVRUN_NOWAIT);
	return (int)(evtchn_hub_events(hub) - before);
}

/* What a loop does between two sleeps. */
static int turn(void)
{
	int nr = deliver();

	evtchn_hub_unmask(hub);
	return nr;
}

START_TEST(delivers_and_unmasks)
{
	struct counter a = {0}, b = {0};
	struct evtchn_port *pa, *pb;

	ck_assert_int_eq(evtchn_hub_alloc_unbound(hub, 1, on_event, &a, &pa),
			 0);
	ck_assert_int_eq(
		evtchn_hub_bind_interdomain(hub, 1, 9, on_event, &b, &pb), 0);
	ck_assert_int_eq(turn(), 0);
	fire(evtchn_port_number(pb));
	ck_assert_int_eq(deliver(), 1);
	ck_assert_uint_eq(a.calls, 0);
	ck_assert_uint_eq(b.calls, 1);
	ck_assert_uint_eq(fake.unmasked[evtchn_port_number(pb)], 0);
	/* rings once more: comes when it may */
	fire(evtchn_port_number(pb));
	ck_assert_int_eq(deliver(), 0);
	evtchn_hub_unmask(hub);
	ck_assert_uint_eq(fake.unmasked[evtchn_port_number(pb)], 1);
	ck_assert_int_eq(turn(), 1);
	ck_assert_uint_eq(b.calls, 2);
	ck_assert_uint_eq(fake.unmasked[evtchn_port_number(pb)], 2);
	evtchn_hub_unmask(hub);
	ck_assert_uint_eq(fake.unmasked[evtchn_port_number(pb)], 2);
	ck_assert_int_eq(evtchn_port_notify(pa), 0);
	ck_assert_uint_eq(fake.notified[evtchn_port_number(pa)], 1);
}
END_TEST

/* A peer that rings without end gets one callback a turn. */
START_TEST(storm)
{
	struct counter a = {.again = true};
	struct evtchn_port *pa;

	ck_assert_int_eq(evtchn_hub_alloc_unbound(hub, 1, on_event, &a, &pa),
			 0);
	fire(evtchn_port_number(pa));
	for (unsigned int i = 1; i < 10; i++) {
		ck_assert_int_eq(turn(), 1);
		ck_assert_uint_eq(a.calls, i);
	}
	a.again = false;
	ck_assert_int_eq(turn(), 1);
	ck_assert_int_eq(turn(), 0);
}
END_TEST

/* One that rings though it is masked, as peers can on embedded Xen, and another
 * that does not ring. */
START_TEST(rings_while_masked)
{
	struct counter a = {0};
	struct evtchn_port *pa, *pb;

	evtchn_hub_alloc_unbound(hub, 1, on_event, &a, &pa);
	evtchn_hub_alloc_unbound(hub, 1, on_event, &a, &pb);
	ck_assert(fcntl(fake.fds[0], F_GETFL) & O_NONBLOCK);
	fire(evtchn_port_number(pa));
	fake.endless = true;
	ck_assert_int_eq(turn(), 1);
	ck_assert_uint_eq(a.calls, 1);
}
END_TEST

START_TEST(closed_when_it_has_fired)
{
	struct counter a = {0}, b = {0};
	struct evtchn_port *pa, *pb, *again = NULL;
	uint32_t number;

	/* its own */
	evtchn_hub_alloc_unbound(hub, 1, on_event, &a, &pa);
	a.close = pa;
	fire(evtchn_port_number(pa));
	ck_assert_int_eq(turn(), 1);

	/* another one that has fired already, and its number comes back: the
	 * old event does not unmask the new port */
	evtchn_hub_alloc_unbound(hub, 1, on_event, &a, &pa);
	evtchn_hub_alloc_unbound(hub, 1, on_event, &b, &pb);
	number = evtchn_port_number(pa);
	fire(number);
	fire(evtchn_port_number(pb));
	b.close = pa;
	b.rebind = &again;
	fake.unmasked[number] = 0;
	ck_assert_int_eq(turn(), 2);
	ck_assert_ptr_nonnull(again);
	ck_assert_uint_eq(evtchn_port_number(again), number);
	ck_assert_uint_eq(fake.unmasked[number], 0);

	/* one that has fired, after its callback and before it is unmasked */
	evtchn_hub_alloc_unbound(hub, 1, on_event, &a, &pa);
	number = evtchn_port_number(pa);
	fake.unmasked[number] = 0;
	fire(number);
	ck_assert_int_eq(deliver(), 1);
	evtchn_port_close(pa);
	evtchn_hub_unmask(hub);
	ck_assert_uint_eq(fake.unmasked[number], 0);

	/* an event of a closed port is dropped */
	fire(evtchn_port_number(pb));
	evtchn_port_close(pb);
	ck_assert_int_eq(turn(), 0);
	evtchn_port_close(NULL);
}
END_TEST

START_TEST(many_ports_and_errors)
{
	static struct counter c[NR_PORTS];
	struct evtchn_port *p;

	memset(c, 0, sizeof(c));
	ck_assert_int_eq(evtchn_hub_alloc_unbound(hub, 666, on_event, c, &p),
			 -EPERM);
	for (int i = 1; i < NR_PORTS; i++)
		ck_assert_int_eq(
			evtchn_hub_alloc_unbound(hub, 1, on_event, &c[i], &p),
			0);
	ck_assert_int_eq(evtchn_hub_alloc_unbound(hub, 1, on_event, c, &p),
			 -ENOSPC);
	for (unsigned int i = 1; i < NR_PORTS; i++)
		fire(i);
	ck_assert_int_eq(turn(), NR_PORTS - 1);
	for (int i = 1; i < NR_PORTS; i++)
		ck_assert_uint_eq(c[i].calls, 1);
}
END_TEST

/* The loop does not stay alive for the hub alone. */
START_TEST(on_the_loop)
{
	struct counter a = {0};
	struct evtchn_port *pa;

	evtchn_hub_alloc_unbound(hub, 1, on_event, &a, &pa);
	ev_run(loop, 0);
	ck_assert_uint_eq(a.calls, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("evtchn_hub");
	TCase *tc = tcase_create("hub");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, delivers_and_unmasks);
	tcase_add_test(tc, storm);
	tcase_add_test(tc, rings_while_masked);
	tcase_add_test(tc, closed_when_it_has_fired);
	tcase_add_test(tc, many_ports_and_errors);
	tcase_add_test(tc, on_the_loop);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
