"""APPEND and REPLACE (RFC 3501 section 6.3.11, RFC 3502, RFC 4469, RFC 8508): messages go in blocks from the stream, or from
messages that are there, to the store. One commit stores all of them, or none.
"""

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from mailhub.mailbox.service import Appended, BodyWriter
from mailhub.model.errors import MailError, NotFound
from mailhub.model.mailbox import Folder
from mailhub.wire.imap import appending, commands, responses, sequences
from mailhub.wire.imap.appending import Begin, Finish, Stretch, Text, Url, Whole
from mailhub.wire.imap.framing import Frame, Literal
from mailhub.wire.imap.lexer import BadSyntax, Lexer
from mailhub.wire.imap.urls import URL_LIMIT, BadUrl

from . import answers, messages, urls
from .answers import Answer, Refused, bad, no, ok
from .copying import find_target
from .selected import must_be_writable
from .store import split_flags

if TYPE_CHECKING:
    from .session import ImapSession

BACKLOG = 1_048_576  # octets that may wait for the disk
MOST = 1_000  # messages of one command: what one unit may touch
HELD = 8_388_608  # octets of small messages, which stay in memory until all are there
TOTAL = 10  # times `imap.append_limit`: octets of one command


async def append(session: "ImapSession", verb: commands.Append) -> Answer:
    """What can be refused is refused before a message is sent, where the client waits for that."""
    incoming = _Incoming(session, verb.stretch)

    async def store() -> Answer:
        target = await find_target(session, verb.mailbox)
        return ok("Appended", _uids(*await session.account.append(target, await incoming.take())))

    return await incoming.guarded(store())


async def replace(session: "ImapSession", verb: commands.Replace) -> Answer:
    """RFC 8508: the new message comes and the old one goes in one commit; APPENDUID is told before the EXPUNGE that follows."""
    incoming = _Incoming(session, verb.stretch)

    async def store() -> Answer:
        must_be_writable(session)
        uids = messages.uids_at(session.view, messages.places(session.view, verb.messages))
        if not uids:
            raise NotFound("no message of that UID")
        target = await find_target(session, verb.mailbox)
        taken = await incoming.take(most=1)
        stored = await session.account.append(target, taken, (session.view, uids[0]))
        session.write(b"* " + responses.state("OK", "Stored in its place", _uids(*stored)))
        return ok("Replaced")

    return await incoming.guarded(store())


def _uids(folder: Folder, uids: Sequence[int]) -> str:
    return f"APPENDUID {folder.uidvalidity} {sequences.compress(uids).decode()}"


class _Incoming:
    """The messages of one command on their way. `_literal`: what the client has announced; `_sending`: it was invited, and the
    rest of the command follows; `_unread`: octets of it that are still to come."""

    def __init__(self, session: "ImapSession", stretch: Stretch) -> None:
        self._session, self._reader, self._stretch = session, session.reader, stretch
        self._literal: Literal | None = session.literal
        self._unread = self._size = self._total = self._held = 0
        self._sending = False
        self._begun = Begin((), None)
        self._writers: list[BodyWriter] = []
        self._taken: list[Appended] = []
        self._most = MOST

    async def guarded(self, store: Awaitable[Answer]) -> Answer:
        """`store`, and after an error what the client still sends of the command is passed over."""
        done = False
        try:
            answer = await store
            done = True
        except (MailError, Refused, BadSyntax) as error:
            await self._pass_over()
            if isinstance(error, BadSyntax):
                return bad(error.text)
            return error.answer if isinstance(error, Refused) else answers.of_error(error)
        finally:
            if not done:
                for writer in self._writers:
                    writer.abort()
        return answer

    async def take(self, most: int = MOST) -> list[Appended]:
        """All messages of the command, stored as bodies."""
        self._most = most
        while True:
            for piece in self._stretch.pieces:
                await self._piece(piece)
            if self._literal is None:
                return self._taken
            await self._take_literal(self._literal)
            text = await self._rest()
            lexer = Lexer(Frame((text,)), utf8=self._reader.utf8)
            self._stretch = appending.read(lexer, self._stretch.expected, literal=self._literal is not None)

    async def _piece(self, piece: appending.Piece) -> None:
        match piece:
            case Begin():
                if len(self._taken) >= self._most:
                    raise Refused(no("Too many messages for one command", "LIMIT"))
                split_flags(piece.flags)
                self._begun, self._size = piece, 0
                self._writers.append(self._session.account.body_writer())
            case Url(url) if url is not None:
                await self._copy(url)
            case Finish():
                await self._finish()

    async def _take_literal(self, literal: Literal) -> None:
        """The literal that the last piece is about."""
        piece = self._stretch.pieces[-1]
        if isinstance(piece, Url):
            if literal.size > URL_LIMIT:
                raise Refused(no("URL too long", "TOOBIG"))
            await self._invite(literal)
            url = bytearray()
            while self._unread:
                url += await self._block()
            await self._copy(bytes(url))
            return
        if isinstance(piece, Whole) and not literal.size:  # RFC 3502 section 4: so a client takes the command back
            raise Refused(no("Message is empty", "CANNOT"))
        self._grow(literal.size)
        await self._invite(literal)
        while self._unread:
            block = await self._block()
            if literal.binary and b"\0" in block:
                raise Refused(no("Octets that no transfer encoding hides are not stored here", "UNKNOWN-CTE"))
            await self._feed(block)
        if not isinstance(piece, Text):
            await self._finish()

    async def _invite(self, literal: Literal) -> None:
        self._literal, self._unread, self._sending = None, literal.size, True
        await self._reader.invite(literal)

    async def _block(self) -> bytes:
        block = await self._reader.block(self._unread)
        self._unread -= len(block)
        return block

    async def _rest(self) -> bytes:
        """What stands behind the literal, to the end of the command or to the next."""
        self._sending = False
        text, self._literal = await self._reader.rest()
        return text

    def _grow(self, octets: int) -> None:
        limit = self._session.config.append_limit
        self._size += octets
        self._total += octets
        if self._size > limit:
            raise Refused(no("Message too big", "TOOBIG"))
        if self._total > limit * TOTAL:
            raise Refused(no("Too much for one command", "LIMIT"))

    async def _feed(self, block: bytes) -> None:
        writer = self._writers[-1]
        writer.feed(block)
        if writer.backlog > BACKLOG:
            await writer.drain()

    async def _copy(self, url: bytes) -> None:
        """RFC 4469 section 3: a part of a message that the account may read."""
        try:
            async with urls.opened_own(self._session, url) as part:
                self._grow(part.size)
                async for block in part.blocks():
                    await self._feed(block)
        except (BadUrl, NotFound):
            text = responses.string(url).decode("latin-1") if len(url) < 1_000 and url.isascii() else '""'
            raise Refused(no("That URL names nothing here", f"BADURL {text}")) from None

    async def _finish(self) -> None:
        if not self._size:
            raise Refused(no("Message is empty", "CANNOT"))
        bits, keywords = split_flags(self._begun.flags)
        body = await self._writers[-1].finish()
        self._held += 0 if body.data is None else body.size
        if self._held > HELD:
            raise Refused(no("Too many messages for one command", "LIMIT"))
        self._taken.append((body, self._begun.date, bits, keywords))

    async def _pass_over(self) -> None:
        while self._unread:
            await self._block()
        if self._sending:
            await self._rest()
        if self._literal is not None:
            await self._reader.skip(self._literal)
