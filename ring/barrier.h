/* SPDX-License-Identifier: MIT */
/*
 * Access to memory that another domain maps: the only place in the project
 * that knows about memory ordering.  Every load and store of a shared ring
 * goes through here, whatever the ring carries.
 *
 * Each access is one machine access of the whole word.  The compiler may
 * neither repeat it (a second load could see what the peer wrote after the
 * first was checked) nor split it.
 *
 * Where one domain's store meets the other's load (the letters are used at the
 * places that take part):
 *
 *   A  request producer    frontend stores requests, then releases req_prod;
 *                          backend acquires req_prod, then loads requests.
 *   B  response producer   the same, the other way, with rsp_prod.  The
 *                          frontend reuses a slot only after B, and A hands it
 *                          back: the backend's load of a request and the
 *                          frontend's next store there cannot pass each other.
 *   C  notify of requests  frontend: store req_prod, full barrier, load
 *                          req_event.  Backend: store req_event, full
 *                          barrier, load req_prod.  One of the two sees the
 *                          other's store: no request is left unnoticed.
 *   D  notify of responses the same, the other way, with rsp_prod, rsp_event.
 */
#ifndef XENSPLIT_RING_BARRIER_H
#define XENSPLIT_RING_BARRIER_H

#include <stdint.h>

/* The peer's producer index: what it published before is visible after. */
static inline uint32_t shm_load_acquire(const void *p)
{
	return __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
}

/* Our producer index: what we stored before is visible to who acquires it. */
static inline void shm_store_release(void *p, uint32_t val)
{
	__atomic_store_n((uint32_t *)p, val, __ATOMIC_RELEASE);
}

/* Words of messages and event indices: loaded or stored once, no order. */
static inline uint32_t shm_load_u32(const void *p)
{
	return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
}

static inline uint64_t shm_load_u64(const void *p)
{
	return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
}

static inline void shm_store_u32(void *p, uint32_t val)
{
	__atomic_store_n((uint32_t *)p, val, __ATOMIC_RELAXED);
}

static inline void shm_store_u64(void *p, uint64_t val)
{
	__atomic_store_n((uint64_t *)p, val, __ATOMIC_RELAXED);
}

/*
 * Soon to be read and then written: fetched from the other CPU once, for both.
 * What GCC makes of __builtin_prefetch(p, 1) only reads, on a processor of no
 * particular kind; those without the instruction ignore it.
 */
static inline void shm_prefetch_write(const void *p)
{
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
}

/*
 * Between the store of our index and the load of the peer's in C and D.
 * ThreadSanitizer knows no fences; an ordered operation on a word of our own
 * is one on every machine it runs on.
 */
static inline void shm_full_barrier(void)
{
#ifdef __SANITIZE_THREAD__
	uint32_t own = 0;

	__atomic_fetch_or(&own, 0, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#endif
