// SPDX-License-Identifier: MIT
/*
 * xengnttab_grant_copy() on embedded Xen: what is copied, what is refused, and
 * that every copy obeys the grant entry of that moment.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <xengnttab.h>
#include <xentoolcore.h>

#include "tests/unit/local_fixture.h"
#include "tests/unit/run_suite.h"

#define PAGE 4096u

static xengntshr_handle *share1; /* in domain 1 */
static xengnttab_handle *tab2;   /* in domain 2 */

static void setup(void)
{
	fixture_start();
	fixture_domain(1);
	fixture_domain(2);
	fixture_domain(3);
	fixture_enter(1);
	share1 = xengntshr_open(fixture_quiet(), 0);
	fixture_enter(2);
	tab2 = xengnttab_open(fixture_quiet(), 0);
	ck_assert_ptr_nonnull(share1);
	ck_assert_ptr_nonnull(tab2);
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

static xengnttab_grant_copy_segment_t from_grant(uint32_t ref, uint16_t offset,
						 void *to, uint16_t len)
{
	xengnttab_grant_copy_segment_t s = {
		.source.foreign = {.ref = ref, .offset = offset, .domid = 1},
		.dest.virt = to,
		.len = len,
		.flags = GNTCOPY_source_gref,
		.status = 99,
	};

	return s;
}

static xengnttab_grant_copy_segment_t to_grant(uint32_t ref, uint16_t offset,
					       void *from, uint16_t len)
{
	xengnttab_grant_copy_segment_t s = {
		.source.virt = from,
		.dest.foreign = {.ref = ref, .offset = offset, .domid = 1},
		.len = len,
		.flags = GNTCOPY_dest_gref,
		.status = 99,
	};

	return s;
}

static int copy(xengnttab_grant_copy_segment_t s)
{
	ck_assert_int_eq(xengnttab_grant_copy(tab2, 1, &s), 0);
	return s.status;
}

static int read_byte(uint32_t ref)
{
	char c;

	return copy(from_grant(ref, 0, &c, 1));
}

START_TEST(both_ways)
{
	xengnttab_grant_copy_segment_t segs[3];
	char *mine, buf[PAGE], other[PAGE];
	uint32_t refs[3];

	mine = share(2, 3, refs, 1);
	memset(buf, 'b', sizeof(buf));
	memset(mine + PAGE, 'm', PAGE);
	segs[0] = to_grant(refs[0], 10, buf, 4086);
	segs[1] = from_grant(refs[1], 4095, other, 1);
	segs[2] = from_grant(refs[2], 0, other + 1, PAGE - 1);
	ck_assert_int_eq(xengnttab_grant_copy(tab2, 3, segs), 0);
	ck_assert_int_eq(segs[0].status, GNTST_okay);
	ck_assert_int_eq(segs[1].status, GNTST_okay);
	ck_assert_int_eq(segs[2].status, GNTST_okay);
	ck_assert_int_eq(mine[9], 0);
	ck_assert_int_eq(mine[10], 'b');
	ck_assert_int_eq(mine[4095], 'b');
	ck_assert_int_eq(mine[4096], 'm');
	ck_assert_int_eq(other[0], 'm');
	ck_assert_int_eq(other[1], 0);
	/* nothing is mapped: a copy asks once, and then never again */
	ck_assert_int_eq(fixture_status(2, "maps"), 0);
	ck_assert_int_eq(fixture_status(2, "windows"), 1);
	segs[1].status = 99;
	ck_assert_int_eq(xengnttab_grant_copy(tab2, 3, segs), 0);
	ck_assert_int_eq(fixture_status(2, "windows"), 1);
	ck_assert_int_eq(xengnttab_grant_copy(tab2, 0, NULL), 0);
}
END_TEST

START_TEST(grant_to_grant)
{
	xengnttab_grant_copy_segment_t s;
	uint32_t a, b;
	char *pa = share(2, 1, &a, 0), *pb = share(2, 1, &b, 1);

	strcpy(pa + 5, "hello");
	s = from_grant(a, 5, NULL, 6);
	s.dest.foreign.ref = b;
	s.dest.foreign.offset = 4090;
	s.dest.foreign.domid = 1;
	s.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
	ck_assert_int_eq(xengnttab_grant_copy(tab2, 1, &s), 0);
	ck_assert_int_eq(s.status, GNTST_okay);
	ck_assert_str_eq(pb + 4090, "hello");
}
END_TEST

static void assert_malformed(xengnttab_grant_copy_segment_t s)
{
	xengnttab_grant_copy_segment_t two[2] = {s, s};

	errno = 0;
	ck_assert_int_eq(xengnttab_grant_copy(tab2, 2, two), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(two[0].status, GNTST_bad_copy_arg);
}

START_TEST(malformed_segments)
{
	xengnttab_grant_copy_segment_t s;
	char buf[8192];
	uint32_t refs[2];

	memset(buf, 1, sizeof(buf));
	share(2, 2, refs, 1);
	assert_malformed(from_grant(refs[0], 1, buf, PAGE));
	assert_malformed(from_grant(refs[0], PAGE, buf, 1));
	assert_malformed(to_grant(refs[0], 65535, buf, 65535));
	assert_malformed(to_grant(refs[0], 0, buf, PAGE + 1));
	s = from_grant(refs[0], 0, buf, 1);
	s.flags = 0;
	assert_malformed(s);
	s.flags = 0x80 | GNTCOPY_source_gref;
	assert_malformed(s);
	ck_assert_int_eq(copy(from_grant(refs[0], PAGE, buf, 0)), GNTST_okay);
}
END_TEST

START_TEST(refused_one_by_one)
{
	xengnttab_grant_copy_segment_t segs[5];
	uint32_t ro, other, good;
	char buf[16] = "", *p = share(2, 1, &good, 1);

	strcpy(p, "good");
	share(2, 1, &ro, 0);
	strcpy(share(3, 1, &other, 1), "secret");
	segs[0] = to_grant(ro, 0, buf, 4);
	segs[1] = from_grant(other, 0, buf, 8);
	segs[2] = from_grant(UINT32_MAX, 0, buf, 8);
	segs[3] = from_grant(30000, 0, buf, 8);
	segs[4] = from_grant(good, 0, buf, 5);
	ck_assert_int_eq(xengnttab_grant_copy(tab2, 5, segs), 0);
	ck_assert_int_eq(segs[0].status, GNTST_general_error);
	ck_assert_int_eq(segs[1].status, GNTST_general_error);
	ck_assert_int_eq(segs[2].status, GNTST_bad_gntref);
	ck_assert_int_eq(segs[3].status, GNTST_general_error);
	ck_assert_int_eq(segs[4].status, GNTST_okay);
	ck_assert_str_eq(buf, "good");
	segs[0] = from_grant(good, 0, buf, 1);
	segs[0].source.foreign.domid = 66;
	ck_assert_int_eq(copy(segs[0]), GNTST_bad_domain);
}
END_TEST

/*
 * Share a page so that it gets a certain reference again: they are given out
 * in turn, so one big share brings the turn nearly round.
 */
static char *share_again(uint32_t to, uint32_t ref, int writable)
{
	enum { MANY = WIRE_GRANT_REFS - WIRE_NR_RESERVED - 20 };
	static uint32_t refs[MANY];
	int tries;
	char *p = share(to, MANY, refs, 1);

	ck_assert_int_eq(xengntshr_unshare(share1, p, MANY), 0);
	for (tries = 0; tries < 100; tries++) {
		uint32_t got;

		p = share(to, 1, &got, writable);
		if (got == ref)
			return p;
		xengntshr_unshare(share1, p, 1);
	}
	ck_abort_msg("reference %u is not given out again", ref);
}

/* The window is warm, and the grant is gone. */
START_TEST(revoked)
{
	uint32_t refs[2];
	char *mine = share(2, 2, refs, 1), *next, c = 0;

	ck_assert_int_eq(read_byte(refs[0]), GNTST_okay);
	ck_assert_int_eq(read_byte(refs[1]), GNTST_okay);
	ck_assert_int_eq(xengntshr_unshare(share1, mine, 2), 0);
	ck_assert_int_eq(read_byte(refs[0]), GNTST_general_error);
	ck_assert_int_eq(read_byte(refs[1]), GNTST_general_error);
	/* the same reference for another domain, and then for us again */
	next = share_again(3, refs[0], 1);
	ck_assert_int_eq(read_byte(refs[0]), GNTST_general_error);
	xengntshr_unshare(share1, next, 1);
	next = share_again(2, refs[0], 0);
	*next = 'n';
	ck_assert_int_eq(copy(from_grant(refs[0], 0, &c, 1)), GNTST_okay);
	ck_assert_int_eq(c, 'n');
	/* it was writable before; now it is not */
	ck_assert_int_eq(copy(to_grant(refs[0], 0, &c, 1)),
			 GNTST_general_error);
}
END_TEST

START_TEST(owner_destroyed)
{
	xengntshr_handle *shr;
	uint32_t ref;
	char *p;

	share(2, 1, &ref, 1);
	ck_assert_int_eq(read_byte(ref), GNTST_okay);
	fixture_destroy(1);
	ck_assert_int_eq(read_byte(ref), GNTST_general_error);
	/* the next domain of that number is seen through the same view */
	fixture_domain(1);
	fixture_enter(1);
	shr = xengntshr_open(fixture_quiet(), 0);
	p = xengntshr_share_pages(shr, 2, 1, &ref, 1);
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(read_byte(ref), GNTST_okay);
	xengntshr_close(shr);
}
END_TEST

START_TEST(restricted_handle)
{
	uint32_t ref;

	share(2, 1, &ref, 1);
	ck_assert_int_eq(read_byte(ref), GNTST_okay);
	ck_assert_int_eq(xentoolcore_restrict_all(3), 0);
	ck_assert_int_eq(read_byte(ref), GNTST_permission_denied);
	ck_assert_ptr_null(xengnttab_map_grant_ref(tab2, 1, ref, PROT_READ));
	ck_assert_int_eq(errno, EACCES);
}
END_TEST

/* More pages than the windows hold, in many small shares and in a big one. */
START_TEST(windows_are_bounded)
{
	enum { SMALL = 2200, BIG = 9000 };
	static uint32_t small[SMALL], big[BIG];
	uint32_t i, round;
	char *p;

	for (i = 0; i < SMALL; i++) {
		p = share(2, 1, &small[i], 1);
		memcpy(p, &i, sizeof(i));
	}
	p = share(2, BIG, big, 1);
	for (i = 0; i < BIG; i++)
		memcpy(p + (size_t)i * PAGE, &i, sizeof(i));
	for (round = 0; round < 2; round++) {
		uint32_t got;

		for (i = 0; i < SMALL; i++) {
			ck_assert_int_eq(copy(from_grant(small[i], 0, &got, 4)),
					 GNTST_okay);
			ck_assert_uint_eq(got, i);
		}
		for (i = 0; i < BIG; i += 97) {
			ck_assert_int_eq(copy(from_grant(big[i], 0, &got, 4)),
					 GNTST_okay);
			ck_assert_uint_eq(got, i);
		}
	}
}
END_TEST

#define THREADS 3

struct job {
	uint32_t refs[64];
	uint32_t first;
};

static void *copy_many(void *arg)
{
	struct job *j = arg;
	uint32_t i, n, got;

	for (n = 0; n < 200; n++) {
		for (i = j->first; i < 64; i += THREADS) {
			uint32_t put = n * 64 + i;

			if (copy(to_grant(j->refs[i], 8, &put, 4)) ||
			    copy(from_grant(j->refs[i], 8, &got, 4)) ||
			    got != put)
				return (void *)1;
		}
	}
	return NULL;
}

START_TEST(threads_share_a_handle)
{
	struct job job[THREADS];
	pthread_t t[THREADS];
	uint32_t refs[64], i;

	for (i = 0; i < 64; i++)
		share(2, 1, &refs[i], 1);
	for (i = 0; i < THREADS; i++) {
		memcpy(job[i].refs, refs, sizeof(refs));
		job[i].first = i;
		ck_assert_int_eq(
			pthread_create(&t[i], NULL, copy_many, &job[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		void *failed;

		pthread_join(t[i], &failed);
		ck_assert_ptr_null(failed);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("local_copy");
	TCase *tc = tcase_create("copy");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 50);
	tcase_add_test(tc, both_ways);
	tcase_add_test(tc, grant_to_grant);
	tcase_add_test(tc, malformed_segments);
	tcase_add_test(tc, refused_one_by_one);
	tcase_add_test(tc, revoked);
	tcase_add_test(tc, owner_destroyed);
	tcase_add_test(tc, restricted_handle);
	tcase_add_test(tc, windows_are_bounded);
	tcase_add_test(tc, threads_share_a_handle);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
