#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Two guests with network stacks of the kernel's, through a bridge: large
# segments and checksums over IPv4 and IPv6, both ways, offloaded and not;
# fragments; jumbo frames; VLANs; neighbours that are not who they say.
# shellcheck source=tests/e2e/tap-lib.sh
. "$(dirname "$0")/tap-lib.sh"
need python3

declare -A FE=([a]=2 [b]=3)
# up KEYS: both guests attached with these keys of network-attach
up()
{
	local name fe
	for name in a b; do
		fe=${FE[$name]}
		guest_start $name "$fe"
		tool network-attach "$fe" backend=back "bridge=br0" \
			"mac=$MAC_BASE:0$fe" "$@" || fail "attach $name: $*"
		guest_ready $name "10.77.0.$fe/24"
		in_guest $name ip -6 addr add "fd77::$fe/64" dev eth0 nodad ||
			fail "no IPv6 address for $name"
	done
	can_reach a 10.77.0.3
	can_reach a fd77::3
}
down()
{
	local name
	for name in a b; do
		tool network-detach "${FE[$name]}" 0 || fail "detach $name"
		wait "${TAP_PID[$name]}"
	done
}
can_reach()
{
	wait_for 10 reaches "$@" && return
	cat "$TMP/ping.out" >&2
	fail "no ping of $*"
}
# no_way NAME ADDRESS [PING OPTION...]: from now on, or soon, not any more
stopped() { ! reaches "$@"; }
no_way()
{
	wait_for 10 stopped "$@" -W 1 || fail "a ping of $* came through"
}
# transfer FROM TO ADDRESS: a file over TCP, which must arrive as it is
transfer()
{
	local from=$1 to=$2 address=$3 server
	rm -f "$TMP/port"
	net_of "${TAP_PID[$to]}" python3 - "$TMP" <<-'END' >"$TMP/got" &
	import hashlib, os, socket, sys
	tmp = sys.argv[1]
	s = socket.create_server(("::", 0), family=socket.AF_INET6,
	                         dualstack_ipv6=True)
	with open(tmp + "/port.new", "w") as f:
	    f.write(str(s.getsockname()[1]))
	os.rename(tmp + "/port.new", tmp + "/port")
	s.settimeout(60)
	c, _ = s.accept()
	h, n = hashlib.sha256(), 0
	while data := c.recv(1 << 20):
	    h.update(data)
	print(h.hexdigest())
	END
	server=$! # wait_for has processes of its own
	wait_for 10 test -s "$TMP/port" || fail "no server in $to"
	in_guest "$from" python3 - "$address" "$(cat "$TMP/port")" \
		"$TMP/file" <<-'END' || fail "transfer to $address"
	import socket, sys
	with socket.create_connection(sys.argv[1:3], timeout=60) as s, \
	     open(sys.argv[3], "rb") as f:
	    s.sendfile(f)
	END
	wait $server || fail "no transfer to $address"
	[ "$(cut -d' ' -f1 "$TMP/got")" = "$WANT" ] ||
		fail "the file to $address is not as it was"
}
transfers()
{
	transfer a b 10.77.0.3
	transfer b a 10.77.0.2
	transfer a b fd77::3
	transfer b a fd77::2
}
# counts CONDITION... of counters, as jq has them, in both vifs
counts()
{
	local fe condition
	for fe in 2 3; do
		for condition; do
			[ "$(vif_stat $fe/0 ".counters | $condition")" = true ] ||
				fail "vif/$fe/0: not $condition"
		done
	done
}

start_xen
"$XENLOCAL" create --domid 3 --name other >/dev/null || fail "no domain 3"
start_net_back
head -c 10000000 /dev/urandom >"$TMP/file"
WANT=$(sha256sum <"$TMP/file" | cut -d' ' -f1)

# --- as it comes
up
transfers
counts '.tx_gso > 50' '.rx_gso > 50' '.tx_csum > 50' '.rx_csum > 50' \
	'.tx_errors == 0' '.rx_errors == 0' '.violations == 0'
pass "large segments over IPv4 and IPv6, both ways"
for size in 1472 1473 4000 20000 60000; do
	can_reach a 10.77.0.3 -s $size
	can_reach b fd77::2 -s $size
