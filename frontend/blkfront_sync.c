// SPDX-License-Identifier: MIT
/*
 * libblkfront: the synchronous calls.
 *
 * Memory that is not shared with the backend goes through bounce pages that
 * are kept for this alone, so that a caller who uses up the queue's buffers
 * does not lock itself out.  Long transfers keep several pieces in flight.
 */
#include <errno.h>
#include <string.h>

#include "frontend/blkfront_int.h"

/* Pieces in flight of one call, and the longest piece. */
#define PIECES    4u
#define PIECE_MAX (BLKFRONT_BOUNCE_PAGES / PIECES * BLK_PAGE_SIZE)

struct piece {
	struct blkfront_io io;
	uint8_t *user; /* NULL: nothing to copy */
	bool busy;
	int *first_err;
};

static void piece_done(struct blkfront_io *io, int res)
{
	struct piece *p = io->user;

	if (res && !*p->first_err)
		*p->first_err = res;
	if (!res && p->user && io->op == BLKFRONT_READ)
		memcpy(p->user, io->buf, io->len);
	p->busy = false;
}

/* Submit, making room as long as the ring is full. */
static int submit_one(struct blkfront_queue *q, struct blkfront_io *io)
{
	int err, n;

	for (;;) {
		err = blkfront_submit(q, io);
		if (err != -EAGAIN)
			return err;
		n = blkfront_wait(q, -1);
		if (n < 0)
			return n;
		if (n == 0 && !atomic_load(&q->nr_in_flight))
			return -EIO;
	}
}

/* An error of the queue ends every request of it in time, so that waiting for
 * busy pieces ends too: the pieces are on this stack. */
static void wait_piece(struct blkfront_queue *q, struct piece *p)
{
	while (p->busy)
		blkfront_wait(q, -1);
}

static int piece_start(struct blkfront_queue *q, struct piece *p)
{
	int err;

	p->io.done = piece_done;
	p->io.user = p;
	p->busy = true;
	err = submit_one(q, &p->io);
	if (err)
		p->busy = false;
	else
		blkfront_kick(q);
	return err;
}

static int run_one(struct blkfront_queue *q, enum blkfront_op op, void *buf,
		   uint64_t len, uint64_t offset)
{
	int res = 0;
	struct piece p = {
		.io = {.op = op, .offset = offset, .len = len, .buf = buf},
		.first_err = &res,
	};
	int err = piece_start(q, &p);

	if (err)
		return err;
	wait_piece(q, &p);
	return res;
}

static int get_bounce(struct blkfront_queue *q, void **buf, unsigned int pages)
{
	struct grant_pool *pool;
	int err;

	if (!q->bounce) {
		err = grant_pool_create(&pool, q->bf->gntshr, q->domid,
					BLKFRONT_BOUNCE_PAGES, true);
		if (err)
			return err;
		q->bounce = pool;
	}
	*buf = grant_pool_alloc(q->bounce, pages);
	/* Only done() of another request, calling back here, can have them. */
	return *buf ? 0 : -EBUSY;
}

/* Whole sectors through bounce buffers. */
static int transfer(struct blkfront_queue *q, enum blkfront_op op,
		    uint8_t *user, uint64_t len, uint64_t offset,
		    uint32_t piece_max)
{
	struct piece p[PIECES];
	uint8_t *bounce;
	int res = 0, err;
	unsigned int i;

	err = get_bounce(q, (void **)&bounce, BLKFRONT_BOUNCE_PAGES);
	if (err)
		return err;
	memset(p, 0, sizeof(p));
	for (i = 0; len && !res && !err; i = (i + 1) % PIECES) {
		wait_piece(q, &p[i]);
		p[i].io.op = op;
		p[i].io.offset = offset;
		p[i].io.len = len < piece_max ? len : piece_max;
		p[i].io.buf = bounce + (size_t)i * PIECE_MAX;
		p[i].user = user;
		p[i].first_err = &res;
		if (op == BLKFRONT_WRITE)
			memcpy(p[i].io.buf, user, p[i].io.len);
		user += p[i].io.len;
		offset += p[i].io.len;
		len -= p[i].io.len;
		err = piece_start(q, &p[i]);
	}
	for (i = 0; i < PIECES; i++)
		wait_piece(q, &p[i]);
	grant_pool_free(q->bounce, bounce, BLKFRONT_BOUNCE_PAGES);
	return err ? err : res;
}

