// SPDX-License-Identifier: MIT
/*
 * Every store through the checked door: contents, ends, bad targets, and what
 * goes wrong below.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "tests/unit/run_suite.h"
#include "tests/unit/store_fixture.h"

#define MIB (UINT64_C(1) << 20)

static struct store_desc desc;
static struct store_ctx ctx;
static struct xs_err err;

static void open_target(const char *target)
{
	struct store_open_how how = {.discard = true};
	int res = store_open(target, &how, &desc, &err);

	ck_assert_msg(!res, "%s: %s", target, err.text);
	res = store_attach(&ctx, &desc, &fixture_loop, &err);
	ck_assert_msg(!res, "%s: %s", target, err.text);
}

static void close_target(void)
{
	store_detach(&ctx);
	store_close(&desc);
}

static void fill(unsigned char *buf, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = (unsigned char)(seed + i * 31 + (i >> 8) * 7);
}

static unsigned char *pages(size_t len)
{
	void *p;

	ck_assert_int_eq(posix_memalign(&p, 4096, len), 0);
	memset(p, 0xee, len);
	return p;
}

static void check_zero(uint64_t offset, size_t len)
{
	unsigned char *buf = pages(len);
	size_t i;

	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, offset, len), 0);
	for (i = 0; i < len && !buf[i]; i++)
		;
	ck_assert_uint_eq(i, len);
	free(buf);
}

/* Written and read in pieces, whole, and with buffers that O_DIRECT hates. */
static void check_contents(void)
{
	size_t len = 3 * 65536;
	unsigned char *in = pages(len), *out = pages(len + 4096);
	struct op op;

	fill(in, len, 1);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, in, 4096, len), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_FLUSH, NULL, 0, 0), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, out, 4096, len), 0);
	ck_assert(!memcmp(in, out, len));
	/* odd address, odd offset, odd length */
	memset(out, 0, len);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, out + 3, 4608, 1536), 0);
	ck_assert(!memcmp(in + 512, out + 3, 1536));
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, out + 3, 512, 1536), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, out + 2048, 512, 1536), 0);
	ck_assert(!memcmp(in + 512, out + 2048, 1536));
	/* several pieces, not adjacent in memory */
	memset(&op, 0, sizeof(op));
	memset(out, 0, len);
	op_start(&ctx, &op, STORE_FLUSH, NULL, 0, 0);
	ck_assert_int_eq((store_kick(&ctx), op_wait(&op)), 0);
	op.ended = false;
	op.iov[0] = (struct iovec){out + 8192, 4096};
	op.iov[1] = (struct iovec){out, 512};
	op.iov[2] = (struct iovec){out + 4096, 3584};
	op.io.iov = op.iov;
	op.io.nr_iov = 3;
	op.io.op = STORE_READ;
	op.io.offset = 8192;
	op.io.len = 8192;
	store_submit(&ctx, &op.io);
	store_kick(&ctx);
	ck_assert_int_eq(op_wait(&op), 0);
	ck_assert(!memcmp(out + 8192, in + 4096, 4096));
	ck_assert(!memcmp(out, in + 8192, 512));
	ck_assert(!memcmp(out + 4096, in + 8704, 3584));
	free(in);
	free(out);
}

static void check_discard(void)
{
	unsigned char *buf = pages(65536);

	if (!desc.discard) {
		ck_assert_int_eq(op_run(&ctx, STORE_DISCARD, NULL, 0, 4096),
				 -EOPNOTSUPP);
		free(buf);
		return;
	}
	fill(buf, 65536, 9);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, MIB, 65536), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_DISCARD, NULL, MIB + 4096, 8192),
			 0);
	ck_assert_int_eq(op_run(&ctx, STORE_DISCARD, NULL, MIB, 0), 0);
	check_zero(MIB + 4096, 8192);
	memset(buf, 0, 4096);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, MIB, 4096), 0);
	ck_assert_uint_eq(buf[1], 9 + 31);
	free(buf);
}

static void check_ends(void)
{
	uint64_t size = desc.size_bytes;
	unsigned char *buf = pages(8192);

	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, size - 512, 512), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, size - 512, 512), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, size, 512), -EINVAL);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, size - 512, 1024),
			 -EINVAL);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, UINT64_MAX - 511, 1024),
			 -EINVAL);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 100, 512), -EINVAL);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 0, 100), -EINVAL);
	free(buf);
}

