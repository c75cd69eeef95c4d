"""Reports to the sender, born in the unit that settles what they tell of (RFC 3464). Bounces never bounce.

What is told of, and to whom: `_kinds`. What a report looks like: `message.report`. What it says: `config.bounce_texts`. Mail
without a sender that can not be delivered is told to the postmaster, once: that report has a mark of its own.
"""

import logging
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from mailhub.config import bounce_texts
from mailhub.delivery.local import LOOP
from mailhub.message import report, stamps
from mailhub.message.report_fields import Fields, Reported
from mailhub.model import ids, steps
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.envelope import MailParameters, Notify, Origin
from mailhub.store.api import Body, Fate, Item, NewContent, NewItem, NewRecipient, Outcome, QueuedRecipient, QueueStore

from .bounce_rate import BounceRate
from .confidential import hidden_by, silenced
from .plan import sender_of
from .returned import returned
from .schedule import Schedule, started

log = logging.getLogger("mailhub.queue")

BOUNCE = "local"  # origins of reports, and of those that tell of a report
DOUBLE_BOUNCE = "2bounce"
LATE = "4.4.7"  # RFC 2852 section 4.1.4.2: the time of BY has passed, delivery goes on
_PER_REPORT = 500  # recipients
_SUCCESS = {Fate.DELIVERED: "delivered", Fate.RELAYED: "relayed", Fate.EXPANDED: "expanded"}

Told = tuple[Outcome, str]  # an outcome, and its action (RFC 3464 section 2.3.3)


def wanted(notify: int, kind: Notify) -> bool:
    """Whether a report of that kind was asked for (RFC 3461 section 4.1): failure and delay are, where nothing was said."""
    asked = Notify(notify)
    return bool(kind & ((Notify.FAILURE | Notify.DELAY) if asked == Notify.DEFAULT else asked))


