#!/usr/bin/env bash
# Floors and product in turns, as a release build; prints the ratios beside the goals and fails for no ratio.
# About ten minutes. A short form: BENCH_ROUNDS=1 BENCH_SECONDS=1 scripts/bench.sh
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --release -p adt-bridge -p floors --bins
folder=${CARGO_TARGET_DIR:-target}/release
exec "$folder/floors" run "$folder/adt-bridge" "${BENCH_ROUNDS:-5}" "${BENCH_SECONDS:-2}"
