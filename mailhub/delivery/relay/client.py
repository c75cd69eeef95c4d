"""One SMTP connection to a peer: greeting, EHLO, STARTTLS, then one transaction after another. Every wait is on the clock.

Until the first octet of a body is sent, what goes wrong is raised: `Refused` with the peer's reply, `Lost` for all else.
Nothing has happened then, and another connection or host may be asked. From there on nothing is raised: an end without an
answer is a temporary failure of the transaction, because the peer may have taken the message.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import aiosmtplib

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.net import tls as net_tls

from . import words
from .body import stuffed
from .connection import Connection, Replies
from .mx import Host

_LIBRARY_TIMEOUT = 86_400.0  # asyncio's own timer for handshakes reads real time: ours, on the clock, comes first
_GOODBYE = 5.0  # seconds for the answer to QUIT
_LOST = "4.4.2"  # RFC 3463 section 3.5: bad connection
_NO_ANSWER = "4.4.1"
_NONSENSE = "4.5.0"
UNREADABLE = Reply(451, "4.3.0", "The message can not be read now")


class Refused(Exception):
    """The peer said no: to the session, or to MAIL for all recipients."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class Lost(Exception):
    """No connection, no answer, or nonsense: try again later. `enhanced`: the status code of that (RFC 3463)."""

    def __init__(self, cause: str, enhanced: str = _LOST) -> None:
        super().__init__(cause)
        self.enhanced = enhanced


class TlsFailed(Lost):
    """STARTTLS was offered and did not work."""


@dataclass(frozen=True, slots=True)
class Answers:
    """`recipients`: to each RCPT; `message`: to the message, for those whose RCPT was welcome. `ours`: that was not the
    peer's word but ours for what went wrong."""

    recipients: list[Reply]
    message: Reply
    ours: bool = False


