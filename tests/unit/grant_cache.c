// SPDX-License-Identifier: MIT
/* The mapping cache: each rule of its header, then random use of it. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grant/cache.h"
#include "tests/unit/fake_gnttab.h"
#include "tests/unit/run_suite.h"

#define BATCH GRANT_CACHE_MAX_BATCH
#define COUNT 2000u /* references granted; every tenth read-only */

static struct grant_cache *cache;
static struct grant_cache_stats st;

static void setup(void)
{
	uint32_t ref;

	for (ref = 0; ref < COUNT; ref++) {
		fake_grant(ref, ref % 10 != 0);
		memcpy(fake_frame(ref), &ref, sizeof(ref));
	}
}

static void make(uint32_t max_pages, bool keep)
{
	ck_assert_int_eq(
		grant_cache_create(&cache, NULL, FAKE_DOMID, max_pages, keep),
		0);
}

static void teardown(void)
{
	grant_cache_destroy(cache);
	cache = NULL;
	ck_assert_uint_eq(fake.mapped, 0);
	ck_assert_uint_eq(fake.bad_unmaps, 0);
}

static void look(void)
{
	grant_cache_get_stats(cache, &st);
	ck_assert_uint_eq(st.mapped, fake.mapped);
	ck_assert_uint_eq(st.maps - st.unmaps, fake.mapped);
	ck_assert_uint_eq(st.map_calls, fake.map_calls);
	ck_assert_uint_eq(st.unmap_calls, fake.unmap_calls);
	ck_assert_uint_le(st.in_use, st.mapped);
}

static int get_run(uint32_t first, unsigned int nr, bool write,
		   struct grant_ref_use *use)
{
	uint32_t refs[BATCH];
	unsigned int i;

	for (i = 0; i < nr; i++)
		refs[i] = first + i;
	return grant_cache_get(cache, refs, nr, write, use);
}

static void assert_page(const struct grant_ref_use *use, uint32_t ref)
{
	ck_assert_mem_eq(use->addr, &ref, sizeof(ref));
}

START_TEST(hits_and_misses)
{
	struct grant_ref_use a[4], b[6];
	uint32_t refs[6] = {11, 1, 12, 3, 13, 2};

	make(BATCH, true);
	ck_assert_int_eq(get_run(1, 4, false, a), 0);
	ck_assert_ptr_eq(a[3].addr, (char *)a[0].addr + 3 * FAKE_PAGE);
	look();
	ck_assert_uint_eq(st.misses, 4);
	ck_assert_uint_eq(st.in_use, 4);
	grant_cache_put(cache, a, 4);
	ck_assert_ptr_null(a[0].addr);
	look();
	ck_assert_uint_eq(st.in_use, 0);
	ck_assert_uint_eq(st.mapped, 4);

	/* Misses among hits: one call, contiguous, in the order asked for. */
	ck_assert_int_eq(grant_cache_get(cache, refs, 6, true, b), 0);
	look();
	ck_assert_uint_eq(st.hits, 3);
	ck_assert_uint_eq(st.misses, 7);
	ck_assert_uint_eq(st.map_calls, 2);
	ck_assert_uint_eq(st.in_use, 7);
	assert_page(&b[0], 11);
	assert_page(&b[1], 1);
	assert_page(&b[5], 2);
	ck_assert_ptr_eq(b[2].addr, (char *)b[0].addr + FAKE_PAGE);
	ck_assert_ptr_eq(b[4].addr, (char *)b[0].addr + 2 * FAKE_PAGE);
	*((char *)b[5].addr + 9) = 'x';
	ck_assert_int_eq(*((char *)fake_frame(2) + 9), 'x');
	grant_cache_put(cache, b, 6);
	teardown();
}
END_TEST

START_TEST(twice_in_a_batch)
{
	uint32_t refs[5] = {5, 6, 5, 5, 6};
	struct grant_ref_use use[5];
	unsigned int i;

	make(BATCH, _i);
	ck_assert_int_eq(grant_cache_get(cache, refs, 5, true, use), 0);
	for (i = 0; i < 5; i++)
		assert_page(&use[i], refs[i]);
	look();
	ck_assert_uint_eq(st.map_calls, 1);
	ck_assert_uint_eq(st.mapped, _i ? 2 : 5);
	ck_assert_uint_eq(st.hits, _i ? 3 : 0);
	/* Put in two parts: mapped until the last. */
	grant_cache_put(cache, use, 3);
	assert_page(&use[3], 5);
	assert_page(&use[4], 6);
	grant_cache_put(cache, use + 3, 2);
	look();
	ck_assert_uint_eq(st.mapped, _i ? 2 : 0);
	teardown();
}
END_TEST

