#!/usr/bin/env bash
# What the program does on an NVIDIA GPU of a machine without network, in ten minutes:
#
#   bench/gpu.sh pack [BACKBONE PHOTOS]   # where Rust is: builds into target/gpu-bench, under 60 MiB, what the other
#                                         # machine needs; with a backbone and a folder of photos to distil a teacher from
#   bench/gpu.sh run OUT                  # where the GPU is, in a copy of this repository with target/gpu-bench
#
# OUT gets devices.json, conformance.txt, bench-*.json, training-*.txt, pytorch.json and distillation.txt, each as soon as it
# is known. A part that fails is named at the end, and the others go on; so is what is not installed there. GPU_DEVICE names
# another device than the first GPU, to try the script.
set -uo pipefail
cd "$(dirname "$0")/.."
pack=target/gpu-bench
program=$pack/programs/efficientad
device=${GPU_DEVICE:-gpu}
limit=60

pack() {
    set -e
    # As tools/check_gpu.sh does, in one build: the tests of the program have the program built, too.
    test=$(cargo test --locked --release -p efficientad-cli -p efficientad-engine-gpu \
        --features "efficientad-cli/gpu,efficientad-engine-gpu/wgpu" --no-run --test conformance --test program \
        --message-format json | python3 -c '
import json, sys
print([m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable") and m["target"]["name"] == "conformance"][-1])')
    rm -rf "$pack"
    mkdir -p "$pack/programs"
    cp target/release/efficientad "$pack/programs/"
    cp "$test" "$pack/programs/conformance"
    strip "$pack"/programs/*
    # Both contain the same: in one dictionary the second is small.
    tar --create --directory "$pack/programs" conformance efficientad | xz --x86 --lzma2=preset=9e,dict=192MiB > "$pack/programs.tar.xz"
    rm -r "$pack/programs"
    if (($# == 2)); then
        cp "$1" "$pack/backbone.onnx"
        mkdir "$pack/photos"
        # As many photos as fit beside the rest, the smallest first.
        local room=$(((limit << 20) - (1 << 20) - $(du -sb "$pack" | cut -f1))) number=0
        while IFS=$'\t' read -r bytes photo; do
            ((room -= bytes)) || true
            ((room > 0)) || break
            cp "$photo" "$pack/photos/$((number++)).${photo##*.}"
        done < <(find -L "$2" -type f \( -iname '*.jpg' -o -iname '*.png' \) -printf '%s\t%p\n' | sort -n)
        echo "$number photos"
    fi
    local bytes
    bytes=$(du -sb "$pack" | cut -f1)
    echo "$pack: $((bytes >> 20)) MiB"
    test "$bytes" -lt $((limit << 20))
}

# part NAME SECONDS COMMAND...: runs it, for so long at most and no longer than the ten minutes; what fails is remembered.
failed=()
part() {
    local name=$1 seconds=$2 start=$SECONDS left=$((600 - SECONDS))
    shift 2
    echo "== $name"
    timeout "$((seconds < left ? seconds : left > 1 ? left : 1))" "$@" || failed+=("$name (exit code $?)")
    echo "   $((SECONDS - start)) s"
}

run() {
    local out=$1
    mkdir -p "$out"
    python3 -m tarfile -e "$pack/programs.tar.xz" "$pack/programs"
    nvidia-smi > "$out/nvidia-smi.txt" 2>&1
    nproc > "$out/cores.txt"
    part devices 30 sh -c "$program devices --json > $out/devices.json"
    part conformance 120 sh -c "$pack/programs/conformance --nocapture > $out/conformance.txt 2>&1"
    for size in small medium; do
        for precision in f32 f16; do
            for images in 1 32; do
                part "bench $size $precision, $images images" 30 sh -c "$program bench --device $device --size $size \
                    --precision $precision --images $images --rounds 50 --json > $out/bench-$size-$precision-$images.json"
            done
        done
    done
    for precision in f32 f16; do
        # CPU seconds tell what decoding and resizing take beside the GPU.
        part "default training in $precision" 90 bash -c \
            "time $program train examples/data --out $out/brick-$precision.model --device $device --precision $precision > $out/training-$precision.txt 2>&1"
        part "its evaluation" 30 sh -c "$program eval $out/brick-$precision.model examples/data --device $device --json > $out/eval-$precision.json"
    done
    part "PyTorch" 150 python3 bench/gpu_pytorch.py "$out/pytorch.json" --rounds 30
    local library
    library=$(python3 -c 'import onnxruntime; print(*onnxruntime.__path__)' 2> /dev/null)
    for provider in cuda:f32 tensorrt:tf32 tensorrt:f16; do
        if [[ -z $library ]]; then
            failed+=("ONNX Runtime by $provider (not installed)")
            continue
        fi
        for images in 1 32; do
            part "ONNX Runtime by $provider, $images images" 60 sh -c "$program bench --engine onnxruntime \
                --onnxruntime $library/capi --provider ${provider%:*} --precision ${provider#*:} --images $images \
                --rounds 50 --json > $out/bench-${provider/:/-}-$images.json"
        done
    done
    if [[ -e $pack/backbone.onnx ]]; then
        local hours
        hours=$(python3 -c "print(max(600 - $SECONDS - 30, 1) / 3600)")
        part distillation 600 sh -c "$program pretrain --backbone $pack/backbone.onnx --layers layer2,layer3 --preset none \
            --photos $pack/photos --out $out/teacher.safetensors --hours $hours --device $device > $out/distillation.txt 2>&1"
    fi
    rm -f "$out"/*.model
    if ((${#failed[@]})); then
        printf 'FAILED: %s\n' "${failed[@]}"
        exit 1
    fi
}

case ${1:-} in
    pack) shift; pack "$@" ;;
    run) run "${2:?where to?}" ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
