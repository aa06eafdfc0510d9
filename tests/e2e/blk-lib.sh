# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the tests of faults, survival and scale share; sourced instead of
# lib.sh and lib-xensplitd.sh, which it sources.  Not a test.
#
# Guests are blk_guest, which knows what it wrote (blk_guest --help).  One that
# goes on while the test does something has a name:
#
#   guest_start load 2 --queues=4 load      # blk_guest in domain 2
#   guest_says load 'load begins'
#   ...
#   guest_tell load                         # a line on its standard input
#   guest_end load                          # waits; it must end with 0
#   [ "$(value load load wrong)" = 0 ]      # of its result lines
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/e2e/lib-xensplitd.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib-xensplitd.sh"

BLK_GUEST=$E2E_BIN/blk_guest
# what a failed run shows
show_logs() { tail -n 40 "$BACK_LOG" "$XENLOCAL_RUNDIR"/*.log >&2; }
declare -A GUEST_PID GUEST_FD

# make_guests N...: domains
make_guests()
{
	local n
	for n; do
		"$XENLOCAL" create --domid "$n" --name "guest$n" >/dev/null ||
			fail "no domain $n"
	done
}

# ---- guests ----

# guest FE OPTION... COMMAND...: in the foreground; its lines are in
# $TMP/guest.out, its exit status is ours
guest()
{
	local fe=$1
	shift
	in_dom "$fe" "$BLK_GUEST" "$@" </dev/null >"$TMP/guest.out" \
		2>"$TMP/guest.err"
}

# guest_ok FE ...: must end with 0
guest_ok()
{
	guest "$@" && return
	guest_show guest
	fail "guest $*"
}

# guest_start NAME FE OPTION... COMMAND...: in the background
guest_start()
{
	local name=$1 fe=$2
	shift 2
	rm -f "$TMP/$name.in"
	mkfifo "$TMP/$name.in"
	: >"$TMP/$name.out"
	exec {GUEST_FD[$name]}<>"$TMP/$name.in"
	# not in_dom, whose process would be a shell's
	"$XENLOCAL" exec --domid "$fe" -- "$BLK_GUEST" "$@" \
		<"$TMP/$name.in" >"$TMP/$name.out" 2>"$TMP/$name.err" \
		{GUEST_FD[$name]}>&- &
	GUEST_PID[$name]=$!
}

guest_pid() { echo "${GUEST_PID[$1]}"; }
guest_tell() { echo >&"${GUEST_FD[$1]}"; }
guest_has_said() { grep -q -- "$2" "$TMP/$1.out"; }
guest_lives() { kill -0 "${GUEST_PID[$1]}" 2>/dev/null; }
guest_said_or_ended() { guest_has_said "$@" || ! guest_lives "$1"; }

# guest_says NAME PATTERN: waits for it
guest_says()
{
	wait_for 20 guest_said_or_ended "$1" "$2"
	guest_has_said "$1" "$2" && return
	guest_show "$1"
	fail "guest $1 does not say '$2'"
}

guest_show()
{
	echo "--- guest $1"
	tail -n 20 "$TMP/$1.out" "$TMP/$1.err"
} >&2

guest_is_gone() { ! guest_lives "$1"; }

# guest_status NAME: waits for its end, at most 30 s; sets STATUS
guest_status()
{
	wait_for 30 guest_is_gone "$1" || {
		guest_show "$1"
		fail "guest $1 does not end"
	}
	wait "${GUEST_PID[$1]}"
	STATUS=$?
	exec {GUEST_FD[$1]}>&-
	unset "GUEST_PID[$1]"
}

# guest_end NAME: it must end with 0
guest_end()
{
	guest_status "$1"
	[ $STATUS = 0 ] && return
	guest_show "$1"
	fail "guest $1 ended with status $STATUS"
}

# guest_kill NAME: SIGKILL
guest_kill()
{
	local pid=${GUEST_PID[$1]}
	kill -KILL "$pid" || fail "guest $1 is gone already"
	wait "$pid" 2>/dev/null
	exec {GUEST_FD[$1]}>&-
	unset "GUEST_PID[$1]"
}

# value NAME COMMAND KEY: from its last line about COMMAND (NAME guest: of the
# one in the foreground)
value()
{
	grep "^$2 " "$TMP/$1.out" | tail -n 1 | tr ' ' '\n' |
		sed -n "s/^$3=//p"
}

# expect NAME COMMAND KEY=VALUE...
expect()
{
	local name=$1 command=$2 pair
	shift 2
	for pair; do
		[ "$(value "$name" "$command" "${pair%%=*}")" = \
			"${pair#*=}" ] && continue
		grep "^$command " "$TMP/$name.out" >&2
		fail "$name: $command: not $pair"
	done
}

# image_right RECORD IMAGE: what the backend's side holds is what was
# acknowledged
image_right()
{
	"$BLK_GUEST" --record="$1" --image="$2" >"$TMP/image.out" 2>&1 && return
	cat "$TMP/image.out" >&2
	fail "$2 is not what was written"
}

# ---- the backend ----

# worker FE: the process id of a domain's worker; nothing if there is none
worker() { pgrep -P "$XENSPLITD_PID" -f -- "--worker $1 "; }
has_worker() { [ -n "$(worker "$1")" ]; }
no_worker() { [ -z "$(worker "$1")" ]; }
has_other_worker() { has_worker "$1" && [ "$(worker "$1")" != "$2" ]; }

stats() { "$BUILD/bin/xensplit" stats --json --control "$TMP/control"; }
# counter FE/DEVID NAME
counter()
{
	stats | jq -r ".devices[] | select(.device == \"vbd/$1\") |
		.counters.$2"
}
requests()
{
	stats | jq -r ".devices[] | select(.device == \"vbd/$1\") |
		.counters | .read_requests + .write_requests"
}
has_moved() { [ "$(requests "$1")" -gt "$2" ]; }
# moves FE/DEVID: requests are being served
moves()
{
	wait_for 15 has_moved "$1" "$(requests "$1")" ||
		fail "no requests of $1 are served"
}

detach()
{
	local device
	for device; do ask_detach "${device%/*}" "${device#*/}"; done
	for device; do detached "${device%/*}" "${device#*/}"; done
}

