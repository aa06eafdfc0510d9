# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A guest reboots itself: it comes back with its disk and what it wrote.
# limit: 180

start_back
truncate -s 64M "$DISKS/a.img"
start_guest g2 \
	"disk = [ 'script=block-xensplit,vdev=xvda,target=$DISKS/a.img' ]"
old=$(domid g2)
in_guest g2 <<'END' || fail "writing"
set -e
mkfs.ext4 -q /dev/xvda
mount -t ext4 /dev/xvda /mnt
head -c 8M /dev/urandom >/mnt/data
(cd /mnt && sha256sum data >sum)
umount /mnt
END
guest_begin g2 "reboot"
is_another() { new=$(domid g2) && [ "$new" != "$old" ]; }
wait_for 60 is_another || fail "no new domain"
guest_up g2
in_guest g2 <<'END' || fail "after the reboot"
set -e
mount -t ext4 /dev/xvda /mnt
(cd /mnt && sha256sum -c sum)
umount /mnt
END
wait_for 20 no_worker "$old" || fail "the old worker is left"
gone "$BACK_DIR/$old" || fail "the old nodes are left"
pass "rebooted, the data is there"
stop_guest g2
