// SPDX-License-Identifier: MIT
/*
 * What each side of the net path takes a frame, on one CPU, and frames a second
 * with one thread a side that spins:
 *
 *   net_pps [MILLISECONDS [CPU CPU]]
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/insn/net_rig.h"

static const struct net_rig_case cases[] = {
	{"64B-tx/memory", "memory:sink", 64, false},
	{"64B-rx/memory", "memory:source:64", 0, false},
	{"64B-echo/memory", "memory:echo", 64, false},
	{"1500B-tx/memory", "memory:sink", 1500, false},
	{"1500B-rx/memory", "memory:source:1500", 0, false},
	{"1500B-echo/memory", "memory:echo", 1500, false},
};

#define ALONE_ROUNDS 20000u

static struct net_rig rig;
static atomic_int running;
static int cpu_of[2] = {0, 1};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void *backend(void *arg);

/* On its CPU from the start: this thread does not leave its own to a new one
 * for long.  Where there is no such CPU it still measures something, and says
 * so by its figures. */
static int start_backend(pthread_t *thread)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int err;

	CPU_ZERO(&set);
	CPU_SET(cpu_of[1], &set);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	err = pthread_create(thread, &attr, backend, NULL);
	if (err)
		err = pthread_create(thread, NULL, backend, NULL);
	pthread_attr_destroy(&attr);
	return err;
}

static void pin_front(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu_of[0], &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *backend(void *arg)
{
	while (atomic_load_explicit(&running, memory_order_relaxed)) {
		rig.rl.loop.now_ns = now_ns();
		if (!net_rig_back(&rig))
			__builtin_ia32_pause();
	}
	return arg;
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* What each side takes of a CPU when no cache line moves between two, in ns a
 * frame: front, back. */
static void measure_alone(double ns[2])
{
	uint64_t sum[2] = {0, 0}, frames = 0, t[4];
	unsigned int i;

	for (i = 0; i < ALONE_ROUNDS; i++) {
		t[0] = cpu_ns();
		if (rig.what->bytes)
			net_rig_send(&rig, NET_RIG_BURST);
		t[1] = cpu_ns();
		rig.rl.loop.now_ns += 1000;
		net_rig_back(&rig);
		t[2] = cpu_ns();
		frames += rig.what->bytes
				  ? (net_rig_receive(&rig), NET_RIG_BURST)
				  : net_rig_receive(&rig);
		t[3] = cpu_ns();
		sum[0] += t[1] - t[0] + t[3] - t[2];
		sum[1] += t[2] - t[1];
	}
	ns[0] = (double)sum[0] / (double)frames;
	ns[1] = (double)sum[1] / (double)frames;
}

static double measure(uint64_t ns)
{
	uint64_t begin = now_ns(), sent = rig.sent, got = rig.received, end;

	do {
		unsigned int i;

		for (i = 0; i < 64; i++) {
			if (rig.what->bytes)
				net_rig_send(&rig, NET_RIG_BURST);
			net_rig_receive(&rig);
		}
		end = now_ns();
	} while (end - begin < ns);
	got = rig.received - got;
	sent = rig.sent - sent;
	return (double)(got ? got : sent) * 1e3 / (double)(end - begin);
}

int main(int argc, char **argv)
{
	unsigned int ms = argc > 1 ? (unsigned int)atoi(argv[1]) : 500, i;
	pthread_t thread;

	if (!ms || (argc != 1 && argc != 2 && argc != 4)) {
		fprintf(stderr, "usage: net_pps [MILLISECONDS [CPU CPU]]\n");
		return 2;
	}
	if (argc == 4) {
		cpu_of[0] = atoi(argv[2]);
		cpu_of[1] = atoi(argv[3]);
	}
	pin_front();
	printf("%-18s %10s %10s %10s\n", "case", "front ns", "back ns",
	       "million/s");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double alone[2];

		net_rig_open(&rig, &cases[i]);
		measure_alone(alone);
		atomic_store(&running, 1);
		if (start_backend(&thread))
			return 1;
		measure(ms * UINT64_C(100000));
		printf("%-18s %10.1f %10.1f %10.2f\n", cases[i].name, alone[0],
		       alone[1], measure(ms * UINT64_C(1000000)));
		fflush(stdout);
		atomic_store(&running, 0);
		pthread_join(thread, NULL);
		net_rig_close(&rig);
	}
	return 0;
}
