#!/bin/bash
# SPDX-License-Identifier: MIT
# Includes between folders go one way; this is the table.  Anything may include
# <system headers>.  tests/ may include all.
set -u
cd "$(dirname "$0")/.."

declare -A may=(
	[ring]="ring"
	[hypercall]="hypercall"
	[hypercall/local]="hypercall/local"
	[grant]="grant hypercall"
	[frontend]="frontend ring grant hypercall"
	[backend]="backend ring grant hypercall"
	[tools]="tools frontend backend hypercall hypercall/local"
)

bad=0
for folder in "${!may[@]}"; do
	for file in "$folder"/*.[ch]; do
		while IFS= read -r header; do
			[ -e "$folder/$header" ] && continue
			to=${header%/*}
			[[ " ${may[$folder]} " == *" $to "* ]] && continue
			echo "$file includes $header: $folder may include" \
				"only ${may[$folder]}"
			bad=1
		done < <(sed -n 's/^#include "\(.*\)"/\1/p' "$file")
	done
done
# memory ordering of shared rings has one home
if grep -nE '__atomic_thread_fence|__sync_synchronize|xen_w?r?mb\(' \
	ring/*.[ch] grant/*.[ch] frontend/*.[ch] backend/*.[ch] |
	grep -v '^ring/barrier.h'; then
	echo "fences belong in ring/barrier.h"
	bad=1
fi
[ $bad = 0 ] && echo "includes: all go the right way"
exit $bad
