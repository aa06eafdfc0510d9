/* SPDX-License-Identifier: MIT */
/* Inside a queue: shared by net_queue.c (life, timers), net_tx.c (from the
 * guest), net_rx.c (to the guest) and net_steer.c (from other queues). */
#ifndef XENSPLIT_BACKEND_NET_QUEUE_PRIV_H
#define XENSPLIT_BACKEND_NET_QUEUE_PRIV_H

#include <string.h>

#include "backend/net_queue.h"
#include "grant/copy.h"
#include "hypercall/log.h"

/* After stdint.h, which it needs and does not include. */
#include <xen/io/netif.h>

/* Packets of one direction in one turn: other queues and disks on the loop
 * wait no longer than for these. */
#define NET_BATCH 64u
/* A batch of transmission ends when it holds as much, so that what was copied
 * is still in the cache when it is sent. */
#define NET_BATCH_BYTES (256u << 10)
/* Frames in static grants up to this long are copied whole, of longer ones so
 * much: all headers that anyone looks at. */
#define NET_COPY_WHOLE 512u
#define NET_HEAD       256u
/* Room before each frame, for a VLAN tag. */
#define NET_HEADROOM 8u
#define NET_LINE     64u
/* The last packet may begin just below NET_BATCH_BYTES, and have the rest of a
 * page left unused before each of its pieces. */
#define NET_ARENA                                              \
	(NET_BATCH_BYTES + NET_PACKET_MAX + 1 + NET_HEADROOM + \
	 (NET_TX_SLOTS_MAX + 2) * NET_PAGE_SIZE)

/* Of netback's: see features of frontends without feature-rx-notify. */
#define NET_DRAIN_MS        10000u
#define NET_STALL_MS        60000u
#define NET_BLIND_DRAIN_MS  30u
#define NET_BLIND_LOOK_MS   5u
#define NET_LOG_BURST       3u
#define NET_LOG_INTERVAL_MS 10000u

/* A memcpy() that is put off until its source is on its way to the cache. */
struct net_move {
	void *to;
	const void *from;
	uint32_t len;
};

static inline void net_moves_run(const struct net_move *m, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		memcpy(m[i].to, m[i].from, m[i].len);
}

/* Beside a packet of the guest's between being taken and being answered. */
struct net_tx_staged {
	uint32_t cons;               /* the ring's index before it */
	int16_t status;              /* NETIF_RSP_* */
	uint16_t seg_first, nr_segs; /* of the batch of grant copies */
	bool has_frame;
};

struct net_tx {
	struct net_back_ring ring;
	struct net_tx_rules rules;
	struct evtchn_port *port;
	uint32_t incomplete; /* requests of half a packet, and no others */
	uint32_t batch_max;  /* fewer while the rate lets few through */
	uint64_t later_ns;   /* over the rate until then; 0: no */
	/* the batch */
	unsigned int nr_staged, nr_iov, nr_moves;
	uint8_t *arena, *arena_at;
	struct net_tx_staged staged[NET_BATCH];
	struct net_tx_packet packet[NET_BATCH];
	struct net_frame frame[NET_BATCH]; /* [staged], then compacted */
	struct iovec iov[NET_RING_ENTRIES + NET_BATCH];
	struct net_move move[NET_RING_ENTRIES];
};

/* A response to be, while its data is under way. */
struct net_rx_slot {
	union {
		struct net_rx_rsp rsp;
		struct net_extra extra;
	};
	uint8_t is_extra, seg_first, nr_segs;
};

#define NET_RX_MOVES 512u

struct net_rx {
	struct net_back_ring ring;
	struct evtchn_port *port;
	/* frames of the link (or of another queue), not yet delivered */
	unsigned int next, nr;
	unsigned int nr_slots, nr_moves, avail;
	uint32_t needed;   /* slots, of the frame that there was no room for */
	uint64_t later_ns; /* over the rate until then; 0: no */
	uint64_t blocked_ns; /* since when there is no room; 0: there is */
	uint64_t drain_at_ns;
	uint8_t idle, skip; /* looks at the link to leave out */
	bool stalled, blocked_notified;
	struct net_frame frame[NET_BATCH];
	struct net_rx_slot slot[NET_RING_ENTRIES];
	struct net_move move[NET_RX_MOVES];
};

struct net_inbox;

struct net_queue {
	struct io_poller poller; /* first */
	bool broken;
	bool attached;    /* to the link */
	bool copy_failed; /* something in the last batch of grant copies */
	struct net_queue_stats *stats;
	struct net_gref *grefs;
	struct io_loop *loop;
	struct link_ctx link;
	struct net_inbox *inbox;
	struct net_hash *hash; /* this thread's copy */
	struct net_queue_config cfg;
	void *tx_page, *rx_page;
	ev_timer timer;
	struct log_limit log_refused;
	struct net_tx tx;
	struct net_rx rx;
	struct grant_copy copy;
};

/* net_queue.c */
/* The peer broke the protocol: nothing is touched any more. */
void net_queue_violation(struct net_queue *q, const char *text);
/* For the log, rate limited. */
void net_queue_log_refused(struct net_queue *q, const char *why,
			   uint32_t value);
static inline void net_queue_notify(struct net_queue *q,
				    struct evtchn_port *port, bool asked)
{
	if (asked) {
		evtchn_port_notify(port);
		counter_add(&q->stats->events_sent, 1);
	} else {
		counter_add(&q->stats->events_suppressed, 1);
	}
}
/* Have the batch of grant copies done; q->copy_failed tells of failures, then
 * grant_copy_ok() of each. */
void net_queue_run_copies(struct net_queue *q);
/* Count a verdict other than NET_PASS and NET_LATER. */
void net_queue_count_drop(struct net_queue *q, enum net_verdict v);

/* net_tx.c */
int net_tx_poll(struct net_queue *q);
bool net_tx_arm(struct net_queue *q);

/* net_rx.c */
int net_rx_poll(struct net_queue *q);
bool net_rx_arm(struct net_queue *q);

/* net_steer.c: frames from queues on other threads */
int net_inbox_create(struct net_inbox **inbox, struct net_queue *q);
void net_inbox_destroy(struct net_inbox *inbox);
/* Any thread; false: full. */
bool net_inbox_put(struct net_inbox *inbox, const struct net_frame *frame);
/* The queue's: at most nr frames, valid until the next call. */
unsigned int net_inbox_take(struct net_inbox *inbox, struct net_frame *frames,
			    unsigned int nr);

#endif
