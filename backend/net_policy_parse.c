// SPDX-License-Identifier: MIT
/*
 * A vif's policy as the toolstack's keys say it.  The writers are trusted, and
 * make mistakes; what is not understood is refused, as guessing opens doors.
 *
 *   mac                  six pairs of hexadecimal digits with colons
 *   ip                   addresses or networks, by spaces or commas
 *   rate                 BYTES,MICROSECONDS: credit of each such interval
 *   vlan                 as in xl-network-configuration(5)
 *   xensplit/antispoof   0 or off; mac; addr; 1 or on: both as far as they are
 *                        known.  Absent: on if there is `ip`, else off.
 *   xensplit/rate-rx     as rate, of what is sent to the guest
 *   xensplit/pps, -rx    packets a second; 0: any
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/net_policy.h"
#include "hypercall/xenbus_keys.h"
#include "hypercall/xs_parse.h"

#define VLAN_MAX       4094u
#define INTERVAL_US    1000000u
#define BYTES_PER_S    UINT64_C(1000000000000)
#define PACKETS_BURSTS 20u /* a second; as xl's default interval of 50 ms */
#define PACKETS_BURST  16u
#define VALUE_MAX      2048u

struct reader {
	struct xs_store *xs;
	const char *dir;
	struct xs_err *err;
};

static int read_text(const struct reader *r, const char *key, char *out,
		     size_t size)
{
	return xenbus_key_read_str(r->xs, XBT_NULL, vif_keys, r->dir, key, out,
				   size, r->err);
}

static int bad_value(const struct reader *r, const char *key, const char *value,
		     const char *wanted)
{
	char text[81];

	xs_printable(text, sizeof(text), value, strlen(value));
	xs_err_set(r->err, "%s/%s: '%s' is not %s", r->dir, key, text, wanted);
	return -EINVAL;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int net_policy_parse_mac(const char *text, uint8_t mac[6])
{
	uint8_t m[6];
	unsigned int i;

	if (strlen(text) != 17)
		return -EINVAL;
	for (i = 0; i < 6; i++, text += 3) {
		int high = hex(text[0]), low = hex(text[1]);

		if (high < 0 || low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		m[i] = (uint8_t)(high << 4 | low);
	}
	if (m[0] & 1 || !(m[0] | m[1] | m[2] | m[3] | m[4] | m[5]))
		return -EINVAL;
	memcpy(mac, m, sizeof(m));
	return 0;
}

static int read_mac(const struct reader *r, struct net_policy_settings *s)
{
	char text[64];
	int e = read_text(r, "mac", text, sizeof(text));

	if (e)
		return e;
	if (net_policy_parse_mac(text, s->mac))
		return bad_value(r, "mac", text,
				 "a unicast address like 00:16:3e:01:02:03");
	return 0;
}

static int parse_addr(char *word, struct net_addr *a)
{
	char *slash = strchr(word, '/');
	uint64_t max, n;

	if (slash)
		*slash++ = '\0';
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, word, a->addr) == 1)
		a->family = 4;
	else if (inet_pton(AF_INET6, word, a->addr) == 1)
		a->family = 6;
	else
		return -EINVAL;
	n = max = a->family == 4 ? 32 : 128;
	if (slash && xs_parse_u64(slash, strlen(slash), 0, max, &n))
		return -EINVAL;
	a->prefix_len = (uint8_t)n;
	return 0;
}

static int read_addrs(const struct reader *r, struct net_policy_settings *s)
{
	static const char separators[] = " ,\t\n";
	char text[VALUE_MAX], *save, *word;
	int e = read_text(r, "ip", text, sizeof(text));

	if (e)
		return e;
	for (word = strtok_r(text, separators, &save); word;
	     word = strtok_r(NULL, separators, &save)) {
		char shown[80];

		snprintf(shown, sizeof(shown), "%.79s", word);
		if (s->nr_addrs == NET_POLICY_ADDRS) {
			xs_err_set(r->err, "%s/ip: more than %u addresses",
				   r->dir, NET_POLICY_ADDRS);
			return -E2BIG;
		}
		if (parse_addr(word, &s->addrs[s->nr_addrs++]))
			return bad_value(r, "ip", shown,
					 "an IPv4 or IPv6 address or network");
	}
	return 0;
}

static int read_antispoof(const struct reader *r, struct net_policy_settings *s)
{
	static const char key[] = "xensplit/antispoof";
	char text[16];
	int e = read_text(r, key, text, sizeof(text));

	if (e)
		return e;
	if (!text[0])
		s->check_mac = s->check_addrs = s->nr_addrs;
	else if (!strcmp(text, "mac"))
		s->check_mac = true;
	else if (!strcmp(text, "addr"))
		s->check_addrs = true;
	else if (!strcmp(text, "1") || !strcmp(text, "on"))
		s->check_mac = true, s->check_addrs = s->nr_addrs;
	else if (strcmp(text, "0") && strcmp(text, "off"))
		return bad_value(r, key, text, "off, mac, addr or on");
	return 0;
}

static int read_rate(const struct reader *r, const char *key,
		     struct net_rate *rate)
{
	static const char wanted[] =
		"BYTES,MICROSECONDS with 1 byte to 1 TB a second";
	char text[64], *comma;
	uint64_t bytes, us;
	unsigned __int128 per_s;
	int e = read_text(r, key, text, sizeof(text));

