"""The queue as an operator sees it, and what he may do to it."""

from collections.abc import Callable

from mailhub.message import headers
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.store.api import Act, Item, QueuedRecipient, QueueFilter, QueueStore, State

from . import words
from .errors import ControlError

HEADER_LIMIT = 65_536  # octets of a header that are shown


class Queues:
    """The actions on the queue. After each that makes something due, `wake` is called."""

    def __init__(self, store: QueueStore, clock: Clock, wake: Callable[[], object]) -> None:
        self._store, self._clock, self._wake = store, clock, wake

    async def page(self, request: words.QueueList) -> tuple[words.QueuedMessage, ...]:
        after = _number(request.after) if request.after else 0
        return tuple(map(_message, await self._store.page(self._filter(request.which), after, request.limit)))

    async def summary(self, request: words.QueueSummary) -> words.QueueTotals:
        counts = await self._store.counts()
        rows = tuple(
            words.QueueRow(domain=domain, state=_word(state), recipients=recipients, oldest=oldest)
            for domain, state, recipients, oldest in counts.rows
        )
        return words.QueueTotals(messages=counts.items, recipients=counts.recipients, rows=rows)

    async def show(self, request: words.QueueShow) -> words.QueueText:
        number = _number(request.id)
        page = await self._store.page(QueueFilter(ids=(number,)), number - 1, 1)
        if not page:
            raise ControlError("not_found", f"no message {request.id} in the queue")
        item = page[0]
        start = await item.content.read(0, min(HEADER_LIMIT, item.content.size))
        origin = item.origin
        return words.QueueText(
            message=_message(item),
            client=origin.client,
            helo=origin.helo,
            login=origin.login,
            protocol=origin.protocol,
            tls=origin.tls,
            header=start[: headers.header_end(start)].decode("utf-8", "backslashreplace"),
        )

    async def retry(self, request: words.QueueRetry) -> words.Touched:
        return await self._step(Act.RETRY, request)

    async def hold(self, request: words.QueueHold) -> words.Touched:
        return await self._step(Act.HOLD, request)

    async def release(self, request: words.QueueRelease) -> words.Touched:
        return await self._step(Act.UNHOLD, request)

    async def requeue(self, request: words.QueueRequeue) -> words.Touched:
        """Every attempt asks the router anew, so that to route again is to attempt again. Recipients that an alias was
        replaced by keep the addresses they came through: to expand those again would write to their siblings twice."""
        return await self._step(Act.REQUEUE, request)

    async def remove(self, request: words.QueueRemove) -> words.Touched:
        return await self._step(Act.REMOVE, request)

    async def _step(self, act: Act, request: words.QueueAct) -> words.Touched:
        after = _number(request.after) if request.after else 0
        step = await self._store.act(act, self._filter(request.which), self._clock.now(), after)
        if step.touched:
            self._wake()
        return words.Touched(
            messages=step.touched, seen=step.seen, after="" if step.after is None else ids.text(step.after)
        )

    def _filter(self, which: words.Which) -> QueueFilter:
        states = {_word(state): state for state in State}
        if unknown := [word for word in which.states if word not in states]:
            raise ControlError("usage", f"no such state: {unknown[0]!r}; there are {', '.join(states)}")
        return QueueFilter(
            ids=tuple(map(_number, which.ids)),
            sender=which.sender,
            recipient=which.recipient,
            states=tuple(states[word] for word in which.states),
            older_than=None if which.older_than is None else self._clock.now() - which.older_than,
            newer_than=None if which.newer_than is None else self._clock.now() - which.newer_than,
        )


def _number(text: str) -> int:
    try:
        return ids.number(text)
    except ValueError as error:
        raise ControlError("not_found", str(error)) from error


def _word(state: State) -> str:
    return state.name.lower()


def _message(item: Item) -> words.QueuedMessage:
    return words.QueuedMessage(
        id=ids.text(item.id),
        sender=item.sender,
        created=item.created,
        size=item.content.size,
        recipients=tuple(map(_recipient, item.recipients)),
    )


def _recipient(recipient: QueuedRecipient) -> words.QueuedTo:
    return words.QueuedTo(
        address=recipient.address,
        state=_word(recipient.state),
        due=recipient.due,
        attempts=recipient.attempts,
        last=str(recipient.last or ""),
        remote=recipient.remote,
    )
