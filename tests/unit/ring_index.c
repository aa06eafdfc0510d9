// SPDX-License-Identifier: MIT
/*
 * Indices and notification, against the macros of <xen/io/ring.h> working on a
 * copy of the same page.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/blkif.h>

/* One thread here: the oracle needs no barriers. */
#undef xen_mb
#undef xen_rmb
#undef xen_wmb
#define xen_mb()  ((void)0)
#define xen_rmb() ((void)0)
#define xen_wmb() ((void)0)

#include "ring/blk_ring.h"
#include "tests/unit/check_quiet.h"
#include "tests/unit/run_suite.h"

#define MAX_BYTES (BLK_RING_MAX_PAGES * BLK_PAGE_SIZE)

/* Ours, and the oracle's. */
static _Alignas(4096) uint8_t page[MAX_BYTES], copy[MAX_BYTES];
static struct blkif_sring *const sring = (void *)page;
static struct blkif_sring *const sring2 = (void *)copy;

static const uint32_t starts[] = {
	0,          1,           31,          0x7fffffff - 3,
	0x80000000, 0xffffff00u, 0xffffffe0u, 0xffffffffu};
#define NR_STARTS ((int)(sizeof(starts) / sizeof(starts[0])))

static unsigned int upto(unsigned int n)
{
	return (unsigned int)random() % (n + 1);
}

/* Both sides of a ring whose indices stand at start. */
static void begin_at(struct blk_front_ring *front, struct blk_back_ring *back,
		     unsigned int pages, enum blk_abi abi, uint32_t start)
{
	ck_assert_int_eq(blk_front_ring_init(front, page, pages, abi), 0);
	front->req_prod = front->req_prod_pvt = front->rsp_cons = start;
	sring->req_prod = sring->rsp_prod = start;
	sring->req_event = sring->rsp_event = start + 1;
	ck_assert_int_eq(blk_back_ring_init(back, page, pages, abi,
					    blk_back_ring_peek_rsp_prod(page),
					    blk_back_ring_peek_rsp_prod(page)),
			 0);
}

/* The oracle's structs, with the state of ours, on the copy. */
static void mirror(const struct blk_front_ring *front,
		   const struct blk_back_ring *back, blkif_front_ring_t *f,
		   blkif_back_ring_t *b, unsigned int pages)
{
	memcpy(copy, page, pages * BLK_PAGE_SIZE);
	FRONT_RING_ATTACH(f, sring2, front->rsp_cons, pages * BLK_PAGE_SIZE);
	f->req_prod_pvt = front->req_prod_pvt;
	BACK_RING_ATTACH(b, sring2, back->rsp_prod_pvt, pages * BLK_PAGE_SIZE);
	b->req_cons = back->req_cons;
	ck_assert_uint_eq(front->nr_ents, f->nr_ents);
	ck_assert_uint_eq(back->nr_ents, b->nr_ents);
}

struct pair {
	struct blk_front_ring front;
	struct blk_back_ring back;
	blkif_front_ring_t xf;
	blkif_back_ring_t xb;
	unsigned int pages;
	uint64_t put, taken, answered, got;
};

static void front_sends(struct pair *p)
{
	unsigned int i, n = upto(blk_front_ring_free(&p->front));
	bool notify, want;

	for (i = 0; i < n; i++) {
		struct blk_req req = {
			.op = BLKIF_OP_READ, .id = p->put, .nr_segs = 11};

		ck_assert_uint_eq(blk_front_ring_free(&p->front),
				  p->front.nr_ents - (p->put - p->got));
		blk_front_ring_put(&p->front, &req);
		p->put++;
	}
	mirror(&p->front, &p->back, &p->xf, &p->xb, p->pages);
	ck_assert_uint_eq(RING_FREE_REQUESTS(&p->xf),
			  blk_front_ring_free(&p->front));
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&p->xf, want);
	notify = blk_front_ring_publish(&p->front);
	ck_assert_int_eq(notify, want);
	ck_assert_mem_eq(page, copy, p->pages * BLK_PAGE_SIZE);
	ck_assert(!blk_front_ring_publish(&p->front));
}

