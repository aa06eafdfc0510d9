# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# fstrim in a stock Linux guest frees space in the image.
# limit: 120
# takes: 15

start_back
use_guest g1
id=$(domid g1)
truncate -s 128M "$DISKS/a.img"
give_disk g1 51712 "$DISKS/a.img"
used() { du -k "$DISKS/a.img" | cut -f 1; }

in_guest g1 <<'END' || fail "filling"
set -e
mkfs.ext4 -q /dev/xvda
mount -t ext4 /dev/xvda /mnt
dd if=/dev/urandom of=/mnt/data bs=1M count=48 conv=fsync
END
full=$(used)
[ "$full" -gt 49000 ] || fail "only $full KiB in the image"
in_guest g1 <<'END' || fail "trimming"
set -e
rm /mnt/data
sync
fstrim -v /mnt
umount /mnt
e2fsck -fn /dev/xvda
END
empty=$(used)
[ "$empty" -lt $((full - 45000)) ] || fail "$full KiB, then still $empty KiB"
[ "$(stat_of "$id/51712" discard_requests)" -gt 0 ] || fail "no discards"
pass "image: $full KiB, after fstrim $empty KiB"
in_guest g1 "blkdiscard -f /dev/xvda && cmp -n 1M /dev/xvda /dev/zero" ||
	fail "blkdiscard"
[ "$(used)" -lt 100 ] || fail "blkdiscard leaves $(used) KiB"
pass "blkdiscard frees the rest"
detach "$id" 51712
