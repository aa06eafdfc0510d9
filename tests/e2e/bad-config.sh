#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Missing, malformed, huge and contradicting values in xenstore, and images
# that cannot be used: each ends with the device closed and one readable
# reason in the error node and the log, and with nothing else disturbed: a
# disk beside it is under load all the while.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/lib-xensplitd.sh
. "$(dirname "$0")/lib-xensplitd.sh"

need xenstore-read xenstore-write xenstore-chmod python3
start_xen
start_back --queues-max 4
DEV=2/51712
DIR=$BACK/$DEV
FRONT=/local/domain/2/device/vbd/51712
ERROR=/local/domain/1/error/backend/vbd/$DEV/error

truncate -s 8M "$TMP/good.img" "$TMP/beside.img" "$TMP/locked.img"
truncate -s 100 "$TMP/short.img"
LONG=$(printf '%01500d' 0)

attach 2 51728 "$TMP/beside.img"
"$XENLOCAL" exec --domid 2 -- "$E2E_BIN/blkfront_io" --devid=51728 \
	--rw=randwrite --depth=2 --seconds=600 >"$TMP/beside.out" 2>&1 &
beside=$!
wait_state 2/51728 4

reports=0
# the reason is in both error nodes and in the log
refused()
{
	local words=$1 what=$2 reason
	wait_state $DEV 6
	reason=$(store "$DIR/error")
	[[ $reason == *"$words"* ]] ||
		fail "$what: the reason is '$reason', without '$words'"
	[ "$(store $ERROR)" = "$reason" ] || fail "$what: $ERROR differs"
	# the log takes ten lines of a device in ten seconds
	[ $((++reports)) -gt 10 ] || said "vbd/$DEV: ${reason#* }" ||
		fail "$what: not in the log: $reason"
	back_state_is 2/51728 4 || fail "$what: the disk beside is disturbed"
	pass "$what"
}

new_front()
{
	in_dom 0 xenstore-rm "$FRONT" 2>/dev/null
	put "$FRONT/backend" "$DIR" "$FRONT/backend-id" 1 \
		"$FRONT/virtual-device" 51712
	in_dom 0 xenstore-chmod -r "$FRONT" n2 r1
	put "$FRONT/state" 1
}

