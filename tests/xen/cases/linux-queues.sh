# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Two virtual CPUs and two queues, with persistent grants and without; indirect
# segments in use; a ring of several pages.
# limit: 150

start_back
use_guest n1 "vcpus = 2"
id=$(domid n1)
front=/local/domain/$id/device/vbd/51712
truncate -s 64M "$DISKS/a.img"

# try OPTION...: I/O with xen-blkfront loaded with the options; sets $mapped,
# $reused and $copied: how many grants the backend mapped and used again, how
# many bytes it had Xen copy
try()
{
	in_guest n1 "rmmod xen-blkfront && modprobe xen-blkfront $*" ||
		fail "$*: xen-blkfront is not loaded again"
	give_disk n1 51712 "$DISKS/a.img"
	guest_fio n1 --rw=randwrite --bsrange=4k-256k --size=8M --iodepth=16 \
		--numjobs=2 --offset_increment=16M || fail "$*: I/O"
	[ "$(store "$front/multi-queue-num-queues")" = 2 ] ||
		fail "$*: not two queues"
	[ "$(in_guest n1 "ls /sys/block/xvda/mq | wc -l")" = 2 ] ||
		fail "$*: not two queues in the guest"
	[ "$(stat_of "$id/51712" indirect_requests)" -gt 10 ] ||
		fail "$*: no indirect requests"
	mapped=$(stat_of "$id/51712" grants_mapped)
	reused=$(stat_of "$id/51712" grants_reused)
	copied=$(stat_of "$id/51712" grant_copy_bytes)
	persistent=$(store "$front/feature-persistent")
	order=$(store "$front/ring-page-order")
	detach "$id" 51712
}

try max_ring_page_order=2
[ "$persistent" = 1 ] || fail "grants are not persistent"
[ "$order" = 2 ] || fail "not four pages a ring: '$order'"
[ "$reused" -gt "$mapped" ] || fail "$mapped mapped, only $reused reused"
pass "two queues, persistent grants: $mapped mapped, $reused reused"
try feature_persistent=0
[ "${persistent:-0}" = 0 ] || fail "grants are persistent"
[ "$reused" = 0 ] || fail "$reused grants reused that are not persistent"
pass "two queues, grants not persistent: $mapped mapped, $copied bytes copied"
# the next test has it as the guest came up with it
in_guest n1 "rmmod xen-blkfront && modprobe xen-blkfront" ||
	fail "xen-blkfront is not loaded again"
