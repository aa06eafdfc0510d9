# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Two guests on a bridge, three minutes of mixed traffic between them: streams,
# questions and answers, datagrams, pings, small and large, all of it compared
# where it arrives.  Checksums are left to the NICs, so nothing but that would
# notice a frame that was damaged.
#
# Meanwhile domain 0 does what must not disturb it: records, changes a rate,
# plugs another NIC, and kills a worker.
# limit: 330
# shellcheck source=tests/xen/dom0/net-lib.sh
. /host/dom0/net-lib.sh

SOAK=180
start_back
bridge_up
use_guest n1 "vcpus = 2"
use_guest n2
for n in 1 2; do
	id[n]=$(domid n$n)
	grants[n]=$(mapped_grants "${id[n]}") ports[n]=$(ports "${id[n]}" 0)
	give_nic n$n "mac=00:16:3e:09:02:0$n,bridge=$BRIDGE,ip=10.9.0.1$n fd09::1$n fe80::/10"
	wait_vif "${id[n]}/0" 4
	guest_net n$n 00:16:3e:09:02:0$n 1$n
done
must_reach n1 10.9.0.12
must_reach n2 fd09::11 -s 4000
pass "two guests through a bridge"

# What guest ME does against guest PEER: each kind of traffic in a loop of its
# own, which counts its rounds and says what was wrong.
cat >"$TMP/soak" <<'END'
rm -rf /tmp/soak
mkdir /tmp/soak
cd /tmp/soak
exec >log 2>&1
mkfifo never
exec 8<>never
pause() { read -rt "$1" -u 8; }
bad() { echo "$*" >>errors; }
within() { [ $SECONDS -lt $end ]; }
counted() { echo "$2" >"rounds.$1"; }

# known to both, so that both can compare
for n in 1 2; do
	seq ${n}000001 ${n}400000 | gzip -1 | tail -c +11 >data$n
done
for size in 1 40 500 1200 1471 2900; do
	seq 1000 9999 | tr -d '\n' | head -c $size
	echo
done >lines

# servers
socat TCP6-LISTEN:7010,reuseaddr,fork OPEN:data$ME,rdonly &
servers=$!
socat TCP6-LISTEN:7011,reuseaddr,fork \
	"SYSTEM:cmp - data$PEER && echo same" &
servers+=" $!"
socat TCP6-LISTEN:7012,reuseaddr,fork PIPE &
servers+=" $!"
socat -u UDP6-RECV:7013,reuseaddr - >datagrams &
echo "$servers $!" >servers
takes()
{
	local n=0
	while within; do
		timeout $LONG socat -u "TCP:$2:7010" - | cmp - data$PEER ||
			bad "$1: what was taken differs, or was not all"
		counted "$1" $((++n))
	done
}
gives()
{
	local n=0 got
	while within; do
		got=$(timeout $LONG socat -t $LONG - "TCP:$2:7011" <data$ME)
		[ "$got" = same ] || bad "$1: what was given: '$got'"
		counted "$1" $((++n))
	done
}
asks()
{
	local n=0 line got
	while within; do
		exec 9<>"/dev/tcp/$2/7012" || bad "$1: no connection"
		while read -r line; do
			printf '%s\n' "$line" >&9
			got=
			read -rt $LONG -u 9 got
			[ "$got" = "$line" ] || bad "$1: answer '$got'"
		done <lines
		exec 9>&-
		counted "$1" $((++n))
	done
}
tells()
{
	local line
	exec 9>"/dev/udp/$1/7013"
	while within; do
		while read -r line; do
			printf '%s\n' "$line" >&9
		done <lines
		pause 0.1
	done
}
pings()
{
	local n=0 size
	while within; do
		for size in 0 16 56 1000 1472 1473 2961 9000 30000 60000; do
			ping -c 3 -i 0.1 -s $size -p "a5$((n % 10))f" -W 5 \
				"$2" >ping.$1 2>&1
			if grep -q 'wrong data\|[1-9][0-9]* errors' ping.$1 ||
				! grep -q ' [123] received' ping.$1; then
				bad "$1: size $size: $(cat ping.$1)"
			fi
			within || break
		done
		counted "$1" $((++n))
	done
}

for port in 7010 7011 7012; do
	until timeout 10 bash -c ": </dev/tcp/10.9.0.1$PEER/$port"; do
		pause 0.2
	done 2>/dev/null
