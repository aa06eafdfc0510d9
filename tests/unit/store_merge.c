// SPDX-License-Identifier: MIT
/*
 * Requests of the file store that continue each other: joined to one operation
 * where they may be, each with its own data and its own result, whatever goes
 * wrong with the whole.  Each test runs on every way the store has to a file.
 */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backend/store_file_merge.h"
#include "tests/unit/run_suite.h"
#include "tests/unit/store_fixture.h"

#define MIB   (UINT64_C(1) << 20)
#define PAGE  4096u
#define DISK  (4 * MIB)
#define MANY  640u /* more operations than MERGE_OPS, joined by twos */
#define PIECE (MERGE_MAX_IOV - 1)

_Static_assert(MERGE_MAX_IOV <= IOV_MAX, "one system call");

enum way { DIRECT, AT_ONCE, PAGE_CACHE, IN_MEMORY, NR_WAYS };

static struct store_desc desc;
static struct store_ctx ctx;
static struct io_uring_engine *uring;
static struct op ops[MANY];
static unsigned char *buf, *want;
static const char *path;

static void setup(enum way way)
{
	struct store_open_how how = {.discard = true};
	const char *dir = way == IN_MEMORY && !access("/dev/shm", W_OK)
				  ? "/dev/shm"
				  : fixture_dir;
	struct xs_err err;
	unsigned int i;

	path = fixture_file(dir, DISK);
	ck_assert_int_eq(store_open(path, &how, &desc, &err), 0);
	if (way == PAGE_CACHE)
		desc.dio_offset_align = 0;
	uring = fixture_loop.uring;
	if (way == AT_ONCE)
		fixture_loop.uring = NULL;
	ck_assert_int_eq(store_attach(&ctx, &desc, &fixture_loop, &err), 0);
	buf = mmap(NULL, DISK, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	want = malloc(DISK);
	ck_assert(buf != MAP_FAILED && want);
	for (i = 0; i < DISK; i++)
		want[i] = (unsigned char)(i * 31 + (i >> 8) * 7 + (i >> 12));
	memcpy(buf, want, DISK);
	/* in memory behind the store's back: what it knows to hold data is
	 * moved at once, and not joined with anything */
	if (way == IN_MEMORY)
		ck_assert_int_eq(pwrite(desc.fd[0], buf, DISK, 0), DISK);
	else
		ck_assert_int_eq(op_run(&ctx, STORE_WRITE, buf, 0, DISK), 0);
	memset(buf, 0xee, DISK);
	ck_assert_uint_eq(ctx.merged, 0);
}

static void teardown(void)
{
	ck_assert_uint_eq(ctx.in_flight, 0);
	store_detach(&ctx);
	store_close(&desc);
	fixture_loop.uring = uring;
	unlink(path);
	munmap(buf, DISK);
	free(want);
}

static void page_op(unsigned int i, enum store_op what, unsigned int page)
{
	op_start(&ctx, &ops[i], what, buf + i * PAGE, (uint64_t)page * PAGE,
		 PAGE);
}

static void wait_all(unsigned int nr, int res)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		ck_assert_int_eq(op_wait(&ops[i]), res);
}

/* How many were joined since the last call. */
static unsigned int joined(void)
{
	static uint64_t before;
	unsigned int n = (unsigned int)(ctx.merged - before);

	before = ctx.merged;
	return n;
}

