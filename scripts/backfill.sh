#!/usr/bin/env bash
# The long form of the backfill test: 100,000 Patients, killed with SIGKILL on both sides, resumed; every newest version
# delivered, memory flat. Some minutes. A short form: BACKFILL_PATIENTS=5000 scripts/backfill.sh
set -euo pipefail
cd "$(dirname "$0")/.."

export BACKFILL_PATIENTS=${BACKFILL_PATIENTS:-100000}
exec cargo test --locked --profile "${BACKFILL_PROFILE:-release}" -p adt-bridge --test it \
    a_backfill_survives_kill_9_of_both_sides -- --nocapture
