// SPDX-License-Identifier: MIT
/* NICSPEC: what xl takes, what is ours, and what is refused. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/run_suite.h"
#include "tools/xensplit_nic.h"

#define NR(a) (int)(sizeof(a) / sizeof((a)[0]))

static int parse(const char *word, struct nic_spec *nic, struct xs_err *err)
{
	const char *const words[] = {word};

	err->text[0] = '\0';
	return nic_spec_parse(nic, 1, words, err);
}

START_TEST(all)
{
	const char *const words[] = {
		" mac=00:16:3E:aa:bb:cc , bridge=br0,type=vif",
		"ip=10.0.0.1 10.0.0.2,vifname=web0,script=/etc/s,mtu=9000",
		"backend=net",
		"rate=10MB/s@20ms",
		"devid=7,untrusted,vlan=10p/20,gatewaydev=eth0",
		"link=user:loopback=1;hostfwd=x,antispoof=on,pps=1000,"
		"pps-rx=2000,rate-rx=8Mb/s,csum-offload=off",
	};
	static const uint8_t mac[] = {0x00, 0x16, 0x3e, 0xaa, 0xbb, 0xcc};
	struct nic_spec nic;
	struct xs_err err;

	ck_assert_msg(!nic_spec_parse(&nic, NR(words), words, &err), "%s",
		      err.text);
	ck_assert(nic.has_mac && nic.has_devid && nic.untrusted);
	ck_assert_mem_eq(nic.mac, mac, 6);
	ck_assert_uint_eq(nic.devid, 7);
	ck_assert_uint_eq(nic.mtu, 9000);
	ck_assert_str_eq(nic.bridge, "br0");
	ck_assert_str_eq(nic.ip, "10.0.0.1 10.0.0.2");
	ck_assert_str_eq(nic.vifname, "web0");
	ck_assert_str_eq(nic.script, "/etc/s");
	ck_assert_str_eq(nic.backend, "net");
	ck_assert_str_eq(nic.rate, "200000,20000");
	ck_assert_str_eq(nic.vlan, "10p/20");
	ck_assert_str_eq(nic.gatewaydev, "eth0");
	ck_assert_str_eq(nic.link, "user:loopback=1;hostfwd=x");
	ck_assert_str_eq(nic.antispoof, "on");
	ck_assert_str_eq(nic.pps, "1000");
	ck_assert_str_eq(nic.pps_rx, "2000");
	ck_assert_str_eq(nic.rate_rx, "50000,50000");
	ck_assert_str_eq(nic.csum_offload, "0");
	ck_assert_str_eq(nic.ignored, "");
}
END_TEST

static const char *const accepted[] = {
	"",          ",",        "trusted",     "trusted=1",
	"untrusted", "type=vif", "netdev=eth0", "mtu=68",
	"mtu=65521", "devid=0",  "rate=1GB/s",  "csum-offload=1",
};

START_TEST(is_accepted)
{
	struct nic_spec nic;
	struct xs_err err;

	ck_assert_msg(!parse(accepted[_i], &nic, &err), "%s: %s", accepted[_i],
		      err.text);
	ck_assert_str_eq(nic.ignored, "");
}
END_TEST

START_TEST(is_ignored)
{
	struct nic_spec nic;
	struct xs_err err;

	ck_assert(!parse("type=ioemu", &nic, &err) && nic.ignored[0]);
	ck_assert(!parse("model=e1000", &nic, &err) && nic.ignored[0]);
}
END_TEST

static const struct {
	const char *word, *reason;
} refused[] = {
	{"bridge", "KEY=VALUE"},
	{"colour=red", "colour"},
	{"forwarddev=eth1", "forwarddev"},
	{"mac=00:16:3e:00:00", "mac"},
	{"mac=00:16:3e:00:00:00:00", "mac"},
	{"mac=00-16-3e-00-00-00", "mac"},
	{"mac=0:16:3e:00:00:00:", "mac"},
	{"mac=01:16:3e:00:00:00", "mac"},
	{"mac=gg:16:3e:00:00:00", "mac"},
	{"mtu=67", "mtu"},
	{"mtu=65522", "mtu"},
	{"mtu=1500x", "mtu"},
	{"mtu=", "mtu"},
	{"devid=-1", "devid"},
	{"devid=4294967296", "devid"},
	{"rate=fast", "rate"},
	{"rate=10", "rate"},
	{"rate-rx=10kg/s", "rate-rx"},
	{"type=tap", "type"},
	{"pps=0", "pps"},
	{"pps-rx=many", "pps-rx"},
	{"csum-offload=maybe", "csum-offload"},
	{"trusted=perhaps", "trusted"},
};

START_TEST(is_refused)
{
	struct nic_spec nic;
	struct xs_err err;

	ck_assert_msg(parse(refused[_i].word, &nic, &err) == -EINVAL,
		      "%s: accepted", refused[_i].word);
	ck_assert_msg(strstr(err.text, refused[_i].reason), "%s: '%s'",
		      refused[_i].word, err.text);
}
END_TEST

START_TEST(too_long)
{
	char word[NIC_TEXT_MAX + 16] = "bridge=";
	struct nic_spec nic;
	struct xs_err err;

	memset(word + 7, 'x', NIC_TEXT_MAX - 1);
	ck_assert_int_eq(parse(word, &nic, &err), 0);
	memset(word + 7, 'x', NIC_TEXT_MAX);
	ck_assert_int_eq(parse(word, &nic, &err), -EINVAL);
}
END_TEST

START_TEST(numbers)
{
	uint8_t a[6], b[6];
	char text[18];
	uint32_t n;

	ck_assert(!nic_parse_devid("0", &n) && n == 0);
	ck_assert(!nic_parse_devid("vif/12", &n) && n == 12);
	ck_assert(nic_parse_devid("vif/", &n));
	ck_assert(nic_parse_devid("vbd/1", &n));
	ck_assert(nic_parse_devid("", &n));
	nic_random_mac(a);
	nic_format_mac(a, text);
	ck_assert(!strncmp(text, "00:16:3e:", 9) && !(a[3] & 0x80));
	ck_assert(!nic_parse_mac(text, b) && !memcmp(a, b, 6));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nic_spec");
	TCase *tc = tcase_create("nic_spec");

	tcase_add_test(tc, all);
	tcase_add_loop_test(tc, is_accepted, 0, NR(accepted));
	tcase_add_test(tc, is_ignored);
	tcase_add_loop_test(tc, is_refused, 0, NR(refused));
	tcase_add_test(tc, too_long);
	tcase_add_test(tc, numbers);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
