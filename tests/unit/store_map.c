// SPDX-License-Identifier: MIT
/*
 * A mapped file in memory: the right bytes move, holes stay holes, and what is
 * not there any more is left to the descriptor and is not the end.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/store_map.h"
#include "tests/unit/run_suite.h"

#define PAGE  4096u
#define PAGES 400u
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static int fd;
static struct store_map *map;
static unsigned char *buf, *want;

static void fill(unsigned int page, unsigned int nr)
{
	ck_assert_int_eq(pwrite(fd, want + page * PAGE, nr * PAGE, page * PAGE),
			 nr * PAGE);
}

static void set_up(void)
{
	unsigned int i;

	fd = memfd_create("store_map", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	/* and half a page, which is not mapped */
	ck_assert_int_eq(ftruncate(fd, PAGES * PAGE + PAGE / 2), 0);
	buf = malloc(PAGES * PAGE);
	want = malloc(PAGES * PAGE);
	ck_assert(buf && want);
	for (i = 0; i < PAGES * PAGE; i++)
		want[i] = (unsigned char)(i * 31 + (i >> 8) * 7 + (i >> 12));
	fill(10, 200);
	map = store_map_create(fd, PAGES * PAGE + PAGE / 2, false);
	ck_assert_ptr_nonnull(map);
}

static void tear_down(void)
{
	store_map_destroy(map);
	close(fd);
	free(buf);
	free(want);
}

static uint64_t pages_in_memory(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512 / PAGE;
}

/* In two pieces of memory; -1: not this way. */
static int move(enum store_op op, uint64_t offset, uint64_t len)
{
	size_t first = len > 512 ? 512 : len;
	struct iovec iov[2] = {{buf, first}, {buf + first, len - first}};
	struct store_io io = {.op = op,
			      .iov = iov,
			      .nr_iov = len > first ? 2 : 1,
			      .offset = offset,
			      .len = len};

	return store_map_move(map, &io) ? 0 : -1;
}

START_TEST(data_moves)
{
	ck_assert_int_eq(move(STORE_READ, 10 * PAGE, 200 * PAGE), 0);
	ck_assert_mem_eq(buf, want + 10 * PAGE, 200 * PAGE);
	ck_assert_int_eq(move(STORE_READ, 12 * PAGE + 512, 7 * PAGE), 0);
	ck_assert_mem_eq(buf, want + 12 * PAGE + 512, 7 * PAGE);
	memset(buf, 7, 3 * PAGE);
	ck_assert_int_eq(move(STORE_WRITE, 64 * PAGE + 1024, 2 * PAGE), 0);
	memset(want + 64 * PAGE + 1024, 7, 2 * PAGE);
	ck_assert_int_eq(pread(fd, buf, 200 * PAGE, 10 * PAGE), 200 * PAGE);
	ck_assert_mem_eq(buf, want + 10 * PAGE, 200 * PAGE);
}
END_TEST

START_TEST(holes_are_not_touched)
{
	static const struct {
		uint64_t offset, len;
	} out[] = {
		{0, PAGE},
		{9 * PAGE, 2 * PAGE},
		{9 * PAGE + 512, PAGE},
		{209 * PAGE, 2 * PAGE},
		{209 * PAGE + 3584, 1024},
		{399 * PAGE, PAGE},
		{10 * PAGE, 390 * PAGE},
		{PAGES * PAGE, 512}, /* not mapped */
		{20 * PAGE, 0},
	};
	unsigned int i;

	for (i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		ck_assert_int_eq(move(STORE_READ, out[i].offset, out[i].len),
				 -1);
		ck_assert_int_eq(move(STORE_WRITE, out[i].offset, out[i].len),
				 -1);
	}
	ck_assert_uint_eq(pages_in_memory(), 200);
}
END_TEST

START_TEST(filled_and_emptied)
{
	fill(300, 3);
	ck_assert_int_eq(move(STORE_READ, 300 * PAGE, PAGE), -1);
	store_map_filled(map, 300 * PAGE, 2 * PAGE + 1);
	ck_assert_int_eq(move(STORE_READ, 300 * PAGE, 3 * PAGE), 0);
	ck_assert_mem_eq(buf, want + 300 * PAGE, 3 * PAGE);
	ck_assert_int_eq(move(STORE_READ, 299 * PAGE, 2 * PAGE), -1);
	ck_assert_int_eq(move(STORE_READ, 302 * PAGE, 2 * PAGE), -1);
	store_map_emptied(map, 50 * PAGE, 100 * PAGE);
	ck_assert_int_eq(fallocate(fd, PUNCH, 50 * PAGE, 100 * PAGE), 0);
	ck_assert_int_eq(move(STORE_READ, 49 * PAGE, 2 * PAGE), -1);
	ck_assert_int_eq(move(STORE_READ, 149 * PAGE, PAGE), -1);
	ck_assert_int_eq(move(STORE_READ, 49 * PAGE, PAGE), 0);
	ck_assert_int_eq(move(STORE_READ, 150 * PAGE, PAGE), 0);
	ck_assert_uint_eq(pages_in_memory(), 103);
	/* over the end of what is mapped */
	store_map_filled(map, 398 * PAGE, 100 * PAGE);
	store_map_emptied(map, 399 * PAGE, 100 * PAGE);
	store_map_filled(map, PAGES * PAGE, PAGE);
}
END_TEST

