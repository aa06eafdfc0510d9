// SPDX-License-Identifier: MIT
/*
 * A process that is killed, whose memory stays until its companion is told.
 * Whether it is there: a memfd cannot be sealed while anybody may write to it
 * through a mapping.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/mem_keeper.h"
#include "tests/unit/run_suite.h"

static int memory, sock;
static pid_t worker;

/* Maps the memory, starts its companion, and writes there when it is told. */
static void be_worker(int keeper, int told)
{
	volatile char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
				memory, 0);
	char c;

	if (p == MAP_FAILED || mem_keeper_start(keeper))
		_exit(1);
	while (write(told, "", 1) == 1 && read(told, &c, 1) == 1)
		p[0] = c;
	_exit(2);
}

static int told;

static void setup(void)
{
	int keeper[2], tell[2];
	char c;

	memory = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_ge(memory, 0);
	ck_assert_int_eq(ftruncate(memory, 4096), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, keeper), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, tell), 0);
	worker = fork();
	ck_assert_int_ge(worker, 0);
	if (!worker) {
		close(keeper[0]);
		close(tell[0]);
		be_worker(keeper[1], tell[1]);
	}
	close(keeper[1]);
	close(tell[1]);
	sock = keeper[0];
	told = tell[0];
	ck_assert_int_eq(read(told, &c, 1), 1);
}

static void teardown(void)
{
	close(memory);
	close(told);
}

static void kill_worker(void)
{
	ck_assert_int_eq(kill(worker, SIGKILL), 0);
	ck_assert_int_eq(waitpid(worker, NULL, 0), worker);
}

static bool is_there(void)
{
	if (!fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE))
		return false;
	ck_assert_int_eq(errno, EBUSY);
	return true;
}

static void wait_gone(void)
{
	static const struct timespec tick = {.tv_nsec = 1000000};

	while (!mem_keeper_let_go(sock))
		nanosleep(&tick, NULL);
}

START_TEST(outlives_the_worker)
{
	char c;

	kill_worker();
	/* nothing else of it is left */
	ck_assert_int_eq(read(told, &c, 1), 0);
	ck_assert(is_there());
	wait_gone();
	ck_assert(!is_there());
	close(sock);
}
END_TEST

START_TEST(without_the_companion)
{
	char c, got;

	wait_gone();
	ck_assert_int_eq(write(told, "x", 1), 1);
	ck_assert_int_eq(read(told, &c, 1), 1);
	ck_assert_int_eq(pread(memory, &got, 1, 0), 1);
	ck_assert_int_eq(got, 'x');
	ck_assert(is_there());
	kill_worker();
	ck_assert(!is_there());
	close(sock);
}
END_TEST

START_TEST(without_a_supervisor)
{
	static const struct timespec tick = {.tv_nsec = 10000000};

	close(sock);
	kill_worker();
	ck_assert(is_there());
	while (is_there())
		nanosleep(&tick, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mem_keeper");
	TCase *c = tcase_create("companion");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 30);
	tcase_add_test(c, outlives_the_worker);
	tcase_add_test(c, without_the_companion);
	tcase_add_test(c, without_a_supervisor);
	suite_add_tcase(s, c);
	return run_suite(s);
}
