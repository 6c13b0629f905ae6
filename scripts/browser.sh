#!/usr/bin/env bash
# The inspector's pages in a real browser: Debian's Chromium, installed here when missing and possible.
# Takes the binary to test; without one, builds it.
set -euo pipefail
cd "$(dirname "$0")/.."

chromium=${CHROMIUM:-/usr/bin/chromium}
if [[ ! -x "$chromium" ]]; then
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        echo "the browser tests need Chromium: apt-get install chromium, or CHROMIUM=/path/to/it" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi
binary=${1:-}
if [[ -z "$binary" ]]; then
    cargo build --locked --quiet -p adt-bridge
    binary=${CARGO_TARGET_DIR:-target}/debug/adt-bridge
fi
cd tests/pages
if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/.installed
fi
ADT_BRIDGE_BINARY=$(cd - >/dev/null && realpath "$binary") CHROMIUM=$chromium node --test --test-concurrency=1
