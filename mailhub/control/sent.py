"""Messages that accounts sent without SMTP, for their senders: what became of them, and taking them back."""

import re

from mailhub.model import steps
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.store.api import Act, Item, QueueFilter, QueueStore, State
from mailhub.trace import Trace

from . import sent_words as words
from .errors import ControlError
from .queue_words import Touched
from .queues import Queues, number
from .traces import Traces

PROTOCOL = "HTTP"  # of their origins


class Sent:
    def __init__(self, store: QueueStore, clock: Clock, queues: Queues, traces: Traces, trace: Trace) -> None:
        self._store, self._clock, self._queues, self._traces, self._trace = store, clock, queues, traces, trace

    async def show(self, request: words.SentShow) -> words.SentState:
        wanted, account = number(request.id), key(request.account)
        item = await self._item(wanted, account)
        told = await self._traces.steps(wanted)
        if item is None and not any(_came_from(account, step.text) for step in told if step.stage == "accepted"):
            raise _unknown(request.id)
        waiting = () if item is None else self._queues.message(item).recipients
        return words.SentState(
            id=request.id,
            waiting=tuple(one for one in waiting if not steps.is_copy_address(one.address)),
            steps=told,
            until=0.0 if item is None or not self._waits(item) else item.recipients[0].due,
        )

    async def take_back(self, request: words.SentTakeBack) -> Touched:
        wanted, account = number(request.id), key(request.account)
        item = await self._item(wanted, account)
        if item is None:
            raise _unknown(request.id)
        if self._waits(item):
            # What is leased meanwhile is left alone as a whole, and what was deferred since is not meant.
            which = QueueFilter(ids=(wanted,), states=(State.INCOMING,))
            step = await self._store.act(Act.REMOVE, which, self._clock.now())
            if step.touched:
                self._trace.operator(wanted, "taken back by its sender")
                return Touched(messages=step.touched, seen=1)
        raise ControlError("refused", f"{request.id} is on its way already")

    async def _item(self, wanted: int, account: str) -> Item | None:
        page = await self._store.page(QueueFilter(ids=(wanted,)), wanted - 1, 1)
        if not page or page[0].origin.protocol != PROTOCOL or page[0].origin.login != account:
            return None
        return page[0]

    def _waits(self, item: Item) -> bool:
        """Whether nobody was tried, and nobody will be now."""
        now = self._clock.now()
        return all(one.state == State.INCOMING and not one.attempts and one.due > now for one in item.recipients)


def _came_from(account: str, accepted: str) -> bool:
    """What stands there before the login is of our own making for this protocol, so that nobody can say that he is another."""
    return (
        re.match(rf"{PROTOCOL} from [^ ]*\[[0-9a-fA-F.:]*\], helo=, login={re.escape(account)}, ", accepted) is not None
    )


def _unknown(text: str) -> ControlError:
    return ControlError("not_found", f"no message {text} of this account's")
