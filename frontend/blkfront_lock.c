// SPDX-License-Identifier: MIT
/* See blkfront_lock.h. */
#include "frontend/blkfront_lock.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool membarrier(int command)
{
	return !syscall(__NR_membarrier, command, 0, 0);
}

void owner_lock_init(struct owner_lock *l)
{
	atomic_init(&l->held, false);
	atomic_init(&l->wanted, false);
	l->fence = !membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	pthread_mutex_init(&l->other, NULL);
}

void owner_lock_destroy(struct owner_lock *l)
{
	pthread_mutex_destroy(&l->other);
}

void owner_lock_wait(struct owner_lock *l)
{
	atomic_store_explicit(&l->held, false, memory_order_release);
	/* `wanted` is false whenever nobody has this */
	pthread_mutex_lock(&l->other);
	atomic_store_explicit(&l->held, true, memory_order_relaxed);
	pthread_mutex_unlock(&l->other);
}

/* What was registered works, unless a filter of system calls came between. */
static void order_owner(const struct owner_lock *l)
{
	if (l->fence)
		shm_full_barrier();
	else if (!membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		abort();
}

void owner_lock_other(struct owner_lock *l)
{
	pthread_mutex_lock(&l->other);
	atomic_store_explicit(&l->wanted, true, memory_order_seq_cst);
	order_owner(l);
	/* its sections are short, and it does not begin another */
	while (atomic_load_explicit(&l->held, memory_order_acquire))
		sched_yield();
}

void owner_unlock_other(struct owner_lock *l)
{
	atomic_store_explicit(&l->wanted, false, memory_order_release);
	pthread_mutex_unlock(&l->other);
}
