#!/usr/bin/env bash
# format.sh - every C file stands as clang-format would set it.
cd "$(dirname "$0")/../.." || exit 1
git ls-files -z '*.c' '*.h' | xargs -0 clang-format --dry-run -Werror
