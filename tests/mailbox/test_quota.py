"""Quota in a whole hub: told at RCPT, kept at APPEND and COPY, passed within the grace, waited for beyond it."""

import asyncio
import imaplib
import smtplib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from support.hubs import PASSWORD, messages, running, send, trusting
from support.mailbox_room import ALICE, mailbox_room

from mailhub.config.schema import Mailbox, Smtp
from mailhub.control import words
from mailhub.hub import Hub
from mailhub.mailbox.service import AccountMail
from mailhub.model.errors import OverQuota
from mailhub.model.mailbox import DELETED, FlagOp, Limits, Quota

ANN, BOB, DOMAIN = "ann@mailhub.test", "bob@mailhub.test", "mailhub.test"
SMTP = Smtp(greet_pause=0.0)


def text(size: int) -> bytes:
    return b"Subject: x\r\n\r\n" + b"x" * (size - 16) + b"\r\n"


def in_imap(hub: Hub, ask: Callable[[imaplib.IMAP4], object]) -> Awaitable[object]:
    def talk() -> object:
        with imaplib.IMAP4("127.0.0.1", hub.port("imap")) as session:
            session.starttls(trusting())
            session.login(ANN, PASSWORD)
            return ask(session)

    return asyncio.to_thread(talk)


async def deliver(hub: Hub, size: int, to: str = ANN) -> None:
    await send(hub, "a@b.test", to, text(size))
    await hub.queue.idle()


def refusal(hub: Hub, size: int | None, to: str = ANN) -> tuple[int, bytes]:
    with smtplib.SMTP("127.0.0.1", hub.port("smtp")) as client:
        client.ehlo()
        client.mail("a@b.test", () if size is None else (f"SIZE={size}",))
        code, words_ = client.rcpt(to)
        return code, words_


def send_untold(hub: Hub, size: int) -> None:
    """A client that says nothing of the size."""
    with smtplib.SMTP("127.0.0.1", hub.port("smtp")) as client:
        client.ehlo()
        client.mail("a@b.test")
        assert client.rcpt(ANN)[0] == 250
        assert client.data(text(size))[0] == 250


@pytest.mark.parametrize(
    ("full", "reply"), [("defer", (452, b"4.2.2 Mailbox full")), ("reject", (552, b"5.2.2 Mailbox full"))]
)
async def test_told_at_rcpt_beyond_the_grace(tmp_path: Path, full: str, reply: tuple[int, bytes]) -> None:
    mailbox = Mailbox(quota_storage=10_000, quota_full=full)  # type: ignore[arg-type]
    async with running(tmp_path, ANN, BOB, smtp=SMTP, domains=(DOMAIN,), mailbox=mailbox) as hub:
        await deliver(hub, 9_000)
        assert (await asyncio.to_thread(refusal, hub, 1_000))[0] == 250, "within a tenth more"
        assert await asyncio.to_thread(refusal, hub, 3_000) == reply
        assert (await asyncio.to_thread(refusal, hub, 3_000, BOB))[0] == 250
        await deliver(hub, 1_400)
        assert await asyncio.to_thread(refusal, hub, 500) == reply


async def test_accepted_mail_waits_for_room(tmp_path: Path) -> None:
    async with running(tmp_path, ANN, smtp=SMTP, domains=(DOMAIN,), mailbox=Mailbox(quota_storage=10_000)) as hub:
        await deliver(hub, 9_000)
        await asyncio.to_thread(send_untold, hub, 5_000)
        await hub.queue.idle()
        assert len(await messages(hub, ANN)) == 1
        (last,) = await queued(hub)
        assert "4.2.2" in last
        mail = hub.mailboxes.account(ANN)
        inbox = await mail.snapshot(await mail.find("INBOX"))
        await inbox.remove(inbox.uids)
        await hub.control.perform(words.QueueRetry(which=words.Which()))
        await hub.queue.idle()
        assert [len(found) > 5_000 for found in await messages(hub, ANN)] == [True]


async def queued(hub: Hub) -> tuple[str, ...]:
    found = await hub.control.perform(words.QueueList(which=words.Which()))
    return tuple(recipient.last for message in found for recipient in message.recipients)


async def test_append_and_copy_are_refused_and_move_is_not(tmp_path: Path) -> None:
    def ask(session: imaplib.IMAP4) -> None:
        assert session.append("INBOX", "()", None, text(6_000))[0] == "OK"
        assert session.append("INBOX", "()", None, text(6_000)) == ("NO", [b"[OVERQUOTA] Mailbox is full"])
        session.select("INBOX")
        assert session.copy("1", "Archive") == ("NO", [b"[OVERQUOTA] Mailbox is full"])
        assert session._simple_command("MOVE", "1", "Archive")[0] == "OK"  # type: ignore[attr-defined]
        assert session.append("INBOX", "()", None, text(1_000))[0] == "OK"
        assert session.append("INBOX", "()", None, text(100)) == ("NO", [b"[OVERQUOTA] Mailbox is full"])

    imaplib.Commands["MOVE"] = ("SELECTED",)
    mailbox = Mailbox(quota_storage=10_000, quota_messages=2)
    async with running(tmp_path, ANN, domains=(DOMAIN,), mailbox=mailbox) as hub:
        await hub.mailboxes.account(ANN).folders()
        await in_imap(hub, ask)
        assert await hub.mailboxes.account(ANN).quota() == Quota(7_000, 2, Limits(10_000, 2))


async def test_an_account_goes_before_its_domain_and_that_before_the_configuration(tmp_path: Path) -> None:
    async with running(
        tmp_path, ANN, BOB, domains=(DOMAIN,), mailbox=Mailbox(quota_storage=10_000, quota_messages=5)
    ) as hub:

        async def limits(address: str) -> tuple[int, int]:
            state = await hub.control.perform(words.QuotaGet(address=address))
            return state.storage_limit, state.message_limit

        assert await limits(ANN) == (10_000, 5)
        await hub.control.perform(words.QuotaSet(address="@mailhub.test", storage=20_000))
        assert await limits(ANN) == (20_000, 5)
        await hub.control.perform(words.QuotaSet(address=ANN, messages=0))
        assert (await limits(ANN), await limits(BOB), await limits("@mailhub.test")) == (
            (20_000, 0),
            (20_000, 5),
            (20_000, 5),
        )
        await hub.control.perform(words.QuotaSet(address="@mailhub.test"))
        assert (await limits(ANN), await limits(BOB)) == ((10_000, 0), (10_000, 5))


async def test_counters_follow_every_unit(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as it:

        async def held(mail: AccountMail) -> tuple[int, int]:
            quota = await mail.quota()
            return quota.storage, quota.messages

        await it.alice.folders()
        await it.put(text(100), text(200))
        assert await held(it.alice) == (300, 2)
        view = await it.view()
        await view.copy([1, 2], await it.alice.find("Archive"))
        assert await held(it.alice) == (600, 4)
        await view.move([2], await it.alice.find("Archive"))
        assert await held(it.alice) == (600, 4)
        await view.set_flags([1], FlagOp.ADD, DELETED)
        await view.expunge()
        assert await held(it.alice) == (500, 3)
        await it.alice.delete("Archive")
        assert await held(it.alice) == (0, 0)


async def test_two_appends_at_once_do_not_share_one_room(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as it:
        await it.alice.folders()
        await it.store.mailboxes.set_limits(ALICE, 1_000, None)
        done = await asyncio.gather(*(it.put(text(400)) for _ in range(5)), return_exceptions=True)
        assert [type(each) for each in done].count(OverQuota) == 3
        await it.store.mailboxes.recount(ALICE)
        assert (await it.alice.quota()).storage == 800
