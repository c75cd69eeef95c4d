"""What daemons have changed in a message that is whole, before it is stored: header, body, sender, recipients."""

import logging
from collections.abc import AsyncIterator

from msgspec import Struct, field

from mailhub.message.draft import Draft
from mailhub.message.window import BLOCK
from mailhub.model import address
from mailhub.model.envelope import Recipient
from mailhub.queue.spool import Spool
from mailhub.scanners.service import Nonsense
from mailhub.store.api import Body, BodyWriter
from mailhub.wire import milter
from mailhub.wire.smtp import ChunkReader, SyntaxRefused, parse_path, recipient_parameters

from .letter import Letter

log = logging.getLogger("mailhub.policy")

_LINE = 1 << 30  # octets
_LIMIT = 1_000  # recipients that are added
_DSN = frozenset(("DSN",))


class EnvelopeChanges(Struct):
    """`sender`: None where it stays. `removed`: keys of addresses."""

    sender: str | None = None
    added: dict[str, Recipient] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)

    def recipients(self, before: tuple[Recipient, ...]) -> tuple[Recipient, ...]:
        kept = (one for one in before if address.key(one.address) not in self.removed)
        return tuple(dict.fromkeys((*kept, *self.added.values())))


class Alterations:
    """Of one message. `limit`: octets of a body that takes the place of another; 0: none."""

    def __init__(self, letter: Letter, header: bytes, spool: Spool, limit: int) -> None:
        self._letter, self._spool, self._limit = letter, spool, limit
        self.draft = Draft(header)
        self.envelope = EnvelopeChanges()
        self.quarantine = ""  # why it is to be held
        self.trouble: list[str] = []  # who could not be asked about it, and why
        self._spaces = False
        self._lines = _chunks()
        self._replacing: BodyWriter | None = None  # by the filter that speaks now
        self._replaced: tuple[BodyWriter, Body] | None = None

    @property
    def changed(self) -> bool:
        """Whether what is stored is another one."""
        return self.draft.changed or self._replaced is not None

    async def blocks(self) -> AsyncIterator[bytes]:
        """The body as it is now."""
        if self._replaced is None:
            async for block in self._letter.blocks(start=self._letter.start):
                yield block
            return
        body = self._replaced[1]
        for at in range(0, body.size, BLOCK):
            yield body.data[at : at + BLOCK] if body.data is not None else await self._spool.read_body(body, at, BLOCK)

    def begin(self, *, leading_space: bool) -> None:
        """A filter is about to speak. `leading_space`: its header values bring the blank behind the colon."""
        self._spaces = leading_space

    async def finish(self) -> None:
        """It has spoken to the end."""
        if self._replacing is not None:
            await self._take(self._lines.finish())
        writer, self._replacing = self._replacing, None
        if writer is not None:
            before, self._replaced = self._replaced, (writer, await writer.finish())
            if before is not None:
                before[0].abort()

    def settled(self) -> None:
        """Whether or not it has: half a body is none."""
        if self._replacing is not None:
            self._replacing.abort()
            self._replacing = None

    def abort(self) -> None:
        self.settled()
        if self._replaced is not None:
            self._replaced[0].abort()
            self._replaced = None

    def missed(self, why: str, *, hold: bool) -> None:
        """A filter could not be asked; `hold`: then the message waits for the operator."""
        self.trouble.append(why)
        if hold:
            self.quarantine = self.quarantine or why

    async def change(self, change: milter.Change) -> None:
        """One that a filter asks for. Nonsense where a bound is passed."""
        draft, envelope = self.draft, self.envelope
        match change:
            case milter.AddHeader(name, value):
                draft.add(name, self._value(value))
            case milter.InsertHeader(index, name, value):
                draft.insert(index, name, self._value(value))
            case milter.ChangeHeader(index, name, value):
                draft.change(index, name, self._value(value) if value else "")
            case milter.ReplaceBody(content):
                await self._replace(content)
            case milter.AddRecipient(text, parameters):
                self._add(text, parameters)
            case milter.DeleteRecipient(text):
                key = address.key(text)
                envelope.added.pop(key, None)
                envelope.removed.add(key)
            case milter.ChangeSender(text):
                if text == "" or _is_address(text):
                    envelope.sender = text
                else:
                    log.warning("milter: not followed: sender %.200r", text)
            case milter.Quarantine(reason):
                self.quarantine = reason or "by a milter"

    def _value(self, value: str) -> str:
        return value if self._spaces else f" {value}"

    async def _replace(self, content: bytes) -> None:
        """Its line ends become CRLF."""
        if self._replacing is None:
            self._replacing, self._lines = self._spool.body_writer(), _chunks()
        if self._limit and self._replacing.size + len(content) > self._limit:
            raise Nonsense("a body that is larger than smtp.message_size_limit")
        await self._take(self._lines.feed(content))

    async def _take(self, octets: bytes) -> None:
        if self._lines.fault is not None:
            raise Nonsense(f"a body that can not be taken: {self._lines.fault.name}")
        assert self._replacing is not None
        self._replacing.feed(octets)
        await self._replacing.drain()

    def _add(self, text: str, parameters: str) -> None:
        try:
            found = recipient_parameters(f" {parameters}" if parameters.strip() else "", _DSN)
        except SyntaxRefused:
            log.warning("milter: not followed: parameters %.200r", parameters)
            found = recipient_parameters("", _DSN)
        if not _is_address(text):
            return log.warning("milter: not followed: recipient %.200r", text)
        if len(self.envelope.added) >= _LIMIT:
            raise Nonsense(f"more than {_LIMIT} recipients")
        key = address.key(text)
        self.envelope.removed.discard(key)
        self.envelope.added[key] = Recipient(text, found.notify, found.orcpt)
        return None

    async def stored(self) -> tuple[BodyWriter, Body]:
        """The message with all that, to take the place of the one that came. Temporary."""
        writer = self._spool.body_writer()
        try:
            writer.feed(self.draft.header + b"\r\n")
            async for block in self.blocks():
                writer.feed(block)
                await writer.drain()
            body = await writer.finish()
        except BaseException:
            writer.abort()
            raise
        if self._replaced is not None:
            self._replaced[0].abort()
            self._replaced = None
        return writer, body


def _chunks() -> ChunkReader:
    return ChunkReader(0, _LINE, "normalize", binary=False)


def _is_address(text: str) -> bool:
    """With a domain, and nothing behind it."""
    try:
        path, rest = parse_path(f"<{text}>")
    except SyntaxRefused:
        return False
    return not rest and path.address == text and all(address.split(text))
