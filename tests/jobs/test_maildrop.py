"""Mail that programs left while no server ran: taken once, whatever happens between, and nothing that is no mail."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.hubs import messages, running, until

from mailhub.config.schema import Maildrop as Config
from mailhub.config.schema import Store as StoreConfig
from mailhub.hub import Hub
from mailhub.jobs import dropped
from mailhub.jobs.maildrop import MARKS
from mailhub.model.clock import SystemClock
from mailhub.store.sqlite import SqliteStore

BOUNDS = dropped.Bounds(10, 10_000_000, 0)
ANN = "ann@mailhub.test"
TEXT = b"Subject: left\r\nMessage-ID: <1@x>\r\n\r\ntext\r\n"


@pytest.fixture(autouse=True)
async def account(tmp_path: Path) -> None:
    async with running(tmp_path, ANN):
        pass


def leave(data: Path, *recipients: str, sender: str = "bob@mailhub.test", text: bytes = TEXT, when: float = 1.0) -> str:
    envelope = dropped.Envelope(sender=sender, recipients=recipients or (ANN,))
    return dropped.leave(str(data / "maildrop"), envelope, text, when, BOUNDS)


def left(data: Path) -> list[str]:
    return sorted(entry.name for entry in (data / "maildrop").iterdir())


async def seen(data: Path) -> int:
    store = SqliteStore(data, StoreConfig(), SystemClock(), "mailhub.test")
    await store.open()
    try:
        return len(await store.sieve.seen(MARKS, 0.0))
    finally:
        await store.close()


async def test_what_was_left_comes_once_at_the_start_and_while_it_runs(tmp_path: Path) -> None:
    leave(tmp_path, when=2.0)
    leave(tmp_path, text=b"Subject: first\n\nbare\nlines", when=1.0)
    async with running(tmp_path) as hub:
        await until(lambda: left(tmp_path) == [])
        found = await messages(hub, ANN)
        assert sorted(text.partition(b"Subject: ")[2].split(b"\r\n")[0] for text in found) == [b"first", b"left"]
        assert any(text.endswith(b"\r\n\r\nbare\r\nlines\r\n") for text in found)
        assert all(b"with local id " in text for text in found)
        await asyncio.to_thread(leave, tmp_path)
        await until(lambda: left(tmp_path) == [])
        assert len(await messages(hub, ANN)) == 3
    async with running(tmp_path) as hub:
        assert len(await messages(hub, ANN)) == 3


async def test_a_crash_between_the_commit_and_the_end_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is there after the restart, and its message, which has been delivered and left the queue, does not come again."""
    leave(tmp_path)
    with monkeypatch.context() as broken:
        tried = asyncio.Event()
        loop = asyncio.get_running_loop()

        def fails(folder: str, name: str) -> None:
            loop.call_soon_threadsafe(tried.set)
            raise OSError("a crash")

        broken.setattr(dropped, "remove", fails)
        async with running(tmp_path) as hub:
            await tried.wait()
            assert len(await messages(hub, ANN)) == 1
        assert len(left(tmp_path)) == 1
    async with running(tmp_path) as hub:
        await until(lambda: left(tmp_path) == [])
        assert len(await messages(hub, ANN)) == 1
    assert await seen(tmp_path) == 1


