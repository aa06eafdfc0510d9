#!/bin/bash
# SPDX-License-Identifier: MIT
# The command for NICs: attach ends Connected or with one readable reason and
# nothing left behind, scripts included; bridges; live changes; recording;
# detach; listings.
# shellcheck source=tests/e2e/tap-lib.sh
. "$(dirname "$0")/tap-lib.sh"

FRONT=/local/domain/2/device/vif
# nothing of the NIC in xenstore, on either side
clean() { gone "$VIF_BACK/2/$1" && gone "$FRONT/$1"; }

# refused WORDS STATUS ARGUMENT...: network-attach fails with that exit status
# and one line that has these words, and leaves nothing
refused()
{
	local words=$1 want=$2 status
	shift 2
	tool network-attach "$@" >"$TMP/out" 2>"$TMP/err"
	status=$?
	[ $status = "$want" ] ||
		fail "$*: exit status $status, not $want: $(cat "$TMP/err")"
	grep -q -- "$words" "$TMP/err" ||
		fail "$*: no '$words' in: $(cat "$TMP/err")"
	[ "$want" = 2 ] || [ "$(wc -l <"$TMP/err")" = 1 ] ||
		fail "$*: more than one line: $(cat "$TMP/err")"
	clean 0 || fail "$*: something is left behind"
	! in_back ip link show vif2.0 >/dev/null 2>&1 ||
		wait_for 5 no_interface vif2.0 || fail "$*: vif2.0 is left"
}
no_interface() { ! in_back ip link show "$1" >/dev/null 2>&1; }

start_xen
"$XENLOCAL" create --domid 3 --name other >/dev/null || fail "no domain 3"
start_net_back

# --- what cannot be
mem=backend=back,link=memory:sink
refused nobody 1 nobody $mem
refused "mac=" 2 guest $mem,mac=00:16:3e:00:00
refused "mac=" 2 guest $mem,mac=01:16:3e:00:00:01
refused "rate=" 2 guest $mem,rate=fast
refused "mtu=" 2 guest $mem,mtu=17
refused "devid=" 2 guest $mem,devid=x
refused "forwarddev" 2 guest $mem,forwarddev=eth1
refused "KEY=VALUE" 2 guest $mem,bridge
refused "memory:" 1 guest backend=back,link=memory:nonsense
refused "nonsense" 1 guest backend=back,link=nonsense:1
refused "ip" 1 guest $mem,ip=300.1.2.3
refused "vlan" 1 guest $mem,vlan=5000
refused "vifname" 1 guest backend=back,vifname=far-too-long-for-this
refused "no bridge nobr" 1 guest backend=back,bridge=nobr
refused "did not connect" 1 guest $mem --timeout 3
refused "did not connect" 1 guest backend=back,bridge=br0 --timeout 3
pass "what cannot be attached is refused with one line, nothing left"

# --- a bridge; both ends at the same time
mac=00:16:3e:11:22:33
guest_start a 2
tool network-attach guest backend=back,bridge=br0,mac=$mac,vifname=web0 \
	--json >"$TMP/json" || fail "attach: $(cat "$TMP/json")"
jq -e '.attached and .backend_state == "Connected" and .devid == 0' \
	"$TMP/json" >/dev/null || fail "$(cat "$TMP/json")"
guest_ready a 10.77.0.2/24
reaches a $BR_IP || fail "no ping: $(cat "$TMP/ping.out")"
in_back ip -o link show web0 | grep -q 'master br0' || fail "not in the bridge"
[ "$(in_guest a cat /sys/class/net/eth0/address 2>/dev/null ||
	in_guest a ip -o link show eth0)" ] || fail "no interface"
in_guest a ip -o link show eth0 | grep -qi "$mac" || fail "another address"
again=$(tool network-attach guest backend=back,devid=0 2>&1) &&
	fail "attached twice"
[[ $again == *already* ]] || fail "twice: $again"
pass "attached, bridged and Connected; not twice"

