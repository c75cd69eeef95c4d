"""One message on its way in: sender, recipients, content, commit. Each question is answered by a `Reply`."""

import asyncio
import logging
from dataclasses import replace

from mailhub.config import schema
from mailhub.config.rules import is_domain
from mailhub.delivery.router import Known, Router
from mailhub.delivery.routes import Expand, Relay
from mailhub.message import stamps, submission
from mailhub.model import address, ids
from mailhub.model.clock import Clock
from mailhub.model.envelope import PLAIN, Envelope, MailParameters, Origin, Recipient
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.queue.spool import Spool
from mailhub.store.api import Body

from .guard import Guard, unlimited
from .intake import BodyIntake
from .relay import Networks, names_another_host

log = logging.getLogger("mailhub.policy")

SENDER_OK = Reply(250, "2.1.0", "Ok")
RECIPIENT_OK = Reply(250, "2.1.5", "Ok")
CONTENT_OK = Reply(250, "2.0.0", "Ok")
TEMPORARY = Reply(451, "4.3.0", "Temporary local problem, try again later")
RELAY_DENIED = Reply(554, "5.7.1", "Relay access denied")
SOURCE_ROUTE = Reply(554, "5.7.1", "Relay access denied: no source routes here")
UNKNOWN = Reply(550, "5.1.1", "No such mailbox here")
NEEDS_UTF8 = Reply(553, "5.6.7", "That address needs SMTPUTF8")
NO_SENDER_DOMAIN = Reply(553, "5.1.7", "The sender address needs a domain")
NO_DOMAIN = Reply(553, "5.1.3", "The address needs a domain")
TOO_BIG = Reply(552, "5.3.4", "Message too big for this system")
TOO_MANY = Reply(452, "4.5.3", "Too many recipients")
HEADER_TOO_LONG = Reply(552, "5.3.4", "The header is longer than smtp.header_size_limit allows")
PRIORITY_CHANGED = Reply(250, "2.3.6", "Ok, with priority 0")
CANNOT_VERIFY = Reply(252, "2.5.0", "Cannot verify, but will take a message and try to deliver it")
LOOP = Reply(554, "5.4.6", "Too many hops: this message is in a loop")


_EXPN_LIMIT = 100  # addresses of a list that are shown


