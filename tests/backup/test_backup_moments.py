"""What happens between the steps of a backup: mail that comes, moves and goes after its folder was looked at, and after the cut."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mailhub.config.schema import Store
from mailhub.model.clock import SystemClock
from mailhub.model.mailbox import FLAGGED, SEEN, FlagOp
from mailhub.model.reply import Reply
from mailhub.store.api import (
    Body,
    Fate,
    NewContent,
    NewItem,
    NewMessage,
    NewRecipient,
    Outcome,
    QueueFilter,
    Settle,
    State,
)
from mailhub.store.backup.layout import JUNK, Folder, Head
from mailhub.store.backup.piece import Piece
from mailhub.store.backup.taking import take
from mailhub.store.backup.verifying import verify
from mailhub.store.backup.whole import Whole
from mailhub.store.files import Files
from mailhub.store.sqlite import SqliteStore

ANN = "ann@a.example"
SMALL, LARGE = b"Subject: x\r\n\r\nhello\r\n", b"Subject: y\r\n\r\n" + b"z" * 100_000
Deed = Callable[[], Awaitable[object]]
Mail = dict[str, list[tuple[int, int, bytes]]]


async def nothing() -> None:
    return None


class Moments(SystemClock, Files):
    """A clock and files that stop a backup at two moments: before the cut, when all folders were looked at, and behind it."""

    def __init__(self, before: Deed, after: Deed) -> None:
        Files.__init__(self)
        self._loop, self._asked, self._before, self._after = asyncio.get_running_loop(), 0, before, after

    def _wait(self, deed: Deed) -> None:
        async def done() -> None:
            await deed()

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(60)

    def now(self) -> float:
        self._asked += 1
        if self._asked == 3:  # for a name, for the beginning, for the cut
            self._wait(self._before)
        return super().now()

    def exists(self, path: str) -> bool:
        if path.endswith(f"/{JUNK}"):
            self._wait(self._after)
        return super().exists(path)


class Scene:
    """A store, and what is done to it while it is backed up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = made(path / "var")

    async def folder(self, name: str) -> int:
        for found in await self.store.mailboxes.folders(ANN):
            if found.name == name:
                return found.id
        return (await self.store.mailboxes.create(ANN, name)).id

    async def append(self, folder: int, text: bytes, flags: int = 0) -> int:
        writer = self.store.queue.body_writer()
        writer.feed(text)
        message = NewMessage(await writer.finish(), 1_600_000_000, b"(E)", b"(B)", flags)
        (uid,) = await self.store.mailboxes.append(folder, [message])
        return uid

    async def settled(self) -> None:
        """Files say what the index says, and contents are forgotten."""
        await self.store.mailboxes.sync()

    async def back_up(self, before: Deed = nothing, after: Deed = nothing) -> Head:
        backups = Folder(self.path / "backups", create=True)
        moments = Moments(before, after)
        backups.files = moments
        name, head = await asyncio.to_thread(take, backups, self.path / "var", "mx", "0", moments, lambda *_: None)
        assert await asyncio.to_thread(lambda: list(verify(backups, name, lambda *_: None))) == []
        assert head.passed_over == ()
        return head

    async def restored(self, *, hold: bool = False) -> tuple[Mail, list[str]]:
        """Mail by folder: UID, flags, text; and who is still queued."""
        backups = Folder(self.path / "backups")
        target = self.path / "new"
        whole = Whole(backups, backups.newest(), target, "", None)
        assert (await asyncio.to_thread(lambda: whole.run(lambda *_: None, hold=hold))).wrong == []
        store = made(target)
        await store.open()
        try:
            found: Mail = {}
            for folder in await store.mailboxes.folders(ANN):
                view = await store.mailboxes.view(folder.id)
                found[folder.name] = []
                for uid, flags in zip(view.uids, view.flags, strict=True):
                    async with await store.mailboxes.open(folder.id, uid) as opened:
                        found[folder.name].append((uid, flags, await opened.read(0, 1 << 20)))
            assert await store.mailboxes.check(ANN) == []
            items = await store.queue.page(QueueFilter())
            for item in items:
                assert len(await item.content.read(0, 1 << 20)) == item.content.size
                assert all((recipient.state is State.HOLD) is hold for recipient in item.recipients)
            return found, [recipient.address for item in items for recipient in item.recipients]
        finally:
            await store.close()


def made(data: Path, location: str = "") -> SqliteStore:
    config = Store(free_space_floor=0, sync_interval=0.01, mail_location=location)
    return SqliteStore(data, config, SystemClock(), "mx.a.example")


@asynccontextmanager
async def scene(path: Path) -> AsyncIterator[Scene]:
    found = Scene(path)
    await found.store.open()
    try:
        yield found
    finally:
        await found.store.close()