static void back_takes(struct pair *p)
{
	struct blk_req req;
	unsigned int i, n;
	int avail = blk_back_ring_avail(&p->back);

	mirror(&p->front, &p->back, &p->xf, &p->xb, p->pages);
	ck_assert_int_eq(avail, XEN_RING_NR_UNCONSUMED_REQUESTS(&p->xb));
	ck_assert_int_eq(avail, p->put - p->taken);
	n = upto((unsigned int)avail);
	for (i = 0; i < n; i++) {
		blk_back_ring_get(&p->back, &req);
		ck_assert_uint_eq(req.id, p->taken);
		p->taken++;
	}
}

static void back_answers(struct pair *p)
{
	unsigned int i, n = upto((unsigned int)(p->taken - p->answered));
	bool notify, want;

	for (i = 0; i < n; i++) {
		struct blk_rsp rsp = {.id = p->answered};

		blk_back_ring_put(&p->back, &rsp);
		p->answered++;
	}
	mirror(&p->front, &p->back, &p->xf, &p->xb, p->pages);
	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&p->xb, want);
	notify = blk_back_ring_publish(&p->back);
	ck_assert_int_eq(notify, want);
	ck_assert_mem_eq(page, copy, p->pages * BLK_PAGE_SIZE);
	ck_assert(!blk_back_ring_publish(&p->back));
}

static void front_takes(struct pair *p)
{
	struct blk_rsp rsp;
	unsigned int i, n;
	int avail = blk_front_ring_avail(&p->front);

	mirror(&p->front, &p->back, &p->xf, &p->xb, p->pages);
	ck_assert_int_eq(avail, XEN_RING_NR_UNCONSUMED_RESPONSES(&p->xf));
	ck_assert_int_eq(avail, p->answered - p->got);
	n = upto((unsigned int)avail);
	for (i = 0; i < n; i++) {
		blk_front_ring_get(&p->front, &rsp);
		ck_assert_uint_eq(rsp.id, p->got);
		p->got++;
	}
}

static void arm(struct pair *p)
{
	int want;

	mirror(&p->front, &p->back, &p->xf, &p->xb, p->pages);
	if (upto(1)) {
		RING_FINAL_CHECK_FOR_REQUESTS(&p->xb, want);
		ck_assert_int_eq(blk_back_ring_arm(&p->back), want != 0);
	} else {
		RING_FINAL_CHECK_FOR_RESPONSES(&p->xf, want);
		ck_assert_int_eq(blk_front_ring_arm(&p->front), want != 0);
	}
	ck_assert_mem_eq(page, copy, 64);
}

/* Random steps of both sides, from every start, with every size. */
START_TEST(oracle)
{
	static const unsigned int sizes[] = {1, 2, 4, 8, 16};
	unsigned int s, step;

	srandom((unsigned int)_i);
	for (s = 0; s < 5; s++) {
		struct pair p = {.pages = sizes[s]};

		begin_at(&p.front, &p.back, p.pages, BLK_ABI_X86_64,
			 starts[_i]);
		for (step = 0; step < 600; step++) {
			switch (random() % 5) {
			case 0:
				front_sends(&p);
				break;
			case 1:
				back_takes(&p);
				break;
			case 2:
				back_answers(&p);
				break;
			case 3:
				front_takes(&p);
				break;
			default:
				arm(&p);
			}
		}
		ck_assert_uint_gt(p.got, 0);
	}
}
END_TEST

/* Every step from every start with every event index around it. */
START_TEST(notify_exact)
{
	uint32_t start = starts[_i];
	struct blk_front_ring front;
	struct blk_back_ring back;
	unsigned int step, i;
	bool want;
	int off;

	for (step = 0; step <= 32; step++) {
		for (off = -40; off <= 40; off++) {
			struct blk_req req = {.op = BLKIF_OP_READ};
			struct blk_rsp rsp = {0};
			uint32_t event = start + (uint32_t)off;

			/* notify: old < event <= new */
			want = off >= 1 && off <= (int)step;
			begin_at(&front, &back, 1, BLK_ABI_X86_64, start);
			sring->req_event = event;
			for (i = 0; i < step; i++)
				blk_front_ring_put(&front, &req);
			ck_assert_int_eq(blk_front_ring_publish(&front), want);

			ck_assert_int_eq(blk_back_ring_avail(&back), step);
			sring->rsp_event = event;
			for (i = 0; i < step; i++)
				blk_back_ring_get(&back, &req);
			for (i = 0; i < step; i++)
				blk_back_ring_put(&back, &rsp);
			ck_assert_int_eq(blk_back_ring_publish(&back), want);
		}
	}
}
END_TEST

