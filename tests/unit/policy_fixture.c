// SPDX-License-Identifier: MIT
/*
 * See policy_fixture.h.
 */
#include "tests/unit/policy_fixture.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

struct net_policy *policy;
struct net_policy_settings settings;

void policy_add_addr(int family, const char *text, unsigned int len)
{
	struct net_addr *a = &settings.addrs[settings.nr_addrs++];

	a->family = family == AF_INET ? 4 : 6;
	a->prefix_len = (uint8_t)len;
	ck_assert_int_eq(inet_pton(family, text, a->addr), 1);
}

void policy_setup(void)
{
	memset(&settings, 0, sizeof(settings));
	memcpy(settings.mac, "\x00\x16\x3e\x11\x22\x33", 6);
	policy = NULL;
}

void policy_teardown(void)
{
	net_policy_destroy(policy);
	net_policy_destroy(NULL);
}

void policy_apply(void)
{
	net_policy_destroy(policy);
	policy = NULL;
	ck_assert_int_eq(net_policy_create(&policy, &settings), 0);
}

static unsigned int nibble(char c)
{
	return (unsigned int)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* In loops plain ifs: Check makes a system call for each of its own. */
size_t policy_bytes(uint8_t *out, const char *hex)
{
	size_t n = 0;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		if (!hex[1])
			ck_abort_msg("odd number of digits");
		out[n++] = (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1]));
		hex++;
	}
	return n;
}

enum net_verdict policy_judge(enum net_dir dir, const char *hex, uint32_t *vlan)
{
	uint8_t frame[2048], *exact;
	size_t len = policy_bytes(frame, hex);
	enum net_verdict v;
	uint64_t ready;

	/* as little memory as there is frame, so that a sanitizer sees */
	exact = malloc(len);
	memcpy(exact, frame, len);
	v = net_policy_check(policy, dir, exact, len, (uint32_t)len, POLICY_NOW,
			     vlan, &ready);
	free(exact);
	return v;
}

void policy_check_table(enum net_dir dir, const struct judged *t, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint32_t vlan;
		enum net_verdict v = policy_judge(dir, t[i].frame, &vlan);

		ck_assert_msg(v == t[i].verdict, "%s: %s, not %s", t[i].what,
			      net_verdict_name(v),
			      net_verdict_name(t[i].verdict));
		if (v == NET_PASS)
			ck_assert_msg(vlan == t[i].vlan, "%s: tag %x, not %x",
				      t[i].what, vlan, t[i].vlan);
	}
}
