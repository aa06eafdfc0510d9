/* SPDX-License-Identifier: MIT */
/*
 * A lock between the one thread that uses a queue, all the time, and the
 * control thread, which needs it when a connection changes.
 *
 * The owner's side is two plain stores and a load: no locked instruction, no
 * fence.  The order between its store of `held` and its load of `wanted` is
 * made by the other side with membarrier(2), which interrupts the owner's CPU;
 * where the kernel refuses that, by a fence.
 *
 * The owner may be another thread from time to time, as long as there is one at
 * a time and each sees what the one before did.  Neither side nests.
 */
#ifndef XENSPLIT_BLKFRONT_LOCK_H
#define XENSPLIT_BLKFRONT_LOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "ring/barrier.h"

struct owner_lock {
	atomic_bool held;      /* written by the owner */
	atomic_bool wanted;    /* written by others, under others */
	bool fence;            /* constant */
	pthread_mutex_t other; /* held by who wants or has it */
};

void owner_lock_init(struct owner_lock *l);
void owner_lock_destroy(struct owner_lock *l);
/* The lock is wanted by another: have it after him. */
void owner_lock_wait(struct owner_lock *l);

/* The owner. */
static inline void owner_lock(struct owner_lock *l)
{
	atomic_store_explicit(&l->held, true, memory_order_relaxed);
	if (l->fence)
		shm_full_barrier();
	else
		atomic_signal_fence(memory_order_seq_cst);
	if (__builtin_expect(
		    atomic_load_explicit(&l->wanted, memory_order_acquire), 0))
		owner_lock_wait(l);
}

static inline void owner_unlock(struct owner_lock *l)
{
	atomic_store_explicit(&l->held, false, memory_order_release);
}

/* Everybody else; may wait for the owner's longest section. */
void owner_lock_other(struct owner_lock *l);
void owner_unlock_other(struct owner_lock *l);

#endif
