# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Disk lines in an xl configuration, with our hotplug script: a file, and a
# read-only one; the domain is shut down by xl, and nothing is left.
# limit: 180

start_back
truncate -s 64M "$DISKS/a.img" "$DISKS/b.img"
mkfs.ext4 -q "$DISKS/b.img"
start_guest g2 "disk = [
  'script=block-xensplit,vdev=xvda,target=$DISKS/a.img',
  'script=block-xensplit,vdev=xvdb,access=r,target=$DISKS/b.img' ]"
id=$(domid g2)
pass "created"
in_guest g2 <<'END' || fail "the disks do not work"
set -e
mkfs.ext4 -q /dev/xvda
mount /dev/xvda /mnt
cp -r /lib/modules /mnt/
sync
diff -r /lib/modules /mnt/modules
umount /mnt
e2fsck -fn /dev/xvda
mount -o ro -t ext4 /dev/xvdb /mnt
umount /mnt
END
pass "written, read back"
[ "$(xl block-list g2 | grep -c 51712)" = 1 ] || fail "xl block-list"
worker_pid "$id" >/dev/null || fail "no worker: not served by us"
xl shutdown -w g2 >/dev/null || fail "xl shutdown"
wait_for 20 is_gone g2 || fail "the domain is left"
wait_for 20 no_worker "$id" || fail "a worker is left"
gone "$BACK_DIR/$id" || fail "backend nodes are left"
e2fsck -fn "$DISKS/a.img" || fail "the file system in the image"
pass "shut down, nothing is left"

# what cannot be opened fails at once, with the reason
write_config g2 "disk = [
  'script=block-xensplit,vdev=xvda,target=$DISKS/nothing.img' ]"
refuses "a target that does not exist" xl create -q "$GUESTS/g2.cfg"
grep -q "does not exist" "$TMP/refuses.out" ||
	fail "xl does not say why: $(cat "$TMP/refuses.out")"
