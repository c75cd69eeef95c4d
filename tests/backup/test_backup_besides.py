"""What an account had besides mail comes back with it: app passwords, second factor, aliases, rights, annotations, keywords beyond 26."""

import asyncio
import imaplib
import json
from pathlib import Path

import pytest
from support.backing_up import ANN, BOB, host, letter

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import SystemClock
from mailhub.store.api import SecondFactorRow
from mailhub.store.sqlite import SqliteStore

pytestmark = pytest.mark.slow
WORDS = [f"word{n}" for n in range(30)]


def fill(imap: imaplib.IMAP4) -> None:
    """Ann's folder: shared with Bob, annotated, with more keywords than names of files can carry."""
    imap.create("Work")
    for n in range(3):
        imap.append("Work", f"({' '.join(WORDS)})" if n == 1 else "", None, letter(f"Work {n}"))
    assert imap.setacl("Work", BOB, "lrs")[0] == "OK"
    for folder, note in (("Work", "/private/comment"), ("Work", "/shared/comment"), ("", "/private/comment")):
        tag = imap._new_tag().decode()
        imap.send(f'{tag} SETMETADATA "{folder}" ({note} "of {folder or "ann"}{note}")\r\n'.encode())
        assert f"{tag} OK".encode() in imap.readline()
    imap.logout()


def looked_at(imap: imaplib.IMAP4) -> list[str]:
    """All of that, as Ann's client sees it."""
    said = []
    for command in (
        'GETACL "Work"',
        'GETMETADATA "Work" (/private/comment /shared/comment)',
        'GETMETADATA "" (/private/comment)',
    ):
        tag = imap._new_tag().decode()
        imap.send(f"{tag} {command}\r\n".encode())
        while not (line := imap.readline().decode()).startswith(tag):
            said.append(line)
        assert f"{tag} OK" in line, line
    imap.select("Work", readonly=True)
    flags = [" ".join(sorted(part.decode().replace(")", "").split())) for part in imap.fetch("1:*", "(UID FLAGS)")[1]]
    imap.logout()
    return [*said, *(line.replace("\\Recent", "") for line in flags)]


async def test_what_is_made_again_has_what_it_had(tmp_path: Path) -> None:
    here = await host(tmp_path)
    try:
        await asyncio.to_thread(lambda: fill(here.imap()))
        before = await asyncio.to_thread(lambda: looked_at(here.imap()))
        assert any("word29" in line for line in before)
        await here.run("user", "app-password", "add", ANN, "phone")
        await here.run("alias", "add", "info@example.test", ANN)
        await here.run("alias", "add", "both@example.test", ANN, BOB)
        await here.run("alias", "add", "other@example.test", BOB)
        await here.server.stop()
        store = SqliteStore(here.data, StoreConfig(), SystemClock(), "mailhub.test")
        await store.open()
        factor = SecondFactorRow(ANN, "JBSWY3DPEHPK3PXP", False, 7, ("a" * 64,))
        await store.directory.put_second_factor(factor)
        await store.close()
        await here.server.start()
        await here.run("backup", str(here.backups))
        await here.run("user", "remove", ANN)
        for alias in ("info@example.test", "both@example.test"):
            await here.run("alias", "remove", alias)
        await here.run("alias", "add", "both@example.test", BOB)
        (here.data / "mail/example.test/ann").rename(tmp_path / "gone")
        await here.run("restore", str(here.backups), "--account", ANN)
        assert await asyncio.to_thread(lambda: looked_at(here.imap())) == before
        names = json.loads(await here.run("user", "app-password", "list", ANN, "--json"))
        assert [one["name"] for one in names] == ["phone"]
        aliases = {one["address"]: one["targets"] for one in json.loads(await here.run("alias", "list", "--json"))}
        assert aliases == {"info@example.test": [ANN], "both@example.test": [BOB], "other@example.test": [BOB]}
        await here.server.stop()
        await store.open()
        assert await store.directory.second_factor(ANN) == factor
        await store.close()
    finally:
        if here.server.process is not None and here.server.process.returncode is None:
            await here.server.stop()


async def test_a_folder_that_is_there_keeps_what_it_has(tmp_path: Path) -> None:
    here = await host(tmp_path)
    try:
        await asyncio.to_thread(lambda: fill(here.imap()))
        await here.run("backup", str(here.backups))

        def unshare() -> None:
            session = here.imap()
            assert session.deleteacl("Work", BOB)[0] == "OK"
            session.logout()

        await asyncio.to_thread(unshare)
        await here.run("restore", str(here.backups), "--account", ANN, "--folder", "Work")
        assert not any(BOB in line for line in await asyncio.to_thread(lambda: looked_at(here.imap())))
    finally:
        await here.server.stop()
