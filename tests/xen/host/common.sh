# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the steps of building the host share.  Each step's script names its
# recipe (the files beside it that it is made of) and calls `begin_step`, which
# prints the folder and ends when that has been built; it makes $work, whose
# `new` becomes that folder in `end_step`.  Two can build at the same time: the
# first takes the lock, the second waits for it.
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
cache=${XEN_HOST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xensplit}

say() { echo "xen-host: $*" >&2; }
die() { say "$*"; exit 1; }

# begin_step NAME FILE...
begin_step()
{
	local name=$1 hash
	shift
	hash=$(cd "$here" && cat common.sh "$@" | sha256sum | cut -c 1-12)
	out=$cache/$name-$hash
	mkdir -p "$cache"
	exec 9>"$cache/$name.lock"
	flock -n 9 || { say "waiting for another build"; flock 9; }
	if [ -d "$out" ]; then
		touch "$out"
		echo "$out"
		exit
	fi
	[ "$(id -u)" = 0 ] || die "only root can make a root file system"
	# what older recipes, and builds that were killed, left
	find "$cache" -maxdepth 1 -name "$name-*" -mtime +14 \
		-exec rm -rf --one-file-system {} + || :
	find "$cache" -maxdepth 1 -name "$name.*.tmp" -exec rm -rf --one-file-system {} + || :
	work=$(mktemp -d "$cache/$name.XXXXXX.tmp")
	chmod 755 "$work"
	mkdir "$work/new"
	trap 'rm -rf --one-file-system "$work"' EXIT
	trap 'exit 130' INT TERM HUP
}

end_step()
{
	mv "$work/new" "$out"
	echo "$out"
}

# quietly COMMAND...: its output is shown if it fails
quietly()
{
	"$@" >>"$work/log" 2>&1 </dev/null && return
	tail -n 30 "$work/log" >&2
	die "$1 failed"
}
