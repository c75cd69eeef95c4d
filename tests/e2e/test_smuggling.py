"""No message is smuggled through us (CVE-2023-51764 and its kin): each form that somebody takes for an end of the data, sent in by
DATA, BDAT and LMTP, whole and octet by octet, to a hub that hands it on; a second server tells what it saw.

One message goes in: one comes out or none, with the octets that went in, each bare CR and LF refused or made a CRLF inward as
`smtp.bare_newlines` says, and none of them ever sent.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.far_hosts import FarHost
from support.hubs import running
from support.mail_hosts import mail_host
from support.server import free_port
from support.smtp_peer import Talk

from mailhub.config.lookup import Lookup
from mailhub.config.schema import Delivery, Listener, Relay, Smtp
from mailhub.hub import Hub

FORMS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\n\n.\n\n", b"\r\n.\r\r\n", b"\r\n\n.\r\n",
    b"\r\n\r.\r\n", b"\n\r.\n\r", b"\0\r\n.\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\0\n.\r\0\n", b"\r\n..\r\n", b"\r\n...\r\n",
    b"\r\n. \r\n", b"\r\n.\t\r\n", b"\n..\n", b"\r\n..\n", b"\r\n.. \r\n", b"\x85.\x85", b"\xc2\x85.\xc2\x85", b"\xe2\x80\xa8.\xe2\x80\xa8", b"\x0b.\x0b", b"\x0c.\x0c",
    b"\r\n\x0b.\r\n", b"\r\n.=0D=0A", b"\x8d\x8a.\x8d\x8a",
]  # fmt: skip
BY_CHUNK = [b"\r\n.\r\n", b"\r\n.\r\n.\r\n", b"\r\n.\r\nBDAT 0 LAST\r\n", b"\r\nBDAT 0 LAST\r\n"]  # no end at all there
HEAD = b"Subject: honest\r\n\r\nbegin"
EVIL = b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<user@far.test>\r\nDATA\r\nSubject: evil\r\n\r\nend\r\n"
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def undone(text: bytes) -> bytes:
    """Without transparency (RFC 5321 section 4.5.2)."""
    return (b"\r\n" + text).replace(b"\r\n.", b"\r\n")[2:]


def taken(text: bytes, newlines: str) -> bytes | None:
    """What the hub should keep of it; None: it refuses."""
    if b"\0" in text or (newlines == "reject" and BARE.search(text)):
        return None
    return re.sub(rb"\r\n|\r|\n", b"\r\n", text)


@asynccontextmanager
async def hub(folder: Path, port: int, newlines: str) -> AsyncIterator[Hub]:
    """far.test is at that port; so is list@mailhub.test, an alias, where LMTP can reach it."""
    async with running(
        folder,
        listener=(Listener(protocol="smtp", tls="none"), Listener(protocol="lmtp", tls="none")),
        delivery=Delivery(transport=Lookup(((("far.test", f"smtp:[127.0.0.1]:{port}"),),))),
        smtp=Smtp(greet_pause=0.0, error_limit=1_000, soft_error_limit=1_000, bare_newlines=newlines),  # type: ignore[arg-type]
        relay=Relay(keep_seconds=0.0, tls="none"),
    ) as hub:
        await hub.directory.set_alias("list@mailhub.test", ("user@far.test",))
        yield hub


async def send(hub: Hub, way: str, text: bytes, step: int) -> bool:
    """Whether it was taken. By BDAT in two pieces, cut in the middle of the form."""
    talk = Talk(*await asyncio.open_connection("127.0.0.1", hub.port("lmtp" if way == "lmtp" else "smtp")))
    await talk.reply()
    recipient = "list@mailhub.test" if way == "lmtp" else "user@far.test"
    hello = "LHLO" if way == "lmtp" else "EHLO"
    await talk.asks(f"{hello} c", "MAIL FROM:<honest@x.test> BODY=8BITMIME", f"RCPT TO:<{recipient}>")
    if way == "bdat":
        cut = len(HEAD) + 2
        parts = [b"BDAT %d\r\n%b" % (cut, text[:cut]), b"BDAT %d LAST\r\n%b" % (len(text) - cut, text[cut:])]
    else:
        assert (await talk.ask("DATA")).startswith("354 ")
        parts = [text + b".\r\n"]
    answer = ""
    for part in parts:
        for at in range(0, len(part), step):
            talk.send(part[at : at + step])
            await asyncio.sleep(0)
        answer = (await talk.reply())[0]
    assert answer.startswith(("250 2.0.0 Ok: queued", "550 5.6.0 ")), answer
    assert await talk.ask("QUIT") == "221 2.0.0 Bye"  # nothing that was sent is still to be answered
    assert await talk.end() == b""
    talk.close()
    return answer.startswith("250")


def cases(way: str) -> list[bytes]:
    return FORMS + (BY_CHUNK if way == "bdat" else [])


@pytest.mark.parametrize("way", ["data", "bdat", "lmtp"])
@pytest.mark.parametrize("newlines", ["reject", "normalize"])
@pytest.mark.parametrize("out", ["DATA", "BDAT"])
async def test_a_server_that_records_every_octet(way: str, newlines: str, out: str, tmp_path: Path) -> None:
    far = FarHost("mx.far.test")
    far.extensions += ["CHUNKING"] if out == "BDAT" else []
    port = await far.start("127.0.0.1", 0)
    try:
        async with hub(tmp_path, port, newlines) as through:
            for form in cases(way):
                for step in (1_000_000, 1):
                    text = HEAD + form + EVIL
                    kept = taken(text if way == "bdat" else undone(text), newlines)
                    far.heard.clear(), far.flights.clear(), far.bodies.clear()
                    assert await send(through, way, text, step) is (kept is not None), form
                    await through.queue.idle()
                    assert BARE.search(b"".join(far.flights)) is None, form
                    assert b"\0" not in b"".join(far.flights), form
                    assert len(far.commands("MAIL")) == len(far.commands("RCPT")) == len(far.bodies), form
                    came = [undone(body.removesuffix(b".\r\n")) if out == "DATA" else body for body in far.bodies]
                    assert [body.partition(b"\r\nSubject: honest")[2] for body in came] == [
                        kept.removeprefix(b"Subject: honest") for kept in (kept,) if kept is not None
                    ], form
                    assert all("honest@x.test" in command for command in far.commands("MAIL"))
    finally:
        await far.stop()


@pytest.mark.slow
@pytest.mark.parametrize("newlines", ["reject", "normalize"])
@pytest.mark.parametrize("out", ["DATA", "BDAT"])
async def test_a_postfix_that_takes_bare_newlines(newlines: str, out: str, tmp_path: Path) -> None:
    """As all of them did once: `smtpd_forbid_bare_newline = no`."""
    options = {"smtpd_forbid_bare_newline": "no", "virtual_mailbox_domains": "far.test"}
    if out == "DATA":
        options["smtpd_discard_ehlo_keywords"] = "chunking"
    async with mail_host("postfix", free_port(), **options) as far, hub(tmp_path, far.port, newlines) as through:
        expected: list[bytes] = []
        for way in ("data", "bdat", "lmtp"):
            for form in cases(way):
                text = HEAD + form + EVIL
                kept = taken(text if way == "bdat" else undone(text), newlines)
                assert await send(through, way, text, 1_000_000) is (kept is not None), form
                expected += [] if kept is None else [kept.removeprefix(b"Subject: honest")]
        await through.queue.idle()
        arrived = await far.arrived(len(expected))
        assert (await through.store.queue.counts()).items == 0
        assert sorted(mail.partition(b"\r\nSubject: honest")[2] for mail in arrived) == sorted(expected)
        assert not any(b"evil@x.test" in mail.partition(b"\r\nSubject: honest")[0] for mail in arrived)
        assert "evil@x.test" not in far.log()
