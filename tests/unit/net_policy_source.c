// SPDX-License-Identifier: MIT
/*
 * Who frames say they are from, as a guest that wants to be another writes
 * them.
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/policy_fixture.h"
#include "tests/unit/run_suite.h"

#define IP4 "0800"
#define ARP "0806"
#define IP6 "86dd"

#define MY4    "0a000005" /* 10.0.0.5 */
#define YOUR4  "0a000006" /* 10.0.0.6 */
#define MY_LL  "fe80000000000000 02163efffe112233"
#define YOUR_L "fe80000000000000 02163efffe999999"
#define MY6    "2001068000000000 0000000000000005"
#define YOUR6  "2001068000000000 0000000000000006"
#define NONE6  "0000000000000000 0000000000000000"
#define ALL6   "ff02000000000000 0000000000000001"

static void antispoof(void)
{
	settings.check_mac = settings.check_addrs = true;
	policy_add_addr(AF_INET, "10.0.0.5", 32);
	policy_add_addr(AF_INET, "192.168.64.0", 18);
	policy_add_addr(AF_INET6, "2001:680::5", 128);
	policy_add_addr(AF_INET6, "fd00:1:2::", 61);
	policy_apply();
}

/* Sources */

#define ARP_HEAD(op) "0001 0800 06 04 000" op
#define TARGET       "000000000000 0a000001"

static const struct judged arps[] = {
	{"request", HEAD ARP ARP_HEAD("1") ME MY4 TARGET, NET_PASS, 0},
	{"answer", HEAD ARP ARP_HEAD("2") ME MY4 TARGET, NET_PASS, 0},
	{"of an allowed network", HEAD ARP ARP_HEAD("2") ME "c0a87fff" TARGET,
	 NET_PASS, 0},
	{"just behind it", HEAD ARP ARP_HEAD("2") ME "c0a88000" TARGET,
	 NET_DROP_ADDR, 0},
	{"probe", HEAD ARP ARP_HEAD("1") ME "00000000" TARGET, NET_PASS, 0},
	{"answer from nowhere", HEAD ARP ARP_HEAD("2") ME "00000000" TARGET,
	 NET_DROP_ADDR, 0},
	{"another's address", HEAD ARP ARP_HEAD("2") ME YOUR4 TARGET,
	 NET_DROP_ADDR, 0},
	{"another's address, asked", HEAD ARP ARP_HEAD("1") ME YOUR4 TARGET,
	 NET_DROP_ADDR, 0},
	{"another's MAC inside", HEAD ARP ARP_HEAD("2") OTHER MY4 TARGET,
	 NET_DROP_MAC, 0},
	{"another's MAC outside", ALL OTHER ARP ARP_HEAD("2") ME MY4 TARGET,
	 NET_DROP_MAC, 0},
	{"below a tag", HEAD "81000005" ARP ARP_HEAD("2") ME YOUR4 TARGET,
	 NET_DROP_ADDR, 0},
	{"below two",
	 HEAD "88a80005 81000006" ARP ARP_HEAD("2") OTHER MY4 TARGET,
	 NET_DROP_MAC, 0},
	{"below an old one", HEAD "91000005" ARP ARP_HEAD("2") ME YOUR4 TARGET,
	 NET_DROP_ADDR, 0},
	{"below five",
	 HEAD "81000001 81000001 81000001 81000001 81000001" ARP ARP_HEAD("2")
		 ME MY4 TARGET,
	 NET_DROP_MALFORMED, 0},
	{"RARP", HEAD "8035" ARP_HEAD("3") ME "00000000" ME "00000000",
	 NET_PASS, 0},
	{"RARP of another", HEAD "8035" ARP_HEAD("3") OTHER "00000000" TARGET,
	 NET_DROP_MAC, 0},
	{"other hardware", HEAD ARP "0006 0800 06 04 0002" ME MY4 TARGET,
	 NET_DROP_MALFORMED, 0},
	{"other protocol", HEAD ARP "0001 86dd 06 04 0002" ME MY4 TARGET,
	 NET_DROP_MALFORMED, 0},
	{"longer addresses", HEAD ARP "0001 0800 08 04 0002" ME MY4 TARGET,
	 NET_DROP_MALFORMED, 0},
	{"longer IPs", HEAD ARP "0001 0800 06 10 0002" ME MY4 TARGET,
	 NET_DROP_MALFORMED, 0},
	{"operation 0", HEAD ARP ARP_HEAD("0") ME MY4 TARGET,
	 NET_DROP_MALFORMED, 0},
	{"operation 8", HEAD ARP ARP_HEAD("8") ME MY4 TARGET,
	 NET_DROP_MALFORMED, 0},
	{"cut", HEAD ARP ARP_HEAD("2") ME MY4 "000000000000 0a0000",
	 NET_DROP_MALFORMED, 0},
	{"nothing", HEAD ARP, NET_DROP_MALFORMED, 0},
};

