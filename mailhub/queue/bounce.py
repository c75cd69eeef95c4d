"""Reports to the sender, born in the unit that settles what they tell of (RFC 3464). Bounces never bounce."""

import logging
from collections.abc import Sequence

from mailhub.config import schema
from mailhub.message import report, stamps
from mailhub.message.headers import header_end
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.envelope import MailParameters, Notify, Origin
from mailhub.model.errors import MailError
from mailhub.store.api import Body, Content, Fate, Item, NewContent, NewItem, NewRecipient, Outcome, QueueStore

from .schedule import Schedule

log = logging.getLogger("mailhub.queue")


def wanted(notify: int, kind: Notify) -> bool:
    """Whether a report of that kind was asked for (RFC 3461 section 4.1): failure and delay are, where nothing was said."""
    asked = Notify(notify)
    return bool(kind & ((Notify.FAILURE | Notify.DELAY) if asked == Notify.DEFAULT else asked))


class Bounces:
    """Writes the reports that outcomes call for."""

    def __init__(self, store: QueueStore, schedule: Schedule, hostname: str, clock: Clock) -> None:
        self._store, self._schedule, self._hostname, self._clock = store, schedule, hostname, clock

    @property
    def _config(self) -> schema.Queue:
        return self._schedule.config

    async def born(self, item: Item, outcomes: Sequence[Outcome]) -> tuple[NewItem, ...]:
        """One report on all outcomes that failed, and one on all that are `warned` of; to the sender, from nobody."""
        notify = {recipient.n: recipient.notify for recipient in item.recipients}
        failed = [o for o in outcomes if o.fate == Fate.FAILED]
        late = [o for o in outcomes if o.fate == Fate.DEFERRED and o.warned]
        if not item.sender:
            for outcome in failed:
                log.warning("a bounce that cannot be delivered is dropped: %r", str(outcome.reply))
            return ()
        failed = [o for o in failed if wanted(notify[o.n], Notify.FAILURE)]
        reports = [await self._report(item, "failed", failed)] if failed else []
        if late:
            reports.append(await self._report(item, "delayed", late))
        return tuple(reports)

    async def _report(self, item: Item, action: str, outcomes: Sequence[Outcome]) -> NewItem:
        now, number = self._clock.now(), self._store.new_id()
        recipients = {recipient.n: recipient for recipient in item.recipients}
        until = self._schedule.deadline(item) if action == "delayed" else None
        text = report.render(
            report.Report(
                to=item.sender,
                hostname=self._hostname,
                message_id=stamps.message_id(ids.text(number), self._hostname),
                date=now,
                arrival=item.created,
                envid=item.parameters.envid,
                header=await _header(item.content, self._config.bounce_header_limit),
                recipients=tuple(
                    report.Reported(
                        recipients[o.n].address, action, o.reply, recipients[o.n].orcpt, o.remote, now, until
                    )
                    for o in outcomes
                ),
            )
        )
        log.info("report %s: %s, to=%r", ids.text(number), action, item.sender)
        return NewItem(
            id=number,
            content=NewContent(number, b"", Body(len(text), text)),
            sender="",
            recipients=(NewRecipient(0, item.sender),),
            created=now,
            due=now,
            parameters=MailParameters(
                smtputf8=not (item.sender.isascii() and text.partition(b"\r\n\r\n")[0].isascii()),
                body="7BIT" if text.isascii() else "8BITMIME",
            ),
            origin=Origin(protocol="local"),
        )


async def _header(content: Content, limit: int) -> bytes:
    """The message's header, at most `limit` octets of it in whole lines; nothing where it cannot be read now: a report
    without it is better than none."""
    try:
        start = await content.read(0, min(limit, content.size))
    except MailError as error:
        log.warning("report without the header: %s", error)
        return b""
    end = header_end(start)
    if end == len(start) < content.size:
        end = start.rfind(b"\n") + 1
    return start[:end]
