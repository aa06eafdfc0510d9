# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A storage driver domain: a PV guest that owns an NVMe disk, by xl's pci=, runs
# xensplitd and `xl devd`, and serves the disk to a stock Linux guest whose disk
# line says backend=.  Data go from the guest's pages to the disk and back
# without a copy, workers are killed meanwhile, and all is given back.
# limit: 400
# takes: 160
# host: iommu

BDF=0000:00:06.0
SPEC=script=block-xensplit,backend=storage

# What the driver domain's scripts begin with.
# shellcheck disable=SC2016
STORAGE_WORDS='
die() { echo "$*"; exit 1; }
pause() { read -rt 0.1 <> <(:) || :; }
# until_true COMMAND...: 1 when 60 s are up
until_true()
{
	local end=$((SECONDS + 60))
	until "$@"; do
		[ $SECONDS -le $end ] || return 1
		pause
	done
}
# disk DEVID FIGURE: of `xensplit stats`
disk()
{
	xensplit stats --json |
		jq -e ".devices[] | select(.devid == $1) | .$2"
}
'

# storage WHAT: a script on standard input in the driver domain, with these
# words
storage()
{
	in_guest storage "$STORAGE_WORDS$(cat)" >"$TMP/storage.out" ||
		fail "$1: $(cat "$TMP/storage.out")
$(in_guest storage "tail -n 40 /run/*.log; dmesg | tail -n 20")"
}

# same_data DISK IMAGE WHEN: what g1 reads is in the image
same_data()
{
	[ "$(in_guest g1 "sha256sum </dev/$1")" = "$(sha256sum <"/host/$2")" ] ||
		fail "$3: $1 is not what is in $2"
}

no_fault()
{
	xl dmesg >"$TMP/dmesg"
	! grep -i 'fault\|AMD-Vi.*error' "$TMP/dmesg" || fail "$1: IOMMU fault"
}

# ---- a domain gets the disks ----

xl info | grep -q 'virt_caps.*pv_directio' || fail "no IOMMU"
modprobe xen-pciback || fail "no xen-pciback"
xl pci-assignable-add $BDF 2>"$TMP/assign" ||
	fail "xl pci-assignable-add: $(cat "$TMP/assign")"
# QEMU's MSI-X does not get through to a guest
start_guest storage "driver_domain = 1" "pci = [ '$BDF' ]" "extra=pci=nomsi"
dd=$(domid storage)
BACK_DIR=/local/domain/$dd/backend/vbd
storage "no backend" <<'END'
modprobe xen-pcifront && modprobe nvme || die "no modules"
# xen-pcifront gives up when domain 0 is slow to answer
has_disks()
{
	[ -b /dev/nvme0n2 ] || echo 1 >/sys/bus/pci/rescan
	[ -b /dev/nvme0n2 ]
}
until_true has_disks || die "no disks"
mount -t tracefs tracefs /sys/kernel/tracing
echo 1 >/sys/kernel/tracing/events/swiotlb/swiotlb_bounced/enable || die "trace"
mkdir -p /etc/xen/scripts /var/lib/xen /var/log/xen /run/xensplit
ln -s /usr/local/bin/block-xensplit /etc/xen/scripts/
xl devd -F </dev/null >/run/devd.log 2>&1 &
echo $! >/run/devd.pid
(
	xensplitd --ready-fd 7 7>/run/ready &
	echo $! >/run/xensplitd.pid
	wait
	echo $? >/run/status
) </dev/null >/run/xensplitd.log 2>&1 &
until_true test -s /run/ready || die "xensplitd does not get ready"
END
pass "a driver domain with an NVMe controller"

# ---- it serves them ----

start_guest g1 "disk = [ '$SPEC,vdev=xvda,target=/dev/nvme0n1',
  '$SPEC,vdev=xvdb,target=/dev/nvme0n2' ]"
id=$(domid g1)
wait_state "$id/51712" 4
wait_state "$id/51728" 4
in_guest g1 <<'END' || fail "the disk does not work"
set -e
while read -r bs size offset; do
	printf '[%s]\nbs=%s\nsize=%s\noffset=%s\n' $bs $bs $size $offset
done >/tmp/jobs <<JOBS
512 128k 0
4k 1m 1m
16k 4m 4m
64k 4m 8m
256k 4m 12m
1m 4m 16m
JOBS
fio --filename=/dev/xvda --direct=1 --ioengine=libaio --iodepth=16 \
	--verify=crc32c --verify_fatal=1 --rw=randwrite --stonewall \
	--output=/tmp/out /tmp/jobs || { cat /tmp/out; exit 1; }