START_TEST(arp)
{
	antispoof();
	CHECK_TABLE(NET_FROM_GUEST, arps);
}
END_TEST

/* version and length, rest of the header with its own total length */
#define V4(ihl, total, frag, proto, src, dst) \
	HEAD IP4 "4" ihl "00" total "0000" frag "40" proto "0000" src dst
#define BC4   "ffffffff"
#define UDP4  "11"
#define TCP4  "06"
#define PORTS "0044 0043 0008 0000" /* 68 to 67 */

static const struct judged ip4s[] = {
	{"TCP", V4("5", "0028", "4000", TCP4, MY4, YOUR4) "00", NET_PASS, 0},
	{"of a network", V4("5", "0014", "0000", TCP4, "c0a84001", YOUR4),
	 NET_PASS, 0},
	{"another's", V4("5", "0028", "4000", TCP4, YOUR4, MY4), NET_DROP_ADDR,
	 0},
	{"another's below a tag",
	 HEAD "81000007" IP4 "4500 0014 0000 0000 40 06 0000" YOUR4 MY4,
	 NET_DROP_ADDR, 0},
	{"another's, fragment", V4("5", "0028", "2001", TCP4, YOUR4, MY4),
	 NET_DROP_ADDR, 0},
	{"broadcast as source", V4("5", "0028", "0000", TCP4, BC4, MY4),
	 NET_DROP_ADDR, 0},
	{"multicast as source", V4("5", "0028", "0000", TCP4, "e0000001", MY4),
	 NET_DROP_ADDR, 0},
	{"DHCP", V4("5", "001c", "0000", UDP4, "00000000", BC4) PORTS, NET_PASS,
	 0},
	{"DHCP with options",
	 V4("6", "0020", "0000", UDP4, "00000000", BC4) "01010101" PORTS,
	 NET_PASS, 0},
	{"DHCP to one", V4("5", "001c", "0000", UDP4, "00000000", YOUR4) PORTS,
	 NET_DROP_ADDR, 0},
	{"DHCP in fragments",
	 V4("5", "001c", "2000", UDP4, "00000000", BC4) PORTS, NET_DROP_ADDR,
	 0},
	{"no address, later fragment",
	 V4("5", "001c", "0001", UDP4, "00000000", BC4) PORTS, NET_DROP_ADDR,
	 0},
	{"no address, TCP",
	 V4("5", "001c", "0000", TCP4, "00000000", BC4) PORTS, NET_DROP_ADDR,
	 0},
	{"no address, other ports",
	 V4("5", "001c", "0000", UDP4, "00000000", BC4) "0044 0045 00080000",
	 NET_DROP_ADDR, 0},
	{"DHCP as server",
	 V4("5", "001c", "0000", UDP4, MY4, BC4) "0043 0044 00080000",
	 NET_DROP_ADDR, 0},
	{"UDP", V4("5", "001c", "0000", UDP4, MY4, BC4) "1234 5678 00080000",
	 NET_PASS, 0},
	{"UDP, first of fragments",
	 V4("5", "001c", "2000", UDP4, MY4, BC4) "1234 5678 00080000", NET_PASS,
	 0},
	{"UDP, tiny fragment", V4("5", "0018", "2000", UDP4, MY4, BC4) "0043",
	 NET_DROP_MALFORMED, 0},
	{"UDP, no header in it", V4("5", "0014", "0000", UDP4, MY4, BC4) PORTS,
	 NET_DROP_MALFORMED, 0},
	{"UDP, header behind the head", V4("5", "001c", "0000", UDP4, MY4, BC4),
	 NET_DROP_MALFORMED, 0},
	{"short header", V4("4", "0028", "0000", TCP4, MY4, YOUR4),
	 NET_DROP_MALFORMED, 0},
	{"no header length", V4("0", "0028", "0000", TCP4, MY4, YOUR4),
	 NET_DROP_MALFORMED, 0},
	{"long header", V4("f", "0050", "0000", TCP4, MY4, YOUR4),
	 NET_DROP_MALFORMED, 0},
	{"shorter than its header", V4("5", "0013", "0000", TCP4, MY4, YOUR4),
	 NET_DROP_MALFORMED, 0},
	{"IPv6 in IPv4's type", HEAD IP4 "6000 0000 0000 0000" MY4 MY4 MY4,
	 NET_DROP_MALFORMED, 0},
	{"cut", HEAD IP4 "4500 0028 0000 0000 40 06 0000" MY4 "0a0000",
	 NET_DROP_MALFORMED, 0},
	{"another's MAC", ALL OTHER IP4 "4500 0014 0000 0000 4006 0000" MY4 MY4,
	 NET_DROP_MAC, 0},
};

