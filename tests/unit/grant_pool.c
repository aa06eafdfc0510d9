// SPDX-License-Identifier: MIT
/* Pools of shared pages: runs, references, errors, threads. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "grant/pool.h"
#include "tests/unit/fake_gnttab.h"
#include "tests/unit/run_suite.h"

static struct grant_pool *make(unsigned int nr)
{
	struct grant_pool *pool;

	ck_assert_int_eq(grant_pool_create(&pool, NULL, FAKE_DOMID, nr, true),
			 0);
	ck_assert_uint_eq(grant_pool_pages(pool), nr);
	ck_assert_uint_eq(grant_pool_pages_free(pool), nr);
	return pool;
}

START_TEST(pages_and_refs)
{
	static const unsigned int sizes[] = {1, 63, 64, 65, 130, 352};
	unsigned int s, i;

	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct grant_pool *pool = make(sizes[s]);
		char *first = NULL, *page;

		for (i = 0; i < sizes[s]; i++) {
			page = grant_pool_alloc(pool, 1);
			ck_assert_ptr_nonnull(page);
			if (!first)
				first = page;
			ck_assert_ptr_eq(page, first + i * FAKE_PAGE);
			/* The reference names that very page. */
			memcpy(page + 8, &i, sizeof(i));
			ck_assert_mem_eq(
				(char *)fake_frame(grant_pool_ref(pool, page)) +
					8,
				&i, sizeof(i));
			ck_assert_uint_eq(grant_pool_ref(pool, page + 4095),
					  grant_pool_ref(pool, page));
		}
		ck_assert_ptr_null(grant_pool_alloc(pool, 1));
		ck_assert_uint_eq(grant_pool_pages_free(pool), 0);
		grant_pool_free(pool, first, sizes[s]);
		ck_assert_ptr_eq(grant_pool_alloc(pool, sizes[s]), first);
		grant_pool_destroy(pool);
		ck_assert_uint_eq(fake.shared, 0);
	}
	grant_pool_destroy(NULL);
}
END_TEST

START_TEST(owns)
{
	struct grant_pool *pool = make(2);
	char *base = grant_pool_alloc(pool, 2);

	ck_assert(grant_pool_owns(pool, base, 0));
	ck_assert(grant_pool_owns(pool, base, 8192));
	ck_assert(grant_pool_owns(pool, base + 8191, 1));
	ck_assert(!grant_pool_owns(pool, base, 8193));
	ck_assert(!grant_pool_owns(pool, base + 8191, 2));
	ck_assert(!grant_pool_owns(pool, base + 8192, 1));
	ck_assert(!grant_pool_owns(pool, base - 1, 1));
	ck_assert(!grant_pool_owns(pool, base + 4096, SIZE_MAX));
	ck_assert(!grant_pool_owns(pool, base - 4096, SIZE_MAX));
	ck_assert(!grant_pool_owns(pool, NULL, 1));
	grant_pool_destroy(pool);
}
END_TEST

START_TEST(errors)
{
	struct grant_pool *pool = (void *)1;

	fake_fail_share(1, ENOSPC);
	ck_assert_int_eq(grant_pool_create(&pool, NULL, FAKE_DOMID, 4, true),
			 -ENOSPC);
	ck_assert_ptr_null(pool);
	ck_assert_int_eq(grant_pool_create(&pool, NULL, FAKE_DOMID, 0, true),
			 -EINVAL);
	ck_assert_int_eq(
		grant_pool_create(&pool, NULL, FAKE_DOMID, UINT32_MAX, true),
		-EINVAL);
	ck_assert_uint_eq(fake.shared, 0);
}
END_TEST

/* Random runs against a table of who has which page. */
START_TEST(model)
{
	enum { NR = 200 };
	struct grant_pool *pool = make(NR);
	char *base = grant_pool_alloc(pool, NR);
	unsigned int owner[NR] = {0}, free_pages = NR, id = 0, step, i, run;

	grant_pool_free(pool, base, NR);
	srandom(11);
	for (step = 0; step < 20000; step++) {
		unsigned int nr = 1 + (unsigned int)random() % 40, best = 0;
		char *got;

		i = (unsigned int)random() % NR;
		if (random() % 2 && owner[i]) {
			while (i > 0 && owner[i - 1] == owner[i])
				i--;
			for (run = 1;
			     i + run < NR && owner[i + run] == owner[i]; run++)
				;
			grant_pool_free(pool, base + i * FAKE_PAGE, run);
			memset(&owner[i], 0, run * sizeof(owner[0]));
			free_pages += run;
			continue;
		}
		for (i = 0, run = 0; i < NR; i++) {
			run = owner[i] ? 0 : run + 1;
			best = run > best ? run : best;
		}
		got = grant_pool_alloc(pool, nr);
		ck_assert_int_eq(got != NULL, best >= nr);
		id++;
		for (i = 0; got && i < nr; i++) {
			ck_assert(!owner[(got - base) / FAKE_PAGE + i]);
			owner[(got - base) / FAKE_PAGE + i] = id;
			free_pages--;
		}
		ck_assert_uint_eq(grant_pool_pages_free(pool), free_pages);
	}
	grant_pool_destroy(pool);
}
END_TEST

static void *alloc_and_free(void *arg)
{
	struct grant_pool *pool = arg;
	unsigned int i, nr;

	for (i = 0; i < 5000; i++) {
		uint32_t *page = grant_pool_alloc(pool, nr = 1 + i % 3);

		if (!page)
			continue;
		*page = i; /* nobody else has it: no race */
		if (*page != i)
			return arg;
		grant_pool_free(pool, page, nr);
	}
	return NULL;
}

START_TEST(threads)
{
	struct grant_pool *pool = make(8);
	pthread_t thread[3];
	unsigned int i;
	void *bad;

	for (i = 0; i < 3; i++)
		ck_assert_int_eq(
			pthread_create(&thread[i], NULL, alloc_and_free, pool),
			0);
	for (i = 0; i < 3; i++) {
		pthread_join(thread[i], &bad);
		ck_assert_ptr_null(bad);
	}
	ck_assert_uint_eq(grant_pool_pages_free(pool), 8);
	grant_pool_destroy(pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("grant_pool");
	TCase *tc = tcase_create("pool");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, pages_and_refs);
	tcase_add_test(tc, owns);
	tcase_add_test(tc, errors);
	tcase_add_test(tc, model);
	tcase_add_test(tc, threads);
	return run_suite(suite);
}
