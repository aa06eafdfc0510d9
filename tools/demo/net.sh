# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
#
# The demo's network, sourced by demo.sh:
#
#   domain 1          also serves NICs, behind NAT in user space (user:)
#   domain 2          a guest with a network namespace of its own, in which
#                     netfront-tap gives it an ordinary interface
#   domain 3          a network driver domain: its own namespace, a bridge, and
#                     a xensplitd that runs the hotplug scripts
#   domain 4          a second guest
#
# All of it as an ordinary user, in user namespaces.

own_net=(unshare --map-root-user --net)
declare -A net_pid

# What is in the way of TAP interfaces here; nothing if nothing is.
tap_trouble() {
	[ -e /dev/net/tun ] || { echo "there is no /dev/net/tun"; return; }
	[ -w /dev/net/tun ] ||
		{ echo "this user may not open /dev/net/tun"; return; }
	"${own_net[@]}" true 2>/dev/null ||
		{ echo "this user may not make user and network namespaces"
		return; }
	"${own_net[@]}" ip tuntap add dev t0 mode tap 2>/dev/null ||
		echo "the kernel makes no TAP interface in a namespace"
}

# in_net NAME COMMAND...: in the namespace of a guest or driver domain
enter=(nsenter --preserve-credentials --user --net --target)
in_net() { "${enter[@]}" "${net_pid[$1]}" -- "${@:2}"; }

