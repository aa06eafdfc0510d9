// SPDX-License-Identifier: MIT
/*
 * A queue whose worker is killed over and over: every request is answered
 * exactly once, what was acknowledged is there, barriers hold.
 *
 * The worker is a child process that runs the real queue over fakes; ring,
 * journal, disk and what the "kernel" has under way are memory that outlives
 * it.  Built twice: with store_hooks.c the child ends before its Nth store,
 * which is the same with the same seed; without, it is killed at any moment.
 * Before the next worker starts, the kernel ends what the last one left, or
 * drops it, as it does for a process that died.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xen/io/blkif.h>

#include "backend/blk_queue_priv.h"
#include "tests/unit/fake_gnttab.h"
#include "tests/unit/resume_world.h"
#include "tests/unit/run_suite.h"
#include "tests/unit/store_hooks.h"

static bool stop_was_told, violated;
static struct store_desc desc = {.store = "fake"};
static struct blk_disk_stats stats;

/* ---- the worker ---- */

static void on_violation(void *arg, const char *text)
{
	(void)arg;
	violated = true;
	if (!stop_was_told)
		wrong("%s", text);
}

static void on_stopped(void *arg)
{
	(void)arg;
	stop_was_told = true;
}

static struct blk_queue *open_queue(int journal_fd, bool resume)
{
	struct blk_queue_config cfg = {
		.cache_pages = 4096,
		.name = "test",
		.store = &desc,
		.limits = {.nr_sects_512 = PAGES * SECTS_PAGE,
			   .sector_size = 512,
			   .max_indirect_segs = BLK_MAX_INDIRECT_SEGS,
			   .flush = true,
			   .barrier = true},
		.stats = &stats.queue[0],
		.loop = &loop,
		.fe_domid = FAKE_DOMID,
		.abi = abi,
		.ring_pages = 1,
		.ring_ref = {RING_REF},
		.persistent = persistent,
		.resume = resume,
		.journal_fd = journal_fd,
		.violation = on_violation,
		.stopped = on_stopped,
	};
	struct blk_queue *q = NULL;
	struct xs_err err = {""};

	if (blk_queue_open(&q, &cfg, &err))
		wrong("%s", err.text);
	return q;
}

/* As the supervisor finds out. */
static bool is_begun(int journal_fd)
{
	struct blk_journal_head head;

	return pread(journal_fd, &head, sizeof(head), 0) == sizeof(head) &&
	       head.started;
}

static void worker(int journal_fd, bool with_frontend)
{
	struct blk_queue *q;
	uint64_t left = 0;
	unsigned int turns;

	q = open_queue(journal_fd, is_begun(journal_fd));
	if (!q)
		_exit(1);
	blk_queue_start(q);
	for (turns = 0; w->nr_answered < w->nr_requests && !w->failure[0];
	     turns++) {
		poller->poll(poller);
		poller->arm(poller);
		if (with_frontend && turns == 5000) {
			wrong("nothing moves, %u answered", w->nr_answered);
			break;
		}
		if (!with_frontend) {
			store_turn();
			continue;
		}
		store_turn();
		/* the frontend uses the same ring code */
		left = store_hook_left;
		store_hook_left = 0;
		frontend_turn();
		store_hook_left = left;
	}
	_exit(w->failure[0] ? 1 : 0);
}

