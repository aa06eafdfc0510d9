// SPDX-License-Identifier: MIT
/*
 * A frontend that breaks every rule:  hostile_front DEVID CASE
 *
 * Each case says what the backend has to do, and exits with 0 if it did; the
 * script looks at xenstore, the log and other guests' disks.
 */
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/blkif.h>

#include "ring/barrier.h"
#include "tests/e2e/raw_front.h"

#define STORM       100000u
#define RACES       20000u
#define RACE_DEPTH  16u
#define LAST_SECTOR (UINT64_C(8) * 2048 - 1) /* the disk has 8 MiB */
#define NO_REF      60000u                   /* never granted */

static bool persistent;

static struct blk_req good_read(const struct raw_front *f)
{
	return (struct blk_req){
		.op = BLKIF_OP_READ,
		.nr_segs = 1,
		.seg[0] = {.gref = raw_ref(f, 0), .last_sect = 7},
	};
}

static bool still_works(struct raw_front *f)
{
	struct blk_req req = good_read(f);

	return raw_ask(f, &req) == BLKIF_RSP_OKAY;
}

/* ---- bad requests: the status of each ---- */

static unsigned int nr_wrong;

static void want(struct raw_front *f, const char *what, struct blk_req *req,
		 int status)
{
	int got = raw_ask(f, req);

	if (got == status && still_works(f))
		return;
	if (got != status)
		fprintf(stderr, "%s: status %d, not %d\n", what, got, status);
	else
		fprintf(stderr, "%s: the disk does not work any more\n", what);
	nr_wrong++;
}

static void bad_operations(struct raw_front *f)
{
	static const uint8_t ops[] = {4, 7, 8, 100, 200, 255};
	struct blk_req req;
	size_t i;

	for (i = 0; i < sizeof(ops); i++) {
		req = good_read(f);
		req.op = ops[i];
		want(f, "unknown operation", &req, BLKIF_RSP_EOPNOTSUPP);
	}
}

static void bad_segments(struct raw_front *f)
{
	static const uint16_t counts[] = {0, 12, 13, 128, 255};
	struct blk_req req;
	unsigned int i, op;

	for (op = BLKIF_OP_READ; op <= BLKIF_OP_WRITE; op++) {
		for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
			req = good_read(f);
			req.op = op;
			req.nr_segs = counts[i];
			want(f, "count of segments", &req, BLKIF_RSP_ERROR);
		}
		for (i = 8; i < 256; i += i < 16 ? 1 : 13) {
			req = good_read(f);
			req.op = op;
			req.seg[0].last_sect = i;
			want(f, "last sector outside", &req, BLKIF_RSP_ERROR);
			req.seg[0].first_sect = i;
			want(f, "both outside", &req, BLKIF_RSP_ERROR);
		}
		req = good_read(f);
		req.op = op;
		req.seg[0].first_sect = 5;
		req.seg[0].last_sect = 4;
		want(f, "first after last", &req, BLKIF_RSP_ERROR);
	}
	req = good_read(f);
	req.op = BLKIF_OP_FLUSH_DISKCACHE;
	want(f, "flush with segments", &req, BLKIF_RSP_ERROR);
}

static void bad_places(struct raw_front *f)
{
	static const uint64_t sectors[] = {LAST_SECTOR + 1,  LAST_SECTOR - 6,
					   UINT64_MAX,       UINT64_MAX - 7,
					   UINT64_MAX / 512, UINT64_C(1) << 63,
					   UINT64_C(1) << 55};
	struct blk_req req;
	unsigned int i, op;

	for (op = BLKIF_OP_READ; op <= BLKIF_OP_WRITE_BARRIER; op++) {
		for (i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
			req = good_read(f);
			req.op = op;
			req.sector_512 = sectors[i];
			want(f, "past the end", &req, BLKIF_RSP_ERROR);
		}
	}
	for (i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
		memset(&req, 0, sizeof(req));
		req.op = BLKIF_OP_DISCARD;
		req.sector_512 = sectors[i];
		req.discard_nr_sects_512 = 8;
		want(f, "discard past the end", &req, BLKIF_RSP_ERROR);
		req.sector_512 = 8;
		req.discard_nr_sects_512 = i == 1 ? LAST_SECTOR
						  : UINT64_MAX - i;
		want(f, "discard of too much", &req, BLKIF_RSP_ERROR);
	}
}

