#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A NIC through netfront and netback, with an in-memory link: every shape of
# frame and connection, with verified data.
# shellcheck source=tests/e2e/net-lib.sh
. "$(dirname "$0")/net-lib.sh"

start_xen
start_back

attach_vif 2 0 memory:echo
wait_vif 2/0 2
peer 2 --mode=info
expect_that peer '.sg == 1' '.gso4 == 1' '.gso6 == 1' '.csum4 == 1' \
	'.csum6 == 1' '.split_events == 1' '.static_grants == 1' \
	'.carrier == 1' '.mtu == 1500' '.max_len == 65535'
wait_vif 2/0 6
pass "a frontend connects, says what it got, and goes"

# --- frames of all shapes come back as they were sent
while read -r options; do
	# shellcheck disable=SC2086
	peer 2 --mode=echo --packets=600 $options
	expect_that peer '.good >= 600' '.late == 0' '.corrupt == 0' \
		'.bad_csum == 0' '.tx_errors == 0' '.rx_errors == 0'
	pass "echo: $options"
done <<'END'
--size=64
--size=64 --no-static-grants
--size=1514 --no-split-events
--size=1514 --no-static-grants --no-split-events
--size=1514 --poll-us=200 --window=200
--size=1514 --queues=4
--size=1514 --queues=2 --no-static-grants
--size=4096 --no-sg
--size=4097
--size=9014 --window=16
--size=9014 --window=16 --no-static-grants
--size=65535 --window=4
--size=65535 --window=4 --no-static-grants
--proto=udp4 --size=200 --csum=full
--proto=udp4 --size=200 --csum=partial
--proto=udp6 --size=201 --csum=partial
--proto=tcp4 --size=1514 --csum=partial
--proto=tcp6 --size=1514 --csum=partial --vlan=77
--proto=tcp4 --size=65000 --gso-size=1448 --csum=partial --window=4
--proto=tcp6 --size=65000 --gso-size=1428 --csum=partial --window=4
--proto=tcp4 --size=20001 --gso-size=1448 --csum=partial --window=4 --no-static-grants
END

# --- what is counted on both sides is the same
peer 2 --mode=tx --packets=5000 --size=128 --linger-ms=500
expect_that peer '.sent == 5000' '.tx_errors == 0'
detach_vif 2 0
pass "detached"

# --- the worker dies: the frontend does not notice; frames may be lost
attach_vif 2 0 memory:echo
wait_vif 2/0 2
peer_start load 2 --mode=reflect
old=$(worker_pid vif/2/0)
kill -KILL "$old" || fail "no worker"
has_other_worker()
{
	local pid
	pid=$(worker_pid vif/2/0 2>/dev/null)
	[ "${pid:-0}" != 0 ] && [ "$pid" != "$old" ]
}
wait_for 10 has_other_worker || fail "no other worker"
wait_vif 2/0 4
peer_stop load
peer_end load || fail "net_peer: $(cat "$TMP/load.err")"
expect_that load '.reconnects == 0' '.error == 0'
peer_start load 2 --mode=tx --size=1000 --rate=20000 --seconds=30
for round in 1 2 3; do
	old=$(worker_pid vif/2/0)
	kill -KILL "$old" || fail "no worker in round $round"
	wait_for 10 has_other_worker || fail "no other worker"
done
peer_stop load
peer_end load || fail "net_peer: $(cat "$TMP/load.err")"
expect_that load '.reconnects == 0' '.tx_errors == 0' '.corrupt == 0' \
	'.good > 1000'
pass "workers die under load: the frontend goes on"

# --- the supervisor dies: the next one begins anew, and so do the rings
peer_start load 2 --mode=tx --size=1000 --rate=5000 --seconds=60
kill -KILL "$XENSPLITD_PID"
wait "$XENSPLITD_PID" 2>/dev/null
start_back
wait_vif 2/0 4
before=$(stat_of vif/2/0 "d['counters']['tx_packets']")
moves() { [ "$(stat_of vif/2/0 "d['counters']['tx_packets']")" -gt "$before" ]; }
wait_for 10 moves || fail "no frames move"
peer_stop load
peer_end load || fail "net_peer: $(cat "$TMP/load.err")"
expect_that load '.reconnects == 1' '.error == 0'
detach_vif 2 0
pass "the supervisor dies and comes back: the frontend connects again"

# --- a source: frames without end, in order
attach_vif 2 0 memory:source:1514:20000
wait_vif 2/0 2
peer 2 --mode=rx --packets=20000 --seconds=40 --plain
expect_that peer '.rx_all == 20000' '.rx_errors == 0'
detach_vif 2 0
pass "a source's frames arrive, all of them"

stop_back