# a new pair of directories with one thing wrong, KEY=VALUE or KEY for absent
bad_toolstack()
{
	local case=$1 words=$2 key=${1%%=*}
	in_dom 0 xenstore-rm "$DIR" 2>/dev/null
	put "$DIR/frontend" "$FRONT" "$DIR/frontend-id" 2 "$DIR/online" 1 \
		"$DIR/mode" w "$DIR/device-type" disk \
		"$DIR/params" "$TMP/good.img"
	in_dom 0 xenstore-chmod -r "$DIR" n1 r2
	new_front
	if [ "$key" = "$case" ]; then
		in_dom 0 xenstore-rm "$DIR/$key"
	else
		put "$DIR/$key" "${case#*=}"
	fi
	[ "$key" = state ] || put "$DIR/state" 1
	case=${case//"$LONG"/(long)}
	refused "$words" "toolstack: ${case//"$TMP"\//}"
}

while IFS='|' read -r case words; do
	case=${case//LONG/$LONG}
	bad_toolstack "${case//TMP/$TMP}" "${words//TMP/$TMP}"
done <<'END'
params=TMP/none.img|TMP/none.img
params=TMP|TMP
params=|params is empty
params=LONG|params: value is too long
params=memory:12x|memory:12x
params=TMP/short.img|TMP/short.img
params=TMP/beside.img|is attached as vbd/2/51728 already
params|params is missing
mode=x|mode: 'x' is not r, w or w!
mode|mode is missing
device-type=floppy|device-type: 'floppy' is not disk or cdrom
discard-enable=2|discard-enable: '2' is not from 0 to 1
discard-enable= 1|is not a decimal number
direct-io-safe=yes|direct-io-safe: 'yes' is not a decimal number
removable=-1|removable: '-1' is not a decimal number
xensplit/sector-size=1000|sector-size: '1000' is not a power of two
xensplit/sector-size=8192|'8192' is not from 512 to 4096
frontend|frontend is missing
frontend=/local/domain/3/device/vbd/51712|is not a device of domain 2
frontend=/local/domain/2/device/vbd|is not a device of domain 2
frontend=/local/domain/2/device/vbd/51712/queue-0|is not a device of domain 2
frontend=LONG|frontend: value is too long
frontend-id|frontend-id is missing
frontend-id=3|frontend-id: '3' is not the domain in the path
frontend-id=two|frontend-id: 'two' is not a decimal number
frontend-id=99999999999999999999|frontend-id
online=yes|online: 'yes' is not a decimal number
state=99|state: '99' is not from 0 to 8
state=x|state: 'x' is not a decimal number
END

# by a hotplug script
put "$DIR/script" /etc/xen/scripts/block "$DIR/hotplug-status" error \
	"$DIR/hotplug-error" "no such volume" "$DIR/state" 1
refused "no such volume" "toolstack: the hotplug script failed"
put "$DIR/hotplug-status" connected "$DIR/physical-device" 7:zz "$DIR/state" 1
refused "physical-device: '7:zz' is not MAJOR:MINOR" \
	"toolstack: physical-device"
in_dom 0 xenstore-rm "$DIR/script" "$DIR/physical-device"

# an image that another program has locked
python3 - "$TMP/locked.img" "$TMP/is-locked" <<'END' &
import fcntl, struct, sys, signal
f = open(sys.argv[1], "r+b")
fcntl.fcntl(f, fcntl.F_OFD_SETLK,
            struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
open(sys.argv[2], "w").close()
signal.pause()
END
locker=$!
wait_for 10 test -e "$TMP/is-locked" || fail "cannot lock"
put "$DIR/params" "$TMP/locked.img" "$DIR/state" 1
refused "locked.img is in use by another process" "toolstack: a locked image"
kill $locker

# corrected, it is taken up again, without a new directory
put "$DIR/params" "$TMP/good.img" "$DIR/state" 1
wait_state $DEV 2
[ -z "$(store "$DIR/error")" ] || fail "the error node stays"
io 2 --rw=verify --pattern --size=1m >/dev/null || fail "I/O after correction"
pass "a corrected configuration is taken up"

# sharing as xl's modes say
attach 2 51744 "$TMP/good.img" mode r
wait_state 2/51744 6
[[ $(store "$BACK/2/51744/error") == *"vbd/2/51712"* ]] || fail "r beside w"
new_front
put "$DIR/mode" r "$DIR/state" 1
wait_state $DEV 2
put "$BACK/2/51744/state" 1
wait_state 2/51744 2
ln "$TMP/good.img" "$TMP/link.img"
attach 2 51760 "$TMP/link.img" mode w
wait_state 2/51760 6
[[ $(store "$BACK/2/51760/error") == *"cannot be attached with mode w" ]] ||
	fail "w beside r, by another name"
put "$BACK/2/51760/mode" "w!" "$BACK/2/51760/state" 1
wait_state 2/51760 2
for id in 51744 51760; do
	ask_detach 2 $id
	detached 2 $id
done
pass "r with r; w alone, by any name; w! with anybody"

# bad_frontend KEY=VALUE[,KEY=VALUE...]|WORDS: what a frontend may write
bad_frontend()
{
	local case=$1 words=$2 pair
	local -a keys=()
	new_front
	put "$DIR/state" 1
	wait_state $DEV 2
	local IFS=,
	for pair in $case state=3; do
		[ "$pair" = state=3 ] && [[ $case == *state=* ]] && continue
		keys+=("device/vbd/51712/${pair%%=*}" "${pair#*=}")
	done
	in_dom 2 xenstore-write -- "${keys[@]}" || fail "write $case"
	refused "$words" "frontend: ${case//"$LONG"/(long)}"
}
# the image is there for others only after this
while IFS='|' read -r case words; do
	bad_frontend "${case//LONG/$LONG}" "$words"
done <<'END'
protocol=x86_64-abi|ring-ref is missing
ring-ref=8|event-channel is missing
ring-ref=x,event-channel=1|ring-ref: 'x' is not a decimal number
ring-ref=-1,event-channel=1|ring-ref: '-1' is not a decimal number
ring-ref=0x10,event-channel=1|is not a decimal number
ring-ref= 7,event-channel=1|is not a decimal number
ring-ref=4294967296,event-channel=1|ring-ref: '4294967296' is not from
ring-ref=99999999999999999999999,event-channel=1|ring-ref
ring-ref=LONG,event-channel=1|ring-ref
ring-ref=8,event-channel=0|event-channel: '0' is not from
ring-ref=8,event-channel=4294967295|event-channel: '4294967295' is not from
ring-ref=12345,event-channel=5|12345
ring-ref=8,event-channel=1,protocol=sparc|protocol: 'sparc' is not
ring-ref=8,event-channel=1,protocol=LONG|protocol: value is too long
ring-ref=8,event-channel=1,feature-persistent=7|feature-persistent: '7'
multi-queue-num-queues=0|multi-queue-num-queues: '0' is not from
multi-queue-num-queues=5|'5' is more than 4, which was offered
multi-queue-num-queues=4294967297|multi-queue-num-queues
multi-queue-num-queues=2,queue-0/ring-ref=8,queue-0/event-channel=1|queue-1/ring-ref is missing
multi-queue-num-queues=2,queue-0/ring-ref=8,queue-0/event-channel=1,queue-1/ring-ref=8,queue-1/event-channel=2|ring-ref '8' is there twice
multi-queue-num-queues=2,queue-0/ring-ref=8,queue-0/event-channel=1,queue-1/ring-ref=9,queue-1/event-channel=1|event-channel '1' is there twice
ring-page-order=5,ring-ref0=8,event-channel=1|ring-page-order: '5'
ring-page-order=1,ring-ref0=8,event-channel=1|ring-ref1 is missing
ring-page-order=1,ring-ref0=8,ring-ref1=8,event-channel=1|ring-ref '8' is there twice
state=99|state: '99' is not from 0 to 8
state=x|state: 'x' is not a decimal number
END

# a frontend that fails again and again is made to wait, and closed by that
new_front
put "$DIR/state" 1
for _ in 1 2 3 4 5 6; do
	wait_state $DEV 2
	in_dom 2 xenstore-write device/vbd/51712/state 3
	wait_state $DEV 6
	in_dom 2 xenstore-write device/vbd/51712/state 1
done
put "$BACK/2/51728/xensplit/resize" 1 # something else to be seen
wait_for 10 gone "$BACK/2/51728/xensplit/resize" || fail "resize key"
back_state_is $DEV 6 || fail "a frontend that fails on and on is served"
pass "a frontend that fails on and on has to wait"
put "$DIR/state" 1
wait_state $DEV 2

kill $beside
wait $beside || { cat "$TMP/beside.out" >&2; fail "the disk beside"; }
grep -q ' 0 errors' "$TMP/beside.out" || fail "the disk beside: errors"
pass "the disk beside had no error"
stop_back