mkfs.ext4 -q /dev/xvda
mount /dev/xvda /mnt
cp -r /lib/modules /mnt/
umount /mnt
mount /dev/xvda /mnt
diff -r /lib/modules /mnt/modules
umount /mnt
e2fsck -fn /dev/xvda
END
same_data xvda fast.img "served"
no_fault "served"
pass "verified I/O and a file system, through xl's disk line"

# ---- workers are killed ----

guest_begin g1 <<'END'
until xenstore-exists data/stop; do
	fio --name=job --filename=/dev/xvdb --direct=1 --ioengine=libaio \
		--iodepth=32 --verify=crc32c --verify_fatal=1 --rw=randwrite \
		--bsrange=4k-128k --size=4M --output=/tmp/out ||
		{ cat /tmp/out; dmesg | tail; exit 1; }
done
END
storage "a worker was killed" <<'END'
worker() { disk 51728 worker_pid; }
# 0: none at the moment
is_other() { pid=$(worker) && [ "$pid" != 0 ] && [ "$pid" != "$old" ]; }
is_busy()
{
	local reads writes
	read -r reads writes </sys/block/nvme0n2/inflight
	[ $((reads + writes)) -ge 8 ]
}
for n in 1 2 3 4; do
	old=$(worker) || die "no worker"
	until_true is_busy || die "no load"
	kill -KILL "$old"
	until_true is_other || die "no other worker"
done
until_true is_busy || die "the load does not go on"
[ "$(disk 51728 counters.resumed)" -ge 8 ] || die "no request was resumed"
grep -q "operations that the worker left" /run/xensplitd.log ||
	die "nothing was under way"
! dmesg | grep 'BUG\|WARNING' || die "the kernel complains"
END
put "$(guest_path g1)/data/stop" 1
guest_end g1 || fail "the guest noticed"
same_data xvdb slow.img "killed"
no_fault "killed"
pass "workers killed under load, the guest did not notice"

storage "figures" <<'END'
for devid in 51712 51728; do
	for name in errors cached_bytes grant_copy_bytes; do
		n=$(disk $devid counters.$name)
		[ "$n" = 0 ] || die "$devid: $name is $n"
	done
	for name in read_bytes write_bytes; do
		n=$(disk $devid counters.$name)
		[ "$n" -gt 4000000 ] || die "$devid: $name is $n"
	done
done
bounced=$(grep -c swiotlb_bounced: /sys/kernel/tracing/trace)
[ "$bounced" = 0 ] || die "bounced: $bounced"
END
pass "nothing was copied"

# ---- all is given back ----

has_no_worker()
{
	in_guest storage "xensplit stats --json | jq -e '.devices == []' &&
		! grep -l -- --worker /proc/[0-9]*/cmdline" >"$TMP/worker"
}
for vdev in xvda xvdb; do
	xl block-detach g1 $vdev || fail "xl block-detach $vdev"
done
wait_for 20 has_no_worker || fail "left: $(cat "$TMP/worker")"
gone "$BACK_DIR/$id" || fail "backend nodes are left"
gone "/local/domain/$id/device/vbd/51712" || fail "frontend nodes are left"
[ "$(ports "$id" "$dd")" = 0 ] || fail "ports are left"
grants=$(mapped_grants "$id")
xl block-attach g1 "$SPEC,vdev=xvda,target=/dev/nvme0n1" ||
	fail "xl block-attach"
wait_state "$id/51712" 4
same_data xvda fast.img "attached again"
xl block-detach g1 xvda || fail "xl block-detach"
wait_for 20 has_no_worker || fail "left: $(cat "$TMP/worker")"
[ "$(mapped_grants "$id")" = "$grants" ] || fail "mapped pages are left"
pass "detached and attached by xl while it runs"
stop_guest g1

storage "the end" <<'END'
kill "$(cat /run/xensplitd.pid)" "$(cat /run/devd.pid)"
until_true test -s /run/status || die "xensplitd does not end"
[ "$(cat /run/status)" = 0 ] || die "xensplitd ended with $(cat /run/status)"
END
gone "$BACK_DIR/$id" || fail "nodes are left"
xl shutdown -w storage >/dev/null || fail "xl shutdown"
wait_for 20 is_gone storage || fail "the driver domain is left"
xl pci-assignable-list | grep -q "^$BDF" || fail "the controller is not back"
xl pci-assignable-remove $BDF || fail "xl pci-assignable-remove"
modprobe -r xen-pciback || fail "xen-pciback is in use"
no_fault "the end"
pass "the driver domain was shut down, nothing is left"