START_TEST(reads_and_writes)
{
	unsigned int i;

	setup(_i);
	for (i = 0; i < 32; i++)
		page_op(i, STORE_READ, 100 + i);
	for (i = 0; i < 32; i++)
		ck_assert(!ops[i].ended); /* held back */
	store_kick(&ctx);
	wait_all(32, 0);
	ck_assert_uint_eq(joined(), 32);
	ck_assert(!memcmp(buf, want + 100 * PAGE, 32 * PAGE));

	/* from pages in the opposite order: as many pieces as requests */
	for (i = 0; i < 32; i++)
		op_start(&ctx, &ops[i], STORE_WRITE, buf + (31 - i) * PAGE,
			 (uint64_t)(500 + i) * PAGE, PAGE);
	store_kick(&ctx);
	wait_all(32, 0);
	ck_assert_uint_eq(joined(), 32);
	ck_assert_int_eq(
		op_run(&ctx, STORE_READ, buf + MIB, 500 * PAGE, 32 * PAGE), 0);
	for (i = 0; i < 32; i++)
		ck_assert(!memcmp(buf + MIB + i * PAGE, want + (131 - i) * PAGE,
				  PAGE));
	teardown();
}
END_TEST

START_TEST(what_is_not_joined)
{
	setup(_i);
	page_op(0, STORE_READ, 10);
	page_op(1, STORE_READ, 12);  /* a gap */
	page_op(2, STORE_READ, 11);  /* backwards */
	page_op(3, STORE_READ, 11);  /* the same again */
	page_op(4, STORE_WRITE, 12); /* the other direction */
	op_start(&ctx, &ops[5], STORE_FLUSH, NULL, 0, 0);
	page_op(6, STORE_WRITE, 13); /* a flush between */
	store_kick(&ctx);
	page_op(7, STORE_WRITE, 14); /* of another batch */
	store_kick(&ctx);
	wait_all(8, 0);
	ck_assert_uint_eq(joined(), 0);
	ck_assert(!memcmp(buf, want + 10 * PAGE, PAGE));
	ck_assert(!memcmp(buf + 3 * PAGE, want + 11 * PAGE, PAGE));
	teardown();
}
END_TEST

/* What O_DIRECT cannot do goes another way than what it can. */
START_TEST(odd_alignment)
{
	bool direct;

	setup(_i);
	direct = desc.dio_offset_align != 0;
	op_start(&ctx, &ops[0], STORE_READ, buf, 0, PAGE);
	op_start(&ctx, &ops[1], STORE_READ, buf + PAGE + 1, PAGE, PAGE);
	op_start(&ctx, &ops[2], STORE_READ, buf + 3 * PAGE, 2 * PAGE, PAGE);
	store_kick(&ctx);
	wait_all(3, 0);
	ck_assert_uint_eq(joined(), direct ? 0 : 3);
	ck_assert(!memcmp(buf, want, PAGE));
	ck_assert(!memcmp(buf + PAGE + 1, want + PAGE, PAGE));
	ck_assert(!memcmp(buf + 3 * PAGE, want + 2 * PAGE, PAGE));
	teardown();
}
END_TEST

/* Bytes of an operation are bounded. */
START_TEST(at_the_limit_of_bytes)
{
	uint64_t most = MERGE_MAX_BYTES;

	setup(_i);
	op_start(&ctx, &ops[0], STORE_READ, buf, 0, most - PAGE);
	op_start(&ctx, &ops[1], STORE_READ, buf + most - PAGE, most - PAGE,
		 PAGE);
	op_start(&ctx, &ops[2], STORE_READ, buf + most, most, PAGE);
	op_start(&ctx, &ops[3], STORE_READ, buf + most + PAGE, most + PAGE,
		 most);
	op_start(&ctx, &ops[4], STORE_READ, buf + 2 * most + PAGE,
		 2 * most + PAGE, most);
	store_kick(&ctx);
	wait_all(5, 0);
	ck_assert_uint_eq(joined(), 2);
	ck_assert(!memcmp(buf, want, 3 * most + PAGE));
	teardown();
}
END_TEST

static struct iovec *sectors(unsigned int nr, unsigned int from)
{
	struct iovec *iov = calloc(nr, sizeof(*iov));
	unsigned int i;

	ck_assert(iov);
	/* every other sector of memory: never adjacent */
	for (i = 0; i < nr; i++)
		iov[i] = (struct iovec){buf + (from + i) * 1024, 512};
	return iov;
}

