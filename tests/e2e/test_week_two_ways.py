"""mbsync and offlineimap keep a Maildir and an account equal through a week of changes on both sides. Skipped by name where missing."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from support.hubs import PASSWORD, running
from support.programs import program, run
from support.week import ODD, LocalMaildirs, Server

from mailhub.config.schema import Auth
from mailhub.hub import Hub
from mailhub.model.mailbox import ANSWERED, FLAGGED, SEEN

ALICE = "alice@mailhub.test"
MBSYNC = """
IMAPAccount hub
Host localhost
Port {port}
User {user}
Pass "{password}"
SSLType IMAPS
CertificateFile {home}/certificate
Timeout 20

IMAPStore far
Account hub

MaildirStore near
Path {home}/local/
Inbox {home}/local/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
"""
OFFLINEIMAP = """
[general]
accounts = hub
metadata = {home}/offlineimap
ui = quiet
[Account hub]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {home}/local
sep = /
[Repository far]
type = IMAP
remotehost = localhost
remoteport = {port}
remoteuser = {user}
remotepass = {password}
ssl = yes
sslcacertfile = {home}/certificate
"""


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running(tmp_path / "var", ALICE, auth=Auth(failure_delay=0)) as hub:
        (tmp_path / "certificate").write_bytes((hub.data / "tls" / "certificate.pem").read_bytes())
        (tmp_path / "local").mkdir()
        yield hub


def with_mbsync(hub: Hub, home: Path) -> Callable[[], Awaitable[str]]:
    mbsync = program("mbsync")
    (home / ".mbsyncrc").write_text(MBSYNC.format(port=hub.port("imaps"), user=ALICE, password=PASSWORD, home=home))
    return lambda: run(mbsync, "-a", cwd=home)


def with_offlineimap(hub: Hub, home: Path) -> Callable[[], Awaitable[str]]:
    offlineimap = program("offlineimap")
    (home / ".offlineimaprc").write_text(
        OFFLINEIMAP.format(port=hub.port("imaps"), user=ALICE, password=PASSWORD.replace("%", "%%"), home=home)
    )
    return lambda: run(offlineimap, "-o", cwd=home)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("prepare", [with_mbsync, with_offlineimap])
async def test_a_week(hub: Hub, tmp_path: Path, prepare: Callable[[Hub, Path], Callable[[], Awaitable[str]]]) -> None:
    sync = prepare(hub, tmp_path)
    server, local = Server(hub, ALICE), LocalMaildirs(tmp_path / "local")

    async def evening(day: str, *counts: int) -> None:
        """Both sides are equal, and hold what they should."""
        await sync()
        there, here = await server.picture(), local.picture()
        assert here == there, day
        assert sorted(len(entries) for entries in there.values()) == sorted(counts), day

    await server.deliver(*ODD)
    await evening("monday: mail came", 8)
    await server.mark(SEEN, 0, 1)
    await server.mark(SEEN | FLAGGED, 2)
    await server.deliver(*ODD[:2])
    await evening("tuesday: read by webmail", 10)
    local.mark("RS", 3)
    local.mark("F", 4)
    local.mark("", 0)
    await server.expunge(1)
    await evening("wednesday: answered here, deleted there", 9)
    await server.create("Reise.2026")
    await server.create("邮件")
    await server.move("Reise.2026", 0, 2)
    await server.move("邮件", 3)
    await evening("thursday: filed there", 6, 2, 1)
    local.move("Reise.2026", 0)
    local.remove(1)
    local.move("Hier", 2)
    await evening("friday: filed and deleted here, with a folder of its own", 3, 3, 1, 1)
    assert "Hier" in await server.picture()
    local.write(b"Subject: written here #900\r\n\r\n.dots\r\n", "S", "Hier")
    await server.deliver(*ODD[4:6])
    await server.mark(ANSWERED | SEEN, 0, folder="邮件")
    local.mark("FS", 0, folder="Hier")
    await evening("saturday: both at once", 5, 3, 2, 1)
    before = await server.picture()
    await evening("sunday: nothing", 5, 3, 2, 1)
    assert await server.picture() == before
