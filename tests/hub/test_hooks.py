"""Hooks in Python in a whole hub: each function at its place; late, broken and blocking ones; a file that changes."""

import asyncio
import contextlib
import imaplib
import logging
import os
import smtplib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from support.hubs import PASSWORD, messages, running, send, trusting

from mailhub.config.schema import Hooks, Smtp
from mailhub.hub import Hub
from mailhub.model.errors import MailError
from mailhub.store.api import Act, QueueFilter

ANN = "ann@mailhub.test"
LETTER = b"Subject: hello\r\n\r\ntext\r\n"
HEAD = "import asyncio, time\nfrom mailhub.hooks import *\nfrom mailhub import hooks\n"
ALL = (
    HEAD
    + """
async def connect(event):
    if event.client != "127.0.0.1" or event.trusted:
        return Reject("who are you?")
async def helo(event):
    return hooks.AddHeader("X-Helo", event.helo)
async def mail(event: Mail) -> Answer | None:
    if event.sender == "bad@far.test":
        return Reject("not you", "5.7.9")
async def rcpt(event: Rcpt) -> Answer | None:
    if event.sender == "later@far.test":
        return Defer("not " + event.recipient)
async def data(event: Data) -> Answer | None:
    if b"lottery" in event.message:
        return Junk("a lottery")
    if b"held" in event.message:
        return Quarantine("held")
    if b"points" in event.message:
        return Score(20, "many")
    if b"nothing" in event.message:
        return Discard("nothing")
async def deliver(event: Deliver):
    assert event.account == "ann@mailhub.test" and event.message.endswith(b"\\r\\n") and event.size == len(event.message)
    if b"Subject: archive" in event.message:
        return FileInto("Archive")
    if b"Subject: bounce" in event.message:
        return Reject("not here")
async def login(event: Login):
    if event.service == "pop3":
        return Reject("no POP3")
async def append(event: Append):
    if event.folder == "Drafts":
        return Reject("no drafts of %d octets, %s" % (event.size, ",".join(event.flags)))
"""
)


@contextlib.asynccontextmanager
async def hub_with(folder: Path, source: str, **options: Any) -> AsyncIterator[Hub]:
    write(folder, source)
    config = Hooks(file=str(folder / "hooks.py"), **{"time_limit": 20.0, **options})
    async with asyncio.timeout(50), running(folder / "var", ANN, hooks=config, smtp=Smtp(mynetworks=())) as hub:
        yield hub


def write(folder: Path, source: str) -> None:
    (folder / "new").write_text(source)
    (folder / "new").chmod(0o600)
    os.replace(folder / "new", folder / "hooks.py")


async def told(hub: Hub, sender: str, text: bytes = LETTER) -> str:
    """What the client hears."""
    try:
        await send(hub, sender, ANN, text)
    except smtplib.SMTPRecipientsRefused as error:
        ((code, said),) = error.recipients.values()
        return f"{code} {said.decode()}"
    except smtplib.SMTPResponseException as error:
        return f"{error.smtp_code} {bytes(error.smtp_error).decode()}"  # type: ignore[arg-type]
    return "250"


async def counts(hub: Hub) -> dict[str, int]:
    await hub.queue.idle()
    return {folder.name: folder.messages for folder in await hub.mailboxes.account(ANN).folders() if folder.messages}


def imap(hub: Hub, work: Callable[[imaplib.IMAP4], Any]) -> Any:
    with imaplib.IMAP4("127.0.0.1", hub.port("imap")) as client:
        client.starttls(trusting())
        client.login(ANN, PASSWORD)
        return work(client)


async def test_each_function_at_its_place(tmp_path: Path) -> None:
    async with hub_with(tmp_path, ALL) as hub:
        assert await told(hub, "bad@far.test") == "550 5.7.9 not you"
        assert await told(hub, "later@far.test") == f"451 4.7.1 not {ANN}"
        assert (await told(hub, "x@far.test", b"Subject: points\r\n\r\n\r\n")).startswith("550 5.7.1")
        assert await told(hub, "x@far.test", b"Subject: nothing\r\n\r\n\r\n") == "250"
        assert await counts(hub) == {}
        assert await told(hub, "x@far.test") == "250"
        (mail,) = await messages(hub, ANN)
        assert b"\r\nX-Helo: " in mail
        for subject in (b"lottery", b"archive", b"held"):
            assert await told(hub, "x@far.test", b"Subject: %b\r\n\r\n\r\n" % subject) == "250"
        assert len(await hub.store.queue.page(QueueFilter(quarantined=True))) == 1
        assert await counts(hub) == {"INBOX": 1, "Junk": 1, "Archive": 1}
        assert await told(hub, "", b"Subject: bounce\r\n\r\n\r\n") == "250"
        assert (await counts(hub))["INBOX"] == 1, "refused at delivery; the null sender hears nothing"


