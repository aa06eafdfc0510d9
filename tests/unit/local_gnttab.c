// SPDX-License-Identifier: MIT
/*
 * libxengnttab and xenlocald: sharing, mapping and unmap notification between
 * domains that keep to the rules.  Those that do not: local_isolation.c.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xengnttab.h>

#include "tests/unit/local_fixture.h"
#include "tests/unit/run_suite.h"

#define PAGE    4096u
#define WAIT_MS 10000
#define RW      (PROT_READ | PROT_WRITE)

static xengntshr_handle *share1; /* in domain 1 */
static xengnttab_handle *tab2;   /* in domain 2 */

static xengnttab_handle *open_tab(uint32_t domid)
{
	xengnttab_handle *h;

	fixture_enter(domid);
	h = xengnttab_open(fixture_quiet(), 0);
	ck_assert_ptr_nonnull(h);
	return h;
}

static xengntshr_handle *open_shr(uint32_t domid)
{
	xengntshr_handle *h;

	fixture_enter(domid);
	h = xengntshr_open(fixture_quiet(), 0);
	ck_assert_ptr_nonnull(h);
	return h;
}

static void setup(void)
{
	fixture_start();
	fixture_domain(1);
	fixture_domain(2);
	share1 = open_shr(1);
	tab2 = open_tab(2);
}

static void teardown(void)
{
	xengntshr_close(share1);
	xengnttab_close(tab2);
	fixture_stop();
}

static char *share(uint32_t to, int count, uint32_t *refs, int writable)
{
	char *p = xengntshr_share_pages(share1, to, count, refs, writable);

	ck_assert_ptr_nonnull(p);
	return p;
}

START_TEST(both_see_the_memory)
{
	uint32_t refs[5], i;
	char *mine = share(2, 5, refs, 1), *theirs;

	for (i = 0; i < 5; i++) {
		ck_assert_uint_ge(refs[i], WIRE_NR_RESERVED);
		ck_assert_uint_lt(refs[i], WIRE_GRANT_REFS);
		ck_assert_int_eq(mine[i * PAGE], 0);
		mine[i * PAGE] = (char)(i + 1);
	}
	theirs = xengnttab_map_domain_grant_refs(tab2, 5, 1, refs, RW);
	ck_assert_ptr_nonnull(theirs);
	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(theirs[i * PAGE], (int)i + 1);
		theirs[i * PAGE + 1] = (char)(i + 10);
		ck_assert_int_eq(mine[i * PAGE + 1], (int)i + 10);
	}
	ck_assert_int_eq(fixture_status(2, "maps"), 5);
	ck_assert_int_eq(xengnttab_unmap(tab2, theirs, 5), 0);
	ck_assert_int_eq(fixture_status(2, "maps"), 0);
	ck_assert_int_eq(xengntshr_unshare(share1, mine, 5), 0);
	ck_assert_int_eq(fixture_status(1, "references"), 0);
}
END_TEST

/* Any order, several memfds, the same page twice, more than one message. */
START_TEST(one_range_of_many_grants)
{
	enum { N = 200 };
	uint32_t refs[2][N], ref[N], domid[N], i;
	char *mine[2] = {share(2, N, refs[0], 1), share(2, N, refs[1], 1)};
	char *theirs;

	for (i = 0; i < N; i++) {
		mine[0][i * PAGE] = (char)i;
		mine[1][i * PAGE] = (char)(i + 1);
		ref[i] = refs[i & 1][(i * 7) % N];
		domid[i] = 1;
	}
	theirs = xengnttab_map_grant_refs(tab2, N, domid, ref, PROT_READ);
	ck_assert_ptr_nonnull(theirs);
	for (i = 0; i < N; i++)
		ck_assert_int_eq(theirs[i * PAGE],
				 (char)((i * 7) % N + (i & 1)));
	ck_assert_int_eq(xengnttab_unmap(tab2, theirs, N), 0);
}
END_TEST

