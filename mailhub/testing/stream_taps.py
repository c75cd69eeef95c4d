"""The tap on IMAP, POP3 and ManageSieve connections."""

import asyncio
import re
from collections.abc import Callable, Sequence

from mailhub.model.clock import Clock, SystemClock
from mailhub.net.stream import ConnectionLost, Stream
from mailhub.protocols.session import Session

from .faults import DoorFaults, Rule, Seen
from .recording import Talk

_LITERAL = re.compile(rb"\{(\d{1,9})\+\}\r?\n$")


class TappedStream(Stream):
    """A stream that knows which command it is in."""

    def __init__(
        self,
        clock: Clock,
        on_connect: Callable[[Stream], object],
        session: Session,
        faults: DoorFaults,
        recorders: Sequence[Talk],
    ) -> None:
        super().__init__(clock, on_connect)
        self._session, self._faults, self._real_clock = session, faults, SystemClock()
        self._recorders = recorders
        self._seen = Seen()
        self._verb = self._tag = ""
        self._begun = on_connect
        self._said = 0  # octets of the answer to the command
        self._mute = False  # nothing is said any more
        self._on_connect = self._met

    def _met(self, stream: Stream) -> None:
        rule = self._faults.due("on", "", self._seen)
        if rule is None:
            self._begun(stream)
            return
        if rule.act == "delay":
            clock = self._real_clock
            clock.call_later(rule.seconds, lambda: self._begun(stream))
            return
        self._session.on_abort(self.abort)
        self._session.own(asyncio.get_running_loop().create_task(self._greeted_by(rule)))

    async def _greeted_by(self, rule: Rule) -> None:
        if rule.act == "reply":
            self.write(f"{rule.answer}\r\n".encode())
        elif rule.act == "bye":
            self.write(self._goodbye(rule))
        if rule.act == "stall":
            while not self._lost:
                await self._more()
        self.abort() if rule.act == "cut" else self.close()

    def data_received(self, data: bytes) -> None:
        for talk in self._recorders:
            talk.add("C", data)
        super().data_received(data)

    async def readline(self, limit: int) -> bytes:
        while True:
            line = await super().readline(limit)
            self._understand(line)
            rule = self._faults.due("on", self._verb, self._seen)
            if rule is None or not await self._strikes(rule, line):
                return line

    def _understand(self, line: bytes) -> None:
        words = line.decode("latin-1").split(maxsplit=3)
        tagged = self._session.service == "imap"
        self._tag = words[0] if tagged and words else ""
        verb = words[1:2] if tagged else words[:1]
        if verb and verb[0].upper() == "UID":
            verb = words[2:3]
        self._verb = verb[0].upper() if verb else ""
        self._seen.count[self._verb] = self._seen.count.get(self._verb, 0) + 1
        self._said = 0

    async def _strikes(self, rule: Rule, line: bytes) -> bool:
        """Let it happen. True where the command is not to be done."""
        if rule.act == "delay":
            await self._real_clock.sleep(rule.seconds)
            return False
        if rule.act == "reply":
            while literal := _LITERAL.search(line):
                await self.readexactly(int(literal[1]))
                line = await super().readline(1 << 16)
            self.write(f"{self._tag} {rule.answer}\r\n".lstrip().encode())
            return True
        self._break(rule)
        while not self._lost:
            await self._more()
        raise ConnectionLost("a fault of the test")

    def write(self, data: bytes) -> None:
        if self._mute:
            return
        for rule in self._faults.rules:
            if rule.where == "during" and rule.verb == self._verb and rule.left and rule.act:
                room = max(0, rule.octets - self._said)
                if len(data) > room:
                    rule.left -= 1
                    super().write(data[:room])
                    self._break(rule)
                    return
        self._said += len(data)
        for talk in self._recorders:
            talk.add("S", data)
        super().write(data)

    def _break(self, rule: Rule) -> None:
        if rule.act == "bye":
            super().write(self._goodbye(rule))
            self.close()
        elif rule.act == "cut":
            self.close()  # what was said before may still arrive: that is the middle of an answer
        self._mute = True

    def _goodbye(self, rule: Rule) -> bytes:
        if self._session.service == "imap":
            return f"\r\n* BYE {rule.answer}\r\n".encode() if self._said else f"* BYE {rule.answer}\r\n".encode()
        return f"-ERR [SYS/TEMP] {rule.answer}\r\n".encode()
