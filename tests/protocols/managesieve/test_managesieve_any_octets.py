"""Any octets at all, cut anywhere: the session never raises, never hangs, and keeps no script that is none."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz, fuzzed, no_errors
from support.imap_transcripts import one_password

from mailhub.config import schema
from mailhub.mailbox.heavy import HeavyLane
from mailhub.mailbox.scripts import Scripts
from mailhub.model.clock import SystemClock
from mailhub.net.stream import Stream
from mailhub.protocols.managesieve import serve
from mailhub.protocols.session import SessionContext
from mailhub.store.sqlite import SqliteStore

ALICE = "alice@mailhub.test"
KEPT = {"a": b"keep;", "b": b"discard;"}
WORDS = st.sampled_from(
    [b"CAPABILITY", b"LISTSCRIPTS", b'GETSCRIPT "a"', b'GETSCRIPT "none"', b"GETSCRIPT {1+}\r\na", b"GETSCRIPT {1}\r\na", b'SETACTIVE "a"', b'SETACTIVE ""',
     b'PUTSCRIPT "a" {5+}\r\nkeep;', b'PUTSCRIPT "b" "discard;"', b'PUTSCRIPT "x" {4+}\r\nno i', b'PUTSCRIPT "x" {99999999+}', b'PUTSCRIPT "x" {-1+}',
     b'CHECKSCRIPT {5+}\r\nkeep;', b'CHECKSCRIPT "if {"', b'DELETESCRIPT "a"', b'DELETESCRIPT "none"', b'RENAMESCRIPT "a" "b"', b'HAVESPACE "a" 10',
     b'HAVESPACE "a" 99999999999999999999', b'NOOP "tag"', b"NOOP", b"UNAUTHENTICATE", b"LOGOUT", b"STARTTLS", b'AUTHENTICATE "PLAIN"', b'AUTHENTICATE "PLAIN" "="',
     b'AUTHENTICATE "LOGIN"', b'"*"', b"{0+}\r\n", b'"\xff"', b'GETSCRIPT "\\"', b"getscript \"a\"", b"GETSCRIPT {18446744073709551616+}", b"X" * 20_000]
)  # fmt: skip
LINES = st.lists(st.one_of(WORDS, WORDS, st.binary(max_size=30)), max_size=12).map(
    lambda lines: b"".join(line + b"\r\n" for line in lines)
)
LOGINS = st.sampled_from([b"", b'AUTHENTICATE "PLAIN" "AGFsaWNlAHNlY3JldA=="\r\n'])
STEPS = st.sampled_from([1, 7, 64, 100_000])


class Door:
    """A listener on loopback with a real store; `tasks`: sessions, and how each ended."""

    port = 0

    def __init__(self, store: SqliteStore, scripts: Scripts) -> None:
        self.store, self.scripts, self.tasks = store, scripts, list[asyncio.Task[None]]()


@asynccontextmanager
async def door(data: Path) -> AsyncIterator[Door]:
    config, clock, lane = schema.Config(auth=schema.Auth(allow_plaintext=True)), SystemClock(), HeavyLane()
    store = SqliteStore(data, config.store, clock, config.hostname)
    await store.open()
    scripts = Scripts(store.sieve, config.sieve, lane)
    one = Door(store, scripts)
    for name, text in KEPT.items():
        await scripts.put(ALICE, name, text)

    def connected(stream: Stream) -> None:
        context = SessionContext(
            service="managesieve", hostname="mx.test", clock=clock, settings=config.managesieve, auth=config.auth
        )
        one.tasks.append(asyncio.ensure_future(serve(stream, context, scripts, one_password(clock, config.auth))))

    server = await asyncio.get_running_loop().create_server(lambda: Stream(clock, connected), "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        lane.close()
        await store.close()


async def attempted(one: Door, octets: bytes, step: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
    with contextlib.suppress(OSError):
        for start in range(0, len(octets), step):
            writer.write(octets[start : start + step])
        writer.write_eof()
    said = b""
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(20):
            while block := await reader.read(65_536):
                said += block
    writer.close()
    await asyncio.wait_for(one.tasks.pop(), 20)  # its crash is ours
    assert b"TRYLATER" not in said
    left = dict(await one.store.sieve.texts(ALICE))
    assert set(left.values()) <= {*KEPT.values()}, "a script that is none was kept"
    if b"AUTHENTICATE" not in octets:
        assert left == KEPT, "without signing in"


@fuzzed
def test_any_octets(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        context = door(tmp_path)
        one = runner.run(context.__aenter__())

        @fuzz(150)
        @given(LINES, LOGINS, LINES, STEPS)
        def attempt(before: bytes, login: bytes, after: bytes, step: int) -> None:
            runner.run(restored(one))
            with no_errors():
                runner.run(attempted(one, before + login + after, step))

        try:
            attempt()
        finally:
            runner.run(context.__aexit__(None, None, None))


async def restored(one: Door) -> None:
    """As it was before what the last attempt deleted and renamed."""
    there = dict(await one.store.sieve.texts(ALICE))
    if there != KEPT:
        await one.store.sieve.activate(ALICE, "")
        for name in there:
            await one.store.sieve.delete(ALICE, name)
        for name, text in KEPT.items():
            await one.scripts.put(ALICE, name, text)
