// SPDX-License-Identifier: MIT
/*
 * netfront-tap: an ordinary network interface for a guest without
 * xen-netfront.
 *
 * Connects to the NIC that the toolstack made for this domain and moves frames
 * between it and a TAP interface, with checksum and segmentation offloads both
 * ways.  Ends with SIGTERM or SIGINT (0), or when the device goes (3).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "frontend/netfront_args.h"
#include "frontend/netfront_tap.h"
#include "hypercall/log.h"

#define DEFAULT_POLL_US 50u

struct config {
	unsigned int devid, poll_us;
	uint32_t mtu;
	int ready_fd;
	bool up, stats;
	struct netfront_options front;
	struct tap_if tap;
};

static const struct option long_options[] = {
	{"devid", required_argument, NULL, 'd'},
	{"name", required_argument, NULL, 'n'},
	{"queues", required_argument, NULL, 'q'},
	{"mtu", required_argument, NULL, 'm'},
	{"poll-us", required_argument, NULL, 'p'},
	{"wait-ms", required_argument, NULL, 'w'},
	{"ready-fd", required_argument, NULL, 'r'},
	{"up", no_argument, NULL, 'u'},
	{"stats", no_argument, NULL, 's'},
	NETFRONT_NO_OPTIONS,
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void usage(FILE *to)
{
	fputs("usage: netfront-tap [OPTION]...\n"
	      "Gives the domain's paravirtual NIC an ordinary interface.\n"
	      "  --devid=N           the NIC's number (0)\n"
	      "  --name=NAME         of the interface; may hold %d (xen%d)\n"
	      "  --queues=N          at most so many, each with a thread (1)\n"
	      "  --mtu=N             instead of the toolstack's\n"
	      "  --up                bring the interface up\n"
	      "  --ready-fd=N        write its name there when it is ready\n"
	      "  --wait-ms=N         for device and backend (10000)\n"
	      "  --poll-us=N         spin at most so long when busy (50)\n"
	      "  --no-sg --no-gso --no-csum --no-static-grants\n"
	      "  --no-split-events   do without\n"
	      "  --stats             say at the end how many frames moved\n",
	      to);
}

static unsigned int number(const char *text, unsigned int max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || n > max) {
		fprintf(stderr, "netfront-tap: '%s' is not a number up to %u\n",
			text, max);
		exit(64);
	}
	return (unsigned int)n;
}

static void set_name(struct config *cfg, const char *name)
{
	if (!*name || strlen(name) >= sizeof(cfg->tap.name)) {
		fprintf(stderr,
			"netfront-tap: '%s' cannot be an interface's "
			"name\n",
			name);
		exit(64);
	}
	strcpy(cfg->tap.name, name);
}

static void take_option(struct config *cfg, int opt)
{
	switch (opt) {
	case 'd':
		cfg->devid = number(optarg, UINT32_MAX);
		break;
	case 'n':
		set_name(cfg, optarg);
		break;
	case 'q':
		cfg->front.nr_queues = number(optarg, TAP_MAX_QUEUES);
		break;
	case 'm':
		cfg->mtu = number(optarg, 65521);
		break;
	case 'p':
		cfg->poll_us = number(optarg, 1000000);
		break;
	case 'w':
		cfg->front.wait_ms = number(optarg, 3600000);
		break;
	case 'r':
		cfg->ready_fd = (int)number(optarg, 65535);
		break;
	case 'u':
		cfg->up = true;
		break;
	case 's':
		cfg->stats = true;
		break;
	case 'h':
		usage(stdout);
		exit(0);
	default:
		usage(stderr);
		exit(64);
	}
}

static void parse_args(int argc, char **argv, struct config *cfg)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (!netfront_no_option(&cfg->front, opt))
			take_option(cfg, opt);
	if (optind == argc)
		return;
	usage(stderr);
	exit(64);
}

/* ---- running ---- */

static struct tap_queue queues[TAP_MAX_QUEUES];

/* A queue's thread has ended: the process is to look. */
static void queue_ended(void)
{
	kill(getpid(), SIGUSR1);
}

