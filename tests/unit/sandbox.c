// SPDX-License-Identifier: MIT
/*
 * The sandbox from inside: a child enters it with a second thread running, and
 * then works, or tries something.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/sandbox.h"
#include "tests/unit/run_suite.h"
#include "tests/unit/store_fixture.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTERED false
#else
#define FILTERED true
#endif

#define MUST(cond)                                  \
	do {                                        \
		if (!(cond))                        \
			_exit(__LINE__ % 200 + 10); \
	} while (0)

/* The second thread does what it is told when told. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static void (*todo)(void);
static bool did, started;
static int thread_status = -1;

static void *second_thread(void *arg)
{
	(void)arg;
	thread_status = open("/proc/thread-self/status", O_RDONLY);
	pthread_mutex_lock(&lock);
	started = true;
	pthread_cond_broadcast(&changed);
	while (!todo)
		pthread_cond_wait(&changed, &lock);
	todo();
	did = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void in_second_thread(void (*fn)(void))
{
	pthread_mutex_lock(&lock);
	todo = fn;
	pthread_cond_broadcast(&changed);
	while (!did)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void enter(void)
{
	struct sandbox_how how = {.domid = 7};
	struct xs_err err = {""};
	pthread_t t;

	sandbox_early();
	MUST(!pthread_create(&t, NULL, second_thread, NULL));
	MUST(!pthread_detach(t));
	pthread_mutex_lock(&lock);
	while (!started)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	if (sandbox_enter(&how, &err)) {
		fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
}

/* Runs fn in a child; its wait status. */
static int child(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	ck_assert(pid >= 0);
	if (!pid) {
		/* a test that is stuck ends */
		alarm(20);
		fn();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void check_fine(int status)
{
	ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status),
		      "wait status %x", status);
}

static void nothing(void)
{
}

/* What a worker does all day. */
static void works(void)
{
	char buf[64], *p;
	struct epoll_event ev = {.events = EPOLLIN};
	struct itimerspec soon = {.it_value.tv_nsec = 1000000};
	int pair[2], mem = memfd_create("x", MFD_CLOEXEC), ep, tfd;
	cpu_set_t cpus;

	MUST(mem >= 0 && !ftruncate(mem, 65536));
	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	enter();
	MUST(pwrite(mem, "hello", 5, 100) == 5);
	MUST(pread(mem, buf, 5, 100) == 5 && !memcmp(buf, "hello", 5));
	p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	MUST(p != MAP_FAILED && !memcmp(p + 100, "hello", 5));
	MUST(!munmap(p, 65536));
	MUST(!fallocate(mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			4096));
	MUST(send(pair[0], "x", 1, 0) == 1 && recv(pair[1], buf, 64, 0) == 1);
	ep = epoll_create1(EPOLL_CLOEXEC);
	tfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	MUST(ep >= 0 && tfd >= 0 && eventfd(0, EFD_CLOEXEC) >= 0);
	MUST(!timerfd_settime(tfd, 0, &soon, NULL));
	MUST(!epoll_ctl(ep, EPOLL_CTL_ADD, tfd, &ev));
	MUST(epoll_wait(ep, &ev, 1, 5000) == 1);
	p = malloc(8 << 20);
	MUST(p);
	memset(p, 1, 8 << 20);
	free(p);
	in_second_thread(nothing);
	/* a data thread goes where its frontend is, and takes no other along */
	MUST(!sched_getaffinity(0, sizeof(cpus), &cpus));
	MUST(!sched_setaffinity(0, sizeof(cpus), &cpus));
	fprintf(stderr, "%s %d\n", strerror(EIO), getpid());
}

START_TEST(worker_works)
{
	check_fine(child(works));
}
END_TEST

static void status_has(const char *text, const char *line)
{
	if (strstr(text, line))
		return;
	fprintf(stderr, "not so: %s\n%s", line, text);
	_exit(1);
}

