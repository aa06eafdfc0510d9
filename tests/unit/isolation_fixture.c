// SPDX-License-Identifier: MIT
/* See isolation_fixture.h. */
#include "tests/unit/isolation_fixture.h"

#include <check.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/run_suite.h"

xengntshr_handle *share1;
xengnttab_handle *tab2, *tab3;

xengnttab_handle *open_tab(uint32_t domid)
{
	xengnttab_handle *h;

	fixture_enter(domid);
	h = xengnttab_open(fixture_quiet(), 0);
	ck_assert_ptr_nonnull(h);
	return h;
}

static void setup(void)
{
	fixture_start();
	fixture_domain(1);
	fixture_domain(2);
	fixture_domain(3);
	fixture_enter(1);
	share1 = xengntshr_open(fixture_quiet(), 0);
	ck_assert_ptr_nonnull(share1);
	tab2 = open_tab(2);
	tab3 = open_tab(3);
}

static void teardown(void)
{
	xengntshr_close(share1);
	xengnttab_close(tab2);
	xengnttab_close(tab3);
	fixture_stop();
}

char *share(uint32_t to, int count, uint32_t *refs, int writable)
{
	char *p = xengntshr_share_pages(share1, to, count, refs, writable);

	ck_assert_ptr_nonnull(p);
	return p;
}

void assert_alive(void)
{
	uint32_t ref;
	char *mine = share(2, 1, &ref, 1), *theirs;

	theirs = xengnttab_map_grant_ref(tab2, 1, ref, RW);
	ck_assert_ptr_nonnull(theirs);
	*mine = 42;
	ck_assert_int_eq(*theirs, 42);
	ck_assert_int_eq(xengnttab_unmap(tab2, theirs, 1), 0);
	ck_assert_int_eq(xengntshr_unshare(share1, mine, 1), 0);
}

int make_memfd(off_t size, unsigned int flags, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd < 0)
		return fd;
	ck_assert_int_eq(ftruncate(fd, size), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

int run_isolation(const char *name, void (*add)(TCase *tc))
{
	Suite *suite = suite_create(name);

	suite_add(suite, name, 50, setup, teardown, add);
	return run_suite(suite);
}
