# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the tests on a real Xen host share.  A test is a script that is sourced
# after this file by a shell in domain 0; it may use:
#
#   start_back [OPTION...]     xensplitd in domain 0, class vbd
#   use_guest NAME [LINE...]   a running Linux guest; with lines of xl.cfg(5)
#   in_guest NAME [COMMAND...] a shell script in it (or on standard input)
#   attach, ask_detach, ...    disks by nothing but xenstore-write
#   wait_for SECONDS COMMAND   wait for a condition (wait_store: of xenstore's)
#   fail, pass, skip           as they say
#
# $TMP is the test's own folder (in memory), $DISKS one on domain 0's disk.
# Guests stay for the next test that wants the same; a test that leaves
# xensplitd, a disk or a node of one has failed.
set -u
shopt -s nullglob

TMP=/tmp/${XEN_TEST:-reset}
DISKS=/var/tmp/${XEN_TEST:-reset}
GUESTS=/run/xen-guests
BACK_DIR=/local/domain/0/backend/vbd
BACK_LOG=/var/log/xensplitd.log
XENSPLITD_PID=
TIME_SCALE=${TIME_SCALE:-1}
mkdir -p "$TMP" "$DISKS" "$GUESTS"

pass() { echo "ok - $*"; }

fail()
{
	echo "FAILED - $*"
	exit 1
}

skip()
{
	echo "skipped - $*"
	exit 77
}

# wait_for SECONDS COMMAND...: until the command succeeds; 1 when time is up
# (on a slow machine later)
wait_for()
{
	local end=$((SECONDS + $1 * TIME_SCALE))
	shift
	until "$@"; do
		[ $SECONDS -le $end ] || return 1
		read -rt 0.1 <> <(:) || :
	done
}

# wait_store SECONDS PATH COMMAND...: the same, of a command that depends on
# nothing but xenstore's PATH and what is below it.  It is run when that changes:
# asking again and again would take domain 0's CPU from what is tested.
wait_store()
{
	local limit=$(($1 * TIME_SCALE)) path=$2 fd pid status=1
	shift 2
	exec {fd}< <(exec timeout $limit xenstore-watch "$path" 2>/dev/null)
	pid=$!
	# a watch fires once when it is set
	while read -r -u "$fd" _; do
		"$@" && status=0 && break
	done
	kill "$pid" 2>/dev/null
	exec {fd}<&-
	return $status
}

# refuses DESCRIPTION COMMAND...: the command must fail; it may say anything
refuses()
{
	local what=$1
	shift
	if "$@" >"$TMP/refuses.out" 2>&1; then
		fail "$what: not refused: $*"
	fi
	pass "$what"
}

# ---- guests ----

# numbers of all domains but 0
domains() { xl list 2>/dev/null | awk 'NR > 1 && $2 != 0 { print $2 }'; }

# domid NAME; xl takes long, so it is asked once for each domain
domid()
{
	local id
	if { read -r id <"$GUESTS/$1.id"; } 2>/dev/null &&
		[ "$(store "/local/domain/$id/name")" = "$1" ]; then
		echo "$id"
		return
	fi
	id=$(xl domid "$1" 2>/dev/null) || return
	echo "$id" >"$GUESTS/$1.id"
	echo "$id"
}

is_running() { domid "$1" >/dev/null; }
is_gone() { ! is_running "$1"; }

guest_path() { echo "/local/domain/$(domid "$1")"; }

# is_up_or_gone DOMID: asks nobody but xenstore: xl takes as much of the CPU as
# a guest that boots
is_up_or_gone()
{
	xenstore-exists "/local/domain/$1/data/ready" ||
		! xenstore-exists "/local/domain/$1"
}

# write_config NAME [LINE...]: $GUESTS/NAME.cfg.  Lines given here win over
# those of every guest.
write_config()
{
	local name=$1 line
	shift
	{
		echo "name = '$name'"
		echo "type = 'pv'"
		echo "kernel = '/usr/lib/xen-tests/vmlinuz'"
		echo "ramdisk = '/usr/lib/xen-tests/initrd'"
		echo "memory = 448"
		echo "maxmem = 448"
		echo "vcpus = 1"
		echo "on_crash = 'destroy'"
		for line; do
			case $line in
			extra=*) ;;
			*) echo "$line" ;;
			esac
		done
		echo "extra = 'console=hvc0 mitigations=off clocksource=xen" \
			"loglevel=4 $(printf '%s\n' "$@" | sed -n 's/^extra=//p')'"
	} >"$GUESTS/$name.cfg"
}

# start_guest NAME [LINE...]: a new guest; returns when it takes commands
start_guest()
{
	local name=$1
	write_config "$@"
	: >"/var/log/xen/console/guest-$name.log"
	xl create -q "$GUESTS/$name.cfg" || fail "cannot create $name"
	guest_up "$name"
}

