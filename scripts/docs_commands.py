#!/usr/bin/env python3
"""Types every command of README.md and docs into a shell and compares what comes back with what the page shows.

    scripts/docs_commands.py BINARY [PAGE ...]

Blocks marked `console` hold commands after `$ ` and their output; `sh` blocks hold commands alone, which have to succeed.
A page is one shell in a folder of its own, with the repository's examples, free ports in place of the ones it names, and
`adt-bridge` and `cargo run` meaning BINARY. In output `…` stands for anything; times, ids, durations and ports may differ,
and an id that a page shows stands for the real one in its later commands. A command that only looks is repeated until it
shows what the page says.

A comment before a block changes that: <!-- keeps running --> lets its last command run until the end of the page, where
SIGTERM has to end it well; <!-- not run: REASON --> leaves the block out. Each block that is left out is listed."""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Why a block may be left out; another reason needs an entry here.
REASONS = {"AWS", "another vendor's server", "a release build", "another build", "an hour", "the tests themselves", "no such system"}
DEADLINE = 20
BLOCK = re.compile(
    r"^(?: *<!-- *(?P<mark>[^>\n]*?) *-->\n+)?(?P<indent> *)(?P<fence>```+)(?P<kind>[^\n]*)\n(?P<text>.*?)^(?P=indent)(?P=fence) *$",
    re.DOTALL | re.MULTILINE,
)
# In a block of another kind, a command that nobody would run.
COMMAND = re.compile(r"^\s*(?:\$ |adt-bridge [a-z-]|cargo |curl |make |npx |npm |docker |aws |openssl )", re.MULTILINE)
# Read, and nothing else: may be asked again.
LOOKS = re.compile(r"((?:adt-bridge|cargo run -q --) (-c \S+ )?(ls|search|get|explain|diff|dlq ls|dlq show|queue status|queue parked)\b|cat |tr |ls |grep |curl (?!.*( -d | -X |-T |--data)))")
VARIES = [
    ("time", r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?"),
    ("time", r"\d{14}(?:\.\d+)?[+-]\d{4}"),
    ("id", r"\b(?=[A-Z0-9]*[A-Z])(?=[A-Z0-9]*\d)[A-Z0-9]{20}\b"),
    ("uuid", r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"),
    ("hash", r"\b[0-9a-f]{64}\b"),
    ("duration", r"\b\d+(?:\.\d+)? ?(?:ms|s)\b"),
]
ANY = re.compile("|".join(f"(?P<v{number}>{pattern})" for number, (_, pattern) in enumerate(VARIES)))


class Wrong(Exception):
    """A page says what is not so."""


class Block:
    """Commands, and the output that the page shows for them."""

    def __init__(self, page, found):
        self.page, self.mark = page, found["mark"] or ""
        self.line = page.read_text(encoding="utf-8").count("\n", 0, found.start("fence")) + 1
        text = textwrap.dedent(found["text"])
        self.commands = list({"console": console, "sh": script}.get(found["kind"], nothing)(text))

    @property
    def place(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def nothing(text):
    """A block of another kind. The help of the generated reference has a test of its own."""
    if COMMAND.search(text) and not text.startswith("Examples:\n"):
        raise Wrong(f"a command in a block that is neither `console` nor `sh`: {COMMAND.search(text)[0].strip()}")
    return ()


def script(text):
    """One command, whatever its lines; nothing is said about its output."""
    yield text, None


def console(text):
    """Commands with their output: continued by a backslash, an open quote or a here document."""
    lines = text.split("\n")
    while lines:
        line = lines.pop(0)
        if not line.startswith("$ "):
            if line.strip():
                raise Wrong(f"output before a command: {line}")
            continue
        command = line[2:]
        while not complete(command):
            if not lines:
                raise Wrong(f"does not end: {command}")
            command += "\n" + lines.pop(0)
        output = []
        while lines and not lines[0].startswith("$ "):
            output.append(lines.pop(0))
        yield command, "\n".join(output).strip("\n")


def complete(command):
    here = re.search(r"<<'?(\w+)'?", command)
    if here:
        return command.rstrip("\n").split("\n")[-1] == here[1]
    return not command.endswith("\\") and subprocess.run(["bash", "-n", "-c", command], capture_output=True).returncode == 0


def pattern(expected):
    """What fits the output a page shows, and the ids in it, in order."""
    parts, ids, at = [], [], 0
    for found in re.finditer(f"…|{ANY.pattern}", expected):
        parts.append(re.escape(expected[at:found.start()]))
        at = found.end()
        if found[0] == "…":
            parts.append(".*")
            continue
        name, varying = VARIES[next(number for number in range(len(VARIES)) if found[f"v{number}"])]
        if name in ("id", "uuid"):
            ids.append(found[0])
            varying = f"({varying})"
        parts.append(varying)
    parts.append(re.escape(expected[at:]))
    # Columns are as wide as what they hold.
    text = re.sub(r"(?:\\ ){2,}", r" +", "".join(parts))
    return re.compile(text, re.DOTALL), ids


class Shell:
    """A page's shell: what one command sets, the next one sees."""

    def __init__(self, folder, binary, page):
        self.page, self.folder, self.ports, self.ids, self.running = page, folder, {}, {}, []
        tools = folder / ".bin"
        tools.mkdir()
        examples = binary.parent / "examples"
        for name, text in {
            # `up` listens where this page's run does; an endpoint that a page configures stays as it says.
            "adt-bridge": f'''case " $* " in "  " | *" up "*) export ADT_BRIDGE__RECEIVER__LISTEN={self.real("127.0.0.1:2575")};; esac
exec {binary} "$@"''',
            "cargo": f'''[ "$1" = run ] || {{ echo "cargo $1 is not for a page" >&2; exit 2; }}
shift
program=adt-bridge
while [ $# -gt 0 ]; do
    case $1 in
        --) shift; break ;;
        -q | --quiet | --locked) shift ;;
        -p) shift 2 ;;
        --example) program={examples}/$2; shift 2 ;;
        *) echo "cargo run $1?" >&2; exit 2 ;;
    esac
done
exec "$program" "$@"''',
        }.items():
            (tools / name).write_text(f"#!/bin/sh\n{text}\n")
            (tools / name).chmod(0o755)
        shutil.copytree(ROOT / "examples", folder / "examples")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ADT_BRIDGE", "AWS_", "RUST_LOG"))}
        self.environment = kept | {
            "PATH": f"{tools}:{os.environ['PATH']}", "NO_COLOR": "1", "LC_ALL": "C.UTF-8",
            "ADT_BRIDGE__HOOK__LISTEN": self.real("127.0.0.1:8080"),
        }
        self.bash = self.start("bash", "--norc", stdin=subprocess.PIPE)

    def start(self, *command, **more):
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)

    def real(self, text):
        """With the ports and ids of this run in place of those that the page names."""
        def port(found):
            if found[2] not in self.ports:
                with socket.socket() as free:
                    free.bind(("127.0.0.1", 0))
                    self.ports[found[2]] = str(free.getsockname()[1])
            return found[1] + self.ports[found[2]]
        text = re.sub(r"\b(127\.0\.0\.1:|localhost:)([1-9]\d{3,4})\b", port, text)
        for shown, real in self.ids.items():
            text = text.replace(shown, real)
        return text

    def shown(self, text):
        for shown, real in self.ports.items():
            text = re.sub(rf"\b(127\.0\.0\.1:|localhost:){real}\b", rf"\g<1>{shown}", text)
        return text.replace(str(self.folder) + "/", "")

    def type(self, command):
        """Types a command; its output and its exit code."""
        end = f"end-{time.monotonic_ns()}"
        self.bash.stdin.write(f"{self.real(command)}\nprintf '\\n{end} %s\\n' $?\n".encode())
        self.bash.stdin.flush()
        output, deadline = b"", time.monotonic() + DEADLINE
        while True:
            said = re.search(rb"\n" + end.encode() + rb" (\d+)\n", output)
            if said:
                return self.shown(output[:said.start()].decode("utf-8", "replace")), int(said[1])
            ready, _, _ = select.select([self.bash.stdout], [], [], max(0, deadline - time.monotonic()))
            more = os.read(self.bash.stdout.fileno(), 65536) if ready else b""
            if not more:
                raise Wrong(f"{command}: no end within {DEADLINE} s: {output[-3000:].decode('utf-8', 'replace')}")
            output += more

    def check(self, command, expected, begun=None):
        wanted, ids = pattern(expected or "")
        deadline = time.monotonic() + DEADLINE
        while True:
            output, code = begun(deadline) if begun else self.type(command)
            fits = wanted.fullmatch(output.strip("\n").replace(" \n", "\n")) if expected is not None else True
            if fits and code == 0:
                self.ids.update(zip(ids, fits.groups()) if ids else ())
                return
            if not (begun or LOOKS.match(command)) or time.monotonic() > deadline or (begun and code != 0):
                raise Wrong(f"{command}\n--- the page\n{expected}\n--- the program, exit code {code}\n{output[-3000:]}")
            time.sleep(0.05)

    def keep_running(self, command, expected):
        """Lets a command run, once it has said what the page shows, or is ready."""
        process = self.start("bash", "--norc", "-c", "exec " + self.real(command))
        self.running.append((command, process))
        said = bytearray()
        threading.Thread(target=lambda: [said.extend(part) for part in iter(lambda: os.read(process.stdout.fileno(), 65536), b"")], daemon=True).start()

        def output(_):
            time.sleep(0.02)
            text = self.shown(said.decode("utf-8", "replace"))
            return text, process.poll() or 0
        self.check(command, expected or "…listen…", output)

    def close(self):
        """Ends what still runs as an operator does; says what did not end well."""
        for command, process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
            if process.wait(DEADLINE) != 0:
                raise Wrong(f"{command}: SIGTERM ended it with {process.returncode}")
        self.bash.stdin.close()
        self.bash.wait(DEADLINE)


def run(page, binary, report):
    blocks = []
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        try:
            blocks.append(Block(page, found))
        except Wrong as wrong:
            report["wrong"].append(f"{page.relative_to(ROOT)}: {wrong}")
    blocks = [block for block in blocks if block.commands]
    if not blocks:
        return
    with tempfile.TemporaryDirectory(prefix="adt-bridge-docs-") as folder:
        shell = Shell(Path(folder).resolve(), binary, page)
        place = str(page.relative_to(ROOT))
        try:
            for block in blocks:
                place = block.place
                if block.mark.startswith("not run: "):
                    reason = block.mark.removeprefix("not run: ")
                    if reason not in REASONS:
                        raise Wrong(f"{reason!r} is no reason; they are {sorted(REASONS)}")
                    report["left"].append(f"{block.place}: {reason}")
                    continue
                if block.mark not in ("", "keeps running"):
                    raise Wrong(f"what does <!-- {block.mark} --> mean?")
                for number, (command, expected) in enumerate(block.commands, 1):
                    last = number == len(block.commands)
                    (shell.keep_running if last and block.mark else shell.check)(command, expected)
                    report["run"].append(place)
            place = str(page.relative_to(ROOT))
            shell.close()
        except Wrong as wrong:
            said = f"{place}: {wrong}"
            report["wrong"].append(said)
        finally:
            for _, process in shell.running:
                process.kill()
            shell.bash.kill()


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    binary = Path(sys.argv[1]).resolve(strict=True)
    pages = [Path(name).resolve() for name in sys.argv[2:]] or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    report = {"run": [], "left": [], "wrong": []}
    begun = time.monotonic()
    # Programs of a page mostly wait; a few pages at a time keep two cores busy.
    gate = threading.Semaphore(4)

    def guarded(page):
        with gate:
            try:
                run(page, binary, report)
            except Exception as error:
                report["wrong"].append(f"{page.relative_to(ROOT)}: {error!r}")
    threads = [threading.Thread(target=guarded, args=(page,)) for page in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    of_pages = len({place.rpartition(":")[0] for place in report["run"]})
    print(f"{len(report['run'])} commands of {of_pages} pages run in {time.monotonic() - begun:.1f} s; {len(report['left'])} blocks not run:")
    for left in sorted(report["left"]):
        print(f"  {left}")
    if report["wrong"] or not report["run"]:
        sys.exit("\n\n".join(sorted(report["wrong"])) or "nothing was run")


if __name__ == "__main__":
    main()