START_TEST(ip4)
{
	antispoof();
	CHECK_TABLE(NET_FROM_GUEST, ip4s);
}
END_TEST

#define V6(len, next, src, dst) HEAD IP6 "60000000" len next "ff" src dst
#define ICMP                    "3a"
#define PAD8                    "00000000 00000000"
#define NS(t)                   "8700 0000 00000000" t
#define NA(t)                   "8800 0000 60000000" t
#define SLLA(mac)               "0101" mac
#define TLLA(mac)               "0201" mac
#define HOPS(n)                 n "00 05020000 0100" /* router alert */
#define FRAG(n, o)              n "00" o "12345678"

static const struct judged ip6s[] = {
	{"TCP", V6("0014", "06", MY6, YOUR6), NET_PASS, 0},
	{"link-local", V6("0014", "06", MY_LL, YOUR_L), NET_PASS, 0},
	{"of a network",
	 V6("0014", "06", "fd00000100020007 0123456789abcdef", YOUR6), NET_PASS,
	 0},
	{"just behind it",
	 V6("0014", "06", "fd00000100020008 0123456789abcdef", YOUR6),
	 NET_DROP_ADDR, 0},
	{"another's", V6("0014", "06", YOUR6, MY6), NET_DROP_ADDR, 0},
	{"another's link-local", V6("0014", "06", YOUR_L, MY6), NET_DROP_ADDR,
	 0},
	{"IPv4 in IPv6",
	 V6("0014", "06", "0000000000000000 0000ffff0a000005", MY6),
	 NET_DROP_ADDR, 0},
	{"no address, TCP", V6("0014", "06", NONE6, MY6), NET_DROP_ADDR, 0},
	{"no address, echo", V6("0008", ICMP, NONE6, ALL6) "8000" PAD8,
	 NET_DROP_ADDR, 0},
	{"no address, UDP", V6("0008", "11", NONE6, ALL6) PAD8, NET_DROP_ADDR,
	 0},
	{"no address, fragment",
	 V6("0010", "2c", NONE6, ALL6) FRAG(ICMP, "0008") PAD8, NET_DROP_ADDR,
	 0},
	{"MLD", V6("0010", "00", NONE6, ALL6) HOPS(ICMP) "8f00000000000000",
	 NET_PASS, 0},
	{"UDP", V6("0008", "11", MY6, ALL6) PAD8, NET_PASS, 0},
	{"DHCP", V6("0008", "11", MY_LL, ALL6) "0222 0223 0008 0000", NET_PASS,
	 0},
	{"DHCP as server", V6("0008", "11", MY_LL, ALL6) "0223 0222 0008 0000",
	 NET_DROP_ADDR, 0},
	{"DHCP as server, hidden",
	 V6("0010", "3c", MY6, ALL6) "1100 0104 00000000 0223 0222 00080000",
	 NET_DROP_ADDR, 0},
	{"DHCP as server, first fragment",
	 V6("0010", "2c", MY6, ALL6) FRAG("11", "0001") "0223 0222 00080000",
	 NET_DROP_ADDR, 0},
	{"UDP, cut", V6("0004", "11", MY6, ALL6) "02230222", NET_DROP_MALFORMED,
	 0},
	{"UDP behind its end", V6("0000", "11", MY6, ALL6) PAD8,
	 NET_DROP_MALFORMED, 0},
	{"later fragment", V6("0010", "2c", MY6, ALL6) FRAG(ICMP, "0008") PAD8,
	 NET_PASS, 0},
	{"IPv4 in IPv6's type", HEAD IP6 "4500 0000 0014 06ff" MY6 YOUR6,
	 NET_DROP_MALFORMED, 0},
	{"cut header", HEAD IP6 "60000000 0014 06ff" MY6 "20010680",
	 NET_DROP_MALFORMED, 0},
};

