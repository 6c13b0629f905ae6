#!/usr/bin/env bash
# Format, lints, dependency rules, links, documentation. Changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all --check
python3 scripts/check_dependencies.py
python3 scripts/check_docs.py
cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
