#!/usr/bin/env bash
# Compiles the kernels for AArch64 and runs their tests under QEMU, on an x86-64 Debian machine.
#
#     tools/check_aarch64.sh [FOLDER]
#
# Debian's Rust compiler with its AArch64 standard library, a cross linker and QEMU are unpacked
# into FOLDER (target/check_aarch64 if none is given; about 2 GB). Nothing is installed, and no root
# is needed. Exits with 77 where the check cannot be made.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(realpath -m "${1:-target/check_aarch64}")
root=$folder/root
test_kernels=(cargo test --locked --release -p efficientad-kernels --lib --tests)

skip() {
    echo "SKIPPED, nothing was checked: $*" >&2
    exit 77
}

case $(uname -m) in
    aarch64) exec "${test_kernels[@]}" ;;
    x86_64) ;;
    *) skip "needs an x86-64 or AArch64 machine" ;;
esac
for program in apt-get dpkg-deb cargo; do
    command -v "$program" >/dev/null || skip "needs $program"
done

if [ ! -e "$folder/unpacked" ]; then
    # Its own package lists and an empty list of installed packages: every dependency is fetched.
    mkdir -p "$folder"/apt/{lists,archives}/partial "$root"
    : >"$folder/apt/status"
    apt=(apt-get -o APT::Architectures::=amd64 -o APT::Architectures::=arm64
        -o Dir::State="$folder/apt" -o Dir::State::status="$folder/apt/status"
        -o Dir::Cache="$folder/apt" -o Debug::NoLocking=true -o APT::Sandbox::User= -qq)
    "${apt[@]}" update || skip "the package lists cannot be fetched"
    "${apt[@]}" install --download-only --no-install-recommends --yes \
        rustc-web gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static ||
        skip "the compiler, the linker or QEMU is not in this machine's package sources"
    (cd "$folder/apt/archives" && "${apt[@]}" download libstd-rust-web-dev:arm64) ||
        skip "the AArch64 standard library is not in this machine's package sources"
    for package in "$folder"/apt/archives/*.deb; do
        case $(basename "$package") in
            libc6_*) ;; # The machine's own must stay in use.
            *) dpkg-deb --extract "$package" "$root" ;;
        esac
    done
    rm -r "$folder/apt"
    printf '#!/bin/sh\nexec env LD_LIBRARY_PATH=%q %q "$@"\n' \
        "$root/usr/lib/x86_64-linux-gnu" "$root/usr/bin/rustc" >"$folder/rustc"
    chmod +x "$folder/rustc"
    touch "$folder/unpacked"
fi

"$folder/rustc" --version
export RUSTC=$folder/rustc CARGO_TARGET_DIR=$folder/target
export CARGO_BUILD_TARGET=aarch64-unknown-linux-gnu
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$root/usr/bin/aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$root/usr/bin/qemu-aarch64-static
# Static, so that the emulator needs no AArch64 libraries.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-D warnings -C target-feature=+crt-static"
"${test_kernels[@]}"
