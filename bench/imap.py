"""What a client does with a whole folder: opens it, lists it, reads, marks and adds to it; and how long a NOOP of another session
takes meanwhile. The client counts octets and parses nothing."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Self, cast

from bench.imap_search import Load
from bench.meters import Meter, percentile
from bench.target import PASSWORD, READER, Target

METADATA = "(FLAGS UID INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
BODIES = 1_000  # messages read whole
APPENDS = 300
SETTLE = 3  # seconds after which Dovecot trusts a folder's time, and does not list it anew
_TAIL = 8_192  # octets kept, with the last line whole: CAPABILITY is long
SESSIONS = 10  # of the second APPEND
MESSAGE = b"From: a@example.org\r\nSubject: appended\r\n\r\n" + (b"x" * 76 + b"\r\n") * 52
COMPARED = (
    "select_cold_ms", "select_warm_ms", "fetch_cold_ms", "fetch_ms", "fetch_flags_ms", "bodies_ms", "store_silent_ms", "store_ms",
    "append_per_second", "append_10_per_second",
)  # fmt: skip


class Client(asyncio.Protocol):
    """One connection. `ask` waits for the tagged answer to a command and counts the octets before it."""

    def __init__(self) -> None:
        self.octets = 0
        self.transport: asyncio.Transport
        self._tail = b""
        self._wanted = b"*"  # the greeting
        self._done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._awaited = b""
        self._heard: asyncio.Future[float] | None = None

    @classmethod
    async def open(cls, target: Target) -> Self:
        _, client = await asyncio.get_running_loop().create_connection(cls, target.host, target.ports["imap"])
        async with asyncio.timeout(60):
            await client._done
        await client.ask(f'LOGIN {READER} "{PASSWORD}"')
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("closed by the server"))

    def data_received(self, data: bytes) -> None:
        self.octets += len(data)
        if self._heard is not None and not self._heard.done() and self._awaited in data:
            self._heard.set_result(time.perf_counter())
        self._tail = data[-_TAIL:] if len(data) >= _TAIL else (self._tail + data)[-_TAIL:]
        if self._done.done() or not self._tail.endswith(b"\r\n"):
            return
        last = self._tail[:-2].rpartition(b"\r\n")[2]
        if last.startswith(self._wanted):
            self._done.set_result(last)

    def _wait(self, wanted: bytes) -> "asyncio.Future[bytes]":
        self._wanted, self._tail = wanted, b""
        self._done = asyncio.get_running_loop().create_future()
        return self._done

    async def ask(self, command: str) -> float:
        """Milliseconds until OK."""
        began = time.perf_counter()
        self.octets = 0
        answer = self._wait(b"t ")
        self.transport.write(f"t {command}\r\n".encode())
        told = await answer
        if not told.startswith(b"t OK"):
            raise SystemExit(f"{command}: {told!r}")
        return round((time.perf_counter() - began) * 1_000, 2)

    async def idle(self) -> None:
        answer = self._wait(b"+")
        self.transport.write(b"t IDLE\r\n")
        await answer

    def listen(self, word: bytes) -> "asyncio.Future[float]":
        """When a line with that word comes, by the clock of `time.perf_counter`."""
        self._awaited, self._heard = word, asyncio.get_running_loop().create_future()
        return self._heard

    async def append(self, folder: str) -> None:
        answer = self._wait(b"t ")
        self.transport.write(b"t APPEND %b {%d+}\r\n%b\r\n" % (folder.encode(), len(MESSAGE), MESSAGE))
        if not (told := await answer).startswith(b"t OK"):
            raise SystemExit(f"APPEND: {told!r}")

    def close(self) -> None:
        self.transport.abort()


async def measure(target: Target, load: Load) -> dict[str, object]:
    """Milliseconds of each command; `cpu`: seconds of the server for all of them."""
    row: dict[str, object] = {"load": f"{load.messages} messages"}
    meter = Meter(target.roots())
    client, other = await Client.open(target), await Client.open(target)
    select = f"SELECT {load.folder}"
    row["select_cold_ms"] = await client.ask(select)
    await asyncio.sleep(SETTLE)
    await client.ask(select)
    row["select_warm_ms"] = await client.ask(select)
    fetch = f"FETCH 1:* {METADATA}"
    row["fetch_cold_ms"] = await client.ask(fetch)
    row["fetch_mb"] = round(client.octets / 1e6, 2)
    row["fetch_ms"] = await client.ask(fetch)
    row["fetch_flags_ms"] = await client.ask("FETCH 1:* (UID FLAGS)")
    row["bodies_ms"] = await client.ask(f"FETCH 1:{min(BODIES, load.messages)} BODY.PEEK[]")
    row["store_silent_ms"] = await client.ask(r"STORE 1:* +FLAGS.SILENT (\Flagged)")
    row["store_ms"] = await client.ask(r"STORE 1:* +FLAGS (\Answered)")
    row["noop_in_fetch_p99_ms"] = await _beside(other, client.ask(fetch))
    row["noop_in_store_p99_ms"] = await _beside(other, client.ask(r"STORE 1:* -FLAGS (\Answered \Flagged)"))
    client.close()
    row.update(await _appends(target, other, f"A{load.messages}"))
    other.close()
    row["cpu_seconds"] = round(meter.cpu(), 2)
    return row


async def _beside(other: Client, work: Awaitable[float]) -> float:
    """The 99th percentile of NOOPs, in ms, that the other asks while the work is under way."""
    busy = asyncio.ensure_future(work)
    times: list[float] = []
    while not busy.done():
        times.append(await other.ask("NOOP") / 1_000)
        await asyncio.sleep(0.001)
    await busy
    return percentile(times, 0.99)


async def _appends(target: Target, client: Client, folder: str) -> dict[str, object]:
    """Messages of 4 KB a second, from one session and from several."""

    async def some(client: Client, count: int) -> None:
        for _ in range(count):
            await client.append(folder)

    await client.ask(f"CREATE {folder}")
    await some(client, 5)
    began = time.perf_counter()
    await some(client, APPENDS)
    one = APPENDS / (time.perf_counter() - began)
    clients = [await Client.open(target) for _ in range(SESSIONS)]
    began = time.perf_counter()
    await asyncio.gather(*(some(each, APPENDS // 3) for each in clients))
    many = APPENDS // 3 * SESSIONS / (time.perf_counter() - began)
    for each in clients:
        each.close()
    return {"append_per_second": round(one), f"append_{SESSIONS}_per_second": round(many)}
