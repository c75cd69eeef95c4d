"""A message's whole way through one hub: smtplib puts it in; poplib, imaplib and IMAPClient take it out."""

import asyncio
import email
import email.policy
import imaplib
import poplib
import smtplib
from email.message import EmailMessage
from pathlib import Path

import pytest
from imapclient import IMAPClient
from support.hubs import PASSWORD, messages, running, trusting

from mailhub.config.schema import Smtp
from mailhub.hub import Hub

ANN, BEN = "ann@mailhub.test", "ben@mailhub.test"


def letter(to: str = ANN, subject: str = "Grüße", text: str = "Hallo\n.\n..dots\nEnde\n") -> EmailMessage:
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = BEN, to, subject
    message.set_content(text)
    message.add_attachment(bytes(range(256)) * 40, maintype="application", subtype="octet-stream", filename="ü.bin")
    return message


def submit(hub: Hub, *letters: EmailMessage) -> None:
    """As a mail program does: port 587, STARTTLS, AUTH."""
    with smtplib.SMTP("127.0.0.1", hub.port("submission")) as client:
        client.starttls(context=trusting())
        client.login(BEN, PASSWORD)
        for message in letters:
            client.send_message(message)


def parsed(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    return message


def text_of(message: EmailMessage) -> str:
    body = message.get_body()
    assert body is not None
    return str(body.get_content())


def check(data: bytes) -> None:
    """What was sent is what is there, behind our three fields."""
    names = [line.partition(b":")[0] for line in data.split(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] not in b"\t "]
    assert names[:3] == [b"Return-Path", b"Delivered-To", b"Received"]
    got, sent = parsed(data), letter()
    assert got["Return-Path"] == f"<{BEN}>"
    assert got["Delivered-To"] == ANN
    assert "with ESMTPSA" in got["Received"]
    assert (got["Subject"], got["To"]) == (sent["Subject"], sent["To"])
    assert text_of(got).splitlines() == text_of(sent).splitlines()
    assert [part.get_content() for part in got.iter_attachments()] == [bytes(range(256)) * 40]


async def test_submitted_by_smtplib_and_read_by_pop3_and_imap(tmp_path: Path) -> None:
    def by_pop3(port: int) -> bytes:
        client = poplib.POP3_SSL("127.0.0.1", port, context=trusting())
        client.user(ANN)
        client.pass_(PASSWORD)
        assert client.stat()[0] == 1
        _, lines, size = client.retr(1)
        text = b"".join(line + b"\r\n" for line in lines)
        assert (len(text), client.stat()[1]) == (size, size)
        client.quit()
        return text

    def by_imaplib(port: int) -> bytes:
        client = imaplib.IMAP4("127.0.0.1", port)
        client.starttls(ssl_context=trusting())
        client.login(ANN, PASSWORD)
        assert client.select("INBOX") == ("OK", [b"1"])
        assert client.search(None, "UNSEEN", "SUBJECT", "hallo")[1] == [b""]
        _, found = client.fetch("1", "(UID RFC822.SIZE BODY.PEEK[])")
        assert isinstance(found[0], tuple)
        client.logout()
        return found[0][1]

    def by_imapclient(port: int) -> bytes:
        with IMAPClient("127.0.0.1", port, ssl_context=trusting()) as client:
            client.login(ANN, PASSWORD)
            client.select_folder("INBOX")
            (uid,) = client.search(["SUBJECT", "Grüße"], charset="UTF-8")
            found = client.fetch([uid], ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "RFC822"])[uid]
            assert found[b"ENVELOPE"].to[0].mailbox == b"ann"
            assert found[b"BODYSTRUCTURE"].is_multipart
            assert b"\\Seen" in client.get_flags([uid])[uid]
            client.add_flags([uid], [b"\\Flagged", b"$Work"])
            client.create_folder("Kept")
            client.move([uid], "Kept")
            assert client.search() == []
            assert client.select_folder("Kept")[b"EXISTS"] == 1
            (flags,) = client.get_flags(client.search(["KEYWORD", "$Work"])).values()
            assert b"\\Flagged" in flags
            return bytes(found[b"RFC822"])

    async with running(tmp_path, ANN, BEN) as hub:
        await asyncio.to_thread(submit, hub, letter())
        await hub.queue.idle()
        texts = [
            await asyncio.to_thread(by_pop3, hub.port("pop3s")),
            await asyncio.to_thread(by_imaplib, hub.port("imap")),
            await asyncio.to_thread(by_imapclient, hub.port("imaps")),
        ]
    for text in texts:
        check(text)
    assert len(set(texts)) == 1


