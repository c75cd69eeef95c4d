"""Milters of others, from Debian's packages, in a whole hub: opendkim, spamass-milter, rspamd's proxy."""

import asyncio
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dkim as dkimpy
import pytest
from support.hubs import messages, running, send
from support.scanners import Daemon, opendkim, rspamd, spamass_milter, spamd
from support.trouble import LIMITS, troubled

from mailhub.config.schema import Listener, Smtp
from mailhub.message import dkim_signing

ANN = "ann@mailhub.test"
KEY = dkim_signing.made("rsa")
LETTER = (
    b"From: Ann <ann@signed.test>\r\nTo: ann@mailhub.test\r\nSubject: folded\r\n\tonce\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\n"
    b"Message-ID: <1@signed.test>\r\n\r\nHello  world\r\n\r\n.dot\r\n"
)
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*" + b"GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"


@pytest.mark.parametrize("canonicalization", ["simple/simple", "relaxed/relaxed"])
async def test_opendkim_signs_and_the_signature_holds(tmp_path: Path, canonicalization: str) -> None:
    with opendkim(KEY, f"Canonicalization {canonicalization}") as daemon:
        async with running(tmp_path, ANN, smtp=Smtp(milters=(daemon.address,))) as hub:
            for text in (LETTER, LETTER + b"a line of a long letter\r\n" * 20_000):
                await send(hub, "ann@signed.test", ANN, text)
            record = dkim_signing.record(dkim_signing.loaded(KEY)).encode()
            for message in await messages(hub, ANN):
                signed = message[message.index(b"DKIM-Signature: ") :]
                assert f"c={canonicalization}".encode() in signed
                assert dkimpy.verify(signed, dnsfunc=lambda name, timeout=5: record)


async def test_opendkim_says_what_it_found(tmp_path: Path) -> None:
    with opendkim(KEY, "InternalHosts 192.0.2.1") as daemon:
        async with running(tmp_path, ANN, smtp=Smtp(milters=(daemon.address,))) as hub:
            await send(hub, "x@far.test", ANN, LETTER)
            (message,) = await messages(hub, ANN)
            assert b"Authentication-Results: opendkim.test; dkim=none" in message


async def test_spamass_milter_adds_its_fields_and_refuses(tmp_path: Path) -> None:
    with spamd() as behind, spamass_milter(behind.port) as daemon:
        async with running(tmp_path, ANN, smtp=Smtp(milters=(daemon.address,))) as hub:
            await send(hub, "x@far.test", ANN, LETTER)
            (message,) = await messages(hub, ANN)
            assert b"X-Spam-Status: No, score=" in message
            with pytest.raises(smtplib.SMTPDataError, match=r"5\.7\.1 Blocked by SpamAssassin"):
                await send(hub, "x@far.test", ANN, LETTER + GTUBE)


def _asked(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.helo("client.example")
        client.sendmail("x@far.test", [ANN], b"X-Bad: 1\r\n" + LETTER)
        with pytest.raises(smtplib.SMTPDataError, match=r"5\.7\.1 asked to reject"):
            client.sendmail("x@far.test", [ANN], b"Subject: do reject\r\n\r\n")
        with pytest.raises(smtplib.SMTPDataError, match="asked to soft reject") as later:
            client.sendmail("x@far.test", [ANN], b"Subject: do soft reject\r\n\r\n")
        assert later.value.smtp_code == 451


async def test_rspamd_as_a_milter_at_one_door(tmp_path: Path) -> None:
    """It refuses, and changes the header: its fields are added, X-Bad goes."""
    with rspamd() as (_, port):
        asked = Listener(protocol="smtp", name="asked", smtp=Smtp(milters=(f"inet:127.0.0.1:{port}",)))
        async with running(tmp_path, ANN, listener=(Listener(protocol="smtp"), asked)) as hub:
            await send(hub, "x@far.test", ANN, b"X-Bad: 1\r\n" + LETTER)
            await asyncio.to_thread(_asked, hub.port("asked"))
            first, second = sorted(await messages(hub, ANN), key=lambda one: b"X-Facts" in one)
            assert (b"X-Bad: 1" in first, b"X-Facts" in first) == (True, False)
            assert b"X-Bad" not in second
            assert b"\r\nX-Facts: 127.0.0.1 client.example x@far.test ann@mailhub.test -\r\n" in second


@contextmanager
def by_opendkim() -> Iterator[tuple[Daemon, bytes]]:
    with opendkim(KEY, "InternalHosts 192.0.2.1") as daemon:
        yield daemon, b"Authentication-Results: opendkim.test;"


@contextmanager
def by_spamass_milter() -> Iterator[tuple[Daemon, bytes]]:
    with spamd() as behind, spamass_milter(behind.port) as daemon:
        yield daemon, b"X-Spam-Status: "


@pytest.mark.parametrize("kind", [by_opendkim, by_spamass_milter])
async def test_killed_stalled_and_started_again_while_mail_flows(tmp_path: Path, kind: Any) -> None:
    with kind() as (daemon, mark):

        def options(default: Any) -> dict[str, Any]:
            seconds = LIMITS["time_limit"]
            return {
                "smtp": Smtp(
                    mynetworks=(), greet_pause=0.0, milters=(daemon.address,), milter_default_action=default,
                    milter_connect_timeout=seconds, milter_command_timeout=seconds, milter_content_timeout=seconds,
                    milter_breaker_failures=int(LIMITS["breaker_failures"]), milter_breaker_seconds=LIMITS["breaker_seconds"],
                )
            }  # fmt: skip

        await troubled(tmp_path, daemon, options, mark, "milter", "accept")
