"""Runs dialogues written down as text against an IMAP session on a real store.

A transcript is read from top to bottom:

    # a comment
    ! imap.append_limit = 1000     an option of the config, before anything else
    M: INBOX (\\Seen $Work)        mail arrives in a folder, with these flags; its lines follow,
    | Subject: hello               each behind "| "
    |
    | text
    C: a LOGIN alice secret        the client says this line
    C: b APPEND INBOX {mail}       ... a literal: its size is counted; {mail+}: without waiting
    | From: a@b                    its lines
    S: a OK ...                    the server's next line; "..." is any text
    S: * OK [UIDVALIDITY [[v]]]    [[v]]: one word, remembered; where it is known already, that word
    C2: / S2:                      a second client's connection, made when it first appears
    T: 120                         seconds pass
    S: (closed)                    the server ends the connection
    C: (closes)                    the client does
    D:                             the server drains: it asks its sessions to end
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from support.signin import Passwords, authenticator

from mailhub.config import schema
from mailhub.directory import Authenticator
from mailhub.mailbox.service import Mailboxes
from mailhub.model.clock import Clock, VirtualClock
from mailhub.model.mailbox import SYSTEM_FLAGS
from mailhub.net.stream import ConnectionLost, Stream, pair
from mailhub.protocols.imap import serve
from mailhub.protocols.session import Session, SessionContext
from mailhub.store.sqlite import SqliteStore

_LINE = re.compile(r"([CS])([0-9]?): ?(.*)")
_CAPTURE = re.compile(r"\[\[(\w+)\]\]|\.\.\.")
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
        elif line[:2] in ("! ", "M:", "T:", "D:"):
            kind, client, text = line[0], "", line[2:].strip()
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"{path.name}:{n}: {line!r}")
    if kind:
        yield Step(number, kind, client, text, "".join(f"{row}\r\n" for row in mail).encode())


def one_password(clock: Clock, auth: schema.Auth) -> Authenticator:
    """Every account's password is "secret"; a wrong one is answered at once."""

    def names(login: str, password: str) -> str | None:
        return f"{login.lower()}@mailhub.test" if password == "secret" else None

    few = msgspec.structs.replace(auth, failure_delay=0.0, mechanisms=("PLAIN", "LOGIN"))
    return authenticator(Passwords(names), clock, few)


@dataclass
class Client:
    """A connection, as its client sees it."""

    stream: Stream
    task: "asyncio.Task[None]"
    session: Session


@dataclass
class Stage:
    """Where a transcript is played: `chunk` is the size of the pieces in which clients send."""

    directory: Path
    chunk: int = LIMIT
    clients: dict[str, Client] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    async def play(self, path: Path) -> None:
        """Play it; AssertionError names the line that did not come true."""
        steps = list(read(path))
        config = schema.Config(auth=schema.Auth(allow_plaintext=True))
        for step in steps:
            if step.kind == "!":
                config = _with(config, step.text)
        self.clock = VirtualClock()
        store = SqliteStore(self.directory, config.store, self.clock, config.hostname)
        await store.open()
        try:
            self.mailboxes = Mailboxes(store, config.mailbox, self.clock)
            self.config = config
            for step in steps:
                try:
                    await self._act(step)
                except (AssertionError, ConnectionLost, TimeoutError) as error:
                    raise AssertionError(f"{path.name}:{step.number}: {step.kind}: {step.text}\n{error!r}") from error
        finally:
            for client in self.clients.values():
                client.stream.abort()
                await asyncio.wait_for(asyncio.gather(client.task, return_exceptions=True), 10)
            self.mailboxes.close()
            await store.close()
        for client in self.clients.values():
            client.task.result()

    async def _act(self, step: Step) -> None:
        match step.kind:
            case "M":
                await self._mail(step)
            case "T":
                await self.clock.advance(float(step.text))
            case "D":
                for client in self.clients.values():
                    client.session.drain()
            case "C":
                await self._say(self._client(step.client), step)
            case "S":
                await self._hear(self._client(step.client), step.text)

    def _client(self, name: str) -> Client:
        if name not in self.clients:
            near, far = pair(self.clock)
            context = SessionContext(
                service="imap", hostname="mx.test", clock=self.clock, settings=self.config.imap, auth=self.config.auth
            )
            task = asyncio.ensure_future(
                serve(far, context, self.mailboxes, one_password(self.clock, self.config.auth))
            )
            self.clients[name] = Client(near, task, context.session)
        return self.clients[name]

    async def _mail(self, step: Step) -> None:
        folder_name, _, flags = step.text.partition(" ")
        names = flags.strip("()").split()
        account = self.mailboxes.account("alice@mailhub.test")
        writer = account.body_writer()
        writer.feed(step.mail)
        body = await writer.finish()
        bits = sum(SYSTEM_FLAGS[name] for name in names if name in SYSTEM_FLAGS)
        keywords = tuple(name for name in names if name not in SYSTEM_FLAGS)
        await account.append(await account.find(folder_name), [(body, None, bits, keywords)])

    async def _say(self, client: Client, step: Step) -> None:
        if step.text == "(closes)":
            client.stream.close()
            return
        line = _CAPTURE.sub(lambda found: self.words[found[1]] if found[1] else found[0], step.text)
        line = re.sub(r"\{mail(\+?)\}", lambda found: f"{{{len(step.mail)}{found[1]}}}", line)
        data = line.encode("utf-8") + b"\r\n"
        if line.endswith("+}"):
            data += step.mail
        await self._send(client, data)
        if step.mail and not line.endswith("+}"):
            await self._hear(client, "+ ...")
            await self._send(client, step.mail)

    async def _send(self, client: Client, data: bytes) -> None:
        for at in range(0, len(data), self.chunk):
            client.stream.write(data[at : at + self.chunk])
            await asyncio.sleep(0)

    async def _hear(self, client: Client, expected: str) -> None:
        async with asyncio.timeout(20):
            if expected == "(closed)":
                try:
                    line = await client.stream.readline(LIMIT)
                except ConnectionLost:
                    return
                raise AssertionError(f"still open, and says {line!r}")
            line = await client.stream.readline(LIMIT)
        heard = line.decode("utf-8", "replace").removesuffix("\r\n")
        found = re.fullmatch(self._pattern(expected), heard, re.DOTALL)
        assert found, f"heard {heard!r}"
        self.words.update(found.groupdict())

    def _pattern(self, expected: str) -> str:
        out, at, new = [], 0, set[str]()
        for found in _CAPTURE.finditer(expected):
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


def _with(config: schema.Config, text: str) -> schema.Config:
    """The config with "section.key = value" set."""
    key, _, value = (part.strip() for part in text.partition("="))
    section, _, name = key.partition(".")
    changed: Any = msgspec.structs.replace(getattr(config, section), **{name: msgspec.json.decode(value.encode())})
    replace: Callable[..., schema.Config] = msgspec.structs.replace
    return replace(config, **{section: changed})
