#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Compare the libraries of embedded Xen with Xen's own: soname, every dynamic
# symbol and the version node it is in; and that every function of each public
# header is exported.
#
# usage: abi-check.sh [LIBDIR]    (default: build/lib of this tree)
#
# XEN_LIBDIR and XEN_INCLUDE name where Xen's own are.  Exits 0 when all
# agree, 1 with a diff on any difference, 2 when something is missing.
set -u

here=$(cd "$(dirname "$0")/../.." && pwd)
ours=${1:-$here/build/lib}
include=${XEN_INCLUDE:-/usr/include}
if [ -z "${XEN_LIBDIR:-}" ]; then
	XEN_LIBDIR=/usr/lib/$(gcc -print-multiarch)
fi
export LC_ALL=C

tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT INT TERM

# "soname NAME", then "VERSION SYMBOL" of everything defined
describe() {
	objdump -p "$1" | awk '$1 == "SONAME" { print "soname", $2 }'
	objdump -T "$1" |
		awk '$2 == "g" && !/\*UND\*/ { print $(NF - 1), $NF }' | sort
}

# names of the functions that a header declares
declared() {
	gcc -E -P -include stdint.h -include stddef.h "$1" |
		tr '\n' ' ' | grep -oE '\bxen[a-z0-9_]+ *\(' |
		tr -d ' (' | grep -E "$2" | sort -u
}

failed=0
for lib in call evtchn gnttab foreignmemory devicemodel; do
	name=libxen$lib.so.1
	for file in "$XEN_LIBDIR/$name" "$ours/$name" "$include/xen$lib.h"; do
		if [ ! -e "$file" ]; then
			echo "abi-check: $file is missing" >&2
			exit 2
		fi
	done
	bad=0
	describe "$XEN_LIBDIR/$name" >"$tmp/xen"
	# what embedded Xen adds is in version nodes of its own
	describe "$ours/$name" | grep -v '^XENLOCAL_' >"$tmp/ours"
	if ! diff -u --label "Xen's $name" --label "our $name" \
		"$tmp/xen" "$tmp/ours"; then
		bad=1
	fi
	case $lib in
	gnttab) prefix='^xengnt(tab|shr)_' ;;
	call) prefix='^xencall' ;;
	*) prefix="^xen${lib}_" ;;
	esac
	declared "$include/xen$lib.h" "$prefix" >"$tmp/declared"
	awk '{ print $2 }' "$tmp/ours" | sort -u >"$tmp/exported"
	missing=$(comm -23 "$tmp/declared" "$tmp/exported")
	if [ -n "$missing" ]; then
		echo "abi-check: in xen$lib.h and not in our $name:" $missing
		bad=1
	fi
	if [ $bad -ne 0 ]; then
		failed=1
	else
		echo "abi-check: $name: $(grep -c . "$tmp/ours") lines agree," \
			"$(grep -c . "$tmp/declared") functions of xen$lib.h"
	fi
done
exit $failed
