#!/bin/bash
# SPDX-License-Identifier: MIT
# The manual pages are well-formed, and say of options, parameters, keys and
# functions what the programs and the library have: no more and no less.
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}
bad=0
say() { echo "man: $*"; bad=1; }

if command -v mandoc >/dev/null; then
	# which other manuals are on this machine does not matter
	out=$(mandoc -T lint man/*.[1-8] 2>/dev/null |
		grep -v 'referenced manual not found')
	[ -z "$out" ] || say "$out"
fi
if command -v groff >/dev/null; then
	out=$(groff -ww -mdoc -z -T utf8 man/*.[1-8] 2>&1)
	[ -z "$out" ] || say "$out"
fi

# same WHAT PAGE < words, one a line: those of the program, then "--", then
# those of the page
same()
{
	local differ
	differ=$(diff <(sort -u "$3") <(sort -u "$4") | grep '^[<>]' |
		sed "s|^<|only in $1:|; s|^>|only in $2:|")
	[ -z "$differ" ] || say "$differ"
}
options() { grep -o -- '--[a-z][a-z-]*'; }
page_options() { grep -o 'Fl Fl [a-z][a-z-]*' "$1" | sed 's/Fl Fl /--/'; }

for program in xensplit.1 xensplitd.8 xenlocal.1 netfront-tap.1; do
	name=${program%.*}
	[ -x "$build/bin/$name" ] || continue
	# not every program lists it
	same "$name --help" "man/$program" \
		<("$build/bin/$name" --help | options | grep -vx -- --help) \
		<(page_options "man/$program" | grep -vx -- --help)
done

# nbdkit's plugin: NAME=VALUE of its help
same "the plugin's help" man/nbdkit-xensplit-plugin.1 \
	<(sed -n '/\.config_help/,/^\t\./p' frontend/nbdkit_blkfront.c |
		grep -o '[a-z-]*=' | grep -v '^=') \
	<(grep -oE '(Cm|Op Cm) [a-z-]+=' man/nbdkit-xensplit-plugin.1 |
		grep -o '[a-z-]*=')

# the libraries: what their version scripts export
for lib in blkfront netfront; do
	same "frontend/$lib.map" "man/lib$lib.3" \
		<(grep -o "${lib}_[a-z_]*" "frontend/$lib.map") \
		<(sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESC/s/^\.F[no] \([a-z_]\+\).*/\1/p' \
			"man/lib$lib.3")
done

# xenstore: every key of a class' table has its place in the list of that class,
# all other words there are keys too (state is the state machine's, ring-refN
# one for all)
keys_of_table()
{
	sed -n "/^const struct xenbus_key $1\[\]/,/^};/p" hypercall/xenbus_keys.c |
		grep -oE '[A-Z_]+\("[a-z0-9/-]+"' | grep -o '"[^"]*"' |
		tr -d '"' | grep -vxE 'ring-ref([2-9]|1.)'
	echo state
}
keys_of_page()
{
	awk -v section="$1" '/^\.Sh/ { on = $2 == section }
		on && sub(/^\.It Pa /, "")' man/xensplit-keys.5 |
		tr -s ' ,' '\n\n' | grep -v '^\.*$'
}
same vbd_keys 'xensplit-keys.5, DISKS' \
	<(keys_of_table vbd_keys) <(keys_of_page DISKS)
same vif_keys 'xensplit-keys.5, NICS' \
	<(keys_of_table vif_keys) <(keys_of_page NICS)

[ $bad = 0 ] && echo "manuals: well-formed, and agree with the programs"
exit $bad
