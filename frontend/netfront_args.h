/* SPDX-License-Identifier: MIT */
/*
 * The features that a program can be told to do without, as options of
 * getopt_long().
 */
#ifndef XENSPLIT_NETFRONT_ARGS_H
#define XENSPLIT_NETFRONT_ARGS_H

#include <getopt.h>
#include <stdbool.h>

#include "frontend/netfront.h"

enum {
	OPT_NO_SG = 256,
	OPT_NO_GSO,
	OPT_NO_CSUM,
	OPT_NO_STATIC,
	OPT_NO_SPLIT,
};

/* Rows of a table of struct option. */
/* clang-format off */
#define NETFRONT_NO_OPTIONS                                    \
	{"no-sg", no_argument, NULL, OPT_NO_SG},               \
	{"no-gso", no_argument, NULL, OPT_NO_GSO},             \
	{"no-csum", no_argument, NULL, OPT_NO_CSUM},           \
	{"no-static-grants", no_argument, NULL, OPT_NO_STATIC}, \
	{"no-split-events", no_argument, NULL, OPT_NO_SPLIT}
/* clang-format on */

/* Take one; false if opt is none of them. */
static inline bool netfront_no_option(struct netfront_options *f, int opt)
{
	switch (opt) {
	case OPT_NO_SG:
		return f->no_sg = true;
	case OPT_NO_GSO:
		return f->no_gso = true;
	case OPT_NO_CSUM:
		return f->no_csum = true;
	case OPT_NO_STATIC:
		return f->no_static_grants = true;
	case OPT_NO_SPLIT:
		return f->no_split_events = true;
	default:
		return false;
	}
}

#endif
