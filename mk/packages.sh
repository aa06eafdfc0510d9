#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Installs the Debian packages that a target needs and this machine lacks, and
# says which.  mk/packages.sh build|check|check-xen|demo|bench|deb
set -eu

build="gcc make pkg-config libc6-dev libxen-dev libev-dev liburing-dev
       libjansson-dev libseccomp-dev libcap-ng-dev libkmod-dev
       libpcap-dev libslirp-dev libnbd-dev
       nbdkit-plugin-dev"
run="xen-utils-4.17 xenstore-utils nbdkit libnbd-bin fuse3 e2fsprogs
     fio procps util-linux iproute2 iputils-ping iperf3 curl python3"
check="python3 check valgrind qemu-system-xen qemu-utils jq clang-format binutils
       mandoc groff-base"
deb="$build debhelper dpkg-dev fakeroot lintian mmdebstrap"
check_xen="qemu-system-x86 mmdebstrap e2fsprogs util-linux cpio zstd"
bench="python3 gnuplot-nox qemu-utils qemu-system-common qemu-system-xen
       dpdk dpdk-dev librte-net-memif23 librte-net-vhost23
       librte-net-virtio23"

case "${1:-}" in
build) want="$build" ;;
demo)  want="$build $run" ;;
check) want="$build $run $check" ;;
check-xen) want="$build $check_xen" ;;
bench) want="$build $run $bench" ;;
deb)   want="$deb" ;;
*) echo "usage: $0 build|check|check-xen|demo|bench|deb" >&2; exit 2 ;;
esac

missing=""
for p in $want; do
	dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null |
		grep -q '^ii' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" != 0 ]; then
	sudo=sudo
	command -v sudo >/dev/null || {
		echo "these packages are missing:$missing" >&2
		echo "install them as root, then try again" >&2
		exit 1
	}
fi
echo "installing missing packages:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt_get() {
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" \
		>>"$log" 2>&1 </dev/null
}
# shellcheck disable=SC2086
apt_get install --no-install-recommends $missing || {
	apt_get update && apt_get install --no-install-recommends $missing
} || {
	tail -n 20 "$log" >&2
	echo "could not install:$missing" >&2
	exit 1
}
