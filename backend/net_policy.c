// SPDX-License-Identifier: MIT
/*
 * Policy of a vif: settings that change under running threads, VLANs, rates.
 * Who a frame says it is from is net_policy_source.c.
 */
#include "backend/net_policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/net_policy_int.h"

#define ETH_LEN  14u
#define VLAN_MAX 4094u

/* Ticks are 1/256 ns, so that short frames at high rates cost whole numbers.
 * They wrap; differences are signed. */
#define TICKS_NS    256u
#define TICKS_S     (TICKS_NS * UINT64_C(1000000000))
#define DEPTH_MAX   (INT64_C(1) << 60)
#define COST_MAX    (INT64_C(1) << 55) /* 64 KiB at a byte a second */
#define PER_S_MAX   UINT64_C(1000000000000)
#define FULL_PREFIX 128u

struct net_policy {
	struct net_rules *_Atomic rules;
};

/* settings */

static int check_addr(const struct net_addr *a)
{
	if (a->family == 4)
		return a->prefix_len <= 32 ? 0 : -EINVAL;
	if (a->family == 6)
		return a->prefix_len <= FULL_PREFIX ? 0 : -EINVAL;
	return -EINVAL;
}

static bool is_unicast(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return !(mac[0] & 1) && memcmp(mac, none, sizeof(none));
}

static int check_settings(const struct net_policy_settings *s)
{
	uint32_t i;

	if (s->nr_addrs > NET_POLICY_ADDRS || s->access > VLAN_MAX)
		return -EINVAL;
	if (s->trunk_set[63] >> 63) /* 4095 */
		return -EINVAL;
	if ((s->check_mac || s->check_addrs) && !is_unicast(s->mac))
		return -EINVAL;
	for (i = 0; i < s->nr_addrs; i++)
		if (check_addr(&s->addrs[i]))
			return -EINVAL;
	for (i = 0; i < 2; i++)
		if (s->rate[i].bytes_per_s > PER_S_MAX ||
		    s->rate[i].packets_per_s > PER_S_MAX)
			return -EINVAL;
	return 0;
}

static void mask_of(uint8_t *mask, unsigned int size, unsigned int prefix)
{
	unsigned int i;

	for (i = 0; i<size; i++, prefix = prefix> 8 ? prefix - 8 : 0)
		mask[i] = prefix >= 8 ? 0xff : (uint8_t)(0xff00 >> prefix);
}

static void add_addr(struct net_rules *r, const struct net_addr *a)
{
	if (a->family == 4) {
		struct net_match4 *m = &r->addr4[r->nr4++];

		mask_of((uint8_t *)&m->mask, 4, a->prefix_len);
		memcpy(&m->addr, a->addr, 4);
		m->addr &= m->mask;
	} else {
		struct net_match6 *m = &r->addr6[r->nr6++];

		mask_of((uint8_t *)m->mask, 16, a->prefix_len);
		memcpy(m->addr, a->addr, 16);
		m->addr[0] &= m->mask[0];
		m->addr[1] &= m->mask[1];
	}
}

/* RFC 4291, appendix A */
static void add_link_local(struct net_rules *r)
{
	const uint8_t *m = r->mac;
	const struct net_addr a = {
		.family = 6,
		.prefix_len = FULL_PREFIX,
		.addr = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2],
			 0xff, 0xfe, m[3], m[4], m[5]},
	};

	add_addr(r, &a);
}

static void set_bucket(struct net_bucket *b, uint64_t per_s, uint64_t burst)
{
	unsigned __int128 depth;

	b->per_s = per_s;
	if (!per_s)
		return;
	depth = (unsigned __int128)burst * TICKS_S / per_s;
	b->depth = depth > DEPTH_MAX ? (uint64_t)DEPTH_MAX : (uint64_t)depth;
}

