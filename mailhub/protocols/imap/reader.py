"""Lines and literals from the stream to commands, within limits; what is too much is refused before it is read."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from mailhub.config.schema import Imap
from mailhub.net.stream import LineTooLong, Stream
from mailhub.wire.imap import parser, responses
from mailhub.wire.imap.commands import Command
from mailhub.wire.imap.framing import Frame, Framer, Literal, TooBig

from .answers import Answer

BEFORE_LOGIN = 65_536  # octets of the literals of a command from somebody unknown
BLOCK = 65_536


class Unreadable(Exception):
    """What the client sent is no command; `answer` says so, `tag` is None where there was none."""

    def __init__(self, tag: bytes | None, answer: Answer) -> None:
        super().__init__(answer.text)
        self.tag, self.answer = tag, answer


class Hopeless(Exception):
    """What follows in the stream is not worth reading: "* BYE" with this text, and code."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.text, self.code = text, code


class Request(Struct, frozen=True):
    """A command; `literal` is the first of an APPEND or REPLACE, which is still to be read."""

    command: Command
    literal: Literal | None = None


class Reader:
    """Reads one session's commands. `waiting(awaitable)` is how it waits for the client: with the session's timeout."""

    def __init__(self, stream: Stream, config: Imap, waiting: "Callable[[Awaitable[bytes]], Awaitable[bytes]]") -> None:
        self._stream, self._config, self._waiting = stream, config, waiting
        self._framer = Framer(config.line_length_limit)
        self.authenticated = self.utf8 = False

    async def line(self) -> bytes:
        """A line without its end; Unreadable where it is too long."""
        return (await self.raw_line()).rstrip(b"\r\n")

    async def raw_line(self) -> bytes:
        """The same with its end."""
        try:
            return await self._waiting(self._stream.readline(self._config.line_length_limit))
        except LineTooLong:
            self._framer.reset()
            raise Unreadable(None, Answer("BAD", "Line too long", "TOOBIG")) from None

    async def request(self, opening: Callable[[], Awaitable[bytes]]) -> Request:
        """The next command; `opening` waits for the line that it begins with. Raises Unreadable (the session goes on) and
        Hopeless (it does not)."""
        self._framer.reset()
        line = await opening()
        while True:
            try:
                got = self._framer.line(line)
            except TooBig:
                raise Hopeless("Command too long", "TOOBIG") from None
            if isinstance(got, Frame):
                return Request(self._parsed(got))
            found = await self._before(got)
            if found is not None:
                return Request(found, got)
            await self._take(got)
            line = await self.raw_line()

    def _parsed(self, frame: Frame) -> Command:
        try:
            return parser.parse(frame, utf8=self.utf8)
        except parser.BadCommand as error:
            raise Unreadable(error.tag, Answer("BAD", error.text)) from error

    async def _before(self, literal: Literal) -> Command | None:
        """The APPEND or REPLACE that `literal` is a message of; None where it is an argument. Refuses those too big."""
        frame = self._framer.frame()
        try:
            append = parser.streamed(frame, utf8=self.utf8)
        except parser.BadCommand as error:
            await self.skip(literal)
            raise Unreadable(error.tag, Answer("BAD", error.text)) from error
        if append is not None and self.authenticated:
            return append
        limit = self._config.literal_limit if self.authenticated else min(BEFORE_LOGIN, self._config.literal_limit)
        if append is not None or self._framer.literal_octets + literal.size > limit:
            await self.skip(literal)
            text = "Literal too big" if append is None else "Log in first"
            raise Unreadable(parser.tag_of(frame), Answer("BAD", text, "" if append else "TOOBIG"))
        return None

    async def _take(self, literal: Literal) -> None:
        await self.invite(literal)
        pieces: list[bytes] = []
        left = literal.size
        while left:
            piece = await self.block(left)
            left -= len(piece)
            pieces.append(piece)
        self._framer.literal(b"".join(pieces))

    async def invite(self, literal: Literal) -> None:
        """Tell the client to send its literal, if it waits for that."""
        if literal.synchronising:
            self._stream.write(responses.continuation(b"OK"))
            await self._stream.drain()

    async def block(self, most: int) -> bytes:
        """Some octets of a literal, at most `most`."""
        return await self._waiting(self._stream.read(min(most, BLOCK)))

    async def rest(self) -> tuple[bytes, Literal | None]:
        """What follows a literal: text to the end of the command, or to the next literal."""
        self._framer.reset()
        try:
            got = self._framer.line(await self.raw_line())
        except TooBig:
            raise Hopeless("Command too long", "TOOBIG") from None
        if isinstance(got, Literal):
            return self._framer.frame().texts[0], got
        return got.texts[0], None

    async def skip(self, literal: Literal) -> None:
        """Get past a command that is refused at this literal: nothing to do where the client waits, else the rest of
        the command is read and forgotten (RFC 7888 section 4). Hopeless where that is more than an honest client sends."""
        left = 2 * self._config.append_limit if self.authenticated else BEFORE_LOGIN
        while not literal.synchronising:
            left -= literal.size
            if left < 0:
                raise Hopeless("Literal too big", "TOOBIG")
            size = literal.size
            while size:
                size -= len(await self.block(size))
            self._framer.reset()
            got = self._framer.line(await self.raw_line())
            if isinstance(got, Frame):
                return
            literal = got