async def test_what_can_not_be_queued_now_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is set aside because the disk is full, and it comes when there is room."""
    leave(tmp_path)
    options = {"maildrop": Config(retry=1.0)}
    async with running(tmp_path, **options) as hub:
        await until(lambda: left(tmp_path) == [])
    leave(tmp_path)
    full = asyncio.Event()

    def check(self: object) -> None:
        from mailhub.model.errors import LimitReached

        full.set()
        raise LimitReached("the disk is nearly full")

    with monkeypatch.context() as narrow:
        narrow.setattr("mailhub.queue.spool.Spool.check_space", check)
        async with running(tmp_path, **options) as hub:
            await full.wait()
            assert [name.endswith(".mail") for name in left(tmp_path)] == [True]
            narrow.undo()
            await until(lambda: left(tmp_path) == [])
            assert len(await messages(hub, ANN)) == 2


async def bounced(hub: Hub, owner: str) -> bytes:
    (text,) = await messages(hub, owner)
    return text


async def test_an_unknown_recipient_is_told_of_by_a_bounce(tmp_path: Path) -> None:
    leave(tmp_path, "nobody@mailhub.test", sender=ANN)
    async with running(tmp_path) as hub:
        await until(lambda: left(tmp_path) == [])
        assert b"nobody@mailhub.test" in await bounced(hub, ANN)


def written(sender: str, *recipients: str, **more: Any) -> bytes:
    return msgspec.json.encode(dropped.Envelope(sender=sender, recipients=recipients, **more)) + b"\n" + TEXT


HOSTILE: dict[str, Callable[[Path], object]] = {
    "no JSON": lambda place: place.write_bytes(b"\x00\xff\n"),
    "empty": lambda place: place.write_bytes(b""),
    "no recipients": lambda place: place.write_bytes(written("a@b.test")),
    "an address with a line end": lambda place: place.write_bytes(written("a@b.test>\r\nRCPT TO:<x@y.test", ANN)),
    "a recipient that is none": lambda place: place.write_bytes(written("a@b.test", "ann")),
    "a source route": lambda place: place.write_bytes(written("a@b.test", "@x.test:ann@mailhub.test")),
    "a line end in ENVID": lambda place: place.write_bytes(written("a@b.test", ANN, envid="x\r\nRCPT")),
    "never and always": lambda place: place.write_bytes(written("a@b.test", ANN, notify=3)),
    "a line without end": lambda place: place.write_bytes(written("a@b.test", ANN) + b"x" * 200_000),
    "too large": lambda place: place.write_bytes(written("a@b.test", ANN) + b"x\n" * 2_000_000),
    "a link": lambda place: place.symlink_to("/etc/passwd"),
    "a second name": lambda place: (
        (place.parent / "other").write_bytes(written("a@b.test", ANN)),
        os.link(place.parent / "other", place),
    ),
    "a folder": lambda place: place.mkdir(),
    "a fifo": lambda place: os.mkfifo(place),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_what_is_no_mail_is_set_aside_and_keeps_nobody_waiting(tmp_path: Path, what: str) -> None:
    from mailhub.config.schema import Smtp

    folder = tmp_path / "maildrop"
    HOSTILE[what](folder / f"{0:016x}-{0:024x}.mail")
    leave(tmp_path)
    async with running(tmp_path, smtp=Smtp(message_size_limit=1_000_000)) as hub:
        await until(lambda: not [name for name in left(tmp_path) if name.endswith(".mail")])
        assert len(await messages(hub, ANN)) == 1
    assert f"{0:016x}-{0:024x}.bad" in left(tmp_path)


def test_bounds_and_leftovers(tmp_path: Path) -> None:
    for _ in range(10):
        leave(tmp_path)
    with pytest.raises(dropped.Full, match="message_limit"):
        leave(tmp_path)
    folder = str(tmp_path / "maildrop")
    assert (
        (os.stat(folder).st_mode & 0o7777) == dropped.OURS == 0o700
    )  # no set-group-ID, which the unit of systemd denies
    envelope = dropped.Envelope(sender="", recipients=(ANN,))
    for bounds in (dropped.Bounds(99, 10, 0), dropped.Bounds(99, 10**9, 1 << 60)):
        with pytest.raises(dropped.Full):
            dropped.leave(folder, envelope, TEXT, 1.0, bounds)
    names = dropped.names(folder, 0.0)
    assert len(names) == 10
    unfinished = tmp_path / "maildrop" / "x.tmp"
    unfinished.touch()
    os.utime(unfinished, (1000, 1000))
    assert dropped.names(folder, 2000.0) == names
    assert unfinished.exists()
    assert dropped.names(folder, 1000.0 + 86_401) == names
    assert not unfinished.exists()
    assert not [name for name in os.listdir(folder) if not name.endswith(".mail")]


def test_everybody_needs_a_folder_of_its_own(tmp_path: Path) -> None:
    from mailhub.config.load import ConfigError, parse

    with pytest.raises(ConfigError, match=r"maildrop\.path"):
        parse("[maildrop]\neverybody = true\n")
    folder = tmp_path / "drop"
    assert dropped.prepare(str(folder), everybody=True)
    assert (folder.stat().st_mode & 0o7777) == dropped.EVERYBODY
