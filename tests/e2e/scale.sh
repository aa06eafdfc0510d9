#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 200 disks on 20 guests at once: attached, connected, verified, idle, detached;
# what a worker and each disk cost; nothing is left.
# shellcheck source=tests/e2e/blk-lib.sh
. "$(dirname "$0")/blk-lib.sh"

GUESTS=20
DISKS=10
WORKER_KIB=$((16 * 1024))
DISK_KIB=$((2 * 1024))

# The backend is in domain 0, which has no quota of nodes and watches.
BACK=/local/domain/0/backend/vbd
start_back_in_0()
{
	: >"$TMP/ready"
	"$XENLOCAL" exec --domid 0 -- "$BUILD/bin/xensplitd" --ready-fd 7 \
		7>"$TMP/ready" >>"$BACK_LOG" 2>&1 &
	XENSPLITD_PID=$!
	to_be_ready 10 || fail "xensplitd does not get ready"
}
nodes() { in_dom 0 xenstore-ls -f / | sed 's/ = .*//' | LC_ALL=C sort; }
target() # FE N: half of the disks are files, half are memory
{
	if [ $(($2 % 2)) = 0 ]; then
		echo "$TMP/image.$1.$2"
	else
		echo memory:1M
	fi
}
spec() # FE N
{
	printf 'format=raw,vdev=xvd%s,access=rw,target=%s' \
		"${letters:$2:1}" "$(target "$1" "$2")"
}
letters=abcdefghij
rss() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"; }
# Of all processes of this run but the scripts: user and system time, ticks
ticks() { cat "${stat_files[@]}" | awk '{ n += $14 + $15 } END { print n }'; }
stat_files=()
for_all_disks()
{
	local fe n
	for ((fe = 1; fe <= GUESTS; fe++)); do
		for ((n = 0; n < DISKS; n++)); do "$@" "$fe" $n; done
	done
}
# guests_at_once COMMAND: for each guest, four at a time
guests_at_once()
{
	local fe i job
	for ((fe = 1; fe <= GUESTS; fe += 4)); do
		local -a jobs=()
		for ((i = fe; i < fe + 4 && i <= GUESTS; i++)); do
			"$@" $i &
			jobs+=($!)
		done
		for job in "${jobs[@]}"; do wait "$job" || fail "$*"; done
	done
}

start_xen
start_back_in_0
# shellcheck disable=SC2046
make_guests $(seq $GUESTS)
# it stays, as on any host
put "${BACK%/*}" ""
take_account
nodes >"$TMP/nodes"

# --- one disk: the cost of a worker; ten: that of a disk
start_guest()
{
	guest_start "g$1.$2" "$1" --devid="xvd${letters:$2:1}" --depth=4 \
		--size=256k --queues=$(($2 % 3 + 1)) fill verify pause
}
is_paused()
{
	guest_says "g$1.$2" '^paused'
	grep -q '^verify reads=.* read_errors=0 .* wrong=0 status=0$' \
		"$TMP/g$1.$2.out" || fail "$(cat "$TMP/g$1.$2.out")"
}
is_file() { [ $(($2 % 2)) != 0 ] || truncate -s 1M "$(target "$1" "$2")"; }
for_all_disks is_file
begin=$SECONDS
tool block-attach --wait=backend guest1 "$(spec 1 0)" || fail "attach"
start_guest 1 0
is_paused 1 0
one=$(rss "$(worker 1)")
[ "$one" -le $WORKER_KIB ] || fail "a worker with one disk has $one KiB"
attach_guest()
{
	local n
	for ((n = $1 == 1; n < DISKS; n++)); do
		tool block-attach --wait=backend "guest$1" "$(spec "$1" $n)" ||
			return
	done
}
guests_at_once attach_guest
pass "$((GUESTS * DISKS)) disks attached in $((SECONDS - begin)) s"

begin=$SECONDS
# Ten begin while the ten before them end: what takes long on a busy machine
# is not for them to wait for.
for ((fe = 1; fe <= GUESTS + 1; fe++)); do
	for ((n = fe == 1; fe <= GUESTS && n < DISKS; n++)); do
		start_guest $fe $n
	done
	for ((n = 0; fe > 1 && n < DISKS; n++)); do
		is_paused $((fe - 1)) $n
	done
done
[ "$(stats | jq '[.devices[] | select(.state == "Connected")] | length')" = \
	$((GUESTS * DISKS)) ] || fail "not all are connected"
[ "$(pgrep -c -P "$XENSPLITD_PID")" = $GUESTS ] || fail "workers"
pass "$((GUESTS * DISKS)) frontends connected, with verified I/O," \
	"in $((SECONDS - begin)) s"

ten=$(rss "$(worker 1)")
each=$(((ten - one) / (DISKS - 1)))
[ $each -le $DISK_KIB ] || fail "each further disk costs $each KiB"
pass "a worker with one disk: $one KiB; each further disk: $each KiB;" \
	"xensplitd: $(rss "$XENSPLITD_PID") KiB"

# --- nothing happens, and nothing is done.  Here time itself is measured, again
# while what came before is not quite over.
"$XENLOCAL" status --json >"$TMP/status.json"
for pid in $(jq '.xenlocald.pid, .domains[].processes[].pid' \
	"$TMP/status.json"); do
	stat_files+=("/proc/$pid/stat")
done
[ ${#stat_files[@]} -ge $((GUESTS * (DISKS + 2) + 3)) ] ||
	fail "only ${#stat_files[@]} processes"
is_idle()
{
	local before
	cat "${stat_files[@]}" >"$TMP/ticks.before"
	before=$(ticks)
	read -rt 2 <> <(:) || :
	used=$(($(ticks) - before))
	[ $used -le 1 ]
}
# pid, name and ticks of each process that was not idle
who_is_busy()
{
	cat "${stat_files[@]}" | awk '
		{ n = $14 + $15 }
		NR == FNR { before[$1] = n; next }
		n > before[$1] { print $1, $2, n - before[$1] }' \
		"$TMP/ticks.before" -
}
wait_for 5 is_idle || who_is_busy >&2
[ $used -le 1 ] ||
	fail "$used ticks of CPU time in 2 s of idleness"
pass "${#stat_files[@]} idle processes: $used ticks of CPU time in 2 s"

# --- detached, a guest's disks one after the other, several guests at once
begin=$SECONDS
detach_guest()
{
	local n
	for ((n = 0; n < DISKS; n++)); do
		tool block-detach "guest$1" "xvd${letters:n:1}" || return
	done
}
guests_at_once detach_guest
ended()
{
	guest_tell "g$1.$2"
	guest_end "g$1.$2"
}
for_all_disks ended
[ "$(stats | jq -c .devices)" = '[]' ] || fail "devices are left"
nodes >"$TMP/nodes.now"
diff "$TMP/nodes" "$TMP/nodes.now" >&2 || fail "nodes are left in xenstore"
balanced
pass "detached in $((SECONDS - begin)) s; grants, ports, maps, descriptors," \
	"nodes as before"
stop_back
