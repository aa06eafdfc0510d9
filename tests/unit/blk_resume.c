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
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xen/io/blkif.h>

#include "backend/blk_queue_priv.h"
#include "ring/barrier.h"
#include "tests/unit/fake_gnttab.h"
#include "tests/unit/run_suite.h"
#include "tests/unit/store_hooks.h"

#define PAGES      48u  /* of the disk */
#define SEGS       3u   /* at most, of a request */
#define REQUESTS   100u /* in one scenario, at most */
#define IN_FLIGHT  32u
#define SECTS_PAGE (BLK_PAGE_SIZE / BLK_SECTOR_SIZE)

/* Grant references: the ring, a page of segments and data pages for each
 * place in flight. */
#define RING_REF       100u
#define IND_REF(p)     (200u + (p))
#define DATA_REF(p, i) (300u + (p)*SEGS + (i))

struct request {
	uint64_t value; /* of a write: what all its words are made of */
	uint32_t page, nr;
	uint8_t op, place;
	bool sent, indirect, bad; /* bad: past the end of the disk */
	unsigned int answers;
};

/* An operation that the kernel has. */
struct pending {
	bool valid, write;
	uint32_t page, nr;
	struct store_io *io; /* of the child that gave it */
	uint8_t data[SEGS * BLK_PAGE_SIZE];
};

struct world {
	struct blk_front_ring ring;
	struct request req[REQUESTS];
	uint32_t nr_requests, nr_sent, nr_answered;
	bool place_used[IN_FLIGHT], page_busy[PAGES];
	uint64_t model[PAGES]; /* what an acknowledged write left */
	uint8_t disk[PAGES * BLK_PAGE_SIZE];
	struct pending pending[IN_FLIGHT];
	char failure[160];
};

static struct world *w;
static struct io_loop loop;
static struct io_poller *poller;
static unsigned int rnd_state;
static bool stop_was_told, violated;
static enum blk_abi abi;
static bool persistent;
static struct store_desc desc = {.store = "fake"};
static struct blk_disk_stats stats;

static unsigned int rnd(unsigned int below)
{
	return (unsigned int)rand_r(&rnd_state) % below;
}

static void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void wrong(const char *fmt, ...)
{
	va_list ap;

	if (w->failure[0])
		return;
	va_start(ap, fmt);
	vsnprintf(w->failure, sizeof(w->failure), fmt, ap);
	va_end(ap);
}

/* ---- doubles of what the queue stands on ---- */

void io_loop_add_poller(struct io_loop *l, struct io_poller *p)
{
	(void)l;
	poller = p;
}

void io_loop_del_poller(struct io_loop *l, struct io_poller *p)
{
	(void)l;
	(void)p;
	poller = NULL;
}

int evtchn_hub_bind_interdomain(struct evtchn_hub *hub, uint32_t domid,
				uint32_t remote_port, evtchn_cb cb, void *arg,
				struct evtchn_port **port)
{
	(void)hub;
	(void)domid;
	(void)remote_port;
	(void)cb;
	(void)arg;
	*port = (struct evtchn_port *)&loop;
	return 0;
}

void evtchn_port_close(struct evtchn_port *port)
{
	(void)port;
}

int evtchn_port_notify(struct evtchn_port *port)
{
	(void)port;
	return 0;
}

static const struct store_ops fake_ops = {.name = "fake"};

int store_attach(struct store_ctx *ctx, const struct store_desc *d,
		 struct io_loop *l, struct xs_err *err)
{
	(void)err;
	*ctx = (struct store_ctx){.ops = &fake_ops, .desc = d, .loop = l};
	return 0;
}

void store_detach(struct store_ctx *ctx)
{
	if (ctx->in_flight)
		wrong("detached with %u in flight", ctx->in_flight);
}

void store_kick(struct store_ctx *ctx)
{
	(void)ctx;
}

/* No request may be given to the store beside one that it must not pass. */
static void check_order(const struct blk_request *r)
{
	const struct blk_journal *j = &r->q->journal;
	bool barrier = r->slot->req.op == BLKIF_OP_WRITE_BARRIER;
	uint32_t i;

	for (i = 0; i < j->nr_slots; i++) {
		const struct blk_slot *s = &j->slot[i];

		if (atomic_load(&s->state) != BLK_SLOT_TAKEN ||
		    s->req.id >= r->slot->req.id)
			continue;
		if (barrier || s->req.op == BLKIF_OP_WRITE_BARRIER)
			wrong("request %u begins before %u, one being a barrier",
			      (unsigned int)r->slot->req.id,
			      (unsigned int)s->req.id);
	}
}