/* More than any queue below holds, all started by one kick. */
static void check_many(void)
{
	enum { N = 1500 };
	struct op *ops = calloc(N, sizeof(*ops));
	unsigned char *buf = pages(N * 512), *want = pages(N * 512);
	unsigned int i;

	ck_assert(ops);
	fill(buf, N * 512, 3);
	fill(want, N * 512, 3);
	for (i = 0; i < N; i++)
		op_start(&ctx, &ops[i], STORE_WRITE, buf + i * 512, i * 512,
			 512);
	store_kick(&ctx);
	for (i = 0; i < N; i++)
		ck_assert_int_eq(op_wait(&ops[i]), 0);
	ck_assert_uint_eq(ctx.in_flight, 0);
	memset(buf, 0, N * 512);
	for (i = 0; i < N; i++)
		op_start(&ctx, &ops[i], STORE_READ, buf + i * 512, i * 512,
			 512);
	store_kick(&ctx);
	for (i = 0; i < N; i++)
		ck_assert_int_eq(op_wait(&ops[i]), 0);
	ck_assert(!memcmp(buf, want, N * 512));
	free(want);
	free(ops);
	free(buf);
}

static void check_all(const char *target)
{
	open_target(target);
	check_contents();
	check_discard();
	check_ends();
	check_many();
	close_target();
}

START_TEST(file_on_disk)
{
	check_all(fixture_file(fixture_dir, 4 * MIB));
}
END_TEST

START_TEST(file_without_uring)
{
	struct io_uring_engine *uring = fixture_loop.uring;

	fixture_loop.uring = NULL;
	check_all(fixture_file(fixture_dir, 4 * MIB));
	fixture_loop.uring = uring;
}
END_TEST

/* As if the file system had no O_DIRECT. */
START_TEST(file_page_cache)
{
	open_target(fixture_file(fixture_dir, 4 * MIB));
	store_detach(&ctx);
	desc.dio_offset_align = 0;
	ck_assert_int_eq(store_attach(&ctx, &desc, &fixture_loop, &err), 0);
	check_contents();
	check_many();
	close_target();
}
END_TEST

START_TEST(file_in_memory)
{
	static const char dir[] = "/dev/shm";
	const char *path;

	if (access(dir, W_OK))
		return;
	path = fixture_file(dir, 4 * MIB);
	open_target(path);
	unlink(path);
	ck_assert(desc.in_memory);
	ck_assert_uint_eq(desc.nr_fds, 1);
	check_contents();
	check_discard();
	check_ends();
	check_many();
	close_target();
}
END_TEST

static uint64_t blocks_of(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks;
}

/* A sparse image in memory does not grow by being read, and not when what was
 * discarded is read. */
START_TEST(file_in_memory_stays_sparse)
{
	static unsigned char data[MIB];
	const char *path;
	uint64_t blocks;
	struct op op;
	unsigned int i;

	if (access("/dev/shm", W_OK))
		return;
	path = fixture_file("/dev/shm", 4 * MIB);
	open_target(path);
	unlink(path);
	blocks = blocks_of(desc.fd[0]);
	for (i = 0; i < 4; i++)
		check_zero(i * MIB, MIB);
	ck_assert_uint_eq(blocks_of(desc.fd[0]), blocks);
	memset(data, 0x5a, sizeof(data));
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, data, MIB, MIB), 0);
	ck_assert_uint_eq(blocks_of(desc.fd[0]), blocks + MIB / 512);
	for (i = 0; i < 2; i++) {
		/* new, then over what is there */
		memset(data, 0x5a + (int)i, sizeof(data));
		ck_assert_int_eq(op_run(&ctx, STORE_WRITE, data, MIB, MIB), 0);
		memset(data, 0, sizeof(data));
		ck_assert_int_eq(op_run(&ctx, STORE_READ, data, MIB, MIB), 0);
		ck_assert_uint_eq(data[0], 0x5a + i);
		ck_assert_uint_eq(data[MIB - 1], 0x5a + i);
	}
	op_start(&ctx, &op, STORE_DISCARD, NULL, MIB, MIB);
	store_kick(&ctx);
	ck_assert_int_eq(op_wait(&op), 0);
	check_zero(MIB, MIB);
	ck_assert_uint_eq(blocks_of(desc.fd[0]), blocks);
	close_target();
}
END_TEST

START_TEST(times_of_a_file_in_memory)
{
	static const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	const char *path;
	struct stat st;

	if (access("/dev/shm", W_OK))
		return;
	path = fixture_file("/dev/shm", MIB);
	open_target(path);
	unlink(path);
	ck_assert_int_eq(futimens(desc.fd[0], old), 0);
	store_touch(&desc);
	ck_assert_int_eq(fstat(desc.fd[0], &st), 0);
	ck_assert_int_gt(st.st_mtim.tv_sec, 1);
	close_target();
}
END_TEST

