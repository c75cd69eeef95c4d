"""What one message of 100 MB costs a server in memory: taken in by SMTP, delivered to a Maildir, and relayed.

python -m bench.large_message [--megabytes N] [--json FILE]
"""

import argparse
import asyncio
import base64
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.server import Server

HEAD = b"Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n" \
       b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"  # fmt: skip
TAIL = b"\r\n--b--\r\n"
LINE = base64.b64encode(os.urandom(57)) + b"\r\n"
BLOCK = LINE * 1_000
CONFIG = """
[smtp]
message_size_limit = 1_000_000_000

[delivery]
transport = [{{ "far.test" = "relay:[127.0.0.1]:{port}" }}]
"""


class Sink:
    """A mail host that counts octets."""

    def __init__(self) -> None:
        self.octets = 0
        self.done = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            writer.write(b"354 go on\r\n" if verb == b"DATA" else b"250 ok\r\n")
            if verb == b"DATA":
                last = b""
                while not last.endswith(b"\r\n.\r\n"):
                    block = await reader.read(1 << 16)
                    self.octets += len(block)
                    last = (last + block)[-5:]
                writer.write(b"250 taken\r\n")
                self.done.set()
        writer.close()


async def send(port: int, recipient: bytes, octets: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def reply() -> None:
        while (line := await reader.readline())[3:4] == b"-":
            pass
        if line[:1] not in b"23":
            raise SystemExit(f"refused: {line!r}")

    await reply()
    for command in (b"EHLO bench.test", b"MAIL FROM:<a@other.test>", b"RCPT TO:<%b>" % recipient, b"DATA"):
        writer.write(command + b"\r\n")
        await reply()
    writer.write(HEAD)
    for _ in range(octets // len(BLOCK)):
        writer.write(BLOCK)
        await writer.drain()
    writer.write(TAIL + b".\r\n")
    await reply()
    writer.write(b"QUIT\r\n")
    await reply()
    writer.close()


async def peak(process: psutil.Process, work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Resident MB before, and at the most meanwhile and in the three seconds after."""
    before = most = process.memory_info().rss
    task = asyncio.ensure_future(work())
    quiet = 0
    while quiet < 60:
        quiet = quiet + 1 if task.done() else 0
        most = max(most, process.memory_info().rss)
        await asyncio.sleep(0.05)
    await task
    return round(before / 1e6, 1), round(most / 1e6, 1)


async def run(megabytes: int) -> dict[str, object]:
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=Path(__file__).parent))
    sink = Sink()
    listening = await asyncio.start_server(sink.serve, "127.0.0.1", 0, limit=1 << 20)
    try:
        server = Server(folder, CONFIG.format(port=listening.sockets[0].getsockname()[1]))
        await server.accounts("u@example.test")
        await server.start()
        assert server.process is not None
        process, port = psutil.Process(server.process.pid), server.ports["smtp"]
        await send(port, b"u@example.test", 100_000)
        mail = folder / "var/mail"
        local = await peak(process, lambda: send(port, b"u@example.test", megabytes * 1_000_000))
        filed = max(file.stat().st_size for file in mail.rglob("*") if file.is_file())

        async def relay() -> None:
            await send(port, b"x@far.test", megabytes * 1_000_000)
            await asyncio.wait_for(sink.done.wait(), 120)

        relayed = await peak(process, relay)
        await server.stop()
    finally:
        listening.close()
        shutil.rmtree(folder)
    return {
        "case": "large_message", "megabytes": megabytes, "filed_octets": filed, "relayed_octets": sink.octets,
        "local_mb": local, "relay_mb": relayed,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "out" / "large_message.json")
    options = parser.parse_args()
    result = asyncio.run(run(options.megabytes))
    for name in ("local_mb", "relay_mb"):
        before, most = result[name]  # type: ignore[misc]
        print(f"{name[:-3]:>6}: {before} MB before, {most} MB at the most")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(f"{result['filed_octets']} octets filed, {result['relayed_octets']} relayed; written to {options.json}")


if __name__ == "__main__":
    main()
