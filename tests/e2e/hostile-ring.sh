#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A frontend that breaks every rule of the ring (hostile_front.c): each request
# gets the status it deserves, an impossible index closes the disk with a
# reason, and the disks of other guests notice nothing.
# shellcheck source=tests/e2e/blk-lib.sh
. "$(dirname "$0")/blk-lib.sh"

hostile()
{
	timeout 40 "$XENLOCAL" exec --domid 2 -- "$E2E_BIN/hostile_front" "$@" \
		>"$TMP/hostile.out" 2>"$TMP/hostile.err" && return
	tail -n 20 "$TMP/hostile.err" >&2
	fail "hostile_front $*"
}
lines() { grep -c "$1" "$BACK_LOG"; }

start_xen
start_back
make_guests 3
take_account
truncate -s 8M "$TMP/a.img" "$TMP/b.img" "$TMP/c.img"
attach 2 51712 "$TMP/a.img"
attach 2 51728 "$TMP/b.img" mode r
attach 3 51712 "$TMP/c.img"
for device in 2/51712 2/51728 3/51712; do wait_state $device 2; done
guest_start sibling 3 --record="$TMP/sibling.record" --queues=2 fill load \
	verify
guest_says sibling 'load begins'
first=$(worker 2)

for persistent in "" persistent; do
	what=${persistent:-copied}
	before=$(lines ' refused: ')
	hostile 51712 requests $persistent
	# hundreds of bad requests are a few lines of log
	[ $(($(lines ' refused: ') - before)) -le 40 ] || fail "too many lines"
	pass "bad requests are refused, one by one ($what)"
	hostile 51728 readonly $persistent
	pass "no writes to a read-only disk ($what)"
	hostile 51712 race $persistent
	pass "a ring that changes under the backend's eyes ($what)"
	hostile 51712 revoke $persistent
	pass "grants that are taken back in flight ($what)"
	moves 3/51712
done
[ "$(counter 2/51712 errors)" -gt 100 ] || fail "errors are not counted"
[ "$(counter 2/51712 unsupported)" -gt 5 ] || fail "unknown ones neither"
hostile 51712 storm
pass "100000 notifications of nothing"

index='index is further ahead'
for case in ahead far backwards overrun; do
	before=$(lines "vbd/2/51712: .*$index")
	hostile 51712 $case
	grep -q "$index" "$TMP/hostile.out" ||
		fail "$case: the error node says '$(cat "$TMP/hostile.out")'"
	[ $(($(lines "vbd/2/51712: .*$index") - before)) = 1 ] ||
		fail "$case: not one line in the log"
	moves 3/51712
	pass "producer index: $case; $(cat "$TMP/hostile.out")"
done

# those and these are more failures than a frontend may cause in ten seconds
while read -r case words; do
	detach 2/51712
	attach 2 51712 "$TMP/a.img"
	wait_state 2/51712 2
	hostile 51712 "$case"
	grep -q "$words" "$TMP/hostile.out" ||
		fail "$case: the error node says '$(cat "$TMP/hostile.out")'"
	moves 3/51712
	pass "$case: $(cat "$TMP/hostile.out")"
done <<'END'
ringref ring reference 60000 of domain 2 cannot be mapped
port event channel 999 of domain 2 cannot be bound
xsport event channel 1 of domain 2 cannot be bound
END

# --- the worker has survived all that, and the disk is as good as before
[ "$(worker 2)" = "$first" ] || fail "the worker was replaced"
detach 2/51712
attach 2 51712 "$TMP/a.img"
wait_state 2/51712 2
guest_ok 2 fill verify
guest_tell sibling
guest_end sibling
expect sibling load wrong=0 read_errors=0 write_errors=0
expect sibling verify wrong=0
image_right "$TMP/sibling.record" "$TMP/c.img"
[ "$(counter 3/51712 errors)" = 0 ] || fail "the sibling had errors"
cmp -s <(head -c 8M /dev/zero) "$TMP/b.img" || fail "read-only was written"
pass "the disk works again; another guest's disk was undisturbed"
detach 2/51712 2/51728 3/51712
wait_for 10 no_worker 2 || fail "the worker stays"
balanced
stop_back
