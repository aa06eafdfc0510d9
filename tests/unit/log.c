// SPDX-License-Identifier: MIT
/* Log lines: one write a line, nothing unprintable, limited by peer. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hypercall/log.h"
#include "tests/unit/run_suite.h"

static char got[8192];
static int saved_stderr, pipe_fds[2];

static void capture_begin(void)
{
	ck_assert_int_eq(pipe(pipe_fds), 0);
	saved_stderr = dup(STDERR_FILENO);
	ck_assert_int_ge(saved_stderr, 0);
	ck_assert_int_ge(dup2(pipe_fds[1], STDERR_FILENO), 0);
	close(pipe_fds[1]);
}

static void capture_end(void)
{
	size_t len = 0;
	ssize_t n;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	while ((n = read(pipe_fds[0], got + len, sizeof(got) - 1 - len)) > 0)
		len += (size_t)n;
	got[len] = '\0';
	close(pipe_fds[0]);
}

START_TEST(format_and_level)
{
	log_init("prog", LOG_LEVEL_INFO);
	capture_begin();
	errno = EBUSY;
	log_err("vbd/2/51712", "value %d", 7);
	ck_assert_int_eq(errno, EBUSY);
	log_warn("-", "w");
	log_info("domain 3", "i");
	log_debug("-", "not written");
	capture_end();
	ck_assert_str_eq(got, "prog: error vbd/2/51712: value 7\n"
			      "prog: warning -: w\n"
			      "prog: info domain 3: i\n");
}
END_TEST

START_TEST(unprintable)
{
	log_init("prog", LOG_LEVEL_INFO);
	capture_begin();
	log_err("-", "%s", "a\nb\x1b[2J\x7f\xc3\xa9");
	capture_end();
	ck_assert_str_eq(got,
			 "prog: error -: a\\x0ab\\x1b[2J\\x7f\\xc3\\xa9\n");
}
END_TEST

START_TEST(too_long)
{
	/* plain bytes and bytes that grow fourfold, at every length there is
	 * an edge at */
	for (size_t len = 900; len < 1100; len += 1) {
		for (int plain = 0; plain < 2; plain++) {
			char *text = malloc(len + 1);
			size_t n;

			ck_assert(text);
			memset(text, plain ? 'x' : 1, len);
			text[len] = '\0';
			log_init("p", LOG_LEVEL_INFO);
			capture_begin();
			log_err("-", "%s", text);
			capture_end();
			n = strlen(got);
			ck_assert_uint_le(n, 1024);
			ck_assert_int_eq(got[n - 1], '\n');
			ck_assert_ptr_eq(strchr(got, '\n'), got + n - 1);
			if (!plain || len > 1020)
				ck_assert_int_eq(strncmp(got + n - 4, "...", 3),
						 0);
			free(text);
		}
	}
}
END_TEST

START_TEST(limit)
{
	struct log_limit l = {0};
	uint32_t missed;

	for (int i = 0; i < 3; i++) {
		ck_assert(log_limit_ok(&l, 3, 3600000, &missed));
		ck_assert_uint_eq(missed, 0);
	}
	for (int i = 0; i < 5; i++)
		ck_assert(!log_limit_ok(&l, 3, 3600000, &missed));
	/* the next interval: as if it began long ago */
	ck_assert_uint_eq(l.missed, 5);
	ck_assert(log_limit_ok(&l, 3, 0, &missed));
	ck_assert_uint_eq(missed, 5);
	ck_assert(log_limit_ok(&l, 3, 3600000, &missed));
	ck_assert_uint_eq(missed, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");

	tcase_add_test(tc, format_and_level);
	tcase_add_test(tc, unprintable);
	tcase_add_test(tc, too_long);
	tcase_add_test(tc, limit);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