async def test_the_mail_is_a_plain_maildir(tmp_path: Path) -> None:
    async with running(tmp_path, ANN, BEN) as hub:
        await asyncio.to_thread(submit, hub, letter())
        (text,) = await messages(hub, ANN)
    maildir = tmp_path / "mail" / "mailhub.test" / "ann" / "Maildir"
    (file,) = [file for name in ("new", "cur") for file in (maildir / name).iterdir()]
    assert file.read_bytes() == text
    assert list((maildir / "tmp").iterdir()) == []


async def test_idle_tells_of_a_new_message(tmp_path: Path) -> None:
    async with running(tmp_path, ANN, BEN) as hub:
        client = await asyncio.to_thread(IMAPClient, "127.0.0.1", hub.port("imaps"), ssl_context=trusting())

        def begin() -> None:
            client.login(ANN, PASSWORD)
            client.select_folder("INBOX")
            client.idle()

        await asyncio.to_thread(begin)
        await asyncio.to_thread(submit, hub, letter())
        told: list[tuple[object, ...]] = []
        while (1, b"EXISTS") not in told:
            told += await asyncio.to_thread(client.idle_check)
        await asyncio.to_thread(client.idle_done)
        await asyncio.to_thread(client.logout)


async def test_aliases_tags_and_the_catch_all_lead_to_a_mailbox(tmp_path: Path) -> None:
    async with running(tmp_path, ANN, BEN) as hub:
        await hub.directory.set_alias("sales@mailhub.test", [ANN, BEN])
        await hub.directory.set_alias("@mailhub.test", [BEN])
        places = [f"{name}@mailhub.test" for name in ("ann", "ANN+tag", "sales", "nobody", "postmaster")]
        await asyncio.to_thread(submit, hub, *(letter(to, to) for to in places))
        subjects = {user: sorted(parsed(text)["Subject"] for text in await messages(hub, user)) for user in (ANN, BEN)}
    assert subjects[ANN] == ["ANN+tag@mailhub.test", "ann@mailhub.test", "sales@mailhub.test"]
    assert subjects[BEN] == ["nobody@mailhub.test", "postmaster@mailhub.test", "sales@mailhub.test"]


async def test_strangers_can_not_relay_and_unknown_users_are_refused(tmp_path: Path) -> None:
    def attempt(port: int) -> list[int]:
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.ehlo()
            client.mail("x@other.test")
            return [
                client.rcpt(to)[0] for to in ("far@away.test", "eve@mailhub.test", ANN, "far%away.test@mailhub.test")
            ]

    async with running(tmp_path, ANN, smtp=Smtp(mynetworks=())) as hub:
        assert await asyncio.to_thread(attempt, hub.port("smtp")) == [554, 550, 250, 554]


async def test_an_alias_loop_ends_with_a_bounce_to_the_sender(tmp_path: Path) -> None:
    async with running(tmp_path, ANN, BEN) as hub:
        await hub.directory.set_alias("one@mailhub.test", ["two@mailhub.test"])
        await hub.directory.set_alias("two@mailhub.test", ["one@mailhub.test"])
        await asyncio.to_thread(submit, hub, letter("one@mailhub.test"))
        (bounce,) = await messages(hub, BEN)
        report = parsed(bounce)
        assert report["Return-Path"] == "<>"
        assert report.get_content_type() == "multipart/report"
        assert b"Action: failed" in bounce
        assert b"Status: 5.4.6" in bounce


@pytest.mark.parametrize("size", [65_535, 65_537, 3_000_000])
async def test_bodies_of_any_size_come_out_as_they_went_in(tmp_path: Path, size: int) -> None:
    line = b"0123456789" * 7 + b"\r\n"
    whole = b"Subject: big\r\n\r\n" + line * (size // len(line) + 1)
    body = whole[: size - 2].rstrip(b"\r\n").ljust(size - 2, b"x") + b"\r\n"

    def deliver(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail(BEN, [ANN], body)

    async with running(tmp_path, ANN) as hub:
        await asyncio.to_thread(deliver, hub.port("smtp"))
        (text,) = await messages(hub, ANN)
        assert text.endswith(body)
