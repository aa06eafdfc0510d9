# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A disk with sectors of 4096 bytes, and a read-only one.
# limit: 120

start_back
use_guest g1
id=$(domid g1)
truncate -s 64M "$DISKS/a.img" "$DISKS/b.img"
mkfs.ext4 -q "$DISKS/b.img"
sum=$(sha256sum <"$DISKS/b.img")
give_disk g1 51712 "$DISKS/a.img" xensplit/sector-size 4096
give_disk g1 51728 "$DISKS/b.img" mode r
in_guest g1 <<'END' || fail "4096 byte sectors"
set -e
[ "$(blockdev --getss /dev/xvda)" = 4096 ]
[ "$(blockdev --getsize64 /dev/xvda)" = $((64 << 20)) ]
mkfs.ext4 -q /dev/xvda
mount -t ext4 /dev/xvda /mnt
cp -r /lib/modules /mnt/
sync
echo 3 >/proc/sys/vm/drop_caches
diff -r /lib/modules /mnt/modules
umount /mnt
e2fsck -fn /dev/xvda
END
guest_fio g1 --rw=randwrite --bs=4k --size=4M --iodepth=8 || fail "4096: fio"
pass "4096 byte sectors"
in_guest g1 <<'END' || fail "read-only disk"
[ "$(blockdev --getro /dev/xvdb)" = 1 ] || exit 1
if dd if=/dev/zero of=/dev/xvdb bs=4k count=1 oflag=direct; then exit 1; fi
if mount -o rw -t ext4 /dev/xvdb /mnt; then
	if touch /mnt/x; then exit 1; fi
	umount /mnt
fi
mount -o ro -t ext4 /dev/xvdb /mnt && umount /mnt
END
detach "$id" 51712
detach "$id" 51728
[ "$(sha256sum <"$DISKS/b.img")" = "$sum" ] || fail "the image has changed"
pass "a read-only disk is refused cleanly, and unchanged"
