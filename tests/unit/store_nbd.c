// SPDX-License-Identifier: MIT
/*
 * The NBD store against a real server, nbdkit, and its error and delay
 * filters.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/run_suite.h"
#include "tests/unit/store_fixture.h"

#define MIB  (UINT64_C(1) << 20)
#define ARGS (char *const[])

static struct store_desc desc;
static struct store_ctx ctx;
static struct xs_err err;
static char path[108], target[160];
static unsigned char buf[65536], in[65536];

static pid_t serve(char *const args[])
{
	snprintf(path, sizeof(path), "%s/nbd", fixture_dir);
	snprintf(target, sizeof(target), "nbd:unix:%s", path);
	return fixture_nbdkit(path, args);
}

static int try_open(bool read_only)
{
	struct store_open_how how = {.read_only = read_only, .discard = true};

	return store_open(target, &how, &desc, &err);
}

static void must_attach(void)
{
	int res = store_attach(&ctx, &desc, &fixture_loop, &err);

	ck_assert_msg(!res, "%s", err.text);
}

static void must_open(void)
{
	ck_assert_msg(!try_open(false), "%s", err.text);
	must_attach();
}

START_TEST(contents)
{
	pid_t pid = serve(ARGS{"nbdkit", "-f", "memory", "size=8M", NULL});
	enum { N = 600 };
	struct op *ops = calloc(N, sizeof(*ops));
	unsigned int i;

	ck_assert(ops);
	must_open();
	ck_assert_uint_eq(desc.size_bytes, 8 * MIB);
	ck_assert(desc.single_loop && desc.flush && desc.discard);
	for (i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)(i * 13 + (i >> 8));
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, in, MIB, sizeof(in)), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_FLUSH, NULL, 0, 0), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_DISCARD, NULL, MIB, 32768), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, MIB, sizeof(buf)), 0);
	memset(in, 0, 32768);
	ck_assert(!memcmp(in, buf, sizeof(in)));
	for (i = 0; i < N; i++)
		op_start(&ctx, &ops[i], STORE_WRITE, in, i * 4096, 4096);
	store_kick(&ctx);
	for (i = 0; i < N; i++)
		ck_assert_int_eq(op_wait(&ops[i]), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 8 * MIB - 512, 1024),
			 -EINVAL);
	store_detach(&ctx);
	store_close(&desc);
	free(ops);
	fixture_kill(pid);
}
END_TEST

/* Several pieces are several commands; one failing fails the whole. */
START_TEST(pieces)
{
	pid_t pid = serve(ARGS{"nbdkit", "-f", "memory", "size=1M", NULL});
	struct op op;

	must_open();
	memset(in, 7, 8192);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, in, 4096, 8192), 0);
	memset(&op, 0, sizeof(op));
	op_start(&ctx, &op, STORE_FLUSH, NULL, 0, 0);
	ck_assert_int_eq(op_wait(&op), 0);
	op.ended = false;
	op.iov[0] = (struct iovec){buf + 20000, 4096};
	op.iov[1] = (struct iovec){buf, 4096};
	op.io.iov = op.iov;
	op.io.nr_iov = 2;
	op.io.op = STORE_READ;
	op.io.offset = 4096;
	op.io.len = 8192;
	store_submit(&ctx, &op.io);
	ck_assert_int_eq(op_wait(&op), 0);
	ck_assert(!memcmp(buf + 20000, in, 4096) && !memcmp(buf, in, 4096));
	store_detach(&ctx);
	store_close(&desc);
	fixture_kill(pid);
}
END_TEST

START_TEST(server_errors)
{
	pid_t pid = serve(ARGS{"nbdkit", "-f", "--filter=error", "memory",
			       "size=1M", "error-pread=EIO",
			       "error-pread-rate=100%", "error-pwrite=ENOSPC",
			       "error-pwrite-rate=100%", "error-trim=EPERM",
			       "error-trim-rate=100%", NULL});

	must_open();
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 0, 4096), -EIO);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, 0, 4096), -ENOSPC);
	ck_assert_int_eq(op_run(&ctx, STORE_DISCARD, NULL, 0, 4096), -EPERM);
	ck_assert_int_eq(op_run(&ctx, STORE_FLUSH, NULL, 0, 0), 0);
	store_detach(&ctx);
	store_close(&desc);
	fixture_kill(pid);
}
END_TEST

