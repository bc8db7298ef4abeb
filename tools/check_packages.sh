#!/usr/bin/env bash
# Packages every crate as Rust's registry would take it, builds each from its package alone, and then a program that uses
# nothing but the packages: it inspects from four threads.
#
#     tools/check_packages.sh          # a few minutes on two cores
set -euo pipefail
cd "$(dirname "$0")/.."

limit=$((10 * 1024 * 1024))

# To build each package from the others, cargo makes a registry of them, and keeps what it unpacks from there in its home, and
# what it builds of that, by name and version alone: a second run would build against the packages of the first.
forget_unpacked() { rm -rf "${CARGO_HOME:-$HOME/.cargo}"/registry/{src,cache}/-*/efficientad*-[0-9]*; }
forget_unpacked
trap forget_unpacked EXIT
built=target/packages
rm -rf "$built"

# What is only built and thrown away needs nothing for debuggers, and no notes for a next build.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0

# The crate that fuzzes is for no registry, and the Python module for Python's own (tools/check_python.sh).
cargo package --workspace --exclude efficientad-fuzzing --exclude efficientad-python --locked --quiet --target-dir "$built" "$@"
for package in "$built"/package/*.crate; do
    size=$(stat -c %s "$package")
    echo "$(basename "$package"): $((size / 1024)) KiB"
    test "$size" -le "$limit" || { echo "$package: larger than the registry's 10 MiB"; exit 1; }
done

program=target/package-user
rm -rf "$program"
mkdir -p "$program/src"
cat > "$program/src/main.rs" <<'RUST'
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
{
    echo '[package]'
    echo 'name = "package-user"'
    echo 'version = "0.0.0"'
    echo 'edition = "2024"'
    echo '[dependencies]'
    echo 'efficientad = "0.1.0"'
    echo '[workspace]'
    echo '[patch.crates-io]'
    for folder in "$built"/package/efficientad*-[0-9]*/; do
        folder=$(basename "$folder")
        echo "${folder%-[0-9]*} = { path = \"../packages/package/$folder\" }"
    done
} > "$program/Cargo.toml"
cp Cargo.lock "$program/"
CARGO_TARGET_DIR=target cargo build --release --quiet --manifest-path "$program/Cargo.toml"
if test -n "${MODEL:-}"; then
    target/release/package-user "$MODEL"
fi
echo "the packages build, each alone and a program of theirs"
