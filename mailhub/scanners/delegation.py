"""Postfix's policy delegation protocol (SMTPD_POLICY_README): attributes line by line, an action back, many questions on one connection."""

from collections.abc import Iterable

from msgspec import Struct

from mailhub.model.errors import Temporary
from mailhub.net.stream import ConnectionLost, Stream

from .service import Nonsense, Service

_LINE = 4_096  # octets
_LINES = 100  # of an answer
_VALUE = 2_048  # characters of an attribute


class Keeping(Struct, frozen=True):
    """Seconds that a connection is kept without a question, and in all; questions on it, 0: no limit."""

    idle: float
    ttl: float
    requests: int


class _Connection(Struct):
    stream: Stream
    made: float
    used: float
    asked: int = 0


class Delegation:
    """One policy service, with the connections that wait for a question. `tries`: of each question, with `pause` seconds between."""

    def __init__(self, service: Service, keeping: Keeping, tries: int, pause: float) -> None:
        self._service, self._keeping, self._tries, self._pause = service, keeping, tries, pause
        self._waiting: list[_Connection] = []

    async def ask(self, attributes: Iterable[tuple[str, str]]) -> str:
        """The action. Temporary where there is none."""
        question = (
            b"".join(f"{name}={_plain(value)}\n".encode("utf-8", "replace") for name, value in attributes) + b"\n"
        )
        for left in reversed(range(self._tries)):
            try:
                async with self._service.turn():
                    return await self._asked(question)
            except Temporary:
                if not left or self._service.state.state == "open":
                    raise
            await self._service.clock.sleep(self._pause)
        raise AssertionError

    async def _asked(self, question: bytes) -> str:
        while (connection := self._at_hand()) is not None:
            try:
                return await self._answer(connection, question)
            except ConnectionLost:  # it was closed between two questions, as it may be
                continue
        now = self._service.clock.monotonic()
        return await self._answer(_Connection(await self._service.connection(), now, now), question)

    def _at_hand(self) -> _Connection | None:
        """The one used last, of those that are good for a question."""
        now, keeping = self._service.clock.monotonic(), self._keeping
        for connection in tuple(self._waiting):
            if (
                connection.stream.at_eof or connection.stream.buffered or now - connection.used > keeping.idle
                or now - connection.made > keeping.ttl
            ):  # fmt: skip
                self._waiting.remove(connection)
                connection.stream.abort()
        return self._waiting.pop() if self._waiting else None

    async def _answer(self, connection: _Connection, question: bytes) -> str:
        stream, done = connection.stream, False
        try:
            stream.write(question)
            await stream.drain()
            action = await _action(stream)
            done = True
        finally:
            if not done:
                stream.abort()
        connection.asked += 1
        connection.used = self._service.clock.monotonic()
        if self._keeping.requests and connection.asked >= self._keeping.requests:
            stream.close()
        else:
            self._waiting.append(connection)
        return action

    def close(self) -> None:
        for connection in self._waiting:
            connection.stream.close()
        self._waiting.clear()


async def _action(stream: Stream) -> str:
    """`action=...`, other attributes beside it, and an empty line."""
    action = ""
    for _ in range(_LINES):
        line = (await stream.readline(_LINE)).decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            break
        name, equals, value = line.partition("=")
        if not equals:
            raise Nonsense(f"a policy service said {line[:100]!r}")
        if name.strip() == "action":
            action = value.strip()
    if not action:
        raise Nonsense("a policy service gave no action")
    return action


def _plain(value: str) -> str:
    """What ends no line."""
    return "".join(char if char >= " " and char != "\x7f" else "?" for char in value[:_VALUE])
