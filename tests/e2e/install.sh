#!/bin/bash
# SPDX-License-Identifier: MIT
# make install into a directory: what is there works without the build tree,
# from wherever it is, and make uninstall leaves nothing.
if [ -z "${INSTALL_TEST_ALONE:-}" ]; then
	# in a mount namespace, so that the build tree can be hidden
	private=(unshare -m)
	[ "$(id -u)" = 0 ] || private=(unshare -m --map-current-user --keep-caps)
	export INSTALL_TEST_ALONE=no
	if "${private[@]}" true 2>/dev/null; then
		INSTALL_TEST_ALONE=yes exec "${private[@]}" "$0"
	fi
fi
. "$(dirname "$0")/lib.sh"
need pkg-config nbdkit nbdcopy cmp

# Not one of the usual places, so that nothing is found by luck.
DEST=$TMP/dest PREFIX=/opt/xs
AT=$DEST$PREFIX
run_make()
{
	env -u MAKEFLAGS -u MAKELEVEL make -s -C "$ROOT" BUILD="$BUILD" \
		DESTDIR="$DEST" PREFIX="$PREFIX" "$@" >"$TMP/make.out" 2>&1 ||
		fail "make $*: $(cat "$TMP/make.out")"
}
# LIBDIR is Debian's kind of place: one folder deeper
run_make install LIBDIR="$PREFIX/lib/some-arch" \
	NBDKIT_PLUGINDIR="$PREFIX/lib/nbdkit/plugins"
LIB=$AT/lib/some-arch
for file in bin/xensplit bin/xenlocal sbin/xensplitd \
	lib/some-arch/libblkfront.a lib/some-arch/libblkfront.so \
	lib/some-arch/pkgconfig/libblkfront.pc include/xensplit/blkfront.h \
	lib/some-arch/libnetfront.a lib/some-arch/libnetfront.so \
	lib/some-arch/pkgconfig/libnetfront.pc include/xensplit/netfront.h \
	bin/netfront-tap \
	lib/nbdkit/plugins/nbdkit-xensplit-plugin.so \
	lib/systemd/system/xensplitd.service; do
	[ -f "$AT/$file" ] || fail "not installed: $file"
done
for script in block-xensplit vif-xensplit; do
	[ -x "$DEST/etc/xen/scripts/$script" ] || fail "no $script"
done
for page in "$ROOT"/man/*.[1-8]; do
	[ -f "$AT/share/man/man${page##*.}/${page##*/}" ] ||
		fail "no manual page ${page##*/}"
done
pass "make install with DESTDIR, PREFIX and LIBDIR"

# ---- nothing knows the build tree ----

while read -r file; do
	words=("$ROOT" "$BUILD" "$DEST" '@[A-Z]*@')
	case $(head -c 4 "$file" | tr -d '\0') in
	$'\x7fELF')
		readelf -d "$file" | grep -E 'R(UN)?PATH' &&
			fail "$file has a run path"
		# debugging information may name sources
		objcopy -g "$file" "$TMP/object" 2>/dev/null
		file=$TMP/object
		unset "words[3]"
		;;
	esac
	for word in "${words[@]}"; do
		grep -aq -- "$word" "$file" && fail "$file contains $word"
	done
