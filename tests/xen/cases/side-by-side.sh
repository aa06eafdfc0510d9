# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# One disk of domain 0 through three backends, in one stock Linux guest: the
# kernel's xen-blkback, QEMU's and ours; fio on them in turns, medians, and what
# CPU domain 0 and the guest used for it (fio's start and end included).  Then the same disk as IDE and as
# AHCI, emulated by QEMU as xl sets it up, in an HVM guest with the same kernel.
# limit: 900
# alone: yes

DISK=/dev/vdb
ROUNDS=3 TIME=2 died=0
out=/host/out/side-by-side
whos="kernel qemu xensplit"
declare -A at=([kernel]=xvda [qemu]=xvdb [xensplit]=xvdc
	[ide]=sda [ahci]=sdc)
# name, then fio's options
cases=(
	"4k-randread-qd1 --rw=randread --bs=4k --iodepth=1"
	"4k-randread-qd32 --rw=randread --bs=4k --iodepth=32"
	"4k-randwrite-qd32 --rw=randwrite --bs=4k --iodepth=32"
	"128k-read-qd8 --rw=read --bs=128k --iodepth=8"
	"128k-write-qd8 --rw=write --bs=128k --iodepth=8"
)

# What a guest's scripts begin with: run DEVICE OPTION... prints requests a
# second and KiB a second, of fields of fio's terse format.
GUEST_WORDS='
run()
{
	local disk=$1
	shift
	fio --name=job --filename=/dev/$disk --direct=1 --ioengine=libaio \
		--time_based --randrepeat=0 --norandommap --minimal \
		--terse-version=3 --output=/tmp/fio.out "$@" 2>/tmp/fio.err ||
		{ cat /tmp/fio.err /tmp/fio.out; return 1; }
	awk -F ";" "{ print \$8 + \$49, \$7 + \$48 }" /tmp/fio.out
}
'

# cpu_s: seconds of CPU that domain 0 and the guest g3 have used, to a tenth
cpu_s()
{
	xl list | awk '$1 == "Domain-0" { a = $NF } $1 == "g3" { b = $NF }
		END { print a, b }'
}

# one WHO CASE: a run on a PV disk; a line in $TMP/CASE.WHO: requests/s,
# KiB/s, CPU of domain 0 and of the guest for a request in µs
one()
{
	local who=$1 name=${2%% *} before after result
	before=$(cpu_s)
	result=$(in_guest g3 "$GUEST_WORDS
		run ${at[$who]} --runtime=$TIME --ramp_time=0 ${2#* }") ||
		fail "$name through $who: $result"
	after=$(cpu_s)
	awk -v a="$after" -v b="$before" -v r="$result" -v t=$TIME 'BEGIN {
		split(a, x); split(b, y); split(r, z); n = z[1] * t
		print z[1], z[2], (x[1] - y[1]) / n * 1e6, (x[2] - y[2]) / n * 1e6
	}' >>"$TMP/$name.$who"
	echo "$name $who: $(tail -n 1 "$TMP/$name.$who")"
}

# column N FILE: its median, least and most
column()
{
	awk -v n="$1" '{ print $n }' "$2" | sort -n | awk '{ v[NR] = $1 }
		END { print v[int((NR + 1) / 2)], v[1], v[NR] }'
}

# ---- paravirtual ----

modprobe xen-blkback || fail "no xen-blkback"
start_back
start_guest g3 "disk = [
  'format=raw,vdev=xvda,target=$DISK',
  'format=raw,backendtype=qdisk,vdev=xvdb,target=$DISK',
  'script=block-xensplit,vdev=xvdc,target=$DISK' ]"
id=$(domid g3)
[ -e "/sys/bus/xen-backend/devices/vbd-$id-51712/driver" ] ||
	fail "xvda is not the kernel's"
xenstore-exists "/local/domain/0/backend/qdisk/$id/51728" ||
	fail "xvdb is not QEMU's"
wait_state "$id/51744" 4
in_guest g3 'head -c 4M /dev/urandom >/tmp/data &&
	dd if=/tmp/data of=/dev/xvda bs=1M oflag=direct status=none' ||
	fail "dd through xen-blkback"
# QEMU reads and writes through the page cache: Debian's build has no libaio,
# which xl's direct-io-safe wants
blockdev --flushbufs $DISK
in_guest g3 'for d in a b c; do
		dd if=/dev/xvd$d of=/tmp/got bs=1M count=4 iflag=direct \
			status=none && cmp /tmp/data /tmp/got || exit 1
	done' || fail "the three are not one disk"
pass "one disk through three backends"

for ((round = 0; round < ROUNDS; round++)); do
	for c in "${cases[@]}"; do
		for who in $whos; do
			one "$who" "$c"
			# what QEMU left in the page cache is not for the next
			# one to wait for
			[ "$who" != qemu ] || blockdev --flushbufs $DISK
		done
	done
done
[ "$(stat_of "$id/51744" errors)" = 0 ] || fail "errors"
pass "$ROUNDS rounds of ${#cases[@]} cases"
stop_guest g3
wait_for 20 no_worker "$id" || fail "a worker is left"
stop_back
modprobe -r xen-blkback || fail "xen-blkback is still in use"

# ---- emulated ----

