# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Two guests on a bridge, three minutes of mixed traffic between them and with
# domain 0: streams, lines, datagrams, pings, small and large, over IPv4 and
# IPv6, all of it compared where it arrives.  Checksums are left to the NICs, so
# nothing but that would notice a frame that was damaged.  Meanwhile workers are
# killed, and another NIC is unplugged and plugged again.
#
# Each kind of traffic waits for its answer, and then a while: where traffic
# keeps the emulated CPUs busy, nothing else gets on.
# limit: 600
# takes: 250
# shellcheck source=tests/xen/dom0/net-lib.sh
. /host/dom0/net-lib.sh

SOAK=180
LONG=$((60 * TIME_SCALE))
NET=$TMP/soak
mac() { echo "00:16:3e:09:02:$1"; }

# What domain 0 and guests share: $ME is the host (0: domain 0) in whose folder
# it is begun, SIZE what is compared of a stream.  Each host sends data of its
# own, which all have.
cat >"$TMP/servers" <<'END'
export ME
SIZE=250000
cat >answer <<'SCRIPT'
read -r what who skip size
case $what in
send) dd if=data$who bs=4096 skip=$skip iflag=skip_bytes,count_bytes count=$size status=none ;;
judge) cmp -i 0:$skip -n $size - data$who >&2 && echo same ;;
esac
SCRIPT
socat TCP6-LISTEN:7010,reuseaddr,fork EXEC:"bash answer",nofork &
servers=$!
socat TCP6-LISTEN:7011,reuseaddr,fork EXEC:cat,nofork &
servers+=" $!"
socat -b 65536 UDP6-RECVFROM:7012,reuseaddr,fork PIPE &
servers+=" $!"
# what the kernel has refused as damaged so far, by its counters (InErrs has
# handshakes that were repeated, too)
damaged()
{
	awk '$1 in names {
		nr = split(names[$1], name)
		for (i = 2; i <= nr; i++)
			if ($i > 0 && name[i] ~ /^In(Csum|Hdr)Errors$/)
				print $1 name[i], $i
		next
	}
	/:/ { names[$1] = $0 }
	/^[A-Za-z]+6In(Csum|Hdr)Errors/ && $2 > 0 { print $1, $2 }
	' /proc/net/snmp /proc/net/snmp6
}
END

