#!/usr/bin/env bash
# live.sh [SECONDS] - builds every fuzz target with clang's coverage-guided fuzzer, libraries included, and runs each for SECONDS
# (600) from its saved corpus. A crash leaves its input in build-fuzz/NAME/ and ends with status 1.
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-600}
[ -f build-fuzz/build.ninja ] || env CC="$(tests/compiler.sh clang)" meson setup build-fuzz -Db_sanitize=address,undefined -Db_lundef=false \
    -Dc_args=-fsanitize=fuzzer-no-link || exit 1
targets=()
for source in tests/fuzz/fuzz_*.c; do targets+=("tests/live_$(basename "$source" .c)"); done
ninja -C build-fuzz "${targets[@]}" || exit 1
bad=0
for target in "${targets[@]}"; do
    name=${target#tests/live_fuzz_}
    mkdir -p "build-fuzz/$name"
    echo "$name: $seconds s"
    if ! "build-fuzz/$target" -max_total_time="$seconds" -max_len=65536 -timeout=20 -print_final_stats=0 -verbosity=0 \
        -artifact_prefix="build-fuzz/$name/" "build-fuzz/$name" "tests/fuzz/corpus/$name"; then
        echo "FAILED: $name; the input is in build-fuzz/$name/"
        bad=1
    fi
done
exit $bad
