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
from dataclasses import replace

from mailhub.config import schema
from mailhub.model import ids
from mailhub.model.address import domain_of
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Permanent
from mailhub.model.reply import Reply
from mailhub.net.names import ascii_name
from mailhub.net.resolver import Resolver
from mailhub.store.api import Fate

from ..outbound import Outbound
from ..transport import Job, JobRecipient, Result
from . import words
from .client import Client
from .convert import Converter
from .demand import Basis, Demand
from .dial import Dialer
from .errors import Lost, Refused, TlsFailed
from .login import Logins, sign_in
from .mx import LOOP, Exchangers, Found, Host
from .offer import NO_UTF8, Offer, address_for, batch, offer, tls_optional
from .pool import Pool
from .tls_check import FAILURE, NOT_OFFERED, Checker
from .tls_policy import Policy, TlsPolicies, TlsServices
from .tlsrpt import TLS_REPORT, Session
from .transaction import Transaction

log = logging.getLogger("mailhub.relay")
BAD_RECIPIENT = Reply(553, "5.1.3", "The address can not be sent")
BAD_SENDER = Reply(553, "5.1.7", "The sender's address can not be sent")
TROUBLE = Reply(451, "4.3.0", "Temporary local problem")
_TOO_MANY = "4.5.3"
_UNOFFERED = "requiretls-not-supported"  # no word of RFC 8460's: it is no policy of the domain
_PASSING = (FAILURE, "dnssec-invalid")  # failures of TLS that may be gone the next time