# --- a second guest in the same bridge
guest_start b 3
tool network-attach 3 backend=back bridge=br0 mtu=1500 rate=100MB/s \
	ip=10.77.0.3 || fail "attach to domain 3"
guest_ready b 10.77.0.3/24
reaches a 10.77.0.3 || fail "guest to guest: $(cat "$TMP/ping.out")"
reaches b $BR_IP -s 4000 || fail "fragments: $(cat "$TMP/ping.out")"
[ "$(store $VIF_BACK/3/0/rate)" = 5000000,50000 ] ||
	fail "rate: $(store $VIF_BACK/3/0/rate)"
pass "two guests through a bridge"

# --- listings
[ "$(tool network-list --json | jq -r 'map(.devid) | length')" = 2 ] ||
	fail "network-list: $(tool network-list --json)"
[ "$(tool network-list guest --json | jq -r '.[0].mac')" = $mac ] ||
	fail "network-list guest: $(tool network-list guest --json)"
tool network-list | grep -q "^web0 .*Connected *Connected *br0 *$mac" ||
	fail "network-list: $(tool network-list)"
in_dom 1 "$BUILD/bin/xensplit" stats --json 2 vif/0 |
	jq -e '.devices[0].counters.tx_packets > 0' >/dev/null || fail "stats"
pass "network-list and stats"

# --- recording
record() { in_dom 1 "$BUILD/bin/xensplit" network-pcap 2 0 "$@"; }
record "$TMP/a.pcap" || fail "pcap"
refuses "a recording into a directory" record "$TMP"
reaches a $BR_IP || fail "no ping"
record stop || fail "pcap stop"
has_frames() { [ "$(stat -c %s "$TMP/a.pcap")" -gt 300 ]; }
wait_for 5 has_frames || fail "nothing is recorded"
[ "$(od -An -tx4 -N4 "$TMP/a.pcap" | tr -d ' ')" = a1b23c4d ] ||
	fail "not a recording: $(od -An -tx4 -N4 "$TMP/a.pcap")"
pass "recorded while running"

# --- changes while running: another's address, then taken back
in_guest a ip addr add 10.77.0.66/24 dev eth0
reaches a $BR_IP -I 10.77.0.66 || fail "no ping from the second address"
put $VIF_BACK/2/0/ip 10.77.0.2
stopped() { ! reaches a $BR_IP -I 10.77.0.66; }
wait_for 10 stopped || fail "a new address list has no effect"
reaches a $BR_IP -I 10.77.0.2 || fail "the allowed address is refused, too"
put $VIF_BACK/2/0/ip nonsense
bad_key() { store $VIF_BACK/2/0/error | grep -q "ip"; }
wait_for 5 bad_key || fail "a bad list is not reported"
reaches a $BR_IP -I 10.77.0.2 || fail "a bad list disturbs"
in_dom 0 xenstore-rm $VIF_BACK/2/0/ip
wait_for 10 reaches a $BR_IP -I 10.77.0.66 || fail "not taken back"
no_error() { [ -z "$(store $VIF_BACK/2/0/error)" ]; }
wait_for 5 no_error || fail "the error stays"
put $VIF_BACK/2/0/mtu 1400
small() { in_back ip -o link show web0 | grep -q 'mtu 1400'; }
wait_for 5 small || fail "the MTU does not change"
pass "addresses and MTU change while running"

# --- a worker that dies
kill -KILL "$(in_dom 1 "$BUILD/bin/xensplit" stats --json 2 vif/0 |
	jq '.devices[0].worker_pid')" || fail "no worker"
wait_for 10 reaches a $BR_IP || fail "a new worker does not go on"
pass "a worker is replaced and the guest goes on"

