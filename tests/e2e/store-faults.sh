#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Stores that fail: errors at a rate, no space, slow, gone, cut off, full.  The
# guest gets an error for each request that failed and right data for each that
# did not; the log names the device; the guest's other disk notices nothing.
# shellcheck source=tests/e2e/blk-lib.sh
. "$(dirname "$0")/blk-lib.sh"

need nbdkit unshare
socket=$TMP/nbd
NBDKIT=

# serve ARGUMENT...: nbdkit on $socket
serve()
{
	rm -f "$socket"
	nbdkit -f -U "$socket" "$@" 2>"$TMP/nbdkit.log" &
	NBDKIT=$!
	wait_for 10 test -S "$socket" ||
		fail "nbdkit: $(cat "$TMP/nbdkit.log")"
}
stop_serving()
{
	kill "$NBDKIT" 2>/dev/null
	wait "$NBDKIT" 2>/dev/null
	NBDKIT=
}
sum() { echo $(($(value "$1" "$2" read_errors) + $(value "$1" "$2" write_errors))); }
# The faulty disk is xvdb; it is attached anew for each fault.
begin()
{
	attach 2 51728 "$1"
	wait_state 2/51728 2
	rm -f "$TMP/faulty.record"
}
# The log has an error of this disk, and none of the other.
named()
{
	grep -q "error vbd/2/51728: .* failed: $1" "$BACK_LOG" || {
		grep "vbd/2/51728" "$BACK_LOG" | tail -n 10 >&2
		fail "the log does not say '$1'"
	}
	: >"$BACK_LOG"
}
over()
{
	moves 2/51712
	detach 2/51728
	pass "$1"
}

# xensplitd, in a mount namespace with a file system of 2 MiB if that may be
start_back_with_small()
{
	local mount='mount -t tmpfs -o size=2m none "$0" || exit 1'

	"$XENLOCAL" create --domid 1 --name back --driver-domain >/dev/null
	"$XENLOCAL" create --domid 2 --name guest >/dev/null
	mkdir "$TMP/small"
	small=
	in_dom 1 unshare -m sh -c "$mount" "$TMP/small" 2>/dev/null && small=1
	[ -n "$small" ] || mount=
	: >"$TMP/ready"
	# shellcheck disable=SC2016
	"$XENLOCAL" exec --domid 1 -- unshare ${small:+-m} sh -c "$mount
		truncate -s 8M \"\$0/image\"
		exec \"\$@\"" "$TMP/small" "$BUILD/bin/xensplitd" \
		--ready-fd 7 --log-level debug 7>"$TMP/ready" \
		>>"$BACK_LOG" 2>&1 &
	XENSPLITD_PID=$!
	to_be_ready 10 || {
		cat "$BACK_LOG" >&2
		fail "xensplitd does not get ready"
	}
}

start_xen
start_back_with_small
take_account
truncate -s 8M "$TMP/good.img"
attach 2 51712 "$TMP/good.img"
wait_state 2/51712 2
guest_start good 2 --record="$TMP/good.record" --queues=2 --depth=2 load verify
guest_says good 'load begins'

# --- EIO at a rate, for each operation; nbdkit's log says how many
for error in EIO ENOSPC; do
	serve --filter=log --filter=error memory 2M logfile="$TMP/nbd.log" \
		error=$error error-pread-rate=5% error-pwrite-rate=10%
	begin "nbd:unix:$socket"
	for options in "" "--queues=3" "--no-persistent"; do
		# shellcheck disable=SC2086
		guest_ok 2 --devid=51728 --record="$TMP/faulty.record" \
			--tolerate $options fill load:1000 verify
		for command in fill load verify; do
			expect guest $command wrong=0 refused=0 status=0
		done
		[ "$(value guest fill write_errors)" -gt 0 ] ||
			fail "no errors"
		[ "$(sum guest load)" -gt 0 ] || fail "no errors under load"
		[ "$(value guest verify read_errors)" -gt 0 ] ||
			fail "no read errors"
		cat "$TMP/guest.out" >>"$TMP/all.out"
		wait_state 2/51728 6
	done
	seen=$(grep -o '[a-z]*_errors=[0-9]*' "$TMP/all.out" | cut -d= -f2 |
		awk '{ n += $1 } END { print n }')
	caused=$(grep -c "error=$error" "$TMP/nbd.log")
	[ "$seen" = "$caused" ] ||
		fail "the guest saw $seen errors, the store caused $caused"
	[ "$(counter 2/51728 errors)" = "$caused" ] ||
		fail "counted: $(counter 2/51728 errors), caused: $caused"
	rm -f "$TMP/all.out" "$TMP/nbd.log"
	case $error in
	EIO) named 'Input/output error' ;;
	ENOSPC) named 'No space left on device' ;;
	esac
	over "$error at a rate: $caused requests failed, no other"
	stop_serving
done

