#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Detaching under load loses no acknowledged write; by force it ends in bounded
# time, whatever the frontend and the store do.
# shellcheck source=tests/e2e/blk-lib.sh
. "$(dirname "$0")/blk-lib.sh"

need nbdkit
record=$TMP/record
image=$TMP/image
socket=$TMP/nbd

spec() { echo "format=raw,vdev=$1,access=rw,backend=1,target=$2"; }
block_attach()
{
	tool block-attach --wait=backend 2 "$(spec "$1" "$2")" ||
		fail "attach $1"
}
left() { in_dom 0 xenstore-ls "$BACK/2" 2>/dev/null; }
# bounded SECONDS COMMAND...: must succeed before
bounded()
{
	local begin=$SECONDS
	"${@:2}" || fail "${*:2}"
	[ $((SECONDS - begin)) -lt "$1" ] ||
		fail "${*:2} took $((SECONDS - begin)) s"
}
all_given_back()
{
	[ -z "$(left)" ] || fail "left: $(left)"
	wait_for 10 no_worker 2 || fail "the worker stays"
	balanced "$1"
}

start_xen
start_back
take_account
truncate -s 16M "$image"

# --- orderly, under load on rings of several kinds
for options in "--depth=64" "--queues=4 --block=16k" \
	"--block=512k --depth=8" "--no-persistent --protocol=x86_32-abi"; do
	rm -f "$record"
	truncate -s 0 "$image"
	truncate -s 16M "$image"
	block_attach xvda "$image"
	# shellcheck disable=SC2086
	guest_start load 2 --record="$record" --tolerate $options load
	guest_says load 'load begins'
	moves 2/51712
	bounded 10 tool block-detach 2 xvda
	guest_status load
	[ $STATUS = 0 ] || fail "the guest: status $STATUS"
	[ "$(value load load status)" != 0 ] ||
		fail "the frontend does not know that its disk is gone"
	[ "$(value load load writes)" -gt 0 ] || fail "no write"
	image_right "$record" "$image"
	all_given_back "$options"
	pass "detached under load with '$options':" \
		"$(value load load writes) writes acknowledged, none lost"
done

# --- it can be attached again, with what was written
block_attach xvda "$image"
guest_ok 2 --record="$record" --no-persistent verify load:500 verify
tool block-detach 2 xvda || fail "detach"
image_right "$record" "$image"
all_given_back again
pass "attached again"

# --- a frontend that has never come
block_attach xvda "$image"
bounded 5 tool block-detach 2 xvda
all_given_back "never connected"
block_attach xvda "$image"
bounded 5 tool block-detach --force 2 xvda
all_given_back "never connected, force"
pass "detached before a frontend came"

# --- a frontend that does not move: refused in order, and goes on; then force
block_attach xvda "$image"
guest_start stopped 2 --record="$record" --tolerate --depth=64 load
guest_says stopped 'load begins'
moves 2/51712
kill -STOP "$(guest_pid stopped)"
refuses "a frontend that does not move keeps its disk" \
	tool block-detach --timeout 1 2 xvda
kill -CONT "$(guest_pid stopped)"
moves 2/51712
kill -STOP "$(guest_pid stopped)"
bounded 10 tool block-detach --force 2 xvda
[ -z "$(left)" ] || fail "left: $(left)"
wait_for 10 no_worker 2 || fail "the worker stays"
kill -CONT "$(guest_pid stopped)"
guest_status stopped
[ $STATUS = 0 ] || fail "the guest: status $STATUS"
[ "$(value stopped load status)" != 0 ] || fail "it does not know"
image_right "$record" "$image"
balanced "stopped frontend"
pass "force under a frontend that does not move"

# --- a store that hangs: what is in flight is answered with errors
nbdkit -U "$socket" --filter=delay -f memory 16M rdelay=600 wdelay=600 &
nbdkit=$!
wait_for 10 test -S "$socket" || fail "nbdkit"
block_attach xvdb "nbd:unix:$socket"
block_attach xvda "$image"
guest_start hung 2 --devid=xvdb --tolerate --depth=32 load
guest_says hung 'load begins'
in_flight() { [ "$(requests 2/51728)" -ge 32 ]; }
wait_for 10 in_flight || fail "no requests"
guest_start other 2 --record="$record" load
guest_says other 'load begins'
moves 2/51712
bounded 10 tool block-detach --force 2 xvdb
guest_status hung
[ $STATUS = 0 ] || fail "the guest: status $STATUS"
errors=$(($(value hung load read_errors) + $(value hung load write_errors)))
[ $errors -ge 32 ] || fail "only $errors errors"
expect hung load reads=0 writes=0 wrong=0
moves 2/51712
guest_tell other
guest_end other
expect other load wrong=0 read_errors=0 write_errors=0
tool block-detach 2 xvda || fail "detach"
kill "$nbdkit"
wait "$nbdkit" 2>/dev/null
rm -f "$socket"
image_right "$record" "$image"
all_given_back "hanging store"
pass "force under a store that hangs; another disk is undisturbed"

# --- a worker that hangs is killed, and the guest's other disk goes on
block_attach xvda "$image"
block_attach xvdb memory:8M
guest_start other 2 --record="$record" load
guest_start held 2 --devid=xvdb --tolerate load
guest_says other 'load begins'
guest_says held 'load begins'
moves 2/51712
moves 2/51728
kill -STOP "$(worker 2)"
bounded 10 tool block-detach --force 2 xvdb
moves 2/51712
guest_tell other
guest_end other
expect other load wrong=0 read_errors=0 write_errors=0
guest_status held
tool block-detach 2 xvda || fail "detach"
image_right "$record" "$image"
all_given_back "hanging worker"
pass "force under a worker that hangs; another disk goes on"
stop_back
