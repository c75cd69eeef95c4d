"""The queue as an operator sees it, and what he may do to it."""

from collections.abc import Callable

from mailhub.message import headers
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.store.api import Act, Item, QueuedRecipient, QueueFilter, QueueStore, State

from . import words
from .errors import ControlError
from .traces import Traces

HEADER_LIMIT = 65_536  # octets of a header that are shown
COUNTED = 100_000  # recipients of one domain and age that are counted
AGES = tuple(60.0 * 5 * 2**n for n in range(9))  # seconds

Deadline = Callable[[Item, str], float]


class Queues:
    """The actions on the queue. After each that makes something due, `wake` is called."""

    def __init__(
        self, store: QueueStore, clock: Clock, wake: Callable[[], object], deadline: Deadline, traces: Traces
    ) -> None:
        self._store, self._clock, self._wake = store, clock, wake
        self._deadline, self._traces = deadline, traces

    async def page(self, request: words.QueueList) -> tuple[words.QueuedMessage, ...]:
        after = number(request.after) if request.after else 0
        return tuple(map(self.message, await self._store.page(self.filter(request.which), after, request.limit)))

    async def summary(self, request: words.QueueSummary) -> words.QueueTotals:
        counts = await self._store.counts()
        rows = tuple(
            words.QueueRow(domain=domain, state=_word(state), recipients=recipients, oldest=oldest)
            for domain, state, recipients, oldest in counts.rows
        )
        return words.QueueTotals(messages=counts.items, recipients=counts.recipients, rows=rows)

    async def ages(self, request: words.QueueAges) -> words.Ages:
        """Ages as qshape's: five minutes, doubled eight times."""
        now = self._clock.now()
        found = await self._store.ages([now - edge for edge in AGES], request.domains, COUNTED)
        return words.Ages(
            edges=AGES,
            limit=COUNTED,
            rows=tuple(words.AgeRow(domain=domain, counts=counts) for domain, counts in found),
        )

    async def show(self, request: words.QueueShow) -> words.QueueText:
        item = await self._item(request.id)
        start = await item.content.read(0, min(HEADER_LIMIT, item.content.size))
        origin = item.origin
        return words.QueueText(
            message=self.message(item),
            client=origin.client,
            helo=origin.helo,
            login=origin.login,
            protocol=origin.protocol,
            tls=origin.tls,
            header=start[: headers.header_end(start)].decode("utf-8", "backslashreplace"),
            history=await self._traces.steps(item.id),
        )

    async def read(self, request: words.QueueRead) -> words.QueuePart:
        content = (await self._item(request.id)).content
        length = max(0, min(request.limit, content.size - request.offset))
        data = await content.read(request.offset, length) if length else b""
        return words.QueuePart(data=data, size=content.size)

    async def _item(self, text: str) -> Item:
        wanted = number(text)
        page = await self._store.page(QueueFilter(ids=(wanted,)), wanted - 1, 1)
        if not page:
            raise ControlError("not_found", f"no message {text} in the queue")
        return page[0]

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
        after = number(request.after) if request.after else 0
        step = await self._store.act(act, self.filter(request.which), self._clock.now(), after)
        if step.touched:
            self._wake()
        return words.Touched(
            messages=step.touched, seen=step.seen, after="" if step.after is None else ids.text(step.after)
        )

    def message(self, item: Item) -> words.QueuedMessage:
        return words.QueuedMessage(
            id=ids.text(item.id),
            sender=item.sender,
            created=item.created,
            size=item.content.size,
            recipients=tuple(_recipient(each, self._deadline(item, each.address)) for each in item.recipients),
        )

    def filter(self, which: words.Which) -> QueueFilter:
        states = {_word(state): state for state in State}
        if unknown := [word for word in which.states if word not in states]:
            raise ControlError("usage", f"no such state: {unknown[0]!r}; there are {', '.join(states)}")
        return QueueFilter(
            ids=tuple(map(number, which.ids)),
            sender=which.sender,
            recipient=which.recipient,
            states=tuple(states[word] for word in which.states),
            older_than=None if which.older_than is None else self._clock.now() - which.older_than,
            newer_than=None if which.newer_than is None else self._clock.now() - which.newer_than,
        )


def number(text: str) -> int:
    try:
        return ids.number(text)
    except ValueError as error:
        raise ControlError("not_found", str(error)) from error


def _word(state: State) -> str:
    return state.name.lower()


def _recipient(recipient: QueuedRecipient, deadline: float) -> words.QueuedTo:
    return words.QueuedTo(
        address=recipient.address,
        state=_word(recipient.state),
        due=recipient.due,
        attempts=recipient.attempts,
        last=str(recipient.last or ""),
        remote=recipient.remote,
        deadline=deadline,
        tls=recipient.tls,
        tried=recipient.tried,
        named=recipient.path[0] if recipient.path else "",
    )