# --- a frontend that fails its NIC comes back to the same place
in_dom 2 xenstore-write $FRONT/0/state 77 || fail "cannot write a state"
wait_vif 2/0 6
tap=${TAP_PID[a]}
kill "$tap" 2>/dev/null
wait "$tap"
guest_start a 2
guest_ready a 10.77.0.2/24
wait_for 10 reaches a $BR_IP || fail "no ping when the frontend is back"
in_back ip -o link show web0 | grep -q 'master br0' || fail "not in the bridge"
pass "a NIC that failed by its guest is where it was"

# --- detach, by the guest's leave and by force
refuses "a NIC that is not there" tool network-detach guest 7
tool network-detach guest $mac --json >"$TMP/json" || fail "$(cat "$TMP/json")"
clean 0 || fail "detached, but something is left"
no_interface web0 || wait_for 5 no_interface web0 || fail "web0 is left"
wait "${TAP_PID[a]}"
tool network-detach 3 0 --force >"$TMP/out" 2>&1 || fail "$(cat "$TMP/out")"
gone $VIF_BACK/3/0 || fail "forced, but something is left"
wait "${TAP_PID[b]}"
[ "$(tool network-list --json)" = "[]" ] || fail "$(tool network-list)"
pass "detached"
stop_back

# --- a backend in the tool's own domain: the tool runs the script
cat >"$TMP/script" <<'END'
#!/bin/sh
echo "$1 $2 $XENBUS_PATH $XENBUS_TYPE $XENBUS_BASE_PATH $vif [$netdev]" \
	>>"$SCRIPT_LOG"
[ "$1" = offline ] && exit 0
case $SCRIPT_DOES in
fail) echo "first"; echo "no room at the inn" >&2; exit 3 ;;
tell) xenstore-write "$XENBUS_PATH/hotplug-error" "told so" \
	"$XENBUS_PATH/hotplug-status" error; exit 1 ;;
hang) sleep 60 ;;
esac
xenstore-write "$XENBUS_PATH/hotplug-status" connected
END
chmod +x "$TMP/script"
export SCRIPT_LOG=$TMP/script.log SCRIPT_DOES=
VIF_BACK=/local/domain/0/backend/vif
start_own()
{
	: >"$TMP/own.ready"
	"$XENLOCAL" exec --domid 0 -- "${OWN_NET[@]}" \
		"$BUILD/bin/xensplitd" --ready-fd 7 7>"$TMP/own.ready" \
		>>"$BACK_LOG" 2>&1 &
	XENSPLITD_PID=$!
	wait_for 10 test -s "$TMP/own.ready" || fail "xensplitd of domain 0"
}
start_own
own=script=$TMP/script,gatewaydev=gw0
SCRIPT_DOES=fail refused "no room at the inn" 1 guest $own
SCRIPT_DOES=tell refused "told so" 1 guest $own
SCRIPT_DOES=hang refused "did not end" 1 guest $own --timeout 3
[ "$(grep -c '^offline' "$SCRIPT_LOG")" = 3 ] || fail "$(cat "$SCRIPT_LOG")"
: >"$SCRIPT_LOG"
guest_start a 2
tool network-attach guest $own || fail "attach with a script"
[ "$(cat "$SCRIPT_LOG")" = "online type_if=vif backend/vif/2/0 vif backend \
vif2.0 [gw0]" ] || fail "$(cat "$SCRIPT_LOG")"
guest_ready a

# a supervisor that begins anew has a new interface: the script again
stop_back
wait "${TAP_PID[a]}"
: >"$SCRIPT_LOG"
start_own
guest_start a 2
guest_ready a
[ "$(cut -d ' ' -f 1-4 "$SCRIPT_LOG")" = "online type_if=vif backend/vif/2/0 \
vif" ] || fail "after a restart: $(cat "$SCRIPT_LOG")"
pass "after a restart of xensplitd the script runs for the new interface"

tool network-detach guest 0 || fail "detach with a script"
grep -q '^offline type_if=vif backend/vif/2/0' "$SCRIPT_LOG" ||
	fail "$(cat "$SCRIPT_LOG")"
wait "${TAP_PID[a]}"
pass "the script of a NIC in the own domain is run as libxl does"
stop_back