/* Of the second thread: what is given up is given up by all. */
static void gave_up(void)
{
	char text[4096];
	bool root = !geteuid();
	ssize_t n;

	enter();
	n = pread(thread_status, text, sizeof(text) - 1, 0);
	MUST(n > 0);
	text[n] = '\0';
	status_has(text, "CapPrm:\t0000000000000000");
	status_has(text, "CapEff:\t0000000000000000");
	if (FILTERED) {
		status_has(text, "NoNewPrivs:\t1");
		status_has(text, "Seccomp:\t2");
	}
	MUST(!root || getuid());
	MUST(getuid() == geteuid() && getgid() == getegid());
	MUST(open("/", O_RDONLY) < 0 || !FILTERED);
}

START_TEST(privileges_are_gone)
{
	check_fine(child(gave_up));
}
END_TEST

static void refused_open(void)
{
	enter();
	MUST(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
	MUST(openat(AT_FDCWD, ".", O_RDONLY) < 0 && errno == EACCES);
}

static void refused_move(void)
{
	pid_t parent = getppid();
	cpu_set_t cpus;

	MUST(!sched_getaffinity(0, sizeof(cpus), &cpus));
	enter();
	MUST(sched_setaffinity(parent, sizeof(cpus), &cpus) < 0 &&
	     errno == EPERM);
}

START_TEST(others_stay_where_they_are)
{
	if (FILTERED)
		check_fine(child(refused_move));
}
END_TEST

START_TEST(open_is_refused)
{
	if (FILTERED)
		check_fine(child(refused_open));
}
END_TEST

static void do_socket(void)
{
	socket(AF_INET, SOCK_STREAM, 0);
}

static void do_connect(void)
{
	struct sockaddr sa = {.sa_family = AF_UNIX};

	connect(0, &sa, sizeof(sa));
}

static void do_execve(void)
{
	char *none[] = {NULL};

	execve("/bin/true", none, none);
}

static void do_fork(void)
{
	if (!syscall(SYS_fork))
		_exit(0);
}

static void do_thread(void)
{
	pthread_t t;

	todo = nothing;
	pthread_create(&t, NULL, second_thread, NULL);
}

static void do_ptrace(void)
{
	ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static void do_kill(void)
{
	kill(getppid(), SIGCONT);
}

static void do_code(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	     0);
}

static void do_uring(void)
{
	struct io_uring_params p = {0};

	syscall(SYS_io_uring_setup, 4, &p);
}

static void do_uring_register(void)
{
	syscall(SYS_io_uring_register, 0, 0, NULL, 0);
}

static void do_ioctl(void)
{
	char c = '\n';

	ioctl(0, TIOCSTI, &c);
}

static void do_setuid(void)
{
	syscall(SYS_setuid, 0);
}

static void do_memfd(void)
{
	memfd_create("x", 0);
}

static void do_bpf(void)
{
	syscall(SYS_bpf, 0, NULL, 0);
}

static void (*const deadly[])(void) = {
	do_socket, do_connect, do_execve, do_fork,  do_thread,
	do_ptrace, do_kill,    do_code,   do_uring, do_uring_register,
	do_ioctl,  do_setuid,  do_memfd,  do_bpf,
};
static int which;

static void try_deadly(void)
{
	enter();
	deadly[which]();
}

static void try_deadly_in_thread(void)
{
	enter();
	in_second_thread(deadly[which]);
}

START_TEST(rest_is_deadly)
{
	int status;

	if (!FILTERED)
		return;
	which = _i;
	status = child(try_deadly);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
		      "number %d: wait status %x", _i, status);
	status = child(try_deadly_in_thread);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
		      "number %d in a thread: wait status %x", _i, status);
}
END_TEST

/* The ring is no way around it. */
static int ring_result;
static bool ring_done;

static void prep_open(struct uring_op *op, struct io_uring_sqe *sqe)
{
	(void)op;
	io_uring_prep_openat(sqe, AT_FDCWD, "/", O_RDONLY, 0);
}