START_TEST(file_with_tail)
{
	uint64_t size;
	const char *path = fixture_file(fixture_dir, 8192 + 700);

	open_target(path);
	ck_assert_uint_eq(desc.size_bytes, 8192 + 512);
	check_ends();
	check_zero(8192, 512);
	ck_assert_int_eq(truncate(path, MIB + 1), 0);
	ck_assert_int_eq(store_size(&desc, &size), 0);
	ck_assert_uint_eq(size, MIB);
	close_target();
}
END_TEST

START_TEST(file_truncated_under_us)
{
	const char *path = fixture_file(fixture_dir, MIB);
	unsigned char *buf = pages(8192);

	open_target(path);
	ck_assert_int_eq(truncate(path, 65536 + 4096), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 65536, 4096), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 65536, 8192), -EIO);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 131072, 512), -EIO);
	close_target();
	free(buf);
}
END_TEST

START_TEST(file_cannot_grow)
{
	struct rlimit lim = {MIB, RLIM_INFINITY};
	struct io_uring_engine *uring = fixture_loop.uring;
	unsigned char *buf = pages(4096);

	signal(SIGXFSZ, SIG_IGN);
	open_target(fixture_file(fixture_dir, 4 * MIB));
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &lim), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, 2 * MIB, 4096), -EFBIG);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, 0, 4096), 0);
	store_detach(&ctx);
	fixture_loop.uring = NULL;
	ck_assert_int_eq(store_attach(&ctx, &desc, &fixture_loop, &err), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, 2 * MIB, 4096), -EFBIG);
	fixture_loop.uring = uring;
	close_target();
	free(buf);
}
END_TEST

START_TEST(file_read_only)
{
	struct store_open_how how = {.read_only = true, .discard = true};
	unsigned char *buf = pages(512);

	ck_assert_int_eq(
		store_open(fixture_file(fixture_dir, MIB), &how, &desc, &err),
		0);
	ck_assert(desc.read_only && !desc.discard);
	ck_assert_int_eq(fcntl(desc.fd[0], F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_int_eq(store_attach(&ctx, &desc, &fixture_loop, &err), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 0, 512), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, 0, 512), -EROFS);
	close_target();
	free(buf);
}
END_TEST

START_TEST(file_big_sectors)
{
	struct store_open_how how = {.sector_size = 4096};
	unsigned char *buf = pages(4096);

	ck_assert_int_eq(store_open(fixture_file(fixture_dir, MIB + 512), &how,
				    &desc, &err),
			 0);
	ck_assert_uint_eq(desc.sector_size, 4096);
	ck_assert_uint_eq(desc.size_bytes, MIB);
	ck_assert_int_eq(store_attach(&ctx, &desc, &fixture_loop, &err), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 512, 512), -EINVAL);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 4096, 4096), 0);
	close_target();
	how.sector_size = 520;
	ck_assert_int_eq(store_open("null:1M", &how, &desc, &err), -EINVAL);
	free(buf);
}
END_TEST

/* Ends everything, whatever of it the kernel has begun. */
START_TEST(file_cancel)
{
	enum { N = 1200 };
	struct op *ops = calloc(N, sizeof(*ops));
	unsigned char *buf = pages(4096);
	unsigned int i;
	int res;

	ck_assert(ops);
	open_target(fixture_file(fixture_dir, 4 * MIB));
	for (i = 0; i < N; i++)
		op_start(&ctx, &ops[i], i % 64 ? STORE_READ : STORE_FLUSH, buf,
			 0, i % 64 ? 4096 : 0);
	store_cancel(&ctx);
	for (i = 0; i < N; i++) {
		res = op_wait(&ops[i]);
		ck_assert_msg(!res || res == -ECANCELED, "result %d", res);
	}
	close_target();
	free(ops);
	free(buf);
}
END_TEST

static const struct {
	const char *target;
	int res;
	const char *says;
} bad[] = {
	{"/nonexistent/disk", -ENOENT, "No such file"},
	{"/dev", -EISDIR, "a directory"},
	{"/dev/null", -ENOTBLK, "a character device"},
	{"", -EINVAL, "names nothing"},
	{"memory:", -EINVAL, "names nothing"},
	{"memory:12Q", -EINVAL, "memory:12Q"},
	{"memory:700", -EINVAL, "whole sectors"},
	{"null:99999999T", -ERANGE, "null:99999999T"},
	{"nbd:unix", -EINVAL, "nbd:HOST:PORT"},
	{"nbd:unix:/nonexistent/socket", -ENOENT, "No such file"},
	{"nbd:[::1:10809", -EINVAL, "nbd:HOST:PORT"},
	{"nbd:127.0.0.1:1", -ECONNREFUSED, "refused"},
};

