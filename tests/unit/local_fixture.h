/* SPDX-License-Identifier: MIT */
/*
 * Embedded Xen for a unit test: one xenlocald in a directory of its own, and
 * ways to be in a domain of it.  Failures end the test (ck_abort_msg).
 *
 * A process is in the domain whose socket $XENLOCAL_FD names when it opens a
 * handle, so one test process can hold handles of several domains.
 */
#ifndef XENSPLIT_TESTS_LOCAL_FIXTURE_H
#define XENSPLIT_TESTS_LOCAL_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hypercall/local/client.h"

/* A call of Xen's libraries fails with that errno. */
#define assert_error(expr, err)               \
	do {                                  \
		errno = 0;                    \
		ck_assert_int_eq((expr), -1); \
		ck_assert_int_eq(errno, err); \
	} while (0)

#define assert_null(expr, err)                \
	do {                                  \
		errno = 0;                    \
		ck_assert_ptr_null(expr);     \
		ck_assert_int_eq(errno, err); \
	} while (0)

/* Start and stop; stopping checks that xenlocald ends cleanly. */
void fixture_start(void);
void fixture_stop(void);

/* Make a domain, and destroy one. */
void fixture_domain(uint32_t domid);
void fixture_destroy(uint32_t domid);

/* Handles that are opened from now on are in this domain. */
void fixture_enter(uint32_t domid);

/* A handle in the domain to send forged messages on. */
void fixture_handle(struct client *c, uint32_t domid);

/* The number after "key": in the domain's part of the status, or -1. */
long fixture_status(uint32_t domid, const char *key);
/* How many of the domain's ports are in this state ("unbound", ...). */
long fixture_ports(uint32_t domid, const char *state);

/* Wait until the condition holds, at most ten seconds. */
#define fixture_wait_for(cond)                         \
	do {                                           \
		int tries_ = 0;                        \
		while (!(cond))                        \
			fixture_retry(&tries_, #cond); \
	} while (0)
void fixture_retry(int *tries, const char *what);

/* Run fn in a child that is in the domain; its return value is the status. */
pid_t fixture_fork(uint32_t domid, int (*fn)(void *arg), void *arg);
/* Wait for it; -signal if it was killed. */
int fixture_join(pid_t pid);

/* Whether fd becomes readable within the time. */
bool fixture_readable(int fd, int timeout_ms);

/* The directory of --rundir. */
const char *fixture_rundir(void);
/* Wait until xenlocald's log has the text. */
void fixture_log_has(const char *text);
/* The domain's xenstore page, as its creation said; and its port. */
uint32_t fixture_xenstore_gfn(uint32_t domid);
uint32_t fixture_xenstore_port(uint32_t domid);

/* For a logger argument: discards all. */
struct xentoollog_logger *fixture_quiet(void);

#endif
