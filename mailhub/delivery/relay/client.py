"""One SMTP connection to a peer, on aiosmtplib's client with its timers off: ours are on the clock.

A refusal is a `Refused` with the peer's reply; anything else that goes wrong is `Lost`.
"""

import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Sequence

import aiosmtplib
from aiosmtplib import SMTPResponse

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.model.reply import Reply
from mailhub.net import tls as net_tls

from .body import stuffed
from .mx import Host

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")
_ADDRESS = re.compile(r"[^\x00-\x20<>\x7f]{1,320}")
_TEXT_LIMIT = 2_000


class Refused(Exception):
    """The peer said no."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class Lost(Exception):
    """No connection, no answer, or nonsense: try again later."""


class TlsFailed(Lost):
    """STARTTLS was offered and did not work."""


class Client:
    """`connect`, then `transaction` any number of times, then `quit`. `used`: transactions made."""

    def __init__(self, host: Host, config: schema.Relay, hostname: str, clock: Clock) -> None:
        self.host, self._config, self._hostname, self._clock = host, config, hostname, clock
        self.used = 0
        self.tls = ""
        source = config.source_ipv6 if ":" in host.address else config.source_ipv4
        self._smtp = aiosmtplib.SMTP(
            hostname=host.address,
            port=host.port or config.port,
            timeout=None,
            start_tls=False,
            local_hostname=hostname,
            source_address=(source, 0) if source else None,
        )

    @property
    def alive(self) -> bool:
        return self._smtp.is_connected

    async def connect(self, *, secure: bool) -> None:
        """Greeting, EHLO, and STARTTLS where it is offered and `secure`."""
        timeout = self._config.connect_timeout + self._config.greeting_timeout
        async with self._careful(timeout):
            await self._smtp.connect()
        await self._hello()
        if secure and self.offers("starttls"):
            await self._secure(net_tls.opportunistic())

    async def _hello(self) -> None:
        async with self._careful(self._config.command_timeout):
            response = await self._smtp.ehlo()
            if response.code >= 500:
                response = await self._smtp.helo()
        _check(response)

    async def _secure(self, context: ssl.SSLContext) -> None:
        try:
            async with self._careful(self._config.command_timeout):
                await self._smtp.starttls(server_hostname=self.host.name, tls_context=context)
        except (Lost, Refused) as error:
            raise TlsFailed(f"{self.host}: STARTTLS: {error}") from error
        self.tls = net_tls.describe(self._smtp.get_transport_info("ssl_object"))
        await self._hello()

    def offers(self, extension: str) -> bool:
        return self._smtp.supports_extension(extension)

    async def command(self, line: bytes) -> Reply:
        """One command; a 421 ends the connection."""
        protocol = self._smtp.protocol
        if protocol is None:
            raise Lost(f"{self.host}: not connected")
        async with self._careful(self._config.command_timeout):
            response = await protocol.execute_command(line)
        if response.code == 421:
            self.close()
        return _reply(response)

    async def transaction(
        self, mail: str, recipients: Sequence[str], blocks: AsyncIterator[bytes]
    ) -> tuple[list[Reply], Reply]:
        """MAIL with `mail`'s argument, RCPT for each, DATA: (a reply for each RCPT, the final reply).

        Refused where MAIL or DATA is; where no recipient is taken there is no DATA and the final reply is the last RCPT's.
        """
        self.used += 1
        _must(await self.command(f"MAIL FROM:{mail}".encode()))
        replies = [await self.command(f"RCPT TO:<{checked(address)}>".encode()) for address in recipients]
        if not any(reply.ok for reply in replies):
            return replies, replies[-1]
        answer = await self.command(b"DATA")
        if answer.code != 354:
            raise Refused(answer if not answer.ok else Reply(451, "4.5.0", f"Unexpected answer to DATA: {answer}"))
        return replies, await self._data(blocks)

    async def _data(self, blocks: AsyncIterator[bytes]) -> Reply:
        protocol = self._smtp.protocol
        if protocol is None:
            raise Lost(f"{self.host}: connection lost at DATA")
        try:
            async for block in stuffed(blocks):
                async with self._careful(self._config.data_timeout):
                    protocol.write(block)
                    await protocol._drain_helper()
            async with self._careful(self._config.data_timeout):
                return _reply(await protocol.read_response())
        except BaseException:
            self.close()  # what was sent is half a message: nothing else may follow on this connection
            raise

    async def reset(self) -> None:
        """RSET, where a transaction was left half way."""
        _must(await self.command(b"RSET"))

    async def quit(self) -> None:
        """A polite end, as far as the peer lets us."""
        with contextlib.suppress(Lost, Refused):
            if self.alive:
                await self.command(b"QUIT")
        self.close()

    def close(self) -> None:
        self._smtp.close()

    @contextlib.asynccontextmanager
    async def _careful(self, timeout: float) -> AsyncIterator[None]:
        """The library's errors as ours, within `timeout` seconds."""
        try:
            async with self._clock.timeout(timeout):
                yield
        except TimeoutError as error:
            self.close()
            raise Lost(f"{self.host}: no answer within {timeout:.0f} seconds") from error
        except aiosmtplib.SMTPResponseException as error:
            self.close()
            raise Refused(_reply(SMTPResponse(error.code, error.message))) from error
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError, ValueError, UnicodeError) as error:
            self.close()
            raise Lost(f"{self.host}: {error or type(error).__name__}") from error


def checked(address: str) -> str:
    """An address as it may stand between "<" and ">"; Refused where it could be more than that."""
    if address and not _ADDRESS.fullmatch(address) and not _quoted(address):
        raise Refused(Reply(553, "5.1.3", f"The address {address!r} cannot be sent"))
    return address


def _quoted(address: str) -> bool:
    """A quoted local part may hold spaces and angle brackets, never controls."""
    local, _, domain = address.rpartition("@")
    return (
        len(local) > 2 and local[0] == local[-1] == '"' and len(address) <= 320
        and all(char >= " " and char != "\x7f" for char in local) and bool(_ADDRESS.fullmatch(domain))
    )  # fmt: skip


def _reply(response: SMTPResponse) -> Reply:
    """The peer's answer as a Reply: its enhanced code, or one made of its class (RFC 3463)."""
    text = response.message.strip()[:_TEXT_LIMIT]
    found = _ENHANCED.match(text)
    code = response.code if 200 <= response.code <= 599 else 451
    kind = code // 100
    enhanced = found[1] if found and int(found[1][0]) == kind else f"{kind if kind in (2, 4, 5) else 2}.0.0"
    lines = [_ENHANCED.sub("", line, count=1) for line in text.splitlines()]
    clean = ["".join(char if char.isprintable() else " " for char in line) for line in lines]
    return Reply(code, enhanced, "\n".join(clean))


def _check(response: SMTPResponse) -> None:
    _must(_reply(response))


def _must(reply: Reply) -> None:
    if not reply.ok:
        raise Refused(reply)
