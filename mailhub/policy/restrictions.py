"""Restriction lists at work: entries of the config with their tables opened, looked at in their order until one decides.

A permit ends its own list alone. Nothing decided is nothing said. A table that can not be asked makes the client come again.
"""

import logging
from collections.abc import Iterator, Sequence

from mailhub.config import lookup
from mailhub.config.restrictions import Entry, parse
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.tables import Table, Tables

from .access import Verdict, act, address_keys, client_keys, domain_keys
from .checks import CHECKS, DENIED, Surroundings
from .visit import Visit

log = logging.getLogger("mailhub.policy")

_NESTING = 10  # restriction lists that tables may name, one inside another
TABLE_AWAY = Reply(451, "4.3.0", "Temporary lookup failure")


class Restrictions:
    """One list. `delimiter`: of user+tag, for address keys."""

    def __init__(self, texts: Sequence[str], tables: Tables, clock: Clock, delimiter: str) -> None:
        self._tables, self._clock, self._delimiter = tables, clock, delimiter
        self._entries = parse(texts)
        self._opened: dict[str, Table] = {
            entry.argument: self._table(entry) for entry in self._entries if ":" in entry.argument
        }

    def __bool__(self) -> bool:
        return bool(self._entries)

    def _table(self, entry: Entry) -> Table:
        return self._tables.named(entry.argument)

    async def judge(self, visit: Visit, here: Surroundings) -> Verdict:
        """A refusal, PERMIT, or None."""
        return await self._run(self._entries, visit, here, 0)

    async def _run(self, entries: Sequence[Entry], visit: Visit, here: Surroundings, depth: int) -> Verdict:
        for entry in entries:
            try:
                verdict = await self._one(entry, visit, here, depth)
            except MailError as error:
                log.warning("%s %s: %s", entry.word, entry.argument, error)
                verdict = TABLE_AWAY
            if isinstance(verdict, Reply) and entry.warn:
                log.warning("%s: would be refused by %s: %s", _who(visit), entry.word, verdict)
                verdict = None
            if verdict is not None:
                return verdict
        return None

    async def _one(self, entry: Entry, visit: Visit, here: Surroundings, depth: int) -> Verdict:
        if entry.word == "sleep":
            await self._clock.sleep(float(entry.argument))
            return None
        check = CHECKS.get(entry.word)
        if check is not None:
            return await check(visit, here)
        table = self._opened.get(entry.argument) or self._tables.named(entry.argument)
        keys = await self._keys(entry.word, visit)
        if self._tables.whole_keys(entry.argument):
            keys = iter(await self._whole_keys(entry.word, visit))
        for key in keys:
            if (value := await table.lookup(key)) is not None:
                return await self._value(entry, key, value, visit, here, depth)
        return None

    async def _value(self, entry: Entry, key: str, value: str, visit: Visit, here: Surroundings, depth: int) -> Verdict:
        said = value.split(None, 1)[0].upper() if value.strip() else ""
        if said in ("WARN", "INFO", "HOLD", "DISCARD", "REDIRECT", "FILTER", "BCC", "PREPEND"):
            log.info("%s: %s %s: %r is %s", _who(visit), entry.word, entry.argument, key, value[:200])
        verdict, names = act(value, visit.orders, _refusal(entry.word))
        if not names:
            return verdict
        if depth >= _NESTING:
            log.error("%s: %r names restrictions more than %d deep", entry.argument, key, _NESTING)
            return TABLE_AWAY
        try:
            entries = parse([names])
        except lookup.Malformed as error:
            log.error("%s: %r: neither an action nor restrictions: %s", entry.argument, key, error)
            return TABLE_AWAY
        return await self._run(entries, visit, here, depth + 1)

    async def _whole_keys(self, word: str, visit: Visit) -> list[str]:
        """For tables of patterns and networks, which find parents by themselves."""
        origin = visit.origin
        match word:
            case "check_client_access":
                return [key for key in ((await visit.name()).verified, origin.client) if key]
            case "check_sender_access":
                return [visit.sender or "<>"]
            case "check_recipient_access":
                return [visit.recipient]
        return list(await self._keys(word, visit))[:1]

    async def _keys(self, word: str, visit: Visit) -> Iterator[str]:
        origin = visit.origin
        match word:
            case "check_client_access":
                return client_keys((await visit.name()).verified, origin.client)
            case "check_reverse_client_hostname_access":
                return domain_keys((await visit.name()).reverse)
            case "check_helo_access":
                return domain_keys(origin.helo)
            case "check_sasl_access":
                return iter((origin.login,) if origin.login else ())
            case "check_sender_access":
                return address_keys(visit.sender or "", self._delimiter)
        return address_keys(visit.recipient, self._delimiter)


def _refusal(word: str) -> Reply:
    """What a bare REJECT says."""
    subjects = {
        "check_client_access": "Client host", "check_reverse_client_hostname_access": "Client host",
        "check_helo_access": "Helo command", "check_sender_access": "Sender address",
        "check_recipient_access": "Recipient address",
    }  # fmt: skip
    subject = subjects.get(word)
    return Reply(DENIED.code, DENIED.enhanced, f"{subject} rejected: Access denied") if subject else DENIED


def _who(visit: Visit) -> str:
    return f"{visit.origin.client or visit.service} from=<{visit.sender or ''}> to=<{visit.recipient}>"


def settled(verdicts: Sequence[Verdict], visit: Visit) -> Reply | None:
    """The first refusal, with what DEFER_IF_PERMIT and DEFER_IF_REJECT make of it; None where nothing stands against it."""
    refusal = next((verdict for verdict in verdicts if isinstance(verdict, Reply)), None)
    orders = visit.orders
    if refusal is None:
        return Reply(450, "4.7.1", orders.defer_if_permit) if orders.defer_if_permit else None
    if refusal.permanent and orders.defer_if_reject:
        return Reply(450, "4.7.1", orders.defer_if_reject)
    return refusal
