// SPDX-License-Identifier: MIT
/*
 * The keys of a vif's policy, as toolstacks may write them, as tables.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "backend/net_policy.h"
#include "tests/unit/keys_fixture.h"
#include "tests/unit/run_suite.h"

#define DIR KEYS_DIR
#define MAC "mac=00:16:3e:aB:00:ff;"

static char keys[4096];
static struct net_policy_settings s;
static struct xs_err err;

static int parse(const char *text)
{
	snprintf(keys, sizeof(keys), "%s", text);
	set_keys(keys);
	err.text[0] = '\0';
	return net_policy_read(NULL, DIR, &s, &err);
}

static void parse_ok(const char *text)
{
	struct net_policy *p;
	int e = parse(text);

	ck_assert_msg(!e, "%s: %d %s", text, e, err.text);
	/* what is read is taken */
	ck_assert_int_eq(net_policy_create(&p, &s), 0);
	net_policy_destroy(p);
}

static void parse_bad(const char *text, const char *key)
{
	ck_assert_msg(parse(text) < 0, "%s", text);
	ck_assert_msg(strstr(err.text, key) != NULL, "%s: %s", text, err.text);
}

START_TEST(mac_alone)
{
	parse_ok(MAC);
	ck_assert_mem_eq(s.mac, "\x00\x16\x3e\xab\x00\xff", 6);
	ck_assert(!s.check_mac && !s.check_addrs && !s.trunk && !s.access);
	ck_assert_uint_eq(s.rate[0].bytes_per_s | s.rate[1].bytes_per_s |
				  s.rate[0].packets_per_s |
				  s.rate[1].packets_per_s,
			  0);
}
END_TEST

static const char *const bad_macs[] = {
	"",
	"mac=",
	"mac=00:16:3e:00:00",
	"mac=00:16:3e:00:00:0",
	"mac=00:16:3e:00:00:001",
	"mac=00-16-3e-00-00-01",
	"mac=00:16:3e:00:00:0g",
	"mac=01:16:3e:00:00:01",
	"mac=ff:ff:ff:ff:ff:ff",
	"mac=00:00:00:00:00:00",
	"mac=0:16:3e:00:00:001",
	"mac= 0:16:3e:00:00:01",
};

START_TEST(macs_refused)
{
	parse_bad(bad_macs[_i], "mac");
}
END_TEST

START_TEST(addresses)
{
	unsigned int i;
	char text[4096];
	size_t n;

	parse_ok(MAC "ip=10.0.0.5 192.168.0.0/16,fd00::5  fd00:1::/64 ");
	ck_assert_uint_eq(s.nr_addrs, 4);
	ck_assert_uint_eq(s.addrs[0].family, 4);
	ck_assert_uint_eq(s.addrs[0].prefix_len, 32);
	ck_assert_mem_eq(s.addrs[0].addr, "\x0a\0\0\x05", 4);
	ck_assert_uint_eq(s.addrs[1].prefix_len, 16);
	ck_assert_uint_eq(s.addrs[2].family, 6);
	ck_assert_uint_eq(s.addrs[2].prefix_len, 128);
	ck_assert_uint_eq(s.addrs[3].prefix_len, 64);
	/* an address is there to be kept to */
	ck_assert(s.check_mac && s.check_addrs);
	n = (size_t)snprintf(text, sizeof(text), MAC "ip=");
	for (i = 0; i < NET_POLICY_ADDRS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "2001:db8:1111:2222:3333:4444:5555:%04x ",
				      i);
	parse_ok(text);
	ck_assert_uint_eq(s.nr_addrs, NET_POLICY_ADDRS);
	snprintf(text + n, sizeof(text) - n, "10.0.0.1");
	parse_bad(text, "ip");
}
END_TEST

static const char *const bad_addrs[] = {
	MAC "ip=10.0.0",       MAC "ip=10.0.0.256",  MAC "ip=10.0.0.1/33",
	MAC "ip=10.0.0.1/",    MAC "ip=10.0.0.1/-1", MAC "ip=fd00::/129",
	MAC "ip=fd00:::1",     MAC "ip=host",        MAC "ip=10.0.0.1/24/24",
	MAC "ip=10.0.0.1 any", MAC "ip=10.0.0.1/08",
};

START_TEST(addresses_refused)
{
	parse_bad(bad_addrs[_i], "/d/ip: '");
}
END_TEST

START_TEST(antispoof)
{
	static const struct {
		const char *text;
		bool mac, addrs;
	} c[] = {
		{MAC "xensplit/antispoof=off;ip=10.0.0.1", false, false},
		{MAC "xensplit/antispoof=0;ip=10.0.0.1", false, false},
		{MAC "xensplit/antispoof=mac;ip=10.0.0.1", true, false},
		{MAC "xensplit/antispoof=addr;ip=10.0.0.1", false, true},
		{MAC "xensplit/antispoof=addr", false, true},
		{MAC "xensplit/antispoof=on;ip=10.0.0.1", true, true},
		{MAC "xensplit/antispoof=1;ip=10.0.0.1", true, true},
		{MAC "xensplit/antispoof=1", true, false},
		{MAC "xensplit/antispoof=;ip=10.0.0.1", true, true},
	};
	unsigned int i;

	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		parse_ok(c[i].text);
		ck_assert_msg(s.check_mac == c[i].mac &&
				      s.check_addrs == c[i].addrs,
			      "%s", c[i].text);
	}
	parse_bad(MAC "xensplit/antispoof=yes", "antispoof");
	parse_bad(MAC "xensplit/antispoof=2", "antispoof");
}
END_TEST

