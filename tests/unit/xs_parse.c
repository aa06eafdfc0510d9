// SPDX-License-Identifier: MIT
/* Values of xenstore as other domains may write them, as a table. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hypercall/xs_parse.h"
#include "tests/unit/run_suite.h"

#define U64_MAX UINT64_C(18446744073709551615)

static const struct {
	const char *value;
	size_t len; /* 0: strlen */
	uint64_t min, max;
	int res;
	uint64_t out;
} numbers[] = {
	{"0", 0, 0, 10, 0, 0},
	{"7", 0, 0, 10, 0, 7},
	{"10", 0, 0, 10, 0, 10},
	{"", 0, 0, 10, -EINVAL, 0},
	{"-1", 0, 0, 10, -EINVAL, 0},
	{"-0", 0, 0, 10, -EINVAL, 0},
	{"+7", 0, 0, 10, -EINVAL, 0},
	{" 7", 0, 0, 10, -EINVAL, 0},
	{"7 ", 0, 0, 10, -EINVAL, 0},
	{"7\n", 0, 0, 10, -EINVAL, 0},
	{"0x10", 0, 0, 100, -EINVAL, 0},
	{"010", 0, 0, 100, -EINVAL, 0},
	{"007", 0, 0, 100, -EINVAL, 0},
	{"00", 0, 0, 100, -EINVAL, 0},
	{"1e3", 0, 0, 10000, -EINVAL, 0},
	{"7.0", 0, 0, 10, -EINVAL, 0},
	{"seven", 0, 0, 10, -EINVAL, 0},
	{"7\0", 2, 0, 10, -EINVAL, 0},
	{"\0007", 2, 0, 10, -EINVAL, 0},
	{"1\0001", 3, 0, 1000, -EINVAL, 0},
	{"\xd9\xa7", 0, 0, 10, -EINVAL, 0}, /* another script's 7 */
	{"\xff", 0, 0, 10, -EINVAL, 0},
	{"11", 0, 0, 10, -ERANGE, 0},
	{"2", 0, 3, 10, -ERANGE, 0},
	{"4294967296", 0, 0, UINT32_MAX, -ERANGE, 0},
	{"4294967295", 0, 0, UINT32_MAX, 0, UINT32_MAX},
	{"18446744073709551615", 0, 0, U64_MAX, 0, U64_MAX},
	{"18446744073709551616", 0, 0, U64_MAX, -ERANGE, 0},
	{"36893488147419103232", 0, 0, U64_MAX, -ERANGE, 0},
	{"184467440737095516150", 0, 0, U64_MAX, -ERANGE, 0},
	/* not a number comes before too large */
	{"99999999999999999999999x", 0, 0, U64_MAX, -EINVAL, 0},
};

START_TEST(number)
{
	size_t len = numbers[_i].len ? numbers[_i].len
				     : strlen(numbers[_i].value);
	uint64_t out = 12345;
	int res = xs_parse_u64(numbers[_i].value, len, numbers[_i].min,
			       numbers[_i].max, &out);

	ck_assert_msg(res == numbers[_i].res, "'%s': %d", numbers[_i].value,
		      res);
	ck_assert_uint_eq(out, res ? 12345 : numbers[_i].out);
}
END_TEST

START_TEST(number_of_4095_bytes)
{
	char *value = malloc(4095);
	uint64_t out = 1;

	ck_assert(value);
	memset(value, '9', 4095);
	ck_assert_int_eq(xs_parse_u64(value, 4095, 0, U64_MAX, &out), -ERANGE);
	value[4094] = 'x';
	ck_assert_int_eq(xs_parse_u64(value, 4095, 0, U64_MAX, &out), -EINVAL);
	memset(value, '0', 4095);
	ck_assert_int_eq(xs_parse_u64(value, 4095, 0, U64_MAX, &out), -EINVAL);
	ck_assert_uint_eq(out, 1);
	free(value);
}
END_TEST

START_TEST(string)
{
	char out[8];

	ck_assert_int_eq(xs_parse_str("", 0, out, sizeof(out)), 0);
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(xs_parse_str("1234567", 7, out, sizeof(out)), 0);
	ck_assert_str_eq(out, "1234567");
	ck_assert_int_eq(xs_parse_str("12345678", 8, out, sizeof(out)), -E2BIG);
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(xs_parse_str("a\0b", 3, out, sizeof(out)), -EINVAL);
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(xs_parse_str("a\0", 2, out, sizeof(out)), -EINVAL);
	/* any bytes are a path on Linux */
	ck_assert_int_eq(xs_parse_str("\xff\x01", 2, out, sizeof(out)), 0);
	ck_assert_str_eq(out, "\xff\x01");
}
END_TEST

START_TEST(printable)
{
	char out[16], big[4095];

	xs_printable(out, sizeof(out), "abc", 3);
	ck_assert_str_eq(out, "abc");
	xs_printable(out, sizeof(out), "a\x1b[\0", 4);
	ck_assert_str_eq(out, "a\\x1b[\\x00");
	/* exactly full, and one more */
	xs_printable(out, sizeof(out), "123456789012345", 15);
	ck_assert_str_eq(out, "123456789012345");
	xs_printable(out, sizeof(out), "1234567890123456", 16);
	ck_assert_str_eq(out, "123456789012...");
	memset(big, 0xff, sizeof(big));
	xs_printable(out, sizeof(out), big, sizeof(big));
	ck_assert_str_eq(out, "\\xff\\xff\\xff...");
}
END_TEST

START_TEST(printable_every_size)
{
	char in[40], out[64];

	for (size_t len = 0; len < sizeof(in); len++) {
		for (size_t size = 8; size < sizeof(out); size++) {
			memset(in, len & 1 ? 'x' : '\n', sizeof(in));
			memset(out, 'Z', sizeof(out));
			xs_printable(out, size, in, len);
			ck_assert_uint_lt(strnlen(out, sizeof(out)), size);
			for (size_t i = size; i < sizeof(out); i++)
				ck_assert_int_eq(out[i], 'Z');
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("xs_parse");
	TCase *tc = tcase_create("parse");

	tcase_add_loop_test(tc, number, 0,
			    sizeof(numbers) / sizeof(numbers[0]));
	tcase_add_test(tc, number_of_4095_bytes);
	tcase_add_test(tc, string);
	tcase_add_test(tc, printable);
	tcase_add_test(tc, printable_every_size);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
