"""A POP3 client that leaves mail on the server: signs in, asks for all UIDs, reads some messages."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager

from bench import imap_search
from bench.imap import SETTLE
from bench.imap_search import Load
from bench.meters import Meter
from bench.target import PASSWORD, READER, Target

RETRIEVED = 2_000


def loads(messages: int) -> tuple[Load, ...]:
    return (Load("INBOX", messages),)


def mailhub(messages: int) -> AbstractAsyncContextManager[Target]:
    return imap_search.mailhub(loads(messages))


def dovecot(messages: int) -> AbstractAsyncContextManager[Target]:
    return imap_search.dovecot(loads(messages))


async def measure(target: Target, load: Load) -> dict[str, object]:
    """Milliseconds until UIDL is answered, the first time and again; messages read a second, one after another."""
    row: dict[str, object] = {"load": f"{load.messages} messages"}
    for name in ("first", "second", "third"):
        began = time.perf_counter()
        reader, writer = await _sign_in(target)
        await _ask(reader, writer, "STAT")
        row[f"stat_{name}_ms"] = round((time.perf_counter() - began) * 1_000, 2)
        await _ask(reader, writer, "UIDL", lines=True)
        row[f"uidl_{name}_ms"] = round((time.perf_counter() - began) * 1_000, 2)
        if name != "third":
            await _ask(reader, writer, "QUIT")
            writer.close()
            await asyncio.sleep(SETTLE)
    count = min(RETRIEVED, load.messages)
    meter = Meter(target.roots())
    for number in range(1, count + 1):
        await _ask(reader, writer, f"RETR {number}", lines=True)
    row["retr_per_second"] = round(count / meter.wall)
    row["retr_cpu_ms"] = round(meter.cpu() / count * 1_000, 3)
    await _ask(reader, writer, "QUIT")
    writer.close()
    return row


async def _sign_in(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(target.host, target.ports["pop3"], limit=1 << 22)
    await reader.readline()
    await _ask(reader, writer, f"USER {READER}")
    await _ask(reader, writer, f"PASS {PASSWORD}")
    return reader, writer


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str, *, lines: bool = False) -> None:
    writer.write(f"{line}\r\n".encode())
    if not (told := await reader.readline()).startswith(b"+OK"):
        raise SystemExit(f"{line}: {told!r}")
    if lines and await reader.readline() != b".\r\n":
        await reader.readuntil(b"\r\n.\r\n")
