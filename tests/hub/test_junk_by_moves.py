"""The junk filter in a whole hub: its reader moves mail by IMAP, the next one of its kind is filed in Junk and says why."""

import asyncio
import imaplib
import json
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner
from support.hubs import PASSWORD, messages, running, send, trusting

from mailhub.cli.root import root
from mailhub.config.schema import Junk, Smtp
from mailhub.hub import Hub

ANN = "ann@mailhub.test"


def text(subject: str, body: str) -> bytes:
    return f"Subject: {subject}\r\nFrom: x@far.test\r\n\r\n{body}\r\n".encode()


def move(hub: Hub, number: str, folder: str) -> None:
    with imaplib.IMAP4("127.0.0.1", hub.port("imap")) as client:
        client.starttls(trusting())
        client.login(ANN, PASSWORD)
        client.list()
        client.select("INBOX")
        kind, told = client._simple_command("MOVE", number, folder)
        assert kind == "OK", told


async def command(folder: Path, *args: str) -> Any:
    file = folder / "config.toml"
    file.write_text(f'data = "{folder / "var"}"\n[junk]\nmin_messages = 2\n')
    done = await asyncio.to_thread(CliRunner().invoke, root, ["--config", str(file), "junk", *args, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


async def test_what_is_moved_to_junk_is_learnt(tmp_path: Path) -> None:
    config = msgspec.structs.replace(Junk(), min_messages=2)
    async with asyncio.timeout(40), running(tmp_path / "var", ANN, junk=config, smtp=Smtp(mynetworks=())) as hub:
        for n in range(2):
            await send(hub, "x@far.test", ANN, text(f"pills{n}", "cheap pills, order now, best price guaranteed"))
            await hub.queue.idle()  # each has its number before the next one comes
        for n in range(2):
            await send(hub, "x@far.test", ANN, text(f"report{n}", "the report of the tuesday meeting is attached"))
            await hub.queue.idle()
        assert len(await messages(hub, ANN)) == 4
        await asyncio.to_thread(move, hub, "1:2", "Junk")
        await asyncio.to_thread(move, hub, "1:2", "Archive")
        await hub.junk.settled()
        assert [(one["account"], one["junk"], one["good"]) for one in await command(tmp_path, "list")] == [
            ("", 2, 2), (ANN, 2, 2),
        ]  # fmt: skip
        await send(hub, "y@else.test", ANN, text("offer", "order cheap pills now at the best price"))
        await send(hub, "y@else.test", ANN, text("notes", "notes of the tuesday meeting"))
        found = await messages(hub, ANN)
        assert len(found) == 1, b"".join(found).decode()
        (good,) = found
        assert b"Subject: notes" in good
        assert b"junk=good" in good
        folders = {folder.name: folder.messages for folder in await hub.mailboxes.account(ANN).folders()}
        assert (folders["Junk"], folders["Archive"]) == (3, 2)
        bad = tmp_path / "bad.eml"
        bad.write_bytes(text("x", "cheap pills"))
        found = await command(tmp_path, "explain", str(bad), "--account", ANN)
        assert found["probability"] > 0.9
        assert {"cheap", "pills"} <= {clue["word"] for clue in found["clues"]}


async def test_it_is_taught_by_hand_with_and_without_a_server(tmp_path: Path) -> None:
    mails = tmp_path / "mails"
    mails.mkdir()
    for n in range(3):
        (mails / f"{n}.eml").write_bytes(text(f"pills{n}", f"cheap pills{n}"))
    async with asyncio.timeout(40), running(tmp_path / "var", ANN):
        assert await command(tmp_path, "train", "--junk", str(mails)) == {"messages": 3, "new": 3}
        assert await command(tmp_path, "train", "--junk", str(mails)) == {"messages": 3, "new": 0}
    (mails / "3.eml").write_bytes(text("minutes", "a meeting"))
    assert await command(tmp_path, "train", "--good", "--account", ANN, str(mails / "3.eml")) == {
        "messages": 1, "new": 1,
    }  # fmt: skip
    assert [(one["account"], one["junk"], one["good"]) for one in await command(tmp_path, "list")] == [
        ("", 3, 1), (ANN, 0, 1),
    ]  # fmt: skip
