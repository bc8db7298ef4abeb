#!/usr/bin/env bash
# Runs what rests on unsafe code with AddressSanitizer, debug assertions and overflow checks: the kernels' tests on every
# instruction set of this machine, and changed files for every parser, the decoders of other projects among them.
#
#     tools/check_soundness.sh [FILES]       # so many changed files for each parser, 20,000 if not given
#
# Needs a nightly toolchain; exits with 77 where there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
files=${1:-20000}

if ! host=$(rustc +nightly -vV 2>/dev/null | sed -n 's/^host: //p') || [ -z "$host" ]; then
    echo "SKIPPED, nothing was checked: needs a nightly toolchain" >&2
    exit 77
fi

export CARGO_TARGET_DIR=target/check_soundness
export RUSTFLAGS="-Zsanitizer=address -Cdebug-assertions -Coverflow-checks"
cargo=(cargo +nightly)
# Its products of matrices, optimised with the sanitizer, take a compiler more than ten minutes.
common=(--locked --release --target "$host" --config 'profile.release.package.rten-gemm.opt-level=1')

"${cargo[@]}" test "${common[@]}" -p efficientad-kernels --lib --tests
"${cargo[@]}" run "${common[@]}" -p efficientad-fuzzing -- --inputs "$files" --seconds 60
echo "no unsound access was found"
