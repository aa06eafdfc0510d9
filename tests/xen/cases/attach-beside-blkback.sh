# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# With the kernel's xen-blkback loaded: its disks and ours in one guest at the
# same time, ours attached by xensplit, by xl at creation and to a running
# guest, and by xenstore-write.
# limit: 240

modprobe xen-blkback || fail "no xen-blkback"
start_back
truncate -s 32M "$DISKS"/{a,b,c,d,e}.img
start_guest g2 "disk = [
  'format=raw,vdev=xvda,target=$DISKS/a.img',
  'script=block-xensplit,vdev=xvdb,target=$DISKS/b.img' ]"
id=$(domid g2)
by_kernel() { [ -e "/sys/bus/xen-backend/devices/vbd-$id-$1/driver" ]; }

by_kernel 51712 || fail "a plain disk line is not the kernel's"
by_kernel 51728 && fail "a disk with our script is the kernel's"
pass "a plain line is the kernel's, one with our script ours"
xl block-attach g2 "script=block-xensplit,vdev=xvdc,target=$DISKS/c.img" ||
	fail "xl block-attach"
wait_state "$id/51744" 4
by_kernel 51744 && fail "block-attach: the kernel's"
pass "xl block-attach"
xensplit block-attach g2 "vdev=xvdd,target=$DISKS/d.img" ||
	fail "xensplit block-attach"
gone "$BACK_DIR/$id/51760" || fail "xensplit: not in a class of its own"
pass "xensplit block-attach"
(
	BACK_DIR=/local/domain/0/backend/xensplit-vbd
	attach "$id" 51776 "$DISKS/e.img"
	wait_state "$id/51776" 4
) || exit 1
pass "xenstore-write"

in_guest g2 <<'END' || fail "I/O"
for d in a b c d e; do
	echo "[$d]"
	echo "filename=/dev/xvd$d"
done >/tmp/jobs
fio --direct=1 --ioengine=libaio --verify=crc32c --verify_fatal=1 \
	--rw=randwrite --bs=16k --size=2M --iodepth=4 --output=/tmp/out \
	/tmp/jobs || { cat /tmp/out; false; }
END
pass "five disks at the same time"

(
	BACK_DIR=/local/domain/0/backend/xensplit-vbd
	detach "$id" 51776
) || exit 1
xensplit block-detach g2 xvdd || fail "xensplit block-detach"
xl block-detach g2 xvdc || fail "xl block-detach of ours"
xl block-detach g2 xvda || fail "xl block-detach of the kernel's"
stop_guest g2
wait_for 20 no_worker "$id" || fail "a worker is left"
gone "$BACK_DIR/$id" || fail "nodes are left"
gone "/local/domain/0/backend/xensplit-vbd/$id" || fail "own nodes are left"
stop_back
modprobe -r xen-blkback || fail "xen-blkback is still in use"
