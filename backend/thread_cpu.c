// SPDX-License-Identifier: MIT
/* See thread_cpu.h. */
#include "backend/thread_cpu.h"

#include <errno.h>

static int run_on(const cpu_set_t *set)
{
	return sched_setaffinity(0, sizeof(*set), set) ? -errno : 0;
}

int thread_cpu_join(struct thread_cpu *t, int cpu)
{
	cpu_set_t one;
	int err;

	if (!t->held && sched_getaffinity(0, sizeof(t->home), &t->home))
		return -errno;
	if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &t->home))
		return -ENODEV;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	err = run_on(&one);
	t->held |= !err;
	return err;
}

int thread_cpu_part(struct thread_cpu *t, int cpu)
{
	cpu_set_t others;
	int err = 0, ret;

	if (!t->held && sched_getaffinity(0, sizeof(t->home), &t->home))
		return -errno;
	others = t->home;
	if (cpu >= 0 && cpu < CPU_SETSIZE)
		CPU_CLR(cpu, &others);
	if (CPU_COUNT(&others) == 0)
		err = -ENODEV;
	else if (cpu == sched_getcpu())
		err = run_on(&others);
	ret = run_on(&t->home);
	t->held &= ret != 0;
	return err ? err : ret;
}
