#!/usr/bin/env bash
# Every test of the repository, those that need SQS, S3, Python or Node included. Installs into .venv and
# node_modules only; the emulator listens on loopback and ends with this script.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "Python and Node packages"
wanted=$(cat scripts/requirements.txt interop/python/requirements.txt)
if [[ "$wanted" != "$(cat .venv/installed 2>/dev/null)" ]]; then
    rm -rf .venv
    python3 -m venv .venv
    pip() { .venv/bin/python -m pip --quiet --disable-pip-version-check "$@"; }
    pip install -r scripts/requirements.txt
    pip install --require-hashes -r interop/python/requirements.txt
    printf '%s\n' "$wanted" >.venv/installed
fi
if ! cmp -s interop/fhir-works/package-lock.json interop/fhir-works/node_modules/.installed; then
    (cd interop/fhir-works && npm ci --no-audit --no-fund --loglevel=error)
    cp interop/fhir-works/package-lock.json interop/fhir-works/node_modules/.installed
fi

step "strace, which records what a power failure may take (row F7)"
if ! command -v strace >/dev/null; then
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        echo "strace is missing and cannot be installed from here; on Debian: apt-get install strace" >&2
        exit 1
    fi
    apt-get update -qq && apt-get install -qq --yes --no-install-recommends strace
fi

step "SQS and S3 emulator"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
log=$(mktemp)
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port .venv/bin/ministack >"$log" 2>&1 &
emulator=$!
trap 'kill "$emulator" 2>/dev/null || true; rm -f "$log"' EXIT
python3 - "$port" <<'PYTHON' || { cat "$log" >&2; exit 1; }
import sys, time, urllib.request
deadline = time.monotonic() + 30
while True:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/_ministack/health", timeout=2)
        break
    except OSError as error:
        if time.monotonic() > deadline:
            sys.exit(f"the emulator did not start: {error}")
        time.sleep(0.1)
bucket = f"http://127.0.0.1:{sys.argv[1]}/message-store-contract"
urllib.request.urlopen(urllib.request.Request(bucket, method="PUT"), timeout=10)
PYTHON
export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_REGION=us-east-1
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test

step "Rust, ignored tests included"
cargo test --workspace --all-features --locked --no-fail-fast -- --include-ignored

step "Other people's software: python-hl7, hl7apy, FHIR Works on AWS"
.venv/bin/python scripts/interop.py "${CARGO_TARGET_DIR:-target}/debug/adt-bridge"

step "Every command of README and docs"
python3 scripts/docs_commands.py "${CARGO_TARGET_DIR:-target}/debug/adt-bridge"

step "A release, packed from what was built already"
.venv/bin/python scripts/check_dist.py "${CARGO_TARGET_DIR:-target}/debug"

step "The hook against its OpenAPI document"
.venv/bin/python scripts/openapi.py "${CARGO_TARGET_DIR:-target}/debug/adt-bridge"

step "The inspector in a browser"
scripts/browser.sh "${CARGO_TARGET_DIR:-target}/debug/adt-bridge"

step "Every message of the corpus against the published HL7 structures"
messages=${CARGO_TARGET_DIR:-target}/corpus-messages
cargo run --quiet --locked -p fhir-adt --example corpus_messages -- crates/fhir-adt/tests/corpus/fhir-patients "$messages"
.venv/bin/python interop/hl7apy/validate.py "$messages" --exceptions interop/hl7apy/exceptions.csv
.venv/bin/python interop/hl7apy/validate.py crates/fhir-adt/tests/examples

scripts/cdk.sh

step "all tests passed"
