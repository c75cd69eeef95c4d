"""A content filter behind the queue: out to it by SMTP, back by a door of its own. A small one of aiosmtpd, and Debian's Amavis."""

import asyncio
import contextlib
import smtplib
from base64 import encodebytes
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from support.hubs import config as hub_config
from support.hubs import messages, send
from support.scanners import EICAR, amavisd, clamd
from support.server import free_port

from mailhub.config.lookup import read
from mailhub.config.rules import check
from mailhub.config.schema import Attachments, Canonical, Config, ContentChecks, Listener, Relay, Smtp, Transport
from mailhub.hub import Hub
from mailhub.model.clock import VirtualClock
from mailhub.model.verdict import Action, Evidence, Verdict, told

ANN = "ann@mailhub.test"
LETTER = b"From: x@far.test\r\nSubject: hello\r\n\r\ntext\r\n"
OVERRIDES = ("no_unknown_recipient_checks", "no_address_mappings", "no_header_body_checks", "no_milters", "no_checks")


class Filtering:
    """A handler of aiosmtpd that puts a field before what it gets and gives it on. `answer`: said instead, where there is one."""

    def __init__(self, back: int) -> None:
        self.back, self.answer, self.taken, self.sender = back, "", 0, ""
        self.forwarded: list[str] = []
        self.senders: list[str | None] = []

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE", responses[-1]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answer:
            return self.answer
        self.taken += 1
        self.senders.append(envelope.mail_from)
        content = envelope.content
        assert isinstance(content, bytes)
        await asyncio.to_thread(
            self._give_on, self.sender or envelope.mail_from or "", envelope.rcpt_tos, b"X-Filtered: yes\r\n" + content
        )
        return "250 2.0.0 given on"

    def _give_on(self, sender: str, recipients: list[str], content: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", self.back) as client:
            client.sendmail(sender, recipients, content)


class Forwarded(SMTP):
    async def smtp_XFORWARD(self, argument: str) -> None:
        handler: Any = self.event_handler
        handler.forwarded.append(argument)
        await self.push("250 Ok")


@contextlib.asynccontextmanager
async def loop(folder: Path, filter_port: int, back: int, **options: Any) -> AsyncIterator[Hub]:
    """A hub that sends all mail to the filter at that port, and takes it back at another."""
    asked = Smtp(mynetworks=(), greet_pause=0.0, content_filter=f"scan:[127.0.0.1]:{filter_port}")
    doors = (
        Listener(protocol="smtp"),
        Listener(protocol="smtp", name="back", port=back, smtp=Smtp(receive_override_options=OVERRIDES)),
    )
    options.setdefault("transport", {"scan": Transport(protocol="smtp", relay=Relay(send_xforward=True))})
    async with Hub(hub_config(folder, listener=doors, smtp=asked, **options), clock=VirtualClock()) as hub:
        await hub.directory.add_account(ANN, "an easy password")
        yield hub


@contextlib.asynccontextmanager
async def filtering(back: int) -> AsyncIterator[tuple[Filtering, int]]:
    handler = Filtering(back)
    server = await asyncio.get_running_loop().create_server(
        lambda: Forwarded(handler, hostname="filter.test", loop=asyncio.get_running_loop()), "127.0.0.1", 0
    )
    try:
        yield handler, server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_out_and_back_once(tmp_path: Path) -> None:
    back = free_port()
    rules = {
        "canonical": Canonical(canonical_maps=read({"x@far.test": "y@far.test", "w@far.test": "z@far.test"})),
        "content_checks": ContentChecks(header_checks=read("inline:{{Subject: hello=PREPEND X-Checked: once}}")),
    }
    async with filtering(back) as (handler, port), loop(tmp_path, port, back, **rules) as hub:
        await hub.directory.set_alias("team@mailhub.test", (ANN,))
        handler.sender = "w@far.test"
        await send(hub, "x@far.test", "team@mailhub.test", LETTER)
        (message,) = await messages(hub, ANN)
        header = message.partition(b"\r\n\r\n")[0]
        assert handler.taken == 1
        assert header.count(b"X-Filtered: yes") == 1
        assert (header.count(b"X-Checked: once"), header.count(b"X-Mailhub-Verdict: ")) == (1, 1)
        assert header.count(b"\r\nReceived: ") == 2
        assert header.startswith(b"Return-Path: <w@far.test>"), "not rewritten again"
        assert handler.senders == ["y@far.test"]
        told = dict(word.split("=", 1) for line in handler.forwarded for word in line.split())
        assert told.pop("IDENT")
        assert told == {
            "ADDR": "127.0.0.1",
            "NAME": "[UNAVAILABLE]",
            "HELO": told["HELO"],
            "PROTO": "ESMTP",
            "SOURCE": "REMOTE",
        }


async def test_what_we_found_before_is_not_lost_on_the_way(tmp_path: Path) -> None:
    """Junk is filed as such, though the filter brings it from a host that is trusted; what the sender says of it does not count."""
    back = free_port()
    carried = b"X-Mailhub-Verdict: accept, score -9.0\r\nContent-Type: application/octet-stream; name=a.exe\r\n"
    async with (
        filtering(back) as (_, port),
        loop(tmp_path, port, back, attachments=Attachments(unwanted="junk")) as hub,
    ):
        await send(hub, "x@far.test", ANN, carried + LETTER)
        assert await messages(hub, ANN) == []
        mail = hub.mailboxes.account(ANN)
        view = await mail.open_view(await mail.find("Junk"), read_only=True)
        assert len(list(view.uids)) == 1
        view.close()


async def test_a_filter_that_refuses_has_it_returned_and_one_that_is_away_has_it_wait(tmp_path: Path) -> None:
    back = free_port()
    async with filtering(back) as (handler, port), loop(tmp_path, port, back) as hub:
        handler.answer = "451 4.7.1 not now"
        await send(hub, "x@far.test", ANN, LETTER)
        await hub.queue.idle()
        assert (await hub.store.queue.counts()).items == 1
        handler.answer = ""
        await hub.clock.advance(3_600)  # type: ignore[attr-defined]
        assert len(await messages(hub, ANN)) == 1
        handler.answer = "554 5.7.1 bad content"
        await send(hub, ANN, ANN, LETTER)
        await hub.queue.idle()
        handler.answer = ""
        found = await messages(hub, ANN)
        assert b"554 5.7.1 bad content" in found[-1]
        assert b"multipart/report" in found[-1]


async def test_a_table_may_say_another_way(tmp_path: Path) -> None:
    back = free_port()
    async with filtering(back) as (handler, port), filtering(back) as (other, elsewhere):
        tables = ContentChecks(header_checks=read(f"inline:{{{{Subject: hello=FILTER smtp:[127.0.0.1]:{elsewhere}}}}}"))
        async with loop(tmp_path, port, back, content_checks=tables) as hub:
            await send(hub, "x@far.test", ANN, LETTER)
            assert len(await messages(hub, ANN)) == 1
            assert (handler.taken, other.taken) == (0, 1)


async def test_amavis_lets_pass_and_refuses_killed_and_started_again(tmp_path: Path) -> None:
    back = free_port()
    ill = b"From: ann@mailhub.test\r\nSubject: ill\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    ill += encodebytes(EICAR).replace(b"\n", b"\r\n")
    with clamd() as scanner, amavisd(back, scanner.port) as daemon:
        async with loop(tmp_path, daemon.port, back) as hub:
            await send(hub, "x@far.test", ANN, LETTER)
            (message,) = await messages(hub, ANN)
            assert b"X-Virus-Scanned: amavis for mailhub.test" in message
            await send(hub, ANN, ANN, ill)
            found = await messages(hub, ANN)
            assert b"multipart/report" in found[-1]
            assert b"Eicar-Test.UNOFFICIAL" in found[-1]
            daemon.kill()
            await send(hub, "x@far.test", ANN, LETTER)
            daemon.start()
            daemon.stall()
            await send(hub, "x@far.test", ANN, LETTER)
            daemon.resume()
            for _ in range(10):
                await hub.clock.advance(3_600)  # type: ignore[attr-defined]
                if not (await hub.store.queue.counts()).items:
                    break
            found = await messages(hub, ANN)
            assert sum(b"X-Virus-Scanned: amavis" in one and b"Subject: hello" in one for one in found) == 3


@pytest.mark.parametrize(
    ("way", "wrong"),
    [("", 0), ("smtp:[127.0.0.1]:10024", 0), ("own:[127.0.0.1]:1", 0), ("local:x", 1), ("nonsense", 1), ("smtp: x", 1)],
)
def test_a_way_that_can_not_be(way: str, wrong: int) -> None:
    config = Config(smtp=Smtp(content_filter=way), transport={"own": Transport(protocol="smtp")})
    assert [finding.path for finding in check(config)] == [("smtp", "content_filter")] * wrong


def test_a_verdict_is_read_as_it_is_told() -> None:
    made = Verdict(Action.JUNK, 7.5, (Evidence("spf", "fail", 3.0, "not for (far.test)"), Evidence("dkim", "none")))
    assert told(str(made)) == made
    assert told(str(Verdict(Action.QUARANTINE, 9.0))).action is Action.JUNK
    for nonsense in ("", "junk", "nothing, score 1.0", "junk; score", "x" * 10_000):
        assert told(nonsense) == Verdict()
