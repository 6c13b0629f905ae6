"""Sends HL7 messages with python-hl7 (its `mllp_send` command and its MLLPClient) and checks the replies.

usage: python send.py HOST PORT

For an MLLP endpoint in clear that stores ADT messages, such as test-hl7-server: python-hl7's client has no TLS.
Exits with 0 when every reply was the expected one. All people in the messages are invented.
"""

import argparse
import subprocess
import sys
import tempfile
import uuid
from datetime import datetime, timezone
from pathlib import Path

import hl7
from hl7.client import CR, EB, SB, MLLPClient

RUN = uuid.uuid4().hex[:8].upper()
"""Sets the control ids of this run apart from those of earlier ones."""


def adt(number, event="A28", patient=None, family="Ünal", version="2.5.1", charset="UNICODE UTF-8"):
    """An ADT message, as text with CR line ends."""
    now = datetime.now(timezone.utc).strftime("%Y%m%d%H%M%S+0000")
    patient = patient or f"interop-{RUN.lower()}-{number}"
    return "\r".join([
        f"MSH|^~\\&|INTEROP|PYTHON|HL7RCV|HL7RCV|{now}||ADT^{event}^ADT_A05|{RUN}-{number}|T|{version}"
        f"||||||{charset}",
        f"EVN||{now}||||{now}",
        f"PID|1||{patient}^^^FHIR^FW||{family}^Zoë||19800101|F",
        "PV1|1|N",
    ]) + "\r"


def check(name, reply, expected, control_id):
    """Compares MSA-1 and MSA-2 of one framed reply."""
    assert reply.startswith(SB) and reply.endswith(EB + CR), f"{name}: not one MLLP block: {reply!r}"
    msa = hl7.parse(reply[1:-2].decode("utf-8")).segment("MSA")
    code, answered = str(msa[1]), str(msa[2]) if len(msa) > 2 else ""
    assert (code, answered) == (expected, control_id), f"{name}: {code} {answered}, not {expected} {control_id}"
    print(f"ok  {name}: {code}")


def mllp_send(host, port, content, *options):
    """Runs the command line tool on a file and returns the replies it printed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "messages.hl7")
        file.write_bytes(content)
        tool = Path(sys.executable).with_name("mllp_send")
        command = [tool, "--port", str(port), "--file", file, *options, host]
        printed = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    return [reply + EB + CR for reply in printed.split(EB + CR + b"\n") if reply]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    host, port = arguments.host, arguments.port

    framed = b"".join(SB + adt(number).encode() + EB + CR for number in range(1, 21))
    replies = mllp_send(host, port, framed)
    assert len(replies) == 20, f"mllp_send: {len(replies)} replies to 20 messages"
    for number, reply in enumerate(replies, start=1):
        check(f"mllp_send, message {number}", reply, "AA", f"{RUN}-{number}")

    lines = (adt(30) + adt(31)).replace("\r", "\r\n").encode()
    replies = mllp_send(host, port, lines, "--loose")
    for number, reply in zip((30, 31), replies, strict=True):
        check(f"mllp_send --loose, message {number}", reply, "AA", f"{RUN}-{number}")

    with MLLPClient(host, port) as client:
        check("MLLPClient, text", client.send_message(adt(40)), "AA", f"{RUN}-40")
        message = hl7.parse(adt(41, event="A31"))
        check("MLLPClient, hl7.Message", client.send_message(message), "AA", f"{RUN}-41")
        check("MLLPClient, the same again", client.send_message(message), "AA", f"{RUN}-41")
        latin_1 = adt(42, charset="8859/1").encode("latin-1")
        check("MLLPClient, ISO 8859-1", client.send_message(latin_1), "AA", f"{RUN}-42")
        check("MLLPClient, another message under a used id", client.send_message(adt(42)), "AE", f"{RUN}-42")
        check("MLLPClient, unknown version", client.send_message(adt(43, version="9.9")), "AR", f"{RUN}-43")
        check("MLLPClient, not HL7", client.send_message("hello"), "AR", "")
        large = adt(44, family="L" * 1_000_000)
        check("MLLPClient, one million characters", send_all(client, large), "AA", f"{RUN}-44")


def send_all(client, message):
    """As MLLPClient.send_message, which gives up the rest of a message that does not fit into the socket."""
    client.socket.sendall(SB + message.encode() + EB + CR)
    return client.socket.recv(4096)


if __name__ == "__main__":
    main()
