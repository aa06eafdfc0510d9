#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Debian's xenstored on embedded Xen, from domain 0 and from guests over their
# rings: the tools, permissions, watches, quotas, and clients that misbehave.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

need xenstore-read xenstore-write xenstore-ls xenstore-watch
TEST_XENSTORE=$XEN_BIN/test-xenstore
[ -x "$TEST_XENSTORE" ] || skip "no test-xenstore"

start_xen
"$XENLOCAL" create --domid 1 --name one >/dev/null || fail "create 1"
"$XENLOCAL" create --domid 2 --name two --driver-domain >/dev/null ||
	fail "create 2"

value() { in_dom "$1" xenstore-read "$2" 2>/dev/null; }
is() { [ "$(value "$1" "$2")" = "$3" ]; }

# --- the tools, in domain 0 and in a guest
is 0 /local/domain/0/name Domain-0 || fail "domain 0 has no name"
in_dom 0 xenstore-write /tmp/a "x y" || fail "write in domain 0"
is 0 /tmp/a "x y" || fail "read in domain 0"
in_dom 0 xenstore-rm /tmp
pass "read and write in domain 0"

is 1 name one || fail "relative path: no name"
is 1 /local/domain/1/name one || fail "absolute path: no name"
in_dom 1 xenstore-write data/a 1 || fail "write in a guest"
is 0 /local/domain/1/data/a 1 || fail "domain 0 does not see it"
in_dom 1 xenstore-ls data | grep -qx 'a = "1"' || fail "ls in a guest"
is 2 domid 2 || fail "relative path in the second guest"
pass "read, write, ls in guests, relative paths"

in_dom 2 xenstore-write backend/vbd/1/51712/state 1 ||
	fail "a driver domain cannot write its backend directory"
refuses "a plain guest has no backend directory" \
	in_dom 1 xenstore-write backend/vbd/2/51712/state 1

# --- what a guest may not do
in_dom 2 xenstore-write data/secret 1 || fail "write in guest 2"
refuses "another guest's nodes cannot be read" \
	in_dom 1 xenstore-read /local/domain/2/data/secret
refuses "another guest's nodes cannot be listed" \
	in_dom 1 xenstore-ls /local/domain/2/data
refuses "another guest's nodes cannot be written" \
	in_dom 1 xenstore-write /local/domain/2/data/secret 2
refuses "another guest's nodes cannot be removed" \
	in_dom 1 xenstore-rm /local/domain/2/data/secret
refuses "the host's nodes cannot be written" \
	in_dom 1 xenstore-write /local/domain/1/name other
refuses "the toolstack's nodes cannot be read" \
	in_dom 1 xenstore-read /libxl/1/type
is 0 /local/domain/2/data/secret 1 || fail "it was changed all the same"

# --- watches
watch_log=$TMP/watch.log
"$XENLOCAL" exec --domid 1 -- xenstore-watch data/w >"$watch_log" &
watcher=$!
wait_for 10 test -s "$watch_log" || fail "no first event"
in_dom 0 xenstore-write /local/domain/1/data/w/x 1
wait_for 10 grep -qx data/w/x "$watch_log" || fail "no event in the guest"
in_dom 1 xenstore-write data/w/y 1
wait_for 10 grep -qx data/w/y "$watch_log" || fail "no event of its own"
kill $watcher
pass "a guest's watch sees domain 0 and itself write"

watch_log=$TMP/watch0.log
"$XENLOCAL" exec --domid 0 -- xenstore-watch /local/domain/2/data \
	>"$watch_log" &
watcher=$!
wait_for 10 test -s "$watch_log" || fail "no first event in domain 0"
in_dom 2 xenstore-write data/z 1
wait_for 10 grep -qx /local/domain/2/data/z "$watch_log" ||
	fail "domain 0 does not see the guest write"
kill $watcher
pass "domain 0's watch sees a guest write"

# --- Xen's own test
in_dom 0 "$TEST_XENSTORE" -i 20 >"$TMP/test.out" 2>&1 ||
	{ tail "$TMP/test.out" >&2; fail "test-xenstore in domain 0"; }
pass "test-xenstore in domain 0"
# it works in the relative path xenstore-test; a guest must be given that
in_dom 0 xenstore-write /local/domain/1/xenstore-test "" &&
	in_dom 0 xenstore-chmod /local/domain/1/xenstore-test n1 || fail chmod
in_dom 1 "$TEST_XENSTORE" -i 20 >"$TMP/test.out" 2>&1 ||
	{ tail "$TMP/test.out" >&2; fail "test-xenstore in a guest"; }
grep -q '^ta err' "$TMP/test.out" || fail "test-xenstore did not run it all"
pass "test-xenstore in a guest"

# --- awkward clients
for case in bytewise pipelined size_limits malformed same_watch reset_watches \
	foreign_transaction transaction_quota watch_quota leavers many deaf; do
	in_dom 1 "$E2E_BIN/xs_client" $case || fail "client: $case"
	pass "client: $case"
done

# --- clients that are killed in a transaction leave none behind
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	out=$TMP/hold.$i
	"$XENLOCAL" exec --domid 1 -- "$E2E_BIN/xs_client" hold >"$out" &
	holder=$!
	wait_for 10 grep -qs held "$out" || fail "transaction $i does not start"
	kill -KILL $holder
	wait $holder 2>/dev/null
done
refuses "what it wrote never was" in_dom 1 xenstore-read data/held
in_dom 1 "$E2E_BIN/xs_client" transaction_quota ||
	fail "transactions of killed clients are left"
pass "clients killed in a transaction"

# --- many programs at once
pids=
for i in $(seq 30); do
	"$XENLOCAL" exec --domid 1 -- xenstore-write "data/many/$i" "$i" &
	pids+=" $!"
done
for pid in $pids; do wait "$pid" || fail "one of many writers"; done
[ "$(in_dom 1 xenstore-ls data/many | wc -l)" = 30 ] || fail "many writers"
pass "30 programs of one guest at once"

device_alive() { [ -S "$XENLOCAL_RUNDIR/dom1/xenstore" ] && is 1 name one; }
device_alive || fail "the guest's xenbus device did not live through it"
