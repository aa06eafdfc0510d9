#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Embedded Xen starts, stops, and dies; domains come and go; nothing is left.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

need xenstore-read xenstore-list
pid_of() { sed 's/ .*//' "$XENLOCAL_RUNDIR/$1.proc"; }
status_is() { "$XENLOCAL" status >"$TMP/status" 2>&1; [ $? = "$1" ]; }
says() { grep -q "$1" "$TMP/status" || fail "status does not say: $1"; }

status_is 3 || fail "status of nothing"
"$XENLOCAL" stop 2>/dev/null || fail "stop of nothing"
start_xen
status_is 0 || fail "status of a healthy one"
refuses "it does not start twice in one directory" "$XENLOCAL" start
grep -q 'already running' "$TMP/refuses.out" || fail "unclear message"
"$XENLOCAL" status --json | grep -q '"domid": 0' || fail "status --json"
"$XENLOCAL" stop || fail "stop"
[ ! -e "$XENLOCAL_RUNDIR" ] || fail "the directory is left"
start_xen
[ "$(in_dom 0 xenstore-read /local/domain/0/domid)" = 0 ] || fail "restarted"
pass "start, stop, start"

# --- a directory that was there stays, and other files in it
mkdir -p "$TMP/own" && chmod 700 "$TMP/own" && touch "$TMP/own/mine"
"$XENLOCAL" start --rundir "$TMP/own" || fail "start in a directory of ours"
"$XENLOCAL" stop --rundir "$TMP/own" || fail "stop there"
[ "$(ls "$TMP/own")" = mine ] || fail "$(ls "$TMP/own") left"
chmod 777 "$TMP/own"
refuses "others may not write to the directory" \
	"$XENLOCAL" start --rundir "$TMP/own"
refuses "its name may not be too long" "$XENLOCAL" start \
	--rundir "$TMP/$(printf 'a%.0s' $(seq 100))"
pass "two at once, in directories that exist"

# --- domains
for i in $(seq 20); do
	[ "$("$XENLOCAL" create --name "guest$i")" = "$i" ] || fail "create $i"
done
[ "$(in_dom 0 xenstore-list /local/domain | wc -l)" = 21 ] || fail "nodes"
[ "$(in_dom 20 xenstore-read name)" = guest20 ] || fail "name of 20"
refuses "a number is used once" "$XENLOCAL" create --domid 7
refuses "a name is used once" "$XENLOCAL" create --domid 70 --name guest7
refuses "a name cannot be a path" "$XENLOCAL" create --domid 70 --name a/b
refuses "there is a largest number" "$XENLOCAL" create --domid 32752
status_is 0 || fail "status with 20 domains"
says guest20
"$XENLOCAL" exec --domid 20 -- sleep 1000 &
sleeper=$!
"$XENLOCAL" exec --domid 19 -- sh -c 'trap "" TERM; echo >"$0"; sleep 1000' \
	"$TMP/deaf" &
disown # or the shell says that it was killed
wait_for 10 test -e "$TMP/deaf" || fail "no process in domain 19"
wait_for 10 grep -q sleep "/proc/$sleeper/comm" || fail "none in domain 20"
"$XENLOCAL" status >"$TMP/status"
says "$sleeper sleep"
for i in $(seq 20); do
	"$XENLOCAL" destroy "$i" || fail "destroy $i"
done
wait $sleeper
[ $? = 143 ] || fail "the process of a destroyed domain lives"
[ "$(in_dom 0 xenstore-list /local/domain)" = 0 ] || fail "nodes are left"
[ -z "$(in_dom 0 xenstore-list /libxl 2>/dev/null)" ] || fail "/libxl is left"
[ -z "$(in_dom 0 xenstore-list /vm 2>/dev/null)" ] || fail "/vm is left"
[ "$(echo "$XENLOCAL_RUNDIR"/dom*)" = "$XENLOCAL_RUNDIR/dom0" ] ||
	fail "directories are left"
refuses "it is gone" "$XENLOCAL" destroy 20
refuses "domain 0 is not destroyed" "$XENLOCAL" destroy 0
[ "$("$XENLOCAL" create --domid 20)" = 20 ] || fail "create it again"
[ "$(in_dom 20 xenstore-read name)" = dom20 ] || fail "its default name"
pass "20 domains come and go"

# --- many at the same time, made by exec
pids=
for i in $(seq 10); do
	in_dom 30 xenstore-write "data/$i" 1 &
	pids+=" $!"
done
for pid in $pids; do wait "$pid" || fail "exec makes the domain once"; done
pass "ten exec at once make one domain"

# --- deaths
"$XENLOCAL" exec --domid 20 -- sleep 1000 &
kill -KILL "$(pid_of xenstored)"
wait_for 10 status_is 1 || fail "dead xenstored not noticed"
says 'xenstored pid [0-9]* (has died)'
refuses "start says what to do" "$XENLOCAL" start
"$XENLOCAL" stop || fail "stop after the death of xenstored"
start_xen
in_dom 5 xenstore-read name >/dev/null || fail "guest 5"
"$XENLOCAL" exec --domid 5 -- sleep 1000 &
sleeper=$!
wait_for 10 grep -q sleep "/proc/$sleeper/comm" || fail "no process"
kill -KILL "$(pid_of xenlocald)"
wait_for 10 status_is 1 || fail "dead xenlocald not noticed"
says 'xenlocald pid [0-9]* (has died)'
refuses "exec says so" in_dom 5 true
grep -q 'has died' "$TMP/refuses.out" || fail "exec does not say why"
"$XENLOCAL" start 2>"$TMP/start.err" || fail "start after a death"
grep -q 'cleaning up' "$TMP/start.err" || fail "start cleaned up silently"
wait $sleeper
[ $? = 143 ] || fail "a guest's process outlived the clean-up"
status_is 0 || fail "status after the new start"
in_dom 5 xenstore-read name >/dev/null || fail "guest 5 again"
pass "deaths of xenstored and xenlocald"