class Bounces:
    """Writes the reports that outcomes call for. `domain`: one of ours, whose MAILER-DAEMON and postmaster take answers."""

    def __init__(self, store: QueueStore, schedule: Schedule, hostname: str, domain: str, clock: Clock) -> None:
        self._store, self._hostname, self._clock = store, hostname, clock
        self._domain = domain if domain.isascii() else hostname
        self._rate = BounceRate()
        self.configure(schedule)

    def configure(self, schedule: Schedule) -> None:
        """Take over a new configuration."""
        self._schedule, self._config = schedule, schedule.config
        own = [bounce_texts.Text(t.language, t.action, t.subject, t.body) for t in schedule.config.bounce_texts]
        self.confidential = frozenset(map(key, schedule.config.confidential_aliases))
        self._texts = bounce_texts.chosen(schedule.config.bounce_languages, own)

    async def born(self, item: Item, outcomes: Sequence[Outcome]) -> tuple[NewItem, ...]:
        """One report on all that failed, one on all that are late, one on all that went well and are asked for; more only
        where there are very many recipients."""
        recipients = {recipient.n: recipient for recipient in item.recipients}
        groups: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            recipient = recipients[outcome.n]
            to = "" if _is_loop_of_a_stranger(item, outcome, recipient) else sender_of(item, recipient)
            groups.setdefault(to, []).append(outcome)
        born: list[NewItem] = []
        for sender, some in groups.items():
            born += await self._born(item if sender == item.sender else _owned(item, sender), some, recipients)
        return tuple(born)

    async def _born(
        self, item: Item, outcomes: Sequence[Outcome], recipients: dict[int, QueuedRecipient]
    ) -> list[NewItem]:
        to = item.sender or self._config.double_bounce_recipient
        kinds = self._kinds(item, outcomes, recipients) if item.sender else self._undeliverable(item, outcomes)
        made = [
            await self._report(item, to, told[start : start + _PER_REPORT], recipients)
            for told in kinds
            for start in range(0, len(told), _PER_REPORT)
        ]
        return [born for born in made if born is not None]

    def _kinds(
        self, item: Item, outcomes: Sequence[Outcome], recipients: dict[int, QueuedRecipient]
    ) -> Iterator[list[Told]]:
        failed: list[Told] = []
        late: list[Told] = []
        well: list[Told] = []
        for outcome in outcomes:
            recipient = recipients[outcome.n]
            if outcome.fate == Fate.FAILED:
                if wanted(recipient.notify, Notify.FAILURE):
                    failed.append((outcome, "failed"))
            elif outcome.fate == Fate.DEFERRED:
                if outcome.warned:
                    late.append((self._overdue(item, outcome), "delayed"))
            elif action := self._success(item, outcome, recipient):
                well.append((outcome, action))
        yield from (told for told in (failed, late, well) if told)

    def _success(self, item: Item, outcome: Outcome, recipient: QueuedRecipient) -> str:
        """The action to report, "" for none. A peer that took NOTIFY reports itself (RFC 3461 section 5.2.2); so do children
        that took it over from their alias, and where none did, "expanded" is the last word (section 5.2.7.3)."""
        notify = Notify(recipient.notify)
        by = item.parameters.deliver_by
        elsewhere = outcome.fate == Fate.DELIVERED and bool(outcome.remote)
        if outcome.fate == Fate.EXPANDED:
            asked = Notify.SUCCESS in notify and not any(
                Notify.SUCCESS in Notify(child.notify) for child in outcome.children
            )
        else:
            asked = self._cleared(recipient) or (Notify.SUCCESS in notify and not elsewhere)
            relayed = elsewhere or outcome.fate == Fate.RELAYED
            if relayed and by is not None and notify != Notify.NEVER:  # RFC 2852 sections 4.1.4 and 4.1.4.2
                asked = asked or by.trace or (by.mode == "N" and not elsewhere)
        if not asked:
            return ""
        if outcome.fate == Fate.EXPANDED and key(recipient.address) in self.confidential:
            return "delivered"  # section 5.2.7.1
        return "relayed" if elsewhere else _SUCCESS[outcome.fate]

    def _cleared(self, recipient: QueuedRecipient) -> bool:
        return recipient.warned and self._config.confirm_delay_cleared

    def _overdue(self, item: Item, outcome: Outcome) -> Outcome:
        by = item.parameters.deliver_by
        if by is None or by.mode != "N" or self._clock.now() < by.until:
            return outcome
        return replace(outcome, reply=replace(outcome.reply, enhanced=LATE))

    def _undeliverable(self, item: Item, outcomes: Sequence[Outcome]) -> Iterator[list[Told]]:
        """What postmaster is told of mail without a sender. Never a third report: what can not be told to him is told to the
        log."""
        failed: list[Told] = [(outcome, "failed") for outcome in outcomes if outcome.fate == Fate.FAILED]
        if self._config.double_bounce_recipient and item.origin.protocol != DOUBLE_BOUNCE:
            yield failed
            return
        for outcome, _ in failed:
            log.warning("a bounce that cannot be delivered is dropped: %r", str(outcome.reply))

    async def _report(
        self, item: Item, to: str, told: Sequence[Told], recipients: dict[int, QueuedRecipient]
    ) -> NewItem | None:
        """A report to `to`, ready to be queued; None where that address has had enough of them."""
        now, config = self._clock.now(), self._config
        kind = told[0][1] if item.sender else "double"
        if not self._rate.allows(key(to), now, config.bounce_rate_limit):
            log.warning("report to %r (%s) dropped: queue.bounce_rate_limit of %d in an hour is reached", to, kind,
                        config.bounce_rate_limit)  # fmt: skip
            return None
        number = self._store.new_id()
        message_id = stamps.message_id(ids.text(number), self._hostname)
        # RFC 3461 section 4.3: RET is for reports of failure; RFC 8689 section 5: no body where TLS was required
        full = item.parameters.ret == "FULL" and not item.parameters.requiretls
        whole = kind == "double" or (kind == "failed" and full)
        limit = config.bounce_size_limit if whole else 0
        back = await returned(item, message_id, config.bounce_header_limit, limit)
        texts = self._said(item, told, recipients[told[0][0].n])
        rendered = report.render(
            report.Report(
                sender=f"MAILER-DAEMON@{self._domain}",
                to=to,
                message_id=message_id,
                date=now,
                subject=texts[0].subject,
                texts=tuple((text.action, text.body) for text in texts),
                fields=self._fields(item, told, recipients),
                returned=back,
            )
        )
        log.info("report %s: %s, to=%r", ids.text(number), kind, to)
        return self._item(item, number, to, rendered, back)

    def _fields(self, item: Item, told: Sequence[Told], recipients: dict[int, QueuedRecipient]) -> Fields:
        by = item.parameters.deliver_by
        return Fields(
            hostname=self._hostname,
            queue_id=ids.text(item.id),
            sender=item.sender,
            arrival=item.created,
            recipients=tuple(self._reported(item, recipients[outcome.n], outcome, action) for outcome, action in told),
            envid=item.parameters.envid,
            deliver_by=None if by is None else by.until,
            international=_international(item),
        )

    def _reported(self, item: Item, recipient: QueuedRecipient, outcome: Outcome, action: str) -> Reported:
        alias = hidden_by(recipient.path, self.confidential)
        return Reported(
            address=alias or steps.shown(recipient.address, recipient.path),
            action=action,
            reply=silenced(outcome.reply) if alias else outcome.reply,
            orcpt=recipient.orcpt,
            remote="" if alias else outcome.remote,
            last_attempt=self._clock.now(),
            will_retry_until=self._schedule.deadline(item, recipient.address) if action == "delayed" else None,
        )

    def _item(self, item: Item, number: int, to: str, rendered: report.Rendered, back: report.Returned) -> NewItem:
        """RFC 3461 section 6.1: null sender, NOTIFY=NEVER. RFC 6710 section 5, RFC 8689 section 5: as urgent as what it tells of,
        and with the same need of TLS."""
        now, asked, whole = self._clock.now(), item.parameters, item.content
        if back.header is None:
            content = NewContent(number, rendered.head + whole.prefix, whole.body, whole.tail + rendered.tail)
        else:
            content = NewContent(number, b"", Body(len(rendered.head), rendered.head))
        eight = back.eight or not rendered.head.isascii()
        return NewItem(
            id=number,
            content=content,
            sender="",
            recipients=(NewRecipient(0, to, notify=int(Notify.NEVER)),),
            created=now,
            due=now,
            parameters=MailParameters(
                smtputf8=eight and _international(item),
                body="8BITMIME" if eight else "7BIT",
                priority=asked.priority,
                requiretls=asked.requiretls,
            ),
            origin=Origin(protocol=BOUNCE if item.sender else DOUBLE_BOUNCE),
        )

    def _said(self, item: Item, told: Sequence[Told], first: QueuedRecipient) -> list[bounce_texts.Text]:
        """A text for each action, the languages one below the other; the subject is that of the first."""
        values = {
            "hostname": self._hostname,
            "postmaster": f"postmaster@{self._domain}",
            "sender": item.sender or "<>",
            "queue_id": ids.text(item.id),
            "arrival": stamps.date_time(item.created),
            "hours": str(int((self._clock.now() - started(item)) // 3600)),
            "until": stamps.date_time(self._schedule.deadline(item, first.address)),
        }
        said = []
        for action in dict.fromkeys(action for _, action in told):
            texts = self._texts[action if item.sender else "double"]
            body = "\n\n".join(bounce_texts.filled(text.body, values).strip("\n") for text in texts)
            subject = bounce_texts.filled(texts[0].subject, values)
            said.append(bounce_texts.Text(texts[0].language, action, subject, body))
        return said


def _owned(item: Item, owner: str) -> Item:
    """The message as the owner of a list has sent it on: its sender's wishes are not his (RFC 3461 section 5.2.7.2)."""
    return replace(item, sender=owner, parameters=replace(item.parameters, envid=None, ret=None))


def _is_loop_of_a_stranger(item: Item, outcome: Outcome, recipient: QueuedRecipient) -> bool:
    """An alias led to a mailbox whose Delivered-To stands in the message. SMTP could not see that; the field is easily forged, and
    so is the sender, who would get a report of what he never sent: postmaster is told."""
    return outcome.reply == LOOP and bool(recipient.path) and not item.origin.login


def _international(item: Item) -> bool:
    """RFC 6533 section 4: for a sender who has shown that he reads it; all others get what seven bits can say."""
    return item.parameters.smtputf8 or not item.sender.isascii()
