"""Binary and 8-bit mail through mailhub to a real Postfix and a real Exim, which take less: its contents arrive to the octet."""

import email
import email.message
from pathlib import Path

import pytest
from support.hubs import messages, running
from support.mail_hosts import mail_host

from mailhub.config.lookup import Lookup
from mailhub.config.schema import Delivery
from mailhub.model.envelope import Envelope, MailParameters, Origin, Recipient
from mailhub.store.api import Body

pytestmark = pytest.mark.slow
ALICE = "alice@mailhub.test"
HEAD = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/%b; boundary=b\r\nContent-Transfer-Encoding: %b\r\n\r\n"
WORDS = "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nfür größe\r\n.\r\n".encode()
IMAGE = (
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n" + bytes(range(256)) * 300 + b"\r\n"
)
END = b"--b--\r\n"
BINARY = HEAD % (b"mixed", b"binary") + WORDS + IMAGE + END
EIGHT = HEAD % (b"mixed", b"8bit") + WORDS + END
SIGNED = HEAD % (b"signed", b"8bit") + WORDS + b"--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n" + END


def contents(text: bytes) -> list[tuple[str, bytes]]:
    """What Python's parser makes of a message that has no binary content; of text, without the last line end."""
    return [
        (part.get_content_type(), bytes(part.get_payload(decode=True) or b"").rstrip())
        for part in email.message_from_bytes(text).walk()
        if not part.is_multipart()
    ]


WANTED = [("text/plain", "für größe\r\n.".encode()), ("image/png", bytes(range(256)) * 300)]


@pytest.mark.parametrize(
    ("kind", "options", "text", "body"),
    [
        ("postfix", {}, BINARY, "BINARYMIME"),
        ("exim", {}, BINARY, "BINARYMIME"),
        ("postfix", {"smtpd_discard_ehlo_keywords": "8bitmime"}, BINARY, "BINARYMIME"),
        ("postfix", {"smtpd_discard_ehlo_keywords": "8bitmime"}, EIGHT, "8BITMIME"),
        ("postfix", {"smtpd_discard_ehlo_keywords": "8bitmime, chunking, pipelining"}, EIGHT, "8BITMIME"),
    ],
)
async def test_what_a_host_does_not_take_is_encoded(
    kind: str, options: dict[str, str], text: bytes, body: str, tmp_path: Path
) -> None:
    async with (
        mail_host(kind, 9, **options) as host,
        running(tmp_path, ALICE, delivery=way(host.name, host.port)) as hub,
    ):
        number = hub.spool.new_id()
        envelope = Envelope(ALICE, (Recipient(f"bob@{host.name}"),), MailParameters(body=body))  # type: ignore[arg-type]
        await hub.spool.put(number, envelope, Body(len(text), text), b"", Origin())
        await hub.queue.idle()
        (arrived,) = await host.arrived()
        assert contents(arrived) == WANTED[: 2 if text is BINARY else 1]
        assert arrived.isascii() == bool(options)


async def test_what_is_signed_goes_back_to_its_sender(tmp_path: Path) -> None:
    options = {"smtpd_discard_ehlo_keywords": "8bitmime"}
    async with (
        mail_host("postfix", 9, **options) as host,
        running(tmp_path, ALICE, delivery=way(host.name, host.port)) as hub,
    ):
        envelope = Envelope(ALICE, (Recipient(f"bob@{host.name}"),), MailParameters(body="8BITMIME"))
        await hub.spool.put(hub.spool.new_id(), envelope, Body(len(SIGNED), SIGNED), b"", Origin())
        (report,) = await messages(hub, ALICE)
        assert b"Status: 5.6.3\r\n" in report
        assert host.mail() == []


def way(domain: str, port: int) -> Delivery:
    return Delivery(transport=Lookup((((domain, f"smtp:[127.0.0.1]:{port}"),),)))
