#!/usr/bin/env python3
"""Fails when documentation points at what is not there: relative links and their anchors in every Markdown file, and
paths such as docs/reference/errors.md that code, comments and settings name."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
NAMED = re.compile(r"(?:(?<![\w/.-])|(?<=\.\./))docs/[\w./-]*[\w-]\.(?:md|png)")
KINDS = {".md", ".rs", ".toml", ".py", ".sh", ".ts", ".js", ".mjs", ".html", ".css", ".yaml", ".yml", ".json", ""}
# Files of others, kept as they are.
FOREIGN = ("crates/fhir-adt/tests/corpus/",)


def files():
    """What belongs to the repository; without git, what lies here and was not made here."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        made = {".git", ".venv", "target", "node_modules", "cdk.out", "dist", ".adt-bridge"}
        found = [path for path in ROOT.rglob("*") if not made & set(path.relative_to(ROOT).parts)]
    return sorted(path for path in found if path.is_file())


def prose(text):
    """Without fenced blocks and inline code, which hold no links."""
    text = re.sub(r"^( *)(```+).*?^\1\2 *$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", lambda code: "x" * len(code[0]) if "](" in code[0] else code[0], text)


def anchors(path):
    """As GitHub makes them from headings."""
    seen, found = {}, set()
    text = re.sub(r"^( *)(```+).*?^\1\2 *$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", text, flags=re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))


def problems(path, known):
    name = path.relative_to(ROOT)
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".md":
        for target in LINK.findall(prose(text)):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            place, _, anchor = target.partition("#")
            file = (path.parent / place).resolve() if place else path
            if not file.exists():
                yield f"{name}: {target}: no such file"
            elif file.is_file() and file not in known:
                yield f"{name}: {target}: not in the repository"
            elif anchor and file.suffix == ".md" and anchor not in anchors(file):
                yield f"{name}: {target}: no such heading"
    for named in NAMED.findall(text):
        if not (ROOT / named).exists():
            yield f"{name}: names {named}, which is not there"


def main():
    known = set(files())
    checked = [path for path in sorted(known) if path.suffix in KINDS and not path.relative_to(ROOT).as_posix().startswith(FOREIGN)]
    found = [problem for path in checked for problem in problems(path, known)]
    index = ROOT / "docs/README.md"
    if index.exists():
        linked = {(index.parent / target.partition("#")[0]).resolve() for target in LINK.findall(prose(index.read_text(encoding="utf-8")))}
        pages = {path for path in known if path.suffix == ".md" and ROOT / "docs" in path.parents and path != index}
        found += [f"docs/README.md does not name {page.relative_to(ROOT)}" for page in sorted(pages - linked)]
    if found:
        sys.exit("\n".join(found))
    print(f"links of {sum(path.suffix == '.md' for path in checked)} pages, paths of {len(checked)} files: all there")


if __name__ == "__main__":
    main()