done
counts '.tx_errors == 0' '.rx_errors == 0'
pass "fragments of both, whole and torn"

# --- carrier: of the guest as its backend says, of the bridge's port as long as
# a guest is there
guest_has_carrier() { in_guest b ip -o link show eth0 | grep -q LOWER_UP; }
guest_has_none() { ! guest_has_carrier; }
port_has_carrier() { in_back ip -o link show vif3.0 | grep -q LOWER_UP; }
port_has_none() { ! port_has_carrier; }
wait_for 10 guest_has_carrier || fail "no carrier in the guest"
wait_for 10 port_has_carrier || fail "no carrier of the bridge's port"
put "$VIF_BACK/3/0/carrier" 0
wait_for 10 guest_has_none || fail "carrier stays in the guest"
put "$VIF_BACK/3/0/carrier" 1
wait_for 10 guest_has_carrier || fail "no carrier again in the guest"
guest_down b
wait_for 10 port_has_none || fail "carrier stays without a guest"
guest_start b 3
guest_ready b 10.77.0.3/24
in_guest b ip -6 addr add fd77::3/64 dev eth0 nodad || fail "no address"
wait_for 10 port_has_carrier || fail "no carrier when the guest is back"
can_reach a 10.77.0.3
pass "carrier follows the other end"

# --- VLANs, changed while running
vlans()
{
	put "$VIF_BACK/2/0/vlan" "$1" "$VIF_BACK/3/0/vlan" "$2"
}
vlans 10 10
can_reach a 10.77.0.3
can_reach b fd77::2 -s 9000
no_way a $BR_IP
transfer a b 10.77.0.3
counts '.tx_errors == 0' '.violations == 0'
vlans 10 11
no_way a 10.77.0.3
vlans 10p/20 10
can_reach a 10.77.0.3
transfer a b fd77::3
before=$(counter 3/0 vlan_dropped)
vlans 10p/20 20
no_way a 10.77.0.3
[ "$(counter 3/0 vlan_dropped)" -gt "$before" ] || fail "nothing is dropped"
pass "access ports and native VLANs through a bridge"
down

# --- neighbours that are not who they say
up "ip=10.77.0.0/29 fd77::/125" antispoof=on
transfer a b 10.77.0.3
in_guest a ip addr add 10.77.0.66/24 dev eth0
in_guest a ip -6 addr add fd77::66/64 dev eth0 nodad
before=$(counter 2/0 spoofed_addr)
no_way a 10.77.0.3 -I 10.77.0.66
no_way a fd77::3 -I fd77::66
[ "$(counter 2/0 spoofed_addr)" -gt $((before + 2)) ] || fail "not counted"
in_guest b ip neigh show | grep -q ':*66 .*lladdr' &&
	fail "b believes it: $(in_guest b ip neigh show)"
can_reach a 10.77.0.3 -I 10.77.0.2
before=$(counter 2/0 spoofed_mac)
in_guest a ip link set eth0 address 00:16:3e:00:00:99 ||
	fail "no other address"
no_way a 10.77.0.3
[ "$(counter 2/0 spoofed_mac)" -gt "$before" ] || fail "not counted"
in_guest a ip link set eth0 address "$MAC_BASE:02"
can_reach a 10.77.0.3
pass "spoofed ARP, neighbour discovery, addresses: nobody believes them"
down

# --- without offload
up csum-offload=0
transfers
counts '.tx_gso == 0' '.rx_gso == 0' '.rx_csum == 0' '.tx_csum == 0' \
	'.rx_errors == 0'
can_reach a 10.77.0.3 -s 9000
pass "checksums are whole and segments small without offload"
down

# --- jumbo frames
up mtu=9000
in_back ip -o link show br0 | grep -q 'mtu 9000' || in_back ip link set br0 \
	mtu 9000 || fail "no jumbo frames on the bridge"
for name in a b; do
	in_guest $name ip link set eth0 mtu 9000 || fail "no MTU in $name"
done
can_reach a 10.77.0.3 -M 'do' -s 8972
can_reach a fd77::3 -M 'do' -s 8952
transfers
counts '.tx_errors == 0' '.rx_errors == 0'
pass "jumbo frames"
down
stop_back