START_TEST(server_dies)
{
	pid_t pid = serve(ARGS{"nbdkit", "-f", "--filter=delay", "memory",
			       "size=1M", "rdelay=60", NULL});
	struct op slow[4];
	unsigned int i;

	must_open();
	for (i = 0; i < 4; i++)
		op_start(&ctx, &slow[i], STORE_READ, buf, 0, 4096);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, 0, 4096), 0);
	fixture_kill(pid);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(op_wait(&slow[i]), -EIO);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, 0, 4096), -EIO);
	store_detach(&ctx);
	ck_assert_int_eq(store_attach(&ctx, &desc, &fixture_loop, &err),
			 -ENOTCONN);
	store_close(&desc);
}
END_TEST

START_TEST(cancelled)
{
	pid_t pid = serve(ARGS{"nbdkit", "-f", "--filter=delay", "memory",
			       "size=1M", "rdelay=60", NULL});
	struct op slow[4];
	unsigned int i;

	must_open();
	for (i = 0; i < 4; i++)
		op_start(&ctx, &slow[i], STORE_READ, buf, 0, 4096);
	store_cancel(&ctx);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(op_wait(&slow[i]), -ECANCELED);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, 0, 4096), -ECANCELED);
	store_detach(&ctx);
	store_close(&desc);
	fixture_kill(pid);
}
END_TEST

/* Queues share the connection, and it is there for the next frontend. */
START_TEST(shared_and_kept)
{
	pid_t pid = serve(ARGS{"nbdkit", "-f", "memory", "size=1M", NULL});
	struct store_ctx other;

	must_open();
	ck_assert_int_eq(store_attach(&other, &desc, &fixture_loop, &err), 0);
	ck_assert_int_eq(op_run(&other, STORE_READ, buf, 0, 4096), 0);
	store_detach(&other);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 0, 4096), 0);
	store_detach(&ctx);
	must_attach();
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 0, 4096), 0);
	store_detach(&ctx);
	/* another worker needs another socket */
	ck_assert_int_eq(store_renew(target, &desc, &err), 0);
	must_attach();
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 0, 4096), 0);
	store_detach(&ctx);
	store_close(&desc);
	fixture_kill(pid);
}
END_TEST

START_TEST(read_only)
{
	pid_t pid = serve(
		ARGS{"nbdkit", "-f", "-r", "memory", "size=1M", NULL});

	ck_assert_int_eq(try_open(false), -EROFS);
	ck_assert(strstr(err.text, "read-only"));
	ck_assert_int_eq(try_open(true), 0);
	must_attach();
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 0, 4096), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, 0, 4096), -EROFS);
	store_detach(&ctx);
	store_close(&desc);
	fixture_kill(pid);
}
END_TEST

START_TEST(exports)
{
	pid_t pid = serve(
		ARGS{"nbdkit", "-f", "file", "dir=/usr/share/doc", NULL});
	int res;

	/* whatever the server says, it is an error with its name in it */
	strcat(target, ":exportname=nothing");
	res = try_open(true);
	ck_assert_int_lt(res, 0);
	ck_assert_msg(strstr(err.text, "no export 'nothing'"), "%s", err.text);
	fixture_kill(pid);
}
END_TEST

/* A server that takes the connection and says nothing. */
START_TEST(server_mute)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert(fd >= 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/mute", fixture_dir);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	snprintf(target, sizeof(target), "nbd:unix:%s", sun.sun_path);
	ck_assert_int_eq(try_open(false), -ETIMEDOUT);
	ck_assert(strstr(err.text, "in time"));
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_nbd");
	TCase *tc = tcase_create("store_nbd");

	if (!fixture_has_nbdkit()) {
		printf("nbdkit is not installed\n");
		return 77;
	}
	tcase_add_checked_fixture(tc, fixture_start, fixture_end);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, contents);
	tcase_add_test(tc, pieces);
	tcase_add_test(tc, server_errors);
	tcase_add_test(tc, server_dies);
	tcase_add_test(tc, cancelled);
	tcase_add_test(tc, shared_and_kept);
	tcase_add_test(tc, read_only);
	tcase_add_test(tc, exports);
	tcase_add_test(tc, server_mute);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
