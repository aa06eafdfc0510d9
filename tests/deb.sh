#!/bin/bash
# SPDX-License-Identifier: MIT
#
# make check-deb: the Debian packages in build/deb, in a Debian of their own
# that is thrown away (mmdebstrap, as root, a minute or two): installed, used,
# upgraded, removed, purged.  systemctl there is a script that notes what it is
# told, since no systemd runs there.
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}
export LC_ALL=C
pass() { echo "ok - deb: $*"; }
fail()
{
	echo "FAILED - deb: $*" >&2
	exit 1
}

[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
# Mounts are this script's alone, and end with it.
if [ -z "${DEB_TEST_ALONE:-}" ]; then
	DEB_TEST_ALONE=yes exec unshare -m "$PWD/tests/deb.sh"
fi
names=(xensplit lib{blk,net}front{0,-dev})
debs=()
for name in "${names[@]}"; do
	debs+=("$build/deb/$name"_*.deb)
done
for deb in "${debs[@]}"; do
	[ -f "$deb" ] || fail "no $deb (make deb)"
done
work=$(mktemp -d "$PWD/$build/deb/check.XXXXXX") || exit 1
root=$work/root
# Nothing of the machine is mounted there but /proc; --one-file-system all the
# same.
cleanup()
{
	umount "$root/proc" 2>/dev/null
	rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# ---- a Debian, with all that the packages need ----

needs=$(for deb in "${debs[@]}"; do dpkg-deb -f "$deb" Depends; done |
	tr ',' '\n' | sed 's/(.*//; s/[ \t]//g' | grep -vE '^lib(blk|net)front0$' | sort -u |
	paste -sd,)
# from where, and how, this machine has its packages
mapfile -t sources < <(find /etc/apt/sources.list /etc/apt/sources.list.d \
	\( -name '*.list' -o -name '*.sources' \) 2>/dev/null)
apt-config dump | grep '^Acquire::' >"$work/apt.conf"
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mmdebstrap --mode=root --variant=minbase --aptopt="$work/apt.conf" \
	--include="xen-utils-4.17,systemd,$needs" "$suite" \
	"$root" "${sources[@]}" >"$work/log" 2>&1 ||
	fail "mmdebstrap: $(tail "$work/log")"
mount -t proc proc "$root/proc" || fail "/proc"
in_root() { chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"; }
mkdir -p "$root/run/systemd/system"
mv "$root/bin/systemctl" "$root/bin/systemctl.real"
cat >"$root/bin/systemctl" <<'END'
#!/bin/sh
case "$*" in
# links in /etc: no systemd is needed for that
--root=*) exec systemctl.real "$@" ;;
*is-enabled*) exec systemctl.real --root=/ is-enabled xensplitd.service ;;
*is-active*) [ -e /active ] || exit 3 ;;
*" start "*) : >/active ;;
*" stop "*) rm -f /active ;;
esac
echo "$@" >>/systemctl.log
END
chmod +x "$root/bin/systemctl"
told()
{
	grep -- "$1.* xensplitd.service" "$root/systemctl.log" >"$work/told" 2>&1
}

# ---- the packages, and the same with a higher version ----

mkdir "$root/old" "$root/new"
for deb in "${debs[@]}"; do
	cp "$deb" "$root/old/"
	dpkg-deb -R "$deb" "$work/deb" || fail "dpkg-deb -R $deb"
	version=$(sed -n 's/^Version: //p' "$work/deb/DEBIAN/control")
	sed -i "s/$version/$version.1/" "$work/deb/DEBIAN/control"
	for script in "$work"/deb/etc/xen/scripts/*; do
		[ ! -e "$script" ] || echo "# changed" >>"$script"
	done
	dpkg-deb -b "$work/deb" "$root/new/" >/dev/null || fail "dpkg-deb -b"
	rm -rf "$work/deb"
done

# install DIRECTORY
install()
{
	in_root sh -c "dpkg --force-confold -i /$1/*.deb" >"$work/log" 2>&1 ||
		fail "install $1: $(tail -n 30 "$work/log")"
}
install old
told start || fail "not started: $(cat "$root/systemctl.log")"
[ -L "$root/etc/systemd/system/multi-user.target.wants/xensplitd.service" ] ||
	fail "not enabled"
pass "installed, enabled, started"

cat >"$root/use.sh" <<'END'
set -eu
export XENLOCAL_RUNDIR=/tmp/x XENSPLIT_RUNDIR=/tmp
xenlocal start
trap 'xenlocal stop' EXIT
xenlocal create --domid 1 --name guest
: >/tmp/ready
xenlocal exec --domid 0 -- xensplitd --ready-fd 7 7>/tmp/ready &
until [ -s /tmp/ready ]; do sleep 0.1; done
xenlocal exec --domid 0 -- xensplit block-attach --wait=backend guest \
	vdev=xvda,access=rw,target=memory:8M
xenlocal exec --domid 0 -- xensplit block-list
xenlocal exec --domid 0 -- xensplit network-attach --wait=backend guest \
	link=user:
xenlocal exec --domid 0 -- xensplit network-list
netfront-tap --help
rm /tmp/ready
END
in_root bash -c 'exec timeout 60 bash /use.sh' >"$work/log" 2>&1 ||
	fail "use: $(cat "$work/log")"
grep -q '^xvda .* InitWait' "$work/log" || fail "use: $(cat "$work/log")"
grep -q '^vif1.0 .* InitWait' "$work/log" || fail "use: $(cat "$work/log")"
pass "embedded Xen and xensplitd run from it"

# ---- upgrade ----

: >"$root/systemctl.log"
echo '# mine' >>"$root/etc/xen/scripts/block-xensplit"
install new
for package in "${names[@]}"; do
	in_root dpkg-query -W -f '${Status} ${Version}\n' $package |
		grep -q '^install ok installed .*\.1$' || fail "$package: upgrade"
done
told 'stop' && fail "the upgrade stopped the daemon: $(cat "$work/told")"
told 'restart' && fail "the upgrade restarted the daemon"
grep -q '^# mine' "$root/etc/xen/scripts/block-xensplit" ||
	fail "the changed script was replaced"
pass "upgraded; the daemon was left running, the changed script too"

# ---- remove, purge ----

: >"$root/systemctl.log"
in_root dpkg -r "${names[@]}" >"$work/log" 2>&1 ||
	fail "remove: $(tail "$work/log")"
told stop || fail "not stopped: $(cat "$root/systemctl.log")"
[ ! -e "$root/usr/sbin/xensplitd" ] || fail "not removed"
pass "stopped and removed"
in_root dpkg -P "${names[@]}" >"$work/log" 2>&1 ||
	fail "purge: $(tail "$work/log")"
rm -rf "$root/old" "$root/new" "$root/use.sh"
left=$(find "$root" -xdev \( -name '*xensplit*' -o -name '*xenlocal*' -o \
	-name '*blkfront*' -o -name '*netfront*' \))
[ -z "$left" ] || fail "left after purge: $left"
in_root dpkg --audit | grep . && fail "dpkg is not happy"
pass "purged; nothing is left"