static pid_t start_worker(int journal_fd, uint64_t stores)
{
	pid_t pid = fork();

	if (pid) {
		/* not in the child: Check would write it down, and being
		 * killed in that garbles its file */
		ck_assert(pid > 0);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (&store_hook_left)
		store_hook_left = stores;
	worker(journal_fd, &store_hook_left != NULL);
	return 0;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* Serve as the frontend beside the worker; for_us 0: until all is answered. */
static void run_beside(uint64_t for_us)
{
	uint64_t end = now_us() + (for_us ? for_us : 10000000u);

	while (now_us() < end && !w->failure[0] &&
	       w->nr_answered < w->nr_requests)
		frontend_turn();
	if (!for_us && w->nr_answered < w->nr_requests)
		wrong("nothing moves, %u answered", w->nr_answered);
}

/* stores, with hooks: that many are done; 0: the last life.  True: killed. */
static bool one_life(int journal_fd, uint64_t stores)
{
	bool hooks = &store_hook_left != NULL;
	pid_t pid = start_worker(journal_fd, stores);
	int status;

	if (!hooks) {
		run_beside(stores ? 1 + rnd(400) : 0);
		kill(pid, SIGKILL);
	}
	ck_assert(waitpid(pid, &status, 0) == pid);
	if (hooks && !w->failure[0] &&
	    !(WIFEXITED(status) && (WEXITSTATUS(status) == 0 ||
				    WEXITSTATUS(status) == STORE_HOOK_EXIT)))
		wrong("the worker ended with status %#x", status);
	kernel_after_death();
	frontend_turn();
	return WIFEXITED(status) && WEXITSTATUS(status) == STORE_HOOK_EXIT;
}

static void last_life(int journal_fd)
{
	while (!w->failure[0] && w->nr_answered < w->nr_requests)
		one_life(journal_fd, 0);
}

/* ---- scenarios ---- */

static void check_end(unsigned int seed)
{
	uint32_t i;

	for (i = 0; i < PAGES; i++)
		if (!is_filled(w->disk + i * BLK_PAGE_SIZE, w->model[i]))
			wrong("page %u is not what was acknowledged", i);
	ck_assert_msg(!w->failure[0], "seed %u: %s", seed, w->failure);
	ck_assert_uint_eq(w->nr_answered, w->nr_requests);
}

START_TEST(killed_over_and_over)
{
	uint64_t end = now_us() + 2500000;
	unsigned int seed = (unsigned int)_i, nr = 0;

	/* as many as there is time for */
	for (; now_us() < end && nr < 200; nr++, seed += 4) {
		int lives = 12, fd = blk_journal_create(1, IN_FLIGHT);

		ck_assert_int_ge(fd, 0);
		begin_scenario(seed);
		frontend_turn();
		while (--lives && !w->failure[0])
			one_life(fd, 1 + rnd(rnd(4) ? 150 : 900));
		last_life(fd);
		close(fd);
		check_end(seed);
	}
}
END_TEST

/* Few requests, and each store in turn is the first that is not done; on slow
 * machines and with sanitizers, not all of them. */
START_TEST(killed_before_each_store)
{
	uint64_t end = now_us() + 3000000, stores = 1;
	bool killed = true;

	for (; killed; stores += now_us() < end ? 1 : 1 + rnd(60)) {
		int fd = blk_journal_create(1, IN_FLIGHT);

		ck_assert_int_ge(fd, 0);
		begin_scenario((unsigned int)_i);
		w->nr_requests = 5;
		while (w->nr_sent < w->nr_requests)
			send_one(NR_OPS);
		blk_front_ring_publish(&w->ring);
		killed = one_life(fd, stores);
		last_life(fd);
		close(fd);
		check_end((unsigned int)_i);
	}
	ck_assert_uint_gt(stores, 100);
}
END_TEST

/* A read that ends after the peer has broken the protocol goes nowhere, and
 * neither does its response. */
START_TEST(nothing_is_touched_after_a_violation)
{
	size_t size = (size_t)FAKE_NR_REFS * FAKE_PAGE;
	uint8_t *before = malloc(size);
	int fd = blk_journal_create(1, IN_FLIGHT);
	struct blk_queue *q;
	struct pending *p;
	uint32_t *head;

	begin_scenario((unsigned int)_i);
	q = open_queue(fd, false);
	ck_assert(before && q);
	blk_queue_start(q);
	while (w->nr_sent < 10)
		send_one(READS);
	blk_front_ring_publish(&w->ring);
	stop_was_told = true; /* the violation is no failure here */
	poller->poll(poller);
	head = fake_frame(RING_REF);
	head[0] += 1000;
	ck_assert(poller->arm(poller));
	poller->poll(poller);
	ck_assert(violated);
	stop_was_told = false;
	/* mapped pages are the store's until it has ended: not our doing */
	memset(w->disk, persistent ? 0xff : 0x5a, sizeof(w->disk));
	memcpy(before, fake_frame(0), size);
	for (p = w->pending; !persistent && p < w->pending + IN_FLIGHT; p++)
		if (p->valid)
			end_io(p);
	poller->poll(poller);
	ck_assert(!poller->arm(poller));
	blk_queue_stop(q, true);
	for (p = w->pending; p < w->pending + IN_FLIGHT; p++)
		if (p->valid)
			end_io(p);
	poller->poll(poller);
	ck_assert(stop_was_told);
	ck_assert(persistent || !memcmp(before, fake_frame(0), size));
	ck_assert(!memcmp(before + RING_REF * FAKE_PAGE, head, FAKE_PAGE));
	blk_queue_close(q);
	ck_assert_uint_eq(fake.mapped, 0);
	close(fd);
	free(before);
}
END_TEST

/* Answers that are there now, each of them the first of its request. */
static unsigned int take_answers(void)
{
	struct blk_rsp rsp;
	unsigned int nr = 0;

	while (blk_front_ring_avail(&w->ring) > 0) {
		blk_front_ring_get(&w->ring, &rsp);
		ck_assert_uint_lt(rsp.id, REQUESTS);
		ck_assert_uint_eq(w->req[rsp.id].answers++, 0);
		nr++;
	}
	return nr;
}

/* Nobody waits for the store, except reads that it puts into the guest's own
 * pages; all is answered, and nothing twice. */
START_TEST(aborted)
{
	int fd = blk_journal_create(1, IN_FLIGHT);
	unsigned int answered, waiting = 0;
	struct blk_queue *q;
	struct pending *p;

	begin_scenario((unsigned int)_i);
	q = open_queue(fd, false);
	ck_assert(q);
	blk_queue_start(q);
	while (w->nr_sent < 20)
		send_one(_i & 1 ? READS : NR_OPS);
	blk_front_ring_publish(&w->ring);
	poller->poll(poller);
	stop_was_told = false;
	blk_queue_stop(q, true);
	blk_queue_stop(q, true);
	answered = take_answers();
	for (p = w->pending; p < w->pending + IN_FLIGHT; p++)
		waiting += p->valid && persistent && p->io->op == STORE_READ;
	ck_assert_uint_eq(answered + waiting, w->nr_sent);
	for (p = w->pending; p < w->pending + IN_FLIGHT; p++)
		if (p->valid)
			end_io(p);
	poller->poll(poller);
	ck_assert_uint_eq(take_answers(), waiting);
	ck_assert(stop_was_told);
	blk_queue_close(q);
	ck_assert_uint_eq(fake.mapped, 0);
	ck_assert_uint_eq(fake.bad_unmaps, 0);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("blk_resume");
	TCase *t = tcase_create("resume");

	tcase_add_checked_fixture(t, world_setup, world_teardown);
	tcase_set_timeout(t, 50);
	tcase_add_loop_test(t, killed_over_and_over, 0, 4);
	if (&store_hook_left) {
		tcase_add_loop_test(t, killed_before_each_store, 0, 4);
		tcase_add_loop_test(t, nothing_is_touched_after_a_violation, 0,
				    4);
		tcase_add_loop_test(t, aborted, 0, 4);
	}
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
