"""A connection to a milter, as long as an SMTP session: events told, decisions and changes heard (`wire.milter`)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from msgspec import Struct

from mailhub.model.clock import Clock
from mailhub.net.stream import Stream
from mailhub.wire import milter
from mailhub.wire.milter import CHUNK, CONTINUE, Agreed, Change, Decision, Malformed, Response

from .service import Nonsense

CHANGES = 10_000  # of one message
_PATIENCE = 10  # times its limit that an answer may take in all, however often a filter says that it is at work

Macros = Iterable[tuple[str, str]]


class Limits(Struct, frozen=True):
    """Seconds: for a command's answer, for that to a part of the message."""

    command: float
    content: float


class Link:
    """`agreed`: what the filter wants to be told and may do. After any exception it is to be dropped."""

    def __init__(self, stream: Stream, agreed: Agreed, clock: Clock, limits: Limits) -> None:
        self._stream, self.agreed, self._clock, self._limits = stream, agreed, clock, limits

    @classmethod
    async def agree(cls, stream: Stream, version: int, clock: Clock, limits: Limits) -> "Link":
        """On a new connection; the caller bounds the time."""
        stream.write(milter.offer(version))
        await stream.drain()
        letter, content = await _packet(stream)
        if letter != b"O":
            raise Nonsense(f"an offer answered by {letter!r}")
        try:
            return cls(stream, milter.agreed(content, version), clock, limits)
        except Malformed as error:
            raise Nonsense(str(error)) from error

    async def tell(self, event: str, content: bytes = b"", macros: Macros = ()) -> Decision:
        """A command with its macros; what the filter thinks of it. TimeoutError, ConnectionLost, Nonsense."""
        if not self.agreed.wants(event):
            return CONTINUE
        seconds = self._limits.command if event in ("connect", "helo", "mail", "rcpt", "data") else self._limits.content
        async with self._clock.timeout(seconds * _PATIENCE):
            await self._send(event, content, macros, seconds)
            return await self._decision(seconds, None) if self.agreed.answers(event) else CONTINUE

    async def message(
        self,
        fields: Iterable[tuple[bytes, bytes]],
        blocks: AsyncIterator[bytes],
        ends: tuple[Macros, Macros],
        change: Callable[[Change], Awaitable[None]],
    ) -> Decision:
        """The whole of it: header, body, end. `ends`: macros of the end of the header, and of the message. `change` is called for what
        the filter wants changed, which it may say at the end alone."""
        for name, value in fields:
            decision = await self.tell("header", milter.texts(name.decode(), self._value(value)))
            if not decision.goes_on:
                return decision
        decision = await self.tell("end_of_header", b"", ends[0])
        if not decision.goes_on:
            return decision
        decision = await self._body(blocks)
        if not decision.goes_on:
            return decision
        seconds = self._limits.content
        async with self._clock.timeout(seconds * _PATIENCE):
            await self._send("end_of_data", b"", ends[1], seconds)
            return await self._decision(seconds, change)

    async def _body(self, blocks: AsyncIterator[bytes]) -> Decision:
        if not self.agreed.wants("body"):
            return CONTINUE
        async for block in blocks:
            for at in range(0, len(block), CHUNK):
                decision = await self.tell("body", block[at : at + CHUNK])
                if not decision.goes_on or decision.word == "skip":
                    return decision
        return CONTINUE

    def _value(self, value: bytes) -> str:
        """As filters see it: lines end with LF."""
        text = value.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")
        return text if self.agreed.steps & milter.Steps.LEADING_SPACE else text.removeprefix(" ")

    async def _send(self, event: str, content: bytes, macros: Macros, seconds: float) -> None:
        values = [pair for pair in macros if pair[1]]
        self._stream.write(
            (milter.macros(event, values) if values else b"") + milter.packet(milter.EVENTS[event].letter, content)
        )
        async with self._clock.timeout(seconds):
            await self._stream.drain()

    async def _decision(self, seconds: float, change: Callable[[Change], Awaitable[None]] | None) -> Decision:
        """`change` None: nothing may be changed now."""
        for _ in range(CHANGES):
            async with self._clock.timeout(seconds):
                said = _understood(*await _packet(self._stream))
            if isinstance(said, Decision):
                return said
            if isinstance(said, milter.Progress):
                continue
            if change is None or not milter.permitted(said, self.agreed.actions):
                raise Nonsense(f"{type(said).__name__}, which was not agreed on here")
            await change(said)
        raise Nonsense("no end of answers")

    def abort(self) -> None:
        """The message under way is none any more."""
        self._stream.write(milter.ABORT)

    def quit(self) -> None:
        """A farewell, and the end of the connection."""
        self._stream.write(milter.QUIT)
        self._stream.close()

    def drop(self) -> None:
        self._stream.abort()


async def _packet(stream: Stream) -> tuple[bytes, bytes]:
    """Its letter and content."""
    length = int.from_bytes(await stream.readexactly(4), "big")
    if not 1 <= length <= milter.PACKET_LIMIT:
        raise Nonsense(f"a packet of {length} octets")
    packet = await stream.readexactly(length)
    return packet[:1], packet[1:]


def _understood(letter: bytes, content: bytes) -> Response:
    try:
        return milter.response(letter, content)
    except Malformed as error:
        raise Nonsense(str(error)) from error
