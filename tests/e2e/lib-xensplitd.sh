# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the tests of xensplitd share; sourced after lib.sh.  Not a test.
#
# Domain 1 is the driver domain, domain 2 a guest (start_back makes both).
# Disks are attached by xenstore-write in domain 0, nothing else.

BACK=/local/domain/1/backend/vbd
BACK_LOG=$TMP/xensplitd.log
export XENSPLIT_RUNDIR=$TMP
XENSPLITD_PID=

# to_be_ready SECONDS: until something is in $TMP/ready.  A file, not a FIFO:
# what is written to that is gone if it is closed before it is opened to read.
to_be_ready() { wait_for "$1" test -s "$TMP/ready"; }

# start_back [OPTION...]: xensplitd in domain 1; waits until it is ready.
# BACK_WRAP: words before it, such as unshare and its options
start_back()
{
	"$XENLOCAL" create --domid 1 --name back --driver-domain \
		>/dev/null 2>&1
	"$XENLOCAL" create --domid 2 --name guest >/dev/null 2>&1
	: >"$TMP/ready"
	"$XENLOCAL" exec --domid 1 -- ${BACK_WRAP+"${BACK_WRAP[@]}"} \
		"$BUILD/bin/xensplitd" --ready-fd 7 \
		--log-level debug "$@" 7>"$TMP/ready" >>"$BACK_LOG" 2>&1 &
	XENSPLITD_PID=$!
	to_be_ready 10 ||
		{ cat "$BACK_LOG" >&2; fail "xensplitd does not get ready"; }
}

# stop_back: by SIGTERM; it must end by itself and with 0
stop_back()
{
	kill "$XENSPLITD_PID" || fail "xensplitd is gone"
	wait "$XENSPLITD_PID" || fail "xensplitd ended with status $?"
}

# store PATH: its value, as domain 0 reads it
store() { in_dom 0 xenstore-read "$1" 2>/dev/null; }
# put PATH VALUE [PATH VALUE]...
put() { in_dom 0 xenstore-write -- "$@" || fail "cannot write $*"; }

back_state() { store "$BACK/$1/state"; }
back_state_is() { [ "$(back_state "$1")" = "$2" ]; }
# wait_state FE/DEVID STATE
wait_state()
{
	wait_for 10 back_state_is "$1" "$2" && return
	tail -n 20 "$BACK_LOG" >&2
	fail "backend of $1: state '$(back_state "$1")', not $2:" \
		"$(store "$BACK/$1/error")"
}
gone() { [ -z "$(in_dom 0 xenstore-ls "$1" 2>/dev/null)" ]; }
said() { grep -qF -- "$1" "$BACK_LOG"; }

# attach FE DEVID PARAMS [KEY VALUE]...: a disk of domain FE by plain
# xenstore-write; the KEYs are the backend directory's
attach()
{
	local fe=$1 devid=$2 params=$3
	local front=/local/domain/$fe/device/vbd/$devid back=$BACK/$fe/$devid
	local -a more=()
	shift 3
	while [ $# -gt 0 ]; do
		more+=("$back/$1" "$2")
		shift 2
	done
	put "$front/backend" "$back" "$front/backend-id" 1 \
		"$front/virtual-device" "$devid" "$front/device-type" disk
	in_dom 0 xenstore-chmod -r "$front" "n$fe" r1 || fail "chmod $front"
	put "$back/frontend" "$front" "$back/frontend-id" "$fe" \
		"$back/online" 1 "$back/mode" w "$back/device-type" disk \
		"$back/params" "$params" ${more+"${more[@]}"}
	in_dom 0 xenstore-chmod -r "$back" n1 "r$fe" || fail "chmod $back"
	put "$front/state" 1 "$back/state" 1
}

# ask_detach FE DEVID: as libxl does
ask_detach()
{
	put "$BACK/$1/$2/online" 0 "$BACK/$1/$2/state" 5
}

# detached FE DEVID: removes both directories, once the backend is closed
detached()
{
	wait_state "$1/$2" 6
	in_dom 0 xenstore-rm "$BACK/$1/$2" "/local/domain/$1/device/vbd/$2" ||
		fail "cannot remove $1/$2"
}

# io FE OPTION...: load in a guest
io()
{
	local fe=$1
	shift
	in_dom "$fe" "$E2E_BIN/blkfront_io" "$@"
}

# control JSON: xensplitd's answer
control()
{
	python3 - "$XENSPLIT_RUNDIR/control" "$1" <<-'END'
	import socket, sys
	s = socket.socket(socket.AF_UNIX)
	s.settimeout(10)
	s.connect(sys.argv[1])
	s.sendall(sys.argv[2].encode() + b"\n")
	print(s.makefile().readline(), end="")
	END
}

# stat_of DEVICE EXPRESSION: of what `stats` says of it, as python's d
stat_of()
{
	control '{"command":"stats","device":"'"$1"'"}' | python3 -c \
		"import json,sys; a=json.load(sys.stdin); d=a['devices'][0]
print($2)"
}
worker_pid() { stat_of "$1" "d['worker_pid']"; }
