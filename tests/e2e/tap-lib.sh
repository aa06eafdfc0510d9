# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the tests of NICs with real network stacks at the ends share; sourced
# instead of net-lib.sh, which it sources.  Not a test.
#
# The driver domain and each guest have a network namespace of their own (and
# a user namespace, so that nobody needs to be root); a guest's only way out is
# netfront-tap:
#
#   start_net_back              # xensplitd --run-scripts, bridge br0 with BR_IP
#   tool network-attach ...
#   guest_up a 2 10.77.0.2/24   # netfront-tap in domain 2, as eth0
#   in_guest a ping ...
#   guest_down a
# shellcheck source=tests/e2e/net-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/net-lib.sh"

BR_IP=10.77.0.1
OWN_NET=(unshare --map-root-user --net)
declare -A TAP_PID

need unshare nsenter ip ping
[ -w /dev/net/tun ] || skip "/dev/net/tun may not be used here"
"${OWN_NET[@]}" true 2>/dev/null || skip "no user namespaces here"
"${OWN_NET[@]}" ip link add br0 type bridge 2>/dev/null ||
	skip "no bridges here"

# net_of PID COMMAND...: in its namespaces
net_of()
{
	local pid=$1
	shift
	nsenter --preserve-credentials --user --net --target "$pid" -- "$@"
}
in_back() { net_of "$XENSPLITD_PID" "$@"; }
in_guest()
{
	local name=$1
	shift
	net_of "${TAP_PID[$name]}" "$@"
}

# start_net_back [OPTION...]
start_net_back()
{
	BACK_WRAP=("${OWN_NET[@]}")
	start_back --run-scripts "$@"
	in_back ip link set lo up || fail "no network for the driver domain"
	in_back ip link add br0 type bridge || fail "no bridge"
	in_back ip addr add "$BR_IP/24" dev br0 || fail "no address"
	in_back ip link set br0 up || fail "the bridge does not come up"
}

tool() { in_dom 0 timeout 40 "$BUILD/bin/xensplit" "$@"; }

# guest_start NAME FE [OPTION...]: netfront-tap, not waited for
guest_start()
{
	local name=$1 fe=$2
	shift 2
	: >"$TMP/$name.ready" # of an earlier one
	"$XENLOCAL" exec --domid "$fe" -- "${OWN_NET[@]}" \
		"$BUILD/bin/netfront-tap" --name=eth0 --up --ready-fd=7 "$@" \
		7>"$TMP/$name.ready" >"$TMP/$name.log" 2>&1 </dev/null &
	TAP_PID[$name]=$!
}
# guest_ready NAME [ADDRESS/LEN]
guest_ready()
{
	wait_for 15 test -s "$TMP/$1.ready" || {
		cat "$TMP/$1.log" >&2
		fail "netfront-tap of $1 does not connect"
	}
	in_guest "$1" ip link set lo up
	[ $# = 1 ] || in_guest "$1" ip addr add "$2" dev eth0 ||
		fail "no address for $1"
}
# guest_up NAME FE ADDRESS/LEN [OPTION...]
guest_up()
{
	local name=$1 fe=$2 address=$3
	shift 3
	guest_start "$name" "$fe" "$@"
	guest_ready "$name" "$address"
}
guest_down()
{
	local pid=${TAP_PID[$1]}
	unset "TAP_PID[$1]"
	kill "$pid" || fail "netfront-tap of $1 is gone"
	wait "$pid" || fail "netfront-tap of $1 ended with status $?"
}

# reaches NAME ADDRESS [PING OPTION...]
reaches()
{
	local name=$1 address=$2
	shift 2
	in_guest "$name" ping -q -c 2 -i 0.2 -W 2 "$@" "$address" \
		>"$TMP/ping.out" 2>&1
}
