"""Runs dialogues written down as text (support.transcripts) against SMTP, submission and LMTP on loopback.

alice@ and bob@mailhub.test live here; alice's password is "secret". Besides the common lines:

    ! listener.protocol = "submission"      also "smtp" (as long as nothing is said) and "lmtp"; listener.tls likewise
    C: (tls)                                the client's TLS handshake
    C: NOOP {x00}                           the octet with that number
    C: NOOP {3000 x}                        so many of them
    C: AUTH PLAIN {base64 ␀alice␀secret}    ␀ is the octet 0
    C: abc\\                                 no line end is sent
    S: 250+                                 a reply of this code, of as many lines as there are
    Q: from=<a@b> to=<c@d> with ESMTP       the queue got a message; "| " lines: just this; every message has to be named
"""

import base64
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from support.smtp_peer import Server, Talk, until
from support.smtp_rooms import Put
from support.transcripts import Stage, Step, read_value

from mailhub.config.schema import Listener
from mailhub.protocols.smtp import SmtpSession

_OCTETS = re.compile(rb"\{(?:x([0-9a-f]{2})|(\d+) ([^}]+)|base64 ([^}]*))\}")


def octets(text: str) -> bytes:
    """What a client's line stands for, with its line end."""

    def one(found: "re.Match[bytes]") -> bytes:
        if found[1]:
            return bytes.fromhex(found[1].decode())
        if found[2]:
            return found[3] * int(found[2])
        return base64.b64encode(found[4].replace("␀".encode(), b"\0"))

    line = text.removesuffix("\\")
    return _OCTETS.sub(one, line.encode()) + (b"" if line != text else b"\r\n")


@dataclass
class SocketClient:
    """A connection on loopback, and the session at its other end: what was sent is waited for there, piece by piece."""

    talk: Talk
    session: SmtpSession

    async def send(self, octets: bytes, chunk: int) -> None:
        for at in range(0, len(octets), chunk):
            if self.talk.writer.is_closing():
                return
            before = self.session.heard  # type: ignore[attr-defined]
            self.talk.send(octets[at : at + chunk])
            await until(lambda before=before: self.session.heard > before or self.session.transport is None)

    async def readline(self) -> bytes:
        try:
            return await self.talk.reader.readline()
        except (ConnectionError, ssl.SSLError):
            return b""

    def close(self) -> None:
        self.talk.close()


class Hearing(SmtpSession):
    """A session that counts what it hears."""

    heard = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.heard += len(data)


@dataclass
class SmtpStage(Stage):
    """A listener and its sessions."""

    listener: dict[str, Any] = field(default_factory=dict)
    named: int = 0  # messages that the transcript has named

    def set(self, text: str) -> None:
        section, _, rest = text.partition(".")
        if section != "listener":
            return super().set(text)
        key, _, value = (part.strip() for part in rest.partition("="))
        self.listener[key] = read_value(value)
        return None

    @asynccontextmanager
    async def scene(self) -> AsyncIterator[None]:
        door = Listener(**{"protocol": "smtp", "tls": "none", **self.listener})
        smtp = self.config.smtp
        settings = {name: getattr(smtp, name) for name in smtp.__struct_fields__}
        for name in (
            "mynetworks",
            "error_sleep",
        ):  # who comes from loopback is a stranger here, and errors cost no time
            if settings[name] == getattr(type(smtp)(), name):
                del settings[name]
        self.server = Server(
            self.clock, service=door.protocol, tls=door.tls, auth=self.config.auth, session=Hearing, **settings
        )
        async with self.server:
            yield
            assert len(self.server.spool.messages) == self.named, "messages that the transcript does not name"
            for client in self.clients.values():
                client.talk.vanish()

    async def connect(self) -> SocketClient:
        before = len(self.server.living)
        talk = await self.server.connect(greeted=False)
        await until(lambda: len(self.server.living) > before)
        return SocketClient(talk, self.server.living[-1])

    def drain(self) -> None:
        self.server.sessions.drain()

    async def act(self, step: Step) -> None:
        if step.kind == "Q":
            self._queued(step)
        else:
            await super().act(step)

    async def say(self, client: SocketClient, step: Step) -> None:
        if step.text == "(tls)":
            await client.talk.writer.start_tls(self.server.client_context(), server_hostname="localhost")
        else:
            await client.send(octets(self.filled(step.text)), self.chunk)

    async def hear(self, client: SocketClient, expected: str) -> None:
        if not re.fullmatch(r"\d{3}\+", expected):
            return await super().hear(client, expected)
        more = True
        while more:
            line = await client.readline()
            assert line.startswith(expected[:3].encode()), f"heard {line!r}"
            more = line[3:4] == b"-"
        return None

    def _queued(self, step: Step) -> None:
        messages = self.server.spool.messages
        assert len(messages) > self.named, "nothing was queued"
        put = messages[self.named]
        self.named += 1
        self.match(step.text, described(put))
        assert not step.mail or put.data == step.mail, f"queued {put.data!r}"


def described(put: Put) -> str:
    """The envelope in one line, with what it says beside the defaults."""
    envelope, origin = put.envelope, put.origin
    words = [f"from=<{envelope.sender}>"]
    for recipient in envelope.recipients:
        words.append(f"to=<{recipient.address}>")
        words += [f"notify={recipient.notify.name or recipient.notify}"] if recipient.notify else []
        words += [f"orcpt={recipient.orcpt}"] if recipient.orcpt is not None else []
    words.append(f"with {origin.protocol}")
    plain = type(envelope.parameters)()
    for name in plain.__struct_fields__:
        value = getattr(envelope.parameters, name)
        if value != getattr(plain, name):
            words.append(f"{name}={msgspec.json.encode(value).decode()}")
    words += [f"login={origin.login}"] if origin.login else []
    return " ".join(words)
