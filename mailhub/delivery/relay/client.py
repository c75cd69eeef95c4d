"""One SMTP connection to a peer: greeting, EHLO, STARTTLS, then one transaction after another. Every wait is on the clock.

What goes wrong is raised: `Refused` with the peer's reply, `Lost` for all else (`errors`). A transaction raises as long as
the peer can not have taken the message, and never after that (`transaction`).
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import aiosmtplib

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.model.reply import Reply
from mailhub.net import tls as net_tls

from . import words
from .connection import Asked, Connection, Replies
from .demand import Demand
from .errors import NONSENSE, Lost, Refused, TlsFailed
from .mx import Host
from .tls_check import NOT_OFFERED, Checker, NotWhom, handshake_result

log = logging.getLogger("mailhub.relay")

_LIBRARY_TIMEOUT = 86_400.0  # asyncio's own timer for handshakes reads real time: ours, on the clock, comes first
_GOODBYE = 5.0  # seconds for the answer to QUIT


class Client:
    """`connect`, then transactions, then `quit`. `used`: transactions made; `fresh`: none was, and it was never kept; `unfinished`: the
    peer may still have one open; `recipient_limit`: of one; `tls`: what was negotiated, "" in the clear; `name`: what the peer calls
    itself; `demand`: what its TLS is, at least; `source`: our address."""

    connection_type = Connection
    final = False  # whether who is behind it delivers, and relays no further

    def __init__(
        self, host: Host, config: schema.Relay, hostname: str, clock: Clock, demand: Demand, checker: Checker
    ) -> None:
        self.host, self._config, self._hostname, self._clock = host, config, hostname, clock
        self.demand, self._checker = demand, checker
        self.used = 0
        self.fresh = True
        self.unfinished = False
        self.recipient_limit = config.recipient_limit
        self.tls = self.name = self.source = ""
        self._ignored = frozenset(keyword.lower() for keyword in config.discard_ehlo_keywords)
        self._limits: dict[str, int] = {}
        self._connection: Connection | None = None

    @property
    def alive(self) -> bool:
        return self._connection is not None and self._connection.is_connected

    @property
    def exhausted(self) -> bool:
        """Whether no further transaction is to be made."""
        limits = (self._config.messages_per_connection, self.limit("MAILMAX"))
        return self.used >= min(limit for limit in limits if limit)

    # --- the session -------------------------------------------------------------------------------------------------

    async def connect(self, connected: socket.socket) -> None:
        """Up to the EHLO that counts. TlsFailed where the connection can not be what is demanded."""
        self.source = "" if connected.family == socket.AF_UNIX else str(connected.getsockname()[0])
        self._connection = self.connection_type(connected, self._hostname)
        async with self.within(self._config.greeting_timeout):
            await self._connection.connect()
        await self._hello()
        if self.demand.level != "none" and self.offers("starttls"):
            await self._secure()
        elif self.demand.mandatory:
            self.close()
            cause = f"TLS is required, but was not offered by host {self.host}"
            raise TlsFailed(cause, NOT_OFFERED, "4.7.4", self.demand.basis)

    async def _hello(self) -> None:
        async with self.within(self._config.command_timeout):
            connection = self._open()
            try:
                answer = await connection.ehlo()
            except aiosmtplib.SMTPHeloError as error:
                if error.code < 500 or not connection.is_connected:
                    raise
                answer = await connection.helo()  # an old one, that knows no EHLO (RFC 5321 section 3.2)
        self.name = answer.message.partition("\n")[0].partition(" ")[0].lower()
        told = (word.partition("=") for word in self.value("limits").upper().split())
        self._limits = {name: _number(value) for name, _, value in told}

    async def _secure(self) -> None:
        """STARTTLS (RFC 3207), and nothing said after it before the peer is known to be whom the policy demands.

        The name of a literal is no name for SNI: its address is given, which the ssl module leaves out."""
        name = self.host.address if self.host.name.startswith("[") else self.demand.server_name or self.host.name
        try:
            context = await self._checker.context(self.demand)
            async with self.within(self._config.command_timeout):
                await self._open().starttls(server_hostname=name, tls_context=context, timeout=_LIBRARY_TIMEOUT)
                session: ssl.SSLObject = self._open().get_transport_info("ssl_object")
            word = self._checker.check(self.demand, self.host.name, session)
        except (Lost, Refused, OSError) as error:
            result, cause = handshake_result(error, str(self.host))
            raise TlsFailed(f"{self.host}: {cause}", result, basis=self.demand.basis) from error
        except NotWhom as error:
            self.close()
            raise TlsFailed(f"{self.host}: {error}", error.result, basis=self.demand.basis) from error
        self.tls = f"{word} {net_tls.describe(session)}"
        log.info("%s TLS connection established to %s: %s", word, self.host, net_tls.describe(session))
        await self._hello()

    def offers(self, extension: str) -> bool:
        """Whether EHLO named it, and the configuration lets us use it."""
        known = self._connection is not None and self._connection.supports_extension(extension)
        return known and extension not in self._ignored

    def value(self, extension: str) -> str:
        """What EHLO says behind a keyword; "" for nothing, also where the extension is not offered."""
        return self._open().esmtp_extensions.get(extension, "") if self.offers(extension) else ""

    @property
    def tells_origin(self) -> bool:
        """Whether the configuration lets us tell who brought a message."""
        return self._config.send_xforward

    @property
    def size_limit(self) -> int:
        """Octets that the peer says it takes in one message (RFC 1870); 0: no limit was named."""
        return _number(self.value("size"))

    def limit(self, name: str) -> int:
        """A limit that the peer has told (RFC 9422): MAILMAX, RCPTMAX, RCPTDOMAINMAX; 0: none."""
        return self._limits.get(name, 0)

    async def quit(self) -> None:
        """A polite end, as far as the peer lets us."""
        with contextlib.suppress(Lost, Refused):
            if self.alive:
                async with self.within(_GOODBYE):
                    await self.replies().send([b"QUIT"])[0]
        self.close()

    def close(self) -> None:
        """Close at once. What is half said stays half said: the peer has no whole message."""
        if self._connection is not None:
            self._connection.abort()

    # --- for a transaction -------------------------------------------------------------------------------------------

    async def group(self, *lines: bytes) -> list[Reply]:
        """Commands said at once, and the answers to them (RFC 2920)."""
        return [await self.answer(asked) for asked in await self.say(lines)]

    async def say(self, lines: Sequence[bytes], content: bytes = b"") -> list[Asked]:
        """Commands, and octets behind the last of them, in one write. The answers are still to come."""
        with self._troubles():
            return self.replies().send(lines, content)

    async def answer(self, asked: Asked) -> Reply:
        """The answer to a command. 421 is a refusal for all, wherever it comes."""
        reply = await self.heard(asked)
        if reply.code == 421:
            self.close()
            raise Refused(reply, str(self.host))
        return reply

    async def heard(self, asked: Asked) -> Reply:
        """The answer to a command, whatever it is."""
        return await self._heard(asked, self._config.command_timeout)

    async def verdict(self, asked: Asked) -> Reply:
        """The answer to octets of a message."""
        return await self._heard(asked, self._config.data_timeout)

    async def _heard(self, asked: Asked, timeout: float) -> Reply:
        if asked.done() and asked.exception() is None:  # it came with the answer before: no timer is needed
            return words.reply(*asked.result())
        async with self.within(timeout):
            return words.reply(*await asked)

    async def write(self, *octets: bytes, over: Callable[[], bool]) -> None:
        """Octets of a message; waits while the peer does not read, unless it is `over`."""
        replies = self.replies()
        with self._troubles():
            replies.write(b"".join(octets))
        if replies.crowded:
            async with self.within(self._config.data_timeout):
                await replies.drain(over)

    def replies(self) -> Replies:
        replies = self._open().replies
        if replies is None:
            raise Lost(f"{self.host}: connection lost")
        return replies

    # --- what can go wrong -------------------------------------------------------------------------------------------

    def _open(self) -> Connection:
        if self._connection is None:
            raise Lost(f"{self.host}: not connected")
        return self._connection

    @contextlib.asynccontextmanager
    async def within(self, timeout: float) -> AsyncIterator[None]:
        """Some seconds, and silence as an error of ours."""
        with self._troubles():
            try:
                async with self._clock.timeout(timeout):
                    yield
            except TimeoutError as error:
                self.close()
                raise Lost(f"{self.host}: no answer within {timeout:.0f} seconds") from error

    @contextlib.contextmanager
    def _troubles(self) -> Iterator[None]:
        """The library's errors as ours. After any of them the connection is of no use."""
        try:
            yield
        except aiosmtplib.SMTPResponseException as error:
            self.close()
            reply = words.reply(error.code, error.message)
            if reply.ok:  # a yes to something else is no answer, and must not be taken for one
                raise Lost(f"{self.host} answered with {reply}", NONSENSE) from error
            raise Refused(reply, str(self.host)) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            self.close()
            raise Lost(f"{self.host}: {error or type(error).__name__}") from error
        except asyncio.CancelledError:
            self.close()
            raise


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else 0
