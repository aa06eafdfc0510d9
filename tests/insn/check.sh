#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Instructions a request, on the frontend's and on the backend's side of the
# block path, against the limits beside this file.  The same on a busy machine
# as on an idle one: callgrind counts them, in one thread, and the difference
# of a long and a short run is what requests cost, without beginning and end.
#
#   tests/insn/check.sh               compare; fails if one is exceeded
#   UPDATE=1 tests/insn/check.sh      write the limits anew
#   tests/insn/check.sh profile CASE  functions of a case, by instructions
#
# A limit is exceeded above 5 %: another build of compiler or C library makes
# some difference, a change that matters makes more.
set -eu
cd "$(dirname "$0")"
build=$(cd ../.. && realpath "${BUILD:-build}")
short=1024 long=3072 allowed=5

if ! command -v valgrind >/dev/null; then
	echo "insn: valgrind is not installed" >&2
	exit 77
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

run() { # REQUESTS
	mkdir "$dir/$1"
	valgrind -q --tool=callgrind --callgrind-out-file="$dir/$1/out" \
		--compress-strings=no --compress-pos=no \
		"$build/tests/insn/insn" "$1" >"$dir/$1/log" 2>&1 || {
		cat "$dir/$1/log" >&2
		exit 1
	}
}

if [ "${1:-}" = profile ]; then
	run $short
	printf '%8s %8s %9s  %s\n' calls self inclusive function
	awk -v what="${2:?which case}" -f costs.awk "$dir/$short"/out.* |
		awk -v n=$short '$3 { printf "%8.2f %8.1f %9.1f  %s\n",
			$2 / n, $3 / n, $4 / n, $1 }' | sort -k3,3nr
	exit 0
fi

run $short &
first=$!
run $long
wait $first
for n in $short $long; do
	awk -f costs.awk "$dir/$n"/out.* | sort >"$dir/$n.costs"
done
join -j 1 <(sed 's/ /#/' "$dir/$short.costs") \
	<(sed 's/ /#/' "$dir/$long.costs") |
	awk -v n=$((long - short)) '{ sub(/#/, " ", $1)
		printf "%s %.0f\n", $1, ($3 - $2) / n }' >"$dir/now"
[ -s "$dir/now" ] || { echo "insn: callgrind counted nothing" >&2; exit 1; }

if [ "${UPDATE:-}" = 1 ]; then
	{
		grep '^#' limits 2>/dev/null || true
		cat "$dir/now"
	} >"$dir/limits"
	cp "$dir/limits" limits
fi

awk -v allowed=$allowed '
	FNR == NR && /^#/ { next }
	FNR == NR { limit[$1, $2] = $3; next }
	FNR == 1 { printf "%-26s %-6s %12s %7s %8s\n",
		"case", "side", "instructions", "limit", "change" }
	{
		l = limit[$1, $2]
		change = l ? 100 * ($3 - l) / l : 0
		note = ""
		if (!l)
			note = "has no limit"
		else if (change > allowed)
			note = "EXCEEDED"
		else if (change < -allowed)
			note = "the limit can be lowered"
		if (note ~ /EXCEEDED|no limit/)
			bad++
		if (note ~ /lowered/)
			lower++
		printf "%-26s %-6s %12d %7d %+7.1f%% %s\n",
			$1, $2, $3, l, change, note
		seen[$1, $2]
	}
	END {
		for (key in limit) {
			if (key in seen)
				continue
			sub(SUBSEP, " ", key)
			print key ": has a limit but is no case"
			bad++
		}
		if (lower)
			print "insn: UPDATE=1 make insn lowers limits"
		if (bad)
			print "insn: " bad " not as tests/insn/limits says; if " \
				"that is meant: UPDATE=1 make insn"
		exit bad > 0
	}' limits "$dir/now"