/* Part of one sector. */
static int partial(struct blkfront_queue *q, enum blkfront_op op, uint8_t *user,
		   uint32_t len, uint64_t offset, uint32_t sector)
{
	uint32_t in = offset & (sector - 1);
	uint8_t *bounce;
	int err;

	err = get_bounce(q, (void **)&bounce, 1);
	if (err)
		return err;
	err = run_one(q, BLKFRONT_READ, bounce, sector, offset - in);
	if (!err && op == BLKFRONT_READ)
		memcpy(user, bounce + in, len);
	if (!err && op == BLKFRONT_WRITE) {
		memcpy(bounce + in, user, len);
		err = run_one(q, op, bounce, sector, offset - in);
	}
	grant_pool_free(q->bounce, bounce, 1);
	return err;
}

static void read_geometry(struct blkfront_queue *q,
			  struct blkfront_geometry *geo)
{
	owner_lock(&q->lock);
	*geo = q->geo;
	owner_unlock(&q->lock);
}

static int check_range(const struct blkfront_geometry *geo, uint64_t len,
		       uint64_t offset, bool write)
{
	uint64_t size = geo->nr_sects_512 * BLK_SECTOR_SIZE;

	if (write && geo->read_only)
		return -EROFS;
	return offset > size || len > size - offset ? -EINVAL : 0;
}

static int run(struct blkfront_queue *q, enum blkfront_op op, uint8_t *buf,
	       uint64_t len, uint64_t offset)
{
	struct blkfront_geometry geo;
	uint32_t mask, head, max;
	uint64_t whole;
	int err;

	read_geometry(q, &geo);
	err = check_range(&geo, len, offset, op == BLKFRONT_WRITE);
	if (err || !len)
		return err;
	mask = geo.sector_size - 1;
	head = -offset & mask;
	if (head) {
		if (head > len)
			head = len;
		err = partial(q, op, buf, head, offset, geo.sector_size);
	}
	buf += head;
	offset += head;
	len -= head;
	whole = len & ~(uint64_t)mask;
	max = PIECE_MAX < geo.max_io_bytes ? PIECE_MAX : geo.max_io_bytes;
	if (!err && whole)
		err = transfer(q, op, buf, whole, offset, max);
	if (!err && len > whole)
		err = partial(q, op, buf + whole, len - whole, offset + whole,
			      geo.sector_size);
	return err;
}

/* A buffer of blkfront_alloc() that is aligned goes as it is. */
static bool is_direct(struct blkfront_queue *q, const void *buf, size_t len,
		      uint64_t offset)
{
	struct blkfront_geometry geo;

	read_geometry(q, &geo);
	return len && len <= geo.max_io_bytes &&
	       grant_pool_owns(q->pool, buf, len) &&
	       !(((uintptr_t)buf | len | offset) & (geo.sector_size - 1));
}

int blkfront_pread(struct blkfront_queue *q, void *buf, size_t len,
		   uint64_t offset)
{
	if (is_direct(q, buf, len, offset))
		return run_one(q, BLKFRONT_READ, buf, len, offset);
	return run(q, BLKFRONT_READ, buf, len, offset);
}

int blkfront_pwrite(struct blkfront_queue *q, const void *buf, size_t len,
		    uint64_t offset)
{
	if (is_direct(q, buf, len, offset))
		return run_one(q, BLKFRONT_WRITE, (void *)buf, len, offset);
	return run(q, BLKFRONT_WRITE, (void *)buf, len, offset);
}

int blkfront_flush(struct blkfront_queue *q)
{
	return run_one(q, BLKFRONT_FLUSH, NULL, 0, 0);
}

int blkfront_discard(struct blkfront_queue *q, uint64_t offset, uint64_t len)
{
	struct blkfront_geometry geo;
	int err;

	read_geometry(q, &geo);
	err = check_range(&geo, len, offset, true);
	if (err || !len)
		return err;
	return run_one(q, BLKFRONT_DISCARD, NULL, len, offset);
}
