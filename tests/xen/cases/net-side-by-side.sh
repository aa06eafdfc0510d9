# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# iperf3 both ways through two NICs of one guest, the kernel's xen-netback behind
# one and ours behind the other; in turns, medians as ratios of ours.  And who
# serves which NIC where there are both.
#
# (QEMU's PV NIC is not among them: that of 7.2 connects to the guest, but to no
# network of QEMU's, and carries nothing.)
# limit: 240
# alone: yes
# shellcheck source=tests/xen/dom0/net-lib.sh
. /host/dom0/net-lib.sh

ROUNDS=3 TIME=2
out=/host/out/net-side-by-side

# who N: each has a network of its own, so that traffic goes where it should
net_of() { echo "10.9.$((10 + $1))"; }
names=(kernel xensplit)

by_kernel() { [ -e "/sys/bus/xen-backend/devices/vif-$id-$1/driver" ]; }

# own_bridge N: domain 0's end
own_bridge()
{
	if ! ip link add "br$1" type bridge || ! ip link set "br$1" up ||
		! ip addr add "$(net_of "$1").1/24" dev "br$1"; then
		fail "bridge br$1"
	fi
}

# guest_end_of N MAC: the guest's
guest_end_of()
{
	wait_for 20 has_interface n1 "$2" || fail "no NIC of ${names[$1]}"
	in_guest n1 "ip link set $NIC up; ip addr add $(net_of "$1").2/24 \
		dev $NIC" || fail "no address for ${names[$1]}"
}

guest_reaches()
{
	wait_for 20 reaches n1 "$(net_of "$1").1" || fail "${names[$1]}:" \
		"$(cat "$TMP/ping.out")"
}

modprobe xen-netback || fail "no xen-netback"
start_back
use_guest n1 "vcpus = 2"
id=$(domid n1)
for n in 0 1; do own_bridge $n; done

xl network-attach n1 mac=00:16:3e:09:05:01 bridge=br0 || fail "the kernel's"
by_kernel 0 || fail "a NIC of xl's is not the kernel's"
guest_end_of 0 00:16:3e:09:05:01
guest_reaches 0

tried="0 1" runs="0.to 0.from 1.to 1.from"
give_nic n1 mac=00:16:3e:09:05:03,bridge=br1,devid=2
by_kernel 2 && fail "ours is the kernel's"
xenstore-exists "/local/domain/0/backend/xensplit-vif/$id/2" ||
	fail "ours is not in a class of its own"
guest_end_of 1 00:16:3e:09:05:03
guest_reaches 1
xl network-attach n1 mac=00:16:3e:09:05:04 bridge=br1 script=vif-xensplit ||
	fail "xl network-attach with our script"
wait_vif "$id/1" 4
by_kernel 1 && fail "a NIC with our script is the kernel's"
[ "$(nic_stat "$id/1" tx_packets)" -ge 0 ] || fail "... and not ours"
pass "of one guest: the kernel's, ours, and ours by xl"
xl network-detach n1 1 || fail "xl network-detach"

# median FILE
median()
{
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

serve
{
	echo "ROUNDS=$ROUNDS TIME=$TIME RUNS='$runs'"
	cat <<-'END'
	for ((round = 0; round < ROUNDS; round++)); do
		for run in $RUNS; do
			option=
			[ ${run#*.} = to ] || option=-R
			iperf3 -J -t $TIME -O 1 $option \
				-c 10.9.1${run%.*}.1 >/tmp/iperf || {
				echo "$run domain 0:"
				cat /tmp/iperf
				exit 1
			}
			jq --arg run $run -r '.end.sum_received.bits_per_second
				| "\($run) \(. / 1e5 | round / 10)"' /tmp/iperf
		done
	done
	END
} >"$TMP/script"
GUEST_LIMIT=200 in_guest n1 <"$TMP/script" >"$TMP/runs" ||
	fail "$(cat "$TMP/runs")"
while read -r run mbit; do echo "$mbit" >>"$TMP/$run"; done <"$TMP/runs"
serve_end
{
	echo "# TCP through two backends"
	echo
	echo "iperf3 on one guest's NICs, Mbit/s: medians of $ROUNDS rounds in"
	echo "turns (least to most), and ours as a ratio of them."
	echo
	echo "| | to domain 0 | ratio | from domain 0 | ratio |"
	echo "|---|---|---|---|---|"
	for n in $tried; do
		printf '| %s ' "${names[$n]}"
		for way in to from; do
			ours=$(median "$TMP/1.$way") its=$(median "$TMP/$n.$way")
			printf '| %s (%s to %s) | %s ' "$its" \
				"$(sort -n "$TMP/$n.$way" | head -n 1)" \
				"$(sort -n "$TMP/$n.$way" | tail -n 1)" \
				"$(jq -n "$ours / $its * 100 | round / 100")"
		done
		echo "|"
	done
} >$out.md
for n in $tried; do
	for way in to from; do
		jq -n --arg who "${names[$n]}" --arg way $way \
			--slurpfile runs "$TMP/$n.$way" \
			--argjson median "$(median "$TMP/$n.$way")" \
			'{who: $who, way: $way, mbit_s: $median, runs: $runs}'
	done
done | jq -s '{case: "net/tcp/xen", results: .}' >$out.json
cat $out.md

# Far below what it is (a third): no noise makes this of it.
for way in to from; do
	ours=$(median "$TMP/1.$way")
	for n in $tried; do
		its=$(median "$TMP/$n.$way")
		jq -en "$ours >= 0.1 * $its" >/dev/null ||
			fail "${names[$n]} is more than ten times as fast," \
				"$way domain 0"
	done
done
pass "throughput"

take_nic n1 2
xl network-detach n1 0 || fail "xl network-detach"
for n in 0 1; do ip link del br$n || fail "bridge br$n"; done
stop_back
modprobe -r xen-netback || fail "xen-netback is in use"
