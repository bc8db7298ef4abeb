#!/usr/bin/env bash
# Packages every crate as Rust's registry would take it, compiles each of what is in the packages by itself, and a program
# that uses nothing else: it inspects from four threads.
#
#     tools/check_packages.sh                      # four minutes of one core
#     MODEL=part.model tools/check_packages.sh     # runs that program, too
set -euo pipefail
cd "$(dirname "$0")/.."

limit=$((10 * 1024 * 1024))

# The crate that fuzzes is for no registry, and the Python module for Python's own (tools/check_python.sh).
packed=target/packages
rm -rf "$packed"
cargo package --workspace --exclude efficientad-fuzzing --exclude efficientad-python --locked --no-verify --quiet \
    --target-dir "$packed" "$@"

# What is in the packages, as a workspace of its own: their manifests name each other by version alone.
users=target/package-users
rm -rf "$users"
mkdir -p "$users/program/src"
for package in "$packed"/package/*.crate; do
    size=$(stat -c %s "$package")
    echo "$(basename "$package"): $((size / 1024)) KiB"
    test "$size" -le "$limit" || { echo "$package: larger than the registry's 10 MiB"; exit 1; }
    # With new dates: in a package all files have the same, and cargo would take an earlier one for this one.
    tar --extract --touch --file "$package" --directory "$users"
done
cat > "$users/program/src/main.rs" <<'RUST'
use efficientad::{Detector, RgbImage};
fn main() -> Result<(), efficientad::Error> {
    let detector = Detector::open(std::env::args().nth(1).unwrap_or_default())?;
    std::thread::scope(|scope| {
        for shade in [40, 90, 140, 190] {
            let detector = detector.clone();
            scope.spawn(move || println!("{:?}", detector.inspect(&RgbImage::from_pixel(300, 300, [shade; 3].into())).map(|found| found.score)));
        }
    });
    Ok(())
}
RUST
cat > "$users/program/Cargo.toml" <<'MANIFEST'
[package]
name = "package-user"
version = "0.0.0"
edition = "2024"
[dependencies]
efficientad = "0.1.0"
MANIFEST
{
    echo '[workspace]'
    echo 'members = ["*"]'
    echo 'exclude = ["target"]'
    echo 'resolver = "3"'
    echo '[patch.crates-io]'
    for folder in "$users"/efficientad*-[0-9]*/; do
        folder=$(basename "$folder")
        echo "${folder%-[0-9]*} = { path = \"$folder\" }"
    done
} > "$users/Cargo.toml"
cp Cargo.lock "$users/"

# With the profile of the project, and in its folder: what clippy has checked of others' crates is not checked once more.
sed -n '/^\[profile.release\]/,$p' Cargo.toml >> "$users/Cargo.toml"
# One by one: with what it asks for itself, not what another one adds.
for folder in "$users"/efficientad*-[0-9]*/; do
    folder=$(basename "$folder")
    echo "checking ${folder%-[0-9]*} alone"
    cargo check --quiet --release --target-dir target --manifest-path "$users/Cargo.toml" --package "${folder%-[0-9]*}"
done
if test -n "${MODEL:-}"; then
    # What is only run once needs nothing for debuggers, and no notes for a next build.
    export CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 CARGO_TARGET_DIR="$users/target"
    cargo run --quiet --manifest-path "$users/Cargo.toml" --package package-user -- "$MODEL"
else
    cargo check --quiet --release --target-dir target --manifest-path "$users/Cargo.toml" --package package-user
fi
echo "the packages are whole: each compiles alone, and so does a program of theirs"
