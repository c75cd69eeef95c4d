"""The life of a ManageSieve connection: commands in, responses out; what a command does stands in `commands`."""

import asyncio
import logging

from mailhub import __version__
from mailhub.config.schema import Managesieve
from mailhub.directory import Account, Authenticator, Peer
from mailhub.mailbox.scripts import BadScript, Scripts
from mailhub.model.errors import Exists, LimitReached, MailError, NotFound, Permanent
from mailhub.net.stream import ConnectionLost, LineTooLong, Stream
from mailhub.protocols.session import SessionContext, peer_of
from mailhub.wire.sieve import managing
from mailhub.wire.sieve.managing import BadCommand, Command, Literal
from mailhub.wire.sieve.signatures import EXTENSIONS

from . import commands

log = logging.getLogger("mailhub.managesieve")

BEFORE_LOGIN = 16_384  # octets of the literals of somebody unknown
_BLOCK = 65_536
_ARGUMENTS = 10  # of one command, and more than any has
_PATIENCE = 8  # times the limit of a literal that is read to be thrown away


async def serve(
    stream: Stream, context: SessionContext[Managesieve], scripts: Scripts, authenticator: Authenticator
) -> None:
    """Talk to one client until it leaves or is left."""
    await ManagesieveSession(stream, context, scripts, authenticator).run()


class Hopeless(Exception):
    """What follows in the stream is not worth reading."""


