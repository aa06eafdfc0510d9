#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Polling is shown by the statistics and follows xensplit/poll-us while the
# disk is in use; two disks of a guest that share a data thread have the longer
# of their times.
# shellcheck source=tests/e2e/blk-lib.sh
. "$(dirname "$0")/blk-lib.sh"

POLL=$BACK/2/51712/xensplit/poll-us

# figure EXPRESSION: true of p, the first thread's figures of polling
figure() { [ "$(stat_of vbd/2/51712 "(lambda p: $1)(d['polling'][0])")" = True ]; }
becomes()
{
	wait_for 10 figure "$1" && return
	stat_of vbd/2/51712 "d['polling']" >&2
	fail "not reached: $1"
}

start_xen
start_back --loops 1 --poll-us 300
take_account
attach 2 51712 memory:8M
wait_state 2/51712 2
[ "$(stat_of vbd/2/51712 "d['polling']")" = "[]" ] ||
	fail "figures of a disk that nobody has connected to"

# requests all the time, so that there are turns to count
guest_start load 2 --record="$TMP/record" load
guest_says load 'load begins'
becomes "p['thread'] == 0 and p['poll_max_ns'] == 300000"
becomes "p['sleeps'] + p['polls_useful'] > 0"
pass "shown"

put "$POLL" 0
becomes "p['poll_max_ns'] == 0 and p['poll_ns'] == 0"
moves 2/51712
put "$POLL" 10000
becomes "p['poll_max_ns'] == 10000000"
becomes "p['polls_useful'] > 0"
put "$POLL" 10001
wait_for 10 said "poll-us" || fail "a bad value is not logged"
put "$POLL" often
becomes "p['poll_max_ns'] == 10000000"
in_dom 0 xenstore-rm "$POLL" || fail "rm"
becomes "p['poll_max_ns'] == 300000"
pass "tuned while in use; nonsense is refused"

# a second disk on the same thread
attach 2 51728 memory:8M xensplit/poll-us 700
wait_state 2/51728 2
guest_start other 2 --devid=51728 load
guest_says other 'load begins'
becomes "p['poll_max_ns'] == 700000"
guest_tell other
guest_end other
becomes "p['poll_max_ns'] == 300000"
pass "two disks, one thread"

guest_tell load
guest_end load
detach 2/51728
detach 2/51712
balanced
stop_back
