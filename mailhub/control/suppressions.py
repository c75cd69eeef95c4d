"""The suppression list as an operator sees and changes it."""

from mailhub.model.address import domain_of, key
from mailhub.model.clock import Clock
from mailhub.store.api import SuppressionRow, SuppressionStore

from . import suppression_words as words
from .errors import ControlError
from .request import Done


class Suppressions:
    """The actions on the list."""

    def __init__(self, store: SuppressionStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def page(self, request: words.SuppressionList) -> tuple[words.Suppression, ...]:
        return tuple(map(self._shown, await self._store.page(request.after, request.limit)))

    async def add(self, request: words.SuppressionAdd) -> words.Suppression:
        if not domain_of(request.address) or not (request.address + request.note).isprintable():
            raise ControlError("usage", f"no address: {request.address[:80]!r}")
        until = None if request.seconds is None else self._clock.now() + request.seconds
        row = SuppressionRow(key(request.address), "operator", until, note=request.note)
        await self._store.put(row)
        return self._shown(row)

    async def remove(self, request: words.SuppressionRemove) -> Done:
        await self._store.remove(key(request.address))
        return Done()

    def _shown(self, row: SuppressionRow) -> words.Suppression:
        return words.Suppression(
            address=row.address,
            source=row.source,
            held=row.until is None or row.until > self._clock.now(),
            until=row.until,
            refusals=tuple(words.Refusal(time=one.at, remote=one.remote, reply=one.reply) for one in row.history),
            note=row.note,
        )
