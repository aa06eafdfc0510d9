# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# What the end-to-end tests share.  A test is a script that sources this file
# first and can be run alone, from anywhere, any number of times at once:
#
#   . "$(dirname "$0")/lib.sh"
#   start_xen
#   in_dom 1 xenstore-write data/a b || fail "cannot write"
#   pass "a guest writes its own nodes"
#
# Each run has a directory of its own, $TMP, below build/, with embedded Xen's
# in it ($XENLOCAL_RUNDIR).  When the script ends, however it ends, everything
# is stopped; a process, mount or file that is still there then is a failure.
# Exit status: 0 passed, 1 failed, 77 skipped.

set -u
shopt -s nullglob
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$(cd "$ROOT" && mkdir -p "${BUILD:-build}" && cd "${BUILD:-build}" && pwd)
XENLOCAL=$BUILD/bin/xenlocal
E2E_BIN=$BUILD/tests/e2e
NAME=$(basename "$0" .sh)
# Debian's Xen programs that are not in $PATH (test-xenstore, xl, ...)
XEN_BIN=
for program in /usr/lib/xen-*/bin/xenstored; do XEN_BIN=${program%/*}; done

pass() { echo "ok - $NAME: $*"; }

fail()
{
	echo "FAILED - $NAME: $*" >&2
	exit 1
}

skip()
{
	echo "skipped - $NAME: $*"
	exit 77
}

# need PROGRAM...: skip unless all of them are there
need()
{
	local program
	for program; do
		command -v "$program" >/dev/null || skip "no $program"
	done
}

# wait_for SECONDS COMMAND...: until the command succeeds; 1 when time is up.
# SECONDS are those of an idle machine; a busy one has E2E_PATIENCE times more.
wait_for()
{
	local end=$((SECONDS + $1 * ${E2E_PATIENCE:-4}))
	shift
	until "$@"; do
		[ $SECONDS -le $end ] || return 1
		read -rt 0.05 <> <(:) || :
	done
}

# start_xen: embedded Xen with domain 0, in $XENLOCAL_RUNDIR
start_xen()
{
	"$XENLOCAL" start || fail "embedded Xen does not start"
}

# in_dom N COMMAND...: runs it in a domain, which is made if missing
in_dom()
{
	local domid=$1
	shift
	"$XENLOCAL" exec --domid "$domid" -- "$@"
}

# refuses DESCRIPTION COMMAND...: the command must fail
refuses()
{
	local what=$1
	shift
	if "$@" >"$TMP/refuses.out" 2>&1; then
		fail "$what: not refused: $*"
	fi
	pass "$what"
}

# Processes of this run: all inherit E2E_TAG.
tagged()
{
	local environ pid
	for environ in /proc/[0-9]*/environ; do
		pid=${environ#/proc/}
		pid=${pid%/environ}
		[ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ] || continue
		tr '\0' '\n' <"$environ" 2>/dev/null |
			grep -qxF "E2E_TAG=$TMP" && echo "$pid"
	done 2>/dev/null
}

none_tagged() { [ -z "$(tagged)" ]; }

show_logs()
{
	local log
	for log in "$XENLOCAL_RUNDIR"/*.log "$XENLOCAL_RUNDIR"/dom*/*.log; do
		[ -s "$log" ] || continue
		echo "--- ${log#"$TMP"/}"
		tail -n 20 "$log"
	done >&2
}

# What a run may not leave behind: says it and returns 1.
check_left()
{
	local pid left=0
	if ! wait_for 5 none_tagged; then
		for pid in $(tagged); do
			echo "left: process $pid: $(tr '\0' ' ' \
				<"/proc/$pid/cmdline")"
			kill -KILL "$pid"
		done >&2 2>/dev/null
		left=1
	fi
	if grep -qF " $TMP" /proc/self/mountinfo; then
		echo "left: mounts: $(grep -F " $TMP" /proc/self/mountinfo)" >&2
		left=1
	fi
	if [ -e "$XENLOCAL_RUNDIR" ]; then
		echo "left: files: $(find "$XENLOCAL_RUNDIR" | head -n 20)" >&2
		left=1
	fi
	return $left
}

cleanup()
{
	local status=$? job
	trap - EXIT
	trap '' INT TERM HUP
	for job in $(jobs -p); do kill "$job" 2>/dev/null; done
	[ $status -eq 0 ] || [ $status -eq 77 ] || show_logs
	"$XENLOCAL" stop 2>"$TMP/stop.err" || cat "$TMP/stop.err" >&2
	wait 2>/dev/null
	if ! check_left && [ $status -eq 0 ]; then
		echo "FAILED - $NAME: something is left" >&2
		status=1
	fi
	rm -rf "$TMP"
	exit $status
}

[ -x "$XENLOCAL" ] || { echo "$XENLOCAL: not built (make)" >&2; exit 1; }
TMP=$(mktemp -d "$BUILD/e2e.XXXXXX") || exit 1
export XENLOCAL_RUNDIR=$TMP/xen
export E2E_TAG=$TMP
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
