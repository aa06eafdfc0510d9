/* SPDX-License-Identifier: MIT */
/*
 * blkfront_io: what the command line asks for.
 */
#ifndef XENSPLIT_TESTS_BLKFRONT_IO_H
#define XENSPLIT_TESTS_BLKFRONT_IO_H

#include "frontend/blkfront.h"

#define SECTOR 512u

enum mode { MODE_READ, MODE_WRITE, MODE_RANDREAD, MODE_RANDWRITE, MODE_VERIFY };

struct config {
	unsigned int devid, depth;
	uint64_t block, offset, size, requests, seed, flush_every;
	double seconds, rate;
	enum mode mode;
	bool pattern, json;
	struct blkfront_options front;
};

extern const char *const mode_names[];

/* Ends the program when the arguments cannot be: 64, or 0 for --help. */
void parse_args(int argc, char **argv, struct config *cfg);

#endif
