#!/bin/bash
# SPDX-License-Identifier: MIT
# Everything `make check` runs, in the order in which it is cheapest to fail.
set -u
cd "$(dirname "$0")/.."
make=${MAKE:-make}
export WERROR=1
results=$(mktemp)
trap 'rm -f "$results"' EXIT
bad=0

step() {
	local what=$1 begin=$SECONDS
	shift
	echo "== $what"
	"$@" 2>&1 | tee -a "$results"
	if [ "${PIPESTATUS[0]}" != 0 ]; then
		bad=1
		echo "== $what FAILED"
	fi
	echo "== $what took $((SECONDS - begin)) s"
}

quiet_make() { $make --no-print-directory "$@"; }

step "build" quiet_make -j2 all
[ $bad = 0 ] || exit 1
step "lint" quiet_make lint
step "symbols of Xen's libraries" quiet_make abi-check
step "unit tests" quiet_make -j2 unit
step "unit tests, address and undefined behaviour sanitizers" \
	quiet_make -j2 BUILD="$BUILD/asan" SAN=address,undefined unit
step "unit tests, thread sanitizer" \
	quiet_make -j2 BUILD="$BUILD/tsan" SAN=thread unit
step "instructions a request" quiet_make insn
step "end-to-end tests on embedded Xen" quiet_make e2e

awk '/^total: / { p += $2; f += $4; s += $6 }
     END { printf "%d passed, %d failed, %d skipped\n", p, f, s }' "$results"
[ $bad = 0 ]
