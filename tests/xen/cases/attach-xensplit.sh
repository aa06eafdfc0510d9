# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# xensplit block-attach, block-list, block-detach with a stock Linux guest.
# limit: 120
# takes: 20

start_back
use_guest g1
id=$(domid g1)
grants=$(mapped_grants "$id") ports=$(ports "$id" 0)
truncate -s 32M "$DISKS/a.img"
xensplit block-attach g1 "vdev=xvda,target=$DISKS/a.img" ||
	fail "block-attach"
xensplit block-attach g1 "$DISKS/a.img,raw,xvdb,w" 2>"$TMP/err" &&
	fail "the same image twice"
grep -q "in use\|busy\|attached" "$TMP/err" || fail "why: $(cat "$TMP/err")"
pass "attached; the same image a second time is refused"
guest_fio g1 --rw=randrw --bs=4k --size=4M --iodepth=16 || fail "I/O"
[ "$(xensplit block-list --json g1 |
	jq -r '.[0] | "\(.vdev) \(.backend_state) \(.frontend_state)"')" = \
	"xvda Connected Connected" ] || fail "block-list: $(xensplit block-list --json g1)"
xensplit block-list
xensplit block-detach g1 xvda || fail "block-detach"
nothing_left_of g1 "$id" "$grants" "$ports"
pass "detached, nothing is left"
