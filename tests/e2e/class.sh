#!/bin/bash
# SPDX-License-Identifier: MIT
# Which backend directories are served: those in backend/vbd that are marked,
# where another backend has the others, and all in backend/xensplit-vbd.  And
# a disk whose hotplug script takes its time: offered at once, opened later.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-xensplitd.sh"
need jq

start_xen
xensplit() { in_dom 0 "$BUILD/bin/xensplit" "$@"; }
start_back --vbd marked --vif marked

# ---- marked ----

attach 2 51712 memory:8M
attach 2 51728 memory:8M xensplit/serve 1
wait_state 2/51728 2
# in the order of the watch's events: had the first been taken, it was by now
[ "$(back_state 2/51712)" = 1 ] || fail "a disk that is not marked is served"
pass "a marked disk is served, the one beside it is left alone"
put "$BACK/2/51712/xensplit/serve" 1
wait_state 2/51712 2
io 2 --devid=xvda --rw=verify || fail "I/O"
pass "and when it is marked later, it is served too"
ask_detach 2 51712
detached 2 51712
ask_detach 2 51728
detached 2 51728

# ---- the own class ----

"$XENLOCAL" exec --domid 2 -- "$E2E_BIN/blkfront_io" --devid=xvda --rw=verify \
	--wait-ms=60000 >"$TMP/io.out" 2>&1 &
guest=$!
xensplit block-attach --class=xensplit-vbd --json guest \
	backend=back,vdev=xvda,access=rw,target=memory:8M >"$TMP/attach" ||
	fail "attach: $(cat "$TMP/attach")"
[ "$(jq -r .backend "$TMP/attach")" = \
	/local/domain/1/backend/xensplit-vbd/2/51712 ] ||
	fail "where: $(cat "$TMP/attach")"
wait "$guest" || fail "I/O: $(cat "$TMP/io.out")"
pass "a disk of class xensplit-vbd works"
xensplit block-list --json | jq -e '.[0].class == "xensplit-vbd" and
	.[0].vdev == "xvda"' >"$TMP/list" || fail "list: $(xensplit block-list)"
in_dom 1 "$BUILD/bin/xensplit" stats 2 xvda --json |
	jq -e '.devices[0].device == "xensplit-vbd/2/51712"' >"$TMP/stats" ||
	fail "stats: $(in_dom 1 "$BUILD/bin/xensplit" stats)"
refuses "a second disk of that name, in the other class" \
	xensplit block-attach guest backend=back,vdev=xvda,target=memory:8M
xensplit block-detach guest xvda || fail "detach"
gone /local/domain/1/backend/xensplit-vbd || fail "left: $(in_dom 0 \
	xenstore-ls /local/domain/1/backend)"
gone /local/domain/2/device/vbd || fail "the frontend's directory is left"
pass "listed, counted, detached"
refuses "a class that does not exist" xensplit block-attach --class=qdisk \
	guest backend=back,vdev=xvda,target=memory:8M

# ---- the same for NICs ----

nic=backend=back,link=memory:sink
refuses "a NIC that is not marked" \
	xensplit network-attach --wait=backend --timeout 2 guest "$nic"
xensplit network-attach --class=xensplit-vif --wait=backend --json guest "$nic" \
	>"$TMP/attach" || fail "network-attach: $(cat "$TMP/attach")"
[ "$(jq -r .backend "$TMP/attach")" = \
	/local/domain/1/backend/xensplit-vif/2/0 ] ||
	fail "where: $(cat "$TMP/attach")"
in_dom 1 "$BUILD/bin/xensplit" stats 2 vif/0 --json |
	jq -e '.devices[0].device == "xensplit-vif/2/0"' >"$TMP/stats" ||
	fail "stats: $(in_dom 1 "$BUILD/bin/xensplit" stats)"
in_dom 1 "$BUILD/bin/xensplit" network-pcap 2 0 "$TMP/a.pcap" ||
	fail "network-pcap"
xensplit network-detach guest 0 || fail "network-detach"
gone /local/domain/1/backend/xensplit-vif || fail "left: $(in_dom 0 \
	xenstore-ls /local/domain/1/backend)"
pass "a NIC of class xensplit-vif"
stop_back

# ---- a script that takes its time ----

start_back
truncate -s 8M "$TMP/disk"
attach 2 51712 nothing script /etc/xen/scripts/block-any
# libxl runs the script when the backend is there
wait_state 2/51712 2
pass "a disk is offered before its hotplug script says what it is"
"$XENLOCAL" exec --domid 2 -- "$E2E_BIN/blkfront_io" --devid=xvda --rw=verify \
	>"$TMP/io.out" 2>&1 &
guest=$!
front_is() { [ "$(store "/local/domain/2/device/vbd/51712/state")" = "$1" ]; }
wait_for 10 front_is 3 || fail "the frontend does not come"
wait_for 10 said "waiting: $BACK/2/51712/hotplug-status" || fail "not waiting"
put "$BACK/2/51712/physical-device-path" "$TMP/disk" \
	"$BACK/2/51712/hotplug-status" connected
wait "$guest" || fail "I/O: $(cat "$TMP/io.out")"
[ "$(store "$BACK/2/51712/xensplit/opened")" = 1 ] || fail "opened is not set"
pass "a frontend that came first is connected when the script is done"
ask_detach 2 51712
detached 2 51712

attach 2 51712 nothing script /etc/xen/scripts/block-any
wait_state 2/51712 2
put "$BACK/2/51712/physical-device-path" "$TMP/none" \
	"$BACK/2/51712/hotplug-status" connected
wait_state 2/51712 6
store "$BACK/2/51712/error" | grep -q "$TMP/none" ||
	fail "the reason: $(store "$BACK/2/51712/error")"
pass "what the script says cannot be opened: closed, although nobody came yet"
put "$BACK/2/51712/physical-device-path" "$TMP/disk" "$BACK/2/51712/state" 1
wait_state 2/51712 2
pass "corrected, and taken up again"

attach 2 51728 nothing script /etc/xen/scripts/block-any
wait_state 2/51728 2
ask_detach 2 51728
detached 2 51728
attach 2 51728 nothing script /etc/xen/scripts/block-any
wait_state 2/51728 2
in_dom 0 xenstore-rm "$BACK/2/51728" "/local/domain/2/device/vbd/51728"
wait_for 10 said "vbd/2/51728: removed" || fail "not forgotten"
pass "and given up while its script runs, in order and by force"
stop_back
