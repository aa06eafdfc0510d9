// SPDX-License-Identifier: MIT
/*
 * Front and back of a ring in two threads: nothing is lost, doubled or torn,
 * and no notification is missed (whoever sleeps is woken, or the test fails
 * after a time limit).  Then a third thread that scribbles over the whole
 * ring: both sides stay inside their bounds.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/io/blkif.h>

#include "ring/barrier.h"
#include "ring/blk_ring.h"
#include "tests/unit/run_suite.h"

#define WAIT_MS 20000

#ifdef __SANITIZE_THREAD__
#define NR_REQUESTS 30000u
#define NR_SCRIBBLE 20000u
#else
#define NR_REQUESTS 200000u
#define NR_SCRIBBLE 200000u
#endif

struct shared {
	void *map;
	size_t map_len;
	void *pages; /* between two pages that fault */
	unsigned int nr_pages;
	enum blk_abi abi;
	int to_back, to_front; /* eventfds: the event channel */
	/* Ordinary memory that the ring's order must cover: written before the
	 * request is published, read after it was taken. */
	uint64_t beside[1024];
	/* The same, the other way. */
	uint64_t beside_rsp[1024];
	atomic_bool stop;
	atomic_uint failed; /* line of the first failure in a thread */
};

static void fail_at(struct shared *sh, unsigned int line)
{
	unsigned int none = 0;

	atomic_compare_exchange_strong(&sh->failed, &none, line);
	atomic_store(&sh->stop, true);
}

#define REQUIRE(sh, cond)                      \
	do {                                   \
		if (!(cond)) {                 \
			fail_at(sh, __LINE__); \
			return NULL;           \
		}                              \
	} while (0)

