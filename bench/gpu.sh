#!/usr/bin/env bash
# What the program does on an NVIDIA GPU of a machine without network, in ten minutes:
#
#   bench/gpu.sh pack           # where Rust is: builds into target/gpu-bench, under 60 MiB, what the other machine needs
#   bench/gpu.sh run OUT        # where the GPU is, in a copy of this repository with target/gpu-bench
#
# OUT gets devices.json, conformance.txt, bench-*.json, training.txt and pytorch.json, each as soon as it is known. A part that
# fails is named at the end, and the others go on.
set -uo pipefail
cd "$(dirname "$0")/.."
pack=target/gpu-bench
program=$pack/efficientad

pack() {
    set -e
    cargo build --locked --release --features gpu
    test=$(cargo test --locked --release --no-run -p efficientad-engine-gpu --features wgpu --test conformance \
        --message-format json | python3 -c '
import json, sys
print([m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable") and m["target"]["name"] == "conformance"][-1])')
    rm -rf "$pack"
    mkdir -p "$pack"
    cp target/release/efficientad "$pack/"
    cp "$test" "$pack/conformance"
    strip "$pack/efficientad" "$pack/conformance"
    du -sh "$pack"
}

# part NAME SECONDS COMMAND...: runs it, for so long at most; what fails is remembered.
failed=()
part() {
    local name=$1 seconds=$2 start=$SECONDS
    shift 2
    echo "== $name"
    timeout "$seconds" "$@" || failed+=("$name (exit code $?)")
    echo "   $((SECONDS - start)) s"
}

run() {
    local out=$1
    mkdir -p "$out"
    nvidia-smi > "$out/nvidia-smi.txt" 2>&1
    nproc > "$out/cores.txt"
    part devices 30 sh -c "$program devices --json > $out/devices.json"
    part conformance 120 sh -c "$pack/conformance --nocapture > $out/conformance.txt 2>&1"
    for size in small medium; do
        for precision in f32 f16; do
            part "bench $size $precision" 60 sh -c \
                "$program bench --device gpu --size $size --precision $precision --rounds 50 --json > $out/bench-$size-$precision.json"
        done
    done
    part "default training" 120 sh -c \
        "time $program train examples/data --out $out/brick.model --device gpu > $out/training.txt 2>&1"
    part "PyTorch" 240 python3 bench/gpu_pytorch.py "$out/pytorch.json" --rounds 30
    if ((${#failed[@]})); then
        printf 'FAILED: %s\n' "${failed[@]}"
        exit 1
    fi
}

case ${1:-} in
    pack) pack ;;
    run) run "${2:?where to?}" ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
