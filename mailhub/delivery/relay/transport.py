"""A job over the mail hosts of its domain, in their order, until one of them gives an answer that counts."""

import logging
import random
from collections.abc import Collection, Sequence

from mailhub.config import schema
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.net.resolver import Resolver
from mailhub.store.api import Fate

from ..transport import Job, JobRecipient, Result
from .client import Client, Lost, Refused, TlsFailed, checked
from .mx import Host, hosts
from .pool import Pool

log = logging.getLogger("mailhub.relay")
NO_UTF8 = Reply(553, "5.6.7", "The next host cannot take internationalised addresses")
TOO_BIG = Reply(552, "5.3.4", "The message is too big for the next host")


class RelayTransport:
    """`own`: names of this host, before which a list of mail hosts ends."""

    name = "relay"

    def __init__(
        self, resolver: Resolver, config: schema.Relay, hostname: str, clock: Clock, own: Collection[str] = (),
        chance: random.Random | None = None,
    ) -> None:  # fmt: skip
        self._resolver, self._config, self._hostname, self._clock = resolver, config, hostname, clock
        self._own = frozenset((hostname.lower(), *own))
        self._chance = chance or random.Random()
        self._pool = Pool(config, clock)

    async def close(self) -> None:
        await self._pool.close()

    async def deliver(self, job: Job) -> list[Result]:
        try:
            found = await hosts(
                job.nexthop, self._resolver, self._chance, self._own, self._config.ipv6, self._config.host_limit
            )
        except MailError as error:
            fate = Fate.DEFERRED if error.reply.temporary else Fate.FAILED
            return _all(job.recipients, fate, error.reply)
        trouble = _all(job.recipients, Fate.DEFERRED, Reply(451, "4.4.1", "No mail host could be reached"))
        for host in found:
            try:
                return await self._try(host, job)
            except Refused as refused:
                if refused.reply.permanent:
                    return _all(job.recipients, Fate.FAILED, refused.reply, str(host))
                trouble = _all(job.recipients, Fate.DEFERRED, refused.reply, str(host))
            except Lost as lost:
                log.info("%s: %s", ids.text(job.queue_id), lost)
                trouble = _all(job.recipients, Fate.DEFERRED, Reply(451, "4.4.2", str(lost)), str(host))
        return trouble

    async def _try(self, host: Host, job: Job) -> list[Result]:
        """All recipients at one host. Refused and Lost mean that the next host may be asked."""
        client = await self._kept(host) or await self._connect(host)
        try:
            return await self._transact(client, job)
        except BaseException:
            client.close()
            raise

    async def _kept(self, host: Host) -> Client | None:
        """A connection of the pool that still answers. Only here may a loss be passed over: nothing was sent yet."""
        client = self._pool.take(host)
        if client is not None:
            try:
                await client.reset()
            except (Lost, Refused):
                client.close()
                return None
        return client

    async def _connect(self, host: Host) -> Client:
        client = Client(host, self._config, self._hostname, self._clock)
        try:
            await client.connect(secure=self._config.tls == "may")
        except TlsFailed as error:
            # opportunistic: the clear is what there was without the offer (RFC 7435)
            client.close()
            log.info("%s; trying without TLS", error)
            client = Client(host, self._config, self._hostname, self._clock)
            await client.connect(secure=False)
        except BaseException:
            client.close()
            raise
        return client

    async def _transact(self, client: Client, job: Job) -> list[Result]:
        remote = str(client.host)
        argument, refusal = self._mail(client, job)
        if refusal is not None:
            self._pool.keep(client)
            return _all(job.recipients, Fate.FAILED, refusal, remote, client.tls)
        addresses = [recipient.address for recipient in job.recipients]
        replies, final = await client.transaction(argument, addresses, job.content.blocks())
        if client.alive:
            self._pool.keep(client)
        return [
            _result(recipient, reply if not reply.ok else final, remote, client.tls)
            for recipient, reply in zip(job.recipients, replies, strict=True)
        ]

    def _mail(self, client: Client, job: Job) -> tuple[str, Reply | None]:
        """MAIL's argument for this peer, or why it can not have the message."""
        argument = f"<{checked(job.sender)}>"
        needs_utf8 = not all(address.isascii() for address in (job.sender, *(r.address for r in job.recipients)))
        if client.offers("size"):
            argument += f" SIZE={job.content.size}"
        if job.parameters.body != "7BIT" and client.offers("8bitmime"):
            argument += " BODY=8BITMIME"
        if needs_utf8 or job.parameters.smtputf8:
            if client.offers("smtputf8"):
                argument += " SMTPUTF8"
            elif needs_utf8:
                return argument, NO_UTF8
        return argument, None


def _result(recipient: JobRecipient, reply: Reply, remote: str, tls: str) -> Result:
    if reply.ok:
        return Result(recipient.n, Fate.DELIVERED, reply, remote, tls=tls)
    return Result(recipient.n, Fate.FAILED if reply.permanent else Fate.DEFERRED, reply, remote, tls=tls)


def _all(recipients: Sequence[JobRecipient], fate: Fate, reply: Reply, remote: str = "", tls: str = "") -> list[Result]:
    return [Result(recipient.n, fate, reply, remote, tls=tls) for recipient in recipients]
