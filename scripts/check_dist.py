#!/usr/bin/env python3
"""Packs what was built already, twice, and holds the archive to what docs/how-to/upgrade.md says of it.

    scripts/check_dist.py BINARIES"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import dist

# One program keeps this quick; the others are packed by the same lines.
PROGRAM = "adt-bridge"


def check(holds, text):
    if not holds:
        sys.exit(f"dist: {text}")


def bill(folder, build):
    text = (folder / "sbom.cdx.json").read_text(encoding="utf-8")
    problem = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    check(problem is None, f"sbom.cdx.json is no CycloneDX 1.5: {problem}")
    components = {entry["bom-ref"]: entry for entry in json.loads(text)["components"]}
    check({"adt-bridge", "sender", "transform", "test-hl7-server", "secret-files"} <= {entry["name"] for entry in components.values()}, "a program is not in the bill")
    for wanted in ("rustls", "tokio", "aws-lc-sys", "libsqlite3-sys", "aws-sdk-sqs"):
        check(any(entry["name"] == wanted and entry["scope"] == "required" for entry in components.values()), f"{wanted} is not in the bill")
    for unwanted in ("ring", "insta", "proptest", "fault-harness"):
        check(not any(entry["name"] == unwanted for entry in components.values()), f"{unwanted} is in the bill, and in no program")
    known = set(components) | {json.loads(text)["metadata"]["component"]["bom-ref"]}
    for edge in json.loads(text)["dependencies"]:
        check({edge["ref"], *edge["dependsOn"]} <= known, f"an edge of {edge['ref']} leads out of the bill")
    allowed = set(tomllib.loads((dist.ROOT / "deny.toml").read_text(encoding="utf-8"))["licenses"]["allow"])
    for entry in components.values():
        for part in re.split(r" AND ", entry["licenses"][0]["expression"].replace("(", "").replace(")", "")):
            check(any(choice in allowed for choice in part.split(" OR ")), f"{entry['bom-ref']}: {part} is no licence that deny.toml allows")
    named = (folder / "THIRD-PARTY.md").read_text(encoding="utf-8")
    for key in build.inside:
        package = build.packages[key]
        check(package["source"] is None or f"| {package['name']} {package['version']} |" in named, f"{package['name']} is not in THIRD-PARTY.md")
    return len(components)


def main():
    binaries = Path(sys.argv[1]).resolve(strict=True)
    build = dist.Build(binaries)
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        made = [dist.pack(binaries, work / name, [PROGRAM], level=1) for name in ("first", "second")]
        first, second = (hashlib.sha256(path.read_bytes()).hexdigest() for path in made)
        check(first == second, "two archives of the same build differ")
        subprocess.run(["sha256sum", "--check", "--quiet", made[0].name + ".sha256"], cwd=made[0].parent, check=True)
        with tarfile.open(made[0]) as tar:
            tar.extractall(work, filter="data")
            for entry in tar.getmembers():
                check((entry.uid, entry.gid, entry.mtime) == (0, 0, build.time), f"{entry.name} knows who packed it, or when")
        folder = work / made[0].name.removesuffix(".tar.gz")
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
        listed = {line.split("  ", 1)[1] for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()}
        check(listed == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"SHA256SUMS"}, "SHA256SUMS does not name every file")
        program = folder / "bin" / PROGRAM
        check(json.loads(dist.said(str(program), "version", "--json"))["version"] == build.version, "the packed program is another version")
        symbols = subprocess.run(["nm", program], capture_output=True, text=True)
        check("no symbols" in symbols.stderr, "the program was not stripped")
        commands = re.findall(r"^  ([a-z]+) ", dist.said(str(program), "--help").split("Commands:")[1].split("Options:")[0], re.MULTILINE)
        check(len(commands) > 15, f"commands: {commands}")
        for command in commands:
            check((folder / "man/man1" / f"adt-bridge-{command}.1").exists(), f"no manual page of {command}")
            for shell, name in dist.SHELLS.items():
                check(command in (folder / "completions" / name).read_text(encoding="utf-8"), f"{shell} does not complete {command}")
        subprocess.run(["bash", "-n", folder / "completions/adt-bridge.bash"], check=True)
        facts = json.loads((folder / "build.json").read_text(encoding="utf-8"))
        check(set(facts) == {"version", "commit", "target", "rustc", "source_date_epoch"}, f"build.json has {sorted(facts)}")
        count = bill(folder, build)
    print(f"dist: {len(listed)} files with checksums, {count} components in a valid bill of materials, the same bytes twice")


if __name__ == "__main__":
    main()