/* Without persistence a reference can be ended and used anew. */
START_TEST(not_kept)
{
	struct grant_ref_use a, b;

	make(BATCH, false);
	ck_assert_int_eq(get_run(5, 1, false, &a), 0);
	ck_assert_int_eq(get_run(5, 1, true, &b), 0);
	ck_assert_ptr_ne(a.addr, b.addr);
	ck_assert_uint_eq(fake_maps_of(5), 2);
	grant_cache_put(cache, &a, 1);
	ck_assert_uint_eq(fake_maps_of(5), 1);
	grant_cache_put(cache, &b, 1);
	ck_assert_uint_eq(fake_maps_of(5), 0);
	fake_revoke(5);
	ck_assert_int_eq(get_run(5, 1, false, &a), -EINVAL);
	fake_grant(5, true);
	ck_assert_int_eq(get_run(5, 1, false, &a), 0);
	grant_cache_put(cache, &a, 1);
	look();
	ck_assert_uint_eq(st.hits, 0);
	teardown();
}
END_TEST

/* A read-only grant: read only, with and without persistence, and a writable
 * mapping serves both. */
START_TEST(read_only)
{
	uint32_t both[2] = {10, 11};
	struct grant_ref_use a, b[2];

	make(BATCH, _i);
	ck_assert_int_eq(get_run(10, 1, true, &a), -EINVAL);
	ck_assert_int_eq(get_run(10, 1, false, &a), 0);
	assert_page(&a, 10);
	ck_assert_int_eq(get_run(10, 1, true, b), -EINVAL);
	ck_assert_int_eq(grant_cache_get(cache, both, 2, true, b), -EINVAL);
	ck_assert_int_eq(grant_cache_get(cache, both, 2, false, b), 0);
	grant_cache_put(cache, b, 2);
	grant_cache_put(cache, &a, 1);
	/* 11 was mapped beside a read-only one. */
	ck_assert_int_eq(get_run(11, 1, true, &a), 0);
	memcpy((char *)a.addr + 9, "y", 1);
	grant_cache_put(cache, &a, 1);
	look();
	teardown();
}
END_TEST

/* Every map call of a batch can fail, at every place a bad reference. */
START_TEST(failed_get_leaves_nothing)
{
	struct grant_ref_use held, use[8];
	uint32_t refs[8];
	unsigned int bad, i;

	make(BATCH, true);
	ck_assert_int_eq(get_run(3, 1, false, &held), 0);
	for (bad = 0; bad < 8; bad++) {
		for (i = 0; i < 8; i++)
			refs[i] = i == bad ? COUNT + 5 : i;
		ck_assert_int_eq(grant_cache_get(cache, refs, 8, bad % 2, use),
				 -EINVAL);
		look();
		ck_assert_uint_eq(st.mapped, 1);
		ck_assert_uint_eq(st.in_use, 1);
	}
	fake_fail_map(1, ENOMEM);
	ck_assert_int_eq(get_run(1, 8, true, use), -ENOMEM);
	fake_fail_map(1, ENOSPC); /* the host's, which no put would help */
	ck_assert_int_eq(get_run(1, 8, true, use), -ENOMEM);
	look();
	ck_assert_uint_eq(st.mapped, 1);
	ck_assert_uint_eq(st.hits, 0);
	grant_cache_put(cache, &held, 1);
	/* and the same batch works afterwards */
	ck_assert_int_eq(get_run(1, 8, true, use), 0);
	grant_cache_put(cache, use, 8);
	teardown();
}
END_TEST

