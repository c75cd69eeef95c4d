"""A search of a view, page by page: the loop is given back after each, and after each message whose file has to be read."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mailhub.model import search as query
from mailhub.model.errors import NotFound
from mailhub.store.api import Looked

from . import readable
from .search import Candidate, Plan, matches, plan, with_picked
from .sifting import Part, sifted

if TYPE_CHECKING:
    from .view import FolderView

Progress = Callable[[int, int], Awaitable[None]]  # told after each page: messages looked at, and all
LONG = 8_192  # octets of an ENVELOPE that is not taken apart on the loop: with 2,000 addresses in each field it takes 0.1 s
_MANY = 8  # where one in so many is left to the index, it is asked of the whole folder
NEEDLES = 200  # texts that the full-text index is asked for at once; with more the messages themselves are read


async def search(
    view: "FolderView", key: query.Key, uids: Sequence[int], flags: Sequence[int], progress: Progress | None = None
) -> list[int]:
    """Those of `uids` that match, in their order; `flags` belong to them. The key is prepared."""
    run = _Run(view, key, plan(key))
    found: list[int] = []
    stop = 0

    async def told(looked_at: int) -> None:
        if progress is not None:
            await progress(looked_at, len(uids))

    while stop < len(uids):
        start, stop = stop, min(stop + run.plan.sift, len(uids))
        part = Part(uids[start:stop], flags[start:stop], frozenset(uids[start:stop]), view.recent)
        found += await run.part(part, start, told)
        await asyncio.sleep(0)
        await told(stop)
    return found


class _Run:
    """One search under way."""

    def __init__(self, view: "FolderView", key: query.Key, how: Plan) -> None:
        self._view, self._key, self.plan = view, key, how
        self._looked: Looked | None = None
        self._measured = False

    async def part(self, part: Part, start: int, told: Callable[[int], Awaitable[None]]) -> list[int]:
        """Those that match; `start` were looked at before. `told`: how many were looked at, after each page of those that take a look."""
        found, open_ = sifted(self._key, part)
        if self.plan.measured and not self._measured and len(open_) * _MANY > len(part.uids):
            await self._measure()
            found, open_ = sifted(self._key, part)
        if not open_:
            return sorted(found)
        more = set(found)
        still = [n for n, uid in enumerate(part.uids) if uid in open_]
        for at in range(0, len(still), self.plan.page):
            some = still[at : at + self.plan.page]
            more.update(
                await self._page([Candidate(part.uids[n], part.flags[n], part.uids[n] in part.recent) for n in some])
            )
            await asyncio.sleep(0)
            await told(start + some[-1] + 1)
        return sorted(more)

    async def _measure(self) -> None:
        """Ask the index of the whole folder what it can be asked at once, a row for each message took 3 us."""
        self._measured = True
        found: dict[query.Key, Sequence[int]] = {key: await self._view.measured(key) for key in self.plan.measured}
        self._key = with_picked(self._key, found)
        self.plan = plan(self._key)

    async def _page(self, page: Sequence[Candidate]) -> list[int]:
        answers = {message.uid: matches(self._key, message) for message in page}
        open_ = [message for message in page if answers[message.uid] is None]
        if open_ and self.plan.row:
            open_ = await self._by_row(open_, answers)
        if open_ and self.plan.needles:
            await self._by_text(open_, answers)
        return [message.uid for message in page if answers[message.uid]]

    async def _by_row(self, page: Sequence[Candidate], answers: dict[int, bool | None]) -> list[Candidate]:
        """Those that are still open. Messages without a row are gone, and match nothing."""
        rows = await self._view.rows([message.uid for message in page], rendered=self.plan.rendered)
        found = {row.uid: row for row in rows}
        still: list[Candidate] = []
        for n, message in enumerate(page, 1):
            if n % self.plan.pause == 0:
                await asyncio.sleep(0)
            row = message.row = found.get(message.uid)
            if row is not None and len(row.envelope) > LONG:
                answers[message.uid] = await self._view.lane.call(matches, self._key, message)
            else:
                answers[message.uid] = False if row is None else matches(self._key, message)
            if answers[message.uid] is None:
                still.append(message)
        return still

    async def _by_text(self, page: Sequence[Candidate], answers: dict[int, bool | None]) -> None:
        looked = await self._look()
        for message in page:
            if message.uid in looked.covered:
                message.hits = looked.hits
                answers[message.uid] = matches(self._key, message)
            else:
                answers[message.uid] = await self._in_file(message)

    async def _look(self) -> Looked:
        """What the full-text index says, asked once: it is one state of it, whatever is indexed meanwhile."""
        if self._looked is None:
            self._looked = _BLIND if len(self.plan.needles) > NEEDLES else await self._view.look(self.plan.needles)
        return self._looked

    async def _in_file(self, message: Candidate) -> bool | None:
        try:
            async with await self._view.open(message.uid) as file:
                message.text = await readable.read(self._view.lane, file, whole=self.plan.body)
        except NotFound:
            return False
        found = await self._view.lane.call(matches, self._key, message)
        message.text = None
        return found


_BLIND = Looked(frozenset(), {})


async def references(view: "FolderView", uids: Sequence[int]) -> Mapping[int, bytes]:
    """The References of those messages, by the full-text index where it knows them."""
    found: dict[int, bytes] = dict(await view.known_references())
    for uid in uids:
        if uid in found:
            continue
        try:
            async with await view.open(uid) as file:
                found[uid] = (await readable.read(view.lane, file, whole=False)).references
        except NotFound:
            continue
    return found
