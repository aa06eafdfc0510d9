#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a guest may send and is sent, end to end with an in-memory link: source
# addresses, VLANs, multicast filters, rates, all of it changed while frames
# move; the hash that chooses queues; recording.
# shellcheck source=tests/e2e/net-lib.sh
. "$(dirname "$0")/net-lib.sh"
need python3

B=$VIF_BACK/2/0
NR=300
now() { counter 2/0 "$1"; }
# how much the COUNTER grows while net_peer runs with OPTIONS
grows()
{
	local counter=$1 before
	shift
	before=$(now "$counter")
	peer 2 --mode=tx --packets=$NR --size=200 --rate=20000 "$@"
	GREW=$(($(now "$counter") - before))
}
# passes WHAT OPTION...: all of them come back
passes()
{
	local what=$1
	shift
	peer 2 --mode=echo --packets=$NR --size=200 --window=16 "$@"
	expect_that peer ".good == $NR" '.tx_errors == 0' '.corrupt == 0'
	pass "$what"
}
# dropped COUNTER WHAT OPTION...: all are dropped, for that reason
dropped()
{
	local counter=$1 what=$2
	shift 2
	grows "$counter" "$@"
	[ "$GREW" = $NR ] || fail "$what: $counter grew by $GREW, not $NR"
	expect_that peer '.rx_all == 0' ".sent == $NR"
	pass "$what"
}
# set KEY VALUE...: and until it counts
changes() { grep -c 'vif/2/0: the policy changes' "$BACK_LOG"; }
changed() { [ "$(changes)" -gt "$1" ]; }
set_policy()
{
	local before
	before=$(changes)
	put "$@"
	wait_for 10 changed "$before" || fail "$* is not seen"
}
unset_policy()
{
	local before
	before=$(changes)
	in_dom 0 xenstore-rm "$@" || fail "cannot remove $*"
	wait_for 10 changed "$before" || fail "$* is still seen"
}

start_xen
start_back
attach_vif 2 0 memory:echo
wait_vif 2/0 2

# --- who a frame says it is from
passes "any source address" --src=00:16:3e:00:00:77
set_policy $B/xensplit/antispoof mac
passes "the NIC's own address" --proto=udp4
dropped spoofed_mac "another's MAC address" --src=00:16:3e:00:00:77
dropped spoofed_mac "another's, below a tag" --src=00:16:3e:00:00:77 --vlan=5
set_policy $B/ip "10.77.0.1 10.77.0.4/31 fd00::1" $B/xensplit/antispoof on
passes "an allowed IPv4 address" --proto=udp4 --src-ip=1
passes "one of an allowed network" --proto=tcp4 --src-ip=5 \
	--gso-size=1000 --size=5000 --csum=partial
passes "an allowed IPv6 address" --proto=udp6 --src-ip=1
dropped spoofed_addr "another's IPv4 address" --proto=udp4 --src-ip=6
dropped spoofed_addr "another's IPv6 address" --proto=tcp6 --src-ip=2
dropped spoofed_addr "another's in large segments" --proto=tcp4 --src-ip=9 \
	--gso-size=1000 --size=5000 --csum=partial
dropped spoofed_addr "another's, below a tag" --proto=udp4 --src-ip=6 --vlan=9
unset_policy $B/ip $B/xensplit/antispoof
passes "any address again" --proto=udp4 --src-ip=6

# --- VLANs: what goes out has a tag, what comes back has none
set_policy $B/vlan 10
passes "an access port" --size=1514
passes "an access port, large segments" --proto=tcp6 --gso-size=1000 \
	--size=30000 --csum=partial
dropped vlan_dropped "a tag of the guest's own" --vlan=20
dropped vlan_dropped "even the same one" --vlan=10
set_policy $B/vlan 10p/20/30-40
passes "a trunk, its native VLAN" --proto=udp4
passes "a trunk, one of its VLANs" --vlan=20 --proto=udp4 --csum=partial
passes "a trunk, one of a range" --vlan=33 --proto=udp6 --csum=partial
dropped vlan_dropped "a VLAN that is not in the trunk" --vlan=41
set_policy $B/vlan 20/30
dropped vlan_dropped "no tag where there is no native VLAN"
unset_policy $B/vlan

# --- multicast
group=01:00:5e:01:02:03
passes "multicast without a filter" --dst=$group
passes "a group that was joined" --multicast-filter --dst=$group --join=$group
passes "broadcast through a filter" --multicast-filter
dropped rx_filtered "a group that was not joined" --multicast-filter \
	--dst=$group --join=01:00:5e:01:02:04
peer_start dynamic 2 --mode=tx --dst=$group --rate=500 --size=200
moved() { [ "$(now "$1")" -gt "$2" ]; }
before=$(now rx_packets)
wait_for 10 moved rx_packets "$before" || fail "no frames"
in_dom 0 xenstore-write /local/domain/2/device/vif/0/request-multicast-control 1
before=$(now rx_filtered)
wait_for 10 moved rx_filtered "$before" || fail "a filter later: not seen"
in_dom 0 xenstore-write /local/domain/2/device/vif/0/request-multicast-control 0
before=$(now rx_packets)
wait_for 10 moved rx_packets "$before" || fail "no filter later: not seen"
peer_stop dynamic
peer_end dynamic || fail "net_peer: $(cat "$TMP/dynamic.err")"
pass "a filter that is switched on and off while running"

