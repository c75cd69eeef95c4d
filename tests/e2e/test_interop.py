"""A real Postfix and a real Exim, each as a client and as a server of ours: from the one through mailhub to the other.

    a client -> Postfix or Exim -> mailhub -> Exim or Postfix -> a Maildir

All of it under STARTTLS. Whatever the way, a message arrives as it was written, and what was asked for stands in the last host's report.
"""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.hubs import PASSWORD, messages, running, trusting
from support.mail_hosts import MailHost, mail_host
from support.server import free_port

from mailhub.config.lookup import Lookup
from mailhub.config.schema import Auth, Delivery, Listener, Relay, Smtp
from mailhub.hub import Hub

pytestmark = pytest.mark.slow
ALICE = "alice@mailhub.test"
LINE = b"%07d: the quick brown fox jumps over the lazy dog, and back again.\r\n"
MESSAGES = {
    "dots": b"Subject: dots\r\n\r\n.\r\n..\r\n...a\r\n.b\r\n\r\n.\r\n",
    "8bit": b"Subject: x\r\nContent-Type: text/plain; charset=latin-1\r\n\r\ngr\xfc\xdfe \x80\xff\r\n",
    "5 MB": b"Subject: large\r\n\r\n" + b"".join(LINE % n for n in range(75_000)),
}
SMTPUTF8 = "Subject: grüße\r\nFrom: ü@mailhub.test\r\n\r\nhallo\r\n".encode()
WAYS = [("postfix", "exim"), ("exim", "postfix")]


@dataclass
class Road:
    """`first` gives its mail to the hub, the hub gives it to `last`."""

    first: MailHost
    hub: Hub
    last: MailHost

    async def send(self, text: bytes, *recipients: str, mail: tuple[str, ...] = (), rcpt: tuple[str, ...] = ()) -> None:
        """From alice, by SMTP under TLS to the first host."""
        await asyncio.to_thread(post, self.first.port, text, recipients, mail, rcpt)


def post(port: int, text: bytes, recipients: tuple[str, ...], mail: tuple[str, ...], rcpt: tuple[str, ...]) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        for _ in range(100):  # Postfix offers it once its tlsmgr answers
            client.ehlo()
            if client.has_extn("STARTTLS"):
                break
            client.close()
            client.connect("127.0.0.1", port)
        client.starttls(context=trusting())
        client.sendmail(ALICE, recipients, text, mail_options=mail, rcpt_options=rcpt)


@asynccontextmanager
async def road(folder: Path, first: str, last: str, door: str = "smtp", **options: str) -> AsyncIterator[Road]:
    """`door`: where the first host knocks; `options`: of Postfix as that host, PORT stands for the port there."""
    ports = {"smtp": free_port(), "submission": free_port()}
    options = {name: value.replace("PORT", str(ports[door])) for name, value in options.items()}
    async with AsyncExitStack() as stack:
        begin = await stack.enter_async_context(mail_host(first, ports[door], **options))
        end = await stack.enter_async_context(mail_host(last, ports["smtp"]))
        hub = await stack.enter_async_context(
            running(
                folder,
                ALICE,
                listener=tuple(Listener(protocol=name, port=port) for name, port in ports.items()),  # type: ignore[arg-type]
                delivery=Delivery(transport=Lookup((((end.name, f"smtp:[127.0.0.1]:{end.port}"),),))),
                relay=Relay(keep_seconds=0.0),
                smtp=Smtp(greet_pause=0.0),
                auth=Auth(failure_delay=0.0),
            )
        )
        try:
            yield Road(begin, hub, end)
        finally:
            print(begin.log(), end.log())  # shown where a test fails