START_TEST(ip6)
{
	antispoof();
	CHECK_TABLE(NET_FROM_GUEST, ip6s);
}
END_TEST

static const struct judged nds[] = {
	{"question", V6("0020", ICMP, MY6, ALL6) NS(YOUR6) SLLA(ME), NET_PASS,
	 0},
	{"question of another",
	 V6("0020", ICMP, MY6, ALL6) NS(YOUR6) SLLA(OTHER), NET_DROP_MAC, 0},
	{"second option",
	 V6("0028", ICMP, MY6, ALL6) NS(YOUR6) SLLA(ME) SLLA(OTHER),
	 NET_DROP_MAC, 0},
	{"after an unknown option",
	 V6("0028", ICMP, MY6, ALL6) NS(YOUR6) "0e01 000000000000" SLLA(OTHER),
	 NET_DROP_MAC, 0},
	{"probe for mine", V6("0018", ICMP, NONE6, ALL6) NS(MY6), NET_PASS, 0},
	{"probe, link-local", V6("0018", ICMP, NONE6, ALL6) NS(MY_LL), NET_PASS,
	 0},
	{"probe for another's", V6("0018", ICMP, NONE6, ALL6) NS(YOUR6),
	 NET_DROP_ADDR, 0},
	{"answer", V6("0020", ICMP, MY6, ALL6) NA(MY6) TLLA(ME), NET_PASS, 0},
	{"answer, link-local", V6("0020", ICMP, MY6, ALL6) NA(MY_LL) TLLA(ME),
	 NET_PASS, 0},
	{"answer for another", V6("0020", ICMP, MY6, ALL6) NA(YOUR6) TLLA(ME),
	 NET_DROP_ADDR, 0},
	{"answer with another's MAC",
	 V6("0020", ICMP, MY6, ALL6) NA(MY6) TLLA(OTHER), NET_DROP_MAC, 0},
	{"answer, both options",
	 V6("0028", ICMP, MY6, ALL6) NA(MY6) TLLA(ME) SLLA(OTHER), NET_DROP_MAC,
	 0},
	{"answer below a tag",
	 HEAD "81000002" IP6 "60000000 0020 3aff" MY6 ALL6 NA(YOUR6) TLLA(ME),
	 NET_DROP_ADDR, 0},
	{"answer behind hops",
	 V6("0028", "00", MY6, ALL6) HOPS(ICMP) NA(YOUR6) TLLA(ME),
	 NET_DROP_ADDR, 0},
	{"answer behind options",
	 V6("0030", "3c", MY6, ALL6) "3c00 0104 00000000"
				     "3a00 0104 00000000" NA(MY6) TLLA(OTHER),
	 NET_DROP_MAC, 0},
	{"answer behind routing",
	 V6("0028", "2b", MY6, ALL6) "3a00 0000 00000000" NA(YOUR6) TLLA(ME),
	 NET_DROP_ADDR, 0},
	{"answer behind authentication",
	 V6("0030", "33", MY6,
	    ALL6) "3a02 0000 00000001 00000001 00000000" NA(YOUR6) TLLA(ME),
	 NET_DROP_ADDR, 0},
	{"answer in a fragment",
	 V6("0028", "2c", MY6, ALL6) FRAG(ICMP, "0001") NA(MY6) TLLA(ME),
	 NET_DROP_MALFORMED, 0},
	{"answer in an only fragment",
	 V6("0028", "2c", MY6, ALL6) FRAG(ICMP, "0000") NA(MY6) TLLA(ME),
	 NET_DROP_MALFORMED, 0},
	{"fragment without the upper header",
	 V6("0010", "2c", MY6, ALL6) FRAG("3c", "0001") "3a01 0000 00000000",
	 NET_DROP_MALFORMED, 0},
	{"nine extension headers",
	 V6("0068", "3c", MY6, ALL6) "3c00 010400000000"
				     "3c00 010400000000"
				     "3c00 010400000000"
				     "3c00 010400000000"
				     "3c00 010400000000"
				     "3c00 010400000000"
				     "3c00 010400000000"
				     "3c00 010400000000"
				     "3a00 010400000000" NA(MY6) TLLA(ME),
	 NET_DROP_MALFORMED, 0},
	{"an extension header too long",
	 V6("0028", "3c", MY6, ALL6) "3aff 0104 00000000" NA(MY6) TLLA(ME),
	 NET_DROP_MALFORMED, 0},
	{"half an extension header", V6("0004", "3c", MY6, ALL6) "3a000104",
	 NET_DROP_MALFORMED, 0},
	{"option of no length",
	 V6("0020", ICMP, MY6, ALL6) NA(MY6) "0200" OTHER, NET_DROP_MALFORMED,
	 0},
	{"option too long", V6("0020", ICMP, MY6, ALL6) NA(MY6) "0202" ME,
	 NET_DROP_MALFORMED, 0},
	{"long link-layer address",
	 V6("0028", ICMP, MY6, ALL6) NA(MY6) "0202" ME PAD8, NET_DROP_MALFORMED,
	 0},
	{"half an option", V6("001c", ICMP, MY6, ALL6) NA(MY6) "02010016",
	 NET_DROP_MALFORMED, 0},
	{"options behind the head",
	 V6("0040", ICMP, MY6, ALL6) NA(MY6) TLLA(ME), NET_DROP_MALFORMED, 0},
	{"answer, cut", V6("0010", ICMP, MY6, ALL6) "88000000 60000000" PAD8,
	 NET_DROP_MALFORMED, 0},
	{"no ICMP header", V6("0004", ICMP, MY6, ALL6) "88000000",
	 NET_DROP_MALFORMED, 0},
	{"router wanted",
	 V6("0010", ICMP, MY_LL, ALL6) "85000000 00000000" SLLA(ME), NET_PASS,
	 0},
	{"router wanted, no address",
	 V6("0008", ICMP, NONE6, ALL6) "85000000 00000000", NET_PASS, 0},
	{"router wanted by another",
	 V6("0010", ICMP, MY_LL, ALL6) "85000000 00000000" SLLA(OTHER),
	 NET_DROP_MAC, 0},
	{"router", V6("0010", ICMP, MY_LL, ALL6) "86000000 40000708" PAD8,
	 NET_DROP_ADDR, 0},
	{"redirection",
	 V6("0028", ICMP, MY_LL, ALL6) "89000000 00000000" MY6 YOUR6,
	 NET_DROP_ADDR, 0},
	{"echo", V6("0008", ICMP, MY6, ALL6) "80000000 00000000", NET_PASS, 0},
};

