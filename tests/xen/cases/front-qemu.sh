# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Our frontend in a Linux guest, on QEMU's backend in domain 0.
# limit: 180
# shellcheck source=tests/xen/dom0/lib-front.sh
. /host/dom0/lib-front.sh

use_guest g1
id=$(domid g1)
/usr/libexec/xen-qemu-system-i386 -M xenpv -xen-domid "$id" -xen-attach \
	-nodefaults -nographic -monitor none -serial none \
	</dev/null >"$TMP/qemu.out" 2>&1 &
qemu=$!
is_running_qemu()
{
	[ "$(store "/local/domain/0/device-model/$id/state")" = running ]
}
wait_for 30 is_running_qemu || fail "QEMU: $(cat "$TMP/qemu.out")"
# libxl gives a guest such disks only where it knows of a QEMU
put "/local/domain/$id/image/device-model-pid" $qemu
# shellcheck disable=SC2034
DISK=format=raw,backendtype=qdisk CLASS=qdisk LONGEST=44k
front_takes_over
front_io
front_dies
front_detach
front_reattach
kill $qemu || fail "QEMU is gone: $(cat "$TMP/qemu.out")"
wait $qemu
rmdir_nodes "/local/domain/0/backend/qdisk/$id" /local/domain/0/backend/qdisk
xenstore-rm "/local/domain/0/device-model/$id" "/local/domain/$id/image" ||
	fail "cannot remove QEMU's nodes"
pass "QEMU ended"
