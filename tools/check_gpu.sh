#!/usr/bin/env bash
# Tests of the GPU engine and of the program with the feature gpu, on the first device of this machine. Where that is software, as
# Mesa's llvmpipe, which is installed if there is none (Debian), a part of the suite is run.
#
#     tools/check_gpu.sh            # all: on two cores some ten minutes to build, and on llvmpipe as many to run
#     tools/check_gpu.sh brief      # what .ci/run has: the suite in single precision, of a build that is not optimised
set -euo pipefail
cd "$(dirname "$0")/.."
export EFFICIENTAD_REQUIRE_TOOLS=1
if ! ls /usr/share/vulkan/icd.d/*.json > /dev/null 2>&1; then
    apt-get update -q
    apt-get install -y -q --no-install-recommends libvulkan1 mesa-vulkan-drivers
fi

if test "${1:-}" = brief; then
    # Most of the time is the driver's, and Burn compiles in half the time. Nothing is kept for debuggers or a next build, and nothing
    # asserts what it does not in a release.
    export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_DEBUG_ASSERTIONS=false CARGO_PROFILE_DEV_OVERFLOW_CHECKS=false CARGO_INCREMENTAL=0
    cargo test --locked -p efficientad-engine-gpu --features wgpu --lib --test conformance -- --test-threads 1 --skip half_precision
    exit
fi

# All in one build: other sets of crates have other features of what they share, and Burn would be compiled once more.
of=(--locked --release -p efficientad-cli -p efficientad-engine-gpu --features "efficientad-cli/gpu,efficientad-engine-gpu/wgpu")
cargo test "${of[@]}" --lib -- check:: transfer:: a_lost_device
cargo test "${of[@]}" --test conformance --test as_the_cpu -- --test-threads 1
cargo test "${of[@]}" --test program devices:: -- --test-threads 1
cargo clippy "${of[@]}" --all-targets -- -D warnings
# What is by CUDA can't be built without network, as a crate of it fetches LLVM.
DOCS_RS=1 cargo check --locked -p efficientad-engine-gpu --features cuda
