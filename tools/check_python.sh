#!/usr/bin/env bash
# Builds the wheel, installs it into a fresh virtual environment, and runs its tests there, beside the program.
#
#     tools/check_python.sh                 # a few minutes on two cores, once the program is built
#     tools/check_python.sh -k scikit       # further words go to pytest
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --release -p efficientad-cli
python3 -m venv target/ci-maturin-venv
target/ci-maturin-venv/bin/pip install -q "maturin==1.16.*"
rm -rf target/wheels
PATH="$PWD/target/ci-maturin-venv/bin:$PATH" maturin build --locked --release --quiet \
    --manifest-path crates/python/Cargo.toml --out target/wheels

rm -rf target/ci-wheel-venv
python3 -m venv target/ci-wheel-venv
target/ci-wheel-venv/bin/pip install -q target/wheels/*.whl \
    pytest pillow tqdm scikit-learn matplotlib mypy "ray[data]==2.60.*" pyftpdlib
EFFICIENTAD_PROGRAM="$PWD/target/release/efficientad" EFFICIENTAD_REPOSITORY="$PWD" \
    target/ci-wheel-venv/bin/python -m pytest -q crates/python/tests "$@"
