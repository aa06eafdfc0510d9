// SPDX-License-Identifier: MIT
/* Latency histograms: buckets, bounds, quantiles. */
#include "backend/blk_stats.h"

#define SUB_BUCKETS (1u << BLK_HIST_SUB_BITS)

uint64_t blk_hist_bound(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < SUB_BUCKETS)
		return bucket;
	shift = bucket / SUB_BUCKETS - 1;
	return ((uint64_t)(SUB_BUCKETS + bucket % SUB_BUCKETS + 1) << shift) -
	       1;
}

uint64_t blk_hist_quantile(const struct blk_disk_stats *s, unsigned int nr,
			   double quantile)
{
	uint64_t sum[BLK_HIST_BUCKETS] = {0}, total = 0, seen = 0, want;
	unsigned int q, b;

	for (q = 0; q < nr && q < BLK_MAX_QUEUES; q++) {
		for (b = 0; b < BLK_HIST_BUCKETS; b++) {
			uint64_t n = atomic_load_explicit(
				&s->queue[q].latency_ns[b],
				memory_order_relaxed);
			sum[b] += n;
			total += n;
		}
	}
	if (!total)
		return 0;
	want = (uint64_t)(quantile * (double)total);
	if (want >= total)
		want = total - 1;
	for (b = 0; b < BLK_HIST_BUCKETS; b++) {
		seen += sum[b];
		if (seen > want)
			break;
	}
	return blk_hist_bound(b);
}
