// SPDX-License-Identifier: MIT
/* Packets between supervisor and worker: what a worker that was broken into
 * may send leaves nothing behind. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/worker_proto.h"
#include "tests/unit/run_suite.h"

static int pair[2];

static void setup(void)
{
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static void teardown(void)
{
	close(pair[0]);
	close(pair[1]);
}

static unsigned int nr_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	ck_assert(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static void send_bare(const void *data, size_t len, unsigned int nr_fds)
{
	union {
		char buf[CMSG_SPACE(16 * sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {(void *)data, len};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = CMSG_SPACE(nr_fds * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	unsigned int i;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
	for (i = 0; i < nr_fds; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &pair[0], sizeof(int));
	ck_assert_int_eq(sendmsg(pair[1], &mh, 0), (ssize_t)len);
}

static int receive(unsigned int *nr_fds)
{
	struct worker_msg msg;
	int fds[WORKER_MAX_FDS];
	int err;

	*nr_fds = WORKER_MAX_FDS;
	err = worker_recv(pair[0], &msg, fds, nr_fds);
	for (unsigned int i = 0; i < *nr_fds; i++)
		close(fds[i]);
	return err;
}

START_TEST(there_and_back)
{
	struct worker_msg out = {.op = WORKER_READY, .seq = 5};
	unsigned int nr, before = nr_open();

	ck_assert_int_eq(worker_send(pair[1], &out, pair, 2), 0);
	ck_assert_int_eq(receive(&nr), 0);
	ck_assert_uint_eq(nr, 2);
	ck_assert_uint_eq(nr_open(), before);
}
END_TEST

/* length, descriptors */
static const unsigned int bad[][2] = {
	{0, 1},
	{0, 8},
	{0, 16},
	{1, 3},
	{sizeof(struct worker_msg) - 1, 8},
	{sizeof(struct worker_msg), WORKER_MAX_FDS + 1},
	{sizeof(struct worker_msg) + 1, 2},
};

START_TEST(malformed)
{
	static const char data[sizeof(struct worker_msg) + 1];
	unsigned int nr, before = nr_open();

	send_bare(data, bad[_i][0], bad[_i][1]);
	ck_assert_int_eq(receive(&nr), -EPROTO);
	ck_assert_uint_eq(nr, 0);
	ck_assert_uint_eq(nr_open(), before);
}
END_TEST

START_TEST(the_end)
{
	unsigned int nr;

	shutdown(pair[1], SHUT_RDWR);
	ck_assert_int_eq(receive(&nr), -ECONNRESET);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker_proto");
	TCase *t = tcase_create("packets");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, there_and_back);
	tcase_add_loop_test(t, malformed, 0,
			    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_test(t, the_end);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
