"""What stands between a client and its session in the test kit: it counts what is in flight, and lets faults in.

The hub of the kit makes its protocol objects of these classes instead of the plain ones; nothing else differs from the
server that people run.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from mailhub.config import schema
from mailhub.hub import Hub
from mailhub.hub_speaking import Speaking
from mailhub.model.clock import SystemClock
from mailhub.model.reply import Reply
from mailhub.net.stream import Stream
from mailhub.policy import Policy, Transaction
from mailhub.protocols.session import Session, SessionContext
from mailhub.protocols.smtp import SmtpSession
from mailhub.protocols.smtp.channel import ConnectionLost

from .faults import DoorFaults, Rule, Seen
from .recording import Recording, Talk
from .stream_taps import TappedStream

_FINAL = ("DATA", "BDAT")


class Traffic:
    """`moved` is set whenever a client has said something, waits or is gone. `talks`: SMTP sessions that live. `latency`: seconds
    that what they say is on its way."""

    def __init__(self, latency: float = 0.0) -> None:
        self.latency = latency
        self.moved = asyncio.Event()
        self.talks: set[TappedSmtp] = set()
        self.heard = 0  # pieces of what SMTP clients said
        self.recordings: set[Recording] = set()

    def recorders(self, label: str) -> list[Talk]:
        """Where a session that begins now is to be written down."""
        talks = [Talk(label) for _ in self.recordings]
        for recording, talk in zip(self.recordings, talks, strict=True):
            recording.talks.append(talk)
        return talks

    @property
    def mail_under_way(self) -> list[str]:
        """Clients in the middle of a message, in words."""
        return [f"{talk.record} after {talk.record.doing}" for talk in self.talks if talk.busy]


class TappedSmtp(SmtpSession):
    """`traffic` and `faults` are the kit's."""

    traffic: Traffic
    faults: DoorFaults

    def begin(self, traffic: Traffic, faults: DoorFaults) -> None:
        self.traffic, self.faults = traffic, faults
        self._seen = Seen()
        self._taken = 0  # octets of the message under way
        self._last: Rule | None = None  # what happens to the next final reply
        self._verb = ""
        self._over = (
            False  # the message was refused with all its recipients; who keeps the connection need say no more of it
        )
        self._switched_off |= faults.hidden
        self._recorders = traffic.recorders(self.record.label)

    @property
    def busy(self) -> bool:
        """Whether a message is begun, or something was said that is not answered yet."""
        return (self.transaction is not None and not self._over) or bool(self._input) or self._waiter is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.traffic.talks.add(self)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self.traffic.latency:
            clock = SystemClock()
            clock.call_later(self.traffic.latency, lambda: self._arrived(data))
        else:
            self._arrived(data)

    def _arrived(self, data: bytes) -> None:
        super().data_received(data)
        for talk in self._recorders:
            talk.add("C", data)
        self.traffic.heard += 1
        self.traffic.moved.set()

    async def _wait(self, seconds: float) -> None:
        self.traffic.moved.set()
        await super()._wait(seconds)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.traffic.talks.discard(self)
        self.traffic.moved.set()

    def say(self, octets: bytes) -> None:
        for talk in self._recorders:
            talk.add("S", octets)
        super().say(octets)

    # --- faults ---

    async def _converse(self) -> None:
        if (rule := self.faults.due("on", "", self._seen)) is not None and await self._strikes(rule):
            return
        await super()._converse()

    async def _command(self, line: bytes) -> None:
        verb = self._verb = line.split(b" ", 1)[0].strip().upper().decode("ascii", "replace")
        self._seen.count[verb] = self._seen.count.get(verb, 0) + 1
        if (rule := self.faults.due("on", verb, self._seen)) is not None and await self._strikes(rule):
            return
        if verb == "DATA":
            self._taken = 0
        final = verb in _FINAL and self.transaction is not None and (verb == "DATA" or b"LAST" in line.upper())
        if (final or verb not in _FINAL) and (rule := self.faults.due("after", verb, self._seen)) is not None:
            if rule.act == "reply" and final:
                self.transaction = cast(Transaction, _Unwilling(self.transaction, cast(Reply, rule.answer)))
            else:
                self._last = rule
        self._over = False
        await super()._command(line)
        self._over = verb in _FINAL and self.transaction is not None and not self.transaction.accepted

    async def block(self, limit: int | None = None) -> bytes:
        octets = await super().block(limit)
        self._taken += len(octets)
        for rule in self.faults.rules:
            if (
                rule.where == "during"
                and rule.verb == self._verb
                and rule.left
                and rule.act
                and self._taken >= rule.octets
            ):
                rule.left -= 1
                await self._strikes(rule)
        return octets

    def reply(self, reply: Reply) -> None:
        if self._last is None or reply.code == 354:
            return super().reply(reply)
        rule, self._last = self._last, None
        if rule.act == "cut":
            self._abort()
        elif rule.act == "reply":
            super().reply(cast(Reply, rule.answer))
        return None

    async def _strikes(self, rule: Rule) -> bool:
        """Let it happen. True where what was asked for is not to be done."""
        if rule.act == "delay":
            await SystemClock().sleep(rule.seconds)
            return False
        if rule.act == "reply":
            self.answer(cast(Reply, rule.answer))
            return True
        if rule.act == "bye":
            self.leave(Reply(421, "4.3.2", str(rule.answer)))
            return True
        if rule.act == "cut":
            self._abort()
        await self._gone
        raise ConnectionLost


class _Unwilling:
    """A transaction whose message is refused when it is whole."""

    def __init__(self, transaction: Transaction | None, reply: Reply) -> None:
        self._transaction, self._reply = transaction, reply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    async def content(self, body: object) -> Reply:
        return self._reply


class TappedHub(Hub):
    """A hub whose connections can be watched and broken. `traffic` and `doors` are set before the start."""

    traffic: Traffic
    doors: dict[str, DoorFaults]

    def speaking(self) -> Speaking:
        return TappedSpeaking(self, self.traffic, self.doors)


class TappedSpeaking(Speaking):
    def __init__(self, hub: Hub, traffic: Traffic, doors: dict[str, DoorFaults]) -> None:
        super().__init__(hub)
        self._traffic, self._doors = traffic, doors

    def new_smtp(self, context: SessionContext[schema.Smtp], policy: Policy) -> SmtpSession:
        session = TappedSmtp(context, policy, self._hub.authenticator)
        session.begin(self._traffic, self._doors[context.service])
        return session

    def new_stream(self, session: Session, on_connect: Callable[[Stream], object]) -> Stream:
        recorders = self._traffic.recorders(session.label)
        return TappedStream(self._clock, on_connect, session, self._doors[session.service], recorders)
