# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the tests of NICs share; sourced instead of lib.sh and
# lib-xensplitd.sh, which it sources.  Not a test.
#
# Guests are net_peer (net_peer --help): peer runs one and keeps its results,
# peer_start and peer_end do that in two steps.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/e2e/lib-xensplitd.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib-xensplitd.sh"

# what a failed run shows
show_logs() { tail -n 40 "$BACK_LOG" "$XENLOCAL_RUNDIR"/*.log >&2; }

VIF_BACK=/local/domain/1/backend/vif
NET_PEER=$E2E_BIN/net_peer
MAC_BASE=00:16:3e:00:00
declare -A PEER_PID

vif_state() { store "$VIF_BACK/$1/state"; }
vif_state_is() { [ "$(vif_state "$1")" = "$2" ]; }
# wait_vif FE/DEVID STATE
wait_vif()
{
	wait_for 10 vif_state_is "$1" "$2" && return
	tail -n 20 "$BACK_LOG" >&2
	fail "backend of vif $1: state '$(vif_state "$1")', not $2:" \
		"$(store "$VIF_BACK/$1/error")"
}

# attach_vif FE DEVID LINK [KEY VALUE]...: a NIC of domain FE by plain
# xenstore-write; the KEYs are the backend directory's
attach_vif()
{
	local fe=$1 devid=$2 link=$3
	local front=/local/domain/$fe/device/vif/$devid
	local back=$VIF_BACK/$fe/$devid mac=$MAC_BASE:0$fe
	local -a more=()
	shift 3
	while [ $# -gt 0 ]; do
		more+=("$back/$1" "$2")
		shift 2
	done
	put "$front/backend" "$back" "$front/backend-id" 1 \
		"$front/handle" "$devid" "$front/mac" "$mac"
	in_dom 0 xenstore-chmod -r "$front" "n$fe" r1 || fail "chmod $front"
	put "$back/frontend" "$front" "$back/frontend-id" "$fe" \
		"$back/online" 1 "$back/handle" "$devid" "$back/mac" "$mac" \
		"$back/xensplit/link" "$link" ${more+"${more[@]}"}
	in_dom 0 xenstore-chmod -r "$back" n1 "r$fe" || fail "chmod $back"
	put "$front/state" 1 "$back/state" 1
}

# detach_vif FE DEVID: as libxl does, and removes both directories
detach_vif()
{
	put "$VIF_BACK/$1/$2/online" 0 "$VIF_BACK/$1/$2/state" 5
	wait_vif "$1/$2" 6
	in_dom 0 xenstore-rm "$VIF_BACK/$1/$2" \
		"/local/domain/$1/device/vif/$2" || fail "cannot remove $1/$2"
}

# vif_stat FE/DEVID EXPRESSION: of what `stats` says of it, as jq has it
vif_stat()
{
	in_dom 1 "$BUILD/bin/xensplit" stats --json "${1%/*}" "vif/${1#*/}" \
		2>/dev/null | jq -r ".devices[0]$2"
}
# counter FE/DEVID NAME
counter() { vif_stat "$1" ".counters.$2"; }

# peer_start NAME FE OPTION...: in the background, until it is connected
peer_start()
{
	local name=$1 fe=$2
	shift 2
	# not a FIFO: what is written may be gone before it is opened to read
	: >"$TMP/$name.ready"
	"$XENLOCAL" exec --domid "$fe" -- "$NET_PEER" --json --ready-fd 7 \
		"$@" 7>"$TMP/$name.ready" >"$TMP/$name.json" \
		2>"$TMP/$name.err" </dev/null &
	PEER_PID[$name]=$!
	wait_for 15 test -s "$TMP/$name.ready" && return
	cat "$TMP/$name.err" >&2
	fail "net_peer $name does not connect"
}

# peer_stop NAME: it is to end
peer_stop() { kill -TERM "${PEER_PID[$1]}" || fail "net_peer $1 is gone"; }

# peer_end NAME: waits for it; its exit status is ours
peer_end()
{
	local pid=${PEER_PID[$1]}
	unset "PEER_PID[$1]"
	wait "$pid"
}

# peer FE OPTION...: in the foreground; must end with 0
peer()
{
	local fe=$1
	shift
	in_dom "$fe" timeout 60 "$NET_PEER" --json "$@" >"$TMP/peer.json" \
		2>"$TMP/peer.err" && return
	cat "$TMP/peer.err" "$TMP/peer.json" >&2
	fail "net_peer $*"
}

# result NAME EXPRESSION: of its results, as jq has it
result() { jq -r "$2" "$TMP/$1.json"; }

# expect_that NAME CONDITION...: of its results, as jq has them
expect_that()
{
	local name=$1 condition
	shift
	for condition; do
		[ "$(result "$name" "$condition")" = true ] && continue
		cat "$TMP/$name.json" "$TMP/$name.err" >&2
		fail "$name: not $condition"
	done
}

need jq xenstore-read xenstore-write xenstore-chmod
