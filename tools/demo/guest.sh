#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the demo's guest does with a disk: guest.sh read|write TOP DIR VDEV
# Runs inside the guest's domain.  nbdkit with our plugin is the frontend;
# nbdfuse makes it a file for programs that know no NBD.
# Where there is no FUSE, nbdcopy brings the disk's contents to a file and back.
set -euo pipefail
if [ "$(id -u)" != 0 ] && [ -z "${IN_NAMESPACE:-}" ] &&
	unshare --map-root-user --mount true 2>/dev/null; then
	# mounting takes a root of some kind
	exec unshare --map-root-user --mount env IN_NAMESPACE=1 "$0" "$@"
fi
what=$1 top=$2 dir=$3 vdev=$4
sock=$dir/$vdev.sock
uri="nbd+unix:///?socket=$sock"
mnt=$dir/$vdev

clean_up() {
	set +e
	mountpoint -q "$mnt" && fusermount3 -u "$mnt"
	[ -z "${fuse:-}" ] || wait "$fuse"
	[ -z "${server:-}" ] || { kill "$server" && wait "$server"; }
	rm -f "$sock"
	rmdir "$mnt" 2>/dev/null
}
trap clean_up EXIT

wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" 2>/dev/null; do
		[ $SECONDS -lt $end ] || { echo "timed out: $*" >&2; exit 1; }
		read -rt 0.05 <> <(:) || :
	done
}

nbdkit -f -U "$sock" "$top/build/lib/nbdkit-xensplit-plugin.so" vdev="$vdev" &
server=$!
wait_for 15 nbdinfo --size "$uri" >/dev/null
mkdir -p "$mnt"
disk=$mnt/disk
nbdfuse -C 4 "$disk" "$uri" 2>"$dir/nbdfuse.log" &
fuse=$!
mounted_or_over() { test -e "$disk" || ! kill -0 "$fuse"; }
wait_for 15 mounted_or_over
if ! test -e "$disk"; then
	echo "no FUSE here ($(head -n 1 "$dir/nbdfuse.log")): using nbdcopy"
	fuse=
	disk=$dir/$vdev.copy
	nbdcopy "$uri" "$disk"
fi

case $what in
read)
	e2fsck -fn "$disk"
	mkdir "$dir/files"
	debugfs -R "rdump / $dir/files" "$disk" 2>/dev/null
	(cd "$dir/files" && sha256sum --quiet -c "$dir/expected")
	echo "all $(wc -l <"$dir/expected") files have their checksums"
	;;
write)
	fio --name=verify --ioengine=nbd --uri="$uri" --rw=randwrite \
		--bs=4k-64k --iodepth=32 --size=32m --verify=crc32c \
		--do_verify=1 --verify_fatal=1 --verify_state_save=0 \
		--randrepeat=0 --output="$dir/fio.log" || {
		cat "$dir/fio.log"
		exit 1
	}
	sed -n 's/^ *\(READ\|WRITE\): \(bw=[^,]*\),.*/fio: \1 \2, verified/p' \
		"$dir/fio.log"
	mke2fs -q -F -t ext4 -d "$dir/files" "$disk"
	sync "$disk"
	[ -n "$fuse" ] || nbdcopy --flush "$disk" "$uri"
	echo "a file system of the same files is written"
	;;
esac
