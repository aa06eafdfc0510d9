#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A guest that writes and removes its own nodes as fast as it can costs no
# flood of log lines and no flood of workers, and its disk works afterwards.
# shellcheck source=tests/e2e/blk-lib.sh
. "$(dirname "$0")/blk-lib.sh"

lines() { wc -l <"$BACK_LOG"; }
starts() { grep -c 'worker .* is ready' "$BACK_LOG"; }
front=/local/domain/2/device/vbd/51712

start_xen
start_back --log-level info
truncate -s 1M "$TMP/a.img"
attach 2 51712 "$TMP/a.img"
wait_state 2/51712 2

# xenstore-rm takes the directory, the writes after it bring it back
before=$(lines) first=$(starts)
"$XENLOCAL" exec --domid 2 -- bash -c '
	for ((i = 0; i < 300; i++)); do
		xenstore-rm '$front'/state
		xenstore-write '$front'/state 1
	done' 2>/dev/null || fail "the guest cannot write its own nodes"
[ $(($(starts) - first)) -le 12 ] ||
	fail "$(($(starts) - first)) workers started by one guest's writing"
pass "300 times gone and back: $(($(starts) - first)) workers"

"$XENLOCAL" exec --domid 2 -- bash -c '
	for ((i = 0; i < 300; i++)); do
		xenstore-write '$front'/state $((i % 8)) \
			'$front'/ring-ref 9 '$front'/event-channel 1
	done' || fail "the guest cannot write its own nodes"
[ $(($(lines) - before)) -le 250 ] ||
	fail "$(($(lines) - before)) lines caused by one guest"
pass "600 writes: $(($(lines) - before)) lines of log"

in_dom 2 xenstore-write $front/state 1 || fail "cannot begin anew"
wait_for 25 back_state_is 2/51712 2 || fail "no new offer: $(back_state 2/51712)"
pass "the disk is offered again"

# An offer that is broken off because its frontend went is made again for the
# next one: nothing is wrong with the disk.
kill -STOP "$(worker 2)"
truncate -s 1M "$TMP/b.img"
attach 2 51728 "$TMP/b.img"
wait_for 10 said "$TMP/b.img: " || fail "the second disk is not opened"
in_dom 2 xenstore-rm ${front%/*}/51728/state || fail "cannot remove it"
wait_for 20 back_state_is 2/51728 6 || fail "not closed"
in_dom 2 xenstore-write ${front%/*}/51728/state 1 || fail "cannot begin anew"
wait_for 25 back_state_is 2/51728 2 ||
	fail "no offer after one that was broken off: $(back_state 2/51728)"
pass "an offer that was broken off is made again"
stop_back
