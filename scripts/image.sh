#!/usr/bin/env bash
# Builds the runtime stages of the Dockerfile from binaries that were built already and runs each as its own user,
# without a registry: the base is empty but for the libraries that the binaries need. Takes the folder with the binaries.
set -euo pipefail
cd "$(dirname "$0")/.."
binaries=$(realpath "${1:?usage: scripts/image.sh FOLDER-WITH-BINARIES}")

if ((EUID != 0)); then
    echo "building and running an image without a registry needs root (buildah, chroot)" >&2
    exit 1
fi
if ! command -v buildah >/dev/null; then
    if ! command -v apt-get >/dev/null; then
        echo "buildah is missing and cannot be installed from here; on Debian: apt-get install buildah" >&2
        exit 1
    fi
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends buildah >/dev/null
fi

work=$(mktemp -d)
started=()
finish() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    b umount --all >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT
# vfs and a storage of its own: works where overlay mounts do not, and leaves nothing behind.
export BUILDAH_ISOLATION=chroot
b() { buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" "$@"; }

services=(transform sender test-hl7-server secret-files)
mkdir -p "$work/base" "$work/build/out/tls" "$work/empty"
for service in "${services[@]}"; do
    cp "$binaries/$service" "$work/build/out/"
    ldd "$binaries/$service" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$work/base$(dirname "$library")"
        cp -L "$library" "$work/base$library"
    done
done
# The AWS clients do not start without authorities to trust; the real base image has them too.
mkdir -p "$work/base/etc/ssl/certs"
cp -L /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/"

base=$(b from scratch)
b copy --quiet "$base" "$work/base" / >/dev/null
b commit --quiet "$base" localhost/base >/dev/null

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# In memory and on loopback: enough to be alive. The whole way is tested by scripts/cdk.sh.
settings() {
    echo "ADT_BRIDGE__QUEUE__KIND=memory ADT_BRIDGE__STORE__KIND=memory ADT_BRIDGE__HEALTH__LISTEN=127.0.0.1:$port"
    echo "ADT_BRIDGE__HOOK__LISTEN=127.0.0.1:$port ADT_BRIDGE__RECEIVER__LISTEN_PLAIN=127.0.0.1:0"
    echo "ADT_BRIDGE__SECRET__ID=none AWS_REGION=us-east-1 AWS_ENDPOINT_URL=http://127.0.0.1:9 AWS_EC2_METADATA_DISABLED=true"
}

for service in "${services[@]}"; do
    case $service in
        transform) wanted='QUEUE|STORE|HOOK' ;;
        sender) wanted='QUEUE|HEALTH' ;;
        test-hl7-server) wanted='STORE|HEALTH|RECEIVER' ;;
        secret-files) wanted='SECRET|HEALTH' ;;
    esac
    # The stage "build" is replaced by the folder with the binaries; what follows it is the Dockerfile's own.
    b bud --quiet --target "$service" --build-arg RUNTIME=localhost/base --build-context "build=$work/build" \
        --tag "localhost/$service" --file Dockerfile "$work/empty" >/dev/null
    container=$(b from "localhost/$service")
    config=$(b inspect --type image --format '{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}}' "localhost/$service")
    [[ $config == "65532:65532 [/service]" ]] || { echo "$service: user and entry point are $config" >&2; exit 1; }
    if [[ $service != transform ]]; then
        owner=$(stat -c %u:%g "$(b mount "$container")/tls")
        [[ $owner == 65532:65532 ]] || { echo "$service: /tls belongs to $owner" >&2; exit 1; }
    fi
    flags=()
    for setting in $(settings); do
        if [[ $setting =~ ^(AWS_|ADT_BRIDGE__($wanted)__) ]]; then flags+=(--env "$setting"); fi
    done
    if b run "${flags[@]}" "$container" -- /service health 2>/dev/null; then
        echo "$service: healthy before it was started" >&2; exit 1
    fi
    b run "${flags[@]}" "$container" -- /service >"$work/$service.log" 2>&1 &
    started+=($!)
    healthy=
    for _ in $(seq 100); do
        if b run "${flags[@]}" "$container" -- /service health 2>/dev/null; then healthy=yes; break; fi
        sleep 0.1
    done
    [[ $healthy ]] || { echo "$service: never healthy" >&2; cat "$work/$service.log" >&2; exit 1; }
    process=$(pgrep --uid 65532 --newest --full '^/service$') || { echo "$service: runs as another user" >&2; exit 1; }
    kill -TERM "$process"
    for _ in $(seq 100); do kill -0 "$process" 2>/dev/null || break; sleep 0.1; done
    if kill -0 "$process" 2>/dev/null; then echo "$service: SIGTERM did not end it" >&2; exit 1; fi
    size=$(du -sh --apparent-size "$(b mount "$container")" | cut -f1)
    echo "$service: $size, healthy as 65532, ended by SIGTERM"
done