START_TEST(rates)
{
	/* as libxl writes 10Mb/s, 1MB/s@20ms */
	parse_ok(MAC "rate=62500,50000;xensplit/rate-rx=20000,20000;"
		     "xensplit/pps=1000;xensplit/pps-rx=10");
	ck_assert_uint_eq(s.rate[NET_FROM_GUEST].bytes_per_s, 1250000);
	ck_assert_uint_eq(s.rate[NET_FROM_GUEST].bytes_burst, 62500);
	ck_assert_uint_eq(s.rate[NET_TO_GUEST].bytes_per_s, 1000000);
	ck_assert_uint_eq(s.rate[NET_FROM_GUEST].packets_per_s, 1000);
	ck_assert_uint_eq(s.rate[NET_FROM_GUEST].packets_burst, 50);
	ck_assert_uint_eq(s.rate[NET_TO_GUEST].packets_per_s, 10);
	ck_assert_uint_eq(s.rate[NET_TO_GUEST].packets_burst, 16);
	parse_ok(MAC "rate=;xensplit/pps=0");
	parse_ok(MAC "rate=1,1000000");
	ck_assert_uint_eq(s.rate[NET_FROM_GUEST].bytes_per_s, 1);
}
END_TEST

static const char *const bad_rates[] = {
	MAC "rate=1000",
	MAC "rate=1000,",
	MAC "rate=,1000",
	MAC "rate=0,1000",
	MAC "rate=1000,0",
	MAC "rate=-1,1000",
	MAC "rate=1000, 50000",
	MAC "rate=1000,50000,1",
	MAC "rate=10Mb/s",
	MAC "rate=1,1000001",
	MAC "rate=9223372036854775807,1",
	MAC "rate=99999999999999999999,50000",
	MAC "xensplit/rate-rx=x",
};

START_TEST(rates_refused)
{
	parse_bad(bad_rates[_i], "rate");
}
END_TEST

START_TEST(packets_refused)
{
	parse_bad(MAC "xensplit/pps=-1", "pps");
	parse_bad(MAC "xensplit/pps=1k", "pps");
	parse_bad(MAC "xensplit/pps-rx=", "pps-rx");
}
END_TEST

static void check_vlans(uint16_t access, const uint16_t *trunk)
{
	unsigned int id, i = 0;

	ck_assert_uint_eq(s.access, access);
	ck_assert_int_eq(s.trunk, trunk != NULL);
	for (id = 0; id < 4096; id++) {
		bool in = s.trunk_set[id / 64] >> (id % 64) & 1;
		bool want = trunk && trunk[i] == id;

		i += want;
		if (in != want)
			ck_abort_msg("%s: VLAN %u", keys, id);
	}
}

START_TEST(vlans)
{
	parse_ok(MAC "vlan=10");
	check_vlans(10, NULL);
	parse_ok(MAC "vlan=4094p");
	check_vlans(4094, NULL);
	parse_ok(MAC "vlan=7u");
	check_vlans(7, NULL);
	parse_ok(MAC "vlan=10p/20");
	check_vlans(10, (const uint16_t[]){20, 0});
	parse_ok(MAC "vlan=10p/100+10x4");
	check_vlans(10, (const uint16_t[]){100, 110, 120, 130, 140, 0});
	parse_ok(MAC "vlan=30-32/20/4094");
	check_vlans(0, (const uint16_t[]){20, 30, 31, 32, 4094, 0});
	parse_ok(MAC "vlan=9-11/10p");
	check_vlans(10, (const uint16_t[]){9, 11, 0});
	parse_ok(MAC "vlan=");
	check_vlans(0, NULL);
}
END_TEST

static const char *const bad_vlans[] = {
	MAC "vlan=0",         MAC "vlan=4095",        MAC "vlan=-1",
	MAC "vlan=10-9",      MAC "vlan=10-",         MAC "vlan=10/",
	MAC "vlan=/10",       MAC "vlan=10p/20p",     MAC "vlan=10-20p",
	MAC "vlan=10p/20u",   MAC "vlan=10-20u",      MAC "vlan=10x",
	MAC "vlan=10+5",      MAC "vlan=10+5x",       MAC "vlan=10+0x5",
	MAC "vlan=4000+50x2", MAC "vlan=1+4094x4094", MAC "vlan=ten",
	MAC "vlan=10 20",     MAC "vlan=10,20",       MAC "vlan=10pu",
	MAC "vlan=010",
};

START_TEST(vlans_refused)
{
	parse_bad(bad_vlans[_i], "/d/vlan: '");
}
END_TEST

#define LOOP(tc, test, table) \
	tcase_add_loop_test(tc, test, 0, sizeof(table) / sizeof((table)[0]))

int main(void)
{
	Suite *suite = suite_create("net_policy_parse");
	TCase *tc = tcase_create("keys");

	tcase_add_test(tc, mac_alone);
	LOOP(tc, macs_refused, bad_macs);
	tcase_add_test(tc, addresses);
	LOOP(tc, addresses_refused, bad_addrs);
	tcase_add_test(tc, antispoof);
	tcase_add_test(tc, rates);
	LOOP(tc, rates_refused, bad_rates);
	tcase_add_test(tc, packets_refused);
	tcase_add_test(tc, vlans);
	LOOP(tc, vlans_refused, bad_vlans);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
