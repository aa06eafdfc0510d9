// SPDX-License-Identifier: MIT
/* The command line of blk_guest. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/e2e/blk_guest.h"

struct blk_guest_config blk_guest_cfg = {
	.devid = 51712,
	.depth = 16,
	.block = 4096,
	.seed = 1,
	.front = {.size = sizeof(struct blkfront_options)},
};

uint64_t blk_guest_number(const char *text, const char **end)
{
	char *rest;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &rest, 0);
	switch (*rest) {
	case 'g':
		n <<= 10; /* fall through */
	case 'm':
		n <<= 10; /* fall through */
	case 'k':
		n <<= 10;
		rest++;
	}
	if (errno || rest == text || (*rest && (!end || *rest != ':'))) {
		fprintf(stderr, "blk_guest: '%s' is not a number\n", text);
		exit(64);
	}
	if (end)
		*end = *rest ? rest + 1 : rest;
	return n;
}

static void usage(FILE *to)
{
	fputs("usage: blk_guest [OPTION...] COMMAND...\n"
	      "   or: blk_guest --record=FILE --image=FILE\n"
	      "commands, in order on one connection:\n"
	      "  info         one line about the disk\n"
	      "  fill verify  write, read and compare, each block once\n"
	      "  barrier discard  each block once\n"
	      "  load[:N]     reads and writes of random blocks; without N, "
	      "until a line or\n"
	      "               the end of standard input\n"
	      "  flush\n"
	      "  pause        says 'paused', waits for a line\n"
	      "  size:BYTES   waits until the disk has this size\n"
	      "  region:OFFSET:SIZE  from here on, of this part of the disk\n"
	      "options: --devid=51712|xvda --queues=N --depth=N --block=BYTES\n"
	      "  --offset=BYTES --size=BYTES --seed=N --protocol=x86_32-abi\n"
	      "  --ring-pages=N --max-segs=N --wait-ms=N --no-persistent\n"
	      "  --record=FILE  what the disk holds, kept for later runs\n"
	      "  --tolerate     I/O errors are counted, wrong data still "
	      "fails\n",
	      to);
}

static const struct option long_options[] = {
	{"devid", required_argument, NULL, 'd'},
	{"queues", required_argument, NULL, 'q'},
	{"depth", required_argument, NULL, 'D'},
	{"block", required_argument, NULL, 'b'},
	{"offset", required_argument, NULL, 'o'},
	{"size", required_argument, NULL, 's'},
	{"seed", required_argument, NULL, 'S'},
	{"record", required_argument, NULL, 'R'},
	{"image", required_argument, NULL, 'i'},
	{"protocol", required_argument, NULL, 'P'},
	{"ring-pages", required_argument, NULL, 'r'},
	{"max-segs", required_argument, NULL, 'g'},
	{"wait-ms", required_argument, NULL, 'w'},
	{"no-persistent", no_argument, NULL, 'N'},
	{"tolerate", no_argument, NULL, 't'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static bool front_option(int opt, const char *arg)
{
	struct blkfront_options *f = &blk_guest_cfg.front;

	switch (opt) {
	case 'q':
		f->nr_queues = blk_guest_number(arg, NULL);
		return true;
	case 'P':
		f->protocol = arg;
		return true;
	case 'r':
		f->ring_pages = blk_guest_number(arg, NULL);
		return true;
	case 'g':
		f->max_indirect_segs = blk_guest_number(arg, NULL);
		return true;
	case 'w':
		f->wait_ms = blk_guest_number(arg, NULL);
		return true;
	case 'N':
		f->no_persistent = true;
		return true;
	default:
		return false;
	}
}

static void set_option(int opt, const char *arg)
{
	switch (opt) {
	case 'd':
		blk_guest_cfg.devid = blkfront_devid(arg);
		break;
	case 'D':
		blk_guest_cfg.depth = blk_guest_number(arg, NULL);
		break;
	case 'b':
		blk_guest_cfg.block = blk_guest_number(arg, NULL);
		break;
	case 'o':
		blk_guest_cfg.offset = blk_guest_number(arg, NULL);
		break;
	case 's':
		blk_guest_cfg.size = blk_guest_number(arg, NULL);
		break;
	case 'S':
		blk_guest_cfg.seed = blk_guest_number(arg, NULL);
		break;
	case 'R':
		blk_guest_cfg.record = arg;
		break;
	case 'i':
		blk_guest_cfg.image = arg;
		break;
	case 't':
		blk_guest_cfg.tolerate = true;
		break;
	default:
		usage(opt == 'h' ? stdout : stderr);
		exit(opt == 'h' ? 0 : 64);
	}
}

int blk_guest_parse(int argc, char **argv)
{
	struct blk_guest_config *c = &blk_guest_cfg;
	uint64_t pages;
	int opt;

	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (!front_option(opt, optarg))
			set_option(opt, optarg);
	if (c->image && c->record && optind == argc)
		return optind;
	if (c->image || optind == argc || !c->depth || c->depth > 4096 ||
	    !c->block || c->block % 512) {
		usage(stderr);
		exit(64);
	}
	pages = (uint64_t)(c->block + 4095) / 4096 * c->depth;
	c->front.buffer_pages = pages > 64 ? pages : 64;
	return optind;
}
