#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a process in a guest can reach of the host's side: nothing but its own
# xenstore socket.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

need xenstore-read unshare
start_xen
"$XENLOCAL" create --domid 1 >/dev/null || fail "create 1"
"$XENLOCAL" create --domid 2 >/dev/null || fail "create 2"
R=$XENLOCAL_RUNDIR

unshare --user --mount true 2>/dev/null ||
	skip "no user or mount namespaces here"
in_dom 1 true 2>"$TMP/err" || fail "exec"
[ ! -s "$TMP/err" ] || fail "the wall is not complete: $(cat "$TMP/err")"

in_dom 1 test -S "$R/dom1/xenstore" || fail "no xenstore socket of its own"
in_dom 1 xenstore-read name >/dev/null || fail "no xenstore"
for f in control socket dom0 dom2 dom2/xenstore xenlocald.log lock; do
	refuses "a guest does not see $f" in_dom 1 test -e "$R/$f"
done
[ "$(in_dom 1 ls -A "$R")" = dom1 ] || fail "more than its own directory"
refuses "the control socket does not answer a guest" \
	in_dom 1 "$XENLOCAL" status --rundir "$R"
refuses "a guest cannot get a socket of another domain" \
	in_dom 1 "$XENLOCAL" exec --rundir "$R" --domid 2 -- true
refuses "domain 0's xenstore does not answer a guest" \
	in_dom 1 env XENSTORED_PATH="$R/socket" xenstore-read /local/domain/0/name
refuses "another guest's xenstore does not answer" \
	in_dom 1 env XENSTORED_PATH="$R/dom2/xenstore" xenstore-read name
refuses "the run directory cannot be written" in_dom 1 touch "$R/x"
refuses "what hides the sockets cannot be taken off" in_dom 1 umount "$R"
refuses "not lazily either" in_dom 1 umount -l "$R"
refuses "nor in namespaces of its own" \
	in_dom 1 unshare --user --map-root-user --mount umount "$R"
refuses "nor reached through the current directory" \
	env -C "$R" "$XENLOCAL" exec --domid 1 -- test -e control

xenlocald=$(sed 's/ .*//' "$R/xenlocald.proc")
for link in root cwd fd/0; do
	refuses "the hypervisor's /proc/PID/$link is closed to a guest" \
		in_dom 1 readlink "/proc/$xenlocald/$link"
done
"$XENLOCAL" exec --domid 2 -- sleep 1000 &
other=$!
wait_for 10 grep -q sleep "/proc/$other/comm" || fail "no process in domain 2"
refuses "another guest's /proc/PID/root is closed too" \
	in_dom 1 readlink "/proc/$other/root"
refuses "and its descriptors" in_dom 1 readlink "/proc/$other/fd/0"
kill $other

# --- the number in the environment is no authority
evtchn=$E2E_BIN/open_evtchn
in_dom 1 "$evtchn" >/dev/null || fail "no handle in domain 1"
in_dom 0 "$evtchn" >/dev/null || fail "no handle in domain 0"
for fd in 0 5 999 -1 x ''; do
	refuses "XENLOCAL_FD=$fd gets no handle" \
		in_dom 1 env XENLOCAL_FD="$fd" "$evtchn"
	grep -q . "$TMP/refuses.out" || fail "XENLOCAL_FD=$fd: no message"
done
refuses "nor a file of that number" \
	in_dom 1 sh -c "XENLOCAL_FD=7 exec '$evtchn' 7</dev/null"
refuses "nor a process in no domain" env -u XENLOCAL_FD \
	LD_LIBRARY_PATH="$BUILD/lib/xenlocal" "$evtchn"

# --- a network of its own
# shellcheck disable=SC2016
[ "$("$XENLOCAL" exec --domid 1 --net -- sh -c 'echo /sys/class/net/*; grep -c . /proc/net/dev')" ] ||
	fail "--net"
"$XENLOCAL" exec --domid 1 --net -- grep -q '^ *lo:' /proc/net/dev ||
	fail "--net: no lo"
[ "$("$XENLOCAL" exec --domid 1 --net -- grep -c : /proc/net/dev)" = 1 ] ||
	fail "--net: more than lo"
pass "--net gives a network with nothing but lo"
[ "$("$XENLOCAL" exec --domid 1 -- id -u)" = "$(id -u)" ] || fail "other user"
pass "the user stays the same"

"$XENLOCAL" exec --domid 1 -- sh -c 'exit 43'
[ $? = 43 ] || fail "exit status"
# shellcheck disable=SC2016
"$XENLOCAL" exec --domid 1 -- sh -c 'kill -TERM $$'
[ $? = 143 ] || fail "death by a signal"
"$XENLOCAL" exec --domid 1 -- /no/such/program 2>/dev/null
[ $? = 127 ] || fail "exit status for a program that does not exist"
pass "exit status and signals are the program's"
