# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A stock Linux guest writes and reads back with all sizes from 512 bytes to
# 1 MiB, mixed, and with a flush after every few writes; on a file and on a
# block device.
# limit: 300
# takes: 60

start_back
use_guest g1
id=$(domid g1)
truncate -s 96M "$DISKS/a.img" "$DISKS/b.img"
loop=$(losetup -f --show "$DISKS/b.img") || fail "losetup"
give_disk g1 51712 "$DISKS/a.img"
give_disk g1 51728 "$loop"

GUEST_LIMIT=240 in_guest g1 <<'END' || fail "verification"
cat >/tmp/job <<JOB
[global]
direct=1
ioengine=libaio
iodepth=16
verify=crc32c
verify_fatal=1
rw=randwrite
norandommap=0
randrepeat=0
stonewall
JOB
n=0
for bs in 512 1k 2k 4k 8k 16k 32k 64k 128k 256k 512k 1m; do
	size=$((n < 3 ? 1 << n : 4))m
	for disk in a b; do
		echo "[$disk-$bs]"
		echo "filename=/dev/xvd$disk"
		echo "bs=$bs"
		echo "size=$size"
	done >>/tmp/job
	n=$((n + 1))
done
cat >>/tmp/job <<JOB
[mixed]
filename=/dev/xvda
rw=randrw
bsrange=512-256k
blockalign=512
size=8m
offset=16m
[flush]
filename=/dev/xvda
rw=randwrite
bs=4k
size=1m
offset=40m
fsync=4
[flush-block]
filename=/dev/xvdb
rw=randwrite
bs=16k
size=2m
offset=40m
fdatasync=1
JOB
fio --output=/tmp/out /tmp/job || { cat /tmp/out; false; }
END
pass "all sizes, mixed, flushed"
for devid in 51712 51728; do
	[ "$(stat_of "$id/$devid" errors)" = 0 ] || fail "errors"
	[ "$(stat_of "$id/$devid" flush_requests)" -gt 50 ] ||
		fail "no flushes: $(stat_of "$id/$devid" flush_requests)"
	[ "$(stat_of "$id/$devid" indirect_requests)" -gt 10 ] ||
		fail "no indirect requests"
done
pass "flushes and indirect requests seen"
detach "$id" 51712
detach "$id" 51728
losetup -d "$loop"
