#!/usr/bin/env python3
"""Packs a release: binaries without symbols, completions, manual pages, bill of materials, licences, checksums.

    scripts/dist.py BINARIES OUT [PROGRAM ...]

BINARIES is the folder with the built programs, OUT gets adt-bridge-VERSION-TARGET.tar.gz and its .sha256. Equal inputs give
equal bytes: entries are sorted, their time is that of the commit, their owner is nobody. `make dist` builds and packs."""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import check_docs

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ["adt-bridge", "secret-files", "sender", "test-hl7-server", "transform"]
# Of the repository, beside what is made.
PACKED = {"README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md", "CONTRIBUTING.md", "docs", "examples", "observability"}
SHELLS = {"bash": "adt-bridge.bash", "zsh": "_adt-bridge", "fish": "adt-bridge.fish"}


def said(*command, **more):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, **more).stdout.strip()


class Build:
    """What is packed, by the words of cargo, rustc and git."""

    def __init__(self, binaries):
        self.rustc = said("rustc", "--version")
        self.target = re.search(r"^host: (.*)$", said("rustc", "-vV"), re.MULTILINE)[1]
        self.metadata = json.loads(said("cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", self.target))
        about = json.loads(said(str(binaries / "adt-bridge"), "version", "--json"))
        self.version, self.commit = about["version"], about["commit"]
        # Without git the archive is as old as tar can say; `make dist` needs git anyway.
        dated = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
        self.time = int(os.environ.get("SOURCE_DATE_EPOCH") or dated.stdout or 0)
        self.packages = {package["id"]: package for package in self.metadata["packages"]}
        self.inside = self.reached("normal")
        self.building = self.reached("normal,build") - self.inside

    def reached(self, edges):
        """Ids of what the programs are made of; cargo tree knows which features, and so which packages, are on."""
        roots = [f"--package={program}" for program in PROGRAMS]
        names = said("cargo", "tree", "--locked", "--target", self.target, "--edges", edges, "--prefix", "none", "--format", "{p}", *roots)
        named = {tuple(line.split()[:2]) for line in names.splitlines() if line.strip()}
        return {key for key, package in self.packages.items() if (package["name"], "v" + package["version"]) in named}


def locked_checksums():
    """SHA-256 of each package as the registry gave it, from Cargo.lock."""
    import tomllib
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))
    return {(package["name"], package["version"]): package["checksum"] for package in lock["package"] if "checksum" in package}


def bill_of_materials(build):
    """CycloneDX 1.5. What is only needed to build has the scope `excluded`."""
    checksums = locked_checksums()

    def component(key):
        package = build.packages[key]
        name, version = package["name"], package["version"]
        ours = package["source"] is None
        entry = {
            "type": "application" if name in PROGRAMS else "library", "bom-ref": f"{name}@{version}", "name": name, "version": version,
            "scope": "required" if key in build.inside else "excluded",
            "licenses": [{"expression": package["license"].replace("/", " OR ").replace("  OR  ", " OR ")}],
        }
        if not ours:
            entry["purl"] = f"pkg:cargo/{name}@{version}"
            entry["hashes"] = [{"alg": "SHA-256", "content": checksums[name, version]}]
        if package["description"]:
            entry["description"] = " ".join(package["description"].split())
        if package["repository"]:
            entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
        return entry

    everything = build.inside | build.building
    ref = {key: f"{build.packages[key]['name']}@{build.packages[key]['version']}" for key in everything}
    nodes = {node["id"]: node for node in build.metadata["resolve"]["nodes"]}
    dependencies = [
        {"ref": ref[key], "dependsOn": sorted({ref[dep["pkg"]] for dep in nodes[key]["deps"]
                                               if dep["pkg"] in everything and any(kind["kind"] != "dev" for kind in dep["dep_kinds"])})}
        for key in everything
    ]
    release = f"release@{build.version}"
    dependencies.append({"ref": release, "dependsOn": sorted(ref[key] for key in everything if build.packages[key]["name"] in PROGRAMS)})
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": release, "name": f"adt-bridge {build.target}", "version": build.version,
                          "licenses": [{"expression": "Apache-2.0"}]},
            "properties": [{"name": "commit", "value": build.commit or "unknown"}, {"name": "rustc", "value": build.rustc}],
        },
        "components": sorted((component(key) for key in everything), key=lambda entry: entry["bom-ref"]),
        "dependencies": sorted(dependencies, key=lambda entry: entry["ref"]),
    }


