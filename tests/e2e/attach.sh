#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A disk attached by xenstore-write alone, used by libblkfront in a guest in
# every way the ring can be set up, closed and taken up again, detached; and
# the same with several disks, a CD-ROM and a read-only one.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/lib-xensplitd.sh
. "$(dirname "$0")/lib-xensplitd.sh"

need xenstore-read xenstore-write xenstore-chmod python3
start_xen
start_back

truncate -s 32M "$TMP/a.img"
attach 2 51712 "$TMP/a.img" dev xvda
wait_state 2/51712 2
[ "$(store "$BACK/2/51712/feature-max-indirect-segments")" = 256 ] ||
	fail "features are not published"
[ "$(store "$BACK/2/51712/max-ring-page-order")" = 4 ] || fail "ring order"
pass "offered"

# every shape of ring, one after the other on the same device: each closes and
# the next connects again
while read -r options; do
	# shellcheck disable=SC2086
	io 2 --rw=verify --pattern --size=8m --block=32k $options >"$TMP/io.out" ||
		{ cat "$TMP/io.out" >&2; fail "I/O with '$options'"; }
	wait_state 2/51712 6
	pass "I/O with '${options:-defaults}'"
done <<'END'

--ring-pages=1 --max-segs=11
--ring-pages=2 --queues=2
--ring-pages=16 --queues=4
--protocol=x86_32-abi --ring-pages=1
--protocol=x86_32-abi --ring-pages=4 --queues=3
--no-persistent --queues=2
--poll-us=0 --depth=1 --size=1m
END

[ "$(store "$BACK/2/51712/sectors")" = 65536 ] || fail "sectors"
[ "$(store "$BACK/2/51712/info")" = 0 ] || fail "info"
for key in feature-flush-cache feature-barrier feature-discard \
	discard-granularity discard-alignment discard-secure sector-size \
	physical-sector-size; do
	[ -n "$(store "$BACK/2/51712/$key")" ] || fail "$key is not there"
done
pass "properties"

[ "$(stat_of vbd/2/51712 "d['counters']['write_bytes'] >= 8<<20")" = True ] ||
	fail "counters"
[ "$(stat_of vbd/2/51712 "d['latency_us']['p50'] > 0")" = True ] ||
	fail "latency"
[ "$(stat_of vbd/2/51712 "(d['domid'], d['devid'], d['vdev'], d['store'])")" \
	= "(2, 51712, 'xvda', 'file')" ] || fail "identity in stats"
# an image on a file system without O_DIRECT goes through the page cache
all="d['counters']['read_bytes'] + d['counters']['write_bytes']"
if grep -q 'a\.img.*O_DIRECT, memory' "$BACK_LOG"; then all=0; fi
[ "$(stat_of vbd/2/51712 "d['counters']['cached_bytes'] == $all")" = True ] ||
	fail "bytes of the page cache"
truncate -s 4M /dev/shm/xensplit.$$.img
attach 2 51776 /dev/shm/xensplit.$$.img
wait_state 2/51776 2
exec {image}<>/dev/shm/xensplit.$$.img
rm /dev/shm/xensplit.$$.img
io 2 --devid=51776 --rw=verify --pattern >/dev/null || fail "image in memory"
# what is written through a mapping the kernel does not see
touch -d @1 /proc/$$/fd/"$image"
io 2 --devid=51776 --rw=verify --pattern >/dev/null || fail "once more"
all="d['counters']['read_bytes'] + d['counters']['write_bytes']"
[ "$(stat_of vbd/2/51776 "d['counters']['cached_bytes'] == $all")" = True ] ||
	fail "bytes of the page cache of an image in memory"
ask_detach 2 51776
detached 2 51776
[ "$(stat -L -c %Y /proc/$$/fd/"$image")" -gt 1 ] ||
	fail "the image has the time that it had before it was written"
exec {image}<&-
pass "statistics"

# read-only, CD-ROM, discard off, 4096 byte sectors, memory
truncate -s 8M "$TMP/b.img" "$TMP/c.img"
attach 2 51728 "$TMP/b.img" mode r device-type cdrom removable 1
attach 2 51744 "$TMP/c.img" discard-enable 0 xensplit/sector-size 4096
attach 2 51760 memory:8M
for id in 51728 51744 51760; do wait_state 2/$id 2; done
io 2 --devid=51728 --rw=read --size=8m --requests=100 >/dev/null ||
	fail "read-only disk"
io 2 --devid=51728 --rw=write --size=8m --requests=10 >/dev/null 2>&1 &&
	fail "a read-only disk was written"
[ "$(store "$BACK/2/51728/info")" = 7 ] || fail "info of a CD-ROM"
pass "read-only CD-ROM"
io 2 --devid=51744 --rw=verify --pattern >/dev/null || fail "4096"
[ "$(store "$BACK/2/51744/sector-size")" = 4096 ] || fail "sector-size"
[ "$(store "$BACK/2/51744/sectors")" = 16384 ] || fail "sectors of 4096"
[ "$(store "$BACK/2/51744/feature-discard")" = 0 ] || fail "discard-enable"
pass "4096 byte sectors"
io 2 --devid=51760 --rw=verify --pattern >/dev/null || fail "memory"
pass "memory store"

# what was written is in the image: another guest's frontend reads it
io 2 --rw=write --pattern --size=8m --block=4096 --requests=2048 --seed=7 \
	>/dev/null || fail "write"
for id in 51712 51728 51744 51760; do
	ask_detach 2 $id
	detached 2 $id
done
no_workers() { [ "$(control '{"command":"list"}')" = \
	'{"devices":[],"workers":[]}' ]; }
wait_for 10 no_workers || fail "left: $(control '{"command":"list"}')"
pass "detached, worker ended"

"$XENLOCAL" create --domid 3 --name other >/dev/null || fail "create 3"
attach 3 51712 "$TMP/a.img" mode r
wait_state 3/51712 2
io 3 --rw=read --pattern --size=8m --block=4096 --requests=2048 --seed=7 \
	>/dev/null || fail "another guest reads what was written"
pass "another guest reads what was written"

# a guest that goes away without a word
attach 3 51728 memory:4M
wait_state 3/51728 2
"$XENLOCAL" destroy 3 >/dev/null || fail "destroy 3"
for id in 51712 51728; do
	wait_state 3/$id 6
	in_dom 0 xenstore-rm $BACK/3/$id || fail "rm"
done
wait_for 10 no_workers || fail "left: $(control '{"command":"list"}')"
pass "a domain that goes has its devices closed"

stop_back
[ ! -e "$XENSPLIT_RUNDIR/control" ] || fail "the control socket is left"
pass "ends in order"
