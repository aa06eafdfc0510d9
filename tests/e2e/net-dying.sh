#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Ends that die and NICs that are unplugged, under load: what is left works,
# nothing stays behind, and the NIC of another guest goes on all the while.
# (Workers and supervisors that die: netfront.sh.)
# shellcheck source=tests/e2e/net-lib.sh
. "$(dirname "$0")/net-lib.sh"

FRONT=/local/domain/2/device/vif/0
above() { [ "$(counter "$1" tx_packets)" -gt "$2" ] 2>/dev/null; }
# moves VIF: frames move from now on
moves()
{
	local before
	before=$(counter "$1" tx_packets)
	wait_for 10 above "$1" "$before" || fail "vif/$1 stands still"
}
# load begins in guest 2, with large segments, both ways
load() { peer_start load 2 --mode=echo --proto=tcp4 --size=30000 \
	--gso-size=1448 --csum=partial --queues=2 --rate=400; }
# over WHAT: the load has ended with a reason that has these words
over()
{
	local words=$1
	peer_end load && fail "net_peer goes on without a NIC"
	grep -q -- "$words" "$TMP/load.err" ||
		fail "no '$words' in: $(cat "$TMP/load.err")"
	[ "$(result load .corrupt)" = 0 ] || fail "frames are wrong"
}
attach_a() { attach_vif 2 0 memory:echo; wait_vif 2/0 2; }
works()
{
	peer 2 --mode=echo --packets=300 --size=9000 --window=16
	expect_that peer '.good >= 300' '.corrupt == 0' '.tx_errors == 0'
}
not_there()
{
	in_dom 1 "$BUILD/bin/xensplit" stats --json |
		jq -e "all(.devices[]; .device != \"vif/$1\")" >/dev/null
}

start_xen
start_back
"$XENLOCAL" create --domid 3 --name sibling >/dev/null || fail "no domain 3"
attach_vif 3 0 memory:echo
wait_vif 3/0 2
peer_start sibling 3 --mode=echo --size=1514 --rate=500

for round in 1 2 3; do
	attach_a
	load
	moves 2/0
	detach_vif 2 0
	over 'No such device'
	gone $VIF_BACK/2/0 || fail "the directory stays"
done
pass "unplugged under load, three times"

attach_a
load
moves 2/0
put $VIF_BACK/2/0/online 0 $VIF_BACK/2/0/xensplit/force 1 $VIF_BACK/2/0/state 5
wait_vif 2/0 6
in_dom 0 xenstore-rm $VIF_BACK/2/0 $FRONT || fail "cannot remove"
over 'No such device'
pass "unplugged by force under load"

attach_a
load
moves 2/0
in_dom 0 xenstore-rm $VIF_BACK/2/0 $FRONT || fail "cannot remove"
over 'No such device'
wait_for 10 not_there 2/0 || fail "the NIC stays"
pass "its directories removed under load"
moves 3/0

# --- the frontend's process dies, again and again, and another one comes
attach_a
for round in 1 2 3 4; do
	load
	moves 2/0
	pkill -KILL -P "${PEER_PID[load]}" 2>/dev/null ||
		kill -KILL "${PEER_PID[load]}"
	peer_end load 2>/dev/null
	works
done
pass "frontends die under load; the next ones work"
moves 3/0

# --- its whole domain dies
load
moves 2/0
"$XENLOCAL" destroy 2 || fail "destroy"
peer_end load 2>/dev/null
wait_vif 2/0 6
in_dom 0 xenstore-rm $VIF_BACK/2 || fail "cannot remove"
wait_for 10 not_there 2/0 || fail "the NIC of a dead domain stays"
"$XENLOCAL" create --domid 2 --name guest >/dev/null || fail "no domain 2"
attach_a
works
pass "a domain dies under load; its successor has a NIC"
moves 3/0

# --- the worker dies with large segments, chains and two queues under way
load
for round in 1 2 3 4 5; do
	moves 2/0
	old=$(vif_stat 2/0 .worker_pid)
	kill -KILL "$old" || fail "no worker"
	other_worker() { [ "$(vif_stat 2/0 .worker_pid)" != "$old" ]; }
	wait_for 10 other_worker || fail "no other worker"
done
moves 2/0
peer_stop load
peer_end load || fail "net_peer: $(cat "$TMP/load.err")"
expect_that load '.corrupt == 0' '.bad_csum == 0' '.reconnects == 0' \
	'.tx_errors == 0' '.good > 0'
detach_vif 2 0
pass "workers die under large segments on two queues"
moves 3/0

# --- the driver domain dies; a new one takes its number, and its NICs
peer_stop sibling
peer_end sibling || fail "the other guest: $(cat "$TMP/sibling.err")"
expect_that sibling '.corrupt == 0' '.tx_errors == 0' '.rx_errors == 0' \
	'.reconnects == 0' '.late == 0' '.good > 1000'
pass "another guest's NIC was undisturbed"
attach_a
load
moves 2/0
"$XENLOCAL" destroy 1 || fail "destroy"
wait "$XENSPLITD_PID" 2>/dev/null
over 'No such device'
in_dom 0 xenstore-rm $FRONT /local/domain/3/device/vif/0 ||
	fail "cannot remove"
start_back
attach_a
works
detach_vif 2 0
pass "a driver domain dies under load; the next one serves the guest"
stop_back
