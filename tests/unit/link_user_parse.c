// SPDX-License-Identifier: MIT
/*
 * The options of a user-mode network.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <string.h>

#include "backend/link_user.h"
#include "tests/unit/run_suite.h"

static const char *const good_options[] = {
	"",
	"net=192.168.7.0/24",
	"net=192.168.7.0/24,host=192.168.7.1;dns=192.168.7.2",
	"net=172.16.0.0/29,dhcpstart=172.16.0.6",
	"hostname=guest-1,domainname=lan.example,dnssearch=a.b,dnssearch=c",
	"restrict=on,ipv6=off,loopback=on",
	"ipv4=off,ipv6-net=fd12:3456::/64,ipv6-dns=fd12:3456::9",
	"hostfwd=tcp::2222-:22,hostfwd=udp:127.0.0.1:53-10.0.2.15:53",
	"hostfwd=::80-:8080",
};

START_TEST(options_taken)
{
	struct link_user_config c;
	struct xs_err err = {""};

	ck_assert_msg(!link_user_parse(good_options[_i], &c, &err), "%s",
		      err.text);
}
END_TEST

static const char *const bad_options[] = {
	"net",
	"net=",
	"net=10.0.0.0",
	"net=10.0.0.0/30",
	"net=10.0.0.0/0",
	"net=fd00::/64",
	"host=10.0.3.2",
	"host=10.0.2.0",
	"host=10.0.2.255",
	"host=10.0.2.3",
	"dhcpstart=10.0.2.2",
	"dns=::1",
	"hostname=",
	"hostname=a b",
	"hostname=a\n",
	"restrict=maybe",
	"ipv4=off,ipv6=off",
	"ipv6-net=fd00::/63",
	"ipv6-host=fd01::2",
	"ipv6-host=fd00::3",
	"hostfwd=",
	"hostfwd=tcp::22",
	"hostfwd=sctp::22-:22",
	"hostfwd=tcp::0-:22",
	"hostfwd=tcp::65536-:22",
	"hostfwd=tcp::-1-:22",
	"hostfwd=tcp:localhost:22-:22",
	"smb=/home",
	"guestfwd=tcp:10.0.2.9:80-cmd:sh",
	"tftp=/etc",
};

START_TEST(options_refused)
{
	struct link_user_config c;
	struct xs_err err = {""};

	ck_assert_msg(link_user_parse(bad_options[_i], &c, &err) == -EINVAL,
		      "%s", bad_options[_i]);
	ck_assert_ptr_nonnull(strstr(err.text, "user:"));
}
END_TEST

START_TEST(options_mean)
{
	struct link_user_config c;
	struct xs_err err;

	ck_assert(!link_user_parse("", &c, &err));
	ck_assert(c.ipv4 && c.ipv6 && !c.restricted && !c.loopback);
	ck_assert_uint_eq(ntohl(c.host.s_addr), 0x0a000202);
	ck_assert_uint_eq(ntohl(c.dns.s_addr), 0x0a000202 + 1);
	ck_assert_uint_eq(ntohl(c.dhcp_start.s_addr), 0x0a00020f);
	ck_assert(!link_user_parse("hostfwd=udp:127.0.0.1:5353-10.0.2.20:53",
				   &c, &err));
	ck_assert_uint_eq(c.nr_forwards, 1);
	ck_assert(c.forward[0].udp);
	ck_assert_uint_eq(ntohl(c.forward[0].host.s_addr), 0x7f000001);
	ck_assert_uint_eq(c.forward[0].host_port, 5353);
	ck_assert_uint_eq(ntohl(c.forward[0].guest.s_addr), 0x0a000214);
	ck_assert_uint_eq(c.forward[0].guest_port, 53);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("link_user_parse");
	TCase *tc = tcase_create("options");

	tcase_add_loop_test(tc, options_taken, 0,
			    sizeof(good_options) / sizeof(good_options[0]));
	tcase_add_loop_test(tc, options_refused, 0,
			    sizeof(bad_options) / sizeof(bad_options[0]));
	tcase_add_test(tc, options_mean);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