START_TEST(bad_target)
{
	struct store_open_how how = {0};

	ck_assert_int_eq(store_open(bad[_i].target, &how, &desc, &err),
			 bad[_i].res);
	ck_assert_msg(strstr(err.text, bad[_i].says), "'%s'", err.text);
	store_close(&desc); /* harmless */
}
END_TEST

START_TEST(bad_file)
{
	struct store_open_how how = {0};
	char fifo[128];

	ck_assert_int_eq(
		store_open(fixture_file(fixture_dir, 511), &how, &desc, &err),
		-EINVAL);
	ck_assert(strstr(err.text, "shorter than a sector"));
	ck_assert_int_eq(desc.nr_fds, 0);
	snprintf(fifo, sizeof(fifo), "%s/fifo", fixture_dir);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	ck_assert_int_eq(store_open(fifo, &how, &desc, &err), -ENOTBLK);
	ck_assert(strstr(err.text, "a fifo"));
}
END_TEST

START_TEST(memory)
{
	check_all("memory:4M");
}
END_TEST

/* What one worker wrote, the next one reads. */
START_TEST(memory_survives)
{
	unsigned char *buf = pages(512);

	open_target("memory:64k");
	fill(buf, 512, 5);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, 1024, 512), 0);
	store_detach(&ctx);
	ck_assert_int_eq(store_renew("memory:64k", &desc, &err), 0);
	ck_assert_int_eq(store_attach(&ctx, &desc, &fixture_loop, &err), 0);
	memset(buf, 0, 512);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, 1024, 512), 0);
	ck_assert_uint_eq(buf[0], 5);
	ck_assert_int_ne(ftruncate(desc.fd[0], 0), 0);
	close_target();
	free(buf);
}
END_TEST

START_TEST(null)
{
	unsigned char *buf = pages(4096);

	open_target("null:1T");
	ck_assert_uint_eq(desc.size_bytes, MIB * MIB);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf, MIB, 4096), 0);
	ck_assert_uint_eq(buf[0], 0xee);
	ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, MIB, 4096), 0);
	ck_assert_int_eq(op_run(&ctx, STORE_FLUSH, NULL, 0, 0), 0);
	check_ends();
	close_target();
	free(buf);
}
END_TEST

START_TEST(sizes)
{
	static const struct {
		const char *text;
		int res;
		uint64_t bytes;
	} t[] = {
		{"512", 0, 512},
		{"1k", 0, 1024},
		{"64M", 0, 64 * MIB},
		{"2G", 0, 2048 * MIB},
		{"1T", 0, MIB * MIB},
		{"", -EINVAL, 0},
		{"0", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1MB", -EINVAL, 0},
		{"1P", -EINVAL, 0},
		{"M", -EINVAL, 0},
		{"4194304T", 0, UINT64_C(1) << 62},
		{"4194305T", -ERANGE, 0},
		{"99999999999999999999999", -ERANGE, 0},
	};
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint64_t n = 0;

		ck_assert_msg(store_parse_size(t[i].text, &n) == t[i].res, "%s",
			      t[i].text);
		ck_assert_uint_eq(n, t[i].bytes);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store");
	TCase *tc = tcase_create("store");

	tcase_add_checked_fixture(tc, fixture_start, fixture_end);
	tcase_set_timeout(tc, 40);
	tcase_add_test(tc, sizes);
	tcase_add_loop_test(tc, bad_target, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, bad_file);
	tcase_add_test(tc, file_on_disk);
	tcase_add_test(tc, file_without_uring);
	tcase_add_test(tc, file_page_cache);
	tcase_add_test(tc, file_in_memory);
	tcase_add_test(tc, file_in_memory_stays_sparse);
	tcase_add_test(tc, times_of_a_file_in_memory);
	tcase_add_test(tc, file_with_tail);
	tcase_add_test(tc, file_truncated_under_us);
	tcase_add_test(tc, file_cannot_grow);
	tcase_add_test(tc, file_read_only);
	tcase_add_test(tc, file_big_sectors);
	tcase_add_test(tc, file_cancel);
	tcase_add_test(tc, memory);
	tcase_add_test(tc, memory_survives);
	tcase_add_test(tc, null);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
