"""DKIM keys of our domains: made, shown, followed by others, taken away."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from mailhub.delivery.signing import activated
from mailhub.directory import Directory
from mailhub.message import dkim_signing
from mailhub.model.clock import Clock
from mailhub.model.errors import Exists, NotFound
from mailhub.store.api import DkimKey, DkimStore

from . import dkim_words as words
from .request import Done


class Dkim:
    """NotFound for domains that are not ours."""

    def __init__(self, directory: Directory, store: DkimStore, clock: Clock) -> None:
        self._directory, self._store, self._clock = directory, store, clock

    async def create(self, request: words.DkimCreate) -> tuple[words.DkimRecord, ...]:
        domain = request.domain.lower()
        if not await self._directory.domain(domain):
            raise NotFound(f"{domain} is none of our domains")
        keys = await self._store.of(domain)
        if keys and not request.rotate:
            raise Exists(
                f"{domain} has keys: see `mailhub dkim show`, or let others follow them by `mailhub dkim rotate`"
            )
        if any(key.state == "new" for key in keys):
            raise Exists(f"{domain} has new keys already, whose records are waited for")
        start = request.selector or self._selector(keys)
        now = self._clock.now()
        made = [
            DkimKey(domain, f"{start}{kind[0]}", kind, await asyncio.to_thread(dkim_signing.made, kind), "new", now)
            for kind in dkim_signing.KINDS
        ]
        if {key.selector for key in made} & {key.selector for key in keys}:
            raise Exists(f"{domain} has a key {start} already")
        await self._store.put(made)
        return tuple(map(_told, made))

    def _selector(self, keys: Sequence[DkimKey]) -> str:
        """Of the date; a second pair of a day has a number."""
        day = datetime.fromtimestamp(self._clock.now(), UTC).strftime("m%Y%m%d")
        known = {key.selector for key in keys}
        names = (day, *(f"{day}-{n}" for n in range(2, 1_000)))
        return next(name for name in names if f"{name}r" not in known)

    async def show(self, request: words.DkimList) -> tuple[words.DkimRecord, ...]:
        domains = [request.domain.lower()] if request.domain else await self._store.domains()
        return tuple([_told(key) for domain in domains for key in await self._store.of(domain)])

    async def activate(self, request: words.DkimActivate) -> tuple[words.DkimRecord, ...]:
        domain = request.domain.lower()
        keys = await self._store.of(domain)
        if not any(key.state == "new" for key in keys):
            raise NotFound(f"{domain} has no new keys")
        await self._store.change(activated(keys, self._clock.now()))
        return tuple(map(_told, await self._store.of(domain)))

    async def remove(self, request: words.DkimRemove) -> Done:
        await self._store.remove(request.domain.lower(), request.selector)
        return Done()


def _told(key: DkimKey) -> words.DkimRecord:
    record = dkim_signing.record(dkim_signing.loaded(key.pem))
    name = f"{key.selector}._domainkey.{key.domain}"
    return words.DkimRecord(
        domain=key.domain,
        selector=key.selector,
        kind=key.kind,
        state=key.state,
        since=key.since,
        name=name,
        record=record,
    )
