#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Debian packages of this tree, in $BUILD/deb.  The version is that of
# tools/version.h, with the commit behind it unless a tag says that it is just
# that; DEB_VERSION says another one.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
version=$(sed -n 's/^#define XENSPLIT_VERSION "\(.*\)"/\1/p' tools/version.h)
date=$(date -R)
in_git=$(git rev-parse --is-inside-work-tree 2>/dev/null || :)
if [ -n "$in_git" ]; then
	date=$(git log -1 --format=%cD)
	if [ "$(git describe --exact-match --match "v$version" 2>/dev/null)" != \
		"v$version" ]; then
		version+=+git$(git rev-list --count HEAD).$(git rev-parse \
			--short HEAD)
	fi
fi
version=${DEB_VERSION:-$version}

mkdir -p "$build/deb"
work=$(mktemp -d "$build/deb/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
tree=$work/xensplit-$version
mkdir "$tree"
if [ -n "$in_git" ]; then
	git ls-files -z -co --exclude-standard
else
	find . -path "./$build" -prune -o -type f -print0
fi | tar -c --null -T - --ignore-failed-read | tar -x -C "$tree"
cp -r dist/debian "$tree/debian"
maintainer=$(sed -n 's/^Maintainer: //p' dist/debian/control)
cat >"$tree/debian/changelog" <<-END
	xensplit ($version) unstable; urgency=medium

	  * See the history of the project's repository.

	 -- $maintainer  $date
END
(cd "$tree" && env -u MAKEFLAGS -u MAKELEVEL -u BUILD -u CFLAGS \
	dpkg-buildpackage -b -us -uc -rfakeroot -j"${JOBS:-2}") \
	>"$build/deb/log" 2>&1 || {
	tail -n 40 "$build/deb/log" >&2
	echo "$build/deb/log has all of it" >&2
	exit 1
}
rm -f "$build"/deb/*.deb
cp "$work"/*.deb "$build/deb/"
if command -v lintian >/dev/null; then
	lintian --fail-on error,warning --allow-root "$work"/*.changes \
		2>"$build/deb/lintian.err" || status=$?
fi
ls "$build"/deb/*.deb
exit "${status:-0}"
