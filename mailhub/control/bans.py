"""Bans as an operator sees and makes them."""

from mailhub.net.addresses import Network
from mailhub.policy import Guard
from mailhub.policy.bans import network_of
from mailhub.store.api import BanRow

from . import guard_words as words
from .errors import ControlError
from .request import Done


class Bans:
    """The actions on the guard's bans."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def page(self, request: words.BanList) -> tuple[words.Ban, ...]:
        rows = sorted(self._guard.bans.all(), key=lambda row: row.network)
        return tuple(_ban(row) for row in rows if row.network > request.after)[: request.limit]

    async def add(self, request: words.BanAdd) -> words.Ban:
        try:
            row = self._guard.ban(_network(request.network), request.seconds, request.note)
        except ValueError as error:
            raise ControlError("refused", f"it is never banned: {error}") from error
        await self._guard.bans.settled()
        return _ban(row)

    async def remove(self, request: words.BanRemove) -> Done:
        await self._guard.bans.remove(_network(request.network))
        return Done()


def state(guard: Guard) -> words.GuardState:
    """For `status`."""
    return words.GuardState(
        refused=dict(sorted(guard.refused.items())),
        bans=len(guard.bans.all()),
        alerts=tuple(
            words.AlertState(time=alert.time, event=alert.event, subject=alert.subject, cause=alert.cause)
            for alert in guard.alerts.all()
        ),
        shared=tuple(
            words.SharedAddress(address=address, cause=cause, connections=connections)
            for address, cause, connections in guard.gateways.reasons()
        ),
    )


def _network(text: str) -> Network:
    try:
        return network_of(text)
    except ValueError as error:
        raise ControlError("usage", f"no address or network: {error}") from error


def _ban(row: BanRow) -> words.Ban:
    return words.Ban(
        network=row.network, cause=row.cause, since=row.since, until=row.until, strikes=row.strikes, note=row.note
    )
