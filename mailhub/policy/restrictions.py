"""Restriction lists at work: entries of the config with their tables opened, looked at in their order until one decides.

A permit ends its own list alone. Nothing decided is nothing said. A table that can not be asked makes the client come again.
"""

import logging
from collections.abc import Iterator, Sequence

from mailhub.config import lookup
from mailhub.config.restrictions import Entry, parse
from mailhub.model.address import unquote
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.tables import Table, Tables

from .access import (
    NAMELESS,
    PERMIT,
    Deferral,
    Finding,
    Ruling,
    act,
    address_keys,
    client_keys,
    coded,
    domain_keys,
)  # fmt: skip
from .checks import CHECKS, Surroundings
from .visit import Told, Visit

log = logging.getLogger("mailhub.policy")

_NESTING = 10  # restriction lists that tables may name, one inside another
_TABLES = 100  # that values of tables may name, besides those of the list
TABLE_AWAY = Reply(451, "4.3.0", "Temporary lookup failure")
DELEGATED = "check_policy_service"
SERVER_ERROR = Reply(451, "4.3.5", "Server configuration error")
_SUBJECTS = {
    "check_client_access": "Client host", "check_reverse_client_hostname_access": "Client host",
    "check_helo_access": "Helo command", "check_sender_access": "Sender address",
    "check_recipient_access": "Recipient address",
}  # fmt: skip
_OF_STAGES = {
    "client": "Client host", "helo": "Helo command", "sender": "Sender address", "relay": "Recipient address",
    "recipient": "Recipient address", "data": "Data command", "end_of_data": "End-of-data command",
}  # fmt: skip


class _Misconfigured(Exception):
    """A table says what makes no sense; the text tells. Neither warn_if_reject nor a permit before it makes that good."""