class ManagesieveSession:
    """One connection. `account`: whose scripts these are, "" before the login."""

    def __init__(
        self, stream: Stream, context: SessionContext[Managesieve], scripts: Scripts, authenticator: Authenticator
    ) -> None:
        self.stream, self.context, self.scripts, self.authenticator = stream, context, scripts, authenticator
        self.options, self._clock = context.settings, context.clock
        self._login_until = self._clock.monotonic() + self.options.login_timeout
        self.account = ""
        self.failures = self._errors = 0
        self._over = self._busy = self._draining = False

    # --- life --------------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        record = self.context.session
        record.on_abort(self.stream.abort)
        self.capabilities()
        self.ok(f"{self.context.hostname} ManageSieve ready")
        record.on_drain(self._drain)
        try:
            await self.flush()
            while not self._over:
                await self._next()
                if self._draining and not self._over:
                    self.goodbye(self.context.session.farewell, "TRYLATER")
            await self.flush()
        except ConnectionLost:
            log.debug("%s: connection lost", record)
        except TimeoutError:
            self.goodbye("Too long without a word")
        except Hopeless as error:
            self.goodbye(str(error))
        except asyncio.CancelledError:
            raise
        except Exception:
            self.goodbye("Internal error, see the server's log")
            raise
        finally:
            self.stream.close()
            record.end()

    def _drain(self) -> None:
        """Between two commands at once, else when the command under way is answered."""
        self._draining = True
        if not self._busy:
            self.goodbye(self.context.session.farewell, "TRYLATER")
            self.stream.close()

    async def _next(self) -> None:
        try:
            command = managing.command(await self.arguments())
        except LineTooLong:
            return await self.bad("Line too long")
        except BadCommand as error:
            return await self.bad(str(error).capitalize())
        self.context.session.doing = command.verb
        try:
            await self._carry_out(command)
            await self.flush()
        finally:
            self.context.session.doing = ""
        return None

    async def _carry_out(self, command: Command) -> None:
        handler = commands.ANYTIME.get(command.verb)
        if handler is None:
            table = commands.SIGNED_IN if self.account else commands.BEFORE
            handler = table.get(command.verb)
        if handler is None:
            return self.no("Sign out first" if self.account else "Sign in first")
        try:
            await handler(self, command)
        except MailError as error:
            self._refused(error)

    def _refused(self, error: MailError) -> None:
        """RFC 5804 section 1.3"""
        match error:
            case BadScript():
                self.no(str(error).replace("\n", "\r\n"))
            case NotFound():
                self.no("There is no such script", "NONEXISTENT")
            case Exists():
                self.no("There is a script of that name", "ALREADYEXISTS")
            case LimitReached():
                self.no(f"Over the limit: {error}", _QUOTAS.get(str(error), "QUOTA"))
            case Permanent():
                self.no(str(error).capitalize())
            case _:
                log.warning("%s: %s", self.context.session, error)
                self.no("Temporary problem, try again later", "TRYLATER")

    # --- reading -----------------------------------------------------------------------------------------------------------

    async def arguments(self) -> list[managing.Argument]:
        """Of one command, literals read; the server may stop before it begins."""
        self._busy = False
        found: list[managing.Argument] = []
        size = 0
        while True:
            line = await self._line()
            arguments, literal = managing.line(line)
            found += arguments
            if literal is None:
                return found
            size += literal.size
            if len(found) > _ARGUMENTS:
                raise Hopeless("Too many arguments")
            found.append(await self._literal(literal, size))

    async def _line(self) -> bytes:
        record = self.context.session
        record.silent_since = self._clock.monotonic()
        async with self._clock.timeout(self._seconds()):
            line = await self.stream.readline(self.options.line_length_limit)
        self._busy, record.silent_since = True, 0.0
        return line.rstrip(b"\r\n")

    async def _literal(self, literal: Literal, total: int) -> bytes:
        if not literal.plus:
            raise Hopeless("Literals of clients end in +}")
        limit = self.scripts.size_limit if self.account else BEFORE_LOGIN
        if total > _PATIENCE * limit:
            raise Hopeless("Literal too big")
        pieces: list[bytes] = []
        left = literal.size
        async with self._clock.timeout(self._seconds()):
            while left:
                piece = await self.stream.read(min(left, _BLOCK))
                left -= len(piece)
                if total <= limit:
                    pieces.append(piece)
        if total > limit:
            return b" " * (limit + 1)  # is refused for its size by whoever looks at it
        return b"".join(pieces)

    def _seconds(self) -> float:
        if self.account:
            return self.options.idle_timeout
        return max(0.0, self._login_until - self._clock.monotonic())

    # --- answers -----------------------------------------------------------------------------------------------------------

    def write(self, octets: bytes) -> None:
        self.stream.write(octets)

    def ok(self, text: str = "", code: str = "") -> None:
        self.write(managing.response("OK", text, code))

    def no(self, text: str, code: str = "") -> None:
        self.write(managing.response("NO", text, code))

    def goodbye(self, text: str, code: str = "") -> None:
        if not self._over:
            self._over = True
            self.write(managing.response("BYE", text, code))

    def leave(self) -> None:
        """The command under way is the last."""
        self._over = True

    async def bad(self, text: str) -> None:
        self.no(text)
        self._errors += 1
        if self._errors >= self.options.error_limit:
            self.goodbye("Too many errors")
        await self.flush()

    async def flush(self) -> None:
        try:
            async with self._clock.timeout(self.options.idle_timeout):
                await self.stream.drain()
        except TimeoutError:
            self.stream.abort()
            raise ConnectionLost("the client reads no more") from None

    def capabilities(self) -> None:
        """RFC 5804 section 1.7"""
        found = {
            "IMPLEMENTATION": f"mailhub {__version__}",
            "VERSION": "1.0",
            "SIEVE": " ".join(EXTENSIONS),
            "NOTIFY": "mailto",
            "MAXREDIRECTS": str(self.scripts.redirect_limit),
            "SASL": "" if self.account else " ".join(self.authenticator.offered(self.peer)),
            "LANGUAGE": "en",
        }
        if self.account:
            found["OWNER"] = self.account
        for name, value in found.items():
            self.write(managing.string(name.encode()) + b" " + managing.string(value.encode()) + b"\r\n")
        if self.may_start_tls:
            self.write(b'"STARTTLS"\r\n')
        self.write(b'"UNAUTHENTICATE"\r\n')

    # --- who is there ------------------------------------------------------------------------------------------------------

    @property
    def peer(self) -> Peer:
        return peer_of(self.context, self.stream.tls)

    @property
    def may_start_tls(self) -> bool:
        return (
            self.stream.tls is None and self.context.tls == "starttls" and self.context.tls_context is not None
            and not self.account
        )  # fmt: skip

    def log_in(self, account: Account) -> None:
        self.account = self.context.session.login = account.name

    def log_out(self) -> None:
        """As after the greeting; TLS stays (RFC 5804 section 2.14.1)."""
        self.account = self.context.session.login = ""
        self._login_until = self._clock.monotonic() + self.options.login_timeout


_QUOTAS = {"sieve.script_count": "QUOTA/MAXSCRIPTS", "sieve.script_limit": "QUOTA/MAXSIZE"}
