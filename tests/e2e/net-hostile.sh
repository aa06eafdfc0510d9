#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A NIC's frontend that breaks every rule (hostile_net.c): a bad packet is
# refused in all its slots, what cannot be said without losing the place in the
# ring closes the NIC with a reason, and the NICs of other guests notice
# nothing.
# shellcheck source=tests/e2e/net-lib.sh
. "$(dirname "$0")/net-lib.sh"

# hostile DEVID CASE
hostile()
{
	timeout 60 "$XENLOCAL" exec --domid 2 -- "$E2E_BIN/hostile_net" "$@" \
		>"$TMP/hostile.out" 2>"$TMP/hostile.err" && return
	tail -n 20 "$TMP/hostile.err" "$BACK_LOG" >&2
	fail "hostile_net $*"
}
lines() { grep -c "$1" "$BACK_LOG"; }
# the other guest's frames go on from where they are now
sibling_moves()
{
	local before
	before=$(counter 3/0 rx_packets)
	wait_for 10 more_than "$before" || fail "the other guest stands still"
}
more_than() { [ "$(counter 3/0 rx_packets)" -gt "$1" ]; }

start_xen
start_back
"$XENLOCAL" create --domid 3 --name sibling >/dev/null || fail "no domain 3"
attach_vif 2 0 memory:echo
attach_vif 2 1 memory:sink xensplit/csum-offload 0
attach_vif 2 2 memory:source:1000
attach_vif 3 0 memory:echo
for vif in 2/0 2/1 2/2 3/0; do wait_vif $vif 2; done
peer_start sibling 3 --mode=echo --size=1514 --window=32 --rate=2000
first=$(worker_pid vif/2/0)

# --- what is refused, and nothing more
while read -r devid case what; do
	hostile "$devid" "$case"
	wait_vif "2/$devid" 6
	[ -z "$(store "$VIF_BACK/2/$devid/error")" ] ||
		fail "$case: $(store "$VIF_BACK/2/$devid/error")"
	pass "$what"
done <<'END'
0 packets bad packets are refused, one by one
1 nogso large segments that were not offered are refused
0 groups multicast groups without end
0 control bad requests on the control ring
2 buffers receive buffers that cannot be written
0 race a ring that changes under the backend's eyes
0 storm 100000 notifications of nothing
END
# thousands of bad packets are a few lines of log
[ "$(lines ' refused: ')" -le 60 ] || fail "$(lines ' refused: ') lines"
[ "$(lines ' refused: ')" -gt 0 ] || fail "nothing is said of bad packets"
sibling_moves

# --- what ends the connection; each with a new device, because a frontend may
# not fail so often in so short a time
while read -r case words; do
	detach_vif 2 0
	attach_vif 2 0 memory:echo
	wait_vif 2/0 2
	hostile 0 "$case"
	grep -q -- "$words" "$TMP/hostile.out" ||
		fail "$case: the error node says '$(cat "$TMP/hostile.out")'"
	pass "$case: $(cat "$TMP/hostile.out")"
done <<'END'
ahead transmit index is further ahead
backwards transmit index is further ahead
rxahead receive index is further ahead
ctrlahead index of the control ring is further
gso0 GSO size of 0
gsotype unknown GSO type
extra0 unknown extra info
extra200 unknown extra info
extras too many extra infos
slots packet of too many slots
crosses slot crosses its page
crosses3 slot crosses its page
mcastdata multicast command with data
txref transmit ring reference 60000 of domain 2 cannot be mapped
rxref receive ring reference 60000 of domain 2 cannot be mapped
ctrlref control ring reference 60000 of domain 2 cannot be mapped
port event channel 999 of domain 2 cannot be bound
xsport event channel 1 of domain 2 cannot be bound
queues multi-queue-num-queues
flip request-rx-copy
garbage impossible indices
END
sibling_moves

# --- the worker has survived all that, and the NIC is as good as ever
[ "$(worker_pid vif/2/2)" = "$first" ] || fail "the worker was replaced"
detach_vif 2 0
attach_vif 2 0 memory:echo
wait_vif 2/0 2
peer 2 --mode=echo --packets=500 --size=9000 --window=16
expect_that peer '.good >= 500' '.corrupt == 0' '.tx_errors == 0'
peer_stop sibling
peer_end sibling || fail "the other guest: $(cat "$TMP/sibling.err")"
expect_that sibling '.corrupt == 0' '.late == 0' '.tx_errors == 0' \
	'.rx_errors == 0' '.reconnects == 0' '.good > 1000'
[ "$(counter 3/0 violations)" = 0 ] || fail "violations of the other guest"
pass "the NIC works again; another guest's was undisturbed"
for vif in "2 0" "2 1" "2 2" "3 0"; do
	# shellcheck disable=SC2086
	detach_vif $vif
done
stop_back