START_TEST(discovery)
{
	antispoof();
	CHECK_TABLE(NET_FROM_GUEST, nds);
}
END_TEST

static const struct judged mac_only[] = {
	{"another's address", V4("5", "0028", "4000", TCP4, YOUR4, MY4),
	 NET_PASS, 0},
	{"another's address in ARP", HEAD ARP ARP_HEAD("2") ME YOUR4 TARGET,
	 NET_PASS, 0},
	{"another's MAC in ARP", HEAD ARP ARP_HEAD("2") OTHER YOUR4 TARGET,
	 NET_DROP_MAC, 0},
	{"another's MAC in ND",
	 V6("0020", ICMP, YOUR6, ALL6) NA(YOUR6) TLLA(OTHER), NET_DROP_MAC, 0},
	{"router",
	 V6("0018", ICMP, YOUR6, ALL6) "86000000 40000708" PAD8 SLLA(ME),
	 NET_PASS, 0},
	{"router with another's MAC",
	 V6("0018", ICMP, YOUR6, ALL6) "86000000 40000708" PAD8 SLLA(OTHER),
	 NET_DROP_MAC, 0},
	{"redirection to another",
	 V6("0030", ICMP, MY6, ALL6) "89000000 00000000" MY6 YOUR6 TLLA(OTHER),
	 NET_DROP_MAC, 0},
	{"inverse discovery",
	 V6("0010", ICMP, MY6, ALL6) "8d000000 00000000" SLLA(OTHER),
	 NET_DROP_MAC, 0},
	{"other protocol", HEAD "88cc 0000", NET_PASS, 0},
	{"802.3", HEAD "0004 42420300", NET_PASS, 0},
	{"short", ALL "00163e1122", NET_DROP_MALFORMED, 0},
	{"a tag that is cut", HEAD "8100 00", NET_DROP_MALFORMED, 0},
};

