#!/bin/bash
# SPDX-License-Identifier: MIT
#
# An image grows and shrinks while its disk is connected: the frontend sees it,
# uses the new part, and is refused what is no more.
# shellcheck source=tests/e2e/blk-lib.sh
. "$(dirname "$0")/blk-lib.sh"

M=$((1024 * 1024))
image=$TMP/image
sectors_are() { [ "$(store "$BACK/2/51712/sectors")" = $(($1 / 512)) ]; }
resized()
{
	wait_for 10 sectors_are "$1" ||
		fail "sectors: $(store "$BACK/2/51712/sectors")"
	[ "$(back_state 2/51712)" = 4 ] || fail "not connected any more"
}

start_xen
start_back
take_account
truncate -s 8M "$image"
attach 2 51712 "$image"
wait_state 2/51712 2

# --- grows, noticed by itself; under load
guest_start load 2 --record="$TMP/record" --size=8m --queues=2 load \
	"size:$((32 * M))" verify region:8m:24m fill verify info pause \
	"size:$((16 * M))" region:0:16m fill verify region:16m:4m pause
guest_says load 'load begins'
moves 2/51712
truncate -s 32M "$image"
resized $((32 * M))
moves 2/51712
guest_tell load
guest_says load '^paused'
expect load load wrong=0 read_errors=0 write_errors=0
expect load verify reads=6144 read_errors=0
expect load info size=$((32 * M))
pass "grown under load; the new part is written and read"

# --- shrinks
truncate -s 16M "$image"
resized $((16 * M))
guest_tell load
guest_says load "^size $((16 * M))"
guest_says load '^verify reads=4096'
pass "shrunk; what is left is written and read"
guest_tell load
guest_end load

# --- past the new end: refused to a frontend, also one that was quicker
guest 2 --offset=16m --size=1m fill && fail "a write past the end"
guest_ok 2 --offset=0 --size=16m fill verify
pass "nothing is past the end"

# --- while no frontend is connected, and by the key
truncate -s 24M "$image"
guest_ok 2 info
wait_state 2/51712 6
truncate -s 20M "$image"
guest_start load 2 --size=20m "size:$((20 * M))" fill "size:$((28 * M))" region:20m:8m fill verify
guest_says load '^fill'
truncate -s 28M "$image"
put "$BACK/2/51712/xensplit/resize" 1
guest_end load
expect load verify reads=2048 wrong=0
pass "new sizes between connections, and by xensplit/resize"

# --- an odd size is rounded down to sectors, and no size is no disk
guest_start odd 2 --size=8m fill load \
	"size:$((28 * M + 512))"
guest_says odd 'load begins'
truncate -s $((28 * M + 1000)) "$image"
resized $((28 * M + 512))
guest_tell odd
guest_end odd
pass "rounded down to sectors"

detach 2/51712
wait_for 10 no_worker 2 || fail "the worker stays"
balanced
stop_back
