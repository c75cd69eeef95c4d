"""LMTP (RFC 2033): the relay's sessions and transactions, with LHLO, and with an answer to the message for each recipient.

Nexthops are those of lmtp(8): `unix:/run/dovecot/lmtp`, `inet:host:port`, `host:port`, `[192.0.2.1]`; no MX is asked for.
"""

from typing import Any

import aiosmtplib

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Temporary
from mailhub.model.reply import Reply
from mailhub.net.resolver import Resolver

from ..transport import Job
from .client import Client
from .connection import Connection
from .demand import Rule
from .errors import NONSENSE, Lost
from .mx import Found, Host
from .tls_policy import Policy, TlsServices
from .transaction import Answers, Transaction, last_word, unread
from .transport import RelayTransport

BAD_SOCKET = Reply(451, "4.3.5", "The LMTP server's socket is not named by its whole path")
_PORT = 24


class LmtpTransport(RelayTransport):
    """A transport. No host is taken for ourselves: the server behind LMTP is often called as we are."""

    name = "lmtp"

    def __init__(
        self, resolver: Resolver, config: schema.Relay, hostname: str, clock: Clock, tls: TlsServices | None = None
    ) -> None:
        super().__init__(resolver, config, hostname, clock, tls=tls, client=LmtpClient, transaction=LmtpTransaction)

    async def _hosts(self, nexthop: str) -> Found:
        path = nexthop.removeprefix("unix:")
        if path == nexthop:
            return await self._exchangers.find(_bracketed(nexthop))
        if not path.startswith("/"):
            raise Temporary(f"{nexthop!r} is no socket", BAD_SOCKET)
        return Found([Host("unix", path)])

    async def _policy(self, job: Job) -> Policy:
        """On this machine nobody listens."""
        if job.nexthop.startswith("unix:"):
            return Policy("", Rule("none"), 0, bracketed=True, reported=False)
        return await self._policies.find(_bracketed(job.nexthop), required=job.parameters.requiretls)

    def _is_us(self, client: Client) -> bool:
        return False


def _bracketed(nexthop: str) -> str:
    """A host that no MX is asked for, and its port."""
    place = nexthop.removeprefix("inet:")
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]"):
        host, port = place, str(_PORT)
    return f"[{host.strip('[]')}]:{port}"


class LmtpConnection(Connection):
    """It says LHLO (RFC 2033 section 4.1), and knows nothing older."""

    async def ehlo(self, **options: Any) -> aiosmtplib.SMTPResponse:
        response = await self.execute_command(b"LHLO", str(self.local_hostname).encode("ascii"))
        if response.code != aiosmtplib.SMTPStatus.completed:
            raise aiosmtplib.SMTPResponseException(response.code, response.message)
        self.last_ehlo_response = response
        return response


class LmtpClient(Client):
    """Messages go by DATA alone."""

    connection_type = LmtpConnection
    final = True

    def offers(self, extension: str) -> bool:
        return extension not in ("chunking", "binarymime") and super().offers(extension)


class EachAnswers(Answers, frozen=True):
    """`recipients`: the last word on each of them."""

    def last(self, n: int) -> Reply:
        return self.recipients[n]


class LmtpTransaction(Transaction):
    """Asks for DATA when it is known who will have the message: the answers to it are theirs, in their order (section 4.2)."""

    async def make(self) -> Answers:
        client = self._client
        client.used += 1
        first = self._first()
        client.unfinished = True
        replies = await self._envelope(first)
        welcome = [n for n, reply in enumerate(replies) if reply.ok]
        if not welcome:
            return Answers(replies, replies[-1])
        (go,) = await client.group(b"DATA")
        if go.code == 354:
            return await self._each(replies, welcome)
        if go.ok:
            client.close()
            raise Lost(f"{client.host} answered DATA with {go}", NONSENSE)
        return Answers(replies, go)

    async def _each(self, replies: list[Reply], welcome: list[int]) -> Answers:
        """Who was not answered may have the message, or not: that is temporary, and ends the connection."""
        client, left = self._client, list(welcome)
        ours = False
        try:
            asked = [client.replies().ask() for _ in welcome]
            reply = await self._spoken(self._message.blocks(), asked[0])
            for waiting in asked[1:]:
                replies[left.pop(0)] = await self._at_end(reply)
                reply = await last_word(client, waiting)
            replies[left.pop(0)] = await self._at_end(reply)
            client.unfinished = False
        except (Lost, MailError) as error:
            client.close()
            ours = len(left) == len(welcome)
            for n in left:
                replies[n] = Reply(451, error.enhanced, str(error)) if isinstance(error, Lost) else unread(error)
        except BaseException:
            client.close()
            raise
        return EachAnswers(replies, replies[welcome[0]], ours)
