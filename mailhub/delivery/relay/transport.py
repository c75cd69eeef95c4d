"""A job over the mail hosts of its domain, in their order, until each recipient has an answer that counts.

Another host is asked after: no connection, silence, a lost connection, a refused session (whatever its code), 421, and 4xx to
MAIL; as long as no octet of the body was sent. 4xx to a recipient or to the message waits for the next attempt; 5xx to MAIL,
a recipient or the message is final. What goes wrong once the body is under way is temporary: the peer may have taken it, and
to ask another host at once would make doubles of it.
"""

import itertools
import logging
import random
import socket
from collections.abc import Collection, Sequence

from mailhub.config import schema
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.net import tls
from mailhub.net.names import ascii_name
from mailhub.net.resolver import Resolver
from mailhub.store.api import Fate

from ..transport import Job, JobRecipient, Result
from . import words
from .client import Client
from .dial import Dialer
from .errors import Lost, Refused, TlsFailed
from .mx import LOOP, Exchangers, Found, Host
from .offer import NO_UTF8, Offer, address_for, offer
from .pool import Pool
from .transaction import Transaction

log = logging.getLogger("mailhub.relay")
BAD_RECIPIENT = Reply(553, "5.1.3", "The address can not be sent")
BAD_SENDER = Reply(553, "5.1.7", "The sender's address can not be sent")
TROUBLE = Reply(451, "4.3.0", "Temporary local problem")
_BATCH = 100  # recipients of one transaction: what every peer takes (RFC 5321 section 4.5.3.1.8)
_TOO_MANY = "4.5.3"