static struct net_rules *make_rules(const struct net_policy_settings *s)
{
	struct net_rules *r = aligned_alloc(64, sizeof(*r));
	uint32_t i;

	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	memcpy(r->mac, s->mac, sizeof(r->mac));
	r->check_mac = s->check_mac;
	r->check_addrs = s->check_addrs;
	r->check_vlan = s->trunk || s->access;
	r->trunk = s->trunk;
	r->access = s->access;
	memcpy(r->trunk_set, s->trunk_set, sizeof(r->trunk_set));
	for (i = 0; i < s->nr_addrs; i++)
		add_addr(r, &s->addrs[i]);
	add_link_local(r);
	for (i = 0; i < 2; i++) {
		const struct net_rate *rate = &s->rate[i];

		set_bucket(&r->bytes[i], rate->bytes_per_s, rate->bytes_burst);
		set_bucket(&r->packets[i], rate->packets_per_s,
			   rate->packets_burst);
		r->open[i] = !r->check_vlan && !rate->bytes_per_s &&
			     !rate->packets_per_s;
	}
	if (r->check_mac || r->check_addrs)
		r->open[NET_FROM_GUEST] = false;
	return r;
}

int net_policy_create(struct net_policy **out,
		      const struct net_policy_settings *settings)
{
	struct net_policy *p;
	struct net_rules *r;

	if (check_settings(settings))
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	r = make_rules(settings);
	if (!p || !r) {
		free(p);
		free(r);
		return -ENOMEM;
	}
	atomic_init(&p->rules, r);
	*out = p;
	return 0;
}

int net_policy_change(struct net_policy *p,
		      const struct net_policy_settings *settings)
{
	struct net_rules *r;

	if (check_settings(settings))
		return -EINVAL;
	r = make_rules(settings);
	if (!r)
		return -ENOMEM;
	r->retired = atomic_load_explicit(&p->rules, memory_order_relaxed);
	atomic_store_explicit(&p->rules, r, memory_order_release);
	return 0;
}

void net_policy_settle(struct net_policy *p)
{
	struct net_rules *r = atomic_load_explicit(&p->rules,
						   memory_order_relaxed);

	while (r->retired) {
		struct net_rules *old = r->retired;

		r->retired = old->retired;
		free(old);
	}
}

void net_policy_destroy(struct net_policy *p)
{
	if (!p)
		return;
	net_policy_settle(p);
	free(atomic_load_explicit(&p->rules, memory_order_relaxed));
	free(p);
}

bool net_policy_is_open(const struct net_policy *p, enum net_dir dir)
{
	return atomic_load_explicit(&p->rules, memory_order_acquire)->open[dir];
}

/* VLANs */

static bool in_trunk(const struct net_rules *r, uint16_t vid)
{
	return r->trunk && r->trunk_set[vid / 64] >> (vid % 64) & 1;
}

/* A tag of the native VLAN is refused: a switch that strips it would send on
 * what is below it. */
static enum net_verdict vlan_from_guest(const struct net_rules *r,
					uint16_t type, uint16_t vid,
					uint32_t *vlan)
{
	if (!net_is_tag(type)) {
		*vlan = r->access;
		return r->access ? NET_PASS : NET_DROP_VLAN;
	}
	if (type != 0x8100 || !vid || vid == r->access || !in_trunk(r, vid))
		return NET_DROP_VLAN;
	return NET_PASS;
}

static enum net_verdict vlan_to_guest(const struct net_rules *r,
				      const uint8_t *head, uint16_t type,
				      uint16_t vid, uint32_t *vlan)
{
	if (type != 0x8100 || !vid)
		return NET_DROP_VLAN;
	if (vid == r->access) {
		*vlan = NET_VLAN_STRIP;
		return net_is_tag(net_be16(head + 16)) ? NET_DROP_VLAN
						       : NET_PASS;
	}
	return in_trunk(r, vid) ? NET_PASS : NET_DROP_VLAN;
}