def third_party(build):
    """Who wrote what is inside, under which licence, and the texts, each once."""
    rows, texts = [], {}
    for key in sorted(build.inside, key=lambda key: (build.packages[key]["name"], build.packages[key]["version"])):
        package = build.packages[key]
        if package["source"] is None:
            continue
        name = f"{package['name']} {package['version']}"
        rows.append(f"| {name} | {package['license']} | {package['repository'] or ''} |")
        folder = Path(package["manifest_path"]).parent
        for path in sorted(folder.iterdir()):
            if path.is_file() and re.match(r"(?i)(licen[cs]e|copying|notice|unlicense|copyright)", path.name):
                text = path.read_text(encoding="utf-8", errors="replace").strip()
                texts.setdefault("\n".join(line.rstrip() for line in text.splitlines()), []).append(f"{name} ({path.name})")
    parts = ["# What is inside, and its licences\n", "| Package | Licence | Source |\n| --- | --- | --- |", "\n".join(rows), "\n# Texts\n"]
    parts += [f"## {', '.join(holders)}\n\n````text\n{text}\n````\n" for text, holders in sorted(texts.items(), key=lambda item: item[1])]
    return "\n".join(parts)


def stage(build, binaries, programs, folder):
    """Lays out the archive's content."""
    (folder / "bin").mkdir(parents=True)
    for program in programs:
        subprocess.run(["strip", "-o", folder / "bin" / program, binaries / program], check=True)
    adt_bridge = binaries / "adt-bridge"
    (folder / "completions").mkdir()
    for shell, name in SHELLS.items():
        (folder / "completions" / name).write_text(said(str(adt_bridge), "completions", shell) + "\n", encoding="utf-8")
    subprocess.run([adt_bridge, "man", folder / "man" / "man1"], check=True)
    for path in check_docs.files():
        name = path.relative_to(ROOT).as_posix()
        shown = not name.endswith(".png") or name.endswith("-wide-light.png")
        if shown and name.split("/")[0] in PACKED:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)
    (folder / "THIRD-PARTY.md").write_text(third_party(build), encoding="utf-8")
    (folder / "sbom.cdx.json").write_text(json.dumps(bill_of_materials(build), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    facts = {"version": build.version, "commit": build.commit, "target": build.target, "rustc": build.rustc, "source_date_epoch": build.time}
    (folder / "build.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def archive(folder, time, level):
    """The folder as tar.gz in which nothing depends on where and when it was made."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="", compresslevel=level) as stream:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for path in sorted([folder, *folder.rglob("*")]):
                entry = tar.gettarinfo(path, arcname=path.relative_to(folder.parent).as_posix())
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = ""
                entry.mtime = time
                entry.mode = 0o755 if path.is_dir() or path.parent.name == "bin" else 0o644
                if path.is_file():
                    with path.open("rb") as content:
                        tar.addfile(entry, content)
                else:
                    tar.addfile(entry)
    return packed.getvalue()


def pack(binaries, out, programs, level=9):
    build = Build(binaries)
    name = f"adt-bridge-{build.version}-{build.target}"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / name
        stage(build, binaries, programs, folder)
        content = archive(folder, build.time, level)
    (out / f"{name}.tar.gz").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (out / f"{name}.tar.gz.sha256").write_text(f"{digest}  {name}.tar.gz\n", encoding="utf-8")
    print(f"{out / name}.tar.gz  {len(content) // 1024} KiB  sha256 {digest}")
    return out / f"{name}.tar.gz"


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    pack(Path(sys.argv[1]).resolve(strict=True), Path(sys.argv[2]), sys.argv[3:] or PROGRAMS)