done
end=$((SECONDS + SOAK))
takes takes-ipv6 "[fd09::1$PEER]" &
loops=$!
gives gives-ipv4 10.9.0.1$PEER &
loops+=" $!"
asks asks-ipv4 10.9.0.1$PEER &
loops+=" $!"
tells 10.9.0.1$PEER &
loops+=" $!"
pings pings-ipv4 10.9.0.1$PEER &
loops+=" $!"
pings pings-ipv6 fd09::1$PEER &
loops+=" $!"
pings pings-dom0 10.9.0.1 &
loops+=" $!"
wait $loops
END
# When neither asks the other anything more.
cat >"$TMP/end" <<'SCRIPT'
cd /tmp/soak
for pid in $(cat servers); do
	kill $pid
	while kill -0 $pid; do read -rt 0.1 <>never; done
done 2>/dev/null
awk 'NR == FNR { ok[$0]; next }
	{ n++ }
	!($0 in ok) { print "datagram: " $0 >>"errors" }
	END { print n + 0 >"rounds.datagrams" }' lines datagrams
grep . rounds.*
! head -c 2000 errors 2>/dev/null
SCRIPT
for n in 1 2; do
	guest_begin n$n <<-END
	SOAK=$SOAK LONG=$((40 * TIME_SCALE)) ME=$n PEER=$((3 - n))
	$(cat "$TMP/soak")
	END
done

# grows NAME COUNTER MORE: by that from now on, in time
grows()
{
	local at=${id[${1#n}]}/0 before
	before=$(nic_stat "$at" "$2")
	has_grown() { [ "$(nic_stat "$at" "$2")" -ge $((before + $3)) ]; }
	wait_for 40 has_grown "$@"
}
grows n1 tx_packets 1000 || fail "n1 sends nothing"
grows n2 tx_packets 1000 || fail "n2 sends nothing"

xensplit network-pcap n1 0 "$DISKS/n1.pcap" || fail "network-pcap"
is_long() { [ "$(stat -c %s "$DISKS/n1.pcap")" -gt 1000000 ]; }
wait_for 40 is_long || fail "nothing is recorded"
xensplit network-pcap n1 0 stop || fail "network-pcap stop"
tcpdump -nr "$DISKS/n1.pcap" >"$TMP/pcap" 2>"$TMP/pcap.err" ||
	fail "the recording: $(cat "$TMP/pcap.err")"
for kind in "UDP, length 1201" "ICMP echo reply" "ICMP6, echo reply" \
	"Flags \[S\]"; do
	grep -q "$kind" "$TMP/pcap" || fail "not in the recording: $kind"
done
rm "$DISKS/n1.pcap"
pass "recorded"

put "$VIF_DIR/${id[2]}/0/rate" 5000,50000
grows n2 throttled 5 || fail "a rate has no effect"
xenstore-rm "$VIF_DIR/${id[2]}/0/rate" || fail "cannot remove the rate"
grows n2 tx_packets 1000 || fail "slow without a rate"
pass "slowed down, and no more"

give_nic n1 "mac=00:16:3e:09:02:03,bridge=$BRIDGE"
wait_vif "${id[1]}/1" 4
take_nic n1 1
pass "another NIC came and went"

old=$(worker_pid "${id[2]}") || fail "no worker"
kill -KILL "$old"
is_another()
{
	local now
	now=$(worker_pid "${id[2]}") && [ "$now" != "$old" ]
}
wait_for 20 is_another || fail "the worker was not replaced"
grows n2 tx_packets 1000 || fail "n2 sends nothing after its worker died"
pass "a worker was replaced"

for n in 1 2; do
	GUEST_LIMIT=$((SOAK + 90)) guest_end n$n || fail "n$n does not end"
done
for n in 1 2; do
	in_guest n$n <"$TMP/end" >"$TMP/rounds.$n" ||
		fail "n$n: $(cat "$TMP/rounds.$n")"
	sed "s/rounds\./n$n /" "$TMP/rounds.$n"
	[ "$(grep -c ':[1-9]' "$TMP/rounds.$n")" = 7 ] || fail "n$n stood still"
	for counter in tx_errors rx_errors violations malformed_headers \
		spoofed_mac spoofed_addr; do
		is=$(nic_stat "${id[n]}/0" $counter)
		[ "$is" = 0 ] || fail "n$n: $counter: $is"
	done
done
pass "$SOAK s of mixed traffic, nothing was damaged"
for n in 1 2; do
	take_nic n$n 0
	no_nics n$n "${id[n]}" "${grants[n]}" "${ports[n]}"
done
stop_guest n2
bridge_down