async def test_login_and_append(tmp_path: Path) -> None:
    async with hub_with(tmp_path, ALL) as hub:
        stored = await asyncio.to_thread(imap, hub, lambda c: c.append("Drafts", "(\\Seen own)", None, LETTER))  # type: ignore[arg-type]
        assert stored[0] == "NO"
        assert b"no drafts of 24 octets, \\Seen,own" in stored[1][0]
        stored = await asyncio.to_thread(imap, hub, lambda c: c.append("Archive", "", None, LETTER))  # type: ignore[arg-type]
        assert stored[0] == "OK"
        account = await hub.authenticator.authenticate(ANN, PASSWORD, service="imap", client="192.0.2.1")
        assert account is not None
        assert await hub.authenticator.authenticate(ANN, PASSWORD, service="pop3", client="192.0.2.1") is None


@pytest.mark.parametrize(
    "body",
    ["raise ValueError", "return 5", "return FileInto('x')", "await asyncio.Event().wait()", "raise KeyboardInterrupt"],
)
@pytest.mark.parametrize(("failure", "answer"), [("tempfail", "451"), ("accept", "250"), ("mark", "250")])
async def test_a_broken_hook_is_what_the_operator_says_and_loses_nothing(
    tmp_path: Path, body: str, failure: str, answer: str
) -> None:
    late = {"time_limit": 0.2} if "wait" in body else {}
    source = f"{HEAD}\nasync def data(event):\n    {body}\n"
    async with hub_with(tmp_path, source, failure=failure, **late) as hub:
        assert (await told(hub, "x@far.test"))[:3] == answer
        found = await messages(hub, ANN)
        assert len(found) == (answer == "250")
        assert all((b"hook-data=error" in mail) == (failure == "mark") for mail in found)
        write(tmp_path, HEAD)
        assert await told(hub, "x@far.test") == "250"


async def test_a_hook_that_fails_at_delivery_leaves_the_mail_in_the_queue(tmp_path: Path) -> None:
    async with hub_with(tmp_path, HEAD + "async def deliver(event):\n    raise ValueError\n") as hub:
        assert await told(hub, "x@far.test") == "250"
        await hub.queue.idle()
        assert len(await hub.store.queue.page(QueueFilter())) == 1
        write(tmp_path, HEAD)
        await hub.store.queue.act_on_all(Act.RETRY, QueueFilter(), hub.clock.now())
        hub.queue.forgive()
        while not await counts(hub):
            await asyncio.sleep(0.01)
        assert len(await messages(hub, ANN)) == 1


async def test_one_that_blocks_holds_nobody_else_and_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = f"{HEAD}\nasync def data(event):\n    if b'block' in event.message:\n        time.sleep(3)\n"
    async with hub_with(tmp_path, source, time_limit=0.5) as hub:
        with caplog.at_level(logging.WARNING):
            blocked = asyncio.create_task(told(hub, "x@far.test", b"Subject: block\r\n\r\n\r\n"))
            assert await asyncio.to_thread(imap, hub, lambda client: client.noop()[0]) == "OK"
            assert (await blocked)[:3] == "451"
            assert await told(hub, "x@far.test") == "250"
            assert "a hook of" in caplog.text
            while "hooks.py" not in "".join(r.getMessage() for r in caplog.records if r.name == "mailhub.stall"):
                await asyncio.sleep(0.05)


async def test_a_changed_file_counts_at_once_and_a_broken_one_not_at_all(tmp_path: Path) -> None:
    async with hub_with(tmp_path, HEAD) as hub:
        assert await told(hub, "x@far.test") == "250"
        write(tmp_path, HEAD + "async def mail(event):\n    return Reject('changed')\n")
        assert await told(hub, "x@far.test") == "550 5.7.1 changed"
        write(tmp_path, "this is no Python\n")
        assert await told(hub, "x@far.test") == "550 5.7.1 changed"
        (tmp_path / "hooks.py").unlink()
        assert await told(hub, "x@far.test") == "550 5.7.1 changed"
        write(tmp_path, HEAD + "# now for something else\n")
        assert await told(hub, "x@far.test") == "250"


@pytest.mark.parametrize(
    ("source", "mode", "wrong"),
    [("def mail(:\n", 0o600, "line 1: SyntaxError"), ("def mail(event): pass\n", 0o600, "mail is no async function"),
     ("1 / 0\n", 0o600, "ZeroDivisionError"), (HEAD, 0o666, "others may write to it"), ("", None, "No such file")],
)  # fmt: skip
async def test_a_file_that_can_not_be_used_keeps_the_server_from_starting(
    tmp_path: Path, source: str, mode: int | None, wrong: str
) -> None:
    file = tmp_path / "hooks.py"
    if mode is not None:
        file.write_text(source)
        file.chmod(mode)
    with pytest.raises(MailError, match=wrong):
        async with running(tmp_path / "var", ANN, hooks=Hooks(file=str(file))):
            pass