START_TEST(bound_and_lru)
{
	struct grant_ref_use a[BATCH], b[BATCH], c[BATCH];

	make(2 * BATCH, true);
	ck_assert_int_eq(get_run(0, BATCH, false, a), 0);
	ck_assert_int_eq(get_run(BATCH, BATCH, false, b), 0);
	ck_assert_int_eq(get_run(2 * BATCH, 1, false, c), -ENOSPC);
	grant_cache_put(cache, b, BATCH);
	grant_cache_put(cache, a, BATCH);
	/* b is idle the longest. */
	ck_assert_int_eq(get_run(2 * BATCH, 1, false, c), 0);
	ck_assert_uint_eq(fake_maps_of(0), 1);
	ck_assert_uint_eq(fake_maps_of(BATCH), 0);
	look();
	ck_assert_uint_eq(st.evicted, BATCH);
	grant_cache_put(cache, c, 1);
	ck_assert_uint_le(fake.mapped_peak, 2 * BATCH);
	teardown();
}
END_TEST

/* One page in use keeps its extent: whole extents count, and a batch of which
 * every page lies in another large extent still ends. */
START_TEST(fragments)
{
	struct grant_ref_use hold[4], use[BATCH];
	uint32_t refs[BATCH];
	unsigned int i;

	make(4 * BATCH, true);
	for (i = 0; i < 4; i++) {
		ck_assert_int_eq(get_run(i * BATCH, BATCH, false, use), 0);
		grant_cache_put(cache, use, BATCH);
	}
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(get_run(i * BATCH, 1, false, &hold[i]), 0);
	look();
	ck_assert_uint_eq(st.in_use, 4 * BATCH);
	ck_assert_int_eq(get_run(4 * BATCH, 1, false, use), -ENOSPC);
	/* what is mapped can still be had */
	ck_assert_int_eq(get_run(5, BATCH, false, use), 0);
	grant_cache_put(cache, use, BATCH);
	grant_cache_put(cache, hold, 4);

	/* Hits in all four extents and one miss: nobody but the batch itself
	 * is in the way. */
	for (i = 0; i < BATCH; i++)
		refs[i] = (i % 4) * BATCH + i;
	refs[BATCH - 1] = 5 * BATCH;
	ck_assert_int_eq(grant_cache_get(cache, refs, BATCH, false, use), 0);
	for (i = 0; i < BATCH; i++)
		assert_page(&use[i], refs[i]);
	look();
	ck_assert_uint_le(st.mapped, 4 * BATCH);
	ck_assert_uint_eq(st.in_use, BATCH);
	grant_cache_put(cache, use, BATCH);
	ck_assert_uint_le(fake.mapped_peak, 4 * BATCH);
	teardown();
}
END_TEST

START_TEST(expiry)
{
	struct grant_ref_use a[4], b[4];

	make(BATCH, true);
	grant_cache_tick(cache, 1000);
	ck_assert_int_eq(get_run(0, 4, false, a), 0);
	ck_assert_int_eq(get_run(4, 4, false, b), 0);
	grant_cache_put(cache, a, 4);
	grant_cache_tick(cache, 5000);
	ck_assert_uint_eq(grant_cache_expire(cache, 4001), 8);
	ck_assert_uint_eq(grant_cache_expire(cache, 4000), 4);
	ck_assert_uint_eq(fake_maps_of(0), 0);
	/* in use, however long */
	grant_cache_tick(cache, 1000000);
	ck_assert_uint_eq(grant_cache_expire(cache, 0), 4);
	grant_cache_put(cache, b, 4);
	ck_assert_uint_eq(grant_cache_expire(cache, 1), 4);
	ck_assert_uint_eq(grant_cache_expire(cache, 0), 0);
	look();
	ck_assert_uint_eq(st.expired, 8);
	teardown();
}
END_TEST

/* An unmap that fails stays counted, so the bound holds. */
START_TEST(stuck)
{
	struct grant_ref_use use[BATCH];

	make(BATCH, true);
	ck_assert_int_eq(get_run(0, 10, false, use), 0);
	grant_cache_put(cache, use, 10);
	fake_fail_unmap(1, EIO);
	ck_assert_uint_eq(grant_cache_expire(cache, 0), 10);
	ck_assert_int_eq(get_run(100, BATCH, false, use), -ENOSPC);
	ck_assert_int_eq(get_run(100, BATCH - 10, false, use), 0);
	grant_cache_put(cache, use, BATCH - 10);
	look();
	ck_assert_uint_eq(st.stuck, 10);
	grant_cache_destroy(cache);
	ck_assert_uint_eq(fake.mapped, 10);
}
END_TEST