START_TEST(exact_bounds)
{
	uint32_t refs[3];
	char *mine = share(2, 3, refs, 1), *theirs;

	theirs = xengnttab_map_domain_grant_refs(tab2, 3, 1, refs, RW);
	ck_assert_ptr_nonnull(theirs);
	ck_assert_int_eq(xengnttab_unmap(tab2, theirs, 2), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(xengnttab_unmap(tab2, theirs + PAGE, 2), -1);
	ck_assert_int_eq(xengnttab_unmap(tab2, NULL, 1), -1);
	ck_assert_int_eq(xengnttab_unmap(tab2, theirs, 3), 0);
	ck_assert_int_eq(xengnttab_unmap(tab2, theirs, 3), -1);
	ck_assert_int_eq(xengntshr_unshare(share1, mine, 2), -1);
	ck_assert_int_eq(xengntshr_unshare(share1, mine, 3), 0);
	ck_assert_int_eq(xengntshr_unshare(share1, mine, 3), -1);
}
END_TEST

START_TEST(all_or_nothing)
{
	uint32_t refs[200], domid[200], i;
	char *p;

	share(2, 200, refs, 1);
	for (i = 0; i < 200; i++)
		domid[i] = 1;
	for (i = 0; i < 200; i += 199) {
		uint32_t good = refs[i];

		refs[i] = 30000;
		assert_null(
			xengnttab_map_grant_refs(tab2, 200, domid, refs, RW),
			EINVAL);
		ck_assert_int_eq(fixture_status(2, "maps"), 0);
		refs[i] = good;
	}
	domid[100] = 55;
	assert_null(xengnttab_map_grant_refs(tab2, 200, domid, refs, RW),
		    ESRCH);
	ck_assert_int_eq(fixture_status(2, "maps"), 0);
	domid[100] = 1;
	p = xengnttab_map_grant_refs(tab2, 200, domid, refs, RW);
	ck_assert_ptr_nonnull(p);
}
END_TEST

START_TEST(bad_arguments)
{
	uint32_t ref, refs[4];

	assert_null(xengnttab_map_domain_grant_refs(tab2, 0, 1, &ref, RW),
		    EINVAL);
	assert_null(
		xengnttab_map_domain_grant_refs(tab2, UINT32_MAX, 1, &ref, RW),
		EINVAL);
	assert_null(xengnttab_map_grant_ref(tab2, 1, UINT32_MAX, RW), EINVAL);
	assert_null(xengntshr_share_pages(share1, 2, 0, &ref, 1), EINVAL);
	assert_null(xengntshr_share_pages(share1, 2, -1, &ref, 1), EINVAL);
	assert_null(xengntshr_share_pages(share1, 0x8000, 1, &ref, 1), ESRCH);
	assert_null(xengntshr_share_pages(share1, 2, WIRE_GRANT_REFS, NULL, 1),
		    ENOSPC);
	ck_assert_int_eq(fixture_status(1, "shares"), 1); /* xenstore's */
	ck_assert_int_eq(xengnttab_set_max_grants(tab2, 2), 0);
	share(2, 4, refs, 1);
	assert_null(xengnttab_map_domain_grant_refs(tab2, 3, 1, refs, RW),
		    ENOSPC);
	ck_assert_ptr_nonnull(
		xengnttab_map_domain_grant_refs(tab2, 2, 1, refs, RW));
	assert_null(xengnttab_map_grant_ref(tab2, 1, refs[2], RW), ENOSPC);
	ck_assert_int_eq(xengnttab_dmabuf_imp_release(tab2, 1), -1);
	ck_assert_int_eq(errno, ENOSYS);
}
END_TEST

/* A grant may be made before the domain that it is for exists. */
START_TEST(domain_to_come)
{
	xengnttab_handle *tab7;
	uint32_t ref;
	char *p;

	share(7, 1, &ref, 1);
	fixture_domain(7);
	tab7 = open_tab(7);
	p = xengnttab_map_grant_ref(tab7, 1, ref, RW);
	ck_assert_ptr_nonnull(p);
	xengnttab_close(tab7);
}
END_TEST

START_TEST(own_domain)
{
	uint32_t ref;
	xengnttab_handle *tab1 = open_tab(1);
	char *mine = share(DOMID_SELF, 1, &ref, 1), *p;

	p = xengnttab_map_grant_ref(tab1, DOMID_SELF, ref, RW);
	ck_assert_ptr_nonnull(p);
	*p = 7;
	ck_assert_int_eq(*mine, 7);
	xengnttab_close(tab1);
}
END_TEST

/* All references used, freed in a comb, then one call for many. */
START_TEST(scattered_references)
{
	enum { ALL = WIRE_GRANT_REFS - WIRE_NR_RESERVED, N = 2100 };
	static uint32_t rest[ALL], odd[N];
	static uint8_t seen[WIRE_GRANT_REFS];
	static char *page[2 * N];
	uint32_t i, one;
	char *mine, *theirs;

	/* single pages where the comb will be, the rest in one piece */
	for (i = 0; i < 2 * N; i++)
		page[i] = share(2, 1, &one, 1);
	share(2, ALL - 2 * N, rest, 1);
	assert_null(xengntshr_share_pages(share1, 2, 1, &one, 1), ENOSPC);
	for (i = 0; i < 2 * N; i += 2)
		ck_assert_int_eq(xengntshr_unshare(share1, page[i], 1), 0);
	mine = share(2, N, odd, 1);
	for (i = 0; i < N; i++) {
		ck_assert_int_eq(seen[odd[i]]++, 0);
		mine[i * PAGE] = (char)i;
	}
	theirs = xengnttab_map_domain_grant_refs(tab2, N, 1, odd, RW);
	ck_assert_ptr_nonnull(theirs);
	for (i = 0; i < N; i++)
		ck_assert_int_eq(theirs[i * PAGE], (char)i);
}
END_TEST

/* Two pages of one share: one mapped, one not, when the owner takes back. */
START_TEST(revoked_while_mapped)
{
	uint32_t refs[2];
	char *mine = share(2, 2, refs, 1), *theirs, *again;

	*mine = 5;
	theirs = xengnttab_map_grant_ref(tab2, 1, refs[0], RW);
	ck_assert_ptr_nonnull(theirs);
	ck_assert_int_eq(xengntshr_unshare(share1, mine, 2), 0);
	ck_assert_int_eq(fixture_status(1, "references"), 1);
	assert_null(xengnttab_map_grant_ref(tab2, 1, refs[1], RW), EINVAL);
	ck_assert_int_eq(*theirs, 5);
	/* as with Linux's gntalloc: granted as long as it is in use */
	again = xengnttab_map_grant_ref(tab2, 1, refs[0], RW);
	ck_assert_ptr_nonnull(again);
	ck_assert_int_eq(xengnttab_unmap(tab2, theirs, 1), 0);
	ck_assert_int_eq(fixture_status(1, "references"), 1);
	ck_assert_int_eq(xengnttab_unmap(tab2, again, 1), 0);
	ck_assert_int_eq(fixture_status(1, "references"), 0);
	assert_null(xengnttab_map_grant_ref(tab2, 1, refs[0], RW), EINVAL);
}
END_TEST

START_TEST(closing_gives_all_back)
{
	uint32_t refs[8];
	xengnttab_handle *tab = open_tab(2);
	xengntshr_handle *shr = open_shr(1);

	ck_assert_ptr_nonnull(xengntshr_share_pages(shr, 2, 8, refs, 1));
	ck_assert_ptr_nonnull(
		xengnttab_map_domain_grant_refs(tab, 8, 1, refs, RW));
	xengntshr_close(shr);
	fixture_wait_for(fixture_status(1, "shares") == 2);
	ck_assert_int_eq(fixture_status(1, "references"), 8);
	xengnttab_close(tab);
	fixture_wait_for(fixture_status(1, "references") == 0);
	ck_assert_int_eq(fixture_status(1, "shares"), 1);
	ck_assert_int_eq(fixture_status(2, "maps"), 0);
}
END_TEST

/* A forked child closes what it inherited; the parent does not notice. */
static int close_inherited(void *arg)
{
	void **h = arg;

	xengnttab_close(h[0]);
	xengntshr_close(h[1]);
	return 0;
}

START_TEST(child_closes)
{
	void *h[2] = {tab2, share1};
	uint32_t ref;
	char *mine = share(2, 1, &ref, 1), *theirs;

	theirs = xengnttab_map_grant_ref(tab2, 1, ref, RW);
	ck_assert_int_eq(fixture_join(fixture_fork(1, close_inherited, h)), 0);
	*mine = 9;
	ck_assert_int_eq(*theirs, 9);
	ck_assert_int_eq(fixture_status(2, "maps"), 1);
	ck_assert_int_eq(xengnttab_unmap(tab2, theirs, 1), 0);
}
END_TEST

/* --- notification
 * -------------------------------------------------------------- */

struct channel {
	xenevtchn_handle *h1, *h2;
	uint32_t port1, port2;
};

static void open_channel(struct channel *c)
{
	int p;

	fixture_enter(1);
	c->h1 = xenevtchn_open(fixture_quiet(), 0);
	fixture_enter(2);
	c->h2 = xenevtchn_open(fixture_quiet(), 0);
	p = xenevtchn_bind_unbound_port(c->h1, 2);
	ck_assert_int_gt(p, 0);
	c->port1 = (uint32_t)p;
	p = xenevtchn_bind_interdomain(c->h2, 1, c->port1);
	ck_assert_int_gt(p, 0);
	c->port2 = (uint32_t)p;
	ck_assert_int_eq(xenevtchn_pending(c->h2), p);
	xenevtchn_unmask(c->h2, c->port2);
}

static void close_channel(struct channel *c)
{
	xenevtchn_close(c->h1);
	xenevtchn_close(c->h2);
}

START_TEST(grantee_unmaps)
{
	struct channel c;
	uint32_t ref;
	char *mine = share(2, 1, &ref, 1), *theirs;

	open_channel(&c);
	assert_null(xengnttab_map_grant_ref_notify(tab2, 1, ref, RW, 100, 4000),
		    EINVAL);
	assert_null(xengnttab_map_grant_ref_notify(tab2, 1, ref, PROT_READ, 100,
						   -1),
		    EINVAL);
	ck_assert_int_eq(fixture_status(2, "maps"), 0);
	theirs = xengnttab_map_grant_ref_notify(tab2, 1, ref, RW, 100, c.port2);
	ck_assert_ptr_nonnull(theirs);
	memset(mine, 0x55, PAGE);
	ck_assert_int_eq(xengnttab_unmap(tab2, theirs, 1), 0);
	ck_assert(fixture_readable(xenevtchn_fd(c.h1), WAIT_MS));
	ck_assert_int_eq(xenevtchn_pending(c.h1), (int)c.port1);
	ck_assert_int_eq(mine[100], 0);
	ck_assert_int_eq(mine[99], 0x55);
	ck_assert_int_eq(mine[101], 0x55);
	close_channel(&c);
}
END_TEST

START_TEST(owner_unshares)
{
	int writable;

	for (writable = 0; writable < 2; writable++) {
		struct channel c;
		uint32_t ref;
		char *mine, *theirs;

		open_channel(&c);
		mine = xengntshr_share_page_notify(share1, 2, &ref, writable,
						   4095, c.port1);
		ck_assert_ptr_nonnull(mine);
		memset(mine, 0x55, PAGE);
		theirs = xengnttab_map_grant_ref(tab2, 1, ref, PROT_READ);
		ck_assert_ptr_nonnull(theirs);
		ck_assert_int_eq(xengntshr_unshare(share1, mine, 1), 0);
		ck_assert(fixture_readable(xenevtchn_fd(c.h2), WAIT_MS));
		ck_assert_int_eq(theirs[4095], 0);
		ck_assert_int_eq(theirs[4094], 0x55);
		ck_assert_int_eq(xengnttab_unmap(tab2, theirs, 1), 0);
		close_channel(&c);
	}
}
END_TEST

struct victim {
	uint32_t ref, port;
	int ready_fd;
};

/* Maps, binds, and is killed: in which order its handles go is the kernel's. */
static int map_and_hang(void *arg)
{
	struct victim *v = arg;
	xenevtchn_handle *e = xenevtchn_open(NULL, 0);
	xengnttab_handle *t = xengnttab_open(NULL, 0);
	int port = xenevtchn_bind_interdomain(e, 1, v->port);

	if (port < 0 || !xengnttab_map_grant_ref_notify(t, 1, v->ref, RW, 8,
							(uint32_t)port))
		return 1;
	if (write(v->ready_fd, "x", 1) != 1)
		return 1;
	for (;;)
		pause();
}

START_TEST(grantee_is_killed)
{
	struct victim v;
	uint32_t refs[2];
	char *mine = share(2, 1, refs, 1), c, *theirs;
	xenevtchn_handle *e;
	int fds[2], port;
	pid_t pid;

	fixture_enter(1);
	e = xenevtchn_open(fixture_quiet(), 0);
	port = xenevtchn_bind_unbound_port(e, 2);
	ck_assert_int_eq(pipe(fds), 0);
	v = (struct victim){refs[0], (uint32_t)port, fds[1]};
	pid = fixture_fork(2, map_and_hang, &v);
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	mine[8] = 1;
	kill(pid, SIGKILL);
	ck_assert_int_eq(fixture_join(pid), -SIGKILL);
	ck_assert(fixture_readable(xenevtchn_fd(e), WAIT_MS));
	ck_assert_int_eq(xenevtchn_pending(e), port);
	ck_assert_int_eq(mine[8], 0);
	fixture_wait_for(fixture_status(2, "maps") == 0);
	fixture_wait_for(fixture_ports(1, "interdomain") == 0);
	/* the grant is still there for the next process */
	theirs = xengnttab_map_grant_ref(tab2, 1, refs[0], RW);
	ck_assert_ptr_nonnull(theirs);
	xenevtchn_close(e);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("local_gnttab");
	TCase *tc = tcase_create("gnttab");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 50);
	tcase_add_test(tc, both_see_the_memory);
	tcase_add_test(tc, one_range_of_many_grants);
	tcase_add_test(tc, exact_bounds);
	tcase_add_test(tc, all_or_nothing);
	tcase_add_test(tc, bad_arguments);
	tcase_add_test(tc, domain_to_come);
	tcase_add_test(tc, own_domain);
	tcase_add_test(tc, scattered_references);
	tcase_add_test(tc, revoked_while_mapped);
	tcase_add_test(tc, closing_gives_all_back);
	tcase_add_test(tc, child_closes);
	tcase_add_test(tc, grantee_unmaps);
	tcase_add_test(tc, owner_unshares);
	tcase_add_test(tc, grantee_is_killed);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
