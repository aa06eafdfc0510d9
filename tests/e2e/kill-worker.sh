#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A worker can die at any moment and the guest does not notice: SIGKILL again
# and again under verified load, on rings of every kind.
# shellcheck source=tests/e2e/blk-lib.sh
. "$(dirname "$0")/blk-lib.sh"

# Of each worker; a sixth death within ten seconds is one too many.
KILLS=5

declare -A OPTIONS=(
	[2]="--depth=32"
	[3]="--queues=4 --block=16k"
	[4]="--block=512k --depth=8"
	[5]="--protocol=x86_32-abi --ring-pages=1 --no-persistent"
)
guests="2 3 4 5"

start_xen
start_back
make_guests 3 4 5 6 7
take_account
for fe in $guests; do
	truncate -s 32M "$TMP/$fe.img"
	attach "$fe" 51712 "$TMP/$fe.img"
done
# a second disk of the same worker
truncate -s 8M "$TMP/second.img"
attach 2 51728 "$TMP/second.img"
for fe in $guests; do
	wait_state "$fe/51712" 2
	# shellcheck disable=SC2086
	guest_start "load$fe" "$fe" --record="$TMP/$fe.record" ${OPTIONS[$fe]} \
		fill load verify
done
wait_state 2/51728 2
guest_start second 2 --devid=51728 --record="$TMP/second.record" load verify
for fe in $guests; do
	guest_says "load$fe" 'load begins'
	moves "$fe/51712"
done
moves 2/51728
pass "verified load on five disks of four guests"

killed=0
for fe in $guests; do
	for ((n = 0; n < KILLS; n++)); do
		wait_for 10 has_worker "$fe" || fail "no worker of domain $fe"
		old=$(worker "$fe")
		kill -KILL "$old" || fail "worker $old is gone"
		killed=$((killed + 1))
		wait_for 10 has_other_worker "$fe" "$old" ||
			fail "no other worker of domain $fe"
		# now and then before it has begun
		[ $n = 2 ] || moves "$fe/51712"
	done
	moves "$fe/51712"
	[ "$(counter "$fe/51712" resumed)" -gt 0 ] ||
		fail "no request of domain $fe was resumed"
	[ "$(counter "$fe/51712" errors)" = 0 ] || fail "errors of $fe"
	pass "guest with '${OPTIONS[$fe]}': worker killed $KILLS times," \
		"$(counter "$fe/51712" resumed) requests resumed"
done
moves 2/51728
[ $killed -ge 20 ] || fail "only $killed"

# --- stopped, it holds up its guest and nobody else
pid=$(worker 3)
kill -STOP "$pid"
moves 2/51712
moves 5/51712
before=$(requests 3/51712)
moves 4/51712
[ "$(requests 3/51712)" = "$before" ] || fail "a stopped worker works"
kill -CONT "$pid"
moves 3/51712
pass "a worker that was stopped goes on"

for fe in $guests; do guest_tell "load$fe"; done
guest_tell second
for fe in $guests; do
	guest_end "load$fe"
	expect "load$fe" load wrong=0 read_errors=0 write_errors=0
	expect "load$fe" verify wrong=0 read_errors=0
	image_right "$TMP/$fe.record" "$TMP/$fe.img"
done
guest_end second
image_right "$TMP/second.record" "$TMP/second.img"
pass "no error and no wrong data at any frontend, nor in the images"

# --- death while the guest does nothing, and while it is closing; of a worker
# that has not used up its deaths
truncate -s 8M "$TMP/7.img"
attach 7 51712 "$TMP/7.img"
wait_state 7/51712 2
guest_start idle 7 --record="$TMP/7.record" --block=16k load:100 pause load:100 \
	pause
guest_says idle paused
old=$(worker 7)
kill -KILL "$old"
wait_for 10 has_other_worker 7 "$old" || fail "no other worker"
guest_tell idle
paused_twice() { [ "$(grep -c paused "$TMP/idle.out")" = 2 ]; }
wait_for 20 paused_twice || fail "nothing moves after an idle worker's death"
pass "an idle worker was killed"
# It is stopped, so that it is killed before it has answered the close.
kill -STOP "$(worker 7)"
guest_tell idle
wait_state 7/51712 5
kill -KILL "$(worker 7)"
guest_end idle
wait_state 7/51712 6
said 'dies again and again' && fail "one was given up"
pass "a worker was killed while its guest closed"

detach 2/51712 2/51728 3/51712 4/51712 5/51712 7/51712
balanced
pass "detached; ports, grants, maps, descriptors are given back"

# --- one that dies again and again is given up, with a reason
truncate -s 8M "$TMP/6.img"
attach 6 51712 "$TMP/6.img"
wait_state 6/51712 2
guest_start load6 6 --record="$TMP/6.record" --tolerate load
guest_says load6 'load begins'
given_up() { said 'domain 6: the worker of this domain dies again and again'; }
other_or_given_up() { has_other_worker 6 "$1" || given_up; }
for ((n = 0; n < 12; n++)); do
	given_up && break
	old=$(worker 6)
	[ -z "$old" ] || kill -KILL "$old"
	wait_for 10 other_or_given_up "${old:-0}" || fail "neither"
done
given_up || fail "a worker is restarted for ever"
has_error() { [ -n "$(store "$BACK/6/51712/error")" ]; }
wait_for 10 has_error || fail "no error node"
guest_status load6
[ "$(value load6 load wrong)" = 0 ] || fail "wrong data"
# The first may read the old error before the backend has seen it come.
wait_for 10 guest 6 --record="$TMP/6.record" verify load:1000 ||
	fail "not usable again: $(cat "$TMP/guest.err")"
image_right "$TMP/6.record" "$TMP/6.img"
detach 6/51712
balanced
pass "a worker that dies again and again is given up; the disk can be used again"
stop_back
