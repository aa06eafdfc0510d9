# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Our frontend in the stock Linux guest g1, beside the guest's own xen-blkfront,
# on a backend of whoever.  A test sets DISK, a disk line without vdev and
# target, and CLASS, that of the backend, and calls the front_* in their order.
# shellcheck disable=SC2016

IMAGE=$DISKS/a.img
MIB=8
# the longest request that the backend takes
LONGEST=1m

# What the guest's scripts begin with.
GUEST_WORDS='
die() { echo "$*"; exit 1; }
pause() { read -rt 0.1 <> <(:) || :; }
# until_true COMMAND...: 1 when 90 s are up
until_true()
{
	local end=$((SECONDS + 90))
	until "$@"; do
		[ $SECONDS -le $end ] || return 1
		pause
	done
}
verify()
{
	blkfront_io --devid=xvda --wait-ms=60000 --rw=verify "$@" \
		>/tmp/io.out 2>&1 || die "I/O with $*: $(cat /tmp/io.out)"
}
# nbd COMMAND: with $uri of an NBD server on our frontend
nbd()
{
	nbdkit -U - -t 16 /usr/local/lib/nbdkit-xensplit-plugin.so vdev=xvda \
		wait=60 --run "$*" || die "failed: $*"
}
load()
{
	# no shell between, which would be killed in its place
	blkfront_io --devid=xvda --wait-ms=60000 --rw=randwrite --block=16k \
		--seconds=100000 >/tmp/load.out 2>&1 </dev/null &
	echo $! >/tmp/load.pid
}
no_load() { ! kill -0 "$(cat /tmp/load.pid)" 2>/dev/null; }
'

# guest WHAT: a script on standard input, with these words; what it printed is
# in $TMP/guest.out
guest()
{
	in_guest g1 "$GUEST_WORDS$(cat)" >"$TMP/guest.out" ||
		fail "$1: $(cat "$TMP/guest.out")"
}

plug()
{
	xl block-attach g1 "$DISK,vdev=xvda,target=$IMAGE" ||
		fail "xl block-attach"
}
unplug() { xl block-detach g1 xvda || fail "xl block-detach"; }

# loaded: waits until the guest's load is connected and reaches the image
loaded()
{
	is_connected() { [ "$(store "$back/state")" = 4 ]; }
	is_loaded() { [ "$IMAGE" -nt "$TMP/mark" ]; }
	wait_for 30 is_connected && : >"$TMP/mark" && wait_for 30 is_loaded ||
		fail "no load: $(in_guest g1 "cat /tmp/load.out")"
}

# nothing_left WHEN: neither nodes nor mapped pages nor ports
nothing_left()
{
	no_grants() { [ "$(mapped_grants "$id")" = "$grants" ]; }
	no_ports() { [ "$(ports "$id" 0)" = "$ports" ]; }
	gone "$back" || fail "$1: backend nodes are left"
	gone "/local/domain/$id/device/vbd/51712" ||
		fail "$1: frontend nodes are left"
	wait_for 20 no_grants || fail "$1: mapped pages are left"
	wait_for 20 no_ports || fail "$1: ports are left"
}

# The kernel lets go of one disk as docs/linux-frontend.md says.
front_takes_over()
{
	id=$(domid g1) back=/local/domain/0/backend/$CLASS/$id/51712
	truncate -s ${MIB}M "$IMAGE"
	grants=$(mapped_grants "$id") ports=$(ports "$id" 0)
	plug
	guest "taken from the kernel" <<'END'
until_true test -b /dev/xvda || die "the kernel has no disk"
head -c 4M /dev/urandom >/run/first
dd if=/run/first of=/dev/xvda bs=64k oflag=direct status=none || die "dd"
echo vbd-51712 >/sys/bus/xen/drivers/vbd/unbind || die "unbind"
[ ! -e /dev/xvda ] || die "the kernel still has it"
nbd 'nbdcopy "$uri" /run/all'
cmp -n 4194304 /run/first /run/all || die "the kernel's data reads differently"
rm /run/all /run/first
END
	pass "unbound from the kernel, its data read by our frontend"
}

# Linux shares 1024 pages for all programs together unless it is told to.
front_limit()
{
	guest "the limit of shared pages" <<'END'
limit=/sys/module/xen_gntalloc/parameters/limit
echo 1024 >$limit
(verify --size=8m --block=1m --depth=8) &&
	die "2048 pages shared where 1024 are allowed"
grep -q $limit /tmp/io.out || die "not explained: $(cat /tmp/io.out)"
END
	pass "the guest's limit of shared pages is explained"
}

front_io()
{
	guest "verified I/O" <<END
echo 8192 >/sys/module/xen_gntalloc/parameters/limit
verify --size=8m --block=$LONGEST --depth=8
verify --size=64k --block=512 --ring-pages=1 --protocol=x86_32-abi
verify --size=1m --block=44k --queues=2 --no-persistent --flush-every=5
head -c ${MIB}M /dev/urandom >/run/data
nbd 'nbdcopy --flush /run/data "\$uri" && nbdcopy "\$uri" /run/back'
cmp /run/data /run/back || die "it reads differently"
sha256sum </run/data
rm /run/data /run/back
END
	[ "$(tail -n 1 "$TMP/guest.out")" = "$(sha256sum <"$IMAGE")" ] ||
		fail "the image has other data"
	pass "verified in three shapes, and through NBD"
}

front_dies()
{
	guest "load" <<<load
	loaded
	guest "killed" <<'END'
killed()
{
	kill -KILL "$(cat /tmp/load.pid)"
	until_true no_load || die "it does not die"
	verify --size=1m
}
is_on_its_way()
{
	state=$(xenstore-read device/vbd/51712/state)
	[ "$state" = 3 ] || [ "$state" = 4 ]
}
killed
load
until_true is_on_its_way || die "state $state: $(cat /tmp/load.out)"
killed
load
END
	pass "killed under load and while it connects, the next one connects"
}

front_detach()
{
	loaded
	unplug
	guest "detached" <<'END'
until_true no_load || die "it goes on"
grep -q 'backend closed the disk\|device was removed' /tmp/load.out ||
	die "not explained: $(cat /tmp/load.out)"
# the kernel is to leave the next one alone
echo 0 >/sys/bus/xen/drivers_autoprobe
END
	nothing_left "detached under load"
	pass "detached under load"
}

front_reattach()
{
	plug
	guest "attached again" <<'END'
verify --size=1m
[ ! -e /dev/xvda ] || die "the kernel has taken it"
echo 1 >/sys/bus/xen/drivers_autoprobe
END
	unplug
	plug
	guest "attached to the kernel" <<'END'
until_true test -b /dev/xvda || die "the kernel does not get it back"
dd if=/dev/xvda of=/dev/null bs=64k iflag=direct count=16 status=none
END
	unplug
	nothing_left "detached from the kernel"
	pass "attached again, to our frontend and to the kernel"
}
