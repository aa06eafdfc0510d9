// SPDX-License-Identifier: MIT
/*
 * libblkfront: from a request of the caller to a request of the ring.
 *
 * Checks what the caller asks for against the disk, cuts it into what one ring
 * request may carry, and finds the grant reference of every page.  Nothing
 * here is on the ring yet, and nothing comes from the backend.
 */
#include <errno.h>

#include "frontend/blkfront_int.h"

/* After stdint.h, which it needs and does not include. */
#include <xen/io/blkif.h>

#define SECTOR_MASK (BLK_SECTOR_SIZE - 1)

static bool moves_data(enum blkfront_op op)
{
	return op == BLKFRONT_READ || op == BLKFRONT_WRITE ||
	       op == BLKFRONT_WRITE_BARRIER;
}

static uint32_t pages_of(const void *buf, uint64_t len)
{
	uint64_t first = (uintptr_t)buf & (BLK_PAGE_SIZE - 1);

	return (first + len + BLK_PAGE_SIZE - 1) / BLK_PAGE_SIZE;
}

/* The grant references of a buffer's pages; NULL if it is none of ours. */
static const uint32_t *refs_of(const struct blkfront_queue *q, const void *buf,
			       size_t len)
{
	const uint32_t *refs = grant_pool_refs(q->pool, buf, len);

	if (!refs && q->bounce)
		refs = grant_pool_refs(q->bounce, buf, len);
	return refs;
}

static int check_data(const struct blkfront_queue *q,
		      const struct blkfront_io *io)
{
	uint32_t mask = q->geo.sector_size - 1;

	if (io->len > q->geo.max_io_bytes)
		return -EMSGSIZE;
	if (!io->len || (io->len & mask) || ((uintptr_t)io->buf & mask))
		return -EINVAL;
	if (!refs_of(q, io->buf, io->len))
		return -EINVAL;
	if (io->op == BLKFRONT_WRITE_BARRIER &&
	    pages_of(io->buf, io->len) > BLK_SEGS_PER_REQUEST)
		return -EMSGSIZE;
	return 0;
}

int blkfront_check_io(const struct blkfront_queue *q,
		      const struct blkfront_io *io)
{
	const struct blkfront_geometry *geo = &q->geo;
	uint64_t size = geo->nr_sects_512 * BLK_SECTOR_SIZE;

	switch (io->op) {
	case BLKFRONT_FLUSH:
		return geo->flush || geo->barrier ? 0 : -EOPNOTSUPP;
	case BLKFRONT_DISCARD:
		if (!geo->discard)
			return -EOPNOTSUPP;
		break;
	case BLKFRONT_WRITE_BARRIER:
		if (!geo->barrier)
			return -EOPNOTSUPP;
		break;
	case BLKFRONT_READ:
	case BLKFRONT_WRITE:
		break;
	default:
		return -EINVAL;
	}
	if (io->op != BLKFRONT_READ && geo->read_only)
		return -EROFS;
	if ((io->offset | io->len) & (geo->sector_size - 1))
		return -EINVAL;
	if (io->offset > size || io->len > size - io->offset || !io->len)
		return -EINVAL;
	return moves_data(io->op) ? check_data(q, io) : 0;
}

/* Share some more pages for segments; bounded by one page a slot. */
static int indirect_grow(struct blkfront_queue *q)
{
	uint32_t have = q->nr_indirect_pools * BLKFRONT_INDIRECT_STEP;
	uint32_t nr = q->nr_slots - have;
	struct grant_pool *pool;
	uint32_t i;
	int err;

	if (have >= q->nr_slots)
		return -EAGAIN;
	if (nr > BLKFRONT_INDIRECT_STEP)
		nr = BLKFRONT_INDIRECT_STEP;
	/* The backend only reads them, but Linux's maps them writable where
	 * grants are persistent. */
	err = grant_pool_create(&pool, q->bf->gntshr, q->domid, nr, true);
	if (err)
		return err;
	q->indirect_pool[q->nr_indirect_pools++] = pool;
	for (i = 0; i < nr; i++) {
		void *page = grant_pool_alloc(pool, 1);
		struct blkfront_indirect *ind;

		if (!page)
			break;
		ind = &q->indirect_free[q->nr_indirect_free++];
		ind->segs = page;
		ind->gref = grant_pool_ref(pool, page);
	}
	return q->nr_indirect_free ? 0 : -EAGAIN;
}

