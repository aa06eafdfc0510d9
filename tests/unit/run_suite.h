/* SPDX-License-Identifier: MIT */
#ifndef XENSPLIT_TESTS_RUN_SUITE_H
#define XENSPLIT_TESTS_RUN_SUITE_H

#include <check.h>

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
