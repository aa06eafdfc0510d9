// SPDX-License-Identifier: MIT
/*
 * net_peer's command line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/netfront_args.h"
#include "tests/e2e/net_peer.h"

const char *const peer_modes[] = {"info", "tx", "rx", "echo", "reflect"};
static const char *const protos[] = {"raw", "udp4", "udp6", "tcp4", "tcp6"};
static const char *const csums[] = {"full", "partial", "wrong"};

static const struct option long_options[] = {
	{"devid", required_argument, NULL, 'd'},
	{"mode", required_argument, NULL, 'm'},
	{"queues", required_argument, NULL, 'q'},
	{"proto", required_argument, NULL, 'P'},
	{"csum", required_argument, NULL, 'c'},
	{"size", required_argument, NULL, 's'},
	{"gso-size", required_argument, NULL, 'g'},
	{"vlan", required_argument, NULL, 'v'},
	{"window", required_argument, NULL, 'W'},
	{"packets", required_argument, NULL, 'n'},
	{"seconds", required_argument, NULL, 't'},
	{"rate", required_argument, NULL, 'R'},
	{"dst", required_argument, NULL, 'D'},
	{"src", required_argument, NULL, 'S'},
	{"dst-ip", required_argument, NULL, 'I'},
	{"src-ip", required_argument, NULL, 'i'},
	{"join", required_argument, NULL, 'j'},
	{"hash-map", required_argument, NULL, 'H'},
	{"linger-ms", required_argument, NULL, 'l'},
	{"ready-fd", required_argument, NULL, 'r'},
	{"poll-us", required_argument, NULL, 'u'},
	{"wait-ms", required_argument, NULL, 'w'},
	{"plain", no_argument, NULL, 'p'},
	{"busy", no_argument, NULL, 'b'},
	{"json", no_argument, NULL, 'J'},
	{"multicast-filter", no_argument, NULL, 'M'},
	NETFRONT_NO_OPTIONS,
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void usage(FILE *to)
{
	fputs("usage: net_peer --mode=info|tx|rx|echo|reflect [OPTION]...\n"
	      "  tx       sends frames, counts what comes\n"
	      "  rx       counts and checks what comes\n"
	      "  echo     sends, and expects each frame back\n"
	      "  reflect  sends back what comes, addresses exchanged\n"
	      "  --devid=N --queues=N --size=BYTES --packets=N (of a queue)\n"
	      "  --seconds=S --rate=PACKETS_PER_SECOND --window=N (echo)\n"
	      "  --proto=raw|udp4|udp6|tcp4|tcp6 "
	      "--csum=full|partial|wrong\n"
	      "  --gso-size=BYTES (tcp) --vlan=ID --dst=MAC --src=MAC\n"
	      "  --src-ip=N --dst-ip=N (last byte) --join=MAC (16 of them)\n"
	      "  --hash-map=Q,Q,...  have the backend choose the queue by "
	      "hash\n"
	      "  --linger-ms=N    wait so long for stragglers (200)\n"
	      "  --ready-fd=N     write a line there when connected\n"
	      "  --plain          only the number in a frame changes\n"
	      "  --busy           poll, never sleep\n"
	      "  --poll-us=N --wait-ms=N --json --multicast-filter\n"
	      "  --no-sg --no-gso --no-csum --no-static-grants\n"
	      "  --no-split-events\n"
	      "Exit status: 0; 1 wrong data or a device that failed; 2 cannot "
	      "open it; 64 usage.\n",
	      to);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || end == text || *end) {
		fprintf(stderr, "net_peer: '%s' is not a number\n", text);
		exit(64);
	}
	return n;
}

static int word(const char *text, const char *const *words, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(text, words[i]))
			return i;
	fprintf(stderr, "net_peer: unknown word '%s'\n", text);
	exit(64);
}

static void mac(const char *text, uint8_t out[6])
{
	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &out[0],
		   &out[1], &out[2], &out[3], &out[4], &out[5]) == 6)
		return;
	fprintf(stderr, "net_peer: '%s' is not an address\n", text);
	exit(64);
}

static bool front_option(struct netfront_options *f, int opt)
{
	switch (opt) {
	case 'q':
		f->nr_queues = number(optarg);
		return true;
	case 'u':
		f->poll_us = number(optarg);
		return true;
	case 'w':
		f->wait_ms = number(optarg);
		return true;
	case 'M':
		return f->multicast_filter = true;
	default:
		return netfront_no_option(f, opt);
	}
}

static bool frame_option(struct peer_config *cfg, int opt)
{
	switch (opt) {
	case 'P':
		cfg->proto = word(optarg, protos, 5);
		return true;
	case 'c':
		cfg->csum = word(optarg, csums, 3);
		return true;
	case 's':
		cfg->size = number(optarg);
		return true;
	case 'g':
		cfg->gso_size = number(optarg);
		return true;
	case 'v':
		cfg->vlan = number(optarg);
		return true;
	case 'D':
		mac(optarg, cfg->dst);
		return cfg->has_dst = true;
	case 'S':
		mac(optarg, cfg->src);
		return cfg->has_src = true;
	case 'I':
		cfg->dst_ip = number(optarg) & 0xff;
		return true;
	case 'i':
		cfg->src_ip = number(optarg) & 0xff;
		return true;
	case 'j':
		if (cfg->nr_joins < 16)
			mac(optarg, cfg->join[cfg->nr_joins++]);
		return true;
	case 'p':
		return cfg->plain = true;
	default:
		return false;
	}
}

static void hash_map(struct peer_config *cfg, char *list)
{
	char *word, *rest = list;

	while ((word = strsep(&rest, ",")) && cfg->nr_map < 128)
		cfg->map[cfg->nr_map++] = number(word);
}

static void run_option(struct peer_config *cfg, int opt)
{
	switch (opt) {
	case 'd':
		cfg->devid = number(optarg);
		break;
	case 'm':
		cfg->mode = word(optarg, peer_modes, 5);
		break;
	case 'W':
		cfg->window = number(optarg);
		break;
	case 'n':
		cfg->packets = number(optarg);
		break;
	case 't':
		cfg->seconds = strtod(optarg, NULL);
		break;
	case 'R':
		cfg->rate = number(optarg);
		break;
	case 'H':
		hash_map(cfg, optarg);
		break;
	case 'l':
		cfg->linger_ms = number(optarg);
		break;
	case 'r':
		cfg->ready_fd = (int)number(optarg);
		break;
	case 'b':
		cfg->busy = true;
		break;
	case 'J':
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

static uint32_t least_size(const struct peer_config *cfg)
{
	static const uint32_t headers[] = {14, 42, 62, 54, 74};

	return headers[cfg->proto] + (cfg->vlan ? 4 : 0) + 24;
}

void peer_args(int argc, char **argv, struct peer_config *cfg)
{
	int opt;

	*cfg = (struct peer_config){
		.size = 64,
		.window = 64,
		.linger_ms = 200,
		.ready_fd = -1,
		.src_ip = 1,
		.dst_ip = 2,
		.front = {.size = sizeof(cfg->front)},
	};
	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (!front_option(&cfg->front, opt) && !frame_option(cfg, opt))
			run_option(cfg, opt);
	if (optind == argc && cfg->size >= least_size(cfg) &&
	    cfg->size <= PEER_MAX_FRAME && cfg->window &&
	    !(cfg->gso_size && cfg->proto < PEER_TCP4))
		return;
	usage(stderr);
	exit(64);
}