# What guest ME does against guest PEER and domain 0.  Loops have kinds of
# traffic in turn and leave "ROUNDS BYTES LOST" of each in count.KIND, and in
# `errors` what was wrong.  Rounds of all kinds are told in data/soak.  When
# there is data/stop, the loops end, and when that is "servers", all does.
#
# Programs that start, and shells that read sockets, which they do byte by byte,
# are what costs most in a guest; so there are few.
cat >"$TMP/traffic" <<'END'
pause() { read -rt "$1" -u 8; }
bad() { echo "$kind, round $n: $*" >>errors; }
# one of the arguments, by the round
one() { shift $((n % $#)); length=$1; }

# The kinds.  They add what they compared to $bytes, packets that did not come
# back to $lost.
gives()
{
	local got=
	exec 9<>"/dev/tcp/$1/7010" || { bad "no connection"; return; }
	echo "judge $ME $skip $SIZE" >&9
	dd if=data$ME bs=$block iflag=skip_bytes,count_bytes skip=$skip \
		count=$SIZE status=none >&9
	read -rt $LONG -u 9 got
	[ "$got" = same ] || bad "not what was given: '$got'"
	exec 9>&-
	bytes=$SIZE
}
takes()
{
	local got
	exec 9<>"/dev/tcp/$1/7010" || { bad "no connection"; return; }
	echo "send $2 $skip $SIZE" >&9
	got=$(timeout $LONG cmp -n $SIZE -i 0:$skip - data$2 <&9 2>&1) ||
		bad "not what was sent: $got"
	exec 9>&-
	bytes=$SIZE
}
lines()
{
	local length line got=
	one 1 9 10 80 500 1447 1448
	printf -v line "%0${length}d" $n
	exec 9<>"/dev/tcp/$1/7011" || { bad "no connection"; return; }
	printf '%s\n' "$line" >&9
	read -rt $LONG -u 9 got
	[ "$got" = "$line" ] || bad "answer to $length: $got"
	exec 9>&-
	bytes=$((length + 1))
}
datagrams()
{
	local length got
	one 1 17 100 1000 1472 1473 4000 20000 60000
	dd if=data$ME of=sent bs=$length skip=$((n % 15)) count=1 status=none
	exec 9<>"/dev/udp/$1/7012"
	dd if=sent bs=65536 status=none >&9
	timeout $SHORT dd bs=65536 count=1 status=none <&9 >got
	exec 9>&-
	if [ -s got ]; then
		got=$(cmp sent got 2>&1) || bad "$length bytes: $got"
		bytes=$length
	else
		lost=1
	fi
}
pings()
{
	local length got
	one 0 16 56 1000 1472 1473 2961 9000 30000 60000
	got=$(ping -c 2 -i 0.2 -s $length -p "a5$((n % 10))f" -W $SHORT "$1" 2>&1)
	if [[ $got == *"wrong data"* ]]; then
		bad "$length bytes: $got"
	elif [[ $got =~ ([12])\ received ]]; then
		bytes=$((BASH_REMATCH[1] * (length + 8)))
		lost=$((2 - BASH_REMATCH[1]))
	else
		lost=2
	fi
}
# datagrams to domain 0 over a NIC that comes and goes
plugged()
{
	local nic
	nic=$(grep -il "$PLUGGED" /sys/class/net/*/address) || return
	nic=${nic%/*} nic=${nic##*/}
	ip link set "$nic" up && ip addr replace 10.10.0.2/24 dev "$nic" &&
		datagrams 10.10.0.1
}

# in_turn "KIND COMMAND..."...: begins a loop
in_turn()
{
	local kind command n round=0 bytes lost skip block
	local -A rounds=() all=() all_lost=()
	for command; do
		kind=${command%% *}
		kinds+=" $kind"
		rounds[$kind]=0
		echo 0 0 0 >count.$kind
	done
	(
	until [ -e stop ]; do
		for command; do
			kind=${command%% *}
			n=${rounds[$kind]} bytes=0 lost=0
			skip=$((n * 7919 % 750000)) block=$((1 << n % 8 + 10))
			${command#* }
			[ $bytes = 0 ] || rounds[$kind]=$((n + 1))
			all[$kind]=$((${all[$kind]:-0} + bytes))
			all_lost[$kind]=$((${all_lost[$kind]:-0} + lost))
			echo ${rounds[$kind]} ${all[$kind]} ${all_lost[$kind]} \
				>count.$kind
			pause 0.5
		done
	done
	) &
	loops+=" $!"
}

tell()
{
	local told= n kind
	for kind in $kinds; do
		# (unless it is being written)
		read -r n _ <count.$kind && seen[$kind]=$n
		told+=" ${seen[$kind]}"
	done
	xenstore-write data/soak "$told"
}

kinds= loops=
declare -A seen=()
for peer in 10.9.0.1 10.9.0.1$PEER; do
	for port in 7010 7011; do
		until timeout 10 bash -c ": </dev/tcp/$peer/$port"; do
			pause 0.5
		done 2>/dev/null
	done
done
before=$(damaged)
# (the other guest does the same: so streams go both ways over both)
in_turn "tcp4-to-guest gives 10.9.0.1$PEER" \
	"tcp6-from-guest takes fd09::1$PEER $PEER"
in_turn "tcp6-to-dom0 gives fd09::1" "tcp4-from-dom0 takes 10.9.0.1 0"
in_turn "lines6-guest lines fd09::1$PEER" \
	"udp4-guest datagrams 10.9.0.1$PEER" "udp6-dom0 datagrams fd09::1" \
	${PLUGGED:+"plugged plugged"}
in_turn "ping4-guest pings 10.9.0.1$PEER" "ping6-guest pings fd09::1$PEER" \
	"ping4-dom0 pings 10.9.0.1"
until xenstore-exists data/stop; do
	tell
	pause 2
done
: >stop
wait $loops
# the other's loops may need the servers still
xenstore-write data/soak ended
until [ "$(xenstore-read data/stop)" = servers ]; do pause 0.5; done
kill $servers
for kind in $kinds; do echo "$kind $(cat count.$kind)" >&3; done
[ "$(damaged)" = "$before" ] ||
	echo "damaged packets: $(damaged), before: $before" >>errors
for counter in rx_errors tx_errors rx_crc_errors rx_frame_errors; do
	n=$(cat /sys/class/net/$NIC/statistics/$counter)
	[ $n = 0 ] || echo "$counter: $n" >>errors
done
[ ! -s errors ] || {
	head -c 3000 errors log >&3
	exit 1
}
END

# begin_traffic N
begin_traffic()
{
	guest_begin "n$1" <<-END
	exec 3>&1
	rm -rf /tmp/soak
	mkdir /tmp/soak
	cd /tmp/soak
	mkfifo never
	exec 8<>never
	: >errors
	ME=$1 PEER=$((3 - $1)) NIC=${nic[$1]} PLUGGED=${plugged[$1]}
	LONG=$LONG SHORT=$((10 * TIME_SCALE))
	{
	for n in 0 1 2; do
		exec 9<>/dev/tcp/10.9.0.1/7010
		echo "send \$n 0 1000000" >&9
		cat <&9 >data\$n
		exec 9>&-
	done
	[ "\$(cat data* | sha256sum)" = "$(cat data* | sha256sum)" ] || {
		echo "data to begin with" >&3
		exit 1
	}
	$(cat "$TMP/servers" "$TMP/traffic")
	} 2>log
	END
}

soak_of() { store "/local/domain/${id[$1]}/data/soak"; }

# grown N: each kind of its traffic has had a round from its beginning to its
# end since ${mark[N]}
grown()
{
	local i
	local -a now was
	# not to ask all the time, which takes the CPU from the traffic
	read -rt 1 -u 6
	read -ra now <<<"$(soak_of "$1")"
	read -ra was <<<"${mark[$1]}"
	[ ${#now[@]} -gt 0 ] || return 1
	for i in "${!now[@]}"; do
		[ "${now[i]}" -ge $((was[i] + 2)) ] || return 1
	done
}
goes_on()
{
	local n
	for n in 1 2; do mark[n]=$(soak_of $n); done
	for n in 1 2; do
		wait_for 120 grown $n || fail "$1: n$n stands still:" \
			"${mark[n]}, then $(soak_of $n)"
	done
	pass "$1, traffic goes on ($SECONDS s)"
}
has_begun() { [ -n "$(soak_of "$1")" ]; }

# kill_worker N
kill_worker()
{
	local old
	is_another()
	{
		local now
		now=$(worker_pid "${id[$1]}") && [ "$now" != "$2" ]
	}
	old=$(worker_pid "${id[$1]}") || fail "n$1 has no worker"
	kill -KILL "$old"
	wait_for 20 is_another "$1" "$old" || fail "n$1: not replaced"
}

start_back
bridge_up
if ! ip link add xenbr1 type bridge || ! ip link set xenbr1 up ||
	! ip addr add 10.10.0.1/24 dev xenbr1; then
	fail "a second bridge"
fi
use_guest n1
use_guest n2
for n in 1 2; do
	id[n]=$(domid n$n)
	grants[n]=$(mapped_grants "${id[n]}") ports[n]=$(ports "${id[n]}" 0)
	give_nic n$n "mac=$(mac 0$n),bridge=$BRIDGE,ip=10.9.0.1$n fd09::1$n fe80::/10"
	wait_vif "${id[n]}/0" 4
	guest_net n$n "$(mac 0$n)" 1$n
	nic[n]=$NIC plugged[n]=
done
plugged[2]=$(mac 12)
must_reach n1 10.9.0.12
must_reach n2 fd09::11 -s 4000
give_nic n2 "mac=${plugged[2]},bridge=xenbr1,devid=1"
pass "two guests through a bridge ($SECONDS s)"

if ! mkdir "$NET" || ! mkfifo "$NET/never" || ! cd "$NET"; then
	fail "no folder"
fi
exec 6<>never
for n in 0 1 2; do head -c 1000000 /dev/urandom >data$n; done
servers=
export ME=0
# shellcheck source=/dev/null
. "$TMP/servers"
before=$(damaged)
for n in 1 2; do begin_traffic $n; done
for n in 1 2; do
	wait_for 90 has_begun $n || fail "n$n does not begin"
done
begin=$SECONDS
goes_on "begun"
for n in 1 2; do
	for counter in tx_gso rx_gso tx_csum rx_csum; do
		[ "$(nic_stat "${id[n]}/0" $counter)" -gt 0 ] ||
			fail "n$n: no $counter"
	done
done
pass "segments to be cut and partial checksums, from each and to each"

kill_worker 2
goes_on "a worker killed"
take_nic n2 1
gone "$VIF_DIR/${id[2]}/1" || fail "nodes of the NIC are left"
give_nic n2 "mac=${plugged[2]},bridge=xenbr1,devid=1"
goes_on "a NIC unplugged and plugged"
kill_worker 1
goes_on "the other worker killed"

has_lasted() { [ $SECONDS -ge $((begin + SOAK)) ]; }
wait_for $((SOAK + 1)) has_lasted || fail "time stands still"
took=$((SECONDS - begin))
told() { [ "$(soak_of "$1")" = "$2" ]; }
for n in 1 2; do put "/local/domain/${id[n]}/data/stop" traffic; done
for n in 1 2; do
	wait_for 90 told $n ended || fail "n$n does not end its traffic"
done
for n in 1 2; do put "/local/domain/${id[n]}/data/stop" servers; done
for n in 1 2; do
	guest_end n$n >"$TMP/counts" || fail "n$n: $(cat "$TMP/counts")"
	sed "s/^/n$n: /" "$TMP/counts"
	awk -v kinds=$((9 + n)) '$2 == 0 || $4 > $2 { exit 1 }
		END { exit NR != kinds }' "$TMP/counts" ||
		fail "n$n: not all was compared"
	awk -v n=$n '{ bytes += $3; lost += $4 } END {
		printf "n%d: %d bytes compared, %d packets lost\n", n, bytes, lost
		}' "$TMP/counts"
	xenstore-rm "/local/domain/${id[n]}/data/soak" \
		"/local/domain/${id[n]}/data/stop" || fail "cannot remove nodes"
done
for n in 1 2; do
	for counter in tx_errors rx_errors violations malformed_headers \
		spoofed_mac spoofed_addr; do
		is=$(nic_stat "${id[n]}/0" $counter)
		[ "$is" = 0 ] || fail "n$n: $counter: $is"
	done
done
# shellcheck disable=SC2086
kill $servers
# shellcheck disable=SC2086
wait $servers 2>/dev/null
[ "$(damaged)" = "$before" ] || fail "domain 0 got damaged packets:" \
	"$(damaged), before: $before"
pass "$took s of mixed traffic, nothing was damaged ($SECONDS s)"

take_nic n2 1
for n in 1 2; do
	take_nic n$n 0
	no_nics n$n "${id[n]}" "${grants[n]}" "${ports[n]}"
done
pass "nothing is left ($SECONDS s)"
stop_guest n2
ip link del xenbr1 || fail "cannot remove xenbr1"
bridge_down
