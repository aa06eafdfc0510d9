#!/bin/bash
# SPDX-License-Identifier: MIT
# dist/block-xensplit, the hotplug script: called by Debian's own xl for a disk
# line with script=, and alone beside a kernel that has taken the disk.  The
# kernel is a few files in place of /sys/bus/xen-backend, in a mount namespace.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-xensplitd.sh"
SCRIPT=$ROOT/dist/block-xensplit
[ -x "$XEN_BIN/xl" ] || skip "no xl"
private=(unshare -m)
[ "$(id -u)" = 0 ] || private=(unshare -m --map-current-user --keep-caps)
"${private[@]}" mount -t tmpfs none /var/lib/xen 2>"$TMP/err" ||
	skip "no private mounts: $(cat "$TMP/err")"

start_xen
truncate -s 8M "$TMP/disk" "$TMP/other"
BACK=/local/domain/0/backend/vbd
# start_in_0 [COMMAND...]: xensplitd in domain 0, run by the command
start_in_0()
{
	"$XENLOCAL" create --domid 2 --name guest >/dev/null 2>&1
	: >"$TMP/ready"
	"$XENLOCAL" exec --domid 0 -- "$@" "$BUILD/bin/xensplitd" --ready-fd 7 \
		--log-level debug 7>"$TMP/ready" >>"$BACK_LOG" 2>&1 &
	XENSPLITD_PID=$!
	to_be_ready 10 || fail "xensplitd does not get ready"
}
# ---- xl ----

# xl COMMAND...: for domain 2 as if xl had made it; its files are in memory
cat >"$TMP/xl" <<-END
	#!/bin/bash
	mount -t tmpfs none /var/lib/xen || exit
	uuid=\$("$XEN_BIN/xl" list -v | awk '\$1 == "guest" { print \$7 }')
	echo '{"c_info":{"type":"pv","name":"guest","uuid":"'\$uuid'"},' \
		'"b_info":{"max_vcpus":1,"type.pv":{}}}' \
		>/var/lib/xen/userdata-d.2.\$uuid.libxl-json
	exec timeout 60 "$XEN_BIN/xl" "\$@"
END
chmod +x "$TMP/xl"
xl() { in_dom 0 "${private[@]}" "$TMP/xl" "$@"; }

start_in_0
xl block-attach 2 "script=$SCRIPT,vdev=xvda,target=$TMP/disk" ||
	fail "xl block-attach"
[ "$(store $BACK/2/51712/xensplit/opened)" = 1 ] || fail "not opened"
pass "xl block-attach with script= attaches a plain file to xensplitd"
io 2 --devid=xvda --rw=verify || fail "I/O"
xl block-attach 2 "script=$SCRIPT,vdev=xvdb,target=memory:8M" ||
	fail "xl block-attach of a target that is no path"
io 2 --devid=xvdb --rw=verify || fail "I/O"
pass "and what is not a file"

if xl block-attach 2 "script=$SCRIPT,vdev=xvdc,target=$TMP/none" \
	2>"$TMP/err"; then
	fail "a missing file is not refused"
fi
grep -q "$TMP/none does not exist" "$TMP/err" || fail "reason: $(cat "$TMP/err")"
if xl block-attach 2 "script=$SCRIPT,vdev=xvdd,target=$TMP/disk" \
	2>"$TMP/err"; then
	fail "an image that is in use is not refused"
fi
grep -q "vbd/2/51712" "$TMP/err" || fail "reason: $(cat "$TMP/err")"
pass "xl fails with the reason, xensplitd's too"

xl block-detach 2 xvda >/dev/null || fail "xl block-detach xvda"
xl block-detach 2 xvdb >/dev/null || fail "xl block-detach xvdb"
for devid in 51712 51728; do
	gone $BACK/2/$devid || fail "left: $(in_dom 0 xenstore-ls $BACK)"
	gone /local/domain/2/device/vbd/$devid || fail "frontend $devid is left"
done
pass "xl block-detach removes them"
in_dom 0 xenstore-rm $BACK /local/domain/2/device/vbd /libxl/2/device/vbd
stop_back

# ---- alone, beside a kernel ----

# What Linux has of a disk that its own backend took.  Letting go is a line
# written into unbind.
mkdir -p "$TMP/sys/xen-backend/devices/vbd-2-51712/driver" \
	"$TMP/sys/xen-backend/drivers/vbd"
mkfifo "$TMP/sys/xen-backend/devices/vbd-2-51712/driver/unbind"
kernel()
{
	local line
	read -r line <"$TMP/sys/xen-backend/devices/vbd-2-51712/driver/unbind"
	[ "$line" = vbd-2-51712 ] || return
	rm -r "$TMP/sys/xen-backend/devices/vbd-2-51712/driver"
	: >"$TMP/unbound"
}
cat >"$TMP/with-kernel" <<-END
	#!/bin/bash
	mount --bind "$TMP/sys" /sys/bus && exec "\$@"