@pytest.mark.parametrize(("first", "last"), WAYS)
async def test_all_kinds_of_mail_arrive_as_they_were_written(first: str, last: str, tmp_path: Path) -> None:
    async with road(tmp_path, first, last) as way:
        for text in MESSAGES.values():
            await way.send(text, f"bob@{way.last.name}", ALICE, mail=("BODY=8BITMIME",))
        arrived = await way.last.arrived(len(MESSAGES))
        while len(ours := await messages(way.hub, ALICE)) < len(MESSAGES):
            await asyncio.sleep(0.05)  # the first host is another process
        for place in (arrived, ours):
            for name, text in MESSAGES.items():
                assert sum(message.endswith(b"\r\n" + text) for message in place) == 1, name
        assert all(b"by mailhub.test (mailhub) with ESMTPS id" in message for message in (*arrived, *ours))
        log = way.last.log()
        async with asyncio.timeout(20):
            while last == "postfix" and "bdat=" not in log:  # told when the connection is over
                await asyncio.sleep(0.05)
                log = way.last.log()
        if last == "exim":  # each of the three by BDAT, under TLS
            assert [line.count(" K ") for line in log.splitlines() if " <= " in line and "esmtps" in line] == [1] * 3, (
                log
            )
        else:
            assert b"with ESMTPS" in arrived[0].partition(b"by mailhub.test")[0]
        if first == "exim":  # it speaks BDAT to us too
            assert [line.count(" K ") for line in way.first.log().splitlines() if " T=hub" in line] == [1] * 6


@pytest.mark.parametrize(("first", "last"), WAYS)
async def test_addresses_of_other_scripts(first: str, last: str, tmp_path: Path) -> None:
    async with road(tmp_path, first, last) as way:
        await way.send(SMTPUTF8, f"bücher@{way.last.name}", mail=("SMTPUTF8", "BODY=8BITMIME"))
        (message,) = await way.last.arrived()
        assert message.endswith(SMTPUTF8)
        assert b"by mailhub.test (mailhub) with UTF8SMTPS id" in message
        assert "bücher@".encode() in message.partition(b"Subject:")[0]


@pytest.mark.parametrize(("first", "last"), WAYS)
@pytest.mark.parametrize("ret", ["HDRS", "FULL"])
async def test_what_was_asked_of_reports_stands_in_the_report(first: str, last: str, ret: str, tmp_path: Path) -> None:
    """NOTIFY, ORCPT, ENVID and RET (RFC 3461) through three hosts; the last one's report comes back to the sender."""
    async with road(tmp_path, first, last) as way:
        text = b"Subject: asked\r\n\r\nthe body itself\r\n"
        await way.send(
            text, f"bob@{way.last.name}", f"gone@{way.last.name}", mail=(f"RET={ret}", "ENVID=QQ314"),
            rcpt=("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;old@asked.test"),
        )  # fmt: skip
        async with asyncio.timeout(20):
            while len(reports := await messages(way.hub, ALICE)) < 2:
                await asyncio.sleep(0.05)
        (success,) = [report for report in reports if b"action: delivered\r\n" in report.lower()]
        (failure,) = [report for report in reports if b"action: failed\r\n" in report.lower()]
        assert success is not failure
        for report in reports:
            assert b"original-envelope-id: qq314\r\n" in report.lower()
        assert b"original-recipient: rfc822;old@asked.test\r\n" in success.lower().replace(b"rfc822; ", b"rfc822;")
        assert (b"the body itself" in failure) is (ret == "FULL")


async def test_nobody_is_told_who_asked_for_silence(tmp_path: Path) -> None:
    async with road(tmp_path, "postfix", "exim") as way:
        await way.send(b"Subject: x\r\n\r\n", "nobody@mailhub.test", rcpt=("NOTIFY=NEVER",))
        await way.send(b"Subject: y\r\n\r\n", ALICE)
        async with asyncio.timeout(20):
            while not (mail := await messages(way.hub, ALICE)):
                await asyncio.sleep(0.05)
        assert [b"Subject: y" in message for message in mail] == [True]


async def test_postfix_signs_in_as_a_client(tmp_path: Path) -> None:
    async with road(
        tmp_path, "postfix", "exim", "submission", smtp_tls_security_level="encrypt", smtp_sasl_auth_enable="yes",
        smtp_sasl_password_maps=f"inline:{{ {{ [127.0.0.1]:PORT = {ALICE}:{PASSWORD} }} }}", smtp_sasl_security_options="noanonymous",
        smtp_sasl_mechanism_filter="plain, login",
    ) as way:  # fmt: skip
        text = b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@x>\r\nFrom: alice@mailhub.test\r\n\r\nhi\r\n"
        await way.send(text, f"bob@{way.last.name}")
        (message,) = await way.last.arrived()
        assert message.endswith(text)
        assert b"by mailhub.test (mailhub) with ESMTPSA id" in message