static void try_distance(struct blk_back_ring *back, uint32_t dist)
{
	uint32_t in_use = back->req_cons - back->rsp_prod_pvt;
	blkif_back_ring_t xb;

	sring->req_prod = back->req_cons + dist;
	BACK_RING_ATTACH(&xb, sring, back->rsp_prod_pvt, BLK_PAGE_SIZE);
	if (dist <= back->nr_ents - in_use) {
		ck_assert_int_eq(blk_back_ring_avail(back), dist);
		ck_assert(!RING_REQUEST_PROD_OVERFLOW(&xb, sring->req_prod));
		ck_assert_int_eq(blk_back_ring_arm(back), dist != 0);
	} else {
		ck_assert_int_eq(blk_back_ring_avail(back), -EPROTO);
		ck_assert(blk_back_ring_arm(back));
	}
}

/* The frontend's producer at every distance, with every number of requests in
 * the backend's hands. */
START_TEST(producer_too_far)
{
	struct blk_front_ring front;
	struct blk_back_ring back;
	unsigned int in_use, i;
	struct blk_req req;
	uint32_t d;

	srandom(5);
	for (in_use = 0; in_use <= 32; in_use++) {
		begin_at(&front, &back, 1, BLK_ABI_X86_64, starts[_i]);
		for (i = 0; i < in_use; i++)
			blk_back_ring_get(&back, &req);
		for (d = 0; d < 200; d++) {
			try_distance(&back, d);
			try_distance(&back, -d);
		}
		for (d = 1; d; d <<= 1) {
			try_distance(&back, d - 1);
			try_distance(&back, d);
			try_distance(&back, d + 1);
		}
		for (i = 0; i < 2000; i++)
			try_distance(&back, (uint32_t)random() * 2 + i % 2);
	}
}
END_TEST

/* The backend's producer at every distance, with every number in flight. */
START_TEST(responses_too_many)
{
	struct blk_front_ring front;
	struct blk_back_ring back;
	struct blk_req req = {.op = BLKIF_OP_READ};
	unsigned int flight, i;
	uint32_t d;

	srandom(6);
	for (flight = 0; flight <= 32; flight++) {
		begin_at(&front, &back, 1, BLK_ABI_X86_64, starts[_i]);
		for (i = 0; i < flight; i++)
			blk_front_ring_put(&front, &req);
		blk_front_ring_publish(&front);
		/* What is not published yet cannot have been answered. */
		if (flight < 32)
			blk_front_ring_put(&front, &req);
		for (i = 0; i < 4000; i++) {
			d = i < 200   ? i
			    : i < 400 ? -(i - 200)
			    : i < 432 ? 1u << (i - 400)
				      : (uint32_t)random() * 2 + i % 2;
			sring->rsp_prod = front.rsp_cons + d;
			ck_assert_int_eq(blk_front_ring_avail(&front),
					 d <= flight ? (int)d : -EPROTO);
			if (d > flight)
				ck_assert(blk_front_ring_arm(&front));
		}
	}
}
END_TEST

/* Full to the last slot, across the wrap of the index, in both ABIs. */
START_TEST(full)
{
	static const unsigned int sizes[] = {1, 16};
	unsigned int k, i, n;

	for (k = 0; k < 4; k++) {
		enum blk_abi abi = k % 2 ? BLK_ABI_X86_32 : BLK_ABI_X86_64;
		struct blk_front_ring front;
		struct blk_back_ring back;
		struct blk_req req = {.op = BLKIF_OP_WRITE, .nr_segs = 11};
		struct blk_rsp rsp = {.op = BLKIF_OP_WRITE};

		begin_at(&front, &back, sizes[k / 2], abi, starts[_i]);
		n = front.nr_ents;
		ck_assert_uint_eq(n, k / 2 ? 512 : 32);
		for (i = 0; i < n; i++) {
			ck_assert_uint_eq(blk_front_ring_free(&front), n - i);
			req.id = i;
			req.seg[10].gref = ~i;
			blk_front_ring_put(&front, &req);
		}
		ck_assert_uint_eq(blk_front_ring_free(&front), 0);
		ck_assert(blk_front_ring_publish(&front));
		ck_assert_int_eq(blk_back_ring_avail(&back), n);
		for (i = 0; i < n; i++) {
			blk_back_ring_get(&back, &req);
			ck_assert_uint_eq(req.id, i);
			ck_assert_uint_eq(req.seg[10].gref, ~i);
		}
		ck_assert_int_eq(blk_back_ring_avail(&back), 0);
		for (i = n; i-- > 0;) {
			rsp.id = i;
			blk_back_ring_put(&back, &rsp);
		}
		ck_assert(blk_back_ring_publish(&back));
		ck_assert_uint_eq(blk_front_ring_free(&front), 0);
		ck_assert_int_eq(blk_front_ring_avail(&front), n);
		for (i = n; i-- > 0;) {
			blk_front_ring_get(&front, &rsp);
			ck_assert_uint_eq(rsp.id, i);
		}
		ck_assert_uint_eq(blk_front_ring_free(&front), n);
	}
}
END_TEST

