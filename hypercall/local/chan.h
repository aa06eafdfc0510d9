/* SPDX-License-Identifier: MIT */
/*
 * One event channel as seen by one of its two ends: the page and the bell that
 * WIRE_EVTCHN_* replies carry.  Used by libxenevtchn, by the guest's xenbus
 * device and by xenlocald itself.  Header only; see wire.h for the protocol.
 *
 * Waiting: poll the bell for POLLIN with EPOLLET (then chan_drain() need not
 * be called for every event, but at least once in CHAN_DRAIN_EVERY), or
 * level-triggered (then call chan_drain() before chan_deliver() every time).
 */
#ifndef XENSPLIT_LOCAL_CHAN_H
#define XENSPLIT_LOCAL_CHAN_H

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

/* an unread ring costs the sender about 400 bytes of 16 KiB */
#define CHAN_DRAIN_EVERY 16u

struct chan {
	struct wire_evtchn_page *page;
	int bell;
	unsigned int side; /* ours; the peer's is side ^ 1 */
};

/* Map the page and take over both descriptors, also on failure. */
static inline int chan_open(struct chan *ch, const int fds[WIRE_EVT_NR_FDS],
			    unsigned int side)
{
	void *page = mmap(NULL, WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE,
			  MAP_SHARED, fds[WIRE_EVT_FD_PAGE], 0);
	int err = errno;

	close(fds[WIRE_EVT_FD_PAGE]);
	ch->bell = fds[WIRE_EVT_FD_BELL];
	ch->side = side & 1;
	ch->page = page == MAP_FAILED ? NULL : page;
	if (ch->page)
		return 0;
	close(ch->bell);
	ch->bell = -1;
	return -err;
}

static inline void chan_close(struct chan *ch)
{
	if (ch->page)
		munmap(ch->page, WIRE_PAGE_SIZE);
	if (ch->bell >= 0)
		close(ch->bell);
	ch->page = NULL;
	ch->bell = -1;
}

/* Ring the other end's bell; never blocks, never raises a signal. */
static inline void chan_ring(int bell)
{
	static const char one = 1;

	/* EAGAIN: unread rings are there already; EPIPE: the peer is closing */
	(void)!send(bell, &one, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Leave word of where we run; a line is only written when that has changed. */
static inline void chan_say_cpu(const struct chan *ch)
{
	atomic_uint *cpu = &ch->page->cpu[ch->side];
	unsigned int here = (unsigned int)sched_getcpu() + 1u;

	if (atomic_load_explicit(cpu, memory_order_relaxed) != here)
		atomic_store_explicit(cpu, here, memory_order_relaxed);
}

/* Where the peer says that it runs; -1: it has not said. */
static inline int chan_peer_cpu(const struct chan *ch)
{
	unsigned int cpu = atomic_load_explicit(&ch->page->cpu[ch->side ^ 1],
						memory_order_relaxed);

	return cpu > INT_MAX ? -1 : (int)cpu - 1;
}

/* Tell the peer.  Any thread.  What the caller wrote before is seen by it. */
static inline void chan_notify(const struct chan *ch)
{
	unsigned int old = atomic_fetch_or(&ch->page->side[ch->side ^ 1].word,
					   WIRE_EVT_PENDING);

	if (old == 0)
		chan_ring(ch->bell);
}

/*
 * After the bell rang: true if there is an event, which is masked then until
 * chan_unmask(); false if the ring was a left-over or the channel is masked.
 */
static inline bool chan_deliver(const struct chan *ch)
{
	atomic_uint *word = &ch->page->side[ch->side].word;
	unsigned int old = atomic_load(word);

	/* bounded: a hostile peer must not keep us here by changing it */
	for (int i = 0; i < 64; i++) {
		if ((old & (WIRE_EVT_PENDING | WIRE_EVT_MASKED)) !=
		    WIRE_EVT_PENDING)
			return false;
		if (atomic_compare_exchange_weak(word, &old, WIRE_EVT_MASKED))
			return true;
	}
	atomic_store(word, WIRE_EVT_MASKED);
	return true;
}

/* Unmask; true if an event came in meanwhile: call chan_deliver() again. */
static inline bool chan_unmask(const struct chan *ch)
{
	return atomic_fetch_and(&ch->page->side[ch->side].word,
				~WIRE_EVT_MASKED) &
	       WIRE_EVT_PENDING;
}

/* Empty the bell's socket. */
static inline void chan_drain(const struct chan *ch)
{
	char buf[256];

	(void)!recv(ch->bell, buf, sizeof(buf), MSG_DONTWAIT);
}

#endif
