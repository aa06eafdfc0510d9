# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Our frontend in a Linux guest, on Linux's xen-blkback.
# limit: 180
# shellcheck source=tests/xen/dom0/lib-front.sh
. /host/dom0/lib-front.sh

use_guest g1
modprobe xen-blkback || fail "no xen-blkback"
# shellcheck disable=SC2034
DISK=format=raw,backendtype=phy CLASS=vbd
front_takes_over
front_io
front_dies
front_detach
front_reattach
[ -z "$(losetup -a)" ] || fail "a loop device is left: $(losetup -a)"
modprobe -r xen-blkback || fail "xen-blkback is still in use"
