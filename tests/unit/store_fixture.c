// SPDX-License-Identifier: MIT
/*
 * A struct io_loop of the test's own: its functions are defined here, so the
 * linker does not take the real ones, which want a hypervisor.
 */
#include "tests/unit/store_fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct io_loop fixture_loop;
char fixture_dir[64];
static struct io_poller *pollers;
static bool late;

void io_loop_add_poller(struct io_loop *loop, struct io_poller *p)
{
	(void)loop;
	p->next = pollers;
	p->prev = &pollers;
	if (p->next)
		p->next->prev = &p->next;
	pollers = p;
}

void io_loop_del_poller(struct io_loop *loop, struct io_poller *p)
{
	(void)loop;
	if (p->next)
		p->next->prev = p->prev;
	*p->prev = p->next;
}

static void on_late(struct ev_loop *ev, ev_timer *w, int revents)
{
	(void)ev;
	(void)w;
	(void)revents;
	late = true;
}

/* One turn: poll; sleep only when no poller has work. */
static void turn(void)
{
	struct io_poller *p, *next;
	bool work = false;

	for (p = pollers; p; p = next) {
		next = p->next;
		work |= p->poll(p) > 0;
	}
	for (p = pollers; p; p = next) {
		next = p->next;
		work |= p->arm(p);
	}
	ev_run(fixture_loop.ev, work ? EVRUN_NOWAIT : EVRUN_ONCE);
}

void fixture_start(void)
{
	const char *tmp = getenv("TMPDIR");
	struct uring_ring ring;

	snprintf(fixture_dir, sizeof(fixture_dir), "%s/xsstore.XXXXXX",
		 tmp && strlen(tmp) < 40 ? tmp : "/var/tmp");
	ck_assert(mkdtemp(fixture_dir));
	fixture_loop.ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	ck_assert(fixture_loop.ev);
	if (uring_ring_make(&ring) ||
	    uring_engine_create(&fixture_loop, &ring, &fixture_loop.uring))
		printf("without io_uring\n");
}

void fixture_end(void)
{
	char cmd[128];

	uring_engine_destroy(fixture_loop.uring);
	ev_loop_destroy(fixture_loop.ev);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", fixture_dir);
	ck_assert_int_eq(system(cmd), 0);
}

const char *fixture_file(const char *dir, off_t size)
{
	static char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/disk.XXXXXX", dir);
	fd = mkstemp(path);
	ck_assert(fd >= 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd);
	return path;
}

bool fixture_has_nbdkit(void)
{
	return !system("nbdkit --version >/dev/null 2>&1");
}

/* By socket activation: the socket is there before the server. */
pid_t fixture_nbdkit(const char *socket_path, char *const args[])
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[24];
	pid_t pid;

	ck_assert(fd >= 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", socket_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	pid = fork();
	ck_assert(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(text, sizeof(text), "%d", getpid());
		setenv("LISTEN_PID", text, 1);
		setenv("LISTEN_FDS", "1", 1);
		if (fd == 3)
			fcntl(fd, F_SETFD, 0);
		else
			dup2(fd, 3);
		execvp(args[0], args);
		_exit(127);
	}
	close(fd);
	return pid;
}

void fixture_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void op_done(struct store_io *io, int res)
{
	struct op *op = (struct op *)io;

	ck_assert(!op->ended);
	op->ended = true;
	op->res = res;
}

void op_start(struct store_ctx *ctx, struct op *op, enum store_op what,
	      void *buf, uint64_t offset, uint64_t len)
{
	memset(op, 0, sizeof(*op));
	op->io.op = what;
	op->io.done = op_done;
	op->io.offset = offset;
	op->io.len = len;
	if (what == STORE_READ || what == STORE_WRITE) {
		op->iov[0] = (struct iovec){buf, len};
		op->io.iov = op->iov;
		op->io.nr_iov = 1;
	}
	store_submit(ctx, &op->io);
}

int op_wait(struct op *op)
{
	ev_timer timer;

	late = false;
	ev_timer_init(&timer, on_late, WAIT_MS / 1000.0, 0.);
	ev_timer_start(fixture_loop.ev, &timer);
	while (!op->ended && !late)
		turn();
	ev_timer_stop(fixture_loop.ev, &timer);
	ck_assert_msg(op->ended, "the operation did not end in time");
	return op->res;
}

int op_run(struct store_ctx *ctx, enum store_op what, void *buf,
	   uint64_t offset, uint64_t len)
{
	struct op op;

	op_start(ctx, &op, what, buf, offset, len);
	store_kick(ctx);
	return op_wait(&op);
}
