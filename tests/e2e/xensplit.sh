#!/bin/bash
# SPDX-License-Identifier: MIT
# The command: attach ends Connected or with one readable reason and nothing
# left behind; detach; list; stats; JSON.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/e2e/lib-xensplitd.sh"
need jq

FRONT=/local/domain/2/device/vbd
XS=$BUILD/bin/xensplit
xs() { in_dom 0 timeout 30 "$XS" "$@"; }
disk() { echo "vdev=$1,access=${3:-w},backend=back,target=$2"; }

# nothing of the disk in xenstore, on either side
clean() { gone "$BACK/2/$1" && gone "$FRONT/$1"; }

# refused WORDS STATUS DEVID ARGUMENT...: fails with that exit status and one
# line that has these words, and leaves nothing
refused()
{
	local words=$1 want=$2 devid=$3 status
	shift 3
	xs "$@" >"$TMP/out" 2>"$TMP/err"
	status=$?
	[ $status = "$want" ] ||
		fail "$*: exit status $status, not $want: $(cat "$TMP/err")"
	grep -q -- "$words" "$TMP/err" ||
		fail "$*: no '$words' in: $(cat "$TMP/err")"
	[ "$want" = 2 ] || [ "$(wc -l <"$TMP/err")" = 1 ] ||
		fail "$*: more than one line: $(cat "$TMP/err")"
	clean "$devid" || fail "$*: something is left behind"
}

start_xen
"$XENLOCAL" create --domid 1 --name back --driver-domain >/dev/null
"$XENLOCAL" create --domid 2 --name guest >/dev/null
truncate -s 8M "$TMP/a.img"

# --- before anything serves
refused "xensplitd" 1 51712 block-attach guest "$(disk xvda "$TMP/a.img")" \
	--timeout 3 --wait=backend
pass "no backend: said so, nothing left"

start_back

# --- what cannot be
refused "nobody" 1 51712 block-attach nobody "$(disk xvda "$TMP/a.img")"
refused "vdev" 2 51712 block-attach guest "$(disk nonsense "$TMP/a.img")"
refused "$TMP/none.img" 1 51712 block-attach guest \
	"$(disk xvda "$TMP/none.img")"
refused "memory:lots" 1 51712 block-attach guest "$(disk xvda memory:lots)"
refused "did not connect\|not connect\|Initialising" 1 51712 block-attach \
	guest "$(disk xvda "$TMP/a.img")" --timeout 3
reason=$(in_dom 0 xenstore-ls -f /local/domain/1/error 2>/dev/null)
[ -n "$reason" ] || fail "no reason is left in xenstore"
xs block-attach guest "$(disk xvda "$TMP/none.img")" --json >"$TMP/json" 2>/dev/null &&
	fail "attached an image that is not there"
jq -e .error "$TMP/json" >/dev/null || fail "no JSON error: $(cat "$TMP/json")"
pass "what cannot be attached is refused with one line, nothing left"

# --- attach while a frontend comes
in_dom 2 "$E2E_BIN/blkfront_io" --devid=xvda --rw=randread --seconds=600 \
	--depth=2 >"$TMP/io" 2>&1 &
load=$!
xs block-attach guest "$(disk xvda "$TMP/a.img")" --json >"$TMP/json" ||
	fail "attach: $(cat "$TMP/json")"
jq -e . "$TMP/json" >/dev/null || fail "no JSON: $(cat "$TMP/json")"
back_state_is 2/51712 4 || fail "attached, but not Connected"
refused_again=$(xs block-attach guest "$(disk xvda "$TMP/a.img")" 2>&1) &&
	fail "attached twice"
[[ $refused_again == *already* ]] || fail "twice: $refused_again"
back_state_is 2/51712 4 || fail "the second attach disturbed the first"
pass "attached and Connected; not twice"

refused "xvda\|51712\|in use\|attached" 1 51728 block-attach guest \
	"$(disk xvdb "$TMP/a.img")" --wait=backend
xs block-attach guest "$(disk xvdb "$TMP/a.img" 'w!')" --wait=backend ||
	fail "w! beside w"
xs block-detach guest xvdb || fail "detach xvdb"
clean 51728 || fail "xvdb: something is left"
pass "an image in use is refused, and shared with w!"

# --- listings
[ "$(xs block-list guest --json |
	jq -r '.. | objects | select(.vdev? == "xvda") | .vdev')" = xvda ] ||
	fail "block-list --json: $(xs block-list --json)"
xs block-list | grep -q '^xvda .*Connected' || fail "block-list"
reads() {
	in_dom 1 "$XS" stats --json |
		jq '[.. | objects | .read_requests? // empty] | add'
}
[ "$(reads)" -gt 0 ] || fail "stats --json"
in_dom 1 "$XS" stats guest 2>/dev/null | grep -q read_requests ||
	in_dom 1 "$XS" stats 2 | grep -q read_requests || fail "stats"
pass "block-list and stats"

# --- detach under load
xs block-detach guest xvda --json >"$TMP/json" || fail "$(cat "$TMP/json")"
clean 51712 || fail "detached, but something is left"
refused "not attached\|no such\|no disk" 1 51712 block-detach guest xvda
wait "$load"
pass "detached under load; not twice"

refused "usage\|unknown\|command" 2 51712 frobnicate
pass "a command that is none"
stop_back
