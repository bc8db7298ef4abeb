#!/usr/bin/env bash
# Tests of the GPU engine and of the program with the feature gpu, which .ci/run, for their time, does not have: on the first device
# of this machine. Where that is software, as Mesa's llvmpipe, which is installed if there is none (Debian), a part of the suite is
# run that takes some ten minutes on two cores, after a build of about as long.
#
#     tools/check_gpu.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export EFFICIENTAD_REQUIRE_TOOLS=1
if ! ls /usr/share/vulkan/icd.d/*.json > /dev/null 2>&1; then
    apt-get update -q
    apt-get install -y -q --no-install-recommends libvulkan1 mesa-vulkan-drivers
fi
# All in one build: other sets of crates have other features of what they share, and Burn would be compiled once more.
of=(--locked --release -p efficientad-cli -p efficientad-engine-gpu --features "efficientad-cli/gpu,efficientad-engine-gpu/wgpu")
cargo test "${of[@]}" --lib check::
cargo test "${of[@]}" --test conformance --test as_the_cpu -- --test-threads 1
cargo test "${of[@]}" --test program devices:: -- --test-threads 1
cargo clippy "${of[@]}" --all-targets -- -D warnings
