#!/bin/bash
# SPDX-License-Identifier: MIT
# Debian's own xl, unmodified, on embedded Xen: what it shows is what is there.
. "$(dirname "$0")/lib.sh"
[ -x "$XEN_BIN/xl" ] || skip "no xl"

start_xen
"$XENLOCAL" create --domid 5 --name five >/dev/null || fail "create"
"$XENLOCAL" create --domid 7 --name seven >/dev/null || fail "create"

xl() { in_dom 0 "$XEN_BIN/xl" "$@"; }

xl list >"$TMP/list" || fail "xl list"
for want in "Domain-0 +0 " "five +5 " "seven +7 "; do
	grep -qE "^$want" "$TMP/list" || fail "xl list without '$want': $(cat "$TMP/list")"
done
[ "$(wc -l <"$TMP/list")" = 4 ] || fail "xl list shows more: $(cat "$TMP/list")"
pass "xl list shows the domains"

[ "$(xl domid seven)" = 7 ] || fail "xl domid"
[ "$(xl domname 5)" = five ] || fail "xl domname"
pass "names and numbers"

xl info >"$TMP/info" || fail "xl info"
grep -qE '^xen_major +: 4$' "$TMP/info" || fail "xl info: $(cat "$TMP/info")"
xl vcpu-list | grep -qE '^five +5 ' || fail "xl vcpu-list"
pass "xl info and xl vcpu-list"

# what is not provided is refused and named (xl itself forgets to say so)
xl pause five >"$TMP/pause" 2>&1
grep -q pausedomain "$XENLOCAL_RUNDIR/xenlocald.log" ||
	fail "the refused hypercall is not in the log"
pass "a refused hypercall is named in the log"

if in_dom 5 "$XEN_BIN/xl" list >"$TMP/guest" 2>&1; then
	fail "xl list works in a guest: $(cat "$TMP/guest")"
fi
pass "a guest cannot ask for the domains"

"$XENLOCAL" destroy 5 || fail "destroy"
xl list | grep -q five && fail "xl list shows a destroyed domain"
pass "a destroyed domain is gone"
