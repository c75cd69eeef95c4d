"""What an account may send in a day (UTC): messages, and recipients it never wrote to before. A stolen password shows here.

Counted in memory, written behind: a restart loses no more than the last moment. Recipients are kept as digests.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Iterable

from msgspec import Struct, field

from mailhub.config import schema
from mailhub.model import address
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.store.api import GuardStore

from .alerts import Alerts

log = logging.getLogger("mailhub.policy")

DAY = 86_400


class _Day(Struct):
    """An account's day. `stored`: messages and new recipients that the store knows of, as far as we know. `fresh`: recipients that are
    new today, and whether each is counted in the store."""

    day: int
    messages: int
    new: int
    stored: tuple[int, int]
    fresh: dict[bytes, bool] = field(default_factory=dict)


class _Unwritten(Struct):
    messages: int = 0
    new: int = 0
    recipients: dict[bytes, None] = field(default_factory=dict)


class AccountLimits:
    """`store` None: nothing outlives the process, and every recipient is new once a day."""

    def __init__(self, limits: schema.Limits, clock: Clock, store: GuardStore | None, alerts: Alerts) -> None:
        self.limits = limits
        self._clock, self._store, self._alerts = clock, store, alerts
        self._days: OrderedDict[str, _Day] = OrderedDict()
        self._unwritten: dict[tuple[str, int], _Unwritten] = {}
        self._writing: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._days)

    async def message(self, account: str) -> Reply | None:
        """Whether the account may send one more today; a refusal where not."""
        limit = self.limits.messages_per_account
        if not limit or (today := await self._today(account)).messages < limit:
            return None
        return self._reached(account, today, "account-message-limit", limit, "messages")

    async def recipient(self, account: str, recipient: str) -> Reply | None:
        """Count a recipient that is named, if the account never wrote to it."""
        limit = self.limits.new_recipients_per_account
        if not limit:
            return None
        today, name = await self._today(account), digest(recipient)
        if name in today.fresh or (self._store is not None and await self._store.wrote_to(account, name)):
            return None
        if name in today.fresh:  # another session named it meanwhile
            return None
        if today.new >= limit:
            return self._reached(account, today, "account-recipient-limit", limit, "new recipients")
        today.new += 1
        today.fresh[name] = False
        return None

    async def sent(self, account: str, recipients: Iterable[str]) -> Reply | None:
        """Count a message that is about to be queued; a refusal where others were quicker."""
        limit, today = self.limits.messages_per_account, await self._today(account)
        if limit and today.messages >= limit:
            return self._reached(account, today, "account-message-limit", limit, "messages")
        today.messages += 1
        if self._store is not None:
            unwritten = self._unwritten.setdefault((account, today.day), _Unwritten())
            unwritten.messages += 1
            for name in map(digest, recipients):
                unwritten.recipients[name] = None
                if today.fresh.get(name) is False:
                    today.fresh[name] = True
                    unwritten.new += 1
            if self._writing is None:
                self._writing = asyncio.get_running_loop().create_task(self._write(self._store))
        return None

    async def settled(self) -> None:
        """Wait until all is written."""
        while self._writing is not None:
            await asyncio.wait((self._writing,))

    async def _today(self, account: str) -> _Day:
        day = int(self._clock.now()) // DAY
        if (found := self._of(account, day)) is None:
            messages, new = (0, 0) if self._store is None else await self._store.sent(account, day)
            found = self._of(account, day)  # another session may have begun it, and counted, meanwhile
            if found is None:
                found = self._days[account] = _Day(day, messages, new, (messages, new))
                if len(self._days) > self.limits.table_limit:
                    self._days.popitem(last=False)
        self._days.move_to_end(account)
        return found

    def _of(self, account: str, day: int) -> _Day | None:
        found = self._days.get(account)  # a clock set back over midnight renews nothing
        return found if found is not None and found.day - 1 <= day <= found.day else None

    def _reached(self, account: str, today: _Day, event: str, limit: int, what: str) -> Reply:
        cause = f"{limit} {what} in one day"
        self._alerts.raise_(event, account, cause, str(today.day))
        return Reply(450, "4.7.1", f"This account's limit of {cause} is reached; it may go on after midnight UTC")

    def _learn(self, account: str, day: int, ours: _Unwritten, told: tuple[int, int]) -> None:
        """What other nodes have counted meanwhile is counted here, too."""
        today = self._days.get(account)
        if today is None or today.day != day:
            return
        messages, new = today.stored
        today.messages += max(0, told[0] - messages - ours.messages)
        today.new += max(0, told[1] - new - ours.new)
        today.stored = told

    async def _write(self, store: GuardStore) -> None:
        known = self.limits.recipients_known
        try:
            while self._unwritten:
                (account, day), sum_ = next(iter(self._unwritten.items()))
                del self._unwritten[account, day]
                try:
                    told = await store.add_sent(account, day, sum_.messages, sum_.new, tuple(sum_.recipients), known)
                    self._learn(account, day, sum_, told)
                except MailError as error:
                    log.error("%s: what it sent is not counted in the store: %s", account, error)
        finally:
            self._writing = None


def digest(recipient: str) -> bytes:
    """As whom the store knows an address that somebody wrote to."""
    return hashlib.blake2b(address.key(recipient).encode("utf-8", "surrogatepass"), digest_size=12).digest()
