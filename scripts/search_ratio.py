"""How much faster the inspector finds a message than a full scan: 100,000 stored messages, the API against grep.

Makes the messages (invented people), starts the given adt-bridge on them, waits until its index is complete, and
prints the median time of each search, of `grep -rl` over the same files, and the ratio. Nothing is left behind.

    python3 scripts/search_ratio.py target/release/adt-bridge [messages]
"""

import base64
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

FAMILIES = ["Example", "Nowak", "Okafor", "Lindqvist", "Tanaka", "Rossi", "Silva", "Dubois", "Moreau", "Novak"]
GIVENS = ["Anna", "Boris", "Chidi", "Doris", "Emi", "Fabio", "Gina", "Hugo", "Ines", "Jan"]
# What is searched, and what grep is given for the same: everything, one message, a rare and a common word.
SEARCHES = [
    ("the newest 50", "", None),
    ("one medical record number", "mrn:0077777", "0077777"),
    ("a rare word", "zanzibar", "Zanzibar"),
    ("a common name and an event", "lindqvist event:A31", "Lindqvist"),
    ("the start of a word", "lind", "Lind"),
    ("nothing", "xyzzy", "xyzzy"),
]


def control_id(number: int) -> str:
    return base64.b32encode(hashlib.sha256(str(number).encode()).digest()).decode()[:20]


def message(number: int, chance: random.Random) -> str:
    family, given = chance.choice(FAMILIES), chance.choice(GIVENS)
    event = "A31" if number % 3 else "A28"
    city = "Zanzibar" if number % 20_000 == 7 else chance.choice(["Springfield", "Riverton", "Lakeside", "Hilltop"])
    return "\r".join([
        f"MSH|^~\\&|FHIRTRANSFORM|FHIR|HL7RCV|HL7RCV|20260101120000+0000||ADT^{event}^ADT_A05|{control_id(number)}|T|2.5.1",
        "EVN||20260101120000+0000",
        f"PID|1||{number:07}^^^HOSP^MR~p-{number}^^^FHIR^FW||{family}^{given}^^^^^L||19{chance.randint(20, 99)}0{chance.randint(1, 9)}1{chance.randint(0, 9)}|"
        f"{chance.choice('FM')}|||{chance.randint(1, 99)} New Road^^{city}^IL^62701^US^H||^PRN^PH^^^^^^^^^+1 555 {number % 10000:04}",
        "PV1|1|N",
        "",
    ])


def median_ms(work, times: int) -> float:
    def once() -> float:
        began = time.perf_counter()
        work()
        return (time.perf_counter() - began) * 1000
    return statistics.median(once() for _ in range(times))


def main() -> None:
    binary, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        received = data / "store/received"
        received.mkdir(parents=True)
        chance = random.Random(7)
        for number in range(count):
            (received / control_id(number)).write_text(message(number, chance), newline="")
        free = "127.0.0.1:0"
        command = [binary, "up", "--json", "--data-dir", folder]
        command += [part for name in ("hook", "mllp", "inspector") for part in (f"--{name}-listen", free)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ADT_BRIDGE")}
        environment |= {"ADT_BRIDGE__STORE__KIND": "directory", "ADT_BRIDGE__STORE__PATH": str(data / "store")}
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
            try:
                api = json.loads(process.stdout.readline())["inspector"] + "/api/v1/"
                def get(path: str) -> dict:
                    with urllib.request.urlopen(api + path, timeout=60) as answer:
                        return json.load(answer)
                while not (overview := get("overview"))["complete"]:
                    time.sleep(0.2)
                assert overview["messages"] == count, overview
                print(f"{count} messages indexed in {time.perf_counter() - began:.1f} s")
                for name, query, pattern in SEARCHES:
                    path = "messages?limit=50&q=" + urllib.parse.quote(query)
                    found = len(get(path)["messages"])
                    searched = median_ms(lambda: get(path), 20)
                    line = f"{name:28} {found:3} shown  {searched:8.1f} ms"
                    if pattern:
                        scan = lambda: subprocess.run(["grep", "-rlF", pattern, received], stdout=subprocess.DEVNULL, check=False)
                        scan()
                        scanned = median_ms(scan, 3)
                        line += f"   full scan {scanned:8.1f} ms   ratio {scanned / searched:6.0f}"
                    print(line, flush=True)
            finally:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