START_TEST(create)
{
	cache = (void *)1;
	ck_assert_int_eq(grant_cache_create(&cache, NULL, 1, BATCH - 1, true),
			 -EINVAL);
	ck_assert_ptr_null(cache);
	grant_cache_destroy(NULL);
}
END_TEST

struct job {
	struct grant_ref_use use[BATCH];
	uint32_t refs[BATCH];
	unsigned int nr;
	bool write;
};

static void random_refs(struct job *job)
{
	unsigned int i;

	job->nr = random() % 4 ? 1 + (unsigned int)random() % 12
			       : 1 + (unsigned int)random() % BATCH;
	job->write = random() % 2;
	for (i = 0; i < job->nr; i++) {
		/* hot, warm, and any, a few of them not granted */
		uint32_t span = random() % 2 ? 100 : random() % 8 ? 600 : 2010;

		do
			job->refs[i] = (uint32_t)random() % span;
		while (job->write && job->refs[i] % 10 == 0 && random() % 50);
	}
}

/* Each page is the right one and as writable as it has to be. */
static void check_pages(struct job *job)
{
	unsigned int i;

	for (i = 0; i < job->nr; i++) {
		assert_page(&job->use[i], job->refs[i]);
		if (job->write)
			((char *)job->use[i].addr)[16]++;
	}
}

static bool all_granted(const struct job *job)
{
	unsigned int i;

	for (i = 0; i < job->nr; i++)
		if (job->refs[i] >= COUNT ||
		    (job->write && job->refs[i] % 10 == 0))
			return false;
	return true;
}

/* Random gets and puts, many outstanding: pages are right until put, the bound
 * holds, and an error has a cause. */
START_TEST(model)
{
	enum { MAX_JOBS = 24, MAX_PAGES = 700 };
	static struct job jobs[MAX_JOBS];
	unsigned int nr_jobs = 0, step, errors[3] = {0}, k;

	make(MAX_PAGES, _i);
	srandom(21 + (unsigned int)_i);
	for (step = 0; step < 6000; step++) {
		struct job *job = &jobs[nr_jobs];
		int ret;

		grant_cache_tick(cache, step);
		if (random() % 200 == 0)
			grant_cache_expire(cache, 50);
		if (nr_jobs == MAX_JOBS || (nr_jobs && random() % 2)) {
			k = (unsigned int)random() % nr_jobs;
			check_pages(&jobs[k]);
			grant_cache_put(cache, jobs[k].use, jobs[k].nr);
			jobs[k] = jobs[--nr_jobs];
			continue;
		}
		random_refs(job);
		ret = grant_cache_get(cache, job->refs, job->nr, job->write,
				      job->use);
		switch (ret) {
		case 0:
			ck_assert(all_granted(job));
			check_pages(job);
			nr_jobs++;
			errors[0]++;
			break;
		case -EINVAL:
			ck_assert(!all_granted(job));
			errors[1]++;
			break;
		default:
			ck_assert_int_eq(ret, -ENOSPC);
			look();
			ck_assert_uint_gt(st.in_use + job->nr, MAX_PAGES);
			errors[2]++;
		}
		look();
		ck_assert_uint_le(fake.mapped_peak, MAX_PAGES);
	}
	for (k = 0; k < 3; k++)
		ck_assert_uint_gt(errors[k], 10);
	while (nr_jobs--) {
		check_pages(&jobs[nr_jobs]);
		grant_cache_put(cache, jobs[nr_jobs].use, jobs[nr_jobs].nr);
	}
	look();
	ck_assert_uint_eq(st.in_use, 0);
	teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("grant_cache");
	TCase *tc = tcase_create("cache");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 50);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, hits_and_misses);
	tcase_add_loop_test(tc, twice_in_a_batch, 0, 2);
	tcase_add_test(tc, not_kept);
	tcase_add_loop_test(tc, read_only, 0, 2);
	tcase_add_test(tc, failed_get_leaves_nothing);
	tcase_add_test(tc, bound_and_lru);
	tcase_add_test(tc, fragments);
	tcase_add_test(tc, expiry);
	tcase_add_test(tc, stuck);
	tcase_add_test(tc, create);
	tcase_add_loop_test(tc, model, 0, 2);
	return run_suite(suite);
}
