#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A data thread that has little to do goes to the CPU of its frontend, follows
# it to another, and stays on the CPUs that it was allowed.
# shellcheck source=tests/e2e/blk-lib.sh
. "$(dirname "$0")/blk-lib.sh"

# the CPUs we have, one a line: 0-2,5 is 0 1 2 5
our_cpus()
{
	local range
	for range in $(awk '$1 == "Cpus_allowed_list:" { gsub(",", " ", $2)
		$1 = ""; print }' /proc/self/status); do
		seq "${range%-*}" "${range#*-}"
	done
}
mapfile -t CPUS < <(our_cpus)
[ ${#CPUS[@]} -ge 2 ] || skip "one CPU: no place to choose"
HERE=${CPUS[0]} THERE=${CPUS[1]}

# allowed: what the threads of the worker are allowed, each once
allowed()
{
	sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' \
		"/proc/$(worker 2)/task/"*/status 2>/dev/null | sort -u
}
# a thread of the worker is on that CPU and no other
joined() { allowed | grep -qx "$1"; }

# front_on CPU [OPTION...]: a frontend there, some hundred requests a second
front_on()
{
	local cpu=$1
	shift
	taskset -c "$cpu" "$XENLOCAL" exec --domid 2 -- \
		"$E2E_BIN/blkfront_io" --devid=51712 --rw=randread --depth=1 \
		--rate=500 --seconds=60 --poll-us=0 "$@" \
		>"$TMP/front.out" 2>&1 &
	FRONT=$!
}
front_stop()
{
	kill "$FRONT" 2>/dev/null
	wait "$FRONT" 2>/dev/null
}

start_xen
start_back --loops 1
attach 2 51712 memory:8M
wait_state 2/51712 2
front_on "$HERE"
wait_for 20 joined "$HERE" || fail "not with the frontend, but: $(allowed)"
[ "$(stat_of vbd/2/51712 "d['polling'][0]['moves'] > 0")" = True ] ||
	fail "a move was not counted"
pass "where its frontend is"
taskset -apc "$THERE" "$FRONT" >/dev/null || fail "taskset"
wait_for 20 joined "$THERE" || fail "did not follow: $(allowed)"
pass "follows it"
front_stop
detach 2/51712
stop_back

BACK_WRAP=(taskset -c "$HERE")
start_back --loops 1
attach 2 51712 memory:8M
wait_state 2/51712 2
front_on "$THERE"
served() { [ "$(counter 2/51712 read_requests)" -gt 100 ]; }
wait_for 20 served || fail "no requests"
[ "$(allowed)" = "$HERE" ] || fail "left the CPUs it was allowed: $(allowed)"
pass "and nowhere else"
front_stop
detach 2/51712
stop_back
