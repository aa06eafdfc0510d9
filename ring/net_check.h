/* SPDX-License-Identifier: MIT */
/*
 * The one validator of netif packets: from slots, already copied out of the
 * ring, to a checked description of a packet.  Pure functions, no I/O.
 *
 * Protocol: <xen/io/netif.h>, "Guest transmit" and "Guest receive".
 */
#ifndef XENSPLIT_RING_NET_CHECK_H
#define XENSPLIT_RING_NET_CHECK_H

#include "ring/net_ring.h"

enum net_gso { NET_GSO_NONE, NET_GSO_TCPV4, NET_GSO_TCPV6 };

/* A piece of a packet: size bytes at offset in the page of gref. */
struct net_frag {
	uint32_t gref;
	uint16_t offset, size;
};

/* Slots with data and extra infos of one packet, beyond which a guest is
 * thought to mean harm.  What is over NET_TX_SLOTS_MAX and not over this is
 * refused, and the device lives. */
#define NET_TX_SLOTS_FATAL  21u
#define NET_TX_EXTRAS_FATAL 5u

/*
 * A packet that a guest transmits, checked: every frag has size > 0 and lies
 * within its page, their sum is len, len is at least that of an Ethernet
 * header, a GSO type comes with a size and with blank checksums.
 */
struct net_tx_packet {
	uint32_t len;
	uint16_t gso_size; /* bytes of payload a segment */
	uint8_t gso;       /* enum net_gso */
	uint8_t nr_frags;
	uint8_t nr_slots;  /* taken from the ring, extra infos included */
	uint8_t nr_extras; /* of them */
	bool csum_blank, csum_valid; /* NETTXF_csum_blank, _data_validated */
	/* GSO whose sender did not say that checksums are blank, as some do:
	 * csum_blank is set all the same, and the field in the packet is first
	 * to be filled with the sum of the pseudo header */
	bool csum_fixup;
	bool mcast_add, mcast_del; /* a command: there is no packet, len is 0 */
	bool has_hash;
	uint8_t hash_type;
	uint8_t mcast[6];
	uint32_t hash;
	struct net_frag frag[NET_TX_SLOTS_MAX];
};

/* What has been negotiated and so may appear. */
struct net_tx_rules {
	bool sg, gso4, gso6, mcast_control;
};

enum net_tx_verdict {
	NET_TX_OK,
	/* the ring ends within the packet: a frontend that publishes half a
	 * packet; nothing was taken, look again at the next notification */
	NET_TX_INCOMPLETE,
	/* refused, answered with NETIF_RSP_ERROR in all its slots; the guest's
	 * own fault, the device lives */
	NET_TX_BAD_PACKET,
	/* what cannot be said without losing the place in the ring, or what
	 * no frontend sends by mistake: the device is disconnected.  Linux
	 * netback draws the line in the same place (fatal_tx_err). */
	NET_TX_FATAL,
};

/*
 * Take the next packet from r.  avail: what net_back_ring_avail() returned,
 * less what was taken since (p->nr_slots of OK and BAD_PACKET).
 * why: set to a constant text when not OK; value: the value it is about; when
 * INCOMPLETE, the slots that are there, for net_back_ring_arm(r, value + 1).
 */
enum net_tx_verdict net_tx_take(struct net_back_ring *r, int avail,
				const struct net_tx_rules *rules,
				struct net_tx_packet *p, const char **why,
				uint32_t *value);
/* Put the responses of all slots of a packet, in the order of its slots: status
 * (NETIF_RSP_*) for those with data, NETIF_RSP_NULL for extra infos, which the
 * frontend skips.  Packets are answered in the order they were taken; nr_slots
 * and nr_extras are those of the packet whose turn it is. */
void net_tx_answer(struct net_back_ring *r, unsigned int nr_slots,
		   unsigned int nr_extras, int16_t status);

/* rx, the backend's side: how many slots a frame of len bytes takes, extras
 * not counted. */
static inline unsigned int net_rx_slots(uint32_t len)
{
	return (len + NET_PAGE_SIZE - 1) / NET_PAGE_SIZE;
}

#endif