class RelayTransport:
    """`own`: names and addresses of this host besides `hostname`, before which a list of mail hosts ends."""

    name = "relay"

    def __init__(
        self, resolver: Resolver, config: schema.Relay, hostname: str, clock: Clock, own: Collection[str] = (),
        chance: random.Random | None = None,
    ) -> None:  # fmt: skip
        self._config, self._clock = config, clock
        self._hostname = ascii_name(hostname)
        self._exchangers = Exchangers(
            resolver, chance or random.Random(), (self._hostname, *own), ipv6=config.ipv6, limit=config.host_limit
        )
        self._context = tls.opportunistic() if config.tls == "may" else None
        self._dialer = Dialer(config, clock)
        self._pool = Pool(config, clock)

    async def close(self) -> None:
        """Drop the connections that are kept."""
        await self._pool.close()

    async def deliver(self, job: Job) -> list[Result]:
        delivery = _Delivery(job)
        if not words.sendable(job.sender):
            delivery.decide(delivery.waiting, BAD_SENDER)
        delivery.decide([r for r in delivery.waiting if not words.sendable(r.address)], BAD_RECIPIENT)
        if delivery.waiting:
            try:
                found = await self._exchangers.find(job.nexthop)
            except MailError as error:
                delivery.decide(delivery.waiting, error.reply)
            else:
                await self._ask(delivery, found)
        return delivery.results()

    async def _ask(self, delivery: "_Delivery", found: Found) -> None:
        """One host after another."""
        trouble, remote = TROUBLE, ""
        try:
            message = await offer(delivery.job)
            left = list(found.hosts)
            while left:
                try:
                    await self._visit(left, delivery, message)
                    return
                except Refused as refused:
                    trouble, remote = refused.reply, refused.remote
                except Lost as lost:
                    trouble, remote = Reply(451, lost.enhanced, str(lost)), ""
                log.info("%s: %s %s", ids.text(delivery.job.queue_id), remote, trouble)
        except _Ourselves:
            if (
                found.whole and trouble is TROUBLE
            ):  # else we are a backup under another name: the better ones come first
                trouble = LOOP
        except MailError as error:  # the message can not be read
            trouble = error.reply if error.reply.temporary else TROUBLE
        delivery.decide(delivery.waiting, words.softened(trouble) if remote else trouble, remote)

    async def _visit(self, left: list[Host], delivery: "_Delivery", message: Offer) -> None:
        """All that wait, at the first host of `left`, by whichever of its addresses answers first; those that were asked are
        taken out. Refused and Lost: another one may be asked for those that wait still."""
        rivals = [*itertools.takewhile(lambda host: host.name == left[0].name, left)]
        client = self._pool.take(rivals)
        kept = client is not None
        if client is None:
            try:
                host, connected = await self._dialer.first(rivals)
            except Lost:
                del left[: len(rivals)]
                raise
            left.remove(host)
            client = await self._open(host, connected)
        else:
            left.remove(host := client.host)
        try:
            while delivery.waiting:
                if client.exhausted:
                    self._pool.keep(client)
                    client, kept = await self._open(host), False
                try:
                    await self._transact(client, delivery, message)
                    kept = True
                except (Refused, Lost):
                    if client.alive or not kept:
                        raise
                    client, kept = await self._open(host), False  # it went away between two messages, as it may
        except (Refused, Lost):
            self._pool.keep(client)
            raise
        except BaseException:
            client.close()
            raise
        self._pool.keep(client)

    async def _open(self, host: Host, connected: socket.socket | None = None) -> Client:
        """A session, on that socket where there is one."""
        client = Client(host, self._config, self._hostname, self._clock)
        try:
            try:
                await client.connect(connected or await self._dialer.one(host), self._context)
            except TlsFailed as error:
                # opportunistic: the clear is what there was without the offer (RFC 7435)
                client.close()
                log.info("%s; trying without TLS", error)
                client = Client(host, self._config, self._hostname, self._clock)
                await client.connect(await self._dialer.one(host), None)
        except BaseException:
            client.close()
            raise
        if client.name == self._hostname:
            self._pool.keep(client)
            raise _Ourselves
        return client

    async def _transact(self, client: Client, delivery: "_Delivery", message: Offer) -> None:
        """One transaction for some of those that wait; at least one is decided."""
        if refusal := message.refusal(client):
            delivery.decide(delivery.waiting, refusal)
            return
        batch: list[JobRecipient] = []
        addresses: list[str] = []
        for recipient in delivery.waiting[:_BATCH]:
            address = address_for(client, recipient.address)
            if address is None:
                delivery.decide([recipient], NO_UTF8)
            else:
                batch.append(recipient)
                addresses.append(address)
        if not batch:
            return
        remote = str(client.host)
        try:
            answers = await Transaction(
                client, message.mail(client, addresses), [f"<{address}>" for address in addresses], message.whole()
            ).make()
        except Refused as refused:
            if not refused.reply.permanent:
                raise
            delivery.decide(delivery.waiting, refused.reply, remote, client.tls)
            return
        taken = any(reply.ok for reply in answers.recipients)
        for recipient, reply in zip(batch, answers.recipients, strict=True):
            if reply.ok:
                delivery.decide([recipient], answers.message, "" if answers.ours else remote, client.tls)
            elif not (taken and reply.enhanced == _TOO_MANY):  # else: once more, in another transaction
                delivery.decide([recipient], reply, remote, client.tls)


class _Ourselves(Exception):
    """The peer calls itself by our name (RFC 5321 section 5.1: a list of hosts ends before us)."""


class _Delivery:
    """What is known of a job's recipients. `waiting`: those not decided, in their order."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.waiting: list[JobRecipient] = list(job.recipients)
        self._results: dict[int, Result] = {}

    def decide(self, recipients: Sequence[JobRecipient], reply: Reply, remote: str = "", tls: str = "") -> None:
        """RELAYED, not DELIVERED: no peer is asked to report (RFC 3461 section 5.2.2), so where it is wanted, we do."""
        fate = Fate.RELAYED if reply.ok else Fate.FAILED if reply.permanent else Fate.DEFERRED
        for recipient in recipients:
            self._results[recipient.n] = Result(recipient.n, fate, reply, remote, tls=tls)
        self.waiting = [recipient for recipient in self.waiting if recipient.n not in self._results]

    def results(self) -> list[Result]:
        return [self._results[recipient.n] for recipient in self.job.recipients]
