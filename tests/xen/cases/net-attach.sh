# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A NIC attached by xensplit to a running guest with stock xen-netfront: IPv4,
# IPv6, segments of TCP seen both ways, two queues, multicast; then again and
# again, the last time under load.
# limit: 200
# takes: 80
# shellcheck source=tests/xen/dom0/net-lib.sh
. /host/dom0/net-lib.sh

mac=00:16:3e:09:00:02
start_back
bridge_up
use_guest n1 "vcpus = 2"
id=$(domid n1)
grants=$(mapped_grants "$id") ports=$(ports "$id" 0)
give_nic n1 "mac=$mac,bridge=$BRIDGE"
wait_vif "$id/0" 4
guest_net n1 $mac 2
pass "attached, IPv4 works"
must_reach n1 fd09::1
must_reach n1 10.9.0.1 -s 9000
must_reach n1 fd09::1 -s 9000
pass "IPv6, and fragments"

[ "$(store "/local/domain/$id/device/vif/0/multi-queue-num-queues")" = 2 ] ||
	fail "not two queues"
serve
iperf n1 -t 2 -P 4
iperf n1 -t 2 -P 4 -R
for counter in tx_gso rx_gso tx_csum rx_csum; do
	[ "$(nic_stat "$id/0" $counter)" -gt 0 ] || fail "no $counter"
done
[ "$(nic_stat "$id/0" tx_errors)" = 0 ] || fail "malformed packets"
pass "segments to be cut and partial checksums both ways"
in_guest n1 "grep vif0-q /proc/interrupts" >"$TMP/queues"
for queue in vif0-q{0,1}-{t,r}x; do
	awk -v queue="$queue" '$NF == queue { n = $2 + $3 }
		END { exit n < 10 }' "$TMP/queues" ||
		fail "$queue is not used: $(cat "$TMP/queues")"
done
pass "two queues, used both ways"
stream_up n1 4
stream_down n1 4
pass "4 MiB each way, over IPv4 and IPv6, are what was sent"

# a group that the guest joins, and its answers
in_guest n1 "ip maddr add 01:00:5e:09:09:09 dev $NIC
	socat -u UDP4-RECVFROM:7003,ip-add-membership=239.9.9.9:$NIC,reuseaddr \
		CREATE:/tmp/group >/tmp/socat.out 2>&1 </dev/null &
	until ss -Hlun 'sport = :7003' | grep -q .; do
		read -rt 0.1 <> <(:) || :
	done"
has_group()
{
	echo "to the group" | socat -u - \
		UDP4-DATAGRAM:239.9.9.9:7003,ip-multicast-if=10.9.0.1
	in_guest n1 "grep -q group /tmp/group"
}
wait_for 20 has_group || fail "no multicast: $(in_guest n1 "cat \
	/tmp/socat.out; ip maddr show dev $NIC")"
pass "multicast"

for round in 1 2; do
	take_nic n1 0
	refuses "round $round: gone" has_interface n1 $mac
	give_nic n1 "mac=$mac,bridge=$BRIDGE"
	guest_net n1 $mac 2
done
in_guest n1 "iperf3 -c 10.9.0.1 -t 1000 >/tmp/load 2>&1 </dev/null &"
before=$(nic_stat "$id/0" tx_packets)
is_loaded() { [ "$(nic_stat "$id/0" tx_packets)" -gt $((before + 500)) ]; }
wait_for 20 is_loaded || fail "no load arrives"
take_nic n1 0
in_guest n1 "killall iperf3; :"
serve_end
no_nics n1 "$id" "$grants" "$ports"
pass "detached under load, nothing is left"
bridge_down
