// SPDX-License-Identifier: MIT
/*
 * Requests through both sides of the block path in one thread (and frames
 * through those of the net path: net_insn.c), for callgrind:
 * insn REQUESTS runs each case that often and has callgrind write one dump a
 * case.  What a side does is what front_send() and front_receive(), or
 * back(), include.  See check.sh.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

#include "tests/insn/net_rig.h"
#include "tests/insn/rig.h"

/* Until every page of the case is mapped and every slot was used. */
#define WARM_UP 2048u

static const struct rig_case cases[] = {
	{"4k-read/qd1/null", "null:1G", BLKFRONT_READ, 4096, 1, true, 1, 0},
	{"4k-read/qd32/null", "null:1G", BLKFRONT_READ, 4096, 32, true, 1, 0},
	{"4k-write/qd1/null", "null:1G", BLKFRONT_WRITE, 4096, 1, true, 1, 0},
	{"128k-read/qd1/null", "null:1G", BLKFRONT_READ, 131072, 1, true, 1, 0},
	{"4k-read/qd1/memory", "memory:16M", BLKFRONT_READ, 4096, 1, true, 1,
	 0},
	{"4k-read-copied/qd1/null", "null:1G", BLKFRONT_READ, 4096, 1, false, 1,
	 0},
};

__attribute__((noipa)) static void front_send(struct rig *rig)
{
	rig_front_send(rig);
}

__attribute__((noipa)) static void front_receive(struct rig *rig)
{
	if (rig_front_receive(rig) != (int)rig->what->depth)
		abort();
}

__attribute__((noipa)) static void back(struct rig *rig)
{
	if (!rig_back(rig))
		abort();
}

static void run(struct rig *rig, unsigned long requests)
{
	unsigned long i;

	for (i = 0; i < requests; i += rig->what->depth) {
		front_send(rig);
		rig->rl.loop.now_ns += 1000;
		back(rig);
		front_receive(rig);
	}
}

static void *nothing(void *arg)
{
	return arg;
}

/* A process that never had a second thread takes cheaper locks than a program
 * that uses libblkfront. */
static void have_had_threads(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, nothing, NULL))
		abort();
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	unsigned long requests = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	static struct rig rig;
	unsigned int i;

	if (!requests) {
		fprintf(stderr, "usage: insn REQUESTS\n");
		return 2;
	}
	have_had_threads();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rig_open(&rig, &cases[i]);
		run(&rig, WARM_UP);
		CALLGRIND_ZERO_STATS;
		run(&rig, requests);
		CALLGRIND_DUMP_STATS_AT(cases[i].name);
		rig_close(&rig);
	}
	net_insn(requests);
	return 0;
}