# The guest knows nothing of Xen, so its script is in its initramfs, and what it
# says comes through a serial port.  Its programs are on a disk.
{
	# one controller after the other, for the names of the disks
	echo 'at() { until [ -b /dev/$1 ]; do usleep 100000; done; }'
	echo 'modprobe -a sd_mod ext4 ata_piix; at sda; at sdb'
	echo 'modprobe ahci; at sdc; ls -l /sys/block'
	echo 'mount -o ro,noload -t ext4 /dev/sdb /mnt || echo "no root"'
	echo 'for d in dev proc sys tmp; do mount -o bind /$d /mnt/$d; done'
	echo 'cp /script-in-root /tmp/; chroot /mnt /bin/bash /tmp/script-in-root'
} >"$TMP/script-without-xen"
{
	echo "$GUEST_WORDS"
	for c in "${cases[@]}"; do
		for who in ide ahci; do
			printf 'echo "result %s.%s $(run %s --runtime=%s %s)"\n' \
				"${c%% *}" $who ${at[$who]} $TIME "${c#* }"
		done
	done
	echo 'echo "all done"'
} >"$TMP/script-in-root"
mkdir "$TMP/more"
cp "$TMP"/script-* "$TMP/more/"
# what is not compressed comes first, or the kernel would not find it
{
	(cd "$TMP/more" && find . | cpio -o -H newc --quiet)
	cat /usr/lib/xen-tests/hvm.cpio.zst
} >"$DISKS/initrd"
cat >"$TMP/hvm.cfg" <<END
name = 'hvm'
type = 'hvm'
kernel = '/usr/lib/xen-tests/vmlinuz'
ramdisk = '$DISKS/initrd'
extra = 'console=ttyS0 noxsave xen_nopv mitigations=off quiet'
memory = 448
vcpus = 1
serial = 'file:/host/out/serial'
vga = 'none'
usb = 0
on_poweroff = 'destroy'
on_reboot = 'destroy'
on_crash = 'destroy'
disk = [
  'format=raw,backendtype=qdisk,vdev=hda,target=$DISK',
  'format=raw,backendtype=qdisk,vdev=hdb,target=/usr/lib/xen-tests/hvm.img' ]
device_model_args_hvm = [
  '-drive', 'if=none,id=ahci,format=raw,file=$DISK,file.locking=off,cache=writeback',
  '-device', 'ahci,id=ahci0', '-device', 'ide-hd,bus=ahci0.0,drive=ahci' ]
END
# emulated_run: the HVM guest, from its start to its end
emulated_run()
{
	: >/host/out/serial
	xl create -q "$TMP/hvm.cfg" || fail "no HVM guest"
	wait_for 200 emulated_ended
	grep -q 'all done' /host/out/serial
}
emulated_ended()
{
	grep -q 'all done\|no root' /host/out/serial || ! is_running hvm
}

# Nested virtualization in QEMU's emulation kills such a guest now and then, by a
# triple fault anywhere.  Nothing of ours is in it, so it may try again.
until emulated_run; do
	! is_running hvm && ((++died < 5)) ||
		fail "HVM guest ($died died): $(tail -n 20 /host/out/serial)"
	echo "the HVM guest died; once more"
done
stop_guest hvm
tr -d '\r' </host/out/serial | grep '^result ' | while read -r _ name rest; do
	echo "$rest 0 0" >"$TMP/$name"
done
pass "IDE and AHCI in an HVM guest"

# ---- the table ----

# middle N FILE: the median of a column
middle() { column "$@" | cut -d ' ' -f 1; }
# calc EXPRESSION: with two decimals
calc() { awk "BEGIN { printf \"%.2f\", $1 }"; }
# cpu N WHO CASE: its column of CPU and what part it is of ours; none of HVM
cpu()
{
	case $2 in
	ide | ahci) printf '| | ' ;;
	*) printf '| %.0f | %s ' "$(middle "$1" "$TMP/$3.$2")" \
		"$(calc "$(middle "$1" "$TMP/$3.xensplit") / \
			($(middle "$1" "$TMP/$3.$2") + 0.001)")" ;;
	esac
}

{
	echo "# One disk through three backends, and emulated"
	echo
	echo "fio on one guest's disks, medians of $ROUNDS rounds in turns (least to"
	echo "most); ours as a ratio to each. CPU: µs a request, ours ÷ theirs."
	echo "QEMU's go through domain 0's page cache, as xl sets them up."
	echo
	echo "| case | who | requests/s | ours ÷ | MB/s | CPU of domain 0 | ours ÷ | CPU of the guest | ours ÷ |"
	echo "|---|---|---|---|---|---|---|---|---|"
	for c in "${cases[@]}"; do
		name=${c%% *}
		ours=$(middle 1 "$TMP/$name.xensplit")
		for who in $whos ide ahci; do
			read -r its least most <<<"$(column 1 "$TMP/$name.$who")"
			printf '| %s | %s | %.0f (%.0f to %.0f) | %s | %s ' "$name" \
				"$who" "$its" "$least" "$most" \
				"$(calc "$ours / $its")" \
				"$(calc "$(middle 2 "$TMP/$name.$who") / 976.6")"
			cpu 3 "$who" "$name"
			cpu 4 "$who" "$name"
			echo "|"
		done
	done
} >$out.md
for c in "${cases[@]}"; do
	name=${c%% *}
	for who in $whos ide ahci; do
		awk '{ printf "{\"iops\": %s, \"kib_s\": %s, \"dom0_cpu_us\": %s, \"guest_cpu_us\": %s}\n",
			$1, $2, $3, $4 }' "$TMP/$name.$who" |
			jq -s --arg case "blk/$name/xen" --arg who "$who" \
				'{case: $case, who: $who, runs: .}'
	done
done | jq -s . >$out.json
cat $out.md