async def test_mail_that_moves_before_and_behind_the_cut(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        inbox, other, third = [await here.folder(name) for name in ("INBOX", "Other", "Third")]
        await here.append(inbox, SMALL, SEEN)
        await here.settled()

        async def before() -> None:
            await here.store.mailboxes.move(inbox, [1], other)
            await here.settled()

        async def after() -> None:
            await here.store.mailboxes.move(other, [1], third)
            await here.settled()

        assert (await here.back_up(before, after)).gone == 0
        assert (await here.restored())[0] == {"INBOX": [], "Other": [(1, SEEN, SMALL)], "Third": []}


async def test_mail_that_comes_before_the_cut(tmp_path: Path) -> None:
    """In its content yet, or in its file already, small and large."""
    async with scene(tmp_path) as here:
        inbox = await here.folder("INBOX")
        await here.settled()

        async def before() -> None:
            await here.append(inbox, SMALL)
            await here.append(inbox, LARGE)
            await here.settled()
            await here.append(inbox, SMALL)
            await here.append(inbox, LARGE)

        queued = here.store.queue.new_id()
        content = NewContent(queued, b"", Body(len(SMALL), SMALL))
        await here.store.queue.put(
            NewItem(
                id=queued,
                content=content,
                sender="",
                recipients=(NewRecipient(0, "x@far.example"),),
                created=1.0,
                due=1.0,
            )
        )
        assert (await here.back_up(before, here.settled)).gone == 0
        assert await here.restored() == (
            {"INBOX": [(1, 0, SMALL), (2, 0, LARGE), (3, 0, SMALL), (4, 0, LARGE)]},
            ["x@far.example"],
        )


async def test_mail_that_is_deleted_does_not_come_again(tmp_path: Path) -> None:
    """Before the cut; and behind it, where it came after its folder was looked at, so that nobody has it any more."""
    async with scene(tmp_path) as here:
        inbox = await here.folder("INBOX")
        for _ in range(3):
            await here.append(inbox, SMALL)
        await here.settled()

        async def before() -> None:
            await here.store.mailboxes.expunge(inbox, [1])
            await here.append(inbox, b"new" + SMALL)
            await here.settled()

        async def after() -> None:
            await here.store.mailboxes.expunge(inbox, [2, 4])
            await here.settled()

        assert (await here.back_up(before, after)).gone == 1
        assert (await here.restored())[0] == {"INBOX": [(2, 0, SMALL), (3, 0, SMALL)]}


async def test_flags_and_names_are_those_of_the_cut(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        inbox, work = await here.folder("INBOX"), await here.folder("Work")
        for folder in (inbox, work):
            await here.append(folder, SMALL)
        await here.settled()

        async def before() -> None:
            await here.store.mailboxes.set_flags(inbox, [1], FlagOp.ADD, FLAGGED)
            await here.store.mailboxes.rename(work, "Works")
            await here.settled()

        async def after() -> None:
            await here.store.mailboxes.set_flags(inbox, [1], FlagOp.REPLACE, SEEN)
            await here.settled()

        await here.back_up(before, after)
        assert (await here.restored())[0] == {"INBOX": [(1, FLAGGED, SMALL)], "Works": [(1, 0, SMALL)]}


async def test_queued_mail_whose_body_is_gone_by_then_has_left_the_queue(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:

        async def put(text: bytes, to: str) -> tuple[int, int]:
            writer = here.store.queue.body_writer()
            writer.feed(text)
            number = here.store.queue.new_id()
            now = SystemClock().now()
            content = NewContent(number, b"", await writer.finish())
            found = await here.store.queue.put(
                NewItem(
                    id=number,
                    content=content,
                    sender="b@far.example",
                    recipients=(NewRecipient(0, to),),
                    created=now,
                    due=now,
                )
            )
            return found.id, found.lease

        async def relayed(item: tuple[int, int]) -> None:
            outcome = Outcome(0, Fate.RELAYED, Reply(250, "2.0.0", "Ok"))
            await here.store.queue.settle(Settle(item[0], item[1], (outcome,)))

        leases: list[tuple[int, int]] = []
        early = await put(LARGE, "early@far.example")

        async def before() -> None:
            leases.append(await put(LARGE, "late@far.example"))
            await put(SMALL, "small@far.example")

        async def after() -> None:
            await relayed(early)
            await relayed(leases[0])
            await here.settled()

        head = await here.back_up(before, after)
        assert head.queued == 2
        assert sorted((await here.restored(hold=True))[1]) == ["early@far.example", "small@far.example"]


async def test_maildirs_elsewhere_come_back_where_they_lie_now(tmp_path: Path) -> None:
    async with scene(tmp_path / "a") as here:
        await here.store.close()
        here.store = made(tmp_path / "a/var", f"{tmp_path}/a/vmail/%d/%n")
        await here.store.open()
        await here.append(await here.folder("INBOX"), SMALL)
        await here.append(await here.folder("Work"), LARGE)
        await here.settled()
        head = await here.back_up()
        backups = Folder(tmp_path / "a/backups")
        location, data = f"{tmp_path}/b/%u", tmp_path / "b/var"
        done = await asyncio.to_thread(
            lambda: Whole(backups, backups.newest(), data, location, None).run(lambda *_: None, hold=False)
        )
        assert (done.messages, done.wrong) == (head.messages, []) == (2, [])
        (file,) = (tmp_path / "b" / ANN / ".Work/cur").iterdir()
        assert file.read_bytes() == LARGE


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_what_root_restores_belongs_to_the_server(tmp_path: Path) -> None:
    owner = (65534, 65534)
    async with scene(tmp_path) as here:
        await here.append(await here.folder("INBOX"), SMALL)
        await here.append(await here.folder("Work"), LARGE)
        await here.settled()
        await here.back_up()
    backups, name = Folder(tmp_path / "backups"), Folder(tmp_path / "backups").newest()

    def restored() -> list[Path]:
        (tmp_path / "all").mkdir()
        Whole(backups, name, tmp_path / "all/var", "", owner).run(lambda *_: None, hold=False)
        (tmp_path / "part").mkdir()
        os.chown(tmp_path / "part", *owner)
        piece = Piece(backups, name, tmp_path / "part", "", owner)
        piece.open(ANN)
        assert [(place.name, place.whole) for place in piece.bring("", "", "", lambda *_: None)] == [
            ("INBOX", True),
            ("Work", True),
        ]
        piece.close()
        return [*(tmp_path / "all").rglob("*"), *(tmp_path / "part").rglob("*")]

    found = await asyncio.to_thread(restored)
    assert len(found) > 20
    assert [path for path in found if (path.lstat().st_uid, path.lstat().st_gid) != owner] == []