# net_guest NAME DOMID: its interface, in the background; net_guest_ready NAME
# ADDRESS/LEN [GATEWAY] waits for it
net_guest() {
	local name=$1
	: >"$dir/$name.ready"
	"$bin/xenlocal" exec --domid "$2" -- "${own_net[@]}" \
		"$bin/netfront-tap" --name=eth0 --up --queues=2 --ready-fd=7 \
		7>"$dir/$name.ready" >"$dir/$name.log" 2>&1 </dev/null &
	net_pid[$name]=$!
}
net_guest_ready() {
	wait_for 15 test -s "$dir/$1.ready"
	in_net "$1" ip link set lo up
	in_net "$1" ip addr add "$2" dev eth0
	[ $# = 2 ] || in_net "$1" ip route add default via "$3"
}

# the interface goes with the NIC, and netfront-tap says so with status 3
net_guest_gone() {
	local status=0
	wait "${net_pid[$1]}" || status=$?
	[ $status = 3 ] || die "netfront-tap of $1 ended with status $status"
}

pings() { in_net "$1" ping -c 3 -i 0.2 -W 2 "$2" | tail -n 2; }

free_port() {
	python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# iperf NAME WORDS...: one line of what arrived
iperf() {
	in_net "$1" iperf3 -f m -t 2 "${@:2}" >"$dir/iperf.log" ||
		{ cat "$dir/iperf.log"; die "iperf3 failed"; }
	sed -n 's/.* \([0-9.]* Mbits\/sec\) .*receiver.*/\1/p' "$dir/iperf.log"
}

net_through_nat() {
	local port web

	say "A NIC for the guest, behind NAT in user space"
	net_guest guest 2
	dom 0 "$bin/xensplit" network-attach guest \
		"backend=storage,link=user:loopback=1"
	net_guest_ready guest 10.0.2.15/24 10.0.2.2
	dom 0 "$bin/xensplit" network-list
	in_net guest ip -br addr show dev eth0
	pings guest 10.0.2.2

	say "In the guest: an HTTP download through it"
	port=$(free_port)
	python3 -m http.server --bind 127.0.0.1 --directory "$dir/images" \
		"$port" >"$dir/http.log" 2>&1 &
	web=$!
	wait_for 10 curl -sI "http://127.0.0.1:$port/"
	in_net guest curl -sS -o "$dir/guest/download" \
		-w '%{size_download} bytes in %{time_total} s\n' \
		"http://10.0.2.2:$port/first.img"
	cmp "$dir/guest/download" "$dir/images/first.img"
	note "it is the same as the file in the driver domain"
	rm "$dir/guest/download"
	kill "$web"

	port=$(free_port)
	iperf3 --forceflush -s -B 127.0.0.1 -p "$port" >"$dir/iperf-server.log" 2>&1 &
	web=$!
	# the server takes a connection only for a test
	wait_for 10 grep -q listening "$dir/iperf-server.log"
	note "TCP out: $(iperf guest -c 10.0.2.2 -p "$port")"
	note "TCP in:  $(iperf guest -c 10.0.2.2 -p "$port" -R)"
	kill "$web"
	dom 0 "$bin/xensplit" network-detach guest 0
	net_guest_gone guest
}

net_through_bridge() {
	local server

	say "A network driver domain with a bridge, two guests on it"
	"$bin/xenlocal" create --domid 3 --name network --driver-domain
	"$bin/xenlocal" create --domid 4 --name second
	mkdir "$dir/network"
	: >"$dir/network/ready"
	XENSPLIT_RUNDIR=$dir/network "$bin/xenlocal" exec --domid 3 -- \
		"${own_net[@]}" "$bin/xensplitd" --run-scripts --ready-fd 7 \
		7>"$dir/network/ready" 2>"$dir/network.log" </dev/null &
	net_pid[network]=$!
	wait_for 10 test -s "$dir/network/ready"
	in_net network ip link add br0 type bridge
	in_net network ip addr add 10.77.0.1/24 dev br0
	in_net network ip link set br0 up

	net_guest guest 2
	net_guest second 4
	dom 0 "$bin/xensplit" network-attach guest backend=network,bridge=br0
	dom 0 "$bin/xensplit" network-attach second \
		backend=network,bridge=br0,ip=10.77.0.4
	net_guest_ready guest 10.77.0.2/24
	net_guest_ready second 10.77.0.4/24
	dom 0 "$bin/xensplit" network-list
	note "from the guest to the driver domain, and to the other guest:"
	pings guest 10.77.0.1
	pings guest 10.77.0.4
	"${enter[@]}" "${net_pid[second]}" -- iperf3 --forceflush -s \
		>"$dir/iperf-server.log" 2>&1 &
	server=$!
	wait_for 10 grep -q listening "$dir/iperf-server.log"
	note "TCP guest to guest:   $(iperf guest -c 10.77.0.4)"
	note "and the other way:    $(iperf guest -c 10.77.0.4 -R)"
	kill "$server"

	note "the second guest may only be 10.77.0.4:"
	in_net second ip addr add 10.77.0.99/24 dev eth0
	if in_net second ping -q -c 2 -i 0.2 -W 1 -I 10.77.0.99 10.77.0.2 \
		>/dev/null; then
		die "a forged address got through"
	fi
	note "frames from 10.77.0.99 are dropped"
	dom 0 "$bin/xensplit" network-detach guest 0
	dom 0 "$bin/xensplit" network-detach second 0
	net_guest_gone guest
	net_guest_gone second
	kill "${net_pid[network]}"
	wait "${net_pid[network]}"
}

# Without TAP interfaces a guest has no place for an interface; the frontend
# library needs none.
net_without_tap() {
	say "No TAP interfaces here: $1"
	note "so no guest gets an interface; frames go through netfront and"
	note "netback all the same, to a link that sends them back:"
	dom 0 "$bin/xensplit" network-attach --wait=backend guest \
		backend=storage,link=memory:echo
	dom 2 "$top/build/tests/e2e/net_peer" --mode=echo --packets=20000 \
		--size=1514
	dom 0 "$bin/xensplit" network-detach guest 0
}

net_demo() {
	local trouble
	trouble=$(tap_trouble)
	if [ -n "$trouble" ]; then
		net_without_tap "$trouble"
		return
	fi
	net_through_nat
	net_through_bridge
}
