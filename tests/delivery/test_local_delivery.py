"""Local delivery as a transport: a result for every recipient, whatever the mailbox room does."""

from dataclasses import dataclass

import pytest

from mailhub.delivery.local import LocalTransport
from mailhub.delivery.routes import Local
from mailhub.delivery.transport import Job, JobRecipient
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import LimitReached, NotFound, OverQuota, Permanent, Temporary
from mailhub.model.reply import Reply
from mailhub.store.api import Body, Content, Fate, Filing


@dataclass
class Text:
    """A Content in memory."""

    body: Body
    id: int = 7
    prefix: bytes = b""
    size: int = 0
    away: bool = False

    async def read(self, offset: int, length: int) -> bytes:
        if self.away:
            raise Temporary("the disk does not answer")
        assert self.body.data is not None
        return (self.prefix + self.body.data)[offset : offset + length]


class Staged:
    """A mailbox room that keeps what it was asked, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[dict[str, object]] = []

    async def stage(self, account: str, folder: str, *, head: bytes, content: Content, file: str, date: int) -> Filing:
        self.calls.append({"account": account, "folder": folder, "head": head, "file": file, "date": date})
        if self.error is not None:
            raise self.error
        return Filing(account, folder, file, head, content.id, len(head) + content.size, date, b"", b"")


def job(data: bytes, *addresses: str, away: bool = False) -> Job:
    content = Text(Body(len(data), data), size=len(data), away=away)
    recipients = tuple(JobRecipient(n, address, local=Local("a@x.test")) for n, address in enumerate(addresses))
    return Job(0x2_0000_0001, "s@y.test", content, recipients, created=1_700_000_000.9)  # type: ignore[arg-type]


def transport(mailboxes: Staged, host: str = "mx.test") -> LocalTransport:
    return LocalTransport(mailboxes, host, VirtualClock())  # type: ignore[arg-type]


async def test_the_name_derives_from_message_and_recipient_and_is_safe() -> None:
    mailboxes = Staged()
    (result,) = await transport(mailboxes, "../mx:ü.test").deliver(job(b"Subject: x\r\n\r\n", "A@x.test"))
    assert result.fate == Fate.DELIVERED
    assert mailboxes.calls == [
        {
            "account": "a@x.test",
            "folder": "INBOX",
            "head": b"Return-Path: <s@y.test>\r\nDelivered-To: A@x.test\r\n",
            "file": "1700000000.Q8000001R0..._mx__.test",
            "date": 1_800_000_000,
        }
    ]
    assert [filing.file for filing in result.filings] == ["1700000000.Q8000001R0..._mx__.test"]


@pytest.mark.parametrize(
    ("error", "fate", "enhanced"),
    [
        (Temporary("disk"), Fate.DEFERRED, "4.3.0"),
        (OverQuota("full"), Fate.DEFERRED, "4.2.2"),
        (LimitReached("many"), Fate.DEFERRED, "4.3.1"),
        (NotFound("gone"), Fate.DEFERRED, "4.3.0"),
        (Permanent("no", Reply(552, "5.3.4", "Too big for a mailbox")), Fate.FAILED, "5.3.4"),
        (ZeroDivisionError(), Fate.DEFERRED, "4.3.0"),
    ],
)
async def test_trouble_is_temporary_unless_it_says_otherwise(error: Exception, fate: Fate, enhanced: str) -> None:
    (result,) = await transport(Staged(error)).deliver(job(b"Subject: x\r\n\r\n", "a@x.test"))
    assert (result.fate, result.reply.enhanced) == (fate, enhanced)
    assert result.filings == ()


async def test_every_recipient_gets_a_result() -> None:
    addresses = [f"a+{n}@x.test" for n in range(50)]
    results = await transport(Staged()).deliver(job(b"Subject: x\r\n\r\n", *addresses))
    assert [result.n for result in results] == list(range(50))
    results = await transport(Staged()).deliver(job(b"Subject: x\r\n\r\n", *addresses, away=True))
    assert {result.fate for result in results} == {Fate.DEFERRED}
    assert len(results) == 50


@pytest.mark.parametrize(
    ("field", "loops"),
    [
        (b"Delivered-To: a@x.test", True),
        (b"DELIVERED-TO:  A@X.test ", True),
        (b"delivered-to:\r\n a@x.test", True),
        (b"Delivered-To: b@x.test", False),
        (b"X-Delivered-To: a@x.test", False),
        (b"Subject: x\r\n\r\nDelivered-To: a@x.test", False),
    ],
)
async def test_what_was_delivered_to_the_address_before_is_in_a_loop(field: bytes, loops: bool) -> None:
    (result,) = await transport(Staged()).deliver(job(b"From: z\r\n" + field + b"\r\n\r\ntext\r\n", "a@x.test"))
    assert result.fate == (Fate.FAILED if loops else Fate.DELIVERED)
    assert (result.reply.enhanced == "5.4.6") == loops
