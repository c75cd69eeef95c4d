"""A hub whose accounts are in a real MariaDB that is killed, stalled and brought back while mail flows."""

import asyncio
import contextlib
import imaplib
import smtplib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.hubs import PASSWORD, messages, running, trusting
from support.mariadb import Mariadb, mariadb
from support.postfixadmin import POSTFIXADMIN

from mailhub.config.schema import Auth, Directory, Smtp
from mailhub.control.errors import ControlError
from mailhub.control.words import AliasRemove, DomainAdd, Status, UserAdd
from mailhub.hub import Hub
from mailhub.model.errors import Temporary


@pytest.fixture(scope="module")
def server() -> Iterator[Mariadb]:
    with mariadb() as made:
        made.run("set global innodb_flush_log_at_trx_commit = 1")  # what was written is there after SIGKILL
        made.run(POSTFIXADMIN)
        yield made


@pytest.fixture
async def hub(server: Mariadb, tmp_path: Path) -> AsyncIterator[Hub]:
    """Nothing is believed for long, so that each step asks the database."""
    (tmp_path / "secret").write_text("pa ss\n")
    section = Directory(
        kind="mysql", hosts=(f"inet:127.0.0.1:{server.port}",), user="mail", password_file=str(tmp_path / "secret"),
        cache_seconds=0.0, negative_seconds=0.0, timeout=0.5, retry_seconds=0.1,
    )  # fmt: skip
    auth = Auth(failure_delay=0.0, cache_seconds=0.0)
    async with running(
        tmp_path / "var", directory=section, domains=(), auth=auth, smtp=Smtp(mynetworks=(), greet_pause=0.0)
    ) as made:
        yield made


async def tried(hub: Hub, *recipients: str) -> list[int]:
    """The codes of RCPT, and of the message where one was taken."""

    def deliver() -> list[int]:
        with smtplib.SMTP("127.0.0.1", hub.port("smtp")) as client:
            client.ehlo()
            client.mail("x@elsewhere.test")
            codes = [client.rcpt(recipient)[0] for recipient in recipients]
            return [*codes, client.data(b"Subject: x\r\n\r\ntext\r\n")[0]] if 250 in codes else codes

    return await asyncio.to_thread(deliver)


async def login(hub: Hub, name: str, password: str = PASSWORD) -> str:
    """OK, or the client's words on the refusal."""

    def sign_in() -> str:
        with imaplib.IMAP4("127.0.0.1", hub.port("imap")) as client:
            client.starttls(trusting())
            try:
                return client.login(f'"{name}"', password)[0]
            except imaplib.IMAP4.error as error:
                return str(error)

    return await asyncio.to_thread(sign_in)


async def answering(hub: Hub) -> None:
    """The next question that is let through finds the database."""
    while True:
        with contextlib.suppress(Temporary):
            assert await hub.directory.account("stranger@a.test") is None
            return
        await asyncio.sleep(0)


async def test_mail_and_logins_of_postfixadmins_tables(hub: Hub) -> None:
    assert await tried(hub, "ann@a.test", "team@alias.test", "who@b.test", "nobody@a.test", "gone@a.test", "x@off.test") == [
        250, 250, 250, 550, 550, 554, 250,
    ]  # fmt: skip
    assert (len(await messages(hub, "ann@a.test")), len(await messages(hub, "bob@a.test"))) == (1, 1)
    names = ("ann@a.test", "bob@a.test", "CARA@a.test", "o'hara@a.test")
    assert [await login(hub, name) for name in names] == ["OK"] * 4
    for name in (
        "null@a.test",
        "gone@a.test",
        "nobody@a.test",
        "x@off.test",
        "' or 1=1 -- ",
        "ann@a.test'",
        "%s@a.test",
    ):
        assert "AUTHENTICATIONFAILED" in await login(hub, name)
    assert "AUTHENTICATIONFAILED" in await login(hub, "ann@a.test", "wrong")
    for change in (
        UserAdd(address="new@a.test", password="x"),
        DomainAdd(name="n.test"),
        AliasRemove(address="team@a.test"),
    ):
        with pytest.raises(ControlError, match="read and never written: change it there"):
            await hub.control.perform(change)


async def test_quotas_of_the_tables_hold(hub: Hub, server: Mariadb) -> None:
    server.run("update mailbox set quota = 10 where username = 'ann@a.test'", "postfix")
    try:
        assert (await hub.mailboxes.account("ann@a.test").quota()).limits.storage == 0, "nobody asked yet"
        assert await tried(hub, "ann@a.test") == [250, 250]
        await hub.queue.idle()
        assert await messages(hub, "ann@a.test") == []
        assert (await hub.mailboxes.account("ann@a.test").quota()).limits.storage == 10
    finally:
        server.run("update mailbox set quota = 0 where username = 'ann@a.test'", "postfix")
    assert await tried(hub, "ann@a.test") == [250, 250]
    await hub.queue.idle()
    assert len(await messages(hub, "ann@a.test")) == 1
    assert (await hub.mailboxes.account("ann@a.test").quota()).limits.storage == 0


async def test_killed_stalled_and_back(hub: Hub, server: Mariadb) -> None:
    assert await tried(hub, "ann@a.test", "nobody@a.test") == [250, 550, 250]
    assert await login(hub, "ann@a.test") == "OK"
    for stop, back in ((server.kill, server.start), (server.stall, server.resume)):
        stop()
        for _ in range(3):
            codes = await tried(hub, "ann@a.test", "nobody@a.test", "x@elsewhere.test")
            assert [code // 100 for code in codes] == [2, 4, 4, 2], codes
        assert await login(hub, "ann@a.test") == "OK"
        assert "UNAVAILABLE" in await login(hub, "stranger@a.test")
        state = (await hub.control.perform(Status())).directory
        assert state is not None and state.away > 0 and str(server.port) in state.cause  # noqa: PT018
        back()
        await answering(hub)
        assert await tried(hub, "nobody@a.test") == [550]
        assert await tried(hub, "bob@a.test") == [250, 250]
        state = (await hub.control.perform(Status())).directory
        assert state is not None and state.away == 0  # noqa: PT018
    assert len(await messages(hub, "ann@a.test")) == 7


async def test_a_start_without_the_database(server: Mariadb, tmp_path: Path) -> None:
    section = Directory(kind="mysql", hosts=("inet:127.0.0.1:1",), retry_seconds=0.1)
    async with running(tmp_path / "var", directory=section, domains=()) as hub:
        assert [code // 100 for code in await tried(hub, "ann@a.test")] == [4]
        status = await hub.control.perform(Status())
        assert status.directory is not None and status.directory.cause  # noqa: PT018