tool() { in_dom 0 "$BUILD/bin/xensplit" "$@"; }

# ---- accounts: what may not leak ----

# But for the grant tables that a domain sees when it copies: one for each
# two domains, made at the first copy, gone with the domains.
fds_of()
{
	find "/proc/$1/fd" -mindepth 1 ! -lname '*memfd:grants*' 2>/dev/null |
		wc -l
}

# One line: per domain ports, grants and maps; descriptors and threads of
# xensplitd, descriptors of the hypervisor; workers.
account()
{
	"$XENLOCAL" status --json >"$TMP/status.json" || return
	jq -r '[.domains[] | "d\(.domid) ports=\(.ports | length) " +
		"refs=\(.grants.references) " +
		"shares=\(.grants.shares) maps=\(.grants.maps);"] | join(" ")' \
		"$TMP/status.json"
	echo "xensplitd fds=$(fds_of "$XENSPLITD_PID")" \
		"threads=$(ls "/proc/$XENSPLITD_PID/task" | wc -l)" \
		"workers=$(pgrep -c -P "$XENSPLITD_PID")"
	echo "xenlocald fds=$(fds_of "$(jq .xenlocald.pid \
		"$TMP/status.json")")"
}

# take_account: remembers it; balanced: waits until it is so again
take_account() { account >"$TMP/account"; }
is_balanced() { account >"$TMP/account.now"; cmp -s "$TMP/account"{,.now}; }
balanced()
{
	wait_for 10 is_balanced && return
	diff "$TMP/account" "$TMP/account.now" >&2
	fail "not everything is given back${1:+: $1}"
}

need jq pgrep xenstore-read xenstore-write xenstore-chmod
