# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the tests of NICs on a real Xen host share; sourced by them.
#
#   give_nic NAME NICSPEC        xensplit network-attach
#   bridge_up                    xenbr0 with 10.9.0.1/24 and fd09::1/64
#   guest_net NAME MAC N         the interface with that address, up, with
#                                10.9.0.N/24 and fd09::N/64, as $NIC
#   nic_stat FE/DEVID COUNTER    of `xensplit stats`
#
# Domain 0 is the other end of everything.
BRIDGE=xenbr0
VIF_DIR=/local/domain/0/backend/vif
NIC=

give_nic()
{
	xensplit network-attach "$@" --timeout $((60 * TIME_SCALE)) ||
		fail "network-attach $*"
}

take_nic()
{
	xensplit network-detach "$@" --timeout $((60 * TIME_SCALE)) ||
		fail "network-detach $*"
}

bridge_up()
{
	[ -e /sys/class/net/$BRIDGE ] || {
		ip link add $BRIDGE type bridge || fail "no bridge"
		ip addr add 10.9.0.1/24 dev $BRIDGE || fail "no address"
		ip -6 addr add fd09::1/64 dev $BRIDGE nodad ||
			fail "no IPv6 address"
	}
	ip link set $BRIDGE up || fail "the bridge does not come up"
}

bridge_down() { ip link del $BRIDGE || fail "cannot remove $BRIDGE"; }

# vif_state_is FE/DEVID STATE
vif_state_is() { [ "$(store "$VIF_DIR/$1/state")" = "$2" ]; }

# wait_vif FE/DEVID STATE
wait_vif()
{
	wait_store 20 "$VIF_DIR/$1/state" vif_state_is "$1" "$2" && return
	fail "vif $1: state '$(store "$VIF_DIR/$1/state")', not $2:" \
		"$(store "$VIF_DIR/$1/error")" \
		"$(store "$VIF_DIR/$1/hotplug-error")"
}

# interface_of NAME MAC: what the guest calls it
interface_of()
{
	in_guest "$1" "grep -il $2 /sys/class/net/*/address" | cut -d / -f 5
}
has_interface()
{
	NIC=$(interface_of "$1" "$2")
	[ -n "$NIC" ]
}

guest_net()
{
	wait_for 20 has_interface "$1" "$2" || fail "$1 has no NIC $2"
	in_guest "$1" "ip link set $NIC up && ip addr add 10.9.0.$3/24 dev $NIC &&
		ip -6 addr add fd09::$3/64 dev $NIC nodad" ||
		fail "$1: no addresses for $NIC"
	wait_for 20 reaches "$1" 10.9.0.1 || fail "$1 does not reach domain 0"
}

# reaches NAME ADDRESS [PING OPTION...]: from the guest
reaches()
{
	local name=$1 address=$2
	shift 2
	in_guest "$name" "ping -q -c 2 -i 0.2 -W 5 $* $address" \
		>"$TMP/ping.out" 2>&1
}
# must_reach NAME ADDRESS [PING OPTION...]
must_reach() { reaches "$@" || fail "ping $*: $(cat "$TMP/ping.out")"; }

# nic_stat FE/DEVID COUNTER
nic_stat()
{
	xensplit stats --json | jq -r --arg at "vif/$1" ".devices[] |
		select(.device | ltrimstr(\"xensplit-\") == \$at) |
		.counters.$2"
}

# stream_up NAME MIB, stream_down NAME MIB: so much random data over TCP to
# domain 0, and from it, compared at the other end
stream_up()
{
	local pid sum
	rm -f "$TMP/got"
	socat -u TCP-LISTEN:7001,reuseaddr "CREATE:$TMP/got" &
	pid=$!
	wait_for 20 listens 7001 || fail "socat does not listen"
	sum=$(in_guest "$1" "head -c ${2}M /dev/urandom >/tmp/sent &&
		socat -u OPEN:/tmp/sent TCP:10.9.0.1:7001 &&
		sha256sum </tmp/sent; rm -f /tmp/sent") || fail "$1: $sum"
	wait $pid || fail "socat failed"
	[ "$(sha256sum <"$TMP/got")" = "$sum" ] || fail "data of $1 is wrong"
}
stream_down()
{
	local pid sum
	head -c "${2}M" /dev/urandom >"$TMP/sent"
	socat -u "OPEN:$TMP/sent" TCP6-LISTEN:7002,reuseaddr &
	pid=$!
	wait_for 20 listens 7002 || fail "socat does not listen"
	sum=$(in_guest "$1" "socat -u TCP6:[fd09::1]:7002 CREATE:/tmp/got &&
		sha256sum </tmp/got; rm -f /tmp/got") || fail "$1: $sum"
	wait $pid || fail "socat failed"
	[ "$(sha256sum <"$TMP/sent")" = "$sum" ] || fail "data to $1 is wrong"
}
listens() { ss -Htln "sport = :$1" | grep -q .; }

# serve, serve_end: iperf3's server in domain 0
serve()
{
	iperf3 -s -p 5201 >"$TMP/iperf3.server" 2>&1 &
	SERVER_PID=$!
	wait_for 20 listens 5201 || fail "iperf3 does not serve"
}
serve_end()
{
	kill "$SERVER_PID"
	wait "$SERVER_PID" 2>/dev/null
}

# iperf NAME OPTION...: by the guest, to domain 0; the results in $TMP/iperf
iperf()
{
	local name=$1
	shift
	GUEST_LIMIT=60 in_guest "$name" "iperf3 -J -c 10.9.0.1 $*" \
		>"$TMP/iperf" && return
	fail "iperf3 $*: $(jq -r .error "$TMP/iperf" 2>/dev/null ||
		cat "$TMP/iperf")"
}

# no_nics NAME DOMID GRANTS PORTS: as nothing_left_of
no_nics()
{
	wait_for 20 no_worker "$2" || fail "a worker of $1 is left"
	[ "$(mapped_grants "$2")" = "$3" ] || fail "mapped pages of $1 are left"
	[ "$(ports "$2" 0)" = "$4" ] || fail "ports of $1 are left"
	gone "$VIF_DIR/$2" || fail "backend nodes of $1 are left:" \
		"$(xenstore-ls "$VIF_DIR/$2")"
	[ -z "$(cd /sys/class/net && echo vif"$2".*)" ] ||
		fail "an interface of $1 is left"
}