static int start(struct config *cfg, struct netfront *nf,
		 const struct netfront_info *info, int stop_fd)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < cfg->tap.nr_queues && !err; i++) {
		queues[i] = (struct tap_queue){
			.index = i,
			.tap_fd = cfg->tap.fd[i],
			.stop_fd = stop_fd,
			.q = netfront_queue(nf, i),
			.nf = nf,
			.tap = &cfg->tap,
			.poll_us = cfg->poll_us,
			.max_frame = info->max_len,
			.ended = queue_ended,
			.mtu = info->mtu,
		};
		err = -pthread_create(&queues[i].thread, NULL, tap_queue_run,
				      &queues[i]);
	}
	if (err)
		cfg->tap.nr_queues = i - 1;
	return err;
}

static void tell_ready(const struct config *cfg)
{
	char line[IFNAMSIZ + 1];
	int len = snprintf(line, sizeof(line), "%s\n", cfg->tap.name);

	if (cfg->ready_fd < 0)
		return;
	if (write(cfg->ready_fd, line, (size_t)len) != len)
		log_warn(cfg->tap.name, "cannot write to descriptor %d: %s",
			 cfg->ready_fd, strerror(errno));
	close(cfg->ready_fd);
}

/* Stop all threads; why the first one ended. */
static int finish(struct config *cfg, int stop_fd)
{
	uint64_t one = 1;
	unsigned int i;
	int res = 0;

	if (write(stop_fd, &one, sizeof(one)) < 0)
		return -errno;
	for (i = 0; i < cfg->tap.nr_queues; i++) {
		pthread_join(queues[i].thread, NULL);
		if (queues[i].result)
			res = queues[i].result;
		if (cfg->stats)
			printf("queue %u: out %llu, in %llu, dropped %llu and "
			       "%llu, sleeps %llu\n",
			       i, (unsigned long long)queues[i].out,
			       (unsigned long long)queues[i].in,
			       (unsigned long long)queues[i].out_dropped,
			       (unsigned long long)queues[i].in_dropped,
			       (unsigned long long)queues[i].sleeps);
	}
	return res;
}

static int serve(struct config *cfg, struct netfront *nf,
		 const sigset_t *signals)
{
	struct netfront_info info;
	uint32_t mtu;
	char err[256];
	int stop_fd, sig, res;

	netfront_get_info(nf, &info);
	/* a later word of the toolstack's counts again */
	mtu = info.mtu;
	if (cfg->mtu)
		info.mtu = cfg->mtu;
	cfg->tap.nr_queues = netfront_nr_queues(nf);
	if (tap_if_open(&cfg->tap, &info, err, sizeof(err))) {
		log_err("netfront-tap", "%s", err);
		return 2;
	}
	info.mtu = mtu;
	stop_fd = eventfd(0, EFD_CLOEXEC);
	res = stop_fd < 0 ? -errno : start(cfg, nf, &info, stop_fd);
	if (!res && cfg->up)
		res = tap_if_set_up(&cfg->tap);
	if (res)
		log_err(cfg->tap.name, "cannot start: %s", strerror(-res));
	else
		tell_ready(cfg);
	if (!res)
		sigwait(signals, &sig);
	if (finish(cfg, stop_fd) == 0 && !res)
		res = 0;
	else
		res = res ? 2 : 3;
	tap_if_close(&cfg->tap);
	close(stop_fd);
	return res;
}

int main(int argc, char **argv)
{
	struct config cfg = {
		.poll_us = DEFAULT_POLL_US,
		.ready_fd = -1,
		.front = {.size = sizeof(cfg.front)},
		.tap = {.name = "xen%d"},
	};
	struct netfront *nf;
	sigset_t signals;
	char err[512];
	int res;

	parse_args(argc, argv, &cfg);
	log_init("netfront-tap", LOG_LEVEL_INFO);
	if (netfront_open(&nf, cfg.devid, &cfg.front, err, sizeof(err))) {
		log_err("netfront-tap", "%s", err);
		return 2;
	}
	/* Until here they end the process; all threads
	 * leave them to sigwait(). */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	res = serve(&cfg, nf, &signals);
	netfront_close(nf);
	return res;
}
