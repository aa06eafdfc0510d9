#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The whole of xensplit in one run, with no Xen on this machine:
#
#   domain 0          xenstored (Debian's), the tools
#   domain 1          the storage driver domain: xensplitd and the images
#   domain 2          a guest: block frontends, which nbdkit serves to fsck,
#                     debugfs, mke2fs and fio; a NIC for ping, curl and iperf3
#   domains 3 and 4   see net.sh
#
# Everything lives in a directory below build/ and is gone afterwards.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD
bin=$top/build/bin
dir=$(mktemp -d "$top/build/demo.XXXXXX")
export XENLOCAL_RUNDIR=$dir/xen
export XENSPLIT_RUNDIR=$dir/xensplit

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
note() { printf '   %s\n' "$*"; }
dom() { "$bin/xenlocal" exec --domid "$1" -- "${@:2}"; }
die() {
	echo "demo: $*" >&2
	exit 1
}

failed=1
clean_up() {
	set +e
	if [ "$failed" != 0 ]; then
		echo "--- xensplitd's log"
		tail -n 30 "$dir/xensplitd.log" "$dir/network.log" 2>/dev/null
	fi
	"$bin/xenlocal" stop >/dev/null 2>&1
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# Condition, or a time limit: wait_for SECONDS COMMAND...
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || die "timed out waiting for: $*"
		read -rt 0.05 <> <(:) || :
	done
}

# shellcheck source=tools/demo/net.sh
. "$top/tools/demo/net.sh"

state_of() { dom 0 xenstore-read "$1/state" 2>/dev/null; }
state_is() { [ "$(state_of "$1")" = "$2" ]; }

say "Starting embedded Xen, a driver domain and a guest"
"$bin/xenlocal" start
"$bin/xenlocal" create --domid 1 --name storage --driver-domain
"$bin/xenlocal" create --domid 2 --name guest
mkdir -p "$dir/images" "$dir/guest"
dom 1 "$bin/xensplitd" 2>"$dir/xensplitd.log" &
wait_for 10 dom 1 "$bin/xensplit" stats --json
dom 0 "$(ls /usr/lib/xen-*/bin/xl | tail -n 1)" list

say "Making a file system from real files"
source=""
for d in /usr/share/perl /usr/share/perl5 /usr/share/doc /usr/share; do
	[ -d "$d" ] && [ "$(du -sk "$d" | cut -f1)" -gt 4000 ] &&
		source=$d && break
done
[ -n "$source" ] || die "nothing in /usr/share to make a file system of"
size_mib=$(($(du -sm "$source" | cut -f1) * 3 / 2 + 32))
[ $size_mib -ge 64 ] || size_mib=64
mke2fs -q -t ext4 -d "$source" "$dir/images/first.img" ${size_mib}M
truncate -s ${size_mib}M "$dir/images/second.img"
(cd "$source" && find . -type f -print0 | sort -z | xargs -0 sha256sum) \
	>"$dir/guest/expected"
note "$source: $(wc -l <"$dir/guest/expected") files in ${size_mib} MiB"

say "Attaching it as xvda with nothing but xenstore-write"
back=/local/domain/1/backend/vbd/2/51712
front=/local/domain/2/device/vbd/51712
w() {
	printf '   xenstore-write %s\n' "$*"
	dom 0 xenstore-write "$@"
}
w $front/backend $back $front/backend-id 1 $front/virtual-device 51712 \
	$front/device-type disk $front/state 1
w $back/frontend $front $back/frontend-id 2 $back/online 1 $back/dev xvda \
	$back/mode w $back/device-type disk $back/removable 0 \
	$back/params "$dir/images/first.img" $back/state 1
dom 0 xenstore-chmod $front n2 r1
dom 0 xenstore-chmod -r $back n1 r2
dom 0 xenstore-chmod -r $front n2 r1
wait_for 10 state_is $back 2

say "In the guest: fsck, and every file read through the PV disk"
dom 2 "$top/tools/demo/guest.sh" read "$top" "$dir/guest" xvda
state_is $back 4 || state_is $back 6 || state_is $back 2 ||
	die "the backend is in state $(state_of $back)"

say "Attaching a second disk as xvdb with xensplit"
dom 0 "$bin/xensplit" block-attach --wait=backend guest \
	"format=raw,vdev=xvdb,access=rw,backend=storage,target=$dir/images/second.img"
dom 0 "$bin/xensplit" block-list

say "In the guest: fio with verification, then a file system written through it"
dom 2 "$top/tools/demo/guest.sh" write "$top" "$dir/guest" xvdb

say "What moved"
dom 1 "$bin/xensplit" stats

say "Detaching"
dom 0 "$bin/xensplit" block-detach guest xvda
dom 0 "$bin/xensplit" block-detach guest xvdb
dom 0 "$bin/xensplit" block-list

say "In the driver domain: comparing what arrived"
e2fsck -fn "$dir/images/second.img"
mkdir "$dir/arrived"
debugfs -R "rdump / $dir/arrived" "$dir/images/second.img" 2>/dev/null
(cd "$dir/arrived" && sha256sum --quiet -c "$dir/guest/expected")
note "all $(wc -l <"$dir/guest/expected") files are the same"

net_demo

say "Stopping"
"$bin/xenlocal" stop
! pgrep -f "$dir" >/dev/null || die "processes are left: $(pgrep -af "$dir")"
! grep -q "$dir" /proc/self/mounts || die "mounts are left"
failed=0
say "Done in $SECONDS s"
