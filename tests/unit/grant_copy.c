// SPDX-License-Identifier: MIT
/* Copy batches: data, batching, and every way a part of a batch can fail. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "grant/copy.h"
#include "tests/unit/fake_gnttab.h"
#include "tests/unit/run_suite.h"

static struct grant_copy c;

static void setup(void)
{
	unsigned int i;

	memset(&c, 0xa5, sizeof(c));
	grant_copy_init(&c, NULL, FAKE_DOMID);
	for (i = 0; i < 1000; i++) {
		fake_grant(i, i % 2 == 0);
		memset(fake_frame(i), (int)(i & 0x7f), FAKE_PAGE);
	}
}

START_TEST(data)
{
	uint8_t buf[FAKE_PAGE + 16];
	uint8_t *page = fake_frame(4);

	memset(buf, 0xee, sizeof(buf));
	grant_copy_from(&c, 3, 100, buf + 5, 50);
	grant_copy_from(&c, 4, 0, buf + 60, FAKE_PAGE - 60);
	memset(buf + sizeof(buf) - 8, 0x99, 8);
	ck_assert_int_eq(grant_copy_flush(&c), 0);
	ck_assert_uint_eq(buf[4], 0xee);
	ck_assert_uint_eq(buf[5], 3);
	ck_assert_uint_eq(buf[54], 3);
	ck_assert_uint_eq(buf[55], 0xee);
	ck_assert_uint_eq(buf[60], 4);
	ck_assert_uint_eq(buf[FAKE_PAGE - 1], 4);
	ck_assert_uint_eq(buf[FAKE_PAGE], 0xee);

	grant_copy_to(&c, 4, FAKE_PAGE - 8, buf + sizeof(buf) - 8, 8);
	grant_copy_to(&c, 4, 0, buf, 0); /* nothing */
	grant_copy_to(&c, 4, FAKE_PAGE, buf, 0);
	ck_assert_int_eq(grant_copy_flush(&c), 0);
	ck_assert_uint_eq(page[FAKE_PAGE - 9], 4);
	ck_assert_uint_eq(page[FAKE_PAGE - 8], 0x99);
	ck_assert_uint_eq(page[FAKE_PAGE - 1], 0x99);
	ck_assert_uint_eq(c.bytes, 50 + FAKE_PAGE - 60 + 8);
	ck_assert_uint_eq(c.calls, 2);
	ck_assert_uint_eq(fake.copy_calls, 2);
	ck_assert_int_eq(grant_copy_flush(&c), 0);
	ck_assert_uint_eq(fake.copy_calls, 2);
}
END_TEST

START_TEST(batches)
{
	static uint8_t buf[3 * GRANT_COPY_BATCH];
	unsigned int i;

	for (i = 0; i < 2 * GRANT_COPY_BATCH + 1; i++)
		grant_copy_from(&c, i, 7, &buf[i], 1);
	ck_assert_uint_eq(fake.copy_calls, 2);
	ck_assert_int_eq(grant_copy_flush(&c), 0);
	ck_assert_uint_eq(fake.copy_calls, 3);
	for (i = 0; i < 2 * GRANT_COPY_BATCH + 1; i++)
		ck_assert_uint_eq(buf[i], i & 0x7f);
}
END_TEST

/* One bad reference at each place: the others are copied, the error is told
 * once, the next batch is clean. */
START_TEST(bad_reference)
{
	uint8_t buf[8];
	unsigned int bad, i;

	for (bad = 0; bad < 8; bad++) {
		memset(buf, 0xee, sizeof(buf));
		for (i = 0; i < 8; i++)
			grant_copy_from(&c, i == bad ? 2000 : i, 0, &buf[i], 1);
		ck_assert_int_eq(grant_copy_flush(&c), -EINVAL);
		for (i = 0; i < 8; i++)
			ck_assert_uint_eq(buf[i], i == bad ? 0xee : i);
		ck_assert_int_eq(grant_copy_flush(&c), 0);
	}
	/* a read-only grant */
	grant_copy_to(&c, 3, 0, buf, 1);
	ck_assert_int_eq(grant_copy_flush(&c), -EINVAL);
	ck_assert_uint_eq(*(uint8_t *)fake_frame(3), 3);
	ck_assert_uint_eq(c.bytes, 8 * 7);
}
END_TEST

/* The first error counts, also when it was in a batch before the last. */
START_TEST(first_error)
{
	static uint8_t buf[2 * GRANT_COPY_BATCH];
	unsigned int i;

	fake_fail_copy(1, ENOMEM);
	for (i = 0; i < 2 * GRANT_COPY_BATCH; i++)
		grant_copy_from(&c, i == GRANT_COPY_BATCH ? 2000 : 1, 0,
				&buf[i], 1);
	ck_assert_int_eq(grant_copy_flush(&c), -ENOMEM);
	ck_assert_uint_eq(c.bytes, GRANT_COPY_BATCH - 1);
	ck_assert_int_eq(grant_copy_flush(&c), 0);
}
END_TEST

/* A host that stops in the middle without a status. */
START_TEST(short_batch)
{
	uint8_t buf[8];
	unsigned int done, i;

	for (done = 0; done <= 8; done++) {
		for (i = 0; i < 8; i++)
			grant_copy_from(&c, i, 0, &buf[i], 1);
		fake_short_copy(1, done);
		ck_assert_int_eq(grant_copy_flush(&c), done < 8 ? -EINVAL : 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("grant_copy");
	TCase *tc = tcase_create("copy");

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, data);
	tcase_add_test(tc, batches);
	tcase_add_test(tc, bad_reference);
	tcase_add_test(tc, first_error);
	tcase_add_test(tc, short_batch);
	return run_suite(suite);
}