static void bad_references(struct raw_front *f)
{
	const uint32_t refs[] = {0, 1, NO_REF, UINT32_MAX, 1u << 31};
	struct blk_req req;
	unsigned int i, at, s;

	for (at = 0; at < BLK_SEGS_PER_REQUEST; at++) {
		for (i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
			memset(&req, 0, sizeof(req));
			req.op = i & 1 ? BLKIF_OP_WRITE : BLKIF_OP_READ;
			req.nr_segs = BLK_SEGS_PER_REQUEST;
			for (s = 0; s < req.nr_segs; s++)
				req.seg[s] = (struct blk_seg){
					.gref = raw_ref(f, s), .last_sect = 7};
			req.seg[at].gref = refs[i];
			want(f, "a bad reference", &req, BLKIF_RSP_ERROR);
		}
	}
}

static struct blk_req good_indirect(struct raw_front *f, unsigned int nr)
{
	struct blk_seg seg[BLK_MAX_INDIRECT_SEGS];
	struct blk_req req = {.op = BLKIF_OP_READ, .indirect = true};
	unsigned int i;

	for (i = 0; i < nr; i++)
		seg[i] = (struct blk_seg){.gref = raw_ref(f, 1 + i),
					  .last_sect = 7};
	blk_segs_store(f->data, seg, nr);
	req.nr_segs = nr;
	req.indirect_gref[0] = raw_ref(f, 0);
	return req;
}

static void bad_indirect(struct raw_front *f)
{
	static const uint16_t counts[] = {0, 257, 512, 513, 4096, 65535};
	static const uint8_t ops[] = {BLKIF_OP_WRITE_BARRIER,
				      BLKIF_OP_FLUSH_DISKCACHE,
				      BLKIF_OP_DISCARD,
				      BLKIF_OP_INDIRECT,
				      4,
				      255};
	struct blk_req req = good_indirect(f, 256);
	struct blk_seg *seg = (void *)f->data;
	unsigned int i;

	want(f, "a good indirect one", &req, BLKIF_RSP_OKAY);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		req = good_indirect(f, 32);
		req.nr_segs = counts[i];
		want(f, "indirect, count", &req, BLKIF_RSP_ERROR);
	}
	for (i = 0; i < sizeof(ops); i++) {
		req = good_indirect(f, 32);
		req.op = ops[i];
		want(f, "indirect, operation", &req, BLKIF_RSP_ERROR);
	}
	req = good_indirect(f, 32);
	req.indirect_gref[0] = NO_REF;
	want(f, "indirect, page", &req, BLKIF_RSP_ERROR);
	for (i = 0; i < 32; i += 31) {
		req = good_indirect(f, 32);
		seg[i].gref = NO_REF;
		want(f, "indirect, reference", &req, BLKIF_RSP_ERROR);
		req = good_indirect(f, 32);
		seg[i].last_sect = 200;
		want(f, "indirect, last sector", &req, BLKIF_RSP_ERROR);
		req = good_indirect(f, 32);
		seg[i].first_sect = 8;
		want(f, "indirect, first sector", &req, BLKIF_RSP_ERROR);
	}
	req = good_indirect(f, 256);
	req.sector_512 = LAST_SECTOR - 2046;
	want(f, "indirect, past the end", &req, BLKIF_RSP_ERROR);
	req = good_indirect(f, 256);
	req.sector_512 = LAST_SECTOR - 2047;
	want(f, "indirect, up to the end", &req, BLKIF_RSP_OKAY);
}

static int do_requests(struct raw_front *f)
{
	if (raw_connect(f, persistent))
		return 1;
	bad_operations(f);
	bad_segments(f);
	bad_places(f);
	bad_references(f);
	bad_indirect(f);
	return raw_disconnect(f) || nr_wrong;
}