static void open_complete(struct uring_op *op, int res)
{
	(void)op;
	ring_result = res;
	ring_done = true;
}

static void ring_and_stores(void)
{
	struct uring_op op = {.prep = prep_open, .complete = open_complete};
	struct store_open_how how = {.discard = true};
	struct store_desc desc[2];
	struct store_ctx ctx[2];
	struct xs_err err;
	static char buf[4096] __attribute__((aligned(4096)));
	const char *path = fixture_file(fixture_dir, 1 << 20);
	int i;

	MUST(!store_open(path, &how, &desc[0], &err));
	MUST(!store_open("memory:1M", &how, &desc[1], &err));
	enter();
	for (i = 0; i < 2; i++) {
		MUST(!store_attach(&ctx[i], &desc[i], &fixture_loop, &err));
		MUST(!op_run(&ctx[i], STORE_WRITE, buf, 4096, 4096));
		MUST(!op_run(&ctx[i], STORE_READ, buf, 4096, 4096));
		MUST(!op_run(&ctx[i], STORE_FLUSH, NULL, 0, 0));
		MUST(!desc[i].discard ||
		     !op_run(&ctx[i], STORE_DISCARD, NULL, 0, 8192));
	}
	if (fixture_loop.uring) {
		uring_engine_submit(fixture_loop.uring, &op);
		while (!ring_done)
			op_run(&ctx[0], STORE_READ, buf, 0, 512);
		MUST(ring_result == -EACCES);
	}
	for (i = 0; i < 2; i++) {
		store_detach(&ctx[i]);
		store_close(&desc[i]);
	}
}

START_TEST(stores_work_and_ring_is_restricted)
{
	check_fine(child(ring_and_stores));
}
END_TEST

static void nbd_inside(void)
{
	struct store_open_how how = {.discard = true};
	struct store_desc desc;
	struct store_ctx ctx;
	struct xs_err err;
	char target[128], path[100];
	static char buf[4096];

	snprintf(path, sizeof(path), "%s/nbd", fixture_dir);
	snprintf(target, sizeof(target), "nbd:unix:%s", path);
	MUST(!store_open(target, &how, &desc, &err));
	enter();
	MUST(!store_attach(&ctx, &desc, &fixture_loop, &err));
	MUST(!op_run(&ctx, STORE_WRITE, buf, 4096, 4096));
	MUST(!op_run(&ctx, STORE_READ, buf, 4096, 4096));
	MUST(!op_run(&ctx, STORE_FLUSH, NULL, 0, 0));
	MUST(!op_run(&ctx, STORE_DISCARD, NULL, 0, 8192));
	store_cancel(&ctx);
	MUST(op_run(&ctx, STORE_READ, buf, 4096, 4096) == -ECANCELED);
	store_detach(&ctx);
	store_close(&desc);
}

START_TEST(nbd_works)
{
	char path[100];
	pid_t pid;
	int status;

	if (!fixture_has_nbdkit())
		return;
	snprintf(path, sizeof(path), "%s/nbd", fixture_dir);
	pid = fixture_nbdkit(path, (char *const[]){"nbdkit", "-f", "memory",
						   "size=1M", NULL});
	status = child(nbd_inside);
	fixture_kill(pid);
	check_fine(status);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sandbox");
	TCase *tc = tcase_create("sandbox");

	tcase_add_checked_fixture(tc, fixture_start, fixture_end);
	tcase_set_timeout(tc, 40);
	tcase_add_test(tc, worker_works);
	tcase_add_test(tc, privileges_are_gone);
	tcase_add_test(tc, open_is_refused);
	tcase_add_test(tc, others_stay_where_they_are);
	tcase_add_loop_test(tc, rest_is_deadly, 0,
			    sizeof(deadly) / sizeof(deadly[0]));
	tcase_add_test(tc, stores_work_and_ring_is_restricted);
	tcase_add_test(tc, nbd_works);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
