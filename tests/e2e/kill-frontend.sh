#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A frontend or its whole domain dies at any moment: while it connects, idle,
# under load, while it closes.  The backend lets go of everything, and another
# frontend finds the same disk, with every acknowledged write on it.
# shellcheck source=tests/e2e/blk-lib.sh
. "$(dirname "$0")/blk-lib.sh"

record=$TMP/record
image=$TMP/image
fe_state() { store /local/domain/2/device/vbd/51712/state; }
fe_has_state() { [ -n "$(fe_state)" ]; }
be_left_init() { [ "$(back_state 2/51712)" != 2 ]; }
no_maps()
{
	[ "$("$XENLOCAL" status --json |
		jq '.domains[] | select(.domid == 1) | .grants.maps')" = 0 ]
}

start_xen
start_back
take_account
truncate -s 16M "$image"
attach 2 51712 "$image"
wait_state 2/51712 2
guest_ok 2 --record="$record" fill verify

# again: another frontend, with other options each time.  The backend may be
# within the dead one's connection, and refuses what it cannot have any more:
# nothing of that is the next one's.
options=("--queues=4" "--protocol=x86_32-abi --queues=2" "--no-persistent"
	"--ring-pages=1")
round=0
again()
{
	local more=${options[round++ % ${#options[@]}]}
	# shellcheck disable=SC2086
	guest_ok 2 --record="$record" $more verify load:300 verify
	expect guest verify wrong=0
	image_right "$record" "$image"
	wait_state 2/51712 6
	wait_for 10 no_maps || fail "grants of the dead stay mapped"
}

# --- idle
guest_start dead 2 --record="$record" --queues=2 load:100 pause
guest_says dead paused
guest_kill dead
again
pass "killed while idle"

# --- under load, at moments that differ
for n in 1 2 3 4; do
	guest_start dead 2 --record="$record" --queues=2 --depth=64 \
		--seed=$n load
	guest_says dead 'load begins'
	[ $n = 1 ] || moves 2/51712
	[ $n != 3 ] || moves 2/51712
	guest_kill dead
	again
done
pass "killed under load, four times"

# --- under load, and the image has no more to say when it is written by
# another: what was in flight has ended before
guest_start dead 2 --record="$record" --block=4096 --depth=256 load
guest_says dead 'load begins'
moves 2/51712
guest_kill dead
guest_ok 2 --record="$record" fill verify
image_right "$record" "$image"
pass "what the dead had in flight does not come later"

# --- while it connects: at each state of the two
for n in 1 2 3 4 5 6; do
	guest_start dead 2 --record="$record" --queues=4 load:10 pause
	# from Closed on both sides to Connected on both
	case $n in
	1) ;;
	2) wait_for 10 back_state_is 2/51712 2 ;;
	3) wait_for 10 be_left_init ;;
	4) wait_for 10 fe_has_state ;;
	5) wait_for 10 back_state_is 2/51712 4 ;;
	6) guest_says dead paused ;;
	esac
	guest_kill dead
	again
done
pass "killed while it connects, six times"

# --- with the backend held up, so that it is sure to be within the connection
guest_ok 2 --record="$record" load:10
kill -STOP "$(worker 2)"
guest_start dead 2 --record="$record" load:10
fe_is_3() { [ "$(fe_state)" = 3 ]; }
wait_for 10 fe_is_3 || fail "the frontend is in state '$(fe_state)'"
guest_kill dead
guest_start next 2 --record="$record" verify load:10
fe_is_6() { [ "$(fe_state)" = 6 ]; }
wait_for 10 fe_is_6 || fail "the next one begins in state '$(fe_state)'"
kill -CONT "$(worker 2)"
guest_end next
again
pass "killed while the backend connects"

# --- while it closes
guest_start dead 2 --record="$record" load:100 pause
guest_says dead paused
kill -STOP "$(worker 2)"
guest_tell dead
wait_state 2/51712 5
guest_kill dead
kill -CONT "$(worker 2)"
again
pass "killed while it closes"

# --- the disk is taken away under a dead frontend: force, since it cannot agree
guest_start dead 2 --record="$record" --depth=64 load
guest_says dead 'load begins'
moves 2/51712
guest_kill dead
tool block-detach --force 2 xvda || fail "force"
wait_for 10 no_worker 2 || fail "the worker stays"
balanced
image_right "$record" "$image"
pass "detached by force under a dead frontend"

# --- whole domains
destroyed()
{
	"$XENLOCAL" destroy 3 || fail "destroy"
	if [ -n "${GUEST_PID[dead]:-}" ]; then
		guest_status dead 2>/dev/null
	fi
	# A frontend's directory that came and went before it was looked at may
	# still come, for all that a driver domain knows.
	[ "$1" = none ] || wait_for 10 no_worker 3 ||
		fail "the worker of a dead domain stays"
	in_dom 0 xenstore-rm "$BACK/3"
	wait_for 10 no_worker 3 || fail "the worker of no device stays"
	balanced "$1"
}

for moment in none offered connecting idle load closing; do
	make_guests 3
	attach 3 51712 "$image"
	attach 3 51728 memory:4M
	case $moment in
	none) ;;
	*)
		wait_state 3/51712 2
		wait_state 3/51728 2
		;;&
	connecting | idle | load | closing)
		guest_start dead 3 --record="$record" --queues=2 --tolerate \
			load
		;;&
	idle | load | closing) guest_says dead 'load begins' ;;&
	load) moves 3/51712 ;;
	idle) guest_tell dead; guest_end dead ;;
	closing)
		kill -STOP "$(worker 3)"
		ask_detach 3 51712
		wait_state 3/51712 5
		;;
	esac
	destroyed "$moment"
	attach 2 51712 "$image"
	wait_state 2/51712 2
	again
	detach 2/51712
	wait_for 10 no_worker 2 || fail "the worker stays"
done
pass "domains destroyed at six moments; the image is another's at once"
stop_back
