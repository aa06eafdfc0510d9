#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest on the user-mode network: no bridge, no address on the host.  It
# reaches a server of the driver domain's, through a worker that dies
# meanwhile and through a new process of the network's.
# shellcheck source=tests/e2e/tap-lib.sh
. "$(dirname "$0")/tap-lib.sh"

need python3 curl
start_xen
start_net_back

mkdir "$TMP/www"
head -c 30000000 /dev/urandom >"$TMP/www/file"
want=$(sha256sum <"$TMP/www/file")
# as in_back does, but the number is the server's own
nsenter --preserve-credentials --user --net --target "$XENSPLITD_PID" -- \
	python3 -u -m http.server --bind 127.0.0.1 --directory "$TMP/www" \
	8765 >"$TMP/www.log" 2>&1 &
WWW_PID=$!
wait_for 10 in_back curl -s -o /dev/null http://127.0.0.1:8765/ ||
	fail "no server: $(cat "$TMP/www.log")"

guest_start a 2
tool network-attach guest "backend=back,link=user:loopback=on;ipv6=off" ||
	fail "network-attach"
guest_ready a 10.0.2.15/24
in_guest a ip route add default via 10.0.2.2 || fail "no route"
reaches a 10.0.2.2 || fail "the gateway: $(cat "$TMP/ping.out")"
pass "the guest reaches its gateway"

# download NAME [CURL OPTION...]
download()
{
	in_guest a curl -sS --max-time 60 "${@:2}" -o "$TMP/$1" \
		http://10.0.2.2:8765/file
}
download one || fail "download"
[ "$(sha256sum <"$TMP/one")" = "$want" ] || fail "another file came"
pass "a download is whole"

# the connection is the process's, which a worker's death does not touch
download two --limit-rate 10M &
GET_PID=$!
wait_for 10 test -s "$TMP/two" || fail "the second download does not begin"
worker=$(pgrep -P "$XENSPLITD_PID" -f -- --worker) || fail "no worker"
kill -9 "$worker" || fail "no worker to kill"
wait $GET_PID || fail "the download ended with the worker"
[ "$(sha256sum <"$TMP/two")" = "$want" ] || fail "another file came"
pass "a download survives the death of the worker"

watcher=$(pgrep -P "$XENSPLITD_PID" -f -- --user-link) || fail "no process"
slirp=$(pgrep -P "$watcher") || fail "no child of it"
kill -9 "$slirp" || fail "nothing to kill"
wait_for 10 download three || fail "nothing comes after a new start"
[ "$(sha256sum <"$TMP/three")" = "$want" ] || fail "another file came"
pass "a network that a guest ended is there again"

tool network-detach guest 0 || fail "detach"
no_watcher() { ! kill -0 "$watcher" 2>/dev/null; }
wait_for 5 no_watcher || fail "its process is left"
pass "nothing is left after the detach"
kill $WWW_PID
wait $WWW_PID
stop_back