class Policy:
    """What all transactions of a hub share. ValueError where `mynetworks` is malformed."""

    def __init__(
        self, config: schema.Smtp, hostname: str, router: Router, spool: Spool, clock: Clock, guard: Guard | None = None
    ) -> None:
        self.hostname, self.router, self.spool, self.clock = hostname, router, spool, clock
        self.guard = guard or unlimited(clock)
        self.config, self.mynetworks = config, Networks(config.mynetworks, self.guard.shared)
        self._commits: set[asyncio.Task[Reply]] = set()

    def begin(self, origin: Origin, service: str = "smtp") -> "Transaction":
        """A new message from `origin`, which came by that service."""
        return Transaction(self, origin, service)

    def trusts(self, origin: Origin) -> bool:
        """Whether who is there may do what strangers may not: it signed in, or is one of `mynetworks`."""
        return bool(origin.login) or origin.client in self.mynetworks

    async def verify(self, recipient: str, origin: Origin) -> Reply:
        """VRFY (RFC 5321 section 3.5)."""
        if not self.trusts(origin):
            return CANNOT_VERIFY
        try:
            known = await self.router.peek(recipient)
        except MailError as error:
            return error.reply
        answers = {Known.LOCAL: Reply(250, "2.1.5", f"<{recipient}>"), Known.UNKNOWN: UNKNOWN}
        return answers.get(known, CANNOT_VERIFY)

    async def expand(self, recipient: str, origin: Origin) -> Reply:
        """EXPN (RFC 5321 section 3.5.2): one level of an alias."""
        if not self.trusts(origin):
            return CANNOT_VERIFY
        try:
            route = await self.router.route(recipient)
        except MailError as error:
            return error.reply
        if isinstance(route, Expand):
            return Reply(250, "2.1.5", "\n".join(f"<{target}>" for target in route.targets[:_EXPN_LIMIT]))
        return CANNOT_VERIFY if isinstance(route, Relay) else Reply(550, "5.1.1", "No such list here")

    async def turn(self, destination: str, origin: Origin) -> Reply:
        """ETRN (RFC 1985): try what is deferred for that domain now."""
        if not self.trusts(origin):
            return Reply(459, "4.7.1", "Not for you")
        domain = destination.lstrip("@").lower()
        if not is_domain(domain):
            return Reply(501, "5.5.4", "That is no domain")
        try:
            found = await self.spool.turn(domain)
        except MailError as error:
            log.warning("ETRN %s: %s", domain, error)
            return Reply(458, "4.3.0", "Unable to queue messages for that domain now")
        return Reply(250, "2.0.0", "Queuing started" if found else "No messages waiting")

    async def settled(self) -> None:
        """Wait for the commits under way; to be called when no session is left and before the store is closed."""
        while self._commits:
            await asyncio.wait(self._commits)

    def commit(self, number: int, envelope: Envelope, body: Body, prefix: bytes, origin: Origin) -> asyncio.Task[Reply]:
        """Put a message into the queue by a task of ours, so that it goes on when the session is gone."""
        task = asyncio.get_running_loop().create_task(self._put(number, envelope, body, prefix, origin))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        return task

    async def _put(self, number: int, envelope: Envelope, body: Body, prefix: bytes, origin: Origin) -> Reply:
        try:
            await self.spool.put(number, envelope, body, prefix, origin)
        except MailError as error:
            log.warning("%s: not queued: %s", ids.text(number), error)
            return error.reply
        except Exception:
            log.exception("%s: not queued", ids.text(number))
            return TEMPORARY
        return Reply(250, "2.0.0", f"Ok: queued as {ids.text(number)}")


