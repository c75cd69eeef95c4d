"""Mail for LMTP servers: Dovecot's, and our own behind a hub."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemons import dovecot_lmtp
from support.far_hosts import Text
from support.hubs import messages, running, send

from mailhub.config import schema
from mailhub.config.lookup import Lookup
from mailhub.delivery.relay import LmtpTransport
from mailhub.delivery.transport import Job, JobRecipient, Result
from mailhub.model.clock import SystemClock
from mailhub.net.resolver import DnsResolver
from mailhub.store.api import Fate

BIG = Text(b"Subject: big\r\n\r\n" + b"x" * 76 + b"\r\n.y" * 2_000 + b"\r\n")


@pytest.fixture(scope="module")
def dovecot() -> Iterator[tuple[Path, int]]:
    with dovecot_lmtp() as found:
        yield found


def nexthop(dovecot: tuple[Path, int], kind: str) -> str:
    path, port = dovecot
    return {"unix": f"unix:{path}", "inet": f"inet:127.0.0.1:{port}", "plain": f"[127.0.0.1]:{port}"}[kind]


def mails(dovecot: tuple[Path, int], name: str) -> list[bytes]:
    """Taken out of the Maildir."""
    found = []
    for file in sorted((dovecot[0].parent / "mail" / name / "new").glob("*")):
        found.append(file.read_bytes())
        file.unlink()
    return found


def job(nexthop: str, *names: str, text: Text) -> Job:
    to = tuple(JobRecipient(n, f"{name}@mailhub.test") for n, name in enumerate(names))
    return Job(1, "s@far.test", text, to, 0.0, nexthop, "lmtp")


async def deliver(*jobs: Job) -> list[list[Result]]:
    clock = SystemClock()
    resolver = DnsResolver(schema.Resolver(), clock)
    transport = LmtpTransport(resolver, schema.Relay(), "mx.here.test", clock)
    try:
        return [await transport.deliver(one) for one in jobs]
    finally:
        await transport.close()
        await resolver.close()


@pytest.mark.parametrize("kind", ["unix", "inet", "plain"])
async def test_dovecot_answers_for_each_recipient(dovecot: tuple[Path, int], kind: str) -> None:
    names = ("nobody", "ann", "full", "bob")
    first, second = await deliver(*(job(nexthop(dovecot, kind), *names, text=text) for text in (BIG, Text())))
    assert [(r.fate, r.reply.enhanced) for r in first] == [
        (Fate.FAILED, "5.1.1"), (Fate.RELAYED, "2.0.0"), (Fate.FAILED, "5.2.2"), (Fate.RELAYED, "2.0.0"),
    ]  # fmt: skip
    assert "ann@mailhub.test" in first[1].reply.text, "each has its own answer"
    assert "bob@mailhub.test" in first[3].reply.text
    assert {r.remote for r in first} == {f"unix[{dovecot[0]}]" if kind == "unix" else "127.0.0.1[127.0.0.1]"}
    assert [r.fate for r in second] == [Fate.FAILED, Fate.RELAYED, Fate.RELAYED, Fate.RELAYED], "on the same connection"
    for name in ("ann", "bob"):
        big, small = sorted(mails(dovecot, name), key=len, reverse=True)
        assert big.replace(b"\r\n", b"\n").endswith(b"\n.y" * 2_000 + b"\n")
        assert small.replace(b"\r\n", b"\n").endswith(b"\n\n.dot\nend\n")
    assert len(mails(dovecot, "full")) == 1


async def test_a_table_sends_our_own_mail_to_dovecot(dovecot: tuple[Path, int], tmp_path: Path) -> None:
    table = Lookup(((("mailhub.test", f"lmtp:{nexthop(dovecot, 'unix')}"),),))
    async with running(tmp_path, "ann@mailhub.test", delivery=schema.Delivery(transport=table)) as hub:
        await send(hub, "x@far.example", "ann@mailhub.test")
        await hub.queue.idle()
    (text,) = mails(dovecot, "ann")
    assert b"Return-Path: <x@far.example>" in text


async def test_a_content_filter_behind_lmtp_gets_the_message(dovecot: tuple[Path, int], tmp_path: Path) -> None:
    order = f"check_sender_access inline:{{{{x@far.example=FILTER lmtp:{nexthop(dovecot, 'unix')}}}}}"
    smtp = schema.Smtp(sender_restrictions=(order,))
    async with running(tmp_path, "ann@mailhub.test", smtp=smtp) as hub:
        await send(hub, "x@far.example", "ann@mailhub.test")
        assert await messages(hub, "ann@mailhub.test") == []
    assert len(mails(dovecot, "ann")) == 1


def test_the_same_on_uvloop(dovecot: tuple[Path, int]) -> None:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        (results,) = runner.run(deliver(job(nexthop(dovecot, "unix"), "ann", "nobody", text=Text())))
    assert [r.fate for r in results] == [Fate.RELAYED, Fate.FAILED]
    assert len(mails(dovecot, "ann")) == 1


async def test_no_socket_is_temporary(tmp_path: Path) -> None:
    ((missing,), (relative,)) = await deliver(
        *(job(f"unix:{path}", "ann", text=Text()) for path in (tmp_path / "none", "relative"))
    )
    assert (missing.fate, missing.reply.enhanced) == (Fate.DEFERRED, "4.4.1")
    assert (relative.fate, relative.reply.enhanced) == (Fate.DEFERRED, "4.3.5")


# --- a server that follows a script ----------------------------------------------------------------------------------


async def scripted(
    final: bytes, rcpt: tuple[bytes, ...] = (b"250 ok", b"550 5.1.1 none", b"250 ok")
) -> tuple[list[Result], list[str]]:
    """Three recipients; `final`: what is said after the message, then the connection ends. With it what was heard."""
    heard: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = iter(rcpt)
        writer.write(b"220 lmtp.test\r\n")
        while line := (await reader.readline()).decode().strip():
            heard.append(line)
            verb = line.partition(" ")[0]
            if verb == "DATA":
                writer.write(b"354 go\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(final)
                break
            usual = b"250-lmtp.test\r\n250-CHUNKING\r\n250 PIPELINING" if verb == "LHLO" else b"250 ok"
            writer.write((next(answers) if verb == "RCPT" else usual) + b"\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        (results,) = await deliver(job(f"[127.0.0.1]:{port}", "a", "b", "c", text=Text()))
    return results, heard


async def test_who_was_not_answered_waits() -> None:
    results, heard = await scripted(b"250 2.0.0 a has it\r\n")
    assert [(r.fate, r.reply.enhanced) for r in results] == [
        (Fate.RELAYED, "2.0.0"), (Fate.FAILED, "5.1.1"), (Fate.DEFERRED, "4.4.2"),
    ]  # fmt: skip
    assert [line.partition(" ")[0] for line in heard] == ["LHLO", "MAIL", "RCPT", "RCPT", "RCPT", "DATA"]


async def test_an_answer_of_its_own_for_each() -> None:
    results, _ = await scripted(b"452 4.2.2 full\r\n250 2.0.0 c has it\r\n")
    assert [(r.fate, r.reply.text) for r in results] == [
        (Fate.DEFERRED, "full"), (Fate.FAILED, "none"), (Fate.RELAYED, "c has it"),
    ]  # fmt: skip


async def test_no_message_for_nobody() -> None:
    results, heard = await scripted(b"", (b"450 4.2.0 a", b"550 5.1.1 b", b"450 4.2.0 c"))
    assert [r.fate for r in results] == [Fate.DEFERRED, Fate.FAILED, Fate.DEFERRED]
    assert "DATA" not in heard
