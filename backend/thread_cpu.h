/* SPDX-License-Identifier: MIT */
/*
 * Moving the calling thread between CPUs, within those it is allowed by
 * whoever started it (taskset(1), a control group).
 */
#ifndef XENSPLIT_BACKEND_THREAD_CPU_H
#define XENSPLIT_BACKEND_THREAD_CPU_H

#include <sched.h>
#include <stdbool.h>

struct thread_cpu {
	cpu_set_t home; /* what it was allowed when it was not held yet */
	bool held;
};

/* To that CPU and nowhere else; 0, -ENODEV (not one of ours; it stays) or
 * -errno. */
int thread_cpu_join(struct thread_cpu *t, int cpu);
/* Away from that CPU now, and from then on wherever the scheduler wants; 0,
 * -ENODEV (there is no other; it may run everywhere) or -errno. */
int thread_cpu_part(struct thread_cpu *t, int cpu);

#endif
