/* SPDX-License-Identifier: MIT */
#ifndef XENSPLIT_TESTS_RUN_SUITE_H
#define XENSPLIT_TESTS_RUN_SUITE_H

#include <check.h>

/* A test case with the tests that add() adds, each of which may take so long.
 */
static inline void suite_add(Suite *suite, const char *name, double timeout_s,
			     void (*setup)(void), void (*teardown)(void),
			     void (*add)(TCase *tc))
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, timeout_s);
	add(tc);
	suite_add_tcase(suite, tc);
}

/* Run all tests of the suite and free it; for main() to return. */
static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

#endif