class Transaction:
    """From MAIL to the end of the data. After `sender` said yes: any number of `recipient`, then `body`, `content`
    and `commit` once each, or `abort` at any time. One task at a time."""

    __slots__ = ("_body", "_envelope", "_intake", "_number", "_origin", "_policy", "_recipients", "_service")

    def __init__(self, policy: Policy, origin: Origin, service: str) -> None:
        self._policy, self._origin, self._service = policy, origin, service
        self._number = 0
        self._envelope = Envelope("", ())
        self._recipients: dict[Recipient, None] = {}
        self._intake: BodyIntake | None = None
        self._body: Body | None = None

    @property
    def recipients(self) -> int:
        """How many were accepted."""
        return len(self._recipients)

    @property
    def parameters(self) -> MailParameters:
        """What MAIL asked for, as far as it is granted."""
        return self._envelope.parameters

    async def sender(self, sender: str, parameters: MailParameters = PLAIN) -> Reply:
        """`sender`: "" for the null reverse-path. 552, 553, 452 where mail cannot be taken."""
        limit = self._policy.config.message_size_limit
        if limit and parameters.size is not None and parameters.size > limit:
            return TOO_BIG
        if sender and "@" not in sender:
            return NO_SENDER_DOMAIN
        if not parameters.smtputf8 and not sender.isascii():
            return NEEDS_UTF8
        try:
            self._policy.spool.check_space()
        except MailError as error:
            log.warning("mail refused: %s", error)
            return error.reply
        refusal = self._cannot_grant(parameters)
        if refusal is None:
            refusal = self._policy.guard.message(self._origin.client, self._origin.login)
        if refusal is not None:
            return refusal
        granted = parameters
        if parameters.priority > 0 and not self._policy.trusts(self._origin):  # RFC 6710 section 5.1
            granted = replace(parameters, priority=0)
        self._envelope = Envelope(sender, (), granted)
        return SENDER_OK if granted is parameters else PRIORITY_CHANGED

    def _cannot_grant(self, parameters: MailParameters) -> Reply | None:
        config, now = self._policy.config, self._policy.clock.now()
        if parameters.release is not None and parameters.release > now + config.future_release_limit:
            return Reply(501, "5.5.4", f"A message waits at most {int(config.future_release_limit)} seconds here")
        by = parameters.deliver_by
        if by is not None and by.mode == "R" and by.until < now + config.deliver_by_minimum:
            return Reply(501, "5.5.4", f"BY is below the minimum of {int(config.deliver_by_minimum)} seconds")
        return None

    async def recipient(self, recipient: Recipient, *, route: str = "") -> Reply:
        """`route`: the source route that stood before the address. RFC 5321 section 3.6.1 lets us refuse it."""
        if route:
            return SOURCE_ROUTE
        if recipient in self._recipients:
            return RECIPIENT_OK
        if len(self._recipients) >= self._policy.config.recipient_limit:
            return TOO_MANY
        if not self._envelope.parameters.smtputf8 and not recipient.address.isascii():
            return NEEDS_UTF8
        reply = await self._may_go_to(recipient.address)
        if reply.ok:
            reply = self._policy.guard.recipient(self._origin.client, self._origin.login, recipient.address) or reply
        if reply.ok:
            self._recipients[recipient] = None
        return reply

    async def _may_go_to(self, forward_path: str) -> Reply:
        local, domain = address.split(forward_path)
        if not domain and local.lower() != "postmaster":  # RFC 5321 section 4.5.1
            return NO_DOMAIN
        if names_another_host(local) and not self._may_relay():
            return RELAY_DENIED
        if domain.startswith("["):
            known = Known.RELAY
        else:
            try:
                known = await self._policy.router.peek(forward_path)
            except MailError as error:
                log.warning("recipient %r cannot be told: %s", forward_path, error)
                return error.reply
        if known is Known.UNKNOWN:
            return UNKNOWN
        if known is Known.RELAY and not self._may_relay():
            return RELAY_DENIED
        return RECIPIENT_OK

    def _may_relay(self) -> bool:
        return self._service != "lmtp" and self._policy.trusts(self._origin)

    def body(self) -> BodyIntake:
        """Where the body is fed, as it comes from the net with its transparency undone."""
        policy = self._policy
        self._number = policy.spool.new_id()
        mend = self._mend if self._service == "submission" and policy.config.repair else None
        self._intake = BodyIntake(policy.spool.body_writer(), policy.config.header_size_limit, mend)
        return self._intake

    def _mend(self, header: bytes) -> bytes:
        policy = self._policy
        return submission.repaired(
            header,
            date=stamps.date_time(policy.clock.now()),
            message_id=stamps.message_id(ids.text(self._number), policy.hostname),
            sender=self._envelope.sender,
        )

    async def content(self, body: Body) -> Reply:
        """Judge the finished body; on a yes `commit` may follow."""
        assert self._intake is not None
        if self._intake.hops > self._policy.config.hopcount_limit:
            return LOOP
        if self._intake.too_long and self._service == "submission":
            return HEADER_TOO_LONG
        self._body = body
        return CONTENT_OK

    async def commit(self) -> Reply:
        """Queue the message. Where the caller is cancelled the commit goes on and its outcome is as if it had been told."""
        assert self._body is not None
        policy, origin = self._policy, self._origin
        recipients = tuple(self._recipients)
        if (refusal := policy.guard.sent(origin.login, (recipient.address for recipient in recipients))) is not None:
            self.abort()
            return refusal
        number = self._number
        sole = recipients[0].address if len(recipients) == 1 else None
        prefix = stamps.received(origin, policy.hostname, ids.text(number), sole, policy.clock.now())
        envelope = Envelope(self._envelope.sender, recipients, self._envelope.parameters)
        body, self._body, self._intake = self._body, None, None
        return await asyncio.shield(policy.commit(number, envelope, body, prefix, origin))

    def abort(self) -> None:
        """Forget it all; may be called at any time, also after `commit`, where it does nothing."""
        intake, self._intake, self._body = self._intake, None, None
        if intake is not None:
            intake.abort()
