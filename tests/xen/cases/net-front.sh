# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Our frontend in a Linux guest: a NIC of the kernel's xen-netback is taken from
# xen-netfront and given to netfront-tap.
# limit: 240
# takes: 60
# shellcheck source=tests/xen/dom0/net-lib.sh
. /host/dom0/net-lib.sh

mac=00:16:3e:09:00:04

take_from_kernel()
{
	in_guest n1 "modprobe tun
		echo vif-0 >/sys/bus/xen/drivers/vif/unbind" ||
		fail "xen-netfront does not let go"
}

# tap_up: netfront-tap in the guest makes xen0
tap_up()
{
	in_guest n1 "rm -f /tmp/ready; netfront-tap --name=xen0 --up \
		--ready-fd=7 --wait-ms=60000 7>/tmp/ready >/tmp/tap.log 2>&1 \
		</dev/null & echo \$! >/tmp/tap.pid"
	wait_for 30 in_guest n1 "test -s /tmp/ready" || fail "netfront-tap:" \
		"$(in_guest n1 "cat /tmp/tap.log; dmesg | tail -n 5")"
	guest_net n1 $mac 4
	[ "$NIC" = xen0 ] || fail "another interface: $NIC"
	wait_vif "$id/0" 4
}

# traffic: both ways, compared
traffic()
{
	must_reach n1 fd09::1
	must_reach n1 10.9.0.1 -s 9000
	stream_up n1 4
	stream_down n1 4
}

tap_ended() { in_guest n1 "! kill -0 \$(cat /tmp/tap.pid)" >/dev/null; }
tap_down()
{
	in_guest n1 "kill \$(cat /tmp/tap.pid)" || fail "netfront-tap is gone"
	wait_for 20 tap_ended || fail "netfront-tap does not end"
}

modprobe xen-netback || fail "no xen-netback"
bridge_up
use_guest n1 "vcpus = 2"
id=$(domid n1)
xl network-attach n1 mac=$mac bridge=$BRIDGE || fail "xl network-attach"
wait_vif "$id/0" 4
wait_for 20 has_interface n1 $mac || fail "xen-netfront has no NIC"
take_from_kernel
refuses "taken from xen-netfront" has_interface n1 $mac
tap_up
traffic
pass "on the kernel's xen-netback: 4 MiB each way are what was sent"
tap_down
tap_up
must_reach n1 10.9.0.1
pass "again on the same NIC"

in_guest n1 "echo 0 >/sys/bus/xen/drivers_autoprobe" || fail "drivers_autoprobe"
xl network-detach n1 0 || fail "xl network-detach"
wait_for 20 tap_ended || fail "netfront-tap outlives its NIC"
in_guest n1 "cat /tmp/tap.log" >"$TMP/tap.log"
pass "detached: $(cat "$TMP/tap.log")"
xl network-attach n1 mac=$mac bridge=$BRIDGE || fail "xl network-attach"
tap_up
must_reach n1 fd09::1
pass "attached again"
tap_down
xl network-detach n1 0 || fail "xl network-detach"
modprobe -r xen-netback || fail "xen-netback is in use"

in_guest n1 "echo 1 >/sys/bus/xen/drivers_autoprobe" || fail "drivers_autoprobe"
bridge_down