class RelayTransport:
    """`own`: names and addresses of this host besides `hostname`, before which a list of mail hosts ends. `client`,
    `transaction`: of SMTP, or of what is spoken instead."""

    name = "relay"

    def __init__(
        self, resolver: Resolver, config: schema.Relay, hostname: str, clock: Clock, own: Collection[str] = (),
        chance: random.Random | None = None, tls: TlsServices | None = None,
        client: type[Client] = Client, transaction: type[Transaction] = Transaction, outbound: Outbound | None = None,
    ) -> None:  # fmt: skip
        self._outbound = outbound
        self._client, self._transaction = client, transaction
        self._config, self._clock = config, clock
        self._hostname = ascii_name(hostname)
        self._exchangers = Exchangers(
            resolver, chance or random.Random(), (self._hostname, *own), ipv6=config.ipv6, limit=config.host_limit
        )
        self._services = tls or TlsServices()
        self._policies = TlsPolicies(config, self._services)
        self._checker = Checker(config.tls_ca, clock)
        self._logins = Logins(config, self._services.tables)
        self._converter = Converter()
        self._dialer = Dialer(config, clock)
        self._pool = Pool(config, clock)

    async def close(self) -> None:
        """Drop the connections that are kept."""
        self._converter.close()
        await self._pool.close()

    async def deliver(self, job: Job) -> list[Result]:
        delivery = _Delivery(job, self._clock)
        if not words.sendable(job.sender):
            delivery.decide(delivery.waiting, BAD_SENDER)
        delivery.decide([r for r in delivery.waiting if not words.sendable(r.address)], BAD_RECIPIENT)
        if delivery.waiting:
            try:
                found = await self._hosts(job.nexthop)
                policy = await self._policy(job)
                if self._outbound is not None:
                    delivery.job = await self._outbound.dressed(job)
            except MailError as error:
                delivery.decide(delivery.waiting, _at_nexthop(job, error.reply))
            else:
                await self._ask(delivery, found, policy)
        return delivery.results()

    async def _hosts(self, nexthop: str) -> Found:
        return await self._exchangers.find(nexthop)

    def _is_us(self, client: Client) -> bool:
        return client.name == self._hostname

    async def _policy(self, job: Job) -> Policy:
        """What is asked of the hosts' TLS, for this message. A TLS report is delivered whatever fails (RFC 8460 section 5.3)."""
        if job.origin.protocol == TLS_REPORT:
            return self._policies.whomever(job.nexthop)
        policy = await self._policies.find(job.nexthop, required=job.parameters.requiretls)
        if policy.published and not policy.required and await tls_optional(job.content):
            return policy.relaxed()
        return policy

    async def _ask(self, delivery: "_Delivery", found: Found, policy: Policy) -> None:
        """One host after another. `unfit`: none of those asked can be given mail that asks for REQUIRETLS."""
        trouble, remote, unfit = TROUBLE, "", policy.required and found.whole
        try:
            message = await offer(delivery.job, self._converter)
            left = list(found.hosts)
            while left:
                try:
                    await self._visit(left, delivery, message, policy)
                    return
                except Refused as refused:
                    trouble, remote, unfit = refused.reply, refused.remote, False
                    delivery.doubt = refused.doubt or delivery.doubt
                except Lost as lost:
                    trouble, remote = Reply(451, lost.enhanced, str(lost)), ""
                    unfit = unfit and isinstance(lost, TlsFailed) and lost.result not in _PASSING
                log.info("%s: %s %s", ids.text(delivery.job.queue_id), remote, trouble)
        except _Ourselves:
            if (
                found.whole and trouble is TROUBLE
            ):  # else we are a backup under another name: the better ones come first
                trouble = _at_nexthop(delivery.job, LOOP)
        except MailError as error:  # the message can not be read
            trouble = error.reply if error.reply.temporary else TROUBLE
        if unfit and trouble is not TROUBLE:
            trouble = _required(trouble)
        delivery.decide(delivery.waiting, words.softened(trouble) if remote else trouble, remote)

    async def _visit(self, left: list[Host], delivery: "_Delivery", message: Offer, policy: Policy) -> None:
        """All that wait, at the first host of `left`, by whichever of its addresses answers first; those that were asked are
        taken out. Refused and Lost: another one may be asked for those that wait still."""
        rivals = [*itertools.takewhile(lambda host: host.name == left[0].name, left)]
        try:
            demand = await policy.demand(rivals[0])
        except TlsFailed as error:
            del left[: len(rivals)]
            self._count(policy, error.basis, rivals[0], error.result, str(error))
            raise
        job = delivery.job
        # A sender's password is for the relayhost that was written for him: mail hosts of all the world may offer AUTH.
        login = await self._logins.find(job.sender if _is_written(job) else "", job.nexthop, rivals[0])
        if login is not None:
            demand = replace(demand, login=login)
        client = self._pool.take(rivals, demand)
        kept = client is not None
        if client is None:
            try:
                host, connected = await self._dialer.first(rivals)
            except Lost:
                del left[: len(rivals)]
                raise
            left.remove(host)
            client = await self._open(host, demand, policy, connected)
        else:
            left.remove(host := client.host)
        if policy.required and not client.offers("requiretls"):
            self._pool.keep(client)
            raise TlsFailed(f"{host} does not offer REQUIRETLS", _UNOFFERED, "4.7.30")
        try:
            while delivery.waiting:
                if client.exhausted:
                    self._pool.keep(client)
                    client, kept = await self._open(host, demand, policy), False
                try:
                    await self._transact(client, delivery, message)
                    kept = True
                except (Refused, Lost):
                    if client.alive or not kept:
                        raise
                    # it went away between two messages, as it may
                    client, kept = await self._open(host, demand, policy), False
        except (Refused, Lost):
            self._pool.keep(client)
            raise
        except BaseException:
            client.close()
            raise
        self._pool.keep(client)

    async def _open(self, host: Host, demand: Demand, policy: Policy, connected: socket.socket | None = None) -> Client:
        """A session, on that socket where there is one: what was demanded, or what that allows where TLS fails (RFC 7435)."""
        wanted = demand
        while True:
            client = self._client(host, self._config, self._hostname, self._clock, wanted, self._checker)
            try:
                await client.connect(connected or await self._dialer.one(host))
                if wanted.login is not None:
                    await sign_in(client, wanted.login, self._config)
                break
            except TlsFailed as error:
                client.close()
                if wanted is demand:
                    self._count(policy, demand.basis, host, error.result, str(error), client.source)
                if wanted.second is None:
                    raise
                wanted, connected = wanted.second, None
                log.info(
                    "%s; trying %s", error, "without TLS" if wanted.level == "none" else "without the domain's policy"
                )
            except BaseException:
                client.close()
                raise
        if wanted is demand and demand.level != "none":
            self._count(policy, demand.basis, host, "" if client.tls else NOT_OFFERED, "", client.source)
        if self._is_us(client):
            self._pool.dismiss(client)
            raise _Ourselves
        return client

    def _count(self, policy: Policy, basis: Basis, host: Host, result: str, detail: str, source: str = "") -> None:
        """For the domain's daily report (RFC 8460)."""
        if policy.reported and (sessions := self._services.sessions) is not None:
            sessions.count(policy.domain, basis, Session(host.name, host.address, source, result, detail))

    async def _transact(self, client: Client, delivery: "_Delivery", message: Offer) -> None:
        """One transaction for some of those that wait; at least one is decided."""
        now, remote = self._clock.now(), str(client.host)
        if refusal := message.refusal(client, now):
            delivery.decide(delivery.waiting, refusal)
            return
        chosen: list[JobRecipient] = []
        addresses: list[str] = []
        for recipient in batch(client, delivery.waiting):
            address = address_for(client, recipient.address)
            if address is None:
                delivery.decide([recipient], NO_UTF8)
            else:
                chosen.append(recipient)
                addresses.append(address)
        if not chosen:
            return
        try:
            form = await message.message(client)
        except Permanent as error:
            delivery.decide(delivery.waiting, error.reply)
            return
        to = [message.rcpt(client, recipient, address) for recipient, address in zip(chosen, addresses, strict=True)]
        try:
            mail, before = message.mail(client, addresses, form, now), message.forward(client)
            answers = await self._transaction(client, mail, to, form, before).make()
        except Refused as refused:
            if not refused.reply.permanent:
                raise
            delivery.decide(delivery.waiting, refused.reply, remote, client.tls)
            return
        taken = any(reply.ok for reply in answers.recipients)
        for n, (recipient, reply) in enumerate(zip(chosen, answers.recipients, strict=True)):
            if reply.ok:
                by = "" if answers.ours else remote
                delivery.decide([recipient], answers.last(n), by, client.tls, taken=message.taken(client))
            elif not (taken and reply.enhanced == _TOO_MANY):  # else: once more, in another transaction
                delivery.decide([recipient], reply, remote, client.tls)