# --- rates, so low that a busy machine reaches them
# limited COUNTER RATE SLACK OPTION...: not above RATE a second in the time that
# it took, and at least a third of it in the three seconds that it should
limited()
{
	local counter=$1 rate=$2 slack=$3 begin most
	shift 3
	begin=${EPOCHREALTIME/./}
	grows "$counter" --mode="$MODE" --packets=0 --seconds=3 --rate=0 \
		--linger-ms=0 "$@"
	most=$(((${EPOCHREALTIME/./} - begin) * rate / 1000000 + slack))
	if [ "$GREW" -lt "$rate" ] || [ "$GREW" -gt $most ]; then
		fail "$counter: $GREW, not $rate to $most"
	fi
}
MODE=tx
set_policy $B/rate 12500,50000
limited tx_bytes 250000 30000 --size=1514
pass "250 kB/s from the guest: $GREW bytes in 3 s"
set_policy $B/rate 25000,50000
limited tx_bytes 500000 200000 --size=65000 --proto=tcp4 --gso-size=1448 \
	--csum=partial
pass "500 kB/s in large segments: $GREW bytes in 3 s"
[ "$(now throttled)" -gt 0 ] || fail "nothing was throttled"
set_policy $B/xensplit/pps 500
unset_policy $B/rate
limited tx_packets 500 100
pass "500 packets a second: $GREW in 3 s"
peer_start live 2 --mode=tx --size=200 --window=1
before=$(now tx_packets)
unset_policy $B/xensplit/pps
fast() { [ "$(now tx_packets)" -gt $((before + 20000)) ]; }
wait_for 10 fast || fail "the rate is not lifted while running"
peer_stop live
peer_end live || fail "net_peer: $(cat "$TMP/live.err")"
pass "a rate is lifted while running"
detach_vif 2 0
attach_vif 2 0 memory:source:1514 xensplit/rate-rx 12500,50000
wait_vif 2/0 2
MODE=rx
limited rx_bytes 250000 30000 --plain
pass "250 kB/s to the guest: $GREW bytes in 3 s"
unset_policy $B/xensplit/rate-rx
set_policy $B/xensplit/pps-rx 500
limited rx_packets 500 100 --plain
pass "500 packets a second to the guest: $GREW in 3 s"
detach_vif 2 0

# --- a frontend that closes while the worker is being told of a change
attach_vif 2 0 memory:echo
wait_vif 2/0 2
peer_start load 2 --mode=rx
wait_vif 2/0 4
worker=$(vif_stat 2/0 .worker_pid)
kill -STOP "$worker" || fail "no worker"
set_policy $B/xensplit/pps 100000
peer_stop load
closing() { [ "$(store /local/domain/2/device/vif/0/state)" -ge 5 ]; }
wait_for 10 closing || fail "the frontend does not close"
kill -CONT "$worker"
peer_end load || fail "net_peer: $(cat "$TMP/load.err")"
grep 'did not close' "$TMP/load.err" && fail "the backend has not seen it"
wait_vif 2/0 6
pass "a frontend that closes while a change is under way is seen"
detach_vif 2 0

# --- the backend chooses queues by hash; all entries of the map are one queue
attach_vif 2 0 memory:echo
wait_vif 2/0 2
for proto in udp4 udp6 tcp4 tcp6; do
	peer 2 --mode=tx --queues=4 --packets=500 --rate=3000 --size=300 \
		--proto=$proto --csum=partial --hash-map=2,2
	expect_that peer '.queues == 4' '.rx_all > 500' \
		'.rx_most == .rx_all' '.hashed == .rx_all' '.corrupt == 0'
done
peer 2 --mode=tx --queues=4 --packets=500 --rate=3000 --size=300 --proto=udp4
expect_that peer '.rx_all > 500' '.rx_most < .rx_all' '.hashed == 0'
pass "a hash and a map over the control ring choose the queue"

# --- recording: begun and ended between frames, every one is there, both ways
record() { in_dom 1 "$BUILD/bin/xensplit" network-pcap 2 0 "$@"; }
recorded()
{
	python3 - "$TMP/a.pcap" <<-'END'
	import struct, sys
	data = open(sys.argv[1], "rb").read()
	assert data[:4] == bytes.fromhex("4d3cb2a1"), data[:4]
	at, n, last = 24, 0, 0
	while at < len(data):
	    s, ns, cap, whole = struct.unpack_from("<IIII", data, at)
	    assert cap == min(whole, 100) and ns < 10**9, (cap, whole, ns)
	    assert s + 1 >= last, (s, last)
	    frame = data[at + 16:at + 16 + cap]
	    assert whole == 1000 and frame[12:14] == b"\x08\x00", frame
	    at, n, last = at + 16 + cap, n + 1, s
	print(n)
	END
}
peer_start other 2 --mode=rx
record "$TMP/a.pcap" --snap-len 100 || fail "no recording begins"
record stop || fail "it does not end"
[ "$(recorded)" = 0 ] || fail "$(recorded) frames of none"
peer_stop other
peer_end other || fail "net_peer: $(cat "$TMP/other.err")"
peer_start load 2 --mode=echo --size=1000 --proto=udp4 --rate=1000
record "$TMP/a.pcap" --snap-len 100 || fail "no recording begins"
before=$(now tx_packets)
wait_for 10 moved tx_packets $((before + 500)) || fail "no frames"
record stop || fail "it does not end"
frames=$(recorded) || fail "not a recording"
[ "$frames" -ge 1000 ] || fail "$frames frames of 1000"
size=$(stat -c %s "$TMP/a.pcap")
before=$(now tx_packets)
wait_for 10 moved tx_packets $((before + 100)) || fail "no frames any more"
[ "$(stat -c %s "$TMP/a.pcap")" = "$size" ] || fail "it goes on when stopped"
peer_stop load
peer_end load || fail "net_peer: $(cat "$TMP/load.err")"
pass "recording begins and ends under load: $frames frames"
detach_vif 2 0
stop_back
