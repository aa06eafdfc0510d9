# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# xl block-attach and block-detach on a running guest: with our hotplug script,
# with Xen's own (a loop device), and a disk that is memory.
# limit: 180

start_back
use_guest g1
id=$(domid g1)
grants=$(mapped_grants "$id") ports=$(ports "$id" 0)
truncate -s 32M "$DISKS/a.img" "$DISKS/b.img"
while read -r what spec; do
	xl block-attach g1 "$spec" || fail "$what: xl block-attach $spec"
	wait_state "$id/51712" 4
	guest_fio g1 --rw=randwrite --bs=16k --size=4M --iodepth=8 ||
		fail "$what: I/O"
	xl block-list g1 | grep -q '^51712 .* 4 ' || fail "$what: block-list"
	worker_pid "$id" >/dev/null || fail "$what: not served by us"
	xl block-detach g1 xvda || fail "$what: xl block-detach"
	nothing_left_of g1 "$id" "$grants" "$ports"
	pass "$what"
done <<END
file script=block-xensplit,vdev=xvda,target=$DISKS/a.img
xen's-script format=raw,vdev=xvda,target=$DISKS/b.img
memory script=block-xensplit,vdev=xvda,target=memory:16M
END
[ -z "$(losetup -a)" ] || fail "a loop device is left: $(losetup -a)"
