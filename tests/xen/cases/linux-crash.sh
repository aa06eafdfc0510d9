# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A guest that crashes, and one that xl destroys, in the middle of its I/O:
# no mapping, port, process or node is left, and the image can be attached
# again.
# limit: 240

start_back
truncate -s 64M "$DISKS/a.img"

load='fio --name=job --filename=/dev/xvda --direct=1 --ioengine=libaio \
	--rw=randrw --bs=16k --iodepth=32 --size=64M --time_based \
	--runtime=10000 --output=/tmp/fio.out </dev/null >/dev/null 2>&1 &'

# begin: a guest with load on a disk of ours
begin()
{
	start_guest g2 \
		"disk = [ 'script=block-xensplit,vdev=xvda,target=$DISKS/a.img' ]"
	id=$(domid g2)
	in_guest g2 "$load" || fail "no load"
	wait_for 30 is_loaded || fail "no load arrives"
}
is_loaded() { [ "$(stat_of "$id/51712" write_requests)" -gt 50 ]; }

check()
{
	wait_for 30 is_gone g2 || fail "$1: the domain is left"
	wait_for 20 no_worker "$id" || fail "$1: a worker is left"
	wait_for 20 gone "$BACK_DIR/$id" || fail "$1: backend nodes are left"
	gone "/local/domain/$id" || fail "$1: nodes of the guest are left"
	[ "$(ports 0 "$id")" = 0 ] || fail "$1: ports of domain 0 are left"
	[ "$(xensplit stats --json | jq '.devices | length')" = 0 ] ||
		fail "$1: xensplitd still knows the disk"
	xl list | grep -q null && fail "$1: a zombie: its pages are mapped"
	pass "$1"
}

begin
stop_guest g2
check "destroyed"
begin
guest_begin g2 "echo c >/proc/sysrq-trigger"
check "crashed"
