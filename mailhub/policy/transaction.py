"""One message on its way in: sender, recipients, content, commit. Each question is answered by a `Reply`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mailhub.delivery.router import Known
from mailhub.message import authres, headers, stamps, submission
from mailhub.model import address, ids, steps
from mailhub.model.envelope import PLAIN, Envelope, MailParameters, Notify, Recipient
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.model.verdict import UNJUDGED, Verdict
from mailhub.store.api import Body

from . import heading
from .access import PERMIT, Ruling, coded
from .alterations import EnvelopeChanges
from .examination import came_back, examined, foreign_author
from .intake import BodyIntake
from .orders import Orders
from .relay import names_another_host
from .visit import Visit

if TYPE_CHECKING:
    from .policy import Policy

log = logging.getLogger("mailhub.policy")
_ID_LIMIT = 998  # characters of a Message-ID that is looked for

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
CAME_BACK = Reply(554, "5.4.6", "Mail forwarding loop: the message was delivered to one of these addresses before")
NOT_YOURS = Reply(553, "5.7.1", "Sender address rejected: not owned by user")


class Transaction:
    """From MAIL to the end of the data. After `sender` said yes: any number of `recipient`, then `body`, `content`
    and `commit` once each, or `abort` at any time. One task at a time."""

    __slots__ = (
        "_above", "_body", "_copies", "_doubt", "_envelope", "_intake", "_number", "_origin", "_policy", "_recipients", "_service", "_verdict", "_visit",
        "accepted",
    )  # fmt: skip

    def __init__(self, policy: "Policy", visit: Visit) -> None:
        self._policy, self._visit, self._origin, self._service = policy, visit, visit.origin, visit.service
        self._number, self._above = 0, b""
        self._doubt: Reply | None = None  # what was left open before the first recipient
        self._envelope = Envelope("", ())
        self._recipients: dict[Recipient, None] = {}
        self._copies: list[Recipient] = []
        self.accepted = 0  # recipients that were said yes to, one given twice counted twice
        self._intake: BodyIntake | None = None
        self._body: Body | None = None
        self._verdict = UNJUDGED

    @property
    def parameters(self) -> MailParameters:
        """What MAIL asked for, as far as it is granted."""
        return self._envelope.parameters

    @property
    def so_far(self) -> tuple[Visit, Verdict]:
        """What was found out of it."""
        return self._visit, self._verdict

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
        if (refusal := self._cannot_grant(parameters)) is not None:
            return refusal
        granted = parameters
        try:
            if (refusal := await self._policy.guard.message(self._origin.client, self._origin.login)) is not None:
                return refusal
            self._visit.trusted = await self._policy.trusts(self._origin)
            if not await self._may_send_as(sender):
                return NOT_YOURS
            if parameters.priority > 0 and not self._visit.trusted:  # RFC 6710 section 5.1
                granted = replace(parameters, priority=0)
        except MailError as error:
            log.warning("sender %r cannot be told: %s", sender, error)
            return error.reply
        visit = self._visit
        visit.sender = sender
        if not self._policy.config.delay_reject and (refusal := await self._policy.judged("sender", visit)) is not None:
            return refusal
        self._doubt = visit.doubt
        visit.parameters, visit.size = tuple(_words(granted)), granted.size or 0
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
        reply = SOURCE_ROUTE if route else await self._asked(recipient)
        self.accepted += reply.ok
        return reply

    def keep(self, account: str) -> None:
        """That account, which sends it, gets a copy into its folder Sent, in the same unit as all others."""
        address, path = steps.copy_for(account)
        self._copies.append(Recipient(address, Notify.NEVER, path=path))

    async def _asked(self, recipient: Recipient) -> Reply:
        if recipient in self._recipients:
            return RECIPIENT_OK
        if len(self._recipients) >= self._policy.config.recipient_limit:
            return TOO_MANY
        if not self._envelope.parameters.smtputf8 and not recipient.address.isascii():
            return NEEDS_UTF8
        reply = await self._may_go_to(recipient.address)
        if reply.ok:
            reply = await self._room(recipient.address) or reply
        if reply.ok:
            self._recipients[recipient] = None
        else:
            self._policy.trace.refused(self._origin, self._envelope.sender, recipient.address, reply)
        return reply

    async def _room(self, recipient: str) -> Reply | None:
        try:
            full = await self._policy.room(recipient, self._envelope.parameters.size or 0)
            return full or await self._policy.guard.recipient(self._origin.client, self._origin.login, recipient)
        except MailError as error:
            log.warning("whether mail may go to %r cannot be told: %s", recipient, error)
            return error.reply if error.reply.temporary else TEMPORARY

    async def _may_send_as(self, sender: str) -> bool:
        """On submission nobody writes as somebody else. The null reverse-path is nobody's (RFC 8098 needs it)."""
        if self._service != "submission" or not sender or not self._policy.config.check_sender_login:
            return True
        return await self._policy.owns(self._origin.login, sender)

    async def _may_go_to(self, forward_path: str) -> Reply:
        local, domain = address.split(forward_path)
        try:
            if not domain:  # RFC 5321 section 4.5.1: postmaster is there for everybody
                return NO_DOMAIN if local.lower() != "postmaster" else await self._listed(forward_path) or RECIPIENT_OK
            if names_another_host(local) and not await self._may_relay():
                return RELAY_DENIED
            refusal = await self._judged(forward_path) or await self._policy.held_back(self._origin, forward_path)
            return refusal or RECIPIENT_OK
        except MailError as error:
            log.warning("recipient %r cannot be told: %s", forward_path, error)
            return error.reply

    async def _listed(self, forward_path: str) -> Reply | None:
        if "no_unknown_recipient_checks" in self._policy.overrides or await self._policy.exists(forward_path):
            return None
        return coded(self._policy.config.unknown_local_recipient_reject_code, UNKNOWN.enhanced, UNKNOWN.text)

    async def _may_relay(self) -> bool:
        return self._service != "lmtp" and await self._policy.trusts(self._origin)

    async def _judged(self, forward_path: str) -> Reply | None:
        """What the lists say of this recipient, as Postfix does with smtpd_delay_reject: all of them, now. Relaying needs a
        permit of relay_restrictions: no other list, and no gap in that one, opens the door."""
        visit = self._visit
        visit.recipient, visit.recipients = forward_path, len(self._recipients) + 1
        before, visit.orders, visit.doubt = visit.orders, Orders(discarded=visit.orders.discarded), self._doubt
        try:
            refusal = await self._ruling(forward_path) or visit.doubt
            if refusal is None and not visit.orders.discarded:
                refusal = await self._listed(forward_path)
                if refusal is None and self._service != "lmtp" and "no_checks" not in self._policy.overrides:
                    refusal = await self._policy.inspection.refusal(visit)
                if refusal is None and self._policy.milters is not None:
                    refusal = await self._policy.milters.recipient(visit)
            if refusal is None:
                before.merge(visit.orders)
        finally:
            visit.orders = before
        return refusal

    async def _ruling(self, forward_path: str) -> Reply | None:
        policy, visit = self._policy, self._visit
        for stage in ("client", "helo", "sender") if policy.config.delay_reject else ():
            if (refusal := await policy.judged(stage, visit)) is not None:
                return refusal
        verdict = await policy.lists["relay"].judge(visit, policy)
        if isinstance(verdict, Reply):
            return verdict
        if not visit.orders.discarded and not await self._relays(verdict, forward_path):
            return visit.hope or coded(policy.config.relay_domains_reject_code, "5.7.1", RELAY_DENIED.text)
        return await policy.judged("recipient", visit)

    async def _relays(self, verdict: Ruling, forward_path: str) -> bool:
        """Whether mail may go there. LMTP is for our own alone; else it is a destination of ours, or the list of relaying said
        permit to somebody, and not to everybody."""
        if self._service == "lmtp":
            return await self._policy.known(forward_path) is not Known.RELAY
        if verdict == PERMIT and not self._policy.opens_to_all:
            return True
        return await self._policy.is_destination(forward_path)

    async def data(self, *, pipelined: bool = False) -> Reply | None:
        """The message is about to come; a refusal, or None. `pipelined`: the client did not wait for our answer."""
        self._visit.pipelined = pipelined
        refusal = await self._stage("data")
        if refusal is None and self._policy.milters is not None and not self._visit.orders.discarded:
            self._numbered()
            refusal = await self._asked_of_milters(self._policy.milters.data)
        return refusal

    async def _asked_of_milters(self, ask: Callable[[Visit], Awaitable[Reply | None]]) -> Reply | None:
        try:
            return await ask(self._visit)
        except MailError as error:
            log.warning("milters cannot be asked: %s", error)
            return error.reply

    def _numbered(self) -> None:
        if not self._number:
            self._number = self._policy.spool.new_id()
            self._visit.queue_id = ids.text(self._number)

    async def _stage(self, stage: str) -> Reply | None:
        """A list that is about all recipients alike; one alone is named to it."""
        visit = self._visit
        visit.recipients, visit.doubt = len(self._recipients), None
        visit.addressees = tuple(recipient.address for recipient in self._recipients)
        visit.recipient = visit.addressees[0] if visit.recipients == 1 else ""
        return await self._policy.judged(stage, visit) or visit.doubt

    def body(self) -> BodyIntake:
        """Where the body is fed, as it comes from the net with its transparency undone."""
        policy = self._policy
        self._numbered()
        alone = () if self._copies else self._recipients
        room = partial(heading.room, policy, self._visit, self._number, alone)
        self._intake = BodyIntake(policy.spool.body_writer(room), policy.config.header_size_limit, self._mending())
        return self._intake

    def _mending(self) -> Callable[[bytes], Awaitable[bytes]] | None:
        """What is done to the header as it passes: fields of ours that are forged go, what is missing is given, addresses are
        rewritten."""
        stranger = not (self._service == "lmtp" or self._visit.trusted)
        return self._mend if stranger or self._service == "submission" or self._policy.rewriting.used else None

    async def _mend(self, header: bytes) -> bytes:
        policy, rewriting = self._policy, self._policy.rewriting
        if self._service == "submission" or not (self._service == "lmtp" or self._visit.trusted):
            header = authres.without_ours(header, policy.inspection.authserv_id)
        if self._intake is None or self._intake.too_long:
            return header
        if self._service == "submission" and policy.config.repair:
            header = submission.repaired(
                header if header.endswith(b"\r\n") or not header else header + b"\r\n",
                date=stamps.date_time(policy.clock.now()),
                message_id=stamps.message_id(ids.text(self._number), policy.hostname),
                sender=self._envelope.sender,
            )
        ours = rewriting.used and (rewriting.config.rewrite_all_headers or await policy.trusts(self._origin))
        return await rewriting.header(header) if ours else header

    async def content(self, body: Body) -> Reply:
        """Judge the finished body; on a yes `commit` may follow."""
        reply = await self._judge(body)
        if not reply.ok:
            self._policy.trace.refused(self._origin, self._envelope.sender, "", reply, self._verdict)
        return reply

    async def _judge(self, body: Body) -> Reply:
        assert self._intake is not None
        if self._intake.hops > self._policy.config.hopcount_limit:
            return LOOP
        if self._intake.too_long and self._mending() is not None:  # something forged could hide in it
            return HEADER_TOO_LONG
        self._visit.size = body.size
        try:
            if await came_back(self._policy, self._intake.header, self._recipients):
                return CAME_BACK
            refusal = await self._stage("end_of_data") or await foreign_author(
                self._policy, self._visit, self._intake.header
            )
            if refusal is not None:
                return refusal
            found = await examined(self._policy, self._visit, self._intake, body)
        except MailError as error:
            log.warning("message cannot be judged: %s", error)
            return error.reply
        self._verdict = found.verdict
        if found.refusal is not None:
            return found.refusal
        self._body, self._above = found.body, found.above
        self._change(found.envelope)
        return CONTENT_OK

    def _change(self, changes: EnvelopeChanges | None) -> None:
        """What milters want of the envelope."""
        if changes is None:
            return
        if changes.sender is not None:
            self._envelope = replace(self._envelope, sender=changes.sender)
        if changes.added or changes.removed:
            self._recipients = dict.fromkeys(changes.recipients(tuple(self._recipients)))
            if not self._recipients:
                self._visit.orders.discarded = "a milter took all recipients away"

    async def commit(self) -> Reply:
        """Queue the message. Where the caller is cancelled the commit goes on and its outcome is as if it had been told."""
        assert self._body is not None
        policy, origin = self._policy, self._origin
        recipients = tuple(self._recipients)
        try:
            refusal = await policy.guard.sent(origin.login, [recipient.address for recipient in recipients])
        except MailError as error:
            log.warning("what %r has sent cannot be told: %s", origin.login, error)
            refusal = error.reply if error.reply.temporary else TEMPORARY
        if refusal is not None:
            self.abort()
            return refusal
        number, orders = self._number, self._visit.orders
        if orders.discarded:
            log.info("%s: discarded: %s", ids.text(number), orders.discarded)
            self.abort()
            return Reply(250, "2.0.0", f"Ok: queued as {ids.text(number)}")
        if orders.redirect:
            recipients = (Recipient(orders.redirect),)
        recipients = tuple(dict.fromkeys((*recipients, *(Recipient(copy, Notify.NEVER) for copy in orders.copies))))
        sole = recipients[0].address if len(recipients) == 1 else None
        try:
            signed = self._service != "lmtp" and self._visit.trusted
            signature = await policy.signed(self._body) if signed else b""
            envelope = await policy.rewriting.envelope(
                Envelope(self._envelope.sender, recipients, self._envelope.parameters)
            )
        except MailError as error:
            log.warning("not signed, or addresses can not be rewritten: %s", error)
            self.abort()
            return error.reply
        prefix = signature + policy.inspection.stamps(self._verdict, self._visit) + stamps.prepended(orders.prepended)
        prefix += self._above + heading.received(policy, self._visit, number, sole)
        envelope = replace(envelope, recipients=(*envelope.recipients, *self._copies))
        message_id, verdict = message_id_of(self._intake), self._verdict
        body, self._body, self._intake = self._body, None, None
        return await asyncio.shield(policy.commit(number, envelope, body, prefix, origin, orders, message_id, verdict))

    def abort(self) -> None:
        """Forget it all; may be called at any time, also after `commit`, where it does nothing."""
        intake, self._intake, self._body = self._intake, None, None
        if intake is not None:
            intake.abort()
        for seat in self._visit.caller.seats or ():
            seat.reset()


def message_id_of(intake: BodyIntake | None) -> str:
    """As it stands in the header, for the trace; "" where there is none."""
    found = headers.first(intake.header, b"message-id") if intake is not None else None
    return headers.text(found)[:_ID_LIMIT] if found else ""


def _words(parameters: MailParameters) -> Iterator[str]:
    """As MAIL has them, for who looks at such things."""
    if parameters.size is not None:
        yield f"SIZE={parameters.size}"
    if parameters.body != "7BIT":
        yield f"BODY={parameters.body}"
    if parameters.smtputf8:
        yield "SMTPUTF8"