/* Whoever punches a hole behind our back: zeroes, as from any hole. */
START_TEST(a_hole_unknown)
{
	static const unsigned char zero[PAGE];

	ck_assert_int_eq(fallocate(fd, PUNCH, 20 * PAGE, PAGE), 0);
	ck_assert_int_eq(move(STORE_READ, 20 * PAGE, PAGE), 0);
	ck_assert_mem_eq(buf, zero, PAGE);
}
END_TEST

START_TEST(cut_off)
{
	enum store_op op = _i ? STORE_WRITE : STORE_READ;

	ck_assert_int_eq(ftruncate(fd, 100 * PAGE), 0);
	ck_assert_int_eq(move(op, 98 * PAGE, 3 * PAGE), -1);
	ck_assert_int_eq(move(op, 150 * PAGE, PAGE), -1);
	ck_assert_int_eq(move(op, 97 * PAGE, PAGE), 0);
	ck_assert_int_eq(ftruncate(fd, PAGES * PAGE), 0);
	/* it is the descriptor's now, until that has written it */
	ck_assert_int_eq(move(op, 150 * PAGE, PAGE), -1);
	store_map_filled(map, 150 * PAGE, PAGE);
	ck_assert_int_eq(move(op, 150 * PAGE, PAGE), 0);
}
END_TEST

/* What one queue writes or discards, the other knows. */
START_TEST(two_queues)
{
	struct store_map *first = map;
	struct store_map *other = store_map_create(fd, PAGES * PAGE + PAGE / 2,
						   false);

	ck_assert_ptr_nonnull(other);
	store_map_emptied(other, 20 * PAGE, PAGE);
	ck_assert_int_eq(fallocate(fd, PUNCH, 20 * PAGE, PAGE), 0);
	ck_assert_int_eq(move(STORE_READ, 20 * PAGE, PAGE), -1);
	ck_assert_uint_eq(pages_in_memory(), 199);
	fill(300, 1);
	store_map_filled(map, 300 * PAGE, PAGE);
	map = other;
	ck_assert_int_eq(move(STORE_READ, 300 * PAGE, PAGE), 0);
	store_map_destroy(first);
	ck_assert_int_eq(move(STORE_READ, 300 * PAGE, PAGE), 0);
	ck_assert_mem_eq(buf, want + 300 * PAGE, PAGE);
	ck_assert_uint_eq(pages_in_memory(), 200);
}
END_TEST

/* Nobody's SIGBUS is anybody else's. */
START_TEST(another_sigbus)
{
	volatile char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd,
				10 * PAGE);

	ck_assert(p != MAP_FAILED);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	(void)*p;
}
END_TEST

START_TEST(read_only)
{
	char path[] = "/proc/self/fd/0123456789";
	struct store_map *m;
	struct iovec iov = {buf, PAGE};
	struct store_io io = {.op = STORE_READ,
			      .iov = &iov,
			      .nr_iov = 1,
			      .offset = 10 * PAGE,
			      .len = PAGE};
	int ro;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(ro, 0);
	store_map_destroy(map);
	map = NULL;
	ck_assert_ptr_null(store_map_create(ro, PAGES * PAGE, false));
	m = store_map_create(ro, PAGES * PAGE, true);
	ck_assert_ptr_nonnull(m);
	ck_assert(store_map_move(m, &io));
	ck_assert_mem_eq(buf, want + 10 * PAGE, PAGE);
	store_map_destroy(m);
	close(ro);
}
END_TEST

/* Less than a page; what is not tmpfs. */
START_TEST(not_mapped)
{
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_ptr_null(store_map_create(fd, 512, false));
	ck_assert_ptr_null(store_map_create(-1, PAGE, false));
	ck_assert_ptr_null(store_map_create(pipes[1], PAGE, false));
	close(pipes[0]);
	close(pipes[1]);
	store_map_destroy(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_map");
	TCase *t = tcase_create("a file in memory");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, data_moves);
	tcase_add_test(t, holes_are_not_touched);
	tcase_add_test(t, filled_and_emptied);
	tcase_add_test(t, a_hole_unknown);
	tcase_add_loop_test(t, cut_off, 0, 2);
	tcase_add_test_raise_signal(t, another_sigbus, SIGBUS);
	tcase_add_test(t, two_queues);
	tcase_add_test(t, read_only);
	tcase_add_test(t, not_mapped);
	suite_add_tcase(s, t);
	return run_suite(s);
}
