"""What other nodes change, in the mailboxes that somebody looks at here: their mod-sequences, and the counters of lists of folders, are
compared every `poll_seconds`.

A folder or account that was asked for is watched for an hour after it was asked for last (sessions that only listen ask again when they are
told), as far as there is room. One question for all of them: about 1 us of the database each.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.model.mailbox import Changed, Folder

from .engine import Engine, Told

log = logging.getLogger("mailhub.store")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_ROOM = 50_000  # folders, and as many accounts
_AT_ONCE = 5_000  # in one question


class Poll:
    """`tell` is given what others have changed. `besides` is looked at each time, too."""

    def __init__(
        self, engine: Engine, clock: Clock, seconds: float, tell: Callable[[Sequence[Changed]], None],
        besides: Callable[[], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._engine, self._clock, self._seconds, self._tell, self._besides = engine, clock, seconds, tell, besides
        self._folders: OrderedDict[int, tuple[str, int]] = OrderedDict()  # account, mod-sequence
        self._accounts: OrderedDict[str, int | None] = OrderedDict()  # counter; None: not known yet
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="what other nodes do")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def folder(self, folder: Folder) -> None:
        """Somebody looks at it, as it is now; who looked before may not have heard of that."""
        known = self._folders.get(folder.id, ("", folder.modseq))[1]
        self._keep(self._folders, folder.id, (folder.account, max(known, folder.modseq)))
        if folder.modseq > known:
            self._tell([Changed(folder.account, folder.id, folder.modseq)])

    def account(self, account: str) -> None:
        self._keep(self._accounts, account, self._accounts.get(account))

    def _keep(self, held: "OrderedDict[K, V]", key: K, value: V) -> None:
        held[key] = value
        held.move_to_end(key)
        if len(held) > _ROOM:
            held.popitem(last=False)

    def told(self, told: Told) -> None:
        """By this node: it need not be told again."""
        for change in told.changed.values():
            if change.folder is not None and change.folder in self._folders:
                self._folders[change.folder] = (change.account, max(change.modseq, self._folders[change.folder][1]))

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._seconds)
            try:
                await self.look()
                await self._besides()
            except MailError:  # the database is away: its own log says so
                continue
            except Exception:
                log.exception("store: what other nodes do can not be looked at")

    async def look(self) -> None:
        """Compare once, and tell."""
        changed: list[Changed] = []
        for part in _parts(tuple(self._folders)):
            there = dict(await self._engine.all("select id, modseq from folder where id in %s", part))
            for number in part:
                if (known := self._folders.get(number)) is None:
                    continue
                account, modseq = known
                now = there.get(number)
                if now is None:
                    del self._folders[number]
                    changed.append(Changed(account, number, modseq + 1))
                elif now > modseq:
                    self._folders[number] = (account, now)
                    changed.append(Changed(account, number, now))
        for names in _parts(tuple(self._accounts)):
            listings = dict(await self._engine.all("select name, listing from account where name in %s", names))
            for name, listing in listings.items():
                before = self._accounts.get(name)
                if name in self._accounts:
                    self._accounts[name] = listing
                if before != listing:  # not known before: what happened since the list was read is told, too
                    changed.append(Changed(name, None))
        if changed:
            self._tell(changed)


def _parts(keys: Sequence[K]) -> Iterable[Sequence[K]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))
