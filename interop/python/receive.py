"""Runs python-hl7's asyncio MLLP server: keeps what it receives in a folder and answers AA.

usage: python receive.py FOLDER [--port PORT] [--cert FILE --key FILE]

Prints one line of JSON with the port it listens on. Message n becomes FOLDER/n.hl7 (from 000001), byte for byte,
and is on disk before it is answered. Ends with SIGTERM.
"""

import argparse
import asyncio
import json
import os
import signal
import ssl
from itertools import count
from pathlib import Path

import hl7
from hl7.mllp import start_hl7_server

MAX_FRAME_BYTES = 16 * 1024 * 1024


async def serve(arguments):
    folder = Path(arguments.folder)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = count(1)

    async def converse(reader, writer):
        try:
            while not writer.is_closing():
                block = await reader.readblock()
                message = hl7.parse(block.decode("utf-8"))
                keep(folder / f"{next(numbers):06}.hl7", block)
                writer.writemessage(message.create_ack("AA"))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the peer has closed
        finally:
            writer.close()

    context = None
    if arguments.cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.cert, arguments.key)
    server = await start_hl7_server(
        converse, "127.0.0.1", arguments.port, limit=MAX_FRAME_BYTES, encoding="utf-8", ssl=context
    )
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    server.close()


def keep(path, block):
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        file.write(block)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument("--cert", help="PEM; with it and --key the server speaks TLS")
    parser.add_argument("--key", help="PEM")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
