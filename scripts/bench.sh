#!/usr/bin/env bash
# Floors and product in turns, then the queue with a backlog and MLLP decoding, as release builds; prints the ratios,
# most of them beside their goals, and fails for no ratio. About a quarter of an hour; longer where the disk is slow.
# A short form: BENCH_ROUNDS=1 BENCH_SECONDS=1 BENCH_MESSAGES=10000 scripts/bench.sh
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --release -p adt-bridge -p floors --bins
folder=${CARGO_TARGET_DIR:-target}/release
"$folder/floors" run "$folder/adt-bridge" "${BENCH_ROUNDS:-5}" "${BENCH_SECONDS:-2}"
cargo bench --locked -p queue -p mllp --bench backlog --bench decode -- "${BENCH_MESSAGES:-1000000}"
