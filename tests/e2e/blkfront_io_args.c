// SPDX-License-Identifier: MIT
/*
 * blkfront_io's command line.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/e2e/blkfront_io.h"

const char *const mode_names[] = {"read", "write", "randread", "randwrite",
				  "verify"};

#define NR_MODES (sizeof(mode_names) / sizeof(mode_names[0]))

static const struct option long_options[] = {
	{"devid", required_argument, NULL, 'd'},
	{"queues", required_argument, NULL, 'q'},
	{"depth", required_argument, NULL, 'D'},
	{"block", required_argument, NULL, 'b'},
	{"offset", required_argument, NULL, 'o'},
	{"size", required_argument, NULL, 's'},
	{"rw", required_argument, NULL, 'm'},
	{"seconds", required_argument, NULL, 't'},
	{"requests", required_argument, NULL, 'n'},
	{"rate", required_argument, NULL, 'R'},
	{"pattern", no_argument, NULL, 'p'},
	{"seed", required_argument, NULL, 'S'},
	{"flush-every", required_argument, NULL, 'f'},
	{"protocol", required_argument, NULL, 'P'},
	{"ring-pages", required_argument, NULL, 'r'},
	{"max-segs", required_argument, NULL, 'g'},
	{"poll-us", required_argument, NULL, 'u'},
	{"wait-ms", required_argument, NULL, 'w'},
	{"no-persistent", no_argument, NULL, 'N'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void usage(FILE *to)
{
	fputs("usage: blkfront_io [--devid=51712|xvda] [--queues=N] "
	      "[--depth=N]\n"
	      "  [--block=BYTES] [--offset=BYTES] [--size=BYTES]\n"
	      "  [--rw=read|write|randread|randwrite|verify]\n"
	      "  [--seconds=S | --requests=N] [--rate=PER_SECOND]\n"
	      "  [--pattern] [--seed=N]\n"
	      "  [--flush-every=WRITES] [--protocol=x86_32-abi]\n"
	      "  [--ring-pages=N] [--max-segs=N] [--poll-us=N] "
	      "[--wait-ms=N]\n"
	      "  [--no-persistent] [--json]\n"
	      "verify writes the pattern to all of the disk (or size), and "
	      "reads it back;\n"
	      "--rate, for --depth=1, starts requests no faster than that.\n"
	      "read --pattern only reads what an earlier run with the same "
	      "seed wrote.\n"
	      "BYTES take k, m, g.\n",
	      to);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 0);
	switch (*end) {
	case 'g':
		n <<= 10; /* fall through */
	case 'm':
		n <<= 10; /* fall through */
	case 'k':
		n <<= 10;
		end++;
	}
	if (errno || end == text || *end) {
		fprintf(stderr, "blkfront_io: '%s' is not a number\n", text);
		exit(64);
	}
	return n;
}

static enum mode parse_mode(const char *text)
{
	unsigned int i;

	for (i = 0; i < NR_MODES; i++)
		if (!strcmp(text, mode_names[i]))
			return i;
	fprintf(stderr, "blkfront_io: unknown mode '%s'\n", text);
	exit(64);
}

static unsigned int parse_devid(const char *text)
{
	int devid = blkfront_devid(text);

	if (devid >= 0)
		return devid;
	fprintf(stderr, "blkfront_io: '%s' is not a device\n", text);
	exit(64);
}

static bool front_option(struct blkfront_options *f, int opt, const char *arg)
{
	switch (opt) {
	case 'q':
		f->nr_queues = number(arg);
		return true;
	case 'P':
		f->protocol = arg;
		return true;
	case 'r':
		f->ring_pages = number(arg);
		return true;
	case 'g':
		f->max_indirect_segs = number(arg);
		return true;
	case 'u':
		f->poll_us = number(arg);
		return true;
	case 'w':
		f->wait_ms = number(arg);
		return true;
	case 'N':
		f->no_persistent = true;
		return true;
	default:
		return false;
	}
}

static void load_option(struct config *cfg, int opt, const char *arg)
{
	switch (opt) {
	case 'd':
		cfg->devid = parse_devid(arg);
		break;
	case 'D':
		cfg->depth = number(arg);
		break;
	case 'b':
		cfg->block = number(arg);
		break;
	case 'o':
		cfg->offset = number(arg);
		break;
	case 's':
		cfg->size = number(arg);
		break;
	case 'm':
		cfg->mode = parse_mode(arg);
		break;
	case 't':
		cfg->seconds = strtod(arg, NULL);
		break;
	case 'n':
		cfg->requests = number(arg);
		break;
	case 'R':
		cfg->rate = strtod(arg, NULL);
		break;
	case 'p':
		cfg->pattern = true;
		break;
	case 'S':
		cfg->seed = number(arg);
		break;
	case 'f':
		cfg->flush_every = number(arg);
		break;
	case 'j':
		cfg->json = true;
		break;
	case 'h':
		usage(stdout);
		exit(0);
	default:
		usage(stderr);
		exit(64);
	}
}

void parse_args(int argc, char **argv, struct config *cfg)
{
	uint64_t pages;
	int opt;

	*cfg = (struct config){
		.devid = 51712,
		.depth = 32,
		.block = 4096,
		.seed = 1,
		.front = {.size = sizeof(struct blkfront_options)},
	};
	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (!front_option(&cfg->front, opt, optarg))
			load_option(cfg, opt, optarg);
	if (optind != argc || !cfg->depth || cfg->depth > 4096 || !cfg->block ||
	    cfg->block % SECTOR || cfg->block > 1u << 20 || cfg->rate < 0 ||
	    (cfg->rate > 0 && cfg->depth != 1)) {
		usage(stderr);
		exit(64);
	}
	if (cfg->mode == MODE_VERIFY)
		cfg->pattern = true;
	if (!cfg->requests)
		cfg->requests = 100000;
	pages = (cfg->block + 4095) / 4096 * cfg->depth;
	if (pages > 512)
		cfg->front.buffer_pages = pages;
}
