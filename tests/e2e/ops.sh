#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every operation, on rings of every shape, with verified data.
# shellcheck source=tests/e2e/blk-lib.sh
. "$(dirname "$0")/blk-lib.sh"

image=$TMP/image
fresh() { truncate -s 0 "$image" && truncate -s "${1:-8M}" "$image"; }
kib() { du -k "$image" | cut -f1; }

start_xen
start_back
take_account

# --- shapes: pages, ABI, persistent, queues, segments; block of one request
while read -r sector pages abi persistent queues segs block; do
	options="--ring-pages=$pages --queues=$queues --max-segs=$segs"
	options+=" --block=$block --protocol=$abi-abi --depth=24"
	[ "$persistent" = 1 ] || options+=" --no-persistent"
	[ "$block" != 512 ] || options+=" --size=512k"
	fresh
	rm -f "$TMP/record"
	attach 2 51712 "$image" xensplit/sector-size "$sector"
	wait_state 2/51712 2
	# shellcheck disable=SC2086
	guest_ok 2 --record="$TMP/record" $options info fill verify load:200 \
		barrier verify flush
	expect guest info sector="$sector" queues="$queues" \
		persistent="$persistent" flush=1 barrier=1
	expect guest verify wrong=0 read_errors=0
	wait_state 2/51712 6
	image_right "$TMP/record" "$image"
	detach 2/51712
	pass "sectors of $sector: $options"
done <<'END'
512 1 x86_64 1 1 1 4k
512 1 x86_32 0 1 11 512
512 2 x86_64 0 2 11 44k
512 4 x86_32 1 4 12 44k
512 8 x86_64 1 2 256 32k
512 16 x86_32 0 4 256 4k
512 16 x86_64 1 4 11 16k
512 1 x86_32 1 1 256 20k
4096 1 x86_64 0 4 12 40k
4096 4 x86_32 1 1 256 4k
4096 16 x86_64 1 2 11 44k
4096 2 x86_32 0 2 256 32k
END
# indirect requests of full length, where barriers are too long for one
for options in "--block=1m --depth=6" "--block=1m --depth=6 --no-persistent" \
	"--block=48k --max-segs=12 --protocol=x86_32-abi"; do
	fresh 16M
	rm -f "$TMP/record"
	attach 2 51712 "$image"
	wait_state 2/51712 2
	# shellcheck disable=SC2086
	guest_ok 2 --record="$TMP/record" $options fill verify load:100 verify
	[ "$(counter 2/51712 indirect_requests)" -gt 0 ] || fail "not indirect"
	image_right "$TMP/record" "$image"
	detach 2/51712
	pass "indirect: $options"
done

# --- discard makes holes; of a device without the offer, not
fresh 16M
attach 2 51712 "$image"
attach 2 51728 memory:4M discard-enable 0
wait_state 2/51712 2
wait_state 2/51728 2
guest_ok 2 --record="$TMP/d.record" --block=64k --size=16m info fill flush
expect guest info discard=1
[ "$(kib)" -ge 16000 ] || fail "the image has $(kib) KiB"
guest_ok 2 --record="$TMP/d.record" --block=64k --size=16m discard verify
expect guest discard others=256 other_errors=0
[ "$(kib)" -le 1024 ] || fail "after discard the image has $(kib) KiB"
guest_ok 2 --devid=51728 info fill verify
expect guest info discard=0
guest 2 --devid=51728 --size=64k discard && fail "discard without the offer"
[ "$(counter 2/51712 discard_requests)" -gt 0 ] || fail "no discards counted"
detach 2/51712 2/51728
pass "discard punches holes"

# --- flush and barrier are counted, read-only and CD-ROM refuse writes
fresh
attach 2 51712 "$image"
wait_state 2/51712 2
guest_ok 2 --record="$TMP/r.record" fill barrier flush verify
[ "$(counter 2/51712 flush_requests)" -ge 1 ] || fail "no flush counted"
detach 2/51712
attach 2 51712 "$image" mode r
attach 2 51728 "$image" mode r device-type cdrom removable 1
for id in 51712 51728; do
	wait_state 2/$id 2
	guest_ok 2 --devid=$id --record="$TMP/r.record" info verify
	expect guest info read_only=1 discard=0
	guest 2 --devid=$id --tolerate fill || fail "status"
	expect guest fill writes=0
	wait_state 2/$id 6
done
guest_ok 2 --devid=51728 info
expect guest info cdrom=1 removable=1
detach 2/51712 2/51728
image_right "$TMP/r.record" "$image"
pass "read-only and CD-ROM"

# --- GRUB, then Linux; Mini-OS, as front_walk.c says
fresh
attach 2 51712 "$image"
wait_state 2/51712 2
for who in grub linux grub minios minios grub grub linux linux; do
	in_dom 2 "$E2E_BIN/front_walk" 51712 $who 2>"$TMP/walk.err" || {
		cat "$TMP/walk.err" >&2
		fail "as $who"
	}
done
guest_ok 2 fill verify
pass "as GRUB, Linux and Mini-OS do, one after the other"
detach 2/51712
wait_for 10 no_worker 2 || fail "the worker stays"
balanced
stop_back