/* A disk that is read-only. */
static int do_readonly(struct raw_front *f)
{
	struct blk_req req;

	if (raw_connect(f, persistent))
		return 1;
	req = good_read(f);
	req.op = BLKIF_OP_WRITE;
	want(f, "write", &req, BLKIF_RSP_ERROR);
	req.op = BLKIF_OP_WRITE_BARRIER;
	want(f, "barrier", &req, BLKIF_RSP_ERROR);
	memset(&req, 0, sizeof(req));
	req.op = BLKIF_OP_DISCARD;
	req.discard_nr_sects_512 = 8;
	want(f, "discard", &req, BLKIF_RSP_ERROR);
	req = good_indirect(f, 32);
	req.op = BLKIF_OP_WRITE;
	want(f, "indirect write", &req, BLKIF_RSP_ERROR);
	return raw_disconnect(f) || nr_wrong;
}

/* ---- a ring that changes after it was looked at ---- */

static atomic_bool race_over;

/*
 * Fields of the first requests and of the segments in page 0, between sense
 * and nonsense; ids stay.  Of references only the last byte: with another one
 * a read could go to the ring's own page, whose indices are then the disk's.
 */
static void *flip(void *arg)
{
	struct raw_front *f = arg;
	uint8_t *slots = (uint8_t *)f->ring.shared + 64, *slot;
	uint64_t x = 88172645463325252u;
	unsigned int at;

	while (!atomic_load_explicit(&race_over, memory_order_relaxed)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		slot = slots + x % RACE_DEPTH * 112;
		/* nr_segs or inner operation; sector; a segment */
		slot[1] = x >> 8;
		((volatile uint64_t *)slot)[2] = x & 1 ? 8 : x >> 3;
		slot[24 + (x >> 16) % 11 * 8 + 3] = x & 2 ? 0 : x >> 24;
		slot[24 + 5] = x >> 32;
		at = (x >> 20) % BLK_PAGE_SIZE;
		if (at % 8 < 3)
			at |= 3;
		f->data[at] = x >> 40;
	}
	return NULL;
}

static int race_batch(struct raw_front *f)
{
	struct blk_rsp rsp;
	struct blk_req req;
	unsigned int i;

	for (i = 0; i < RACE_DEPTH; i++) {
		req = i & 1 ? good_indirect(f, 32) : good_read(f);
		req.sector_512 = 8;
		req.id = i;
		blk_front_ring_put(&f->ring, &req);
	}
	blk_front_ring_publish(&f->ring);
	raw_notify(f);
	for (i = 0; i < RACE_DEPTH; i++) {
		if (raw_receive(f, &rsp)) {
			fprintf(stderr, "race: no response\n");
			return -1;
		}
		if (rsp.status > 0 || rsp.status < BLKIF_RSP_EOPNOTSUPP) {
			fprintf(stderr, "race: status %d\n", rsp.status);
			return -1;
		}
	}
	return 0;
}

static int do_race(struct raw_front *f)
{
	pthread_t thread;
	unsigned int i;
	int bad = 0;

	if (raw_connect(f, persistent))
		return 1;
	if (pthread_create(&thread, NULL, flip, f))
		return 1;
	for (i = 0; i < RACES && !bad; i += RACE_DEPTH)
		bad = race_batch(f);
	atomic_store(&race_over, true);
	pthread_join(thread, NULL);
	return bad || !still_works(f) || raw_disconnect(f);
}

/* ---- events, grants ---- */

static int do_storm(struct raw_front *f)
{
	unsigned int i;

	if (raw_connect(f, persistent))
		return 1;
	for (i = 0; i < STORM; i++) {
		raw_notify(f);
		if (i % 10000 == 0 && !still_works(f))
			return 1;
	}
	return !still_works(f) || raw_disconnect(f);
}

/* Data pages are taken back with requests in flight; what is answered how is
 * the guest's own loss, but all is answered, and the ring lives. */
