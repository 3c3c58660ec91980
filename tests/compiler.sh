#!/bin/sh
# compiler.sh gcc|clang - the compiler's command, through ccache where it is there.
if command -v ccache >/dev/null; then echo "ccache $1"; else echo "$1"; fi