static void op_start_iov(unsigned int i, struct iovec *iov, unsigned int nr,
			 uint64_t offset)
{
	op_start(&ctx, &ops[i], STORE_FLUSH, NULL, 0, 0);
	store_kick(&ctx);
	ck_assert_int_eq(op_wait(&ops[i]), 0);
	ops[i].ended = false;
	ops[i].io.op = STORE_READ;
	ops[i].io.iov = iov;
	ops[i].io.nr_iov = nr;
	ops[i].io.offset = offset;
	ops[i].io.len = nr * 512u;
}

/* So are its pieces. */
START_TEST(at_the_limit_of_pieces)
{
	static const unsigned int nr[] = {PIECE, 1, 1, PIECE, 2, IOV_MAX + 8};
	struct iovec *iov[6];
	unsigned int i, j, at = 0;

	setup(_i);
	for (i = 0; i < 6; i++) {
		iov[i] = sectors(nr[i], at);
		op_start_iov(i, iov[i], nr[i], at * 512u);
		at += nr[i];
	}
	for (i = 0; i < 6; i++)
		store_submit(&ctx, &ops[i].io);
	store_kick(&ctx);
	wait_all(6, 0);
	/* 255 and 1; 1 and 255; 2 alone; a long one, which has its own way */
	ck_assert_uint_eq(joined(), 4);
	for (j = 0; j < at; j++)
		ck_assert(!memcmp(buf + j * 1024, want + j * 512, 512));
	for (i = 0; i < 6; i++)
		free(iov[i]);
	teardown();
}
END_TEST

/* More runs at a time than can be operations; the rest goes one by one. */
START_TEST(more_than_fit)
{
	unsigned int i;

	setup(_i);
	for (i = 0; i < MANY; i++)
		page_op(i, STORE_READ, i + i / 2 % (DISK / PAGE - MANY));
	store_kick(&ctx);
	wait_all(MANY, 0);
	ck_assert_uint_ge(joined(), 2 * MERGE_OPS);
	for (i = 0; i < MANY; i++)
		ck_assert(!memcmp(buf + i * PAGE,
				  want + (i + i / 2 % (DISK / PAGE - MANY)) *
						  PAGE,
				  PAGE));
	teardown();
}
END_TEST

/* The file ends within a run: those before the end have their data. */
START_TEST(short_file)
{
	unsigned int i;

	setup(_i);
	ck_assert_int_eq(truncate(path, 20 * PAGE + 512), 0);
	for (i = 0; i < 32; i++)
		page_op(i, STORE_READ, i);
	store_kick(&ctx);
	for (i = 0; i < 32; i++)
		ck_assert_int_eq(op_wait(&ops[i]), i < 20 ? 0 : -EIO);
	ck_assert_uint_eq(joined(), 32);
	ck_assert(!memcmp(buf, want, 20 * PAGE));
	teardown();
}
END_TEST

/* The file cannot grow: what is before the limit is written. */
START_TEST(file_size_limit)
{
	struct rlimit lim = {16 * PAGE, RLIM_INFINITY};
	unsigned int i;

	signal(SIGXFSZ, SIG_IGN);
	setup(_i);
	memcpy(buf, want + MIB, 32 * PAGE);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &lim), 0);
	for (i = 0; i < 32; i++)
		page_op(i, STORE_WRITE, i);
	store_kick(&ctx);
	for (i = 0; i < 32; i++)
		ck_assert_int_eq(op_wait(&ops[i]), i < 16 ? 0 : -EFBIG);
	ck_assert_uint_eq(joined(), 32);
	ck_assert_int_eq(op_run(&ctx, STORE_READ, buf + MIB, 0, 32 * PAGE), 0);
	ck_assert(!memcmp(buf + MIB, want + MIB, 16 * PAGE));
	ck_assert(!memcmp(buf + MIB + 16 * PAGE, want + 16 * PAGE, 16 * PAGE));
	teardown();
}
END_TEST

