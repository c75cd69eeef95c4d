"""A milter that follows a script, and writes down what it is told."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

NAMES = {
    b"C": "connect", b"H": "helo", b"M": "mail", b"R": "rcpt", b"T": "data", b"L": "header", b"N": "end_of_header", b"B": "body",
    b"E": "end_of_data", b"A": "abort", b"Q": "quit", b"D": "macros", b"O": "offer", b"U": "unknown",
}  # fmt: skip
ANSWERED = ("connect", "helo", "mail", "rcpt", "data", "header", "end_of_header", "body", "end_of_data", "unknown")


def said(letter: bytes, *texts: str, index: int | None = None, raw: bytes = b"") -> bytes:
    """A packet of an answer."""
    place = b"" if index is None else struct.pack(">I", index)
    content = place + b"".join(text.encode() + b"\0" for text in texts) + raw
    return struct.pack(">I", len(content) + 1) + letter + content


GO_ON = said(b"c")


def _key(event: str, texts: list[str]) -> str:
    """What a script may name beside the event: "rcpt <bob@mailhub.test>", "header Subject"."""
    return f"{event} {texts[0]}" if texts else event


@dataclass
class Scripted:
    """`script`: an event, or an event with its first text, to octets that answer it. `told`: events with their texts; macros are in
    `macros`, by event."""

    script: Mapping[str, bytes] = field(default_factory=dict)
    actions: int = 0x1FF
    steps: int = 0
    version: int = 6
    symbols: bytes = b""  # of the answer to the offer
    told: list[tuple[str, ...]] = field(default_factory=list)
    macros: dict[str, dict[str, str]] = field(default_factory=dict)
    offers: list[tuple[int, ...]] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    port: int = 0

    @property
    def address(self) -> str:
        return f"inet:127.0.0.1:{self.port}"

    def events(self, *but: str) -> list[str]:
        return [event for event, *_ in self.told if event not in but]

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    (length,) = struct.unpack(">I", await reader.readexactly(4))
                    packet = await reader.readexactly(length)
                    answer = self._answer(NAMES[packet[:1]], packet[1:])
                    if answer == b"hang up":
                        break
                    writer.write(answer)
                    await writer.drain()
        finally:
            self.closed += 1
            writer.close()

    def _answer(self, event: str, content: bytes) -> bytes:
        if event == "offer":
            self.offers.append(struct.unpack(">III", content[:12]))
            own = struct.pack(">III", self.version, self.actions, self.steps) + self.symbols
            return self.script.get("offer", said(b"O", raw=own))
        if event == "macros":
            words = content[1:].decode().split("\0")[:-1]
            self.macros[NAMES[content[:1]]] = dict(zip(words[::2], words[1::2], strict=True))
            return b""
        texts = [text.decode("utf-8", "surrogateescape") for text in content.split(b"\0")]
        if event not in ("body", "connect"):
            texts = texts[:-1]
        self.told.append((event, *texts))
        return self.script.get(_key(event, texts), self.script.get(event, GO_ON if event in ANSWERED else b""))


@contextlib.asynccontextmanager
async def milter(scripted: Scripted | None = None, **options: object) -> AsyncIterator[Scripted]:
    """Listening on a free port."""
    made = scripted or Scripted(**options)  # type: ignore[arg-type]
    server = await asyncio.start_server(made, "127.0.0.1", made.port)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
