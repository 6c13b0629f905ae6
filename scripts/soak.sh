#!/usr/bin/env bash
# The long forms of the fault matrix: 250 kills of the one process, 500 rounds of kills over hook, sender and receiver,
# then mixed faults for 30 minutes. About an hour in all; prints one table and fails when a message was lost, out of
# order, or repeated without a cause. A short form: SOAK_ROUNDS=10 SOAK_MINUTES=1 scripts/soak.sh
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${SOAK_PROFILE:-release}
cargo build --locked --profile "$profile" -p adt-bridge -p fault-harness --bins
folder=${CARGO_TARGET_DIR:-target}/$([ "$profile" = dev ] && echo debug || echo "$profile")

exec "$folder/soak" "$folder/adt-bridge" \
    --rounds "${SOAK_ROUNDS:-500}" \
    --minutes "${SOAK_MINUTES:-30}" \
    --rate "${SOAK_RATE:-50}" \
    --groups "${SOAK_GROUPS:-40}" \
    --seed "${SOAK_SEED:-1}"