START_TEST(mac_alone)
{
	settings.check_mac = true;
	policy_apply();
	CHECK_TABLE(NET_FROM_GUEST, mac_only);
}
END_TEST

static const struct judged addr_only[] = {
	{"another's MAC", ALL OTHER IP4 "4500 0014 0000 0000 4006 0000" MY4 MY4,
	 NET_PASS, 0},
	{"another's MAC in ND", V6("0020", ICMP, MY6, ALL6) NA(MY6) TLLA(OTHER),
	 NET_PASS, 0},
	{"LLDP", HEAD "88cc 0000", NET_DROP_ADDR, 0},
	{"802.3", HEAD "0004 42420300", NET_DROP_ADDR, 0},
	{"MPLS", HEAD "8847 00000000", NET_DROP_ADDR, 0},
	{"PPPoE", HEAD "8864 00000000", NET_DROP_ADDR, 0},
};

START_TEST(addr_alone)
{
	settings.check_addrs = true;
	policy_add_addr(AF_INET, "10.0.0.5", 32);
	policy_add_addr(AF_INET6, "2001:680::5", 128);
	policy_apply();
	CHECK_TABLE(NET_FROM_GUEST, addr_only);
}
END_TEST

/* What others send the guest is not the guest's doing. */
START_TEST(sources_to_guest)
{
	uint32_t vlan;

	antispoof();
	ck_assert(net_policy_is_open(policy, NET_TO_GUEST));
	ck_assert(!net_policy_is_open(policy, NET_FROM_GUEST));
	ck_assert_int_eq(policy_judge(NET_TO_GUEST, ME OTHER "88cc", &vlan),
			 NET_PASS);
}
END_TEST

/* Any network at all is a way to say "only that it is IP". */
START_TEST(everything_allowed)
{
	uint32_t vlan;

	settings.check_addrs = true;
	policy_add_addr(AF_INET, "0.0.0.0", 0);
	policy_add_addr(AF_INET6, "::", 0);
	policy_apply();
	ck_assert_int_eq(policy_judge(NET_FROM_GUEST,
				      V4("5", "0028", "4000", TCP4, YOUR4, MY4),
				      &vlan),
			 NET_PASS);
	ck_assert_int_eq(policy_judge(NET_FROM_GUEST,
				      V6("0014", "06", YOUR6, MY6), &vlan),
			 NET_PASS);
}
END_TEST

/* Whatever the bytes: a verdict, within the memory. */
START_TEST(noise)
{
	static const char *const starts[] = {
		HEAD IP6,
		HEAD IP4,
		HEAD ARP,
		HEAD "8100000a 86dd",
		V6("0040", "00", MY6, ALL6),
		V6("0040", ICMP, MY6, ALL6),
		V6("0040", "2c", MY6, ALL6),
		V6("0040", "33", MY6, ALL6),
	};
	uint8_t start[128];
	unsigned int i, k;

	antispoof();
	settings.trunk = true;
	settings.trunk_set[0] = UINT64_MAX;
	settings.access = 5;
	policy_apply();
	srandom(1);
	for (i = 0; i < 100000; i++) {
		size_t len = 14 + (size_t)random() % 120, n, head;
		uint8_t *p = malloc(len);
		uint64_t ready;
		uint32_t vlan;
		enum net_verdict v;

		for (k = 0; k < len; k++)
			p[k] = (uint8_t)(random() % 4 ? random() % 64
						      : random());
		n = policy_bytes(start, starts[i % 8]);
		memcpy(p, start, n < len ? n : len);
		head = len;
		v = net_policy_check(policy, i % 2, p, head,
				     (uint32_t)(len + i % 3 * 1000), POLICY_NOW,
				     &vlan, &ready);
		if (v > NET_DROP_MALFORMED)
			ck_abort_msg("%s", net_verdict_name(v));
		free(p);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("net_policy_source");
	TCase *tc = tcase_create("sources");

	tcase_add_checked_fixture(tc, policy_setup, policy_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, arp);
	tcase_add_test(tc, ip4);
	tcase_add_test(tc, ip6);
	tcase_add_test(tc, discovery);
	tcase_add_test(tc, mac_alone);
	tcase_add_test(tc, addr_alone);
	tcase_add_test(tc, sources_to_guest);
	tcase_add_test(tc, everything_allowed);
	tcase_add_test(tc, noise);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