/* Memory of one of them is gone: its error, and nobody else's. */
START_TEST(bad_memory)
{
	static const enum store_op what[] = {STORE_READ, STORE_WRITE};
	unsigned int i, j;

	setup(_i);
	ck_assert_int_eq(mprotect(buf + 7 * PAGE, PAGE, PROT_NONE), 0);
	for (j = 0; j < 2; j++) {
		for (i = 0; i < 16; i++)
			page_op(i, what[j], 40 + i);
		store_kick(&ctx);
		for (i = 0; i < 16; i++)
			ck_assert_int_eq(op_wait(&ops[i]),
					 i == 7 ? -EFAULT : 0);
		ck_assert_uint_eq(joined(), 16);
	}
	ck_assert(!memcmp(buf, want + 40 * PAGE, 7 * PAGE));
	ck_assert(!memcmp(buf + 8 * PAGE, want + 48 * PAGE, 8 * PAGE));
	teardown();
}
END_TEST

/* Cancelled while held back, and while under way. */
START_TEST(cancelled)
{
	unsigned int i, kicked;
	int res;

	setup(_i);
	for (kicked = 0; kicked < 2; kicked++) {
		for (i = 0; i < MANY; i++)
			page_op(i, STORE_READ, i);
		if (kicked)
			store_kick(&ctx);
		store_cancel(&ctx);
		for (i = 0; i < MANY; i++) {
			res = op_wait(&ops[i]);
			ck_assert_msg(!res || res == -ECANCELED, "result %d",
				      res);
		}
		if (!kicked)
			ck_assert_int_eq(ops[MANY - 1].res, -ECANCELED);
	}
	joined();
	teardown();
}
END_TEST

static unsigned int chained;

static void chain(struct store_io *io, int res)
{
	ck_assert_int_eq(res, 0);
	if (++chained < 64) {
		io->offset += PAGE;
		io->iov = ops[0].iov;
		io->iov[0] = (struct iovec){buf, PAGE};
		store_submit(&ctx, io);
		store_kick(&ctx);
	} else {
		ops[0].ended = true;
	}
}

/* A request that is submitted again where it ends, next to others. */
START_TEST(submitted_from_done)
{
	unsigned int i;

	setup(_i);
	chained = 0;
	page_op(0, STORE_READ, 0);
	ops[0].io.done = chain;
	for (i = 1; i < 8; i++)
		page_op(i, STORE_READ, i);
	store_kick(&ctx);
	wait_all(8, 0);
	ck_assert_uint_eq(chained, 64);
	ck_assert_uint_ge(joined(), 8);
	ck_assert(!memcmp(buf, want + 63 * PAGE, PAGE));
	ck_assert(!memcmp(buf + PAGE, want + PAGE, 7 * PAGE));
	teardown();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_merge");
	TCase *tc = tcase_create("store_merge");

	tcase_add_checked_fixture(tc, fixture_start, fixture_end);
	tcase_set_timeout(tc, 40);
	tcase_add_loop_test(tc, reads_and_writes, 0, NR_WAYS);
	tcase_add_loop_test(tc, what_is_not_joined, 0, NR_WAYS);
	tcase_add_loop_test(tc, odd_alignment, 0, NR_WAYS);
	tcase_add_loop_test(tc, at_the_limit_of_bytes, 0, NR_WAYS);
	tcase_add_loop_test(tc, at_the_limit_of_pieces, 0, NR_WAYS);
	tcase_add_loop_test(tc, more_than_fit, 0, NR_WAYS);
	tcase_add_loop_test(tc, short_file, 0, NR_WAYS);
	tcase_add_loop_test(tc, file_size_limit, 0, NR_WAYS);
	tcase_add_loop_test(tc, bad_memory, 0, NR_WAYS);
	tcase_add_loop_test(tc, cancelled, 0, NR_WAYS);
	tcase_add_loop_test(tc, submitted_from_done, 0, NR_WAYS);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
