"""What programs of others are told of mail ([webhook.NAME]): made of an attempt's outcomes, recorded in their settling unit."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from mailhub.config.webhooks import Webhook
from mailhub.model import ids, steps
from mailhub.model.address import domain_of
from mailhub.model.clock import Clock
from mailhub.store.api import Fate, Item, Notice, Outcome, QueuedRecipient

from .plan import sender_of

_REPLY_LIMIT = 1_000  # characters of a reply


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an event. `id`: the same whenever it is told; `at`: wall time; `message`: the queue id; `envid`: what the submitter
    called it (RFC 3461 section 4.4). `account` and `folder`: where it came in. `remote`: who gave the reply, "" for ourselves."""

    id: str
    event: str
    at: float
    message: str
    envid: str
    sender: str
    recipient: str
    account: str
    folder: str
    remote: str
    tls: str
    code: int
    enhanced: str
    reply: str
    attempts: int


class Notices:
    """`of` gives nothing where nobody wants to know."""

    def __init__(self, hooks: Mapping[str, Webhook], clock: Clock) -> None:
        self._clock = clock
        self._hooks = [(name, hook, frozenset(map(str.lower, hook.domains))) for name, hook in sorted(hooks.items())]
        self.hooks: tuple[Callable[[], object], ...] = ()

    def told(self) -> None:
        """Some were recorded: call all `hooks`."""
        for wake in self.hooks:
            wake()

    def of(self, item: Item, outcomes: Sequence[Outcome]) -> tuple[Notice, ...]:
        if not self._hooks:
            return ()
        recipients = {recipient.n: recipient for recipient in item.recipients}
        made = (self._of(item, recipients[outcome.n], outcome) for outcome in outcomes)
        return tuple(notice for notice in made if notice is not None)

    def _of(self, item: Item, recipient: QueuedRecipient, outcome: Outcome) -> Notice | None:
        event = _event(recipient, outcome)
        sender = sender_of(item, recipient)
        domains = {domain_of(sender).lower(), domain_of(recipient.address).lower()}
        to = tuple(
            (name, hook.limit)
            for name, hook, only in self._hooks
            if event in hook.events and (not only or only & domains)
        )
        if not to:
            return None
        filing, reply, number = outcome.filings[0] if outcome.filings else None, outcome.reply, ids.text(item.id)
        told = Told(
            id=f"{number}-{recipient.n}-{event}",
            event=event,
            at=outcome.when or self._clock.now(),
            message=number,
            envid=item.parameters.envid or "",
            sender=sender,
            recipient=recipient.address,
            account=filing.account if filing else "",
            folder=filing.folder if filing else "",
            remote=outcome.remote,
            tls=outcome.tls,
            code=reply.code,
            enhanced=reply.enhanced,
            reply=reply.text[:_REPLY_LIMIT],
            attempts=recipient.attempts + 1,
        )
        return Notice(recipient.n, to, told.id, self._clock.now(), msgspec.json.encode(told))


def _event(recipient: QueuedRecipient, outcome: Outcome) -> str:
    """Its name; "" for what is told to nobody: further delays, and recipients that became others, own copies."""
    if steps.is_copy(recipient.path):
        return ""
    if outcome.filings:
        return "received"
    if outcome.fate in (Fate.DELIVERED, Fate.RELAYED):
        return "delivered"
    if outcome.fate == Fate.FAILED:
        return "bounced"
    return "delayed" if outcome.fate == Fate.DEFERRED and recipient.attempts == 0 and not outcome.held else ""
