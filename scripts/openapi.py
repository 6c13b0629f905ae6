"""schemathesis against a running hook: no 5xx but 501, and no status that openapi.json does not have.

usage: openapi.py ADT_BRIDGE_BINARY

Fixed seed, bounded examples: under a minute.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(binary):
    with tempfile.TemporaryDirectory() as data:
        free = "127.0.0.1:0"
        command = [binary, "--quiet", "up", "--json", "--data-dir", data, "--hook-listen", free, "--mllp-listen", free]
        bridge = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            hook = json.loads(bridge.stdout.readline())["hook"]
            schemathesis = Path(sys.executable).parent / "schemathesis"
            check = [schemathesis, "run", ROOT / "transform/openapi.json", "--url", hook]
            check += ["--checks", "no_server_error,status_code_conformance", "--phases", "examples,coverage,fuzzing"]
            check += ["--seed", "1", "--max-examples", "15", "--generation-database", "none", "--request-timeout", "20"]
            hooks = {"SCHEMATHESIS_HOOKS": "openapi_checks", "PYTHONPATH": str(ROOT / "scripts")}
            return subprocess.run(check, cwd=data, env={**os.environ, **hooks}).returncode
        finally:
            bridge.terminate()
            bridge.wait(timeout=60)


if __name__ == "__main__":
    sys.exit(main(str(Path(sys.argv[1]).resolve())))