done < <(find "$DEST" -type f ! -name '*.a')
while read -r link; do
	case $(readlink "$link") in /*) fail "$link is absolute" ;; esac
	[ -e "$link" ] || fail "$link leads nowhere"
done < <(find "$DEST" -type l)
pass "no path of the build tree in it, and all links are relative"

mkdir "$TMP/empty"
if [ "$INSTALL_TEST_ALONE" = yes ]; then
	for dir in bin lib libexec frontend; do
		mount --bind "$TMP/empty" "$BUILD/$dir" || fail "hiding $dir"
	done
	mv "$DEST" "$TMP/moved" && DEST=$TMP/moved AT=$TMP/moved$PREFIX
	LIB=$AT/lib/some-arch
	pass "from here on without the build tree, and somewhere else"
fi
XENLOCAL=$AT/bin/xenlocal
PATH=$AT/bin:$AT/sbin:$PATH
export XENSPLIT_RUNDIR=$TMP

# ---- the programs ----

start_xen
"$XENLOCAL" create --domid 1 --name back --driver-domain >/dev/null
"$XENLOCAL" create --domid 2 --name guest >/dev/null
: >"$TMP/ready"
in_dom 1 xensplitd --ready-fd 7 7>"$TMP/ready" >"$TMP/xensplitd.log" 2>&1 &
wait_for 10 test -s "$TMP/ready" ||
	fail "xensplitd: $(cat "$TMP/xensplitd.log")"
truncate -s 4M "$TMP/disk"
head -c 4M /dev/urandom >"$TMP/data"
in_dom 0 xensplit block-attach --wait=backend guest \
	"backend=back,vdev=xvda,access=rw,target=$TMP/disk" || fail "attach"
in_dom 2 nbdkit -U - "$AT/lib/nbdkit/plugins/nbdkit-xensplit-plugin.so" \
	vdev=xvda --run "nbdcopy --flush '$TMP/data' \"\$uri\"" ||
	fail "nbdkit: $(cat "$TMP/xensplitd.log")"
cmp "$TMP/data" "$TMP/disk" || fail "data"
pass "the installed programs serve a disk"

# ---- the libraries ----

# NAME of the library as the last word
pc() { PKG_CONFIG_SYSROOT_DIR=$DEST PKG_CONFIG_LIBDIR=$LIB/pkgconfig:$(
	pkg-config --variable pc_path pkg-config) pkg-config "$@"; }
# the system's own .pc files are not below DEST
flags() { pc "$@" | sed "s|$DEST/usr/|/usr/|g"; }

# build LIBRARY: $TMP/LIBRARY.c, with the library and with the archive
build()
{
	local how libs
	for how in shared static; do
		libs=$(flags --cflags --libs "lib$1")
		[ $how = shared ] || libs="$(flags --cflags --libs --static \
			"lib$1" | sed "s/-l$1/-l:lib$1.a/")"
		# shellcheck disable=SC2086
		gcc -Wall -Werror -o "$TMP/$1-$how" "$TMP/$1.c" $libs ||
			fail "cannot link ($how): $libs"
	done
	readelf -d "$TMP/$1-shared" | grep -q "lib$1.so.0" ||
		fail "not linked with the shared library"
	readelf -d "$TMP/$1-static" | grep -q "lib$1" &&
		fail "not linked with the archive"
	return 0
}

cat >"$TMP/blkfront.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <xensplit/blkfront.h>

int main(void)
{
	struct blkfront_options options = {.size = sizeof(options)};
	static unsigned char data[4096];
	struct blkfront *disk;
	char why[256];
	FILE *out;

	if (blkfront_open(&disk, blkfront_devid("xvda"), &options, why,
			  sizeof(why)))
		return puts(why), 1;
	if (blkfront_pread(blkfront_queue(disk, 0), data, sizeof(data), 4096))
		return puts("cannot read"), 1;
	blkfront_close(disk);
	out = fopen(getenv("OUT"), "w");
	return !out || fwrite(data, sizeof(data), 1, out) != 1 || fclose(out);
}
END
build blkfront
tail -c +4097 "$TMP/data" | head -c 4096 >"$TMP/want"
for how in shared static; do
	OUT=$TMP/got LD_LIBRARY_PATH=$LIB in_dom 2 "$TMP/blkfront-$how" ||
		fail "the frontend does not work ($how)"
	cmp "$TMP/want" "$TMP/got" || fail "wrong data ($how)"
done
in_dom 0 xensplit block-detach guest xvda || fail "detach"

# what is sent comes back, addresses exchanged
cat >"$TMP/netfront.c" <<'END'
#include <stdio.h>
#include <string.h>
#include <xensplit/netfront.h>

static unsigned char frame[60];
static int echoed;

static void receive(void *user, const struct iovec *iov, unsigned int nr_iov,
		    uint32_t len, const struct netfront_meta *meta)
{
	echoed |= nr_iov == 1 && len == sizeof(frame) &&
		  !memcmp((char *)iov->iov_base + 12, frame + 12, 48);
}

int main(void)
{
	struct netfront_options options = {.size = sizeof(options)};
	struct iovec iov = {frame, sizeof(frame)};
	struct netfront_info info;
	struct netfront *nic;
	char why[256];
	int tries;

	if (netfront_open(&nic, 0, &options, why, sizeof(why)))
		return puts(why), 1;
	netfront_get_info(nic, &info);
	memset(frame, 0x5a, sizeof(frame));
	memcpy(frame, "\x02\0\0\0\0\1", 6);
	memcpy(frame + 6, info.mac, 6);
	if (netfront_send(netfront_queue(nic, 0), &iov, 1, NULL))
		return puts("cannot send"), 1;
	for (tries = 0; !echoed && tries < 100; tries++)
		if (netfront_wait(netfront_queue(nic, 0), 8, receive, NULL,
				  100) < 0)
			return puts("cannot receive"), 1;
	netfront_close(nic);
	return !echoed;
}
END
build netfront
in_dom 0 xensplit network-attach --wait=backend guest \
	backend=back,link=memory:echo || fail "network-attach"
for how in shared static; do
	LD_LIBRARY_PATH=$LIB in_dom 2 "$TMP/netfront-$how" ||
		fail "the NIC's frontend does not work ($how)"
done
in_dom 0 xensplit network-detach guest 0 || fail "network-detach"
in_dom 2 netfront-tap --help >/dev/null || fail "netfront-tap"
pass "programs are built with pkg-config, shared and static, and work"

# ---- the unit ----

unit=$AT/lib/systemd/system/xensplitd.service
grep -q "^ExecStart=$PREFIX/sbin/xensplitd " "$unit" || fail "$unit: ExecStart"
if command -v systemd-analyze >/dev/null; then
	sed -e "s|^ExecStart=$PREFIX|ExecStart=$AT|" -e '/^Documentation=/d' \
		"$unit" >"$TMP/xensplitd.service"
	SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no \
		"$TMP/xensplitd.service" 2>"$TMP/verify" || fail "$(cat "$TMP/verify")"
	grep xensplitd.service "$TMP/verify" && fail "systemd-analyze verify"
	pass "systemd accepts the unit"
fi

# With no more than the unit leaves of root's capabilities, and a socket where
# systemd waits for READY=1.
caps=$(sed -ne ':a;/\\$/{N;s/\\\n//;ba};s/^CapabilityBoundingSet=//p' "$unit" |
	sed 's/CAP_\([A-Z_]*\)/+\L\1/g' | tr -s ' \t' ,)
if [ "$(id -u)" = 0 ] &&
	setpriv --bounding-set="-all,$caps" true 2>/dev/null; then
	python3 - "$TMP/notify" >"$TMP/notified" <<-'END' &
	import socket, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind(sys.argv[1])
	s.settimeout(20)
	print(s.recv(100).decode())
	END
	notified=$!
	wait_for 10 test -S "$TMP/notify" || fail "no socket"
	mkdir "$TMP/run"
	"$XENLOCAL" create --domid 3 --name unit --driver-domain >/dev/null
	XENSPLIT_RUNDIR=$TMP/run NOTIFY_SOCKET=$TMP/notify "$XENLOCAL" exec \
		--domid 3 -- unshare --net setpriv --bounding-set="-all,$caps" \
		--no-new-privs xensplitd --run-scripts 2>"$TMP/caps.log" &
	daemon=$!
	wait "$notified"
	[ "$(cat "$TMP/notified")" = READY=1 ] ||
		fail "READY=1: $(cat "$TMP/notified" "$TMP/caps.log")"
	in_dom 0 xensplit block-attach --wait=backend guest \
		"backend=unit,vdev=xvda,access=rw,target=$TMP/disk" ||
		fail "attach"
	OUT=$TMP/got LD_LIBRARY_PATH=$LIB in_dom 2 "$TMP/blkfront-shared" ||
		fail "$(cat "$TMP/caps.log")"
	grep -q 'sandbox: user [0-9]*; own network yes, IPC yes, host name yes; empty root yes; system calls restricted' \
		"$TMP/caps.log" || fail "sandbox: $(cat "$TMP/caps.log")"
	if [ -w /dev/net/tun ] && nsenter --net --target "$daemon" \
		ip link add br0 type bridge; then
		in_dom 0 xensplit network-attach --wait=backend guest \
			"backend=unit,bridge=br0,script=$DEST/etc/xen/scripts/vif-xensplit" ||
			fail "network-attach: $(cat "$TMP/caps.log")"
		plugged() { nsenter --net --target "$daemon" \
			ip link show dev vif2.0 | grep -q 'master br0'; }
		wait_for 10 plugged || fail "bridge: $(cat "$TMP/caps.log")"
		in_dom 0 xensplit network-detach guest 0 ||
			fail "network-detach"
		pass "a NIC on a bridge, with the unit's capabilities"
	fi
	kill "$daemon"
	wait "$daemon" || fail "ended with $?: $(cat "$TMP/caps.log")"
	pass "it tells systemd that it is ready, and does with the unit's capabilities"
fi

# ---- gone ----

"$XENLOCAL" stop || fail "stop"
# what clears up after us is no longer there
XENLOCAL=true
if [ "$INSTALL_TEST_ALONE" = yes ]; then
	mv "$TMP/moved" "$TMP/dest" && DEST=$TMP/dest
	for dir in bin lib libexec frontend; do
		umount "$BUILD/$dir" || fail "umount $dir"
	done
fi
: >"$DEST$PREFIX/bin/other"
run_make uninstall LIBDIR="$PREFIX/lib/some-arch" \
	NBDKIT_PLUGINDIR="$PREFIX/lib/nbdkit/plugins"
left=$(cd "$DEST" && find . ! -type d)
[ "$left" = ".$PREFIX/bin/other" ] || fail "left after uninstall: $left"
find "$DEST" -name '*xensplit*' | grep . && fail "directories are left"
pass "make uninstall leaves nothing of ours, and what is not ours"
