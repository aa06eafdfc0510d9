#!/bin/bash
# SPDX-License-Identifier: MIT
#
# xensplitd when things go wrong or change under a disk in use: workers that
# die, are stopped, or die again and again; new sizes; detaching in order and
# by force; a supervisor that dies or is told to end.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/lib-xensplitd.sh
. "$(dirname "$0")/lib-xensplitd.sh"

need xenstore-read xenstore-write xenstore-chmod python3 pkill
start_xen
start_back
DEV=2/51712
DIR=$BACK/$DEV
truncate -s 128M "$TMP/a.img"

# load NAME OPTION...: in the background, until it is told to end
load()
{
	local name=$1
	shift
	"$XENLOCAL" exec --domid 2 -- "$E2E_BIN/blkfront_io" "$@" \
		>"$TMP/$name.out" 2>&1 &
	LOAD=$!
}
end_load()
{
	kill "$LOAD" 2>/dev/null
	wait "$LOAD" || { cat "$TMP/$1.out" >&2; fail "$1: status $?"; }
}
is_new_worker()
{
	local pid
	pid=$(worker_pid vbd/$DEV) && [ "$pid" != 0 ] && [ "$pid" != "$1" ]
}
state_of() { stat_of vbd/$DEV "d['state']"; }

# --- workers that die
attach 2 51712 "$TMP/a.img"
load deaths --rw=verify --pattern --queues=2 --depth=2 --block=4096
wait_state $DEV 4
for signal in KILL SEGV KILL; do
	old=$(worker_pid vbd/$DEV)
	kill -$signal "$old"
	wait_for 10 is_new_worker "$old" || fail "no new worker after $signal"
	back_state_is $DEV 4 || fail "the frontend sees a worker die: $(back_state $DEV)"
done
wait "$LOAD" || { cat "$TMP/deaths.out" >&2; fail "data after deaths"; }
[ "$(control '{"command":"list"}' | python3 -c 'import json,sys
print(json.load(sys.stdin)["workers"][0]["restarts"])')" = 3 ] ||
	fail "restarts are not counted"
wait_state $DEV 6
pass "a worker may die under load, and nobody notices"

# --- sizes
# in what stays: the rest of a truncated file is gone before anyone hears of it
load sizes --rw=randread --depth=1 --size=128m --seconds=600
wait_state $DEV 4
sectors_are() { [ "$(store "$DIR/sectors")" = "$1" ]; }
truncate -s 160M "$TMP/a.img"
wait_for 10 sectors_are 327680 || fail "a larger image is not seen"
truncate -s 192M "$TMP/a.img"
wait_for 10 sectors_are 393216 || fail "a larger image is not seen again"
back_state_is $DEV 4 || fail "resize: state"
truncate -s 144M "$TMP/a.img"
wait_for 10 sectors_are 294912 || fail "a smaller image is not seen"
put "$DIR/xensplit/resize" 1
wait_for 10 gone "$DIR/xensplit/resize" || fail "the resize key stays"
control '{"command":"resize","device":"vbd/2/51712"}' |
	grep -q '"device":"vbd/2/51712"' || fail "command resize"
control '{"command":"resize","device":"vbd/2/99"}' | grep -q '"error"' ||
	fail "command resize of nothing"
control 'not JSON' | grep -q '"error"' || fail "command that is none"
kill -HUP "$XENSPLITD_PID"
pass "sizes change under a disk in use"

end_load sizes
wait_state $DEV 6

# --- detaching
load frozen --rw=randread --depth=1 --seconds=600
wait_state $DEV 4
kill -STOP "$LOAD"
put "$DIR/online" 0
wait_state $DEV 5 # the frontend is told; it could go on until it closes
put "$DIR/online" 1 "$DIR/state" 4
is_connected() { [ "$(state_of)" = Connected ]; }
wait_for 10 is_connected || fail "not taken back"
ask_detach 2 51712
kill -CONT "$LOAD"
wait_state $DEV 6
wait "$LOAD" 2>/dev/null
detached 2 51712
no_workers()
{
	[ "$(control '{"command":"list"}')" = '{"devices":[],"workers":[]}' ]
}
wait_for 10 no_workers || fail "left: $(control '{"command":"list"}')"
pass "a detach that is taken back, and one that is not"

# by force, from a frontend that does nothing, and a worker that does nothing
for stopped in frontend worker; do
	attach 2 51712 "$TMP/a.img"
	load forced --rw=randwrite --depth=4 --seconds=600
	wait_state $DEV 4
	if [ $stopped = worker ]; then
		kill -STOP "$(worker_pid vbd/$DEV)"
	else
		kill -STOP "$LOAD"
	fi
	before=$SECONDS
	put "$DIR/online" 0 "$DIR/xensplit/force" 1 "$DIR/state" 5
	wait_state $DEV 6
	[ $((SECONDS - before)) -le 5 ] || fail "force takes too long"
	kill -KILL "$LOAD" 2>/dev/null
	wait "$LOAD" 2>/dev/null
	in_dom 0 xenstore-rm "$DIR" /local/domain/2/device/vbd/51712
	wait_for 10 no_workers || fail "left: $(control '{"command":"list"}')"
	pass "by force, with a $stopped that does not answer"
done

# the directory goes from under it
attach 2 51712 "$TMP/a.img"
load vanish --rw=randwrite --depth=4 --seconds=600
wait_state $DEV 4
in_dom 0 xenstore-rm "$DIR"
wait_for 10 no_workers || fail "left: $(control '{"command":"list"}')"
kill -KILL "$LOAD" 2>/dev/null
wait "$LOAD" 2>/dev/null
gone "$DIR" || fail "the directory is back: $(in_dom 0 xenstore-ls "$DIR")"
pass "a directory that is removed under load stays removed"

# --- a worker that cannot live
in_dom 0 xenstore-rm /local/domain/2/device/vbd/51712
attach 2 51712 "$TMP/a.img"
wait_state $DEV 2
end=$((SECONDS + 20))
while ! said "dies again and again" && [ $SECONDS -lt $end ]; do
	pkill -KILL -P "$XENSPLITD_PID" 2>/dev/null
	read -rt 0.02 <> <(:) || :
done
wait_state $DEV 6
[[ $(store "$DIR/error") == *"dies again and again"* ]] || fail "reason"
put "$DIR/state" 1
wait_state $DEV 2
pass "a worker that dies again and again is given up, until told otherwise"

# --- the supervisor
load orphan --rw=randread --depth=1 --seconds=600
wait_state $DEV 4
old=$(worker_pid vbd/$DEV)
kill -KILL "$XENSPLITD_PID"
wait "$XENSPLITD_PID" 2>/dev/null
has_ended() { ! kill -0 "$old" 2>/dev/null; }
wait_for 10 has_ended || fail "an orphaned worker"
kill -KILL "$LOAD" 2>/dev/null
wait "$LOAD" 2>/dev/null
start_back
wait_state $DEV 2
put /local/domain/2/device/vbd/51712/state 6
put /local/domain/2/device/vbd/51712/state 1
io 2 --rw=verify --pattern --size=1m >/dev/null || fail "after a new start"
pass "a new supervisor offers what it finds"

load last --rw=randread --depth=1 --seconds=600
wait_state $DEV 4
stop_back
back_state_is $DEV 6 || fail "not closed"
[ ! -e "$XENSPLIT_RUNDIR/control" ] || fail "the control socket is left"
kill -KILL "$LOAD" 2>/dev/null
wait "$LOAD" 2>/dev/null
pass "SIGTERM closes what is in use and ends"
