// SPDX-License-Identifier: MIT
/*
 * Verdicts on block requests.  Flat on purpose: one operation after the other,
 * each rule a line, in the order in which Linux's backend applies them, so
 * that frontends see the statuses they know.
 *
 * Where Linux differs: it runs a flush that has segments as a write after a
 * flush, which no frontend sends and the protocol does not describe; here it
 * is an error, so that nobody takes the data for written.  And it fails a
 * flush of a read-only disk, which has nothing to write.
 */
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/io/blkif.h>

#include "ring/blk_check.h"

#define SECTORS_PER_PAGE (BLK_PAGE_SIZE / BLK_SECTOR_SIZE)

static int verdict(int status, const char **why, const char *reason)
{
	*why = reason;
	return status;
}

/* In 512-byte sectors; neither sum nor product, so nothing can wrap. */
static bool in_disk(const struct blk_limits *lim, uint64_t first, uint64_t nr)
{
	return first <= lim->nr_sects_512 && nr <= lim->nr_sects_512 - first;
}

static bool aligned(const struct blk_limits *lim, uint64_t sects)
{
	return (sects & (lim->sector_size / BLK_SECTOR_SIZE - 1)) == 0;
}

static int check_indirect(const struct blk_limits *lim,
			  const struct blk_req *req, const char **why)
{
	if (!lim->max_indirect_segs)
		return verdict(BLKIF_RSP_EOPNOTSUPP, why,
			       "indirect requests were not offered");
	if (req->op != BLKIF_OP_READ && req->op != BLKIF_OP_WRITE)
		return verdict(BLKIF_RSP_ERROR, why,
			       "indirect request is neither read nor write");
	if (req->nr_segs == 0)
		return verdict(BLKIF_RSP_ERROR, why, "no segments");
	if (req->nr_segs > lim->max_indirect_segs)
		return verdict(BLKIF_RSP_ERROR, why,
			       "more indirect segments than offered");
	if (req->op == BLKIF_OP_WRITE && lim->read_only)
		return verdict(BLKIF_RSP_ERROR, why,
			       "write to a read-only disk");
	return BLKIF_RSP_OKAY;
}

static int check_rw(const struct blk_limits *lim, const struct blk_req *req,
		    const char **why)
{
	if (req->op == BLKIF_OP_WRITE_BARRIER && !lim->barrier)
		return verdict(BLKIF_RSP_EOPNOTSUPP, why,
			       "barrier was not offered");
	if (req->nr_segs == 0 && req->op != BLKIF_OP_WRITE_BARRIER)
		return verdict(BLKIF_RSP_ERROR, why, "no segments");
	if (req->nr_segs > BLK_SEGS_PER_REQUEST)
		return verdict(BLKIF_RSP_ERROR, why,
			       "more segments than fit into a request");
	if (req->op != BLKIF_OP_READ && lim->read_only && req->nr_segs)
		return verdict(BLKIF_RSP_ERROR, why,
			       "write to a read-only disk");
	return BLKIF_RSP_OKAY;
}

static int check_flush(const struct blk_limits *lim, const struct blk_req *req,
		       const char **why)
{
	if (!lim->flush)
		return verdict(BLKIF_RSP_EOPNOTSUPP, why,
			       "flush was not offered");
	if (req->nr_segs)
		return verdict(BLKIF_RSP_ERROR, why, "flush with segments");
	return BLKIF_RSP_OKAY;
}

static int check_discard(const struct blk_limits *lim,
			 const struct blk_req *req, const char **why)
{
	if (lim->read_only)
		return verdict(BLKIF_RSP_ERROR, why,
			       "discard on a read-only disk");
	if (!lim->discard)
		return verdict(BLKIF_RSP_EOPNOTSUPP, why,
			       "discard was not offered");
	if (req->discard_nr_sects_512 == 0)
		return verdict(BLKIF_RSP_ERROR, why, "discard of nothing");
	if (!aligned(lim, req->sector_512 | req->discard_nr_sects_512))
		return verdict(BLKIF_RSP_ERROR, why,
			       "discard not aligned to the sector size");
	if (!in_disk(lim, req->sector_512, req->discard_nr_sects_512))
		return verdict(BLKIF_RSP_ERROR, why,
			       "discard past the end of the disk");
	return BLKIF_RSP_OKAY;
}

int blk_check_header(const struct blk_limits *lim, const struct blk_req *req,
		     const char **why)
{
	*why = NULL;
	if (req->indirect)
		return check_indirect(lim, req, why);
	switch (req->op) {
	case BLKIF_OP_READ:
	case BLKIF_OP_WRITE:
	case BLKIF_OP_WRITE_BARRIER:
		return check_rw(lim, req, why);
	case BLKIF_OP_FLUSH_DISKCACHE:
		return check_flush(lim, req, why);
	case BLKIF_OP_DISCARD:
		return check_discard(lim, req, why);
	default:
		return verdict(BLKIF_RSP_EOPNOTSUPP, why, "unknown operation");
	}
}

int blk_check_segs(const struct blk_limits *lim, const struct blk_req *req,
		   const struct blk_seg *segs, uint32_t *bytes,
		   const char **why)
{
	const unsigned int nr = req->nr_segs;
	const unsigned int unit = lim->sector_size / BLK_SECTOR_SIZE;
	const bool begins_aligned = !(req->sector_512 & (unit - 1));
	uint32_t sects = 0; /* at most 4096 segments of 8 */
	unsigned int i;

	*bytes = 0;
	*why = NULL;
	for (i = 0; i < nr; i++) {
		unsigned int first = segs[i].first_sect;
		unsigned int last = segs[i].last_sect;

		if (first > last)
			return verdict(BLKIF_RSP_ERROR, why,
				       "segment's first sector after its last");
		if (last >= SECTORS_PER_PAGE)
			return verdict(BLKIF_RSP_ERROR, why,
				       "segment past the end of its page");
		if (!begins_aligned || ((last - first + 1) & (unit - 1)))
			return verdict(BLKIF_RSP_ERROR, why,
				       "not aligned to the sector size");
		sects += last - first + 1;
	}
	if (sects && !in_disk(lim, req->sector_512, sects))
		return verdict(BLKIF_RSP_ERROR, why,
			       "past the end of the disk");
	*bytes = sects * BLK_SECTOR_SIZE;
	return BLKIF_RSP_OKAY;
}
