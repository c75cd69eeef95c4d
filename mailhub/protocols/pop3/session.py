"""The life of a POP3 connection (RFC 1939): lines in, answers out; what a command does stands with its state."""

import asyncio
import logging
import secrets
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import islice

from mailhub.config.schema import Pop3
from mailhub.directory import Authenticator, Peer
from mailhub.mailbox.service import Mailboxes
from mailhub.model.errors import MailError
from mailhub.net.stream import ConnectionLost, LineTooLong, Stream
from mailhub.protocols.session import SessionContext, peer_of
from mailhub.wire.pop3 import BadCommand, Command, parse

from . import authorization, transaction
from .languages import said
from .maildrop import Maildrop, NoSuchMessage
from .turns import Turns

log = logging.getLogger("mailhub.pop3")

_PAGE = 1_000  # lines of a listing made at a time


async def serve(
    stream: Stream, context: SessionContext[Pop3], mailboxes: Mailboxes, authenticator: Authenticator, turns: Turns
) -> None:
    """Talk to one client until it leaves or is left."""
    await Pop3Session(stream, context, mailboxes, authenticator, turns).run()


class Pop3Session:
    """One connection. `drop` is there after login; `timestamp` stands in the greeting, "" where APOP is not offered."""

    def __init__(
        self,
        stream: Stream,
        context: SessionContext[Pop3],
        mailboxes: Mailboxes,
        authenticator: Authenticator,
        turns: Turns,
    ) -> None:
        self.stream, self.context, self.mailboxes, self.authenticator = stream, context, mailboxes, authenticator
        self.turns = turns
        self.options, self._clock = context.settings, context.clock
        self._login_until = self._clock.monotonic() + self.options.login_timeout
        self.held = ExitStack()  # its turn at the maildrop
        self.timestamp = ""
        self.user = ""
        self.language = "i-default"
        self.drop: Maildrop | None = None
        self.failures = self._errors = 0
        self._over = self._busy = self._draining = False

    # --- life ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        record = self.context.session
        record.on_abort(self.stream.abort)
        if authorization.apop_is_possible(self):
            self.timestamp = f"<{secrets.token_urlsafe(24)}@{self.context.hostname}>"
        self.ok(f"{self.context.hostname} POP3 ready {self.timestamp}".rstrip())
        record.on_drain(self._drain)
        try:
            while not self._over:
                await self._next()
                if self._draining and not self._over:
                    self.goodbye(f"[SYS/TEMP] {self.context.session.farewell}")
            await self.flush()
        except ConnectionLost:
            log.debug("%s: connection lost", record)
        except TimeoutError:
            log.debug("%s: too long without a word", record)
            self.stream.abort()  # without a response, says RFC 1939 section 3
        except asyncio.CancelledError:
            raise
        except Exception:
            self.goodbye("[SYS/TEMP] Internal error, see the server's log")
            raise
        finally:
            self.held.close()
            self.stream.close()
            record.end()

    def _drain(self) -> None:
        """Between two commands at once, else when the command under way is answered."""
        self._draining = True
        if not self._busy:
            self.goodbye(f"[SYS/TEMP] {self.context.session.farewell}")
            self.stream.close()

    async def line(self) -> bytes:
        """The client's next line without its end; the server may stop meanwhile. TimeoutError where it takes too long."""
        seconds = self.options.idle_timeout
        if self.drop is None:
            seconds = max(0.0, self._login_until - self._clock.monotonic())
        self._busy, record = False, self.context.session
        record.silent_since = self._clock.monotonic()
        async with self._clock.timeout(seconds):
            line = await self.stream.readline(self.options.line_length_limit)
        self._busy, record.silent_since = True, 0.0
        return line.rstrip(b"\r\n")

    async def _next(self) -> None:
        try:
            command = parse(await self.line())
        except LineTooLong:
            return await self.bad("line too long")
        except BadCommand as error:
            return await self.bad(str(error))
        self.context.session.doing = command.keyword
        try:
            await self._carry_out(command)
            await self.flush()
        finally:
            self.context.session.doing = ""

    async def _carry_out(self, command: Command) -> None:
        table = authorization.COMMANDS if self.drop is None else transaction.COMMANDS
        handler = table.get(command.keyword)
        if handler is None:
            return await self.bad("not in this state")
        try:
            await handler(self, command)
        except BadCommand as error:
            await self.bad(str(error))
        except NoSuchMessage as error:
            self.err(str(error))
        except MailError as error:
            log.info("%s: %s: %s", self.context.session, command.keyword, error)
            self.err("[SYS/TEMP] Temporary problem" if error.reply.temporary else f"[SYS/PERM] {error.reply.text}")

    def leave(self) -> None:
        """The command under way is the last."""
        self._over = True

    # --- answers ---------------------------------------------------------------------------------------------------

    def ok(self, text: str = "", tag: str = "") -> None:
        """`tag`: stands before the text, which is in the language that the client chose."""
        self._say("+OK", tag, text)

    def err(self, text: str, tag: str = "") -> None:
        self._say("-ERR", tag, text)

    def _say(self, *words: str) -> None:
        *before, text = words
        line = " ".join(filter(None, (*before, said(text, self.language))))
        self.stream.write(line.encode() + b"\r\n")

    def goodbye(self, text: str) -> None:
        if not self._over:
            self._over = True
            self.err(text)

    async def bad(self, text: str) -> None:
        self.err(text)
        self._errors += 1
        if self._errors >= self.options.error_limit:
            self.goodbye("[SYS/PERM] Too many errors")
        await self.flush()

    async def lines(self, lines: Iterable[str]) -> None:
        """A multi-line response after its first line, in pages."""
        rest = iter(lines)
        while page := list(islice(rest, _PAGE)):
            self.stream.write("".join([line + "\r\n" for line in page]).encode())
            await self.flush()
            await asyncio.sleep(0)
        self.stream.write(b".\r\n")

    async def flush(self) -> None:
        try:
            async with self._clock.timeout(self.options.idle_timeout):
                await self.stream.drain()
        except TimeoutError:
            self.stream.abort()
            raise ConnectionLost("the client reads no more") from None

    # --- what is allowed -------------------------------------------------------------------------------------------

    @property
    def peer(self) -> Peer:
        return peer_of(self.context, self.stream.tls)

    @property
    def passwords_allowed(self) -> bool:
        return self.stream.tls is not None or self.context.auth.allow_plaintext

    @property
    def may_start_tls(self) -> bool:
        return (
            self.stream.tls is None and self.context.tls == "starttls" and self.context.tls_context is not None
            and self.drop is None
        )  # fmt: skip
