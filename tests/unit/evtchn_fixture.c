// SPDX-License-Identifier: MIT
/* See evtchn_fixture.h. */
#include "tests/unit/evtchn_fixture.h"

#include <check.h>
#include <fcntl.h>

#include "tests/unit/run_suite.h"

xenevtchn_handle *d1, *d2, *d3;

xenevtchn_handle *open_in(uint32_t domid)
{
	xenevtchn_handle *h;

	fixture_enter(domid);
	h = xenevtchn_open(fixture_quiet(), 0);
	ck_assert_ptr_nonnull(h);
	ck_assert_int_eq(fcntl(xenevtchn_fd(h), F_SETFL, O_NONBLOCK), 0);
	return h;
}

static void setup(void)
{
	fixture_start();
	fixture_domain(1);
	fixture_domain(2);
	fixture_domain(3);
	d1 = open_in(1);
	d2 = open_in(2);
	d3 = open_in(3);
}

static void teardown(void)
{
	xenevtchn_close(d1);
	xenevtchn_close(d2);
	xenevtchn_close(d3);
	fixture_stop();
}

void assert_event(xenevtchn_handle *h, int port)
{
	ck_assert(fixture_readable(xenevtchn_fd(h), WAIT_MS));
	ck_assert_int_eq(xenevtchn_pending(h), port);
}

void assert_no_event(xenevtchn_handle *h)
{
	assert_error(xenevtchn_pending(h), EAGAIN);
	ck_assert(!fixture_readable(xenevtchn_fd(h), 0));
}

void take_event(xenevtchn_handle *h, int port)
{
	assert_event(h, port);
	ck_assert_int_eq(xenevtchn_unmask(h, (evtchn_port_t)port), 0);
}

void make_pair(int *a, int *b)
{
	*a = xenevtchn_bind_unbound_port(d1, 2);
	ck_assert_int_gt(*a, 0);
	*b = xenevtchn_bind_interdomain(d2, 1, (evtchn_port_t)*a);
	ck_assert_int_gt(*b, 0);
	/* binding sets the binder's port pending */
	take_event(d2, *b);
	assert_no_event(d1);
	assert_no_event(d2);
}

int run_evtchn(const char *name, void (*add)(TCase *tc))
{
	Suite *suite = suite_create(name);

	suite_add(suite, name, 50, setup, teardown, add);
	return run_suite(suite);
}