static int do_revoke(struct raw_front *f)
{
	struct grant_pool *old;
	struct blk_rsp rsp;
	unsigned int i, s, round;

	if (raw_connect(f, persistent))
		return 1;
	for (round = 0; round < 20; round++) {
		struct blk_req req = {.op = round & 1 ? BLKIF_OP_WRITE
						      : BLKIF_OP_READ,
				      .nr_segs = BLK_SEGS_PER_REQUEST};

		for (i = 0; i < 20; i++) {
			for (s = 0; s < req.nr_segs; s++)
				req.seg[s] = (struct blk_seg){
					.gref = raw_ref(f, i * 11 + s),
					.last_sect = 7};
			raw_send(f, &req);
		}
		old = f->data_pool;
		grant_pool_destroy(old);
		if (grant_pool_create(&f->data_pool, f->gntshr, f->be_domid,
				      RAW_DATA_PAGES, true))
			return 1;
		f->data = grant_pool_alloc(f->data_pool, RAW_DATA_PAGES);
		for (i = 0; i < 20; i++)
			if (raw_receive(f, &rsp))
				return 1;
	}
	return !still_works(f) || raw_disconnect(f);
}

/* ---- violations: the backend closes, with a reason ---- */

static void set_producer(struct raw_front *f, uint32_t ahead)
{
	shm_store_release(f->ring.shared, f->ring.req_prod + ahead);
	raw_notify(f);
}

static int expect_closing(struct raw_front *f)
{
	int err = raw_wait_refusal(f);

	raw_drop_ring(f);
	return err;
}

static int producer(struct raw_front *f, uint32_t ahead)
{
	if (raw_connect(f, persistent) || !still_works(f))
		return 1;
	set_producer(f, ahead);
	return expect_closing(f);
}

static int do_ahead(struct raw_front *f)
{
	return producer(f, f->ring.nr_ents ? f->ring.nr_ents + 1 : 33);
}

static int do_far(struct raw_front *f)
{
	return producer(f, 1u << 31);
}

static int do_backwards(struct raw_front *f)
{
	return producer(f, UINT32_MAX);
}

/* More requests than there is room for, in order: some unanswered yet. */
static int do_overrun(struct raw_front *f)
{
	if (raw_connect(f, persistent))
		return 1;
	memset((uint8_t *)f->ring.shared + 64, 0xff, BLK_PAGE_SIZE - 64);
	set_producer(f, 200);
	return expect_closing(f);
}

static int bad_key(struct raw_front *f, const char *key, uint32_t value)
{
	raw_set_state(f, XenbusStateInitialising);
	if (raw_wait_back(f, RAW_BIT(XenbusStateInitWait)) ||
	    raw_make_ring(f, persistent))
		return 1;
	raw_write_key(f, key, value);
	raw_set_state(f, XenbusStateInitialised);
	return expect_closing(f);
}

static int do_ringref(struct raw_front *f)
{
	return bad_key(f, "ring-ref", NO_REF);
}

static int do_port(struct raw_front *f)
{
	return bad_key(f, "event-channel", 999);
}

/* A port that is another's: the xenstore's own. */
static int do_xsport(struct raw_front *f)
{
	return bad_key(f, "event-channel", 1);
}

/* Data as a ring: all bytes are the guest's anyway, but the indices are. */
static int do_garbage(struct raw_front *f)
{
	raw_set_state(f, XenbusStateInitialising);
	if (raw_wait_back(f, RAW_BIT(XenbusStateInitWait)) ||
	    raw_make_ring(f, persistent))
		return 1;
	memset(f->ring.shared, 0xa5, BLK_PAGE_SIZE);
	shm_store_u32(f->ring.shared, 77);
	raw_set_state(f, XenbusStateInitialised);
	return expect_closing(f);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct raw_front *f);
	} cases[] = {
		{"requests", do_requests}, {"readonly", do_readonly},
		{"race", do_race},         {"storm", do_storm},
		{"revoke", do_revoke},     {"ahead", do_ahead},
		{"far", do_far},           {"backwards", do_backwards},
		{"overrun", do_overrun},   {"ringref", do_ringref},
		{"port", do_port},         {"xsport", do_xsport},
		{"garbage", do_garbage},
	};
	struct raw_front f;
	int err = 64;
	size_t i;

	if (argc < 3)
		return 64;
	persistent = argc > 3 && !strcmp(argv[3], "persistent");
	if (raw_open(&f, "vbd", (unsigned int)atoi(argv[1])))
		return 2;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(argv[2], cases[i].name))
			err = cases[i].run(&f);
	raw_close(&f);
	return err == 64 ? 64 : err != 0;
}
