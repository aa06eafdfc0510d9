#!/bin/bash
# SPDX-License-Identifier: MIT
#
# netfront-tap gives a guest an ordinary interface: addresses, MTU, carrier,
# offloads, queues; traffic of the kernel's own through it; how it ends.
#
# Without a bridge: the driver domain's end of the link is vif2.0 itself.
# shellcheck source=tests/e2e/tap-lib.sh
. "$(dirname "$0")/tap-lib.sh"
need iperf3 ss python3

link_says() { in_guest a ip -d link show eth0 | grep -q -- "$1"; }
carrier_is() { in_guest a ip -o link show eth0 | grep -q LOWER_UP; }
both_up()
{
	in_back ip link set vif2.0 up &&
		in_back ip addr replace 10.9.0.1/24 dev vif2.0 &&
		in_back ip -6 addr replace fd09::1/64 dev vif2.0 nodad &&
		in_guest a ip -6 addr replace fd09::2/64 dev eth0 nodad ||
		fail "no addresses"
}
must_reach()
{
	wait_for 10 reaches a "$@" && return
	cat "$TMP/ping.out" >&2
	fail "no ping of $*"
}
# download ADDRESS: a file that must arrive as it is
download()
{
	in_guest a python3 - "$1" "$(cat "$TMP/port")" <<-'END' >"$TMP/sum"
	import hashlib, socket, sys
	s = socket.create_connection(sys.argv[1:], timeout=30)
	h = hashlib.sha256()
	while data := s.recv(1 << 20):
	    h.update(data)
	print(h.hexdigest())
	END
	[ "$(cat "$TMP/sum")" = "$(sha256sum <"$TMP/file" | cut -d' ' -f1)" ] ||
		fail "the file from $1 is not as it was"
}
# in the driver domain, until the test ends
serve_file()
{
	head -c 40000000 /dev/urandom >"$TMP/file"
	nsenter --preserve-credentials --user --net --target "$XENSPLITD_PID" \
		-- python3 - "$TMP" <<-'END' &
	import os, socket, sys
	tmp = sys.argv[1]
	s = socket.create_server(("", 0), family=socket.AF_INET6,
	                         dualstack_ipv6=True)
	with open(tmp + "/port.new", "w") as f:
	    f.write(str(s.getsockname()[1]))
	os.rename(tmp + "/port.new", tmp + "/port")
	while True:
	    c, _ = s.accept()
	    with c, open(tmp + "/file", "rb") as f:
	        c.sendfile(f)
	END
	SERVER=$!
	wait_for 10 test -s "$TMP/port" || fail "no server"
}
listens() { in_back ss -lnt | grep -q ":$1 "; }

start_xen
start_net_back
serve_file
attach_vif 2 0 tap:vif2.0
wait_vif 2/0 2

for options in "" "--no-gso" "--no-gso --no-csum" "--no-static-grants" \
	"--queues=2" "--no-split-events --poll-us=0"; do
	# shellcheck disable=SC2086
	guest_up a 2 10.9.0.2/24 $options
	wait_for 10 carrier_is || fail "no carrier"
	link_says "link/ether $MAC_BASE:02" || fail "wrong address"
	both_up
	must_reach 10.9.0.1
	must_reach fd09::1
	must_reach 10.9.0.1 -s 9000
	must_reach fd09::1 -s 9000
	download 10.9.0.1
	download fd09::1
	guest_down a
	wait_vif 2/0 6
	pass "ping and files over IPv4 and IPv6: ${options:-as it comes}"
done

guest_up a 2 10.9.0.2/24
both_up
must_reach 10.9.0.1
in_dom 1 "$BUILD/bin/xensplit" stats 2 vif/0 --json --control "$TMP/control" |
	jq -e '.devices[0].counters | .grants_mapped > 0 and .static_bytes > 0' \
		>/dev/null || fail "no static grants in stats"
nsenter --preserve-credentials --user --net --target "$XENSPLITD_PID" -- \
	iperf3 -s -1 -B 10.9.0.1 >"$TMP/iperf-s" 2>&1 &
wait_for 10 listens 5201 || fail "no iperf3: $(cat "$TMP/iperf-s")"
in_guest a iperf3 -c 10.9.0.1 -t 1 --bidir -J >"$TMP/iperf.json" ||
	fail "iperf3: $(jq -r .error "$TMP/iperf.json")"
pass "iperf3, both ways at once: $(jq -r '[.end.sum_sent.bits_per_second,
	.end.sum_sent_bidir_reverse.bits_per_second] |
	map(. / 1e9 * 100 | round / 100) | join(" and ")' \
	"$TMP/iperf.json") Gbit/s"

# --- what the toolstack writes
put /local/domain/2/device/vif/0/mtu 4000
wait_for 10 link_says "mtu 4000" || fail "the MTU is not taken"
must_reach 10.9.0.1
pass "a new MTU"

# --- the device goes under it
put "$VIF_BACK/2/0/online" 0 "$VIF_BACK/2/0/state" 5
wait "${TAP_PID[a]}"
[ $? = 3 ] || fail "the device is gone, netfront-tap did not say so"
wait_vif 2/0 6
pass "it ends when the device goes, and says so by its status"

# --- reasons
in_dom 2 "$BUILD/bin/netfront-tap" --devid=7 --wait-ms=200 \
	2>"$TMP/no.err" && fail "no device, and no failure"
grep -q "no such device" "$TMP/no.err" || fail "reason: $(cat "$TMP/no.err")"
pass "no device: $(cat "$TMP/no.err")"
kill "$SERVER"
stop_back
