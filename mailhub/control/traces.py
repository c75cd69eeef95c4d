"""What happened to a message, as an operator asks for it."""

from itertools import groupby

from mailhub.model import ids
from mailhub.model.trace import Event, TraceQuery
from mailhub.store.api import TraceStore
from mailhub.trace import Trace

from . import words


class Traces:
    """Reads what `trace` has told, up to this moment."""

    def __init__(self, store: TraceStore, trace: Trace) -> None:
        self._store, self._trace = store, trace

    async def steps(self, number: int) -> tuple[words.Step, ...]:
        """Of one message, by its queue id."""
        await self._trace.flush()
        return tuple(map(_step, await self._store.find(TraceQuery(messages=(number,)))))

    async def find(self, request: words.TraceFind) -> words.Traced:
        """A queue id, a Message-ID (in angle brackets or not) or an address: tried in this order."""
        await self._trace.flush()
        what = request.what.strip()
        found: list[Event] = []
        for query in _queries(what, request.limit):
            found = found or await self._store.find(query)
        messages = tuple(
            words.TracedMessage(id=ids.text(number) if number else "", steps=tuple(map(_step, steps)))
            for number, steps in groupby(found, key=lambda event: event.message)
        )
        return words.Traced(messages=messages)


def _queries(what: str, limit: int) -> list[TraceQuery]:
    if "@" in what:
        bare = what.strip("<>")
        by_id, by_address = TraceQuery(message_id=f"<{bare}>", limit=limit), TraceQuery(address=bare, limit=limit)
        return [by_id, by_address]
    try:
        return [TraceQuery(messages=(ids.number(what),), limit=limit)]
    except ValueError:
        return []


def _step(event: Event) -> words.Step:
    return words.Step(at=event.at, stage=event.stage, text=event.text)
