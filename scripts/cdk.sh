#!/usr/bin/env bash
# The deployment: types, templates, rules, images, and the real binaries with the templates' own environment.
# Part of scripts/test.sh, which gives the emulator; without one, one is started.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }
tools=$PWD/.venv/bin

step "CDK: packages and types"
if ! cmp -s cdk/package-lock.json cdk/node_modules/.installed; then
    (cd cdk && npm ci --no-audit --no-fund --loglevel=error)
    cp cdk/package-lock.json cdk/node_modules/.installed
fi
cd cdk
# Offline: no credentials, no endpoint, no account. What the caller set for the emulator must not reach the CDK.
offline() {
    env -u AWS_PROFILE -u AWS_ENDPOINT_URL -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY -u AWS_SESSION_TOKEN \
        -u AWS_REGION -u AWS_DEFAULT_REGION -u CDK_DEFAULT_ACCOUNT -u CDK_DEFAULT_REGION \
        AWS_EC2_METADATA_DISABLED=true CDK_DISABLE_VERSION_CHECK=1 "$@"
}
npx tsc --noEmit

step "CDK: templates"
offline npx vitest run

step "CDK: synthesis, cdk-nag, cfn-lint"
role=arn:aws:iam::123456789012:role/fhir-service-router
synth() {
    local out=$1
    shift
    offline npx cdk synth --no-notices --quiet --output "$out" --context resource-router-lambda-role=$role "$@"
}
rm -rf cdk.out
synth cdk.out/bundled
synth cdk.out/hospital --context hl7-server-name=hl7.example --context hl7-tls=mutual --context nat-gateways=1 \
    --context hl7-max-connections=4 --context sender-max-tasks=2 --context alarm-email=pager@hospital.example \
    --context hook-certificate-arn=arn:aws:acm:us-east-1:123456789012:certificate/0 --context hook-host-name=hook.example
refusal=$(offline npx cdk synth --no-notices --quiet --output cdk.out/refused 2>&1) && { echo "synthesis without a role" >&2; exit 1; }
grep -q 'resource-router-lambda-role: missing' <<<"$refusal" || { echo "$refusal" >&2; exit 1; }
"$tools/cfn-lint" --non-zero-exit-code error --regions us-east-1 --template cdk.out/*/*.template.json
cd ..

step "Dockerfile"
"$tools/hadolint" Dockerfile

step "The images' binaries, from the files that an image build gets"
# Copied where content differs, so that what did not change is not built again. The profile of the tests: what it has
# built of other people's crates serves here too, and how fast the binaries are does not matter.
mkdir -p "${CARGO_TARGET_DIR:-target}"
target=$(realpath "${CARGO_TARGET_DIR:-target}")
context=$target/image-context
python3 - "$(dirname "$(ls cdk/cdk.out/bundled/asset.*/Cargo.toml | head -1)")" "$context" <<'PYTHON'
import filecmp, shutil, sys
from pathlib import Path
source, target = map(Path, sys.argv[1:])
wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
for path in [path for path in target.rglob("*") if path.is_file() and path.relative_to(target) not in wanted]:
    path.unlink()
for path in wanted:
    new, old = source / path, target / path
    if not old.exists() or not filecmp.cmp(new, old, shallow=False):
        old.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(new, old)
PYTHON
services=(transform sender test-hl7-server secret-files)
cargo build --locked --manifest-path "$context/Cargo.toml" --target-dir "$target" "${services[@]/#/--package=}"
binaries=$target/image-binaries
mkdir -p "$binaries"
for service in "${services[@]}"; do strip -o "$binaries/$service" "$target/debug/$service"; done

step "The templates' containers, started"
if [[ -z ${AWS_ENDPOINT_URL:-} ]]; then
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    BIND_HOST=127.0.0.1 GATEWAY_PORT=$port "$tools/ministack" >/dev/null 2>&1 &
    emulator=$!
    trap 'kill "$emulator" 2>/dev/null || true' EXIT
    export AWS_ENDPOINT_URL=http://127.0.0.1:$port
    curl --silent --fail --retry 50 --retry-delay 1 --retry-connrefused --output /dev/null "$AWS_ENDPOINT_URL/_ministack/health"
fi
(cd cdk && BRIDGE_BINARIES=$binaries npx vitest run --config vitest.running.config.ts)

step "Images"
scripts/image.sh "$binaries"
