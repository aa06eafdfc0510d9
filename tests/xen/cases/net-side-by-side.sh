# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# iperf3 both ways through three NICs of one guest, each with its backend: the
# kernel's xen-netback, QEMU's, and ours; in turns, medians as ratios of ours.
# And who serves which NIC where there are several backends.
#
# QEMU's NIC is left out if it carries nothing: that of 7.2 connects to the
# guest, but to no network of QEMU's.
# limit: 240
# alone: yes
# shellcheck source=tests/xen/dom0/net-lib.sh
. /host/dom0/net-lib.sh

ROUNDS=3 TIME=2
QEMU_NIC=00:16:3e:09:05:02
QEMU_DEVID=9
out=/host/out/net-side-by-side

# who N: each has a network of its own, so that traffic goes where it should
net_of() { echo "10.9.$((10 + $1))"; }
names=(kernel qemu xensplit)

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
QEMU_FRONT=/local/domain/$id/device/vif/$QEMU_DEVID
QEMU_DIR=/local/domain/0/backend/qnic/$id/$QEMU_DEVID
for n in 0 1 2; do own_bridge $n; done

xl network-attach n1 mac=00:16:3e:09:05:01 bridge=br0 || fail "the kernel's"
by_kernel 0 || fail "a NIC of xl's is not the kernel's"
guest_end_of 0 00:16:3e:09:05:01
guest_reaches 0

# QEMU gives its NIC the number of the hub that it is plugged into, and writes
# its keys one by one: the guest must not look before all are there.
in_guest n1 "echo 0 >/sys/bus/xen/drivers_autoprobe" || fail "drivers_autoprobe"
/usr/libexec/xen-qemu-system-i386 -M xenpv -xen-domid "$id" -xen-attach \
	-nodefaults -nographic -serial none \
	-monitor "unix:$TMP/qemu,server=on,wait=off" \
	-netdev tap,id=tap,ifname=qemu0,script=no,downscript=no \
	-netdev hubport,id=one,hubid=$QEMU_DEVID,netdev=tap \
	-netdev hubport,id=two,hubid=$QEMU_DEVID \
	-net nic,netdev=two,model=xen,macaddr=$QEMU_NIC \
	</dev/null >"$TMP/qemu.out" 2>&1 &
qemu=$!
wait_for 20 test -e /sys/class/net/qemu0 || fail "QEMU: $(cat "$TMP/qemu.out")"
ip link set qemu0 master br1 up || fail "qemu0"
waits_for_guest() { [ "$(store "$QEMU_DIR/state")" = 2 ]; }
wait_for 20 waits_for_guest || fail "QEMU's NIC: $(xenstore-ls "$QEMU_DIR")"
in_guest n1 "until echo vif-$QEMU_DEVID >/sys/bus/xen/drivers/vif/bind; do
	read -rt 0.1 <> <(:) || :
	done 2>/dev/null
	echo 1 >/sys/bus/xen/drivers_autoprobe"
guest_end_of 1 $QEMU_NIC
tried="0 1 2" runs="0.to 0.from 1.to 1.from 2.to 2.from"
if ! reaches n1 "$(net_of 1).1" && ! reaches n1 "$(net_of 1).1"; then
	tried="0 2" runs="0.to 0.from 2.to 2.from"
	echo "QEMU's NIC is connected (state" \
		"$(store "$QEMU_DIR/state"))" \
		"and carries nothing; its own view:"
	echo "info network" | socat -t 1 - "UNIX:$TMP/qemu" | tr -d '\r'
	echo
fi

give_nic n1 mac=00:16:3e:09:05:03,bridge=br2,devid=2
by_kernel 2 && fail "ours is the kernel's"
xenstore-exists "/local/domain/0/backend/xensplit-vif/$id/2" ||
	fail "ours is not in a class of its own"
guest_end_of 2 00:16:3e:09:05:03
guest_reaches 2
xl network-attach n1 mac=00:16:3e:09:05:04 bridge=br2 script=vif-xensplit ||
	fail "xl network-attach with our script"
wait_vif "$id/1" 4
by_kernel 1 && fail "a NIC with our script is the kernel's"
[ "$(nic_stat "$id/1" tx_packets)" -ge 0 ] || fail "... and not ours"
pass "of one guest: the kernel's, QEMU's, ours, and ours by xl"
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
	echo "# TCP through three backends"
	echo
	echo "iperf3 on one guest's NICs, Mbit/s: medians of $ROUNDS rounds in"
	echo "turns (least to most), and ours as a ratio of them."
	echo
	echo "| | to domain 0 | ratio | from domain 0 | ratio |"
	echo "|---|---|---|---|---|"
	for n in $tried; do
		printf '| %s ' "${names[$n]}"
		for way in to from; do
			ours=$(median "$TMP/2.$way") its=$(median "$TMP/$n.$way")
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
	ours=$(median "$TMP/2.$way")
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
# QEMU leaves its nodes, and so the guest its interface
kill $qemu
wait $qemu
put "$QEMU_DIR/state" 6
is_closed() { [ "$(store "$QEMU_FRONT/state")" = 6 ]; }
wait_for 20 is_closed || fail "the guest does not close QEMU's NIC"
xenstore-rm "$QEMU_FRONT" ||
	fail "no frontend nodes of QEMU's NIC"
xenstore-rm /local/domain/0/backend/qnic || fail "no nodes of QEMU's NIC"
xenstore-rm "/local/domain/0/device-model/$id" 2>/dev/null
for n in 0 1 2; do ip link del br$n || fail "bridge br$n"; done
stop_back
modprobe -r xen-netback || fail "xen-netback is in use"
