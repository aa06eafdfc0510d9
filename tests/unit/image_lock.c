// SPDX-License-Identifier: MIT
/* Who may use an image together with whom: within the process, by other names
 * of the same file, and against other processes. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/image_lock.h"
#include "tests/unit/run_suite.h"

static char dir[] = "/tmp/image_lock.XXXXXX";
static char path[64], other_path[64], link_path[64];
static struct image_locks *locks;

static void make_file(const char *name)
{
	int fd = open(name, O_CREAT | O_RDWR, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	close(fd);
}

static void start(void)
{
	strcpy(dir, "/tmp/image_lock.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a", dir);
	snprintf(other_path, sizeof(other_path), "%s/b", dir);
	snprintf(link_path, sizeof(link_path), "%s/link", dir);
	make_file(path);
	make_file(other_path);
	ck_assert_int_eq(link(path, link_path), 0);
	locks = image_locks_new();
	ck_assert_ptr_nonnull(locks);
}

static void end(void)
{
	image_locks_free(locks);
	unlink(path);
	unlink(other_path);
	unlink(link_path);
	rmdir(dir);
}

struct holder {
	int fd;
	struct image_lock *lock;
	struct xs_err err;
};

static int take(struct holder *h, const char *name, enum image_mode mode,
		const char *who)
{
	memset(h, 0, sizeof(*h));
	h->fd = open(name, mode == IMAGE_READ ? O_RDONLY : O_RDWR);
	ck_assert_int_ge(h->fd, 0);
	return image_lock_take(locks, h->fd, name, mode, who, &h->lock,
			       &h->err);
}

static void drop(struct holder *h)
{
	image_lock_drop(locks, h->lock);
	close(h->fd);
}

/* holder, newcomer, result */
static const struct {
	enum image_mode holder, newcomer;
	int res;
} pairs[] = {
	{IMAGE_READ, IMAGE_READ, 0},        {IMAGE_READ, IMAGE_WRITE, -EBUSY},
	{IMAGE_READ, IMAGE_SHARED, 0},      {IMAGE_WRITE, IMAGE_READ, -EBUSY},
	{IMAGE_WRITE, IMAGE_WRITE, -EBUSY}, {IMAGE_WRITE, IMAGE_SHARED, 0},
	{IMAGE_SHARED, IMAGE_READ, 0},      {IMAGE_SHARED, IMAGE_WRITE, -EBUSY},
	{IMAGE_SHARED, IMAGE_SHARED, 0},
};

START_TEST(modes)
{
	struct holder a, b, c;

	ck_assert_int_eq(take(&a, path, pairs[_i].holder, "vbd/2/51712"), 0);
	/* the same file by another name */
	ck_assert_int_eq(take(&b, link_path, pairs[_i].newcomer, "vbd/3/768"),
			 pairs[_i].res);
	if (pairs[_i].res) {
		ck_assert_ptr_nonnull(strstr(b.err.text, "vbd/2/51712"));
		ck_assert_ptr_nonnull(strstr(b.err.text, link_path));
	}
	/* another file is another image */
	ck_assert_int_eq(take(&c, other_path, IMAGE_WRITE, "vbd/4/768"), 0);
	drop(&c);
	drop(&b);
	drop(&a);
	/* and all is free again */
	ck_assert_int_eq(take(&a, path, IMAGE_WRITE, "vbd/5/768"), 0);
	drop(&a);
}
END_TEST

START_TEST(by_name)
{
	struct image_lock *a, *b;
	struct xs_err err;

	ck_assert_int_eq(image_lock_take(locks, -1, "nbd:unix:/x", IMAGE_WRITE,
					 "vbd/2/1", &a, &err),
			 0);
	ck_assert_int_eq(image_lock_take(locks, -1, "nbd:unix:/x", IMAGE_READ,
					 "vbd/2/2", &b, &err),
			 -EBUSY);
	ck_assert_int_eq(image_lock_take(locks, -1, "nbd:unix:/y", IMAGE_WRITE,
					 "vbd/2/2", &b, &err),
			 0);
	image_lock_drop(locks, a);
	image_lock_drop(locks, b);
	image_lock_drop(locks, NULL);
}
END_TEST

/* Exit status: errno of the attempt, by another process. */
static int in_child(enum image_mode mode)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct image_locks *own = image_locks_new();
		struct image_lock *lock;
		struct xs_err err;
		int fd = open(path, mode == IMAGE_READ ? O_RDONLY : O_RDWR);

		_exit(-image_lock_take(own, fd, path, mode, "vbd/9/9", &lock,
				       &err));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(processes)
{
	struct holder a;
	int copy;

	ck_assert_int_eq(take(&a, path, IMAGE_READ, "vbd/2/1"), 0);
	ck_assert_int_eq(in_child(IMAGE_READ), 0);
	ck_assert_int_eq(in_child(IMAGE_WRITE), EAGAIN);
	ck_assert_int_eq(in_child(IMAGE_SHARED), 0);
	drop(&a);
	ck_assert_int_eq(take(&a, path, IMAGE_WRITE, "vbd/2/1"), 0);
	ck_assert_int_eq(in_child(IMAGE_READ), EAGAIN);
	ck_assert_int_eq(in_child(IMAGE_WRITE), EAGAIN);
	ck_assert_int_eq(in_child(IMAGE_SHARED), 0);
	/* what a worker has keeps the lock */
	copy = dup(a.fd);
	drop(&a);
	ck_assert_int_eq(in_child(IMAGE_WRITE), EAGAIN);
	close(copy);
	ck_assert_int_eq(in_child(IMAGE_WRITE), 0);
}
END_TEST

START_TEST(bad_descriptor)
{
	struct image_lock *lock;
	struct xs_err err;

	ck_assert_int_eq(image_lock_take(locks, 1000000, "gone", IMAGE_READ,
					 "vbd/2/1", &lock, &err),
			 -EBADF);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("image_lock");
	TCase *tc = tcase_create("image_lock");

	tcase_add_checked_fixture(tc, start, end);
	tcase_add_loop_test(tc, modes, 0, sizeof(pairs) / sizeof(pairs[0]));
	tcase_add_test(tc, by_name);
	tcase_add_test(tc, processes);
	tcase_add_test(tc, bad_descriptor);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
