"""The suppression list: mail that our accounts submit is held back from addresses that refused it for good, again and again.

Who goes on writing to addresses that do not exist is taken for a spammer, and all our mail with his. Only refusals that speak
of the address itself count; mail that was not submitted here neither counts nor is held back.
"""

import logging
from collections.abc import Iterator, Sequence

from mailhub.config import schema
from mailhub.message.stamps import date_time
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.store.api import Fate, HardBounce, Item, Memory, Outcome, SuppressionRow, SuppressionStore

log = logging.getLogger("mailhub.queue")

_CLOSED = "5.2.1"  # RFC 3463 section 3.3: the mailbox takes no mail
_ADDRESS = "5.1."  # section 3.2: there is no such address
_SENDER = ("5.1.7", "5.1.8")  # those speak of the sender's
_NO_HOST = ("5.1.2", "5.1.10")  # those we find out ourselves (RFC 3463 section 3.2, RFC 7505 section 4.2)
_REPLY_LIMIT = 300  # characters of a reply that are remembered


class Suppressions:
    """Asked at RCPT and before an attempt; what an attempt teaches goes into its settling unit."""

    def __init__(self, store: SuppressionStore, config: schema.Suppression, clock: Clock) -> None:
        self._store, self._config, self._clock = store, config, clock

    def configure(self, config: schema.Suppression) -> None:
        """Take over a new configuration."""
        self._config = config

    async def refusal(self, login: str, address: str) -> Reply | None:
        """Why mail that `login` submits is held back from `address`; None where it is not."""
        row = await self._store.find(key(address)) if login else None
        if row is None or (row.until is not None and row.until <= self._clock.now()):
            return None
        if row.source == "bounces" and not self._config.bounces:
            return None
        return Reply(550, "5.1.0", "\n".join((f"<{address}> is on the suppression list:", *_why(row))))

    async def learnt(self, item: Item, outcomes: Sequence[Outcome]) -> Memory | None:
        """What the unit that settles these is to remember, None for nothing."""
        config = self._config
        if not item.origin.login or not config.bounces:
            return None
        names = {recipient.n: key(recipient.address) for recipient in item.recipients}
        now = self._clock.now()
        refused = tuple(HardBounce(names[o.n], now, o.remote, _one_line(o.reply)) for o in outcomes if _is_hard(o))
        well = tuple([names[o.n] for o in outcomes if _is_well(o) and await self._known(names[o.n])])
        if not refused and not well:
            return None
        return Memory(refused, well, config.bounces, config.window, config.hold, config.table_limit)

    async def _known(self, address: str) -> bool:
        try:
            return await self._store.find(address) is not None
        except MailError as error:  # what was delivered is settled all the same; it begins anew with the next mail
            log.warning("%s: whether it is on the suppression list can not be told: %s", address, error)
            return False


def _is_hard(outcome: Outcome) -> bool:
    code = outcome.reply.enhanced
    if outcome.fate != Fate.FAILED or not outcome.reply.permanent or code in _SENDER:
        return False
    return code.startswith(_ADDRESS) or code == _CLOSED if outcome.remote else code in _NO_HOST


def _is_well(outcome: Outcome) -> bool:
    return outcome.fate in (Fate.DELIVERED, Fate.RELAYED) and bool(outcome.remote)


def _one_line(reply: Reply) -> str:
    return " ".join(str(reply).split())[:_REPLY_LIMIT]


def _why(row: SuppressionRow) -> Iterator[str]:
    """Lines of a reply: each is short enough for SMTP (RFC 5321 section 4.5.3.1.5)."""
    if row.history:
        first, last = row.history[0], row.history[-1]
        yield f"it refused mail {len(row.history)} times since {date_time(first.at)}, last:"
        yield f"{last.remote} said: {last.reply}" if last.remote else last.reply
    else:
        yield "put there by the operator" + (f" ({row.note})" if row.note else "")
    if row.until is not None:
        yield f"held back until {date_time(row.until)}"
