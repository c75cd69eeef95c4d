"""Reports to the sender, born in the unit that settles what they tell of (RFC 3464). Bounces never bounce."""

import logging
from collections.abc import Sequence

from mailhub.config import schema
from mailhub.message import report, stamps
from mailhub.message.headers import header_end
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.envelope import Notify, Origin
from mailhub.store.api import Body, Fate, Item, NewContent, NewItem, NewRecipient, Outcome, QueuedRecipient, QueueStore

log = logging.getLogger("mailhub.queue")


class Bounces:
    """Writes the reports that outcomes call for."""

    def __init__(self, store: QueueStore, config: schema.Queue, hostname: str, clock: Clock) -> None:
        self._store, self._config, self._hostname, self._clock = store, config, hostname, clock

    async def born(self, item: Item, outcomes: Sequence[Outcome]) -> tuple[NewItem, ...]:
        """The reports on these outcomes: one on all that failed, one on all of whose delay the sender is to be told."""
        recipients = {recipient.n: recipient for recipient in item.recipients}
        failed = [o for o in outcomes if o.fate == Fate.FAILED and _wants(recipients[o.n], Notify.FAILURE)]
        late = [o for o in outcomes if o.fate == Fate.DEFERRED and o.warned and _wants(recipients[o.n], Notify.DELAY)]
        out = []
        for action, chosen in (("failed", failed), ("delayed", late)):
            if not chosen:
                continue
            if not item.sender:
                log.warning("%s: a report that can not be delivered is dropped: %s", ids.text(item.id), chosen[0].reply)
                continue
            out.append(await self._report(item, action, [(recipients[o.n], o) for o in chosen]))
        return tuple(out)

    async def _report(self, item: Item, action: str, told: Sequence[tuple[QueuedRecipient, Outcome]]) -> NewItem:
        now, number = self._clock.now(), self._store.new_id()
        header = await item.content.read(0, self._config.bounce_header_limit)
        deadline = item.created + self._config.lifetime if action == "delayed" else None
        text = report.render(
            report.Report(
                to=item.sender,
                hostname=self._hostname,
                message_id=stamps.message_id(ids.text(number), self._hostname),
                date=now,
                arrival=item.created,
                envid=item.envid,
                header=header[: header_end(header)],
                recipients=tuple(
                    report.Reported(r.address, action, o.reply, r.orcpt, o.remote, now, deadline) for r, o in told
                ),
            )
        )
        utf8 = item.smtputf8 or (not text.isascii() and not item.sender.isascii())
        return NewItem(
            id=number,
            content=NewContent(number, b"", Body(len(text), text)),
            sender="",
            recipients=(NewRecipient(0, item.sender),),
            created=now,
            due=now,
            smtputf8=utf8,
            body="7BIT" if text.isascii() else "8BITMIME",
            origin=Origin(protocol="local"),
        )


def _wants(recipient: QueuedRecipient, kind: Notify) -> bool:
    """RFC 3461 section 4.1: where nothing was asked for, failure and delay are told."""
    asked = Notify(recipient.notify)
    return asked == Notify.DEFAULT or kind in asked
