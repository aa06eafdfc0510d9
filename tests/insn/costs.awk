# SPDX-License-Identifier: MIT
#
# Callgrind's dumps (--compress-strings=no --compress-pos=no) to instructions:
# one line "CASE SIDE INSTRUCTIONS" for each dump and side, or, with -v what=,
# of that case "FUNCTION CALLS SELF INCLUSIVE" for each function.
#
# Not counted: what stands for others, the memory that a store or the
# hypervisor copies.  How many instructions that takes is the C library's
# choice, by the machine it finds.

function finish(  key, part) {
	if (!name)
		return
	for (key in arc) {
		split(key, part, SUBSEP)
		incl[part[1]] += arc[key]
	}
	if (what == "") {
		print name, "front", incl["front_send"] + incl["front_receive"]
		print name, "back", incl["back"] - copied
	} else if (what == name) {
		for (key in incl)
			print key, calls[key] + 0, self[key] + 0, incl[key]
	}
	delete incl
	delete self
	delete arc
	delete calls
	copied = 0
}

FNR == 1 { finish(); name = "" }
sub(/^desc: Trigger: Client Request: /, "") { name = $0 }
sub(/^fn=/, "") { sub(/\.(isra|part|constprop).*/, ""); fn = $0; incl[fn] += 0 }
sub(/^cfn=/, "") { sub(/\.(isra|part|constprop).*/, ""); callee = $0 }
sub(/^calls=/, "") {
	calls[callee] += $1
	getline
	arc[fn, callee] += $2
	# the store's, and the double's of libxengnttab
	if (fn ~ /^(copy_mapped|store_map_move)/ && callee ~ /mem(cpy|move)/ ||
	    callee == "xengnttab_grant_copy")
		copied += $2
	next
}
/^[0-9]/ { self[fn] += $2; incl[fn] += $2 }
END { finish() }
