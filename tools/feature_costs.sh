#!/usr/bin/env bash
# What cameras and outputs add to a build and to a program: CPU seconds of compiling, and bytes of the program without symbols.
# Each feature is built in a copy of what is built without any, so that all that it alone needs is counted, also the crate itself
# once more. The program has the feature `station` with each of those of cameras and with `opcua`.
#
#     tools/feature_costs.sh           # some ten minutes on two cores; Aravis and GStreamer as for tools/check_cameras.sh
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
TIMEFORMAT='%U %S'

# Builds in a target folder; prints the CPU seconds.
build() {
    local target=$1
    shift
    { time CARGO_TARGET_DIR=$target cargo build --locked --release --quiet "$@" 2> "$folder/errors"; } 2>&1 | awk '{ print $1 + $2 }'
    if grep '^error' "$folder/errors"; then exit 1; fi
}

size() {
    strip -o "$folder/stripped" "$1"
    stat --format %s "$folder/stripped"
}

# base PROGRAM ARGUMENTS: a build from nothing, with which the features are compared.
base() {
    program=$1
    shift
    rm -rf "$folder/base"
    without=$(build "$folder/base" "$@")
    small=$(size "$folder/base/release/$program")
    printf '\n%s: %.0f CPU s, %.2f MB\n' "$*" "$without" "$(awk "BEGIN { print $small / 1e6 }")"
}

# more NAME ARGUMENTS: the same with a feature.
more() {
    local name=$1 seconds large
    shift
    rm -rf "$folder/copy"
    cp -a "$folder/base" "$folder/copy"
    seconds=$(build "$folder/copy" "$@")
    large=$(size "$folder/copy/release/$program")
    printf '%-12s + %.0f CPU s, + %.2f MB\n' "$name" "$seconds" "$(awk "BEGIN { print ($large - $small) / 1e6 }")"
}

outputs=(-p efficientad-outputs --no-default-features --example deliver)
base examples/deliver "${outputs[@]}"
for feature in serial modbus webhook mqtt opcua; do
    more "$feature" "${outputs[@]}" --features "$feature"
done

program=(-p efficientad-cli --no-default-features --features onnxruntime,server)
base efficientad "${program[@]}"
for feature in station genicam gstreamer v4l2 opcua; do
    more "$feature" "${program[@]}" --features "$feature"
done
