// SPDX-License-Identifier: MIT
/*
 * Frames through both sides of the net path in one thread, for callgrind: as
 * insn.c, whose names for the two sides costs.awk looks for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

#include "tests/insn/net_rig.h"

#define WARM_UP 2048u

static const struct net_rig_case cases[] = {
	{"64B-tx/memory", "memory:sink", 64, false},
	{"64B-rx/memory", "memory:source:64", 0, false},
	{"64B-echo/memory", "memory:echo", 64, false},
	{"1500B-tx/memory", "memory:sink", 1500, false},
	{"1500B-rx/memory", "memory:source:1500", 0, false},
	{"64B-tx-copied/memory", "memory:sink", 64, true},
	{"64B-rx-copied/memory", "memory:source:64", 0, true},
};

__attribute__((noipa)) static void front_send(struct net_rig *rig)
{
	if (net_rig_send(rig, NET_RIG_BURST) != NET_RIG_BURST)
		abort();
}

__attribute__((noipa)) static unsigned int front_receive(struct net_rig *rig)
{
	return net_rig_receive(rig);
}

__attribute__((noipa)) static void back(struct net_rig *rig)
{
	if (!net_rig_back(rig))
		abort();
}

static void run(struct net_rig *rig, unsigned long frames)
{
	unsigned long done = 0;

	while (done < frames) {
		unsigned int got;

		if (rig->what->bytes)
			front_send(rig);
		rig->rl.loop.now_ns += 1000;
		back(rig);
		got = front_receive(rig);
		done += rig->what->bytes ? NET_RIG_BURST : got;
	}
}

void net_insn(unsigned long frames)
{
	static struct net_rig rig;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		net_rig_open(&rig, &cases[i]);
		run(&rig, WARM_UP);
		CALLGRIND_ZERO_STATS;
		run(&rig, frames);
		CALLGRIND_DUMP_STATS_AT(cases[i].name);
		net_rig_close(&rig);
	}
}