# --- flush, barrier and discard that fail
truncate -s 256K "$TMP/eval.img"
serve eval get_size='echo 262144' \
	pread="dd if='$TMP/eval.img' iflag=count_bytes,skip_bytes \
		status=none count=\$3 skip=\$4" \
	pwrite="dd of='$TMP/eval.img' oflag=seek_bytes conv=notrunc \
		status=none seek=\$4" \
	can_write='exit 0' can_flush='exit 0' can_trim='exit 0' \
	flush='echo EIO flush >&2; exit 1' trim='echo EIO trim >&2; exit 1'
begin "nbd:unix:$socket"
guest_ok 2 --devid=51728 --record="$TMP/faulty.record" --tolerate \
	fill flush barrier discard verify
expect guest fill write_errors=0 writes=64
expect guest flush other_errors=1 others=0
expect guest barrier writes=0 write_errors=64
expect guest discard others=0 other_errors=64
expect guest verify reads=64 wrong=0
named 'Input/output error'
over "flush, barrier and discard that fail"
stop_serving

# --- slow, and nothing else
serve --filter=delay memory 1M rdelay=20ms wdelay=20ms
begin "nbd:unix:$socket"
guest_ok 2 --devid=51728 --record="$TMP/faulty.record" fill verify load:200
over "slow"
stop_serving

# --- the server is killed under load: errors, until attached again
truncate -s 8M "$TMP/served.img"
serve file "$TMP/served.img"
begin "nbd:unix:$socket"
guest_start faulty 2 --devid=51728 --record="$TMP/faulty.record" --tolerate \
	--queues=2 --depth=32 load verify
guest_says faulty 'load begins'
moves 2/51728
kill -KILL "$NBDKIT"
wait "$NBDKIT" 2>/dev/null
has_errors() { [ "$(counter 2/51728 errors)" -gt 0 ]; }
wait_for 10 has_errors || fail "no errors"
[ "$(back_state 2/51728)" = 4 ] || fail "state $(back_state 2/51728)"
guest_tell faulty
guest_end faulty
expect faulty load wrong=0
expect faulty verify reads=0 read_errors=2048 wrong=0 status=0
grep -q 'the NBD server is gone' "$BACK_LOG" || fail "the log does not say it"
named 'Input/output error'
image_right "$TMP/faulty.record" "$TMP/served.img"
detach 2/51728
serve file "$TMP/served.img"
attach 2 51728 "nbd:unix:$socket"
wait_state 2/51728 2
guest_ok 2 --devid=51728 --record="$TMP/faulty.record" --queues=2 verify \
	load:500 verify
over "the server was killed, and is attached again"
stop_serving

# --- an image that becomes shorter without a word, under reads (a write past
# the new end makes it longer again)
truncate -s 8M "$TMP/cut.img"
begin "$TMP/cut.img"
reads="verify verify verify verify verify verify verify verify verify verify"
# shellcheck disable=SC2086
guest_start faulty 2 --devid=51728 --record="$TMP/faulty.record" --tolerate \
	--queues=2 fill $reads pause verify
guest_says faulty '^verify'
truncate -s 1M "$TMP/cut.img"
sectors_cut() { [ "$(store "$BACK/2/51728/sectors")" = 2048 ]; }
wait_for 10 sectors_cut || fail "not seen"
guest_says faulty '^paused'
expect faulty verify wrong=0 reads=256 read_errors=1792
[ "$(back_state 2/51728)" = 4 ] || fail "state $(back_state 2/51728)"
guest_tell faulty
guest_end faulty
expect faulty verify wrong=0 reads=256 read_errors=1792
over "an image cut off under load"

# --- a file system that is full under an image with holes
if [ -z "$small" ]; then
	pass "(no full file system: mounts are not allowed here)"
else
	begin "$TMP/small/image"
	guest_ok 2 --devid=51728 --record="$TMP/faulty.record" --tolerate \
		fill verify load:2000 verify
	[ "$(value guest fill writes)" -gt 0 ] || fail "nothing written"
	[ "$(value guest fill write_errors)" -gt 0 ] || fail "it is not full"
	for command in fill load verify; do
		expect guest $command wrong=0 read_errors=0 status=0
	done
	named 'No space left on device'
	# holes make room again
	guest_ok 2 --devid=51728 --record="$TMP/faulty.record" discard
	guest_ok 2 --devid=51728 --record="$TMP/faulty.record" --size=8m \
		region:0:512k fill verify
	over "a full file system"
fi

guest_tell good
guest_end good
expect good load wrong=0 read_errors=0 write_errors=0
[ "$(counter 2/51712 errors)" = 0 ] || fail "the other disk had errors"
image_right "$TMP/good.record" "$TMP/good.img"
detach 2/51712
wait_for 10 no_worker 2 || fail "the worker stays"
balanced
stop_back
pass "the guest's other disk was undisturbed"