END
chmod +x "$TMP/with-kernel"
with_kernel() { in_dom 0 "${private[@]}" "$TMP/with-kernel" "$@"; }
hotplug()
{
	with_kernel env XENBUS_PATH="backend/vbd/2/51712" XENBUS_TYPE=vbd \
		XENBUS_BASE_PATH=backend "$SCRIPT" "$@"
}
# attach_0 PARAMS [KEY VALUE]...: as libxl, for a disk of domain 0
attach_0()
{
	local front=/local/domain/2/device/vbd/51712 back=$BACK/2/51712 k
	local params=$1
	local -a more=()
	shift
	while [ $# -gt 0 ]; do
		more+=("$back/$1" "$2")
		shift 2
	done
	put "$front/backend" "$back" "$front/backend-id" 0 \
		"$front/virtual-device" 51712 "$front/device-type" disk
	in_dom 0 xenstore-chmod -r "$front" n2 r0 || fail "chmod $front"
	put "$back/frontend" "$front" "$back/frontend-id" 2 "$back/online" 1 \
		"$back/mode" w "$back/device-type" disk "$back/params" \
		"$params" "$back/script" "$SCRIPT" ${more+"${more[@]}"}
	in_dom 0 xenstore-chmod -r "$back" n0 r2 || fail "chmod $back"
	put "$front/state" 1 "$back/state" 1
}

: >"$BACK_LOG"
start_in_0 "${private[@]}" "$TMP/with-kernel"

# the kernel offers it; more queues than we would
attach_0 "$TMP/disk"
put $BACK/2/51712/multi-queue-max-queues 8 $BACK/2/51712/max-ring-page-order 4 \
	$BACK/2/51712/state 2
"$XENLOCAL" exec --domid 2 -- "$E2E_BIN/blkfront_io" --devid=xvda --rw=verify \
	--queues=8 >"$TMP/io.out" 2>&1 &
guest=$!
front_is() { [ "$(store "/local/domain/2/device/vbd/51712/state")" = "$1" ]; }
wait_for 10 front_is 3 || fail "the frontend does not come"
said "vbd/2/51712" && fail "xensplitd took a disk of the kernel's"
pass "beside a kernel that serves vbd, a disk is left to it"
kernel &
hotplug add || fail "the script fails"
wait_for 5 test -e "$TMP/unbound" || fail "not unbound"
wait "$guest" || fail "I/O: $(cat "$TMP/io.out")"
pass "the script has the kernel let go, and a guest that came early goes on"
hotplug add || fail "called twice"
pass "called twice, it has nothing to do"
ask_detach 2 51712
detached 2 51712
hotplug remove || fail "remove"
pass "remove"

with_kernel "$BUILD/bin/xensplit" block-attach --wait=backend --json guest \
	"vdev=xvda,access=rw,target=$TMP/disk" | grep -q '"class": "xensplit-vbd"' ||
	fail "xensplit block-attach"
io 2 --devid=xvda --rw=verify || fail "I/O"
in_dom 0 "$BUILD/bin/xensplit" block-detach guest xvda || fail "detach"
pass "xensplit block-attach takes the class that the kernel does not know"

# ---- refusals ----

refused_because()
{
	local what=$1 status
	shift
	"$@" 2>"$TMP/err" && fail "not refused: $*"
	grep -q -- "$what" "$TMP/err" || fail "reason: $(cat "$TMP/err")"
	status=$(store $BACK/2/51712/hotplug-status)
	[ "$status" = error ] || fail "hotplug-status is '$status'"
	store $BACK/2/51712/hotplug-error | grep -q -- "$what" ||
		fail "hotplug-error: $(store $BACK/2/51712/hotplug-error)"
	in_dom 0 xenstore-rm $BACK/2/51712 /local/domain/2/device/vbd/51712
	pass "refused: $what"
}
attach_0 ""
refused_because "no target" hotplug add
attach_0 "$TMP"
refused_because "neither a file nor a block device" hotplug add
attach_0 "no/such"
refused_because "/dev/no/such does not exist" hotplug add
attach_0 "$TMP/disk" online 0
refused_because "is being removed" hotplug add
# xensplitd does not mind a size of 0; it does mind this
attach_0 memory:1X
refused_because "memory:" hotplug add
refuses "an unknown word" hotplug online
stop_back
sed 's/^seconds=.*/seconds=1/' "$SCRIPT" >"$TMP/impatient"
chmod +x "$TMP/impatient"
SCRIPT=$TMP/impatient
attach_0 "$TMP/disk"
refused_because "is it running" hotplug add
