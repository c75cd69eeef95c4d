"""The life of a POP3 connection: AUTHORIZATION, TRANSACTION, UPDATE (RFC 1939)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice

from mailhub.config.schema import Pop3
from mailhub.directory import Account, Authenticator, Peer, Refused
from mailhub.mailbox.service import Mailboxes, MessageFile
from mailhub.model.errors import MailError, Temporary
from mailhub.net.stream import ConnectionLost, LineTooLong, Stream
from mailhub.protocols.session import SessionContext, peer_of
from mailhub.wire import sasl
from mailhub.wire.pop3 import BadCommand, Command, Stuffer, Top, parse

from .maildrop import Maildrop, NoSuchMessage

log = logging.getLogger("mailhub.pop3")

_BLOCK = 65_536  # octets of a message read at a time
_PAGE = 1_000  # lines of a listing made at a time


async def serve(
    stream: Stream, context: SessionContext[Pop3], mailboxes: Mailboxes, authenticator: Authenticator
) -> None:
    """Talk to one client until it leaves or is left."""
    await Pop3Session(stream, context, mailboxes, authenticator).run()


class Pop3Session:
    """One connection. `_drop` is there after login."""

    def __init__(
        self, stream: Stream, context: SessionContext[Pop3], mailboxes: Mailboxes, authenticator: Authenticator
    ) -> None:
        self._stream, self._context, self._mailboxes, self._authenticator = stream, context, mailboxes, authenticator
        self._config, self._clock = context.settings, context.clock
        self._login_until = self._clock.monotonic() + self._config.login_timeout
        self._user = ""
        self._drop: Maildrop | None = None
        self._errors = self._failures = 0
        self._over = self._busy = self._draining = False

    # --- life ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        record = self._context.session
        record.on_abort(self._stream.abort)
        self._ok(f"{self._context.hostname} POP3 ready")
        record.on_drain(self._drain)
        try:
            while not self._over:
                await self._next()
                if self._draining and not self._over:
                    self._goodbye("[SYS/TEMP] Server is going down")
            await self._flush()
        except ConnectionLost:
            log.debug("%s: connection lost", record)
        except TimeoutError:
            log.debug("%s: too long without a word", record)
            self._stream.abort()  # without a response, says RFC 1939 section 3
        except asyncio.CancelledError:
            raise
        except Exception:
            self._goodbye("[SYS/TEMP] Internal error, see the server's log")
            raise
        finally:
            if self._drop is not None:
                self._drop.close()
            self._stream.close()
            record.end()

    def _drain(self) -> None:
        """Between two commands at once, else when the command under way is answered."""
        self._draining = True
        if not self._busy:
            self._goodbye("[SYS/TEMP] Server is going down")
            self._stream.close()

    async def _line(self) -> bytes:
        """The client's next line without its end; the server may stop meanwhile. TimeoutError where it takes too long."""
        seconds = self._config.idle_timeout
        if self._drop is None:
            seconds = max(0.0, self._login_until - self._clock.monotonic())
        self._busy = False
        async with self._clock.timeout(seconds):
            line = await self._stream.readline(self._config.line_length_limit)
        self._busy = True
        return line.rstrip(b"\r\n")

    async def _next(self) -> None:
        try:
            command = parse(await self._line())
        except LineTooLong:
            return await self._bad("line too long")
        except BadCommand as error:
            return await self._bad(str(error))
        self._context.session.doing = command.keyword
        try:
            await self._carry_out(command)
            await self._flush()
        finally:
            self._context.session.doing = ""

    async def _carry_out(self, command: Command) -> None:
        table = _AUTHORIZATION if self._drop is None else _TRANSACTION
        handler = table.get(command.keyword)
        if handler is None:
            return await self._bad("not in this state")
        try:
            await handler(self, command)
        except BadCommand as error:
            await self._bad(str(error))
        except NoSuchMessage as error:
            self._err(str(error))
        except MailError as error:
            log.info("%s: %s: %s", self._context.session, command.keyword, error)
            self._err("[SYS/TEMP] Temporary problem" if error.reply.temporary else f"[SYS/PERM] {error.reply.text}")

    # --- answers ---------------------------------------------------------------------------------------------------

    def _ok(self, text: str = "") -> None:
        self._stream.write(f"+OK {text}".rstrip().encode() + b"\r\n")

    def _err(self, text: str) -> None:
        self._stream.write(f"-ERR {text}\r\n".encode())

    def _goodbye(self, text: str) -> None:
        if not self._over:
            self._over = True
            self._err(text)

    async def _bad(self, text: str) -> None:
        self._err(text)
        self._errors += 1
        if self._errors >= self._config.error_limit:
            self._goodbye("[SYS/PERM] Too many errors")
        await self._flush()

    async def _lines(self, lines: Iterable[str]) -> None:
        """A multi-line response after its first line, in pages."""
        rest = iter(lines)
        while page := list(islice(rest, _PAGE)):
            self._stream.write("".join([line + "\r\n" for line in page]).encode())
            await self._flush()
            await asyncio.sleep(0)
        self._stream.write(b".\r\n")

    async def _flush(self) -> None:
        try:
            async with self._clock.timeout(self._config.idle_timeout):
                await self._stream.drain()
        except TimeoutError:
            self._stream.abort()
            raise ConnectionLost("the client reads no more") from None

    @property
    def _passwords_allowed(self) -> bool:
        return self._stream.tls is not None or self._context.auth.allow_plaintext

    @property
    def _may_start_tls(self) -> bool:
        return (
            self._stream.tls is None and self._context.tls == "starttls" and self._context.tls_context is not None
            and self._drop is None
        )  # fmt: skip

    # --- AUTHORIZATION ---------------------------------------------------------------------------------------------

    async def _capa(self, command: Command) -> None:
        """RFC 2449 section 5."""
        lines = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"]
        if self._passwords_allowed:
            lines.append("USER")
        if mechanisms := self._authenticator.offered(self._peer):
            lines.append("SASL " + " ".join(mechanisms))
        if self._may_start_tls:
            lines.append("STLS")
        self._ok("Capabilities")
        await self._lines([*lines, "IMPLEMENTATION mailhub"])

    async def _stls(self, command: Command) -> None:
        """RFC 2595 section 4. Plaintext that came behind STLS ends the connection."""
        make = self._context.tls_context
        if not self._may_start_tls or make is None:
            return await self._bad("TLS is active already, or not offered here")
        self._ok("Begin TLS negotiation")
        await self._flush()
        self._user = ""
        try:
            await self._stream.start_tls(make(), self._context.handshake_timeout)
        except ConnectionLost as error:
            log.info("%s: STLS failed: %s", self._context.session, error)
            self._stream.abort()
            raise

    async def _name(self, command: Command) -> None:
        if self._check_privacy():
            self._user = command.arguments[0]
            self._ok("Send PASS")

    async def _password(self, command: Command) -> None:
        if not self._check_privacy():
            return None
        if not self._user:
            return await self._bad("USER first")
        user, self._user = self._user, ""
        try:
            account = await self._authenticator.authenticate(
                user, command.arguments[0], service="pop3", client=self._context.session.client
            )
        except MailError as error:
            return self._undecided(error)
        return await self._concluded(account)

    @property
    def _peer(self) -> Peer:
        return peer_of(self._context, self._stream.tls)

    def _check_privacy(self) -> bool:
        if not self._passwords_allowed:
            self._err("[AUTH] Passwords are taken under TLS only")
        return self._passwords_allowed

    async def _auth(self, command: Command) -> None:
        """RFC 5034. Without an argument: the mechanisms, as clients older than it ask."""
        if not command.arguments:
            self._ok("Mechanisms")
            return await self._lines(self._authenticator.offered(self._peer))
        name = command.arguments[0].upper()
        exchange = self._authenticator.begin(name, self._peer)
        if exchange is None:
            if name in sasl.MECHANISMS and not self._check_privacy():
                return None
            return await self._bad("unknown mechanism")
        initial = command.arguments[1].encode() if len(command.arguments) > 1 else None
        try:
            step = await exchange.step(None if initial is None else sasl.decode(initial))
            while isinstance(step, sasl.Challenge):
                self._stream.write(b"+ " + sasl.encode(step.text) + b"\r\n")
                await self._flush()
                line = await self._line()
                if line == b"*":
                    return self._err("Authentication cancelled")
                step = await exchange.step(sasl.decode(line))
        except LineTooLong:
            return await self._bad("line too long")
        except sasl.SaslError as error:
            return await self._bad(f"malformed response: {error}")
        except MailError as error:
            return self._undecided(error)
        return await self._concluded(None if isinstance(step, Refused) else step.account)

    def _undecided(self, error: MailError) -> None:
        log.warning("%s: login undecided: %s", self._context.session, error)
        self._err("[SYS/TEMP] Temporary problem, try again later")

    async def _concluded(self, account: Account | None) -> None:
        if account is None:
            self._failures += 1
            self._err("[AUTH] Wrong login or password")
            if self._failures >= self._context.auth.failure_limit:
                self._goodbye("[AUTH] Too many failed logins")
            return None
        self._drop = await Maildrop.open(self._mailboxes.account(account.name))
        self._context.session.login = account.name
        return self._ok(f"{self._drop.count} messages ({self._drop.size} octets)")

    # --- TRANSACTION -----------------------------------------------------------------------------------------------

    @property
    def _mail(self) -> Maildrop:
        assert self._drop is not None  # by the tables below
        return self._drop

    async def _stat(self, command: Command) -> None:
        self._ok(f"{self._mail.count} {self._mail.size}")

    async def _list(self, command: Command) -> None:
        await self._listing(command, self._mail.scan_listing)

    async def _uidl(self, command: Command) -> None:
        await self._listing(command, self._mail.unique_id)

    async def _listing(self, command: Command, describe: Callable[[int], str]) -> None:
        if command.arguments:
            return self._ok(describe(self._mail.number(command.arguments[0])))
        self._ok(f"{self._mail.count} messages ({self._mail.size} octets)")
        return await self._lines(map(describe, self._mail.numbers()))

    async def _retr(self, command: Command) -> None:
        await self._send(self._mail.number(command.arguments[0]), None)

    async def _top(self, command: Command) -> None:
        number, lines = self._mail.top_arguments(command.arguments)
        await self._send(number, lines)

    async def _send(self, number: int, lines: int | None) -> None:
        """The message, or its header and the first `lines` lines of its body."""
        async with await self._mail.message(number) as file:
            context, mail = self._context, self._mailboxes
            mail.trace.fetched(file.name, context.session.login, context.service, context.session.client)
            self._ok(f"{self._mail.octets(number)} octets" if lines is None else "Top of message")
            try:
                await self._blocks(file, None if lines is None else Top(lines))
            except BaseException:
                # half a message must not look like a whole one, which the client may delete next
                self._stream.abort()
                raise

    async def _blocks(self, file: MessageFile, top: Top | None) -> None:
        stuffer, offset = Stuffer(), 0
        while offset < file.size and not (top is not None and top.full):
            block = await file.read(offset, _BLOCK)
            if not block:
                raise Temporary("the message file is shorter than it was")
            offset += len(block)
            self._stream.write(stuffer.feed(block if top is None else top.cut(block)))
            await self._flush()
        self._stream.write(stuffer.end())

    async def _dele(self, command: Command) -> None:
        number = self._mail.number(command.arguments[0])
        self._mail.delete(number)
        self._ok(f"Message {number} deleted")

    async def _noop(self, command: Command) -> None:
        self._ok()

    async def _rset(self, command: Command) -> None:
        self._mail.reset()
        self._ok(f"{self._mail.count} messages ({self._mail.size} octets)")

    async def _quit(self, command: Command) -> None:
        """UPDATE (RFC 1939 section 6): only now are messages removed."""
        self._over = True
        if self._drop is not None:
            try:
                await self._drop.update()
            except MailError as error:
                log.error("%s: messages could not be removed: %s", self._context.session, error)
                return self._err("[SYS/TEMP] Some deleted messages were not removed")
        return self._ok("Bye")


Handler = Callable[[Pop3Session, Command], Awaitable[None]]
_AUTHORIZATION: dict[str, Handler] = {
    "CAPA": Pop3Session._capa, "STLS": Pop3Session._stls, "USER": Pop3Session._name, "PASS": Pop3Session._password,
    "AUTH": Pop3Session._auth, "QUIT": Pop3Session._quit,
}  # fmt: skip
_TRANSACTION: dict[str, Handler] = {
    "CAPA": Pop3Session._capa, "STAT": Pop3Session._stat, "LIST": Pop3Session._list, "UIDL": Pop3Session._uidl,
    "RETR": Pop3Session._retr, "TOP": Pop3Session._top, "DELE": Pop3Session._dele, "NOOP": Pop3Session._noop,
    "RSET": Pop3Session._rset, "QUIT": Pop3Session._quit,
}  # fmt: skip