/* A new worker goes on where the journal says, with requests in flight. */
START_TEST(attach)
{
	struct blk_front_ring front;
	struct blk_back_ring back, next;
	struct blk_req req = {.op = BLKIF_OP_READ};
	struct blk_rsp rsp = {0};
	unsigned int i;

	begin_at(&front, &back, 1, BLK_ABI_X86_64, starts[_i]);
	for (i = 0; i < 20; i++)
		blk_front_ring_put(&front, &req);
	blk_front_ring_publish(&front);
	for (i = 0; i < 15; i++)
		blk_back_ring_get(&back, &req);
	for (i = 0; i < 5; i++)
		blk_back_ring_put(&back, &rsp);
	blk_back_ring_publish(&back);
	blk_back_ring_put(&back, &rsp); /* put, and lost unpublished */

	ck_assert_int_eq(blk_back_ring_init(&next, page, 1, BLK_ABI_X86_64,
					    back.req_cons, back.rsp_prod),
			 0);
	ck_assert_int_eq(blk_back_ring_avail(&next), 5);
	for (i = 0; i < 5; i++)
		blk_back_ring_get(&next, &req);
	for (i = 0; i < 15; i++)
		blk_back_ring_put(&next, &rsp);
	blk_back_ring_publish(&next);
	ck_assert_int_eq(blk_front_ring_avail(&front), 20);

	ck_assert_int_eq(
		blk_back_ring_init(&next, page, 0, BLK_ABI_X86_64, 0, 0),
		-EINVAL);
	ck_assert_int_eq(
		blk_back_ring_init(&next, page, 17, BLK_ABI_X86_64, 0, 0),
		-EINVAL);
	ck_assert_int_eq(
		blk_back_ring_init(&next, page, 1, BLK_ABI_X86_64, 32, 0), 0);
	ck_assert_int_eq(
		blk_back_ring_init(&next, page, 1, BLK_ABI_X86_64, 33, 0),
		-EINVAL);
	ck_assert_int_eq(
		blk_back_ring_init(&next, page, 1, BLK_ABI_X86_64, 0, 1),
		-EINVAL);
	ck_assert_int_eq(blk_front_ring_init(&front, page, 0, BLK_ABI_X86_32),
			 -EINVAL);
}
END_TEST

/* A fresh ring is what Xen's macro makes. */
START_TEST(fresh)
{
	struct blk_front_ring front;

	memset(page, 0xa5, sizeof(page));
	memset(copy, 0, sizeof(copy));
	SHARED_RING_INIT(sring2);
	ck_assert_int_eq(blk_front_ring_init(&front, page, 16, BLK_ABI_X86_64),
			 0);
	ck_assert_mem_eq(page, copy, sizeof(page));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_index");
	TCase *tc = tcase_create("index");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, oracle, 0, NR_STARTS);
	tcase_add_loop_test(tc, notify_exact, 0, NR_STARTS);
	tcase_add_loop_test(tc, producer_too_far, 0, NR_STARTS);
	tcase_add_loop_test(tc, responses_too_many, 0, NR_STARTS);
	tcase_add_loop_test(tc, full, 0, NR_STARTS);
	tcase_add_loop_test(tc, attach, 0, NR_STARTS);
	tcase_add_test(tc, fresh);
	return run_suite(suite);
}
