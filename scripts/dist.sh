#!/usr/bin/env bash
# Builds a release of this commit and packs it into dist/: docs/how-to/upgrade.md says what is in it.
# The same commit and compiler give the same bytes, in whatever folder they are built.
set -euo pipefail
cd "$(dirname "$0")/.."

commit=$(git rev-parse HEAD)
if [[ -n $(git status --porcelain --untracked-files=no) ]]; then
    echo "the work tree differs from commit $commit: commit first, a release names what it is made of" >&2
    exit 1
fi
target=${CARGO_TARGET_DIR:-target}/dist
# Paths of this machine stay out of the programs.
remap="--remap-path-prefix=$PWD=/adt-bridge --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
CARGO_ENCODED_RUSTFLAGS=${remap// /$'\x1f'} CFLAGS="-ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo -ffile-prefix-map=$PWD=/adt-bridge" \
    ADT_BRIDGE_BUILD_COMMIT=$commit cargo build --release --locked --target-dir "$target" \
    -p adt-bridge -p secret-files -p sender -p test-hl7-server -p transform
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) python3 scripts/dist.py "$target/release" dist
