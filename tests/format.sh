#!/bin/bash
# SPDX-License-Identifier: MIT
# All C files are as clang-format makes them.
set -u
cd "$(dirname "$0")/.."
out=$(clang-format --dry-run --Werror ./*/*.[ch] ./*/*/*.[ch] 2>&1 |
	grep -o '^[^:]*\.[ch]:[0-9]*' | sort -u | head -n 20)
if [ -n "$out" ]; then
	echo "not formatted (clang-format -i):"
	echo "$out"
	exit 1
fi
echo "format: all as .clang-format says"
