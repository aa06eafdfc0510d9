/* SPDX-License-Identifier: MIT */
/*
 * Counters of one vif, in memory that the worker writes and the supervisor
 * reads, as backend/blk_stats.h; and behind them what a new worker goes on
 * from.  tx and rx are the guest's: tx is what it transmitted.
 */
#ifndef XENSPLIT_BACKEND_NET_STATS_H
#define XENSPLIT_BACKEND_NET_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "backend/counter.h"
#include "backend/net_journal.h"

#define NET_COUNTERS(X)                                                       \
	X(tx_packets, "frames taken from the guest")                          \
	X(tx_bytes, "bytes of them")                                          \
	X(tx_gso, "of them, to be cut into segments")                         \
	X(tx_csum, "of them, with a checksum to be completed")                \
	X(tx_errors, "refused as malformed")                                  \
	X(tx_dropped, "refused by the link")                                  \
	X(rx_packets, "frames given to the guest")                            \
	X(rx_bytes, "bytes of them")                                          \
	X(rx_gso, "of them, to be cut into segments")                         \
	X(rx_csum, "of them, with a checksum to be completed")                \
	X(rx_errors, "lost because a buffer of the guest's was not granted")  \
	X(rx_dropped, "lost: no buffers too long, or too much for the guest") \
	X(rx_filtered, "kept back by the multicast filter")                   \
	X(spoofed_mac, "dropped: a source that is not the vif's")             \
	X(spoofed_addr, "dropped: an address that is not allowed")            \
	X(vlan_dropped, "dropped: a VLAN that is not allowed")                \
	X(malformed_headers, "dropped: headers that cannot be judged")        \
	X(throttled, "frames that had to wait for the rate")                  \
	X(violations, "impossible ring indices or packets")                   \
	X(grant_copies, "grant copy operations")                              \
	X(grant_copy_calls, "calls that carried them")                        \
	X(grant_copy_bytes, "bytes moved by them")                            \
	X(static_bytes, "bytes moved through static grants")                  \
	X(events_received, "event channel notifications received")            \
	X(events_sent, "notifications sent")                                  \
	X(events_suppressed, "publications that needed no notification")      \
	X(link_calls, "calls that moved frames to or from the link")          \
	X(stalls, "times that the guest stopped taking frames")

struct net_queue_stats {
#define X(name, help) _Alignas(8) atomic_uint_fast64_t name;
	NET_COUNTERS(X)
#undef X
	_Alignas(64) char end[0];
};

#define NET_MAX_QUEUES NET_JOURNAL_QUEUES
struct net_vif_stats {
	struct net_queue_stats queue[NET_MAX_QUEUES];
	struct net_vif_journal journal;
};

#endif