static enum net_verdict check_vlan(const struct net_rules *r, enum net_dir dir,
				   const uint8_t *head, size_t len,
				   uint32_t *vlan)
{
	uint16_t type = net_be16(head + 12), vid = 0;

	if (net_is_tag(type)) {
		if (len < ETH_LEN + NET_TAG_LEN)
			return NET_DROP_MALFORMED;
		vid = net_be16(head + 14) & 0xfff;
	}
	return dir == NET_FROM_GUEST ? vlan_from_guest(r, type, vid, vlan)
				     : vlan_to_guest(r, head, type, vid, vlan);
}

/* Rates */

/* Takes cost ticks if there is any credit; else how many ticks until then. */
static bool bucket_take(struct net_bucket *b, uint64_t cost, uint64_t now,
			uint64_t *wait)
{
	uint64_t due = atomic_load_explicit(&b->due, memory_order_relaxed);
	uint64_t from;

	do {
		int64_t ahead = (int64_t)(due - now);

		/* further than any frame can take it: a word of long ago */
		if (ahead < 0 || ahead > (int64_t)b->depth + COST_MAX) {
			from = now;
		} else if (ahead && ahead >= (int64_t)b->depth) {
			*wait = (uint64_t)ahead - b->depth + 1;
			return false;
		} else {
			from = due;
		}
	} while (!atomic_compare_exchange_weak_explicit(
		&b->due, &due, from + cost, memory_order_relaxed,
		memory_order_relaxed));
	return true;
}

static bool take_credit(struct net_rules *r, enum net_dir dir, uint32_t len,
			uint64_t now_ns, uint64_t *ready_ns)
{
	struct net_bucket *packets = &r->packets[dir], *bytes = &r->bytes[dir];
	uint64_t now = now_ns * TICKS_NS, wait, one = 0;

	if (packets->per_s) {
		one = TICKS_S / packets->per_s;
		if (!bucket_take(packets, one, now, &wait))
			goto later;
	}
	if (bytes->per_s &&
	    !bucket_take(bytes, len * TICKS_S / bytes->per_s, now, &wait)) {
		if (one)
			atomic_fetch_sub_explicit(&packets->due, one,
						  memory_order_relaxed);
		goto later;
	}
	return true;
later:
	*ready_ns = now_ns + wait / TICKS_NS + 1;
	return false;
}

enum net_verdict net_policy_check(struct net_policy *p, enum net_dir dir,
				  const uint8_t *head, size_t head_len,
				  uint32_t len, uint64_t now_ns, uint32_t *vlan,
				  uint64_t *ready_ns)
{
	struct net_rules *r = atomic_load_explicit(&p->rules,
						   memory_order_acquire);
	enum net_verdict v = NET_PASS;

	*vlan = 0;
	*ready_ns = now_ns;
	if (r->open[dir])
		return NET_PASS;
	if (head_len > len)
		head_len = len;
	if (head_len < ETH_LEN)
		return NET_DROP_MALFORMED;
	if (r->check_vlan)
		v = check_vlan(r, dir, head, head_len, vlan);
	if (v == NET_PASS && dir == NET_FROM_GUEST &&
	    (r->check_mac || r->check_addrs))
		v = net_policy_source(r, head, head_len);
	if (v == NET_PASS && !take_credit(r, dir, len, now_ns, ready_ns))
		v = NET_LATER;
	return v;
}

const char *net_verdict_name(enum net_verdict v)
{
	static const char *const names[] = {
		[NET_PASS] = "pass",
		[NET_DROP_MAC] = "spoofed MAC address",
		[NET_DROP_ADDR] = "spoofed network address",
		[NET_DROP_VLAN] = "VLAN not allowed",
		[NET_DROP_MALFORMED] = "malformed headers",
		[NET_LATER] = "over the rate",
	};

	return (unsigned int)v < sizeof(names) / sizeof(names[0]) ? names[v]
								  : "unknown";
}