static void effect(struct pending *p)
{
	if (p->write)
		memcpy(w->disk + p->page * BLK_PAGE_SIZE, p->data,
		       p->nr * BLK_PAGE_SIZE);
}

static void end_io(struct pending *p)
{
	struct store_io *io = p->io;
	const uint8_t *from = w->disk + p->page * BLK_PAGE_SIZE;
	uint32_t i;

	effect(p);
	for (i = 0; io->op == STORE_READ && i < io->nr_iov; i++) {
		memcpy(io->iov[i].iov_base, from, io->iov[i].iov_len);
		from += io->iov[i].iov_len;
	}
	p->valid = false;
	io->ctx->in_flight--;
	io->done(io, 0);
}

void store_submit(struct store_ctx *ctx, struct store_io *io)
{
	struct pending *p = w->pending;
	uint8_t *to;
	uint32_t i;

	check_order((struct blk_request *)io);
	while (p->valid)
		p++; /* one for each place at most */
	to = p->data;
	p->write = io->op == STORE_WRITE;
	p->page = (uint32_t)(io->offset / BLK_PAGE_SIZE);
	p->nr = (uint32_t)(io->len / BLK_PAGE_SIZE);
	p->io = io;
	for (i = 0; p->write && i < io->nr_iov; i++) {
		memcpy(to, io->iov[i].iov_base, io->iov[i].iov_len);
		to += io->iov[i].iov_len;
	}
	io->ctx = ctx;
	ctx->in_flight++;
	p->valid = true;
	if (!rnd(4))
		end_io(p);
}

void store_cancel(struct store_ctx *ctx)
{
	(void)ctx;
}

static void store_turn(void)
{
	uint32_t i, first = rnd(IN_FLIGHT);

	for (i = 0; i < IN_FLIGHT; i++) {
		struct pending *p = &w->pending[(first + i) % IN_FLIGHT];

		if (p->valid && rnd(3))
			end_io(p);
	}
}

/* ---- the frontend ---- */

static void fill(uint64_t *page, uint64_t value)
{
	uint32_t i;

	for (i = 0; i < BLK_PAGE_SIZE / sizeof(*page); i++)
		page[i] = value;
}

static bool is_filled(const void *page, uint64_t value)
{
	const uint64_t *word = page;

	return word[0] == value && !memcmp(word, word + 1, BLK_PAGE_SIZE - 8);
}

static int free_place(void)
{
	int i;

	for (i = 0; i < (int)IN_FLIGHT; i++)
		if (!w->place_used[i])
			return i;
	return -1;
}

/* Pages that no request in flight uses, so that each has one right content. */
static bool pick_pages(struct request *r)
{
	uint32_t i;

	r->nr = 1 + rnd(SEGS);
	r->page = rnd(PAGES - r->nr);
	for (i = 0; i < r->nr; i++)
		if (w->page_busy[r->page + i])
			return false;
	return true;
}

static void set_busy(const struct request *r, bool busy)
{
	uint32_t i;

	w->place_used[r->place] = busy;
	for (i = 0; i < r->nr; i++)
		w->page_busy[r->page + i] = busy;
}

static void encode(uint32_t id, struct blk_req *req)
{
	const struct request *r = &w->req[id];
	struct blk_seg seg[SEGS];
	uint32_t i;

	*req = (struct blk_req){
		.id = id,
		.op = r->op,
		.sector_512 = r->page * SECTS_PAGE + (r->bad ? 1ull << 50 : 0),
		.nr_segs = (uint16_t)r->nr,
		.indirect = r->indirect,
	};
	for (i = 0; i < r->nr; i++) {
		seg[i] = (struct blk_seg){.gref = DATA_REF(r->place, i),
					  .last_sect = SECTS_PAGE - 1};
		fill(fake_frame(seg[i].gref),
		     r->op == BLKIF_OP_READ ? ~0ull : r->value + i);
	}
	if (r->indirect) {
		req->indirect_gref[0] = IND_REF(r->place);
		blk_segs_store(fake_frame(IND_REF(r->place)), seg, r->nr);
	} else {
		memcpy(req->seg, seg, r->nr * sizeof(seg[0]));
	}
}

/* Reads are the first ones. */
static const uint8_t ops[] = {BLKIF_OP_READ,
			      BLKIF_OP_READ,
			      BLKIF_OP_READ,
			      BLKIF_OP_WRITE,
			      BLKIF_OP_WRITE,
			      BLKIF_OP_WRITE,
			      BLKIF_OP_FLUSH_DISKCACHE,
			      BLKIF_OP_WRITE_BARRIER};