class Client:
    """`connect`, then `transaction` any number of times, then `quit`. `used`: transactions made; `tls`: what was negotiated,
    "" in the clear; `name`: what the peer calls itself."""

    def __init__(self, host: Host, config: schema.Relay, hostname: str, clock: Clock) -> None:
        self.host, self._config, self._hostname, self._clock = host, config, hostname, clock
        self.used = 0
        self.tls = self.name = ""
        self._connection: Connection | None = None
        self._unfinished = False  # a transaction that the peer may still have open

    @property
    def alive(self) -> bool:
        return self._connection is not None and self._connection.is_connected

    # --- the session -------------------------------------------------------------------------------------------------

    async def connect(self, context: ssl.SSLContext | None) -> None:
        """Up to the EHLO that counts. With a context STARTTLS is used where it is offered."""
        connected = await self._dial()
        self._connection = Connection(connected, self._hostname)
        async with self._within(self._config.greeting_timeout):
            await self._connection.connect()
        await self._hello()
        if context is not None and self.offers("starttls"):
            await self._secure(context)

    async def _dial(self) -> socket.socket:
        """A connected socket. Literals only: names are for the resolver."""
        six = ":" in self.host.address
        made = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            if source := self._config.source_ipv6 if six else self._config.source_ipv4:
                made.bind((source, 0))
            async with self._clock.timeout(self._config.connect_timeout):
                await asyncio.get_running_loop().sock_connect(
                    made, (self.host.address, self.host.port or self._config.port)
                )
        except TimeoutError as error:  # ours or the kernel's
            made.close()
            raise Lost(f"connect to {self.host}: no answer in time", _NO_ANSWER) from error
        except OSError as error:
            made.close()
            raise Lost(f"connect to {self.host}: {error.strerror or error}", _NO_ANSWER) from error
        except BaseException:
            made.close()
            raise
        return made

    async def _hello(self) -> None:
        async with self._within(self._config.command_timeout):
            connection = self._open()
            try:
                answer = await connection.ehlo()
            except aiosmtplib.SMTPHeloError as error:
                if error.code < 500 or not connection.is_connected:
                    raise
                answer = await connection.helo()  # an old one, that knows no EHLO (RFC 5321 section 3.2)
        self.name = answer.message.partition("\n")[0].partition(" ")[0].lower()

    async def _secure(self, context: ssl.SSLContext) -> None:
        """The name of a literal is no name for SNI: its address is given, which the ssl module leaves out."""
        name = self.host.address if self.host.name.startswith("[") else self.host.name
        try:
            async with self._within(self._config.command_timeout):
                await self._open().starttls(server_hostname=name, tls_context=context, timeout=_LIBRARY_TIMEOUT)
                self.tls = net_tls.describe(self._open().get_transport_info("ssl_object"))
        except (Lost, Refused) as error:
            raise TlsFailed(f"STARTTLS: {error}") from error
        await self._hello()

    def offers(self, extension: str) -> bool:
        return self._connection is not None and self._connection.supports_extension(extension)

    @property
    def size_limit(self) -> int:
        """Octets that the peer says it takes in one message (RFC 1870); 0: no limit was named."""
        said = "" if self._connection is None else self._connection.esmtp_extensions.get("size", "")
        return int(said) if said.isascii() and said.isdigit() and len(said) <= 20 else 0

    async def quit(self) -> None:
        """A polite end, as far as the peer lets us."""
        with contextlib.suppress(Lost, Refused):
            if self.alive:
                async with self._within(_GOODBYE):
                    await self._replies().send([b"QUIT"])[0]
        self.close()

    def close(self) -> None:
        """Close at once. What is half said stays half said: the peer has no whole message."""
        if self._connection is not None:
            self._connection.abort()

    # --- a transaction -----------------------------------------------------------------------------------------------

    async def transaction(self, mail: str, recipients: Sequence[str], body: AsyncIterator[bytes]) -> Answers:
        """One message, `mail` as MAIL's argument. Refused or Lost before the body was begun, and only then; 421 is a refusal
        for all, wherever it comes."""
        self.used += 1
        if self._unfinished:
            await self._group(b"RSET")
        self._unfinished = True
        first = f"MAIL FROM:{mail}".encode()
        to = [f"RCPT TO:<{recipient}>".encode() for recipient in recipients]
        if self.offers("pipelining"):
            answer, *answers, go = await self._group(first, *to, b"DATA")
            self._must(answer, "MAIL", go)
            replies = [words.of_recipient(answer) for answer in answers]
        else:
            self._must((await self._group(first))[0], "MAIL")
            replies = [words.of_recipient((await self._group(line))[0]) for line in to]
            if not any(reply.ok for reply in replies):
                return Answers(replies, replies[-1])
            go = (await self._group(b"DATA"))[0]
        wanted = any(reply.ok for reply in replies)
        if go.code == 354:
            # RFC 2920 section 3.1: a pipelined DATA may be welcome without a recipient; then nothing is sent
            return await self._message(replies, body if wanted else _nothing())
        if go.ok and wanted:
            self.close()
            raise Lost(f"{self.host} answered DATA with {go}", _NONSENSE)
        return Answers(replies, go)

    async def _group(self, *lines: bytes) -> list[Reply]:
        """Commands said at once, and the answers to them (RFC 2920)."""
        async with self._within(self._config.command_timeout):
            waiting = self._replies().send(lines)
        answers = []
        for asked in waiting:
            async with self._within(self._config.command_timeout):
                answers.append(words.reply(*await asked))
            if answers[-1].code == 421:
                self.close()
                raise Refused(answers[-1])
        return answers

    def _must(self, answer: Reply, command: str, go: Reply | None = None) -> None:
        """`go`: the answer to a DATA said in one breath with it."""
        if answer.code // 100 == 2:
            return
        if answer.ok or (go is not None and go.code == 354):
            self.close()  # out of step, or waiting for a message from nobody
        if answer.ok:
            raise Lost(f"{self.host} answered {command} with {answer}", _NONSENSE)
        raise Refused(answer)

    async def _message(self, replies: list[Reply], body: AsyncIterator[bytes]) -> Answers:
        """The body and the answer to it. Whatever else happens is temporary and ends the connection."""
        try:
            return Answers(replies, await self._body(body))
        except Lost as lost:
            return Answers(replies, Reply(451, lost.enhanced, str(lost)), ours=True)
        except MailError as error:
            self.close()
            return Answers(replies, error.reply if error.reply.temporary else UNREADABLE, ours=True)
        except BaseException:
            self.close()
            raise

    async def _body(self, body: AsyncIterator[bytes]) -> Reply:
        final = self._replies().ask()
        early = False
        async for block in stuffed(body):
            if early := final.done():
                break
            async with self._within(self._config.data_timeout):
                self._replies().write(block)
                await self._replies().drain()
        async with self._within(self._config.data_timeout):
            reply = words.reply(*await final)
        if early or reply.code == 421:
            self.close()
        if reply.code // 100 == 3 or (early and reply.ok):
            self.close()
            raise Lost(
                f"{self.host} answered the message, {'before' if early else 'at'} its end, with {reply}", _NONSENSE
            )
        self._unfinished = False
        return reply

    # --- what can go wrong -------------------------------------------------------------------------------------------

    def _open(self) -> Connection:
        if self._connection is None:
            raise Lost(f"{self.host}: not connected")
        return self._connection

    def _replies(self) -> Replies:
        replies = self._open().replies
        if replies is None:
            raise Lost(f"{self.host}: connection lost")
        return replies

    @contextlib.asynccontextmanager
    async def _within(self, timeout: float) -> AsyncIterator[None]:
        """The library's errors as ours, and silence as one of them. After any of them the connection is of no use."""
        try:
            async with self._clock.timeout(timeout):
                yield
        except TimeoutError as error:
            self.close()
            raise Lost(f"{self.host}: no answer within {timeout:.0f} seconds") from error
        except aiosmtplib.SMTPResponseException as error:
            self.close()
            raise Refused(words.reply(error.code, error.message)) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            self.close()
            raise Lost(f"{self.host}: {error or type(error).__name__}") from error
        except asyncio.CancelledError:
            self.close()
            raise


async def _nothing() -> AsyncIterator[bytes]:
    """The least message there is."""
    yield b"\r\n"
