"""Who may import whom. Reads `cargo metadata`; prints every broken rule and exits 1.

The arrows are those of docs/explanation/architecture.md. Dependencies that only tests use are free, except that
nothing may bring in a second TLS stack.
"""

import json
import subprocess
import sys
from pathlib import Path

# Package -> the packages of this workspace that it may use outside tests.
ALLOWED = {
    "adt-bridge": {
        "clock", "credentials", "fhir-adt", "hl7v2", "inspector", "instruments", "message-store", "mllp",
        "queue", "sender", "service", "test-hl7-server", "transform",
    },
    "clock": set(),
    "credentials": {"instruments"},
    "fault-harness": {"queue"},  # reads the dead letters, after the processes have ended
    "fhir-adt": {"hl7v2"},
    "floors": set(),
    "group-commit": set(),
    "hl7v2": set(),
    "inspector": {"fhir-adt", "hl7v2", "message-store"},
    "instruments": set(),
    "message-store": {"group-commit", "instruments"},
    "mllp": {"credentials"},
    "queue": {"clock", "group-commit", "instruments"},
    "secret-files": {"credentials", "service"},
    "sender": {"clock", "credentials", "hl7v2", "instruments", "mllp", "queue", "service"},
    "service": {"credentials", "instruments"},
    "test-hl7-server": {
        "credentials", "fhir-adt", "hl7v2", "inspector", "instruments", "message-store", "mllp", "service",
    },
    "transform": {
        "clock", "credentials", "fhir-adt", "hl7v2", "instruments", "message-store", "queue", "service",
    },
    "turns": set(),
}
# Pure packages: no I/O, no clock, no randomness.
PURE = {"fhir-adt", "hl7v2"}
IMPURE = {"tokio", "rand", "reqwest", "rusqlite", "axum", "uuid", "tracing"}
# The only packages that may name an AWS SDK.
AWS = {"message-store", "queue", "secret-files"}
# Never in what we build: one TLS stack, on aws-lc-rs.
BANNED = ["ring", "openssl", "openssl-sys", "native-tls", "rustls-pemfile"]
# What only tests may build into a program.
TEST_FEATURES = ["planted-leaks", "stop-points"]
# `service::telemetry` lets these crates log below `info`.
TELEMETRY = Path("crates/service/src/telemetry.rs")


def cargo(*arguments: str) -> str:
    command = ["cargo", *arguments, "--locked"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def problems() -> list[str]:
    found = []
    metadata = json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))
    packages = {package["name"]: package for package in metadata["packages"]}
    for name in sorted(set(packages) ^ set(ALLOWED)):
        found.append(f"{name}: add it to, or remove it from, ALLOWED in {__file__}")
    for name, package in packages.items():
        used = {d["name"] for d in package["dependencies"] if d["kind"] != "dev"}
        for other in sorted((used & set(packages)) - ALLOWED.get(name, set())):
            found.append(f"{name} may not use {other}")
        if name not in AWS:
            found += [f"{name} may not use {d}" for d in sorted(used) if d.startswith("aws-") and d != "aws-lc-rs"]
        if name in PURE:
            found += [f"{name} is pure and may not use {d}" for d in sorted(used & IMPURE)]
    tree = {line.split()[0] for line in cargo("tree", "--workspace", "--prefix", "none").splitlines() if line}
    found += [f"{name} is in the dependency tree: cargo tree -i {name}" for name in BANNED if name in tree]
    features = cargo("tree", "--workspace", "--edges", "features,no-dev", "--prefix", "none")
    found += [f"{name} is in what is shipped" for name in TEST_FEATURES if f'feature "{name}"' in features]
    telemetry = TELEMETRY.read_text()
    for name in sorted(set(packages) - {"fault-harness", "floors", "turns"}):
        if f'"{name.replace("-", "_")}"' not in telemetry:
            found.append(f"{name} is missing from OWN_CRATES in {TELEMETRY}")
    return found


if __name__ == "__main__":
    broken = problems()
    for line in broken:
        print(f"dependency rule: {line}", file=sys.stderr)
    sys.exit(bool(broken))