static int indirect_get(struct blkfront_queue *q, struct blkfront_slot *s)
{
	int err;

	if (s->indirect.segs)
		return 0;
	if (!q->nr_indirect_free) {
		err = indirect_grow(q);
		if (err)
			return err;
	}
	s->indirect = q->indirect_free[--q->nr_indirect_free];
	return 0;
}

void blkfront_indirect_put(struct blkfront_queue *q, struct blkfront_slot *s)
{
	if (s->indirect.segs)
		q->indirect_free[q->nr_indirect_free++] = s->indirect;
	s->indirect.segs = NULL;
}

/* Segments of [buf, buf+len), which is not empty and has at most max_segs
 * pages. */
static uint16_t fill_segs(const uint32_t *refs, const uint8_t *buf,
			  uint64_t len, struct blk_seg *segs)
{
	uint32_t in_page = (uintptr_t)buf & (BLK_PAGE_SIZE - 1);
	uint64_t end = in_page + len; /* from the page's beginning */
	uint16_t nr = 0;

	do {
		uint32_t last = end < BLK_PAGE_SIZE ? end : BLK_PAGE_SIZE;

		segs[nr] = (struct blk_seg){
			.gref = refs[nr],
			.first_sect = in_page / BLK_SECTOR_SIZE,
			.last_sect = last / BLK_SECTOR_SIZE - 1,
		};
		nr++;
		end -= last;
		in_page = 0;
	} while (end);
	return nr;
}

/* How much of what is left fits into one ring request. */
static uint32_t part_len(const struct blkfront_queue *q,
			 const struct blkfront_slot *s)
{
	const uint8_t *buf = s->buf + s->done;
	uint64_t left = s->len - s->done;
	uint64_t most = (uint64_t)q->geo.max_segs * BLK_PAGE_SIZE -
			((uintptr_t)buf & (BLK_PAGE_SIZE - 1));

	return left < most ? left : most;
}

static int encode_data(struct blkfront_queue *q, struct blkfront_slot *s,
		       struct blk_req *req)
{
	const uint8_t *buf = s->buf + s->done;
	const uint32_t *refs;
	int err;

	s->part = part_len(q, s);
	s->is_indirect = pages_of(buf, s->part) > BLK_SEGS_PER_REQUEST;
	refs = refs_of(q, buf, s->part);
	if (!s->is_indirect) {
		req->nr_segs = fill_segs(refs, buf, s->part, req->seg);
		return 0;
	}
	err = indirect_get(q, s);
	if (err)
		return err;
	/* Published with the request, which is put on the ring after this. */
	req->nr_segs = fill_segs(refs, buf, s->part, s->indirect.segs);
	req->indirect = true;
	req->indirect_gref[0] = s->indirect.gref;
	return 0;
}

static uint8_t wire_op(const struct blkfront_queue *q, enum blkfront_op op)
{
	switch (op) {
	case BLKFRONT_READ:
		return BLKIF_OP_READ;
	case BLKFRONT_WRITE:
		return BLKIF_OP_WRITE;
	case BLKFRONT_DISCARD:
		return BLKIF_OP_DISCARD;
	case BLKFRONT_FLUSH:
		if (q->geo.flush)
			return BLKIF_OP_FLUSH_DISKCACHE;
		/* fall through */
	default:
		return BLKIF_OP_WRITE_BARRIER;
	}
}

int blkfront_encode(struct blkfront_queue *q, uint32_t slot,
		    struct blk_req *req)
{
	struct blkfront_slot *s = &q->slots[slot];

	*req = (struct blk_req){
		.id = slot,
		.sector_512 = (s->offset + s->done) / BLK_SECTOR_SIZE,
		.handle = q->bf->dev.devid & UINT16_MAX,
		.op = wire_op(q, s->op),
	};
	s->wire_op = req->op;
	s->is_indirect = false;
	s->part = 0;
	if (moves_data(s->op))
		return encode_data(q, s, req);
	if (s->op == BLKFRONT_DISCARD)
		req->discard_nr_sects_512 = s->len / BLK_SECTOR_SIZE;
	else
		req->sector_512 = 0;
	return 0;
}
