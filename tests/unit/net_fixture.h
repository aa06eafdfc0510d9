/* SPDX-License-Identifier: MIT */
/*
 * A queue of a NIC between two doubles, in one thread: a guest that fills the
 * rings with whatever a test wants, and a link that keeps what it gets and
 * gives what it is told to.  Grants are fake_gnttab's; time is the test's.
 */
#ifndef XENSPLIT_TESTS_NET_FIXTURE_H
#define XENSPLIT_TESTS_NET_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/net_queue_priv.h"

#define FX_TX_REF(i) (100u + (i)) /* pages of the guest, by slot of a ring */
#define FX_RX_REF(i) (400u + (i))
#define FX_RING      256u
#define FX_MAC                                     \
	{                                          \
		0x00, 0x16, 0x3e, 0x01, 0x02, 0x03 \
	}

/* A frame that went through, in one piece. */
struct fx_frame {
	struct net_frame meta;
	uint8_t data[66000];
	/* of those the guest got */
	struct net_extra extra[4];
	unsigned int nr_extras, nr_slots;
	uint16_t flags, offset;
	bool failed;
};

struct fx_setup {
	uint32_t features, offers; /* LINK_*: of the guest, of the link */
	bool no_csum, blind;       /* blind: without feature-rx-notify */
	bool split, hash, resume;
	struct net_policy_settings policy;
};

struct fx {
	struct net_front_ring tx, rx;
	struct io_loop loop;
	struct io_poller *poller;
	struct net_queue *q;
	struct net_policy *policy;
	struct net_mcast mcast;
	struct net_hash_control hash;
	struct net_gref *grefs;
	struct net_pcap pcap;
	struct net_vif_stats *stats;
	struct link_desc link;
	struct fx_setup how;
	const char *violation;
	int stalled; /* as last told; -1: never */
	unsigned int notified[2], steered, steered_to;
	uint32_t tx_next, rx_next; /* slots used by the guest */
	/* the link */
	bool armed;
	unsigned int nr_sent, nr_waiting, receives;
	struct fx_frame *sent;    /* [FX_RING] */
	struct fx_frame *waiting; /* [FX_RING] */
	struct iovec waiting_iov[FX_RING][2];
	struct fx_frame *got; /* [FX_RING], by the guest */
	unsigned int nr_got;
	int16_t tx_status[1u << 16]; /* by id; 99: not answered */
};

extern struct fx fx;

void fx_open(const struct fx_setup *how);
void fx_close(void);
/* The worker ends without a word, and another begins. */
void fx_replace_worker(void);

/* Turns of the poller at the time that is; what they did. */
int fx_poll(void);
/* Until nothing is done any more. */
void fx_run(void);
/* True: it would not sleep. */
bool fx_arm(void);
void fx_sleep_ms(uint64_t ms);

/* The guest announces its pages as static grants. */
void fx_static(uint32_t first_ref, unsigned int nr);

/* The guest: put a request (unpublished), with page contents. */
uint16_t fx_tx_put(uint16_t flags, uint16_t offset, uint16_t size,
		   const void *data, uint16_t data_len);
/* A frame of one slot. */
uint16_t fx_tx_frame(const void *data, uint16_t len, uint16_t flags);
void fx_tx_extra(const struct net_extra *x);
void fx_tx_publish(void);
/* Take the answers; how many. */
unsigned int fx_tx_answers(void);
void fx_rx_buffers(unsigned int nr);
/* Take frames; into fx.got. */
void fx_rx_take(void);

/* The link: a frame for the guest. */
void fx_link_frame(const struct net_frame *meta, const void *data,
		   uint32_t len);

/* Bytes of an Ethernet/IPv4/UDP frame of len bytes, whose payload depends on
 * seed; its checksum is the pseudo header's when blank. */
void fx_udp(uint8_t *frame, uint32_t len, uint32_t seed, bool blank);
/* The same in IPv6 and TCP. */
void fx_tcp6(uint8_t *frame, uint32_t len, uint32_t seed, bool blank);

#endif
