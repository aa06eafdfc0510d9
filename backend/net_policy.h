/* SPDX-License-Identifier: MIT */
/*
 * What one vif may send and be sent: MAC and address spoofing, VLANs, rates.
 * Checked in the worker for every frame, in both directions, on headers that
 * were copied to private memory; no iptables or ebtables is involved.
 *
 * The settings are plain data: the supervisor reads them from the toolstack's
 * keys (net_policy_parse.c), sends them to the worker, and sends them again
 * when they change; the worker then uses the new ones for the next frame.
 */
#ifndef XENSPLIT_BACKEND_NET_POLICY_H
#define XENSPLIT_BACKEND_NET_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypercall/xs_store.h"

#define NET_POLICY_ADDRS 32u

enum net_dir { NET_FROM_GUEST, NET_TO_GUEST };

/* An address or network that the guest may use. */
struct net_addr {
	uint8_t family;     /* 4 or 6 */
	uint8_t prefix_len; /* 0 to 32, or 128 */
	uint8_t addr[16];
};

/* Credit is refilled continuously; burst: the most that is kept.  A frame goes
 * when there is any, and may leave a debt: so frames of any length do.
 * per_s 0: no limit. */
struct net_rate {
	uint64_t bytes_per_s, bytes_burst;
	uint64_t packets_per_s, packets_burst;
};

struct net_policy_settings {
	uint8_t mac[6];
	/* of frames from the guest: source of each frame, of ARP, and the
	 * link-layer addresses that neighbour discovery announces */
	bool check_mac;
	/* of frames from the guest: source addresses, also those in ARP and
	 * neighbour discovery, are of addrs[], or the link-local address that
	 * is made of mac, or none where getting one takes that (DHCP, duplicate
	 * address detection).  Other protocols than ARP, IPv4, IPv6 do not
	 * pass, nor what only routers and DHCP servers send. */
	bool check_addrs;
	uint32_t nr_addrs;
	struct net_addr addrs[NET_POLICY_ADDRS];
	/* VLANs.  access 0: as it comes.  access N: frames of the guest get tag
	 * N and must have none; only frames with tag N (and no other below it)
	 * reach it, without it.
	 * trunk: frames with a tag of the set pass unchanged; untagged ones as
	 * access says (0: refused when trunk is set).  Tags are 802.1Q's, and
	 * the outermost counts; priority tags (VLAN 0) are no VLAN's. */
	bool trunk;
	uint16_t access;
	uint64_t trunk_set[64];  /* bit per VLAN id, 0 to 4095 */
	struct net_rate rate[2]; /* [enum net_dir] */
};

enum net_verdict {
	NET_PASS,
	NET_DROP_MAC,
	NET_DROP_ADDR,
	NET_DROP_VLAN,
	NET_DROP_MALFORMED, /* headers that cannot be judged */
	NET_LATER,          /* over the rate: ask again at *ready_ns */
};

struct net_policy;

/* Supervisor: from the keys below the backend directory dir: `mac`, `ip`,
 * `rate`, `vlan`, and xensplit/{antispoof,rate-rx,pps,pps-rx}.  0 or -errno
 * with err naming key and value. */
int net_policy_read(struct xs_store *xs, const char *dir,
		    struct net_policy_settings *out, struct xs_err *err);

/* A unicast MAC address as XX:XX:XX:XX:XX:XX; -EINVAL.  Any thread. */
int net_policy_parse_mac(const char *text, uint8_t mac[6]);

/* Worker: one a vif, used from the threads of all its queues (rates are
 * shared, by atomics).  settings are checked again: -EINVAL. */
int net_policy_create(struct net_policy **p,
		      const struct net_policy_settings *settings);
/* One thread (the control thread).  Frames judged from now on are judged by
 * these settings, with full credit.  Data threads read settings without a lock,
 * so the old ones stay until net_policy_settle(): call it when each data
 * thread has left net_policy_check() once since the change. */
int net_policy_change(struct net_policy *p,
		      const struct net_policy_settings *settings);
void net_policy_settle(struct net_policy *p);
/* NULL is fine. */
void net_policy_destroy(struct net_policy *p);

/* True: nothing is restricted in this direction; net_policy_check() would
 * always pass. */
bool net_policy_is_open(const struct net_policy *p, enum net_dir dir);

/*
 * Judge a frame by its first head_len bytes (private memory; at least
 * NET_POLICY_HEAD of them, or the whole frame) and its length.  Frames to the
 * guest as they come from the link.  now_ns: CLOCK_MONOTONIC, may be some
 * microseconds old.  On NET_PASS, *vlan says what becomes of the frame's tag:
 * 0 leave, a number: insert an 802.1Q tag with it, NET_VLAN_STRIP: remove the
 * one that is there.  NET_LATER has taken no credit.  Neither pointer is
 * NULL.
 */
#define NET_POLICY_HEAD 128u
#define NET_VLAN_STRIP  0x10000u
enum net_verdict net_policy_check(struct net_policy *p, enum net_dir dir,
				  const uint8_t *head, size_t head_len,
				  uint32_t len, uint64_t now_ns, uint32_t *vlan,
				  uint64_t *ready_ns);
const char *net_verdict_name(enum net_verdict v);

#endif
