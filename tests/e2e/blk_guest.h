/* SPDX-License-Identifier: MIT */
/* Inside blk_guest: what its two files share. */
#ifndef XENSPLIT_TESTS_BLK_GUEST_H
#define XENSPLIT_TESTS_BLK_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/blkfront.h"

struct blk_guest_config {
	unsigned int devid, depth;
	uint32_t block;
	uint64_t offset, size, seed;
	const char *record, *image;
	bool tolerate;
	struct blkfront_options front;
};
extern struct blk_guest_config blk_guest_cfg;

/* Fills the configuration; the index of the first command in argv.  Ends the
 * program on wrong usage. */
int blk_guest_parse(int argc, char **argv);
/* Bytes, with k, m, g.  end: where to go on after a ':', or NULL if nothing
 * may follow.  Ends the program if it is none. */
uint64_t blk_guest_number(const char *text, const char **end);

#endif
