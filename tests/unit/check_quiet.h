/* SPDX-License-Identifier: MIT */
/*
 * Check writes down every assertion that holds, which is too slow for tests
 * that make millions of them: only those that fail get to it.  Include after
 * <check.h>.
 */
#ifndef XENSPLIT_TESTS_CHECK_QUIET_H
#define XENSPLIT_TESTS_CHECK_QUIET_H

#include <stdint.h>

#undef ck_assert
#define ck_assert(cond)                            \
	do {                                       \
		if (!(cond))                       \
			ck_abort_msg("%s", #cond); \
	} while (0)
#undef ck_assert_int_eq
#define ck_assert_int_eq(a, b)                                              \
	do {                                                                \
		intmax_t a_ = (a), b_ = (b);                                \
		if (a_ != b_)                                               \
			ck_abort_msg("%s == %s: %jd, %jd", #a, #b, a_, b_); \
	} while (0)
#undef ck_assert_uint_eq
#define ck_assert_uint_eq(a, b)                                               \
	do {                                                                  \
		uintmax_t a_ = (a), b_ = (b);                                 \
		if (a_ != b_)                                                 \
			ck_abort_msg("%s == %s: %#jx, %#jx", #a, #b, a_, b_); \
	} while (0)

#endif
