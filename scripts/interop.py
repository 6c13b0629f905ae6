"""The built bridge against other people's software: python-hl7, hl7apy, the router of FHIR Works on AWS.

usage: interop.py ADT_BRIDGE_BINARY

1. python-hl7's client sends to the bundled test server.
2. The real FHIR Works on AWS router creates, reads, updates and deletes through the hook.
3. The sender delivers to python-hl7's server over TLS.
4. hl7apy validates every message produced on the way, and the worked examples of the mapping.

Exits with 0 only when all of it ran and agreed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_SECONDS = 60


@contextmanager
def process(command, environment=None):
    """A child that prints one line of JSON when it is ready; SIGTERM at the end, and it must end well."""
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )
    try:
        line = child.stdout.readline()
        if not line:
            sys.exit(f"{command[0]} ended before it was ready")
        yield json.loads(line)
    finally:
        child.terminate()
        code = child.wait(timeout=DEADLINE_SECONDS)
    if code not in (0, -15):
        sys.exit(f"{command[0]} ended with {code}")


def bridge(binary, folder, environment=None):
    free = "127.0.0.1:0"
    command = [binary, "--quiet", "up", "--json", "--data-dir", str(folder)]
    command += ["--hook-listen", free, "--mllp-listen", free, "--mllp-plain-listen", free]
    return process(command, environment)


def wait_for(what, found):
    end = time.monotonic() + DEADLINE_SECONDS
    while not (value := found()):
        if time.monotonic() > end:
            sys.exit(f"not within {DEADLINE_SECONDS} s: {what}")
        time.sleep(0.05)
    return value


def post(hook, patient):
    request = urllib.request.Request(
        f"{hook}/persistence/Patient", json.dumps(patient).encode(), {"Content-Type": "application/fhir+json"}
    )
    with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as response:
        assert response.status == 201, response.status
        return json.load(response)["resource"]


def our_messages(received, folder):
    """Copies what the bridge itself sent; returns how many."""
    folder.mkdir(exist_ok=True)
    messages = [path for path in received if path.is_file() and b"|FHIRTRANSFORM|" in path.read_bytes()[:40]]
    for path in messages:
        shutil.copy(path, folder / f"{path.stem}.hl7")
    return len(messages)


def main(binary):
    python = sys.executable
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        produced = scratch / "produced"
        # One file per message, for those who read them below.
        files = {"ADT_BRIDGE__STORE__KIND": "directory", "ADT_BRIDGE__STORE__PATH": str(scratch / "a/store")}
        with bridge(binary, scratch / "a", files) as ready:
            print("python-hl7 client to the test server", flush=True)
            host, port = ready["mllp_plain"].rsplit(":", 1)
            subprocess.run([python, "interop/python/send.py", host, port], check=True, cwd=ROOT)

            print("FHIR Works on AWS router to the hook", flush=True)
            subprocess.run(
                ["npm", "test"],
                check=True,
                cwd=ROOT / "interop/fhir-works",
                env={**os.environ, "HOOK_URL": ready["hook"] + "/"},
            )
            received = scratch / "a/store/received"
            if our_messages(received.iterdir(), produced) < 3:
                sys.exit("the router's writes did not arrive")

        print("sender to python-hl7 server over TLS", flush=True)
        tls, inbox = scratch / "a/tls", scratch / "inbox"
        server = [python, str(ROOT / "interop/python/receive.py"), str(inbox)]
        server += ["--cert", str(tls / "server.pem"), "--key", str(tls / "server-key.pem")]
        with process(server) as listening:
            environment = {
                "ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS": f"127.0.0.1:{listening['port']}",
                "ADT_BRIDGE__SENDER__ENDPOINT__TLS__ENABLED": "true",
                "ADT_BRIDGE__SENDER__ENDPOINT__TLS__CA_FILE": str(tls / "ca.pem"),
            }
            with bridge(binary, scratch / "b", environment) as ready:
                patient = {
                    "resourceType": "Patient",
                    "name": [{"family": "Beispiel", "given": ["Zoë"]}],
                    "gender": "female",
                    "birthDate": "1983-02-28",
                    "address": [{"line": ["1 Test Way"], "city": "Ort", "country": "DE"}],
                    "contact": [{"name": {"family": "Kontakt"}, "telecom": [{"system": "phone", "value": "1"}]}],
                }
                post(ready["hook"], patient)
                files = wait_for("the message at python-hl7", lambda: sorted(inbox.glob("*.hl7")))
                our_messages(files, produced)

        print("hl7apy, level STRICT", flush=True)
        for folder in (produced, ROOT / "crates/fhir-adt/tests/examples"):
            subprocess.run([python, "interop/hl7apy/validate.py", str(folder)], check=True, cwd=ROOT)
    print("interop: all agreed")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
