#!/usr/bin/env bash
# The program, the tests and the Python module are to be built of the same crates, with the same features of them: a feature that
# only tests ask of a crate at the bottom compiles all that stands on it twice. Says what differs; crates/cli/Cargo.toml has what
# makes them equal.
#
#     tools/check_features.sh
set -euo pipefail
cd "$(dirname "$0")/.."

# Few seconds, at the end of a build: the schemas of a station's file, which only tests write.
but='^(efficientad-(cameras|outputs|station)|toml) '

crates() { # WORD...
    cargo tree --locked --prefix none --format "{p} {f}" "$@" | sed -E 's/ \(\*\)$//' | sort -u
}
crates -p efficientad-cli --edges normal,build | grep -vE "$but" > target/features-program
differ=0
for others in "--workspace --edges normal,build,dev" "-p efficientad-python --edges normal,build"; do
    # shellcheck disable=SC2086
    crates $others > target/features-others
    if comm -23 target/features-program target/features-others | grep .; then
        echo "^ so for the program, otherwise for: cargo tree $others"
        differ=1
    fi
done
exit "$differ"