static void setup(struct shared *sh, unsigned int nr_pages, enum blk_abi abi)
{
	memset(sh, 0, sizeof(*sh));
	sh->nr_pages = nr_pages;
	sh->abi = abi;
	sh->map_len = (nr_pages + 2) * (size_t)BLK_PAGE_SIZE;
	sh->map = mmap(NULL, sh->map_len, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(sh->map, MAP_FAILED);
	sh->pages = (char *)sh->map + BLK_PAGE_SIZE;
	ck_assert_int_eq(mprotect(sh->pages, nr_pages * BLK_PAGE_SIZE,
				  PROT_READ | PROT_WRITE),
			 0);
	sh->to_back = eventfd(0, EFD_CLOEXEC);
	sh->to_front = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_ge(sh->to_back, 0);
	ck_assert_int_ge(sh->to_front, 0);
}

static void teardown(struct shared *sh)
{
	close(sh->to_back);
	close(sh->to_front);
	munmap(sh->map, sh->map_len);
	ck_assert_msg(!sh->failed, "failed at line %u", sh->failed);
}

static bool notify(int fd)
{
	uint64_t one = 1;

	return write(fd, &one, sizeof(one)) == sizeof(one);
}

/* False when no event comes in time. */
static bool wait_event(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	uint64_t count;

	return poll(&pfd, 1, WAIT_MS) == 1 &&
	       read(fd, &count, sizeof(count)) == sizeof(count);
}

static uint64_t tag(uint64_t seq)
{
	return (seq + 1) * 0x9e3779b97f4a7c15ull;
}

static bool request_is_whole(const struct blk_req *req, uint64_t seq)
{
	unsigned int i;

	if (req->id != seq || req->sector_512 != tag(seq) ||
	    req->op != BLKIF_OP_WRITE || req->nr_segs != seq % 12)
		return false;
	for (i = 0; i < req->nr_segs; i++)
		if (req->seg[i].gref != (uint32_t)tag(seq + i) ||
		    req->seg[i].last_sect != i)
			return false;
	return true;
}

static struct blk_req make_request(uint64_t seq)
{
	struct blk_req req = {.id = seq,
			      .sector_512 = tag(seq),
			      .op = BLKIF_OP_WRITE,
			      .nr_segs = (uint16_t)(seq % 12)};
	unsigned int i;

	for (i = 0; i < req.nr_segs; i++)
		req.seg[i] = (struct blk_seg){.gref = (uint32_t)tag(seq + i),
					      .last_sect = (uint8_t)i};
	return req;
}

/* Takes in batches, answers each batch backwards, sleeps when there is
 * nothing. */
static void *back_thread(void *arg)
{
	struct shared *sh = arg;
	uint64_t ids[BLK_RING_MAX_ENTRIES];
	struct blk_back_ring ring;
	uint64_t seq = 0;

	REQUIRE(sh, blk_back_ring_init(&ring, sh->pages, sh->nr_pages, sh->abi,
				       0, 0) == 0);
	while (seq < NR_REQUESTS) {
		unsigned int i, batch = 1 + (unsigned int)(tag(seq) >> 32) % 40;
		int avail = blk_back_ring_avail(&ring);
		struct blk_req req;

		REQUIRE(sh, avail >= 0);
		if (avail == 0) {
			if (!blk_back_ring_arm(&ring))
				REQUIRE(sh, wait_event(sh->to_back));
			continue;
		}
		if (batch > (unsigned int)avail)
			batch = (unsigned int)avail;
		for (i = 0; i < batch; i++) {
			blk_back_ring_get(&ring, &req);
			REQUIRE(sh, request_is_whole(&req, seq));
			REQUIRE(sh, sh->beside[seq % 1024] == tag(seq));
			sh->beside_rsp[seq % 1024] = ~tag(seq);
			ids[i] = req.id;
			seq++;
		}
		while (i-- > 0) {
			struct blk_rsp rsp = {.id = ids[i],
					      .op = BLKIF_OP_WRITE,
					      .status = (int16_t)tag(ids[i])};

			blk_back_ring_put(&ring, &rsp);
		}
		if (blk_back_ring_publish(&ring))
			REQUIRE(sh, notify(sh->to_front));
	}
	return NULL;
}

static void *front_thread(void *arg)
{
	struct shared *sh = arg;
	struct blk_front_ring ring;
	uint8_t *done = calloc(NR_REQUESTS, 1);
	uint64_t seq = 0, got = 0;

	/* The pages were initialised before the threads started; here only
	 * the private half is wanted. */
	ring = (struct blk_front_ring){
		.shared = sh->pages,
		.abi = sh->abi,
		.nr_ents = blk_ring_entries(sh->abi, sh->nr_pages)};
	while (got < NR_REQUESTS && !atomic_load(&sh->stop)) {
		unsigned int free_slots = blk_front_ring_free(&ring);
		unsigned int batch = 1 + (unsigned int)(tag(seq) >> 40) % 50;
		struct blk_rsp rsp;
		int avail;

		while (batch-- > 0 && free_slots-- > 0 && seq < NR_REQUESTS) {
			struct blk_req req = make_request(seq);

			sh->beside[seq % 1024] = tag(seq);
			seq++;
			blk_front_ring_put(&ring, &req);
		}
		if (blk_front_ring_publish(&ring) && !notify(sh->to_back))
			fail_at(sh, __LINE__);
		avail = blk_front_ring_avail(&ring);
		if (avail < 0)
			fail_at(sh, __LINE__);
		for (; avail > 0; avail--, got++) {
			blk_front_ring_get(&ring, &rsp);
			if (rsp.id >= seq || done[rsp.id]++ ||
			    rsp.op != BLKIF_OP_WRITE ||
			    rsp.status != (int16_t)tag(rsp.id) ||
			    sh->beside_rsp[rsp.id % 1024] != ~tag(rsp.id))
				fail_at(sh, __LINE__);
		}
		if (blk_front_ring_free(&ring) > 0 && seq < NR_REQUESTS)
			continue;
		if (got < NR_REQUESTS && !blk_front_ring_arm(&ring) &&
		    !wait_event(sh->to_front))
			fail_at(sh, __LINE__);
	}
	free(done);
	return NULL;
}

START_TEST(two_threads)
{
	static const struct {
		unsigned int pages;
		enum blk_abi abi;
	} kinds[] = {
		{1, BLK_ABI_X86_64}, {1, BLK_ABI_X86_32}, {16, BLK_ABI_X86_64}};
	struct blk_front_ring front;
	pthread_t threads[2];
	struct shared sh;

	setup(&sh, kinds[_i].pages, kinds[_i].abi);
	ck_assert_int_eq(
		blk_front_ring_init(&front, sh.pages, sh.nr_pages, sh.abi), 0);
	ck_assert_int_eq(pthread_create(&threads[0], NULL, back_thread, &sh),
			 0);
	ck_assert_int_eq(pthread_create(&threads[1], NULL, front_thread, &sh),
			 0);
	pthread_join(threads[1], NULL);
	pthread_join(threads[0], NULL);
	teardown(&sh);
}
END_TEST

/* Words of noise everywhere, and now and then a plausible producer. */
static void *scribbler(void *arg)
{
	struct shared *sh = arg;
	size_t words = sh->nr_pages * BLK_PAGE_SIZE / 4;
	uint32_t *shared = sh->pages;
	uint64_t rnd = 88172645463325252ull;

	while (!atomic_load_explicit(&sh->stop, memory_order_relaxed)) {
		rnd ^= rnd << 13;
		rnd ^= rnd >> 7;
		rnd ^= rnd << 17;
		shm_store_u32(&shared[rnd % words], (uint32_t)(rnd >> 32));
		if (rnd >> 60 == 0) {
			unsigned int prod = rnd >> 59 & 1 ? 0 : 2;

			shm_store_u32(&shared[prod],
				      shm_load_u32(&shared[2 - prod]) +
					      (rnd >> 50 & 31));
		}
	}
	return NULL;
}

static void *hostile_back(void *arg)
{
	struct shared *sh = arg;
	struct blk_back_ring ring;
	uint64_t round;

	blk_back_ring_init(&ring, sh->pages, sh->nr_pages, sh->abi, 0, 0);
	for (round = 0; round < NR_SCRIBBLE; round++) {
		int avail = blk_back_ring_avail(&ring);
		struct blk_rsp rsp = {.id = round};
		struct blk_req req;

		if (avail < 0) {
			uint32_t prod = blk_back_ring_peek_rsp_prod(sh->pages);

			REQUIRE(sh, avail == -EPROTO);
			REQUIRE(sh, blk_back_ring_init(&ring, sh->pages,
						       sh->nr_pages, sh->abi,
						       prod, prod) == 0);
			continue;
		}
		REQUIRE(sh, (unsigned int)avail <=
				    ring.nr_ents - (ring.req_cons -
						    ring.rsp_prod_pvt));
		while (avail-- > 0)
			blk_back_ring_get(&ring, &req);
		while (ring.rsp_prod_pvt != ring.req_cons)
			blk_back_ring_put(&ring, &rsp);
		blk_back_ring_publish(&ring);
		blk_back_ring_arm(&ring);
	}
	return NULL;
}

static void *hostile_front(void *arg)
{
	struct shared *sh = arg;
	struct blk_front_ring ring = {
		.shared = sh->pages,
		.abi = sh->abi,
		.nr_ents = blk_ring_entries(sh->abi, sh->nr_pages)};
	uint64_t round;

	for (round = 0; round < NR_SCRIBBLE; round++) {
		unsigned int slots = blk_front_ring_free(&ring);
		struct blk_req req = make_request(round);
		struct blk_rsp rsp;
		int avail;

		REQUIRE(sh, slots <= ring.nr_ents);
		if (slots)
			blk_front_ring_put(&ring, &req);
		blk_front_ring_publish(&ring);
		avail = blk_front_ring_avail(&ring);
		if (avail < 0) {
			REQUIRE(sh, avail == -EPROTO);
			/* What a frontend would do by closing. */
			ring.rsp_cons = ring.req_prod = ring.req_prod_pvt;
			continue;
		}
		REQUIRE(sh,
			(unsigned int)avail <= ring.req_prod - ring.rsp_cons);
		while (avail-- > 0)
			blk_front_ring_get(&ring, &rsp);
		blk_front_ring_arm(&ring);
	}
	return NULL;
}

START_TEST(scribbled)
{
	pthread_t back, front, noise;
	struct shared sh;

	setup(&sh, 2, _i ? BLK_ABI_X86_32 : BLK_ABI_X86_64);
	ck_assert_int_eq(pthread_create(&noise, NULL, scribbler, &sh), 0);
	ck_assert_int_eq(pthread_create(&back, NULL, hostile_back, &sh), 0);
	ck_assert_int_eq(pthread_create(&front, NULL, hostile_front, &sh), 0);
	pthread_join(back, NULL);
	pthread_join(front, NULL);
	atomic_store(&sh.stop, true);
	pthread_join(noise, NULL);
	teardown(&sh);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_stress");
	TCase *tc = tcase_create("stress");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 50);
	tcase_add_loop_test(tc, two_threads, 0, 3);
	tcase_add_loop_test(tc, scribbled, 0, 2);
	return run_suite(suite);
}