class Restrictions:
    """One list. `delimiter`: of user+tag, for address keys; `stage`: what the list is for."""

    def __init__(self, texts: Sequence[str], tables: Tables, clock: Clock, delimiter: str, stage: str = "") -> None:
        self._stage = stage
        self._tables, self._clock, self._delimiter = tables, clock, delimiter
        self._entries = parse(texts)
        self._opened = {
            entry.argument: tables.named(entry.argument)
            for entry in self._entries
            if ":" in entry.argument and entry.word != DELEGATED
        }
        self._limit = len(self._opened) + _TABLES

    def __bool__(self) -> bool:
        return bool(self._entries)

    def _table(self, name: str) -> Table:
        """Of the list, or named by another table's value; of those there is a bound, for a value may hold a part of a key."""
        if name not in self._opened:
            if len(self._opened) >= self._limit:
                raise _Misconfigured(f"{name[:200]}: values of tables name more than {_TABLES} other tables")
            self._opened[name] = self._tables.named(name)
        return self._opened[name]

    async def judge(self, visit: Visit, here: Surroundings) -> Ruling:
        """A refusal, PERMIT, or None. What stays in doubt is noted in the visit."""
        visit.hope = None  # smtpd(8): each list begins without one
        try:
            return await self._run(self._entries, visit, here, 0, False)
        except _Misconfigured as error:
            log.error("%s: %s", _who(visit), error)
            return SERVER_ERROR

    async def _run(self, entries: Sequence[Entry], visit: Visit, here: Surroundings, depth: int, warn: bool) -> Ruling:
        for entry in entries:
            if visit.orders.discarded or (visit.doubt and visit.hope):  # nothing that follows would change the answer
                break
            try:
                verdict = await self._one(entry, visit, here, depth, warn or entry.warn)
            except MailError as error:
                log.warning("%s %s: %s", entry.word, entry.argument, error)
                verdict = _weighed(TABLE_AWAY, entry, visit, warn or entry.warn)
            if visit.told is not None:
                visit.told.append(Told(self._stage, f"{entry.word} {entry.argument}".rstrip(), str(verdict or "dunno")))
            if verdict is not None:
                return verdict
        return None

    async def _one(self, entry: Entry, visit: Visit, here: Surroundings, depth: int, warn: bool) -> Ruling:
        if entry.word == "sleep":
            await self._clock.sleep(float(entry.argument))
            return None
        if entry.word == DELEGATED:
            action = await here.delegated(entry.argument, self._stage, visit)
            return await self._value(entry, "", action, visit, here, depth, warn)
        check = CHECKS.get(entry.word)
        if check is not None:
            return _weighed(await check(visit, here), entry, visit, warn)
        table = self._table(entry.argument)
        keys = await self._keys(entry.word, visit)
        if self._tables.whole_keys(entry.argument):
            keys = iter(await self._whole_keys(entry.word, visit))
        for key in keys:
            if (value := await table.lookup(key)) is not None:
                verdict = await self._value(entry, key, value, visit, here, depth, warn)
                if (
                    verdict == PERMIT
                    and not visit.orders.discarded
                    and entry.word == "check_reverse_client_hostname_access"
                ):
                    raise _Misconfigured(
                        f"{entry.word}: {key!r} is permitted, but anybody may give his address that name"
                    )
                return verdict
        return None

    async def _value(
        self, entry: Entry, key: str, value: str, visit: Visit, here: Surroundings, depth: int, warn: bool
    ) -> Ruling:
        said = value.split(None, 1)[0].upper() if value.strip() else ""
        if said in ("WARN", "INFO", "HOLD", "DISCARD", "REDIRECT", "FILTER", "BCC", "PREPEND"):
            log.info("%s: %s %s: %r is %s", _who(visit), entry.word, entry.argument, key, value[:200])
        finding, names = act(value, visit.orders, self._refusal(entry.word, here), here.config)
        if not names:
            return _weighed(finding, entry, visit, warn)
        if depth >= _NESTING:
            raise _Misconfigured(f"{entry.argument}: {key!r} names restrictions more than {_NESTING} deep")
        try:
            entries = parse([names])
        except lookup.Malformed as error:
            raise _Misconfigured(f"{entry.argument}: {key!r}: neither an action nor restrictions: {error}") from None
        return await self._run(entries, visit, here, depth + 1, warn)

    def _refusal(self, word: str, here: Surroundings) -> Reply:
        """What a bare REJECT says."""
        subject = _OF_STAGES.get(self._stage) if word == DELEGATED else _SUBJECTS.get(word)
        text = f"{subject} rejected: Access denied" if subject else "Access denied"
        return coded(here.config.access_map_reject_code, "5.7.1", text)

    async def _whole_keys(self, word: str, visit: Visit) -> list[str]:
        """For tables of patterns and networks, which find parents by themselves."""
        origin = visit.origin
        match word:
            case "check_client_access":
                return _whole((await visit.name()).verified, origin.client)
            case "check_reverse_client_hostname_access":
                return _whole((await visit.name()).reverse, origin.client)
            case "check_sender_access":
                return [] if visit.sender is None else [_unquoted(visit.sender) or "<>"]
            case "check_recipient_access":
                return [_unquoted(visit.recipient)] if visit.recipient else []
        return list(await self._keys(word, visit))[:1]

    async def _keys(self, word: str, visit: Visit) -> Iterator[str]:
        origin = visit.origin
        match word:
            case "check_client_access":
                return client_keys((await visit.name()).verified, origin.client)
            case "check_reverse_client_hostname_access":
                return client_keys((await visit.name()).reverse, origin.client)
            case "check_helo_access":
                return domain_keys(origin.helo)
            case "check_sasl_access":
                return iter((origin.login,) if origin.login else ())
            case "check_sender_access":
                return iter(()) if visit.sender is None else address_keys(visit.sender, self._delimiter)
        return address_keys(visit.recipient, self._delimiter) if visit.recipient else iter(())


def _weighed(finding: Finding, entry: Entry, visit: Visit, warn: bool) -> Ruling:
    """What a restriction found, in the light of warn_if_reject and of what has been left open before it."""
    if isinstance(finding, Deferral):
        if finding.unless == "reject":
            visit.hope = visit.hope or finding.reply
            return None
        if not warn:
            visit.doubt = visit.doubt or finding.reply
            return None
        finding = finding.reply
    if not isinstance(finding, Reply):
        return finding
    if warn:
        log.warning("%s: would be refused by %s: %s", _who(visit), entry.word, finding)
        return None
    return visit.hope if finding.permanent and visit.hope else finding


def _whole(name: str, client: str) -> list[str]:
    return [name or NAMELESS, client] if client else []


def _unquoted(address: str) -> str:
    """As patterns see it: in the case it came in, without quotes that carry no meaning."""
    local, at, domain = address.rpartition("@")
    return f"{unquote(local)}{at}{domain}"


def _who(visit: Visit) -> str:
    return f"{visit.origin.client or visit.service} from=<{visit.sender or ''}> to=<{visit.recipient}>"
