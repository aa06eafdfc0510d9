# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A guest that is not Linux: GRUB's PV image finds its configuration on our
# disk, loads a kernel and an initramfs from there, and goes; Linux then takes
# the disk over and has it as its root.
# limit: 300

GRUB=/usr/lib/grub-xen/grub-x86_64-xen.bin
root=$TMP/root

# insmods MODULE...: in the order in which they must be loaded, each once
insmods()
{
	local module
	for module; do modprobe -S "$kernel" --show-depends "$module"; done |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# An initramfs that knows a disk and ext4, and nothing of the tests.
make_initrd()
{
	local dir=$TMP/initrd kernel module
	kernel=$(basename /lib/modules/*)
	mkdir -p "$dir"/{bin,dev,proc,mnt,modules}
	cp /bin/busybox "$dir/bin/"
	{
		cat <<'END'
#!/bin/busybox sh
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev
END
		for module in $(insmods xen-blkfront ext4); do
			cp "$module" "$dir/modules/"
			echo "busybox insmod /modules/${module##*/}"
		done
		cat <<'END'
root=$(busybox sed 's/.*\<root=\([^ ]*\).*/\1/' /proc/cmdline)
until busybox mount -t ext4 "$root" /mnt; do busybox usleep 100000; done
busybox umount /dev /proc
exec busybox switch_root /mnt /init
END
	} >"$dir/init"
	chmod 755 "$dir/init"
	(cd "$dir" && find . | cpio -o -H newc --quiet) | gzip -1
}

mkdir "$root"
# all but libraries that only big programs need
(cd "$root" && cpio -id --quiet -f '*/libicu*' '*/libceph*' '*/librbd*' \
	</usr/lib/xen-tests/guest.cpio)
mkdir -p "$root/boot/grub"
cp /usr/lib/xen-tests/vmlinuz "$root/boot/vmlinuz"
make_initrd >"$root/boot/initrd" || fail "no initramfs"
cat >"$root/boot/grub/grub.cfg" <<'END'
set timeout=0
echo "grub: loading"
linux /boot/vmlinuz root=/dev/xvda console=hvc0 loglevel=4 from-grub
initrd /boot/initrd
boot
END
mke2fs -q -t ext4 -d "$root" "$DISKS/root.img" 192M || fail "mke2fs"
sum=$(sha256sum <"$root/boot/vmlinuz")
rm -rf "$root" "$TMP/initrd"

start_back
write_config g2 "kernel = '$GRUB'" "ramdisk = ''" \
	"disk = [ 'script=block-xensplit,vdev=xvda,target=$DISKS/root.img' ]"
: >/var/log/xen/console/guest-g2.log
xl create -q "$GUESTS/g2.cfg" || fail "cannot create g2"
id=$(domid g2)
# GRUB asks for a page at a time, and unpacks the kernel twice
wait_for 180 is_up_or_gone "$id"
guest_up g2
pass "GRUB read its configuration, a kernel and an initramfs from our disk"
GUEST_LIMIT=60 in_guest g2 <<'END' || fail "the root does not work"
set -e
grep -w from-grub /proc/cmdline
grep '^/dev/xvda / ext4 rw' /proc/mounts
dd if=/dev/urandom of=/root/data bs=1M count=16 conv=fsync
sha256sum /root/data >/root/sum
echo 3 >/proc/sys/vm/drop_caches
sha256sum -c /root/sum
END
[ "$(in_guest g2 'sha256sum </boot/vmlinuz')" = "$sum" ] ||
	fail "the kernel reads differently in the guest"
pass "Linux took the disk over, it is its root"
xl shutdown -w g2 >/dev/null || fail "xl shutdown"
wait_for 20 is_gone g2 || fail "the domain is left"
wait_for 20 no_worker "$id" || fail "a worker is left"
wait_for 20 gone "$BACK_DIR/$id" || fail "backend nodes are left"
e2fsck -fp "$DISKS/root.img"
[ $? -le 1 ] || fail "the file system in the image"
pass "shut down, the file system is good"
