"""The host that mail is relayed to. It takes most of it, and misbehaves in all the ways that hosts do."""

import asyncio
import contextlib
import random
import re

from .ledger import Copy, Ledger

_NUMBER = re.compile(rb"^Subject: soak (\d+) ", re.M)
_PATH = re.compile(rb"TO:<([^>]*)>", re.I)
_END = b"\r\n.\r\n"


class Vanished(Exception):
    """We hang up."""


class FarHost:
    """`open()` and `shut()` its door; `port` stays."""

    def __init__(self, ledger: Ledger, chance: random.Random) -> None:
        self._ledger, self._chance = ledger, chance
        self._door: asyncio.Server | None = None
        self.port = 0
        self.rude = 0.04  # share of steps at which it does something

    async def open(self) -> None:
        self._door = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 22)
        self.port = self._door.sockets[0].getsockname()[1]

    def shut(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, Vanished):
            await self._talk(reader, writer)
        writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        life = len(self._ledger.ends)
        writer.write(b"421 4.3.2 Not now\r\n" if self._sometimes() else b"220 far.test ESMTP\r\n")
        recipients: list[str] = []
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"RCPT" and (found := _PATH.search(line)):
                if self._sometimes():
                    writer.write(b"450 4.2.0 Later\r\n")
                    continue
                recipients.append(found[1].decode())
            if verb == b"DATA":
                if not recipients:
                    writer.write(b"554 5.5.1 No recipients\r\n")
                    continue
                writer.write(b"354 Go on\r\n")
                await self._take(reader, writer, recipients, life)
            elif verb == b"EHLO":
                writer.write(b"250-far.test\r\n250 PIPELINING\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 Bye\r\n")
                await writer.drain()
                return
            else:
                writer.write(b"250 Ok\r\n")
            if verb in (b"DATA", b"MAIL"):
                recipients = []

    async def _take(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, recipients: list[str], life: int
    ) -> None:
        if self._sometimes():
            await reader.readline()
            raise Vanished
        text = await reader.readuntil(_END)
        if self._sometimes():
            writer.write(b"451 4.3.0 Try again\r\n")
            return None
        if self._sometimes():
            await asyncio.sleep(self._chance.uniform(0.5, 3.0))
        cut, found = self._sometimes(), _NUMBER.search(text)
        if found is None:
            return self._ledger.blame(f"the far host got what nobody sent: {text[:200]!r}")
        copy = Copy(asyncio.get_running_loop().time(), cut, life)
        for recipient in recipients:
            self._ledger.copies.setdefault((int(found[1]), recipient), []).append(copy)
        if cut:
            raise Vanished
        writer.write(b"250 Taken\r\n")
        return None

    def _sometimes(self) -> bool:
        return self._chance.random() < self.rude
