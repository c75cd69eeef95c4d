"""The way into the queue: on disk first, then straight into the active set, with the body still in memory."""

from collections.abc import Callable

from mailhub.model.clock import Clock
from mailhub.model.envelope import Envelope, Origin
from mailhub.model.errors import Temporary
from mailhub.model.verdict import UNJUDGED, Action, Verdict
from mailhub.store.api import (
    Act,
    Body,
    BodyWriter,
    NewContent,
    NewItem,
    NewRecipient,
    QueueFilter,
    QueueStore,
    SieveMark,
    State,
)  # fmt: skip

from .manager import Manager
from .quarantine import Quarantine


class Spool:
    """The door that `policy` uses. `quarantine`: what bounds it, None for nothing."""

    def __init__(self, store: QueueStore, manager: Manager, clock: Clock, quarantine: Quarantine | None = None) -> None:
        self._store, self._manager, self._clock, self._quarantine = store, manager, clock, quarantine

    def new_id(self) -> int:
        """The id of a message to be put: it stands in its Received field."""
        return self._store.new_id()

    def body_writer(self, room: Callable[[], int] | None = None) -> BodyWriter:
        """`room`: octets that local delivery will put before the body, as far as can be told now."""
        return self._store.body_writer(room)

    async def read_body(self, body: Body, offset: int, length: int) -> bytes:
        """Octets of a finished body that was not put yet; shorter only at the end."""
        return await self._store.read_body(body, offset, length)

    def check_space(self) -> None:
        """LimitReached where the disk is nearly full."""
        self._store.check_space()

    async def turn(self, domain: str) -> int:
        """What is deferred for that domain is due now; how many messages that are."""
        which = QueueFilter(recipient="@" + domain, states=(State.DEFERRED,))
        found = await self._store.act_on_all(Act.RETRY, which, self._clock.now())
        self._manager.forgive()
        return found

    async def put(
        self,
        number: int,
        envelope: Envelope,
        body: Body,
        prefix: bytes,
        origin: Origin,
        *,
        held: bool = False,
        content_filter: str = "",
        verdict: Verdict = UNJUDGED,
        mark: SieveMark | None = None,
    ) -> None:
        """`held`: it waits for the operator. `content_filter`: "transport:nexthop" in place of its routes. `mark`: remembered with it.

        On return the message is on disk and under way. Temporary where it is not, or where nobody knows.

        Not to be cancelled: what was stored but not handed on waits until the store is next looked at.
        """
        now = self._clock.now()
        item = NewItem(
            id=number,
            content=NewContent(number, prefix, body),
            sender=envelope.sender,
            recipients=tuple(
                NewRecipient(n, recipient.address, recipient.orcpt, int(recipient.notify), path=recipient.path)
                for n, recipient in enumerate(envelope.recipients)
            ),
            created=now,
            due=max(now, envelope.parameters.release or now),
            parameters=envelope.parameters,
            origin=origin,
            held=held,
            filter=content_filter,
            verdict=verdict,
            mark=mark,
            in_line=not self._manager.has_room(
                envelope.sender, [recipient.address for recipient in envelope.recipients]
            ),
        )
        try:
            self._manager.wake(await self._store.put(item))
        except Temporary:
            self._manager.wake()  # nobody knows: if it is there, it is not forgotten
            raise
        if held and verdict.action is Action.QUARANTINE and self._quarantine is not None:
            await self._quarantine.grown(len(prefix) + body.size)
