/* SPDX-License-Identifier: MIT */
/*
 * Counters and latencies of one disk, in memory that the worker writes and the
 * supervisor reads (and nobody else has).  One struct a queue, so that loops
 * do not share cache lines; the reader adds them up.  Plain relaxed stores: a
 * reader may see a moment's skew, never a torn number.
 */
#ifndef XENSPLIT_BACKEND_BLK_STATS_H
#define XENSPLIT_BACKEND_BLK_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "backend/counter.h"

/* Every counter, once: name as in `xensplit stats --json`, and what it is. */
#define BLK_COUNTERS(X)                                                  \
	X(read_requests, "read requests taken")                          \
	X(write_requests, "write and barrier requests taken")            \
	X(flush_requests, "flushes taken")                               \
	X(discard_requests, "discards taken")                            \
	X(indirect_requests, "of the requests, indirect ones")           \
	X(read_bytes, "bytes read from the store")                       \
	X(write_bytes, "bytes written to the store")                     \
	X(errors, "requests answered with an error")                     \
	X(unsupported, "requests answered with not supported")           \
	X(violations, "impossible ring indices")                         \
	X(grants_mapped, "pages mapped")                                 \
	X(grants_unmapped, "pages unmapped")                             \
	X(grants_reused, "pages found mapped already")                   \
	X(grant_copy_bytes, "bytes moved by grant copy")                 \
	X(grant_copy_calls, "grant copy calls")                          \
	X(cached_bytes, "bytes moved that went through the page cache")  \
	X(events_received, "event channel notifications received")       \
	X(events_sent, "notifications sent")                             \
	X(events_suppressed, "publications that needed no notification") \
	X(store_ops, "operations given to the store")                    \
	X(merged_ops, "of these, joined with neighbours to one")         \
	X(resumed, "requests taken over from a worker that died")

/* Of the data thread that serves the queue, and all others on it.  How many
 * turns of polling found work, how many did not, ... */
#define BLK_POLL_FIGURES(X)                                              \
	X(polls_useful, "turns of polling that found work")              \
	X(polls_useless, "turns of polling that found none")             \
	X(polls_crowded, "times polling stopped as others want the CPU") \
	X(sleeps, "times it slept")                                      \
	X(moves, "times it moved to the frontend's CPU, or off it")      \
	X(poll_ns, "how long it polls before it sleeps, now")            \
	X(poll_max_ns, "how long it may")

/* Log-linear histogram: 8 sub-buckets in each power of two of nanoseconds. */
#define BLK_HIST_SUB_BITS 3u
#define BLK_HIST_BUCKETS  320u

struct blk_queue_stats {
#define X(name, help) _Alignas(8) atomic_uint_fast64_t name;
	BLK_COUNTERS(X)
	BLK_POLL_FIGURES(X)
#undef X
	/* 0: not connected so far, else 1 + number of the data thread */
	_Alignas(8) atomic_uint_fast64_t loop;
	/* from taking a request to putting its response */
	atomic_uint_fast64_t latency_ns[BLK_HIST_BUCKETS];
	_Alignas(64) char end[0];
};

#define BLK_POLL_MAX_US 10000u
#define BLK_MAX_QUEUES  16u
struct blk_disk_stats {
	struct blk_queue_stats queue[BLK_MAX_QUEUES];
	/* the one thing in here that the supervisor writes and the worker
	 * reads: 1 + for how many us at most the disk wants to be polled, 0:
	 * as long as the worker's others */
	atomic_uint poll_max_us_1;
};

static inline unsigned int blk_hist_bucket(uint64_t ns)
{
	const unsigned int sub = 1u << BLK_HIST_SUB_BITS;
	unsigned int shift, bucket;

	if (ns < sub)
		return (unsigned int)ns;
	shift = 63u - BLK_HIST_SUB_BITS - (unsigned int)__builtin_clzll(ns);
	/* the highest bit that is left of ns counts as one more step */
	bucket = shift * sub + (unsigned int)(ns >> shift);
	return bucket < BLK_HIST_BUCKETS ? bucket : BLK_HIST_BUCKETS - 1;
}
/* Upper bound of a bucket, in ns. */
uint64_t blk_hist_bound(unsigned int bucket);
/* Value at quantile (0..1) of the summed histograms of nr queues; 0 if empty.
 */
uint64_t blk_hist_quantile(const struct blk_disk_stats *s, unsigned int nr,
			   double quantile);

#endif
