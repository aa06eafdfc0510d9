/* SPDX-License-Identifier: MIT */
/*
 * For tests of embedded Xen's event channels: domains 1, 2 and 3 with a handle
 * in each.
 */
#ifndef XENSPLIT_TESTS_EVTCHN_FIXTURE_H
#define XENSPLIT_TESTS_EVTCHN_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <xenevtchn.h>

#include "tests/unit/local_fixture.h"

#define WAIT_MS 10000

extern xenevtchn_handle *d1, *d2, *d3; /* one handle in each domain */
/* Another handle, that does not block. */
xenevtchn_handle *open_in(uint32_t domid);

/* The port's event arrives, and no other. */
void assert_event(xenevtchn_handle *h, int port);
void assert_no_event(xenevtchn_handle *h);
/* It arrives, and the port is unmasked. */
void take_event(xenevtchn_handle *h, int port);

/* A channel of domain 1 (a) and 2 (b), quiet. */
void make_pair(int *a, int *b);

/* Run the tests that add() adds; for main(). */
int run_evtchn(const char *name, void (*add)(TCase *tc));

#endif