def _is_written(job: Job) -> bool:
    """Whether the nexthop is one that an operator wrote, and not the recipients' own domain."""
    return not all(domain_of(recipient.address) == job.nexthop for recipient in job.recipients)


def _at_nexthop(job: Job, reply: Reply) -> Reply:
    """What is wrong with a nexthop that an operator wrote may be his mistake: then mail waits, as with Postfix."""
    if not reply.permanent or not _is_written(job):
        return reply
    log.error("configuration problem with nexthop %s: %s", job.nexthop, reply)
    return words.softened(reply)


def _required(trouble: Reply) -> Reply:
    """No host can be given mail that asks for REQUIRETLS: it goes back (RFC 8689 section 4.2.1)."""
    code = "5.7.30" if trouble.enhanced == "4.7.30" else "5.7.10"
    return Reply(550, code, f"REQUIRETLS: {trouble.text}")


class _Ourselves(Exception):
    """The peer calls itself by our name (RFC 5321 section 5.1: a list of hosts ends before us)."""


class _Delivery:
    """What is known of a job's recipients. `waiting`: those not decided, in their order."""

    def __init__(self, job: Job, clock: Clock) -> None:
        self.job, self._clock = job, clock
        self.waiting: list[JobRecipient] = list(job.recipients)
        self.doubt = ""  # which host may have the message beside the one that answers
        self._results: dict[int, Result] = {}

    def decide(
        self,
        recipients: Sequence[JobRecipient],
        reply: Reply,
        remote: str = "",
        tls: str = "",
        *,
        taken: Fate = Fate.RELAYED,
    ) -> None:
        """`taken`: the fate of those to whom the reply says yes."""
        fate = taken if reply.ok else Fate.FAILED if reply.permanent else Fate.DEFERRED
        for recipient in recipients:
            self._results[recipient.n] = Result(
                recipient.n, fate, reply, remote, tls=tls, when=self._clock.now(), doubt=self.doubt
            )
        self.waiting = [recipient for recipient in self.waiting if recipient.n not in self._results]

    def results(self) -> list[Result]:
        return [self._results[recipient.n] for recipient in self.job.recipients]
