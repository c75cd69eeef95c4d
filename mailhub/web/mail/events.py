"""What happens in an account's folders, told to browsers as it happens (server-sent events on the change bus)."""

import asyncio
from functools import partial

from aiohttp import web
from msgspec import Struct

from mailhub.mailbox.changes import ChangeBus
from mailhub.mailbox.service import AccountMail
from mailhub.model.clock import Clock

from ..own.signed import OWN
from ..routes import Route
from ..stream import Feed, Readers, stream
from .asked import Asked
from .folders import FolderShown, shown

_EACH = 20  # that may follow one account's folders


class Happened(Struct, frozen=True):
    """`changed`: folders as they are now; `gone`: ids of those that are no more. `whole`: `changed` are all that there are, as it is told first."""

    changed: tuple[FolderShown, ...]
    gone: tuple[str, ...] = ()
    whole: bool = False


class Events:
    """One per hub. `real`: the clock of connections."""

    def __init__(self, asked: Asked, changes: ChangeBus, limit: int, real: Clock) -> None:
        self._asked, self._changes, self._readers, self._real = asked, changes, Readers(limit, _EACH), real

    def routes(self) -> list[Route]:
        told = "Follow what happens in the folders"
        return [
            Route(
                "GET", OWN + "events", self._follow, told, None, None, Happened, "text/event-stream", security="account"
            )
        ]

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        mail = await self._asked.mail(request)
        feed: Feed[Happened] = Feed()
        with self._readers.one(mail.name):
            watching = asyncio.get_running_loop().create_task(self._watch(mail, feed), name=f"folders of {mail.name}")
            try:
                still = partial(self._asked.access.account, request, again=True)
                return await stream(request, "folders", feed, self._real, still)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, mail: AccountMail, feed: Feed[Happened]) -> None:
        """Told that something has changed, it looks what: a slow reader costs nothing but the last state."""
        happened = asyncio.Event()
        known: dict[str, FolderShown] | None = None
        listening: set[int | str] = set()
        try:
            while True:
                for what in await self._sources(mail) - listening:
                    self._changes.listen(what, happened)
                    listening.add(what)
                now = {one.id: one for one in await shown(mail)}
                if known is None:
                    feed.put(Happened(tuple(now.values()), whole=True))
                elif now != known:
                    changed = tuple(one for one in now.values() if known.get(one.id) != one)
                    feed.put(Happened(changed, tuple(known.keys() - now.keys())))
                known = now
                await feed.asked()
                await happened.wait()
                happened.clear()
        finally:
            for what in listening:
                self._changes.forget(what, happened)

    async def _sources(self, mail: AccountMail) -> set[int | str]:
        """The account's list of folders, and each folder."""
        return {mail.name, *(folder.id for folder in (await mail.listing()).values())}
