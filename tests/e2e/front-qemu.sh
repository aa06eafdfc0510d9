#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Our frontend with a backend that is not ours: QEMU's, unmodified, in domain 0
# of embedded Xen.  All shapes of rings that it takes; killed and started again
# under verified load; unplugged under load.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

QEMU=/usr/libexec/xen-qemu-system-i386
BACK=/local/domain/0/backend/qdisk/2/51712
FRONT=/local/domain/2/device/vbd/51712

need xenstore-write
[ -x $QEMU ] || skip "no $QEMU"
start_xen
"$XENLOCAL" create --domid 2 --name guest >/dev/null || fail "no domain 2"
# so long that a busy machine does not miss it
truncate -s 256M "$TMP/disk.img"

start_qemu()
{
	in_dom 0 $QEMU -M xenpv -xen-attach -xen-domid 2 -nodefaults \
		-nographic -monitor none -serial none >>"$TMP/qemu.log" 2>&1 &
	JOB=$!
}

# pid_of PROGRAM: the process itself, not what started it.
pid_of()
{
	local pid exe
	exe=$(readlink -f "$1")
	for pid in $(tagged); do
		[ "$(readlink "/proc/$pid/exe")" = "$exe" ] && echo "$pid"
	done
}

state_is() { [ "$(in_dom 0 xenstore-read "$1/state" 2>/dev/null)" = "$2" ]; }
wait_state() { wait_for 10 state_is "$1" "$2" || fail "$1 is not in state $2"; }
put() { in_dom 0 xenstore-write "$@" || fail "cannot write $*"; }
io() { in_dom 2 "$E2E_BIN/blkfront_io" "$@"; }

# written NUMBER: that many bytes of the image are not holes
written() { [ "$(($(stat -c %b "$TMP/disk.img") * 512))" -ge "$1" ]; }

put $FRONT/backend $BACK $FRONT/backend-id 0 $FRONT/virtual-device 51712
in_dom 0 xenstore-chmod -r $FRONT n2 r0 || fail chmod
put $BACK/frontend $FRONT $BACK/frontend-id 2 $BACK/online 1 $BACK/mode w \
	$BACK/removable 0 $BACK/dev xvda $BACK/device-type disk \
	$BACK/params "aio:$TMP/disk.img" $BACK/discard-enable 1
in_dom 0 xenstore-chmod -r $BACK n0 r2 || fail chmod
put $FRONT/state 1 $BACK/state 1
start_qemu
wait_state $BACK 2

while read -r options; do
	# shellcheck disable=SC2086
	io --rw=verify --size=4m $options >"$TMP/io.out" 2>&1 ||
		{ cat "$TMP/io.out" >&2; fail "I/O with '$options'"; }
	wait_state $BACK 6
	pass "I/O with '${options:-defaults}'"
done <<'END'

--ring-pages=1 --block=44k
--ring-pages=4 --queues=4 --flush-every=5
--protocol=x86_32-abi
--protocol=x86_32-abi --ring-pages=2 --block=512 --size=256k
--poll-us=50 --depth=1 --size=1m
END

truncate -s 0 "$TMP/disk.img"
# so long that a busy machine does not miss it
truncate -s 256M "$TMP/disk.img"
qemu=$(pid_of $QEMU) # takes a while, which the load may not have
io --rw=verify --depth=2 >"$TMP/io.out" 2>&1 &
load=$!
wait_for 10 written $((1 << 20)) || fail "no load"
kill -KILL "$qemu"
wait $JOB
written $((250 << 20)) && fail "the load was over before the kill"
# As a toolstack: first the state, then the backend.  QEMU takes whatever ring it
# finds for a new one, so the frontend has to have left the old one.
put $BACK/state 1
wait_state $FRONT 1
start_qemu
wait $load || { cat "$TMP/io.out" >&2; fail "I/O across a restart"; }
grep -q restarted "$TMP/io.out" || fail "no restart was seen"
pass "QEMU killed and started again under verified load"

wait_state $BACK 6
io --rw=randwrite --seconds=1000 >"$TMP/io.out" 2>&1 &
load=$!
wait_state $BACK 4
kill -KILL "$(pid_of "$E2E_BIN/blkfront_io")"
wait $load
io --rw=verify --size=1m >"$TMP/io.out" 2>&1 ||
	{ cat "$TMP/io.out" >&2; fail "I/O after a frontend that was killed"; }
pass "a frontend killed, the next one connects"

wait_state $BACK 6
io --rw=randwrite --seconds=20 --depth=32 >"$TMP/io.out" 2>&1 &
load=$!
wait_state $FRONT 4
in_dom 0 sh -c "xenstore-write $BACK/online 0 $BACK/state 5"
wait $load && fail "I/O went on without a disk"
grep -q 'backend closed the disk\|device was removed' "$TMP/io.out" ||
	{ cat "$TMP/io.out" >&2; fail "unplug is not explained"; }
pass "unplugged under load"
