# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A NIC in xl's configuration, put on a bridge by Xen's own script: at the
# creation of the guest and attached by xl to the running one; xl save and xl
# restore with traffic.
# limit: 200
# shellcheck source=tests/xen/dom0/net-lib.sh
. /host/dom0/net-lib.sh

mac=00:16:3e:09:00:03
start_back
bridge_up
start_guest n3 "memory = 400" "maxmem = 400" "vif = [
  'mac=$mac,bridge=$BRIDGE,script=vif-bridge,vifname=web3' ]"
id=$(domid n3)
wait_vif "$id/0" 4
[ "$(store "$VIF_DIR/$id/0/script")" = /etc/xen/scripts/vif-bridge ] ||
	fail "another script: $(store "$VIF_DIR/$id/0/script")"
[ -e /sys/class/net/$BRIDGE/brif/web3 ] || fail "not in the bridge"
guest_net n3 $mac 3
must_reach n3 fd09::1
pass "created by xl with vif=, in the bridge by vif-bridge"

xl network-attach n3 mac=00:16:3e:09:01:03 bridge=$BRIDGE ||
	fail "xl network-attach"
wait_vif "$id/1" 4
wait_for 20 has_interface n3 00:16:3e:09:01:03 || fail "no second interface"
[ -e "/sys/class/net/$BRIDGE/brif/vif$id.1" ] || fail "not in the bridge"
xl network-list n3 >"$TMP/list"
[ "$(grep -c '00:16:3e:09:0[01]:03' "$TMP/list")" = 2 ] ||
	fail "xl network-list: $(cat "$TMP/list")"
xl network-detach n3 1 || fail "xl network-detach"
gone "$VIF_DIR/$id/1" || fail "nodes are left"
[ ! -e "/sys/class/net/vif$id.1" ] || fail "its interface is left"
pass "xl network-attach, -list, -detach"

# a connection that lives through it
serve
in_guest n3 "iperf3 -J -c 10.9.0.1 -t 1000 >/tmp/load 2>&1 </dev/null &"
is_loaded() { [ "$(nic_stat "$id/0" tx_packets)" -gt 500 ]; }
wait_for 20 is_loaded || fail "no load arrives"
xl save n3 "$DISKS/n3.save" >"$TMP/save.out" 2>&1 ||
	fail "xl save: $(cat "$TMP/save.out")"
wait_for 20 is_gone n3 || fail "the domain is left"
wait_for 20 no_worker "$id" || fail "a worker is left"
wait_for 20 gone "$VIF_DIR/$id" || fail "backend nodes are left"
[ ! -e /sys/class/net/web3 ] || fail "its interface is left"
pass "saved under load, nothing is left"
xl restore "$DISKS/n3.save" >"$TMP/restore.out" 2>&1 ||
	fail "xl restore: $(cat "$TMP/restore.out")"
id=$(domid n3)
wait_vif "$id/0" 4
wait_for 60 is_loaded || fail "the connection does not go on: $(in_guest n3 "
	cat /tmp/load; ip addr; dmesg | tail -n 20")"
in_guest n3 "killall iperf3" || fail "the load ended"
serve_end
stream_up n3 2
stream_down n3 2
pass "restored, the connection went on"
stop_guest n3
wait_for 20 no_worker "$id" || fail "a worker is left"
gone "$VIF_DIR/$id" || fail "nodes are left"
bridge_down
