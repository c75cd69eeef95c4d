"""What is done to a mailbox beside what its owner does: taking in, rebuilding, comparing, mending, limiting."""

import sqlite3
from collections.abc import Callable, Sequence

from mailhub.model.clock import Clock
from mailhub.model.mailbox import UNLIMITED, Quota

from ..api import Disagreement, Taken
from ..files import Files
from ..lane import Lane
from .adopting import Recount
from .checkup import Checkup
from .filer import Filer
from .homes import Homes
from .mailbox_units import Expunge
from .quota import SetLimits, own_limits, quota_of
from .retention import expired, folders_named
from .scan import Scan
from .writer import Writer

_PAGE = 500  # folders
_CHUNK = 1_000  # messages one unit may touch


class Upkeep:
    """The half of api.MailboxStore that operators and jobs call. `db` belongs to the reading lane."""

    def __init__(
        self,
        writer: Writer,
        reader: Lane,
        db: sqlite3.Connection,
        filer: Filer,
        files: Files,
        homes: Homes,
        clock: Clock,
    ) -> None:
        self._writer, self._reader, self._db, self._filer, self._clock = writer, reader, db, filer, clock
        self._scan = Scan(writer, reader, db, filer, files, homes, clock)
        self._checkup = Checkup(self._scan, writer, reader, db, filer, files)
        self.limits = UNLIMITED
        self.limited = self._any_limits()

    async def rescan(self, account: str) -> None:
        await self._scan.account(account)

    async def take_subscriptions(self, account: str) -> None:
        """Those of the file, which was in step with ours when the store was closed: what differs another server has changed."""
        await self._scan.subscriptions(account)

    async def take(self, account: str, folder: str, files: Sequence[str], floor: int) -> Taken:
        await self._filer.lane.call(self._scan.make_home, account)
        return await self._scan.take(account, folder, files, floor)

    async def rebuild(self, account: str, progress: Callable[[int, int], None]) -> None:
        await self._scan.rebuild(account, progress)

    async def former_ids(self, folder: int) -> dict[int, str]:
        return await self._reader.call(self._scan.former_ids, folder)

    async def quota(self, account: str) -> Quota:
        return await self._reader.call(quota_of, self._db, account, self.limits)

    async def set_limits(self, name: str, storage: int | None, messages: int | None) -> None:
        await self._writer.do(SetLimits(name, storage, messages))
        self.limited = await self._reader.call(self._any_limits)

    async def own_limits(self, name: str) -> tuple[int | None, int | None]:
        return await self._reader.call(own_limits, self._db, name)

    def _any_limits(self) -> bool:
        return bool(self._db.execute("select exists (select 1 from quota)").fetchone()[0])

    async def recount(self, account: str) -> None:
        for folder in await self._reader.call(self._scan.folders, account):
            await self._writer.do(Recount(folder.id))

    async def folders_named(self, name: str, after: int) -> list[int]:
        return await self._reader.call(folders_named, self._db, name, after, _PAGE)

    async def expire(self, folder: int, before: int, keep: int) -> int:
        gone = 0
        while uids := await self._reader.call(expired, self._db, folder, before, keep, _CHUNK):
            gone += len(await self._writer.do(Expunge(folder, tuple(uids))))
        return gone

    async def check(self, account: str) -> list[Disagreement]:
        return await self._checkup.check(account, self._clock.now())

    async def repair(self, account: str) -> list[Disagreement]:
        return await self._checkup.repair(account, self._clock.now())

    async def sync(self) -> None:
        await self._filer.catch_up()
