// SPDX-License-Identifier: MIT
/*
 * A process that is killed, whose memory stays until its companion is killed.
 * Whether it is there: a memfd cannot be sealed while anybody may write to it
 * through a mapping.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/mem_keeper.h"
#include "backend/worker_proto.h"
#include "tests/unit/run_suite.h"

static int memory, sock, keeper, told;
static pid_t worker;

static void tick(void)
{
	static const struct timespec t = {.tv_nsec = 1000000};

	nanosleep(&t, NULL);
}

/* Maps the memory, starts its companion, and writes there when it is told. */
static void be_worker(int keeper_sock, int tell, bool ready)
{
	volatile char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
				memory, 0);
	struct worker_msg m = {.op = WORKER_READY};
	int pidfd;
	char c;

	if (p == MAP_FAILED || mem_keeper_start(keeper_sock, &pidfd))
		_exit(1);
	if (!ready)
		_exit(0);
	if (worker_send(tell, &m, &pidfd, 1) || close(pidfd))
		_exit(1);
	while (read(tell, &c, 1) == 1) {
		p[0] = c;
		if (write(tell, "", 1) != 1)
			break;
	}
	_exit(2);
}

static void start(bool ready)
{
	int pair[2], tell[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, tell), 0);
	worker = fork();
	ck_assert_int_ge(worker, 0);
	if (!worker) {
		close(pair[0]);
		close(tell[0]);
		be_worker(pair[1], tell[1], ready);
	}
	close(pair[1]);
	close(tell[1]);
	sock = pair[0];
	told = tell[0];
}

static void start_ready(void)
{
	struct worker_msg m;
	unsigned int nr = 1;

	start(true);
	ck_assert_int_eq(worker_recv(told, &m, &keeper, &nr), 0);
	ck_assert_uint_eq(nr, 1);
}

static void setup(void)
{
	/* so that it is known how companions end */
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	memory = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_ge(memory, 0);
	ck_assert_int_eq(ftruncate(memory, 4096), 0);
	keeper = -1;
}

static void teardown(void)
{
	close(memory);
	close(told);
	if (keeper >= 0)
		close(keeper);
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

static void signal_keeper(int sig)
{
	syscall(SYS_pidfd_send_signal, keeper, sig, NULL, 0);
}

static void wait_gone(void)
{
	while (!mem_keeper_end(keeper))
		tick();
}

/* By a signal, or by itself if that is 0. */
static void check_end(int sig)
{
	siginfo_t info;

	ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED | __WALL), 0);
	ck_assert_int_eq(info.si_code, sig ? CLD_KILLED : CLD_EXITED);
	ck_assert_int_eq(info.si_status, sig);
}

START_TEST(outlives_the_worker)
{
	char c;

	start_ready();
	kill_worker();
	/* nothing else of it is left */
	ck_assert_int_eq(read(told, &c, 1), 0);
	ck_assert(is_there());
	signal_keeper(SIGTERM);
	ck_assert(is_there());
	wait_gone();
	ck_assert(!is_there());
	check_end(SIGKILL);
	/* asked once more */
	ck_assert(mem_keeper_end(keeper));
	close(sock);
}
END_TEST

/* Nor one that was made to do something else. */
START_TEST(need_not_help)
{
	start_ready();
	signal_keeper(SIGSTOP);
	kill_worker();
	close(sock);
	ck_assert(is_there());
	wait_gone();
	ck_assert(!is_there());
	check_end(SIGKILL);
}
END_TEST

START_TEST(without_the_companion)
{
	char c, got;

	start_ready();
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
	start_ready();
	close(sock);
	kill_worker();
	ck_assert(is_there());
	/* it does not mind being stopped while it sleeps */
	while (is_there()) {
		signal_keeper(SIGSTOP);
		signal_keeper(SIGCONT);
		tick();
	}
	check_end(0);
}
END_TEST

START_TEST(worker_died_before_ready)
{
	int status;

	start(false);
	ck_assert_int_eq(waitpid(worker, &status, 0), worker);
	ck_assert_int_eq(status, 0);
	ck_assert(is_there());
	close(sock);
	while (is_there())
		tick();
	check_end(0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mem_keeper");
	TCase *c = tcase_create("companion");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 30);
	tcase_add_test(c, outlives_the_worker);
	tcase_add_test(c, need_not_help);
	tcase_add_test(c, without_the_companion);
	tcase_add_test(c, without_a_supervisor);
	tcase_add_test(c, worker_died_before_ready);
	suite_add_tcase(s, c);
	return run_suite(s);
}
