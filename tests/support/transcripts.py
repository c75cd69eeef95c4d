"""Dialogues written down as text, and the stage they are played on. A transcript is read from top to bottom:

    # a comment
    ! imap.append_limit = 1000     an option of the config, before anything else
    C: a LOGIN alice secret        the client says this line
    S: a OK ...                    the server's next line; "..." is any text
    S: * OK [UIDVALIDITY [[v]]]    [[v]]: one word, remembered; where it is known already, that word
    C2: / S2:                      a second client's connection, made when it first appears
    T: 120                         seconds pass
    S: (closed)                    the server ends the connection
    C: (closes)                    the client does
    D:                             the server drains: it asks its sessions to end
    | text                         lines that belong to the line above them

What else may stand there, each protocol's own stage says.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from mailhub.config import schema
from mailhub.model.clock import VirtualClock

_LINE = re.compile(r"([CS])([0-9]?): ?(.*)")
_MARKS = ("! ", "M:", "Q:", "T:", "D:")
CAPTURE = re.compile(r"\[\[(\w+)\]\]|\.\.\.")
LIMIT = 10_000_000


@dataclass(frozen=True)
class Step:
    """One line of a transcript, with the lines of mail that belong to it."""

    number: int
    kind: str
    client: str
    text: str
    mail: bytes = b""


def read(path: Path) -> Iterator[Step]:
    """The steps of a transcript."""
    kind, client, text, number = "", "", "", 0
    mail: list[str] = []
    for n, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.startswith("|"):
            mail.append(line[2:])
            continue
        if kind:
            yield Step(number, kind, client, text, "".join(f"{row}\r\n" for row in mail).encode())
        kind, number, mail = "", n, []
        if found := _LINE.fullmatch(line):
            kind, client, text = found[1], found[2], found[3]
        elif line[:2] in _MARKS:
            kind, client, text = line[0], "", line[2:].strip()
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"{path.name}:{n}: {line!r}")
    if kind:
        yield Step(number, kind, client, text, "".join(f"{row}\r\n" for row in mail).encode())


class Client(Protocol):
    """A connection, as its client sees it."""

    async def send(self, octets: bytes, chunk: int) -> None:
        """In pieces of so many octets."""
        ...

    async def readline(self) -> bytes:
        """With its end; b"" where the server has closed."""
        ...

    def close(self) -> None: ...


@dataclass
class Stage:
    """Where a transcript is played: `chunk` is the size of the pieces in which clients send."""

    directory: Path
    chunk: int = LIMIT
    clients: dict[str, Any] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    async def play(self, path: Path) -> None:
        """Play it; AssertionError names the line that did not come true."""
        steps = list(read(path))
        self.config = schema.Config(auth=schema.Auth(allow_plaintext=True, failure_delay=0.0))
        for step in steps:
            if step.kind == "!":
                self.set(step.text)
        self.clock = VirtualClock()
        async with self.scene():
            for step in steps:
                try:
                    await self.act(step)
                except (AssertionError, TimeoutError) as error:
                    raise AssertionError(f"{path.name}:{step.number}: {step.kind}: {step.text}\n{error!r}") from error

    # --- what a protocol says of itself ---

    def scene(self) -> AbstractAsyncContextManager[object]:
        """The rooms behind the door, as `self.config` wants them; at its end all clients are gone."""
        raise NotImplementedError

    async def connect(self) -> Client:
        raise NotImplementedError

    def drain(self) -> None:
        """Ask all sessions to end."""
        raise NotImplementedError

    async def say(self, client: Any, step: Step) -> None:
        await client.send(self.filled(step.text).encode("utf-8") + b"\r\n", self.chunk)

    def set(self, text: str) -> None:
        """`section.key = value`"""
        self.config = changed(self.config, text)

    # --- the same for all ---

    async def act(self, step: Step) -> None:
        match step.kind:
            case "T":
                await self.clock.advance(float(step.text))
            case "D":
                self.drain()
            case "C" if step.text == "(closes)":
                (await self.client(step.client)).close()
            case "C":
                await self.say(await self.client(step.client), step)
            case "S":
                async with asyncio.timeout(20):
                    await self.hear(await self.client(step.client), step.text)

    async def client(self, name: str) -> Any:
        if name not in self.clients:
            self.clients[name] = await self.connect()
        return self.clients[name]

    async def hear(self, client: Any, expected: str) -> None:
        line = await client.readline()
        if expected == "(closed)":
            assert line == b"", f"still open, and says {line!r}"
            return
        assert line.endswith(b"\r\n"), f"the connection ended: {line!r}"
        self.match(expected, line.decode("utf-8", "replace").removesuffix("\r\n"))

    def match(self, expected: str, heard: str) -> None:
        found = re.fullmatch(self._pattern(expected), heard, re.DOTALL)
        assert found, f"heard {heard!r}"
        self.words.update(found.groupdict())

    def filled(self, text: str) -> str:
        """With the words that are known."""
        return CAPTURE.sub(lambda found: self.words[found[1]] if found[1] else found[0], text)

    def _pattern(self, expected: str) -> str:
        out, at, new = [], 0, set[str]()
        for found in CAPTURE.finditer(expected):
            out.append(re.escape(expected[at : found.start()]))
            at = found.end()
            name = found[1]
            if name is None:
                out.append(".*")
            elif name in self.words:
                out.append(re.escape(self.words[name]))
            else:
                out.append(f"(?P={name})" if name in new else f"(?P<{name}>[^\\s\\])]+)")
                new.add(name)
        return "".join([*out, re.escape(expected[at:])])


def changed(config: schema.Config, text: str) -> schema.Config:
    """The config with "section.key = value" set."""
    key, _, value = (part.strip() for part in text.partition("="))
    section, _, name = key.partition(".")
    made: Any = msgspec.structs.replace(getattr(config, section), **{name: read_value(value)})
    replace: Callable[..., schema.Config] = msgspec.structs.replace
    return replace(config, **{section: made})


def read_value(text: str) -> Any:
    """A value as JSON writes it; a list becomes a tuple, as options have it."""
    value = msgspec.json.decode(text.encode())
    return tuple(value) if isinstance(value, list) else value