	if (e || !text[0])
		return e;
	comma = strchr(text, ',');
	if (!comma ||
	    xs_parse_u64(text, (size_t)(comma - text), 1, INT64_MAX, &bytes) ||
	    xs_parse_u64(comma + 1, strlen(comma + 1), 1, INT64_MAX, &us))
		return bad_value(r, key, text, wanted);
	per_s = (unsigned __int128)bytes * INTERVAL_US / us;
	if (!per_s || per_s > BYTES_PER_S)
		return bad_value(r, key, text, wanted);
	rate->bytes_per_s = (uint64_t)per_s;
	rate->bytes_burst = bytes;
	return 0;
}

static int read_pps(const struct reader *r, const char *key,
		    struct net_rate *rate)
{
	uint64_t n;
	int e = xenbus_key_read(r->xs, XBT_NULL, vif_keys, r->dir, key, &n,
				r->err);

	if (e)
		return e;
	rate->packets_per_s = n;
	rate->packets_burst = n / PACKETS_BURSTS;
	if (n && rate->packets_burst < PACKETS_BURST)
		rate->packets_burst = PACKETS_BURST;
	return 0;
}

/* VLANs */

struct vlans {
	uint64_t set[64];
	unsigned int count, untagged;
	uint16_t pvid, last;
	bool has_pvid;
};

/* Digits at *p, which moves behind them; 0 if it is no number of 1 to max. */
static uint32_t take_number(const char **p, uint32_t max)
{
	size_t len = strspn(*p, "0123456789");
	uint64_t n;

	if (xs_parse_u64(*p, len, 1, max, &n))
		return 0;
	*p += len;
	return (uint32_t)n;
}

static void add_vlans(struct vlans *v, uint32_t first, uint32_t step,
		      uint32_t count)
{
	for (; count; count--, first += step) {
		v->set[first / 64] |= UINT64_C(1) << (first % 64);
		v->last = (uint16_t)first;
		v->count++;
	}
}

/* One term: N, N-M or N+OFFSETxCOUNT, then p or u */
static int parse_term(const char *p, struct vlans *v)
{
	uint32_t first = take_number(&p, VLAN_MAX), step = 1, count = 1, to;

	if (!first)
		return -EINVAL;
	if (*p == '-') {
		p++;
		to = take_number(&p, VLAN_MAX);
		if (to < first)
			return -EINVAL;
		count += to - first;
	} else if (*p == '+') {
		p++;
		step = take_number(&p, VLAN_MAX);
		if (!step || *p++ != 'x')
			return -EINVAL;
		count += to = take_number(&p, VLAN_MAX);
		if (!to || first + step * to > VLAN_MAX)
			return -EINVAL;
	}
	add_vlans(v, first, step, count);
	if (*p == 'p') {
		if (count > 1 || v->has_pvid)
			return -EINVAL;
		v->has_pvid = true;
		v->pvid = (uint16_t)first;
		p++;
	} else if (*p == 'u') {
		v->untagged += count;
		p++;
	}
	return *p ? -EINVAL : 0;
}

static int parse_vlans(char *text, struct vlans *v)
{
	char *p = text, *slash;

	do {
		slash = strchr(p, '/');
		if (slash)
			*slash++ = '\0';
		if (parse_term(p, v))
			return -EINVAL;
		p = slash;
	} while (p);
	if (v->count == 1) {
		v->has_pvid = true;
		v->pvid = v->last;
		v->untagged = 0;
	}
	/* a frame without a tag belongs to one VLAN */
	return v->untagged ? -EINVAL : 0;
}

static int read_vlan(const struct reader *r, struct net_policy_settings *s)
{
	char text[VALUE_MAX], shown[80];
	struct vlans v = {.count = 0};
	int e = read_text(r, "vlan", text, sizeof(text));

	if (e || !text[0])
		return e;
	snprintf(shown, sizeof(shown), "%.79s", text);
	if (parse_vlans(text, &v))
		return bad_value(r, "vlan", shown,
				 "VLANs like 10 or 10p/20/30-40/100+10x4");
	if (v.has_pvid) {
		s->access = v.pvid;
		v.set[v.pvid / 64] &= ~(UINT64_C(1) << (v.pvid % 64));
	}
	s->trunk = v.count > 1;
	if (s->trunk)
		memcpy(s->trunk_set, v.set, sizeof(v.set));
	return 0;
}

int net_policy_read(struct xs_store *xs, const char *dir,
		    struct net_policy_settings *out, struct xs_err *err)
{
	const struct reader r = {xs, dir, err};
	struct net_rate *tx = &out->rate[NET_FROM_GUEST];
	struct net_rate *rx = &out->rate[NET_TO_GUEST];
	int e;

	memset(out, 0, sizeof(*out));
	e = read_mac(&r, out);
	if (!e)
		e = read_addrs(&r, out);
	if (!e)
		e = read_antispoof(&r, out);
	if (!e)
		e = read_rate(&r, "rate", tx);
	if (!e)
		e = read_rate(&r, "xensplit/rate-rx", rx);
	if (!e)
		e = read_pps(&r, "xensplit/pps", tx);
	if (!e)
		e = read_pps(&r, "xensplit/pps-rx", rx);
	if (!e)
		e = read_vlan(&r, out);
	return e;
}
