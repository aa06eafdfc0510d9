# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A disk attached to a running stock Linux guest with nothing but
# xenstore-write: a file system is made, filled, checked; detached, nothing is
# left of it.
# limit: 120
# takes: 15

start_back
use_guest g1
g1=$(domid g1)
base_grants=$(mapped_grants "$g1")
base_ports=$(ports "$g1" 0)
truncate -s 64M "$DISKS/a.img"
attach "$g1" 51712 "$DISKS/a.img"
wait_state "$g1/51712" 4
pass "connected"

in_guest g1 <<'END' || fail "the disk does not work in the guest"
set -e
mkfs.ext4 -q /dev/xvda
mount /dev/xvda /mnt
head -c 8M /dev/urandom >/mnt/data
(cd /mnt && sha256sum data >/tmp/sum)
umount /mnt
echo 3 >/proc/sys/vm/drop_caches
mount /dev/xvda /mnt
(cd /mnt && sha256sum -c /tmp/sum)
umount /mnt
e2fsck -fn /dev/xvda
END
pass "written, read back"
[ "$(mapped_grants "$g1")" -gt "$base_grants" ] ||
	fail "no mapped grants seen: the test for none would say nothing"

pid=$(worker_pid "$g1")
grep -q '^Seccomp:[[:space:]]*2' "/proc/$pid/status" || fail "no seccomp"
grep -q '^CapEff:[[:space:]]*0*$' "/proc/$pid/status" || fail "capabilities"
grep -q '^NoNewPrivs:[[:space:]]*1' "/proc/$pid/status" || fail "new privs"
[ "$(stat -c %u "/proc/$pid/mem")" = 0 ] || fail "the process can be looked into"
[ "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")" -gt 1000 ] || fail "user"
[ "$(ls "/proc/$pid/root/" | wc -l)" = 0 ] || fail "it sees files"
pass "the worker is locked up"

detach "$g1" 51712
wait_for 20 no_worker "$g1" || fail "a worker is left"
[ "$(mapped_grants "$g1")" = "$base_grants" ] || fail "mapped grants are left"
[ "$(ports "$g1" 0)" = "$base_ports" ] || fail "ports are left"
gone "$BACK_DIR/$g1" || fail "backend nodes are left"
refuses "the disk is gone from the guest" guest_has g1 xvda
e2fsck -fn "$DISKS/a.img" || fail "the file system in the image"
stop_back
pass "nothing is left"
