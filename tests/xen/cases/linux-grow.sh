# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# An image that grows: the guest sees it, resizes a mounted file system.
# limit: 120
# takes: 20

start_back
use_guest g1
id=$(domid g1)
truncate -s 32M "$DISKS/a.img"
give_disk g1 51712 "$DISKS/a.img"
in_guest g1 <<'END' || fail "mkfs"
set -e
mkfs.ext4 -q /dev/xvda
mount -t ext4 /dev/xvda /mnt
head -c 8M /dev/urandom >/mnt/data
sha256sum /mnt/data >/tmp/sum
END
truncate -s 96M "$DISKS/a.img"
has_size() { in_guest g1 "[ \$(blockdev --getsize64 /dev/xvda) = $1 ]"; }
wait_for 20 has_size $((96 << 20)) || fail "the guest does not see it"
pass "the guest sees the new size"
in_guest g1 <<'END' || fail "the file system does not grow"
set -e
resize2fs /dev/xvda
head -c 60M /dev/urandom >/mnt/more
sync
echo 3 >/proc/sys/vm/drop_caches
sha256sum -c /tmp/sum
umount /mnt
e2fsck -fn /dev/xvda
END
pass "and uses it"
detach "$id" 51712
