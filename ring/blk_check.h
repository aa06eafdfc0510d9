/* SPDX-License-Identifier: MIT */
/*
 * The one validator of block requests: pure functions over private copies,
 * shared by the backend, the unit tests and the fuzzers.
 *
 * In two steps, because an indirect request's segments are in other pages: the
 * header is checked before those are fetched, the segments after.  The verdict
 * is the status that goes into the response (BLKIF_RSP_OKAY, _ERROR or
 * _EOPNOTSUPP), with a reason for the log.  After both steps every segment may
 * be used without further checks: nothing wraps, all lies inside the disk and
 * inside its page.
 */
#ifndef XENSPLIT_RING_BLK_CHECK_H
#define XENSPLIT_RING_BLK_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/blk_ring.h"

/* What the disk is and what was offered to this frontend. */
struct blk_limits {
	uint64_t nr_sects_512;      /* size; a multiple of the sector size */
	uint32_t sector_size;       /* bytes: 512 to 4096, a power of two */
	uint16_t max_indirect_segs; /* 0: indirect was not offered */
	bool read_only;
	bool flush, barrier, discard, secure_discard; /* offered */
};

/*
 * Everything but the segments; *why is a constant string when not OKAY, NULL
 * otherwise.  An OKAY flush has no segments, and its sector means nothing; so
 * with a barrier that has none.  An OKAY discard may carry the secure flag
 * though that was not offered: it is then an ordinary discard (blkif.h).
 */
int blk_check_header(const struct blk_limits *lim, const struct blk_req *req,
		     const char **why);

/* The nr_segs segments (private copies) of a read, write or barrier: first and
 * last sector, alignment to the sector size, end of the disk.  *bytes gets the
 * sum of their lengths.  Only after an OKAY header.  A segment's place in its
 * page is a multiple of 512 bytes, also where sectors are larger, as with
 * Linux. */
int blk_check_segs(const struct blk_limits *lim, const struct blk_req *req,
		   const struct blk_seg *segs, uint32_t *bytes,
		   const char **why);

#endif