# guest_up NAME: waits until it takes commands (again)
guest_up()
{
	local id
	id=$(domid "$1") || fail "$1 is gone"
	wait_store 60 "/local/domain/$id" is_up_or_gone "$id" &&
		is_running "$1" ||
		fail "$1 does not come up"
	echo 0 >"$GUESTS/$1.seq"
}

# use_guest NAME [LINE...]: the running one if it was made of the same lines
use_guest()
{
	local name=$1
	if is_running "$name"; then
		cp "$GUESTS/$name.cfg" "$GUESTS/$name.old"
		write_config "$@"
		if cmp -s "$GUESTS/$name.cfg" "$GUESTS/$name.old" &&
			in_guest "$name" true; then
			return
		fi
		stop_guest "$name"
	fi
	start_guest "$@"
}

# stop_guest NAME: at once
stop_guest()
{
	xl destroy "$1" || fail "cannot destroy $1"
	wait_for 20 is_gone "$1" || fail "$1 does not go"
}

acked()
{
	case $(xenstore-read "$1/data/ack" 2>/dev/null) in
	"$2 "*) return 0 ;;
	esac
	return 1
}

# guest_begin NAME [COMMAND]: has a shell script begin in a guest and returns;
# one at a time
guest_begin()
{
	local name=$1 path seq n=0 piece text
	local -a write=()
	shift
	path=$(guest_path "$name")
	read -r seq <"$GUESTS/$name.seq"
	seq=$((seq + 1))
	echo $seq >"$GUESTS/$name.seq"
	if [ $# -gt 0 ]; then text=$*; else text=$(cat); fi
	while read -r piece; do
		write+=("$path/data/in/$n" "$piece")
		n=$((n + 1))
	done < <(base64 -w 1800 <<<"$text"; echo)
	xenstore-write "${write[@]}" "$path/data/seq" "$seq $n" ||
		fail "no mailbox of $name"
}

# guest_end NAME: waits until it has ended, prints what it printed and returns
# its status.  $GUEST_LIMIT is its time limit in seconds, by default 120.
guest_end()
{
	local name=$1 path seq i ack
	local -a pieces=()
	path=$(guest_path "$name")
	read -r seq <"$GUESTS/$name.seq"
	wait_store "${GUEST_LIMIT:-120}" "$path/data/ack" acked "$path" "$seq" || {
		echo "$name: no answer after ${GUEST_LIMIT:-120} s"
		return 124
	}
	read -r -a ack <<<"$(xenstore-read "$path/data/ack")"
	for ((i = 0; i < ack[2]; i++)); do pieces+=("$path/data/out/$i"); done
	[ ${#pieces[@]} -eq 0 ] || xenstore-read "${pieces[@]}" | base64 -d
	return "${ack[1]}"
}

# in_guest NAME [COMMAND]: both
in_guest()
{
	guest_begin "$@"
	guest_end "$1"
}

# ---- our backend ----

# start_back [OPTION...]: xensplitd in domain 0; waits until it is ready
start_back()
{
	# not a FIFO: what is written to that is gone if it is closed before it
	# is opened to read
	: >"$TMP/ready"
	mkdir -p /run/xensplit
	xensplitd --ready-fd 7 --log-level debug "$@" 7>"$TMP/ready" \
		>>"$BACK_LOG" 2>&1 &
	XENSPLITD_PID=$!
	wait_for 20 test -s "$TMP/ready" || fail "xensplitd does not get ready"
}

# stop_back: by SIGTERM; it must end by itself and with 0
stop_back()
{
	kill "$XENSPLITD_PID" || fail "xensplitd is gone"
	wait "$XENSPLITD_PID" || fail "xensplitd ended with status $?"
	XENSPLITD_PID=
}

# worker_pid FE: of the process that serves a domain (its companion, which has
# the same command line, is younger)
worker_pid()
{
	local pid
	read -r pid _ < <(pgrep -d ' ' -f "^xensplitd --worker $1 ") &&
		echo "$pid"
}
no_worker() { ! worker_pid "$1" >/dev/null; }

# store PATH: its value
store() { xenstore-read "$1" 2>/dev/null; }
# put PATH VALUE [PATH VALUE]...
put() { xenstore-write -- "$@" || fail "cannot write $*"; }
gone() { ! xenstore-exists "$1"; }

back_state_is() { [ "$(store "$BACK_DIR/$1/state")" = "$2" ]; }

# wait_state FE/DEVID STATE
wait_state()
{
	wait_store 20 "$BACK_DIR/$1/state" back_state_is "$1" "$2" && return
	fail "backend of $1: state '$(store "$BACK_DIR/$1/state")', not $2:" \
		"$(store "$BACK_DIR/$1/error")"
}

# attach FE DEVID PARAMS [KEY VALUE]...: a disk of domain FE by plain
# xenstore-write; the KEYs are the backend directory's
attach()
{
	local fe=$1 devid=$2 params=$3
	local front=/local/domain/$fe/device/vbd/$devid back=$BACK_DIR/$fe/$devid
	local -a more=()
	shift 3
	while [ $# -gt 0 ]; do
		more+=("$back/$1" "$2")
		shift 2
	done
	put "$back/frontend" "$front" "$back/frontend-id" "$fe" \
		"$back/online" 1 "$back/mode" w "$back/device-type" disk \
		"$back/params" "$params" ${more+"${more[@]}"}
	xenstore-chmod -r "$back" n0 "r$fe" || fail "chmod $back"
	put "$front/backend" "$back" "$front/backend-id" 0 \
		"$front/virtual-device" "$devid" "$front/device-type" disk
	xenstore-chmod -r "$front" "n$fe" r0 || fail "chmod $front"
	put "$back/state" 1
	put "$front/state" 1
}

# ask_detach FE DEVID: as libxl does
ask_detach() { put "$BACK_DIR/$1/$2/online" 0 "$BACK_DIR/$1/$2/state" 5; }

# detach FE DEVID: asks, waits, removes both directories
detach()
{
	ask_detach "$1" "$2"
	wait_state "$1/$2" 6
	xenstore-rm "$BACK_DIR/$1/$2" "/local/domain/$1/device/vbd/$2" ||
		fail "cannot remove $1/$2"
	rmdir_nodes "$BACK_DIR/$1" "/local/domain/$1/device/vbd" "$BACK_DIR"
}

# rmdir_nodes PATH...: those that have no children
rmdir_nodes()
{
	local path
	for path; do
		[ -n "$(xenstore-list "$path" 2>/dev/null)" ] ||
			xenstore-rm "$path" 2>/dev/null
	done
}

# stat_of FE/DEVID COUNTER: one of its counters, of `xensplit stats`
stat_of()
{
	xensplit stats --json | jq -r --arg device "vbd/$1" \
		".devices[] | select(.device == \$device) | .counters.$2"
}

# give_disk NAME DEVID PARAMS [KEY VALUE]...: attach, and wait until it works
give_disk()
{
	local fe
	fe=$(domid "$1") || fail "no guest $1"
	shift
	attach "$fe" "$@"
	wait_state "$fe/$1" 4
}

# guest_fio NAME OPTION...: fio on /dev/xvda unless an option says otherwise,
# what it wrote is read back and compared; prints only what went wrong
guest_fio()
{
	local name=$1
	shift
	in_guest "$name" "fio --name=job --filename=/dev/xvda --direct=1 \
		--ioengine=libaio --verify=crc32c --verify_fatal=1 \
		--group_reporting --output=/tmp/fio.out $* ||
		{ cat /tmp/fio.out; false; }"
}

# nothing_left_of NAME DOMID GRANTS PORTS: fails if a domain without disks has a worker,
# or more pages mapped or ports bound than it had
nothing_left_of()
{
	wait_for 20 no_worker "$2" || fail "a worker of $1 is left"
	[ "$(mapped_grants "$2")" = "$3" ] || fail "mapped pages of $1 are left"
	[ "$(ports "$2" 0)" = "$4" ] || fail "ports of $1 are left"
	gone "$BACK_DIR/$2" || fail "backend nodes of $1 are left"
}

# guest_has NAME DEVICE: the guest's kernel shows it
guest_has() { in_guest "$1" "test -b /dev/$2"; }

# ---- what is left ----

# mapped_grants DOMID: how many of its pages other domains have mapped or in
# use, as Xen's debug key says (xenstored has one, xenconsoled another)
mapped_grants()
{
	xl dmesg -c >/dev/null
	xl debug-keys g
	xl dmesg | awk -v want="d$1" '
		/grant-table for remote/ {
			for (i = 1; i <= NF; i++) if ($i ~ /^d[0-9]+$/) dom = $i
		}
		/^\(XEN\) *\[0x/ { if (dom == want) n++ }
		/gnttab_usage_print_all/ { dom = "" }
		END { print n + 0 }'
}

# ports DOMID REMOTE: how many event channels connect it with another domain
ports() { lsevtchn "$1" | grep -c "(Connected) - Remote Domain $2,"; }

# What every test must have taken away.
check_left()
{
	local left=0 pid dir node
	for pid in $(pgrep -x xensplitd); do
		echo "left: process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
		kill -KILL "$pid"
		left=1
	done
	for dir in /local/domain/0/backend/{vbd,vif,xensplit-vbd,xensplit-vif}; do
		for node in $(xenstore-list "$dir" 2>/dev/null); do
			echo "left: $dir/$node"
			xenstore-ls "$dir/$node"
			left=1
		done
	done
	return $left
}

at_end()
{
	local status=$?
	trap - EXIT
	cd /
	if [ $status -eq 0 ]; then
		[ -z "$XENSPLITD_PID" ] || stop_back
		check_left || status=1
		rm -rf "$TMP" "$DISKS"
	fi
	exit $status
}