#define READS 3u

static bool send_one(unsigned int nr_ops)
{
	struct request *r = &w->req[w->nr_sent];
	int place = free_place();
	struct blk_req req;

	if (w->nr_sent == w->nr_requests || place < 0 ||
	    !blk_front_ring_free(&w->ring))
		return false;
	*r = (struct request){.op = ops[rnd(nr_ops)],
			      .place = (uint8_t)place,
			      .value = (w->nr_sent + 1ull) << 16};
	if (r->op != BLKIF_OP_FLUSH_DISKCACHE && !pick_pages(r))
		return false;
	r->indirect = r->op <= BLKIF_OP_WRITE && !rnd(3);
	r->bad = r->op <= BLKIF_OP_WRITE && nr_ops > READS && !rnd(8);
	set_busy(r, true);
	encode(w->nr_sent, &req);
	r->sent = true;
	w->nr_sent++;
	blk_front_ring_put(&w->ring, &req);
	return true;
}

static void check_answer(const struct blk_rsp *rsp)
{
	struct request *r;
	uint32_t i;

	if (rsp->id >= REQUESTS || !w->req[rsp->id].sent) {
		wrong("answer to %llx, which was not sent",
		      (unsigned long long)rsp->id);
		return;
	}
	r = &w->req[rsp->id];
	if (r->answers++ || rsp->op != r->op ||
	    rsp->status != (r->bad ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY)) {
		wrong("request %u (%u) answered %u times, as %u with %d",
		      (unsigned int)rsp->id, r->op, r->answers, rsp->op,
		      rsp->status);
		return;
	}
	w->nr_answered++;
	for (i = 0; i < r->nr && !r->bad; i++) {
		uint32_t page = r->page + i;

		if (r->op != BLKIF_OP_READ)
			w->model[page] = r->value + i;
		if (!is_filled(w->disk + page * BLK_PAGE_SIZE, w->model[page]))
			wrong("page %u is not what request %u made it", page,
			      (unsigned int)rsp->id);
		if (!is_filled(fake_frame(DATA_REF(r->place, i)),
			       w->model[page]))
			wrong("request %u did not read page %u",
			      (unsigned int)rsp->id, page);
	}
	set_busy(r, false);
}

static void frontend_turn(void)
{
	struct blk_rsp rsp;
	int nr = blk_front_ring_avail(&w->ring);

	if (nr < 0)
		wrong("more responses than requests");
	while (nr-- > 0 && rnd(8)) {
		blk_front_ring_get(&w->ring, &rsp);
		check_answer(&rsp);
	}
	for (nr = (int)rnd(12); nr > 0 && send_one(sizeof(ops)); nr--)
		;
	blk_front_ring_publish(&w->ring);
}

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

/* Of a process that died, each operation ends or never began. */
static void kernel_after_death(void)
{
	struct pending *p;

	for (p = w->pending; p < w->pending + IN_FLIGHT; p++) {
		if (p->valid && rnd(2))
			effect(p);
		p->valid = false;
	}
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

static void ring_init(uint32_t base)
{
	uint32_t *head = fake_frame(RING_REF);

	blk_front_ring_init(&w->ring, head, 1, abi);
	head[0] = head[2] = base;     /* req_prod, rsp_prod */
	head[1] = head[3] = base + 1; /* the events */
	w->ring.req_prod_pvt = w->ring.req_prod = w->ring.rsp_cons = base;
}

static void setup(void)
{
	uint32_t i;

	w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(w != MAP_FAILED);
	loop.ev = ev_loop_new(EVFLAG_NOENV);
	ck_assert(loop.ev);
	for (i = 0; i < FAKE_NR_REFS; i++)
		fake_grant(i, true);
	fake_frame(0); /* before the first fork: shared from then on */
	log_init("blk_resume", LOG_LEVEL_ERR);
}

static void teardown(void)
{
	ev_loop_destroy(loop.ev);
	munmap(w, sizeof(*w));
}

static void begin_scenario(unsigned int seed)
{
	memset(w, 0, sizeof(*w));
	rnd_state = seed;
	w->nr_requests = 20 + rnd(REQUESTS - 20);
	abi = seed & 1 ? BLK_ABI_X86_32 : BLK_ABI_X86_64;
	persistent = seed & 2;
	ring_init(rnd(2) ? UINT32_MAX - rnd(REQUESTS) : rnd(1000));
}

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
			send_one(sizeof(ops));
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
		send_one(_i & 1 ? READS : sizeof(ops));
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

	tcase_add_checked_fixture(t, setup, teardown);
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
