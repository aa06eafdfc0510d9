// SPDX-License-Identifier: MIT
/* Hotplug scripts: what they are given, and what becomes of how they end. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/hotplug.h"
#include "tests/unit/run_suite.h"

static char dir[] = "/tmp/hotplug-test.XXXXXX";
static char script[64], out[64];

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(strcpy(dir, "/tmp/hotplug-test.XXXXXX")));
	snprintf(script, sizeof(script), "%s/script", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	setenv("TEST_OUT", out, 1);
}

static void tear_down(void)
{
	unlink(script);
	unlink(out);
	rmdir(dir);
}

static void write_script(const char *body)
{
	FILE *f = fopen(script, "we");

	ck_assert_ptr_nonnull(f);
	fprintf(f, "#!/bin/sh\n%s\n", body);
	fclose(f);
	ck_assert_int_eq(chmod(script, 0700), 0);
}

/* Waits for its end, if it is to end. */
static int run(const char *body, bool online, bool ends, struct xs_err *err)
{
	struct pollfd p = {.events = POLLIN};
	struct hotplug h;

	write_script(body);
	ck_assert_int_eq(
		hotplug_start(&h, script, "vif", 3, 1, "eth7", online, err), 0);
	p.fd = h.pidfd;
	if (ends)
		ck_assert_int_eq(poll(&p, 1, 20000), 1);
	return hotplug_end(&h, err);
}

START_TEST(given)
{
	char text[256];
	struct xs_err err;
	FILE *f;

	/* the caller's own values do not shine through */
	setenv("vif", "vif9.9", 1);
	ck_assert_int_eq(
		run("echo \"$1 $2 $# $script $XENBUS_TYPE $XENBUS_PATH "
		    "$XENBUS_BASE_PATH $vif $netdev\" >$TEST_OUT",
		    true, true, &err),
		0);
	f = fopen(out, "re");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	fclose(f);
	ck_assert(!strncmp(text, "online type_if=vif 2 /tmp/", 26));
	ck_assert_ptr_nonnull(strstr(
		text, "/script vif backend/vif/3/1 backend vif3.1 eth7"));
	ck_assert_int_eq(run("[ $1 = offline ]", false, true, &err), 0);
}
END_TEST

static const struct {
	const char *body, *reason;
} failing[] = {
	{"exit 3", "(status 3)"},
	{"echo first; echo the last line >&2; echo; exit 1", "the last line "},
	{"printf 'a\\033[31mb'; exit 1", "a\\x1b[31mb"},
	{"kill -TERM $$", "signal 15"},
	{"head -c 100000 /dev/zero | tr '\\0' x; echo; echo end; exit 1",
	 ": end ("},
};

START_TEST(fails)
{
	struct xs_err err = {""};

	ck_assert_int_eq(run(failing[_i].body, true, true, &err), -EIO);
	ck_assert_msg(strstr(err.text, failing[_i].reason), "'%s'", err.text);
}
END_TEST

/* With all that it started. */
START_TEST(is_killed)
{
	struct xs_err err = {""};
	struct pollfd p = {.events = POLLIN};
	FILE *f;
	int pid;

	ck_assert_int_eq(mkfifo(out, 0600), 0);
	write_script("sleep 1000 & echo $! >$TEST_OUT; wait");
	{
		struct hotplug h;

		ck_assert_int_eq(
			hotplug_start(&h, script, "vif", 3, 1, "", true, &err),
			0);
		f = fopen(out, "re");
		ck_assert_int_eq(fscanf(f, "%d", &pid), 1);
		fclose(f);
		p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
		ck_assert_int_ge(p.fd, 0);
		ck_assert_int_eq(hotplug_end(&h, &err), -EIO);
	}
	ck_assert_ptr_nonnull(strstr(err.text, "did not end"));
	ck_assert_int_eq(poll(&p, 1, 20000), 1);
	close(p.fd);
}
END_TEST

START_TEST(is_missing)
{
	struct xs_err err = {""};
	struct hotplug h;

	ck_assert_int_eq(hotplug_start(&h, "/nonexistent/script", "vif", 3, 1,
				       "", true, &err),
			 -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/script"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hotplug");
	TCase *tc = tcase_create("hotplug");

	tcase_set_timeout(tc, 50);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, given);
	tcase_add_loop_test(tc, fails, 0,
			    (int)(sizeof(failing) / sizeof(failing[0])));
	tcase_add_test(tc, is_killed);
	tcase_add_test(tc, is_missing);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
