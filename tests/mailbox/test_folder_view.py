"""Views: numbers hold still until they may move, each change is told once, and an error loses nothing."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.mailbox_room import MailboxRoom, mailbox_room

from mailhub.mailbox.resync import Known
from mailhub.mailbox.service import Delta, FolderView
from mailhub.model.errors import NotFound, Temporary
from mailhub.model.mailbox import DELETED, FLAGGED, SEEN, Changes, FlagOp
from mailhub.store import maildir
from mailhub.store.sqlite import tombstones
from mailhub.store.sqlite.adopting import Enter
from mailhub.store.sqlite.filing import Entry

TEXT = b"Subject: x\r\n\r\nx\r\n"


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[MailboxRoom]:
    async with mailbox_room(tmp_path) as room:
        await room.put(TEXT, TEXT, TEXT, TEXT)
        yield room


async def test_what_is_new_is_told(room: MailboxRoom) -> None:
    view = await room.view()
    assert not view.changed.is_set()
    assert await view.sync(expunges=True) == Delta()
    await room.put(TEXT)
    assert view.changed.is_set()
    assert list(view.uids) == [1, 2, 3, 4]
    assert await view.sync(expunges=True) == Delta(exists=5, recent=5)
    assert list(view.uids) == [1, 2, 3, 4, 5]
    assert await view.sync(expunges=True) == Delta()


async def test_expunged_numbers_come_from_the_highest_down(room: MailboxRoom) -> None:
    view = await room.view()
    await room.remove([1, 3])
    assert await view.sync(expunges=True) == Delta(expunged=(3, 1), vanished=(1, 3))
    assert list(view.uids) == [2, 4]
    assert (view.place(2), view.place(3), view.place(4)) == (0, None, 1)


async def test_numbers_hold_still_while_they_must(room: MailboxRoom) -> None:
    view = await room.view()
    await room.remove([1])
    await room.put(TEXT)
    assert await view.sync(expunges=False) == Delta(exists=5, recent=5)
    assert list(view.uids) == [1, 2, 3, 4, 5]
    with pytest.raises(NotFound):
        await view.open(1)
    assert [row.uid for row in await view.rows(view.uids, rendered=False)] == [2, 3, 4, 5]
    await room.remove([3])
    assert await view.sync(expunges=False) == Delta()
    assert await view.sync(expunges=True) == Delta(expunged=(3, 1), vanished=(1, 3))
    assert list(view.uids) == [2, 4, 5]
    assert view.recent == {2, 4, 5}


async def test_come_and_gone_between_two_looks_is_never_told(room: MailboxRoom) -> None:
    view = await room.view()
    await room.remove(await room.put(TEXT))
    assert await view.sync(expunges=True) == Delta()


async def test_flags_of_others_are_told_and_own_ones_are_not_repeated(room: MailboxRoom) -> None:
    view, other = await room.view(), await room.view()
    assert [(uid, flags) for uid, flags, _ in (await view.set_flags([2, 3], FlagOp.ADD, SEEN))[0]] == [
        (2, SEEN),
        (3, SEEN),
    ]
    assert list(view.flags) == [0, SEEN, SEEN, 0]
    assert await view.sync(expunges=True) == Delta()
    assert await other.sync(expunges=True) == Delta(flags=((2, 2, SEEN), (3, 3, SEEN)))
    await other.set_flags([2, 4], FlagOp.ADD, FLAGGED)
    await other.set_flags([3], FlagOp.REMOVE, SEEN)
    assert await view.sync(expunges=True) == Delta(flags=((2, 2, SEEN | FLAGGED), (3, 3, 0), (4, 4, FLAGGED)))


async def test_flags_are_told_by_the_numbers_after_the_expunges(room: MailboxRoom) -> None:
    view, other = await room.view(), await room.view()
    await other.set_flags([3], FlagOp.ADD, SEEN)
    await room.remove([1])
    assert await view.sync(expunges=True) == Delta(expunged=(1,), vanished=(1,), flags=((2, 3, SEEN),))


async def test_new_keywords_are_told_once(room: MailboxRoom) -> None:
    view, other = await room.view(), await room.view()
    await view.set_flags([1], FlagOp.ADD, 0, ["$Work"])
    assert view.folder.keywords == ("$Work",)
    assert not (await view.sync(expunges=True)).keywords
    delta = await other.sync(expunges=True)
    assert delta.keywords
    assert delta.flags == ((1, 1, 32),)
    assert not (await other.sync(expunges=True)).keywords


async def test_recent_is_for_one_view(room: MailboxRoom) -> None:
    reader = await room.view(read_only=True)
    assert reader.recent == set()
    first, second = await room.view(), await room.view()
    assert (first.recent, second.recent) == ({1, 2, 3, 4}, set())
    await room.put(TEXT)
    told = [await view.sync(expunges=True) for view in (reader, second, first)]
    assert [delta.exists for delta in told] == [5, 5, 5]
    assert [delta.recent for delta in told] == [0, 1, 4]


async def test_an_error_loses_nothing(room: MailboxRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the calls to the store fails: the next look tells all there was to tell."""
    view, other = await room.view(), await room.view()
    await room.remove([1])
    await other.set_flags([2], FlagOp.ADD, SEEN)
    await room.put(TEXT)

    async def refuse(folder: int) -> int:
        raise Temporary("disk full")

    async def away(folder: int, since: int) -> Changes:
        raise asyncio.CancelledError

    for name, broken, error in (("take_recent", refuse, Temporary), ("changes", away, asyncio.CancelledError)):
        with monkeypatch.context() as patch:
            patch.setattr(room.store.mailboxes, name, broken)
            with pytest.raises(error):
                await view.sync(expunges=True)
        assert list(view.uids) == [1, 2, 3, 4]
        assert view.changed.is_set(), "an IDLE must look again"
    assert await view.sync(expunges=True) == Delta(
        expunged=(1,), vanished=(1,), exists=4, recent=4, flags=((1, 2, SEEN),)
    )


async def test_a_message_that_comes_during_the_look_is_recent(
    room: MailboxRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = await room.view()
    await room.put(TEXT)
    take = room.store.mailboxes.take_recent

    async def late(folder: int) -> int:
        await room.put(TEXT)
        return await take(folder)

    monkeypatch.setattr(room.store.mailboxes, "take_recent", late)
    assert await view.sync(expunges=True) == Delta(exists=6, recent=6)


async def test_expunge_takes_what_is_marked(room: MailboxRoom) -> None:
    view = await room.view()
    await view.set_flags([1, 2, 4], FlagOp.ADD, DELETED)
    assert await view.expunge(((4, 0), (9, 9))) == [4]
    assert await view.expunge(((3, 3),)) == []
    assert await view.expunge() == [1, 2]
    assert await view.expunge() == []
    assert await view.sync(expunges=True) == Delta(expunged=(4, 2, 1), vanished=(1, 2, 4))


async def test_more_than_a_page_of_rows(room: MailboxRoom) -> None:
    await room.put(*[TEXT] * 1000)
    await room.put(*[TEXT] * 100)
    view = await room.view(read_only=True)
    assert [row.uid for row in await view.rows(view.uids, rendered=False)] == list(range(1, 1105))
    await room.remove(list(range(1, 1105, 2)))
    rows = await view.rows(view.uids, rendered=True)
    assert [row.uid for row in rows] == list(range(2, 1105, 2))
    assert all(row.envelope.startswith(b"(") and row.structure.startswith(b"(") for row in rows)


async def test_copy_and_move(room: MailboxRoom) -> None:
    view = await room.view()
    trash = await room.alice.find("Trash")
    copied = await view.copy([1, 3], trash)
    assert (copied.source, copied.target) == ((1, 3), (1, 2))
    moved = await view.move([2, 77], trash)
    assert (moved.source, moved.target, moved.target_folder.id) == ((2,), (3,), trash.id)
    assert await view.sync(expunges=True) == Delta(expunged=(2,), vanished=(2,))
    assert list((await room.view("Trash", read_only=True)).uids) == [1, 2, 3]


async def test_a_folder_that_goes_away(room: MailboxRoom) -> None:
    await room.alice.create("Gone")
    view = await room.view("Gone")
    await room.alice.delete("Gone")
    assert view.changed.is_set()
    with pytest.raises(NotFound):
        await view.sync(expunges=True)
    view.close()


async def test_a_closed_view_hears_nothing(room: MailboxRoom) -> None:
    view, other = await room.view(), await room.view()
    view.close()
    view.close()
    await room.put(TEXT)
    assert not view.changed.is_set()
    assert other.changed.is_set()


class Client:
    """Believes what deltas say; `uids` must be what the view has."""

    def __init__(self, view: FolderView) -> None:
        self.view, self.uids, self.flags = view, list(view.uids), dict(zip(view.uids, view.flags, strict=True))

    async def look(self, *, expunges: bool) -> None:
        delta = await self.view.sync(expunges=expunges)
        assert expunges or not delta.expunged
        for number in delta.expunged:
            del self.flags[self.uids.pop(number - 1)]
        assert (delta.exists is None) == (len(self.view.uids) == len(self.uids))
        for uid in list(self.view.uids)[len(self.uids) :]:
            self.uids.append(uid)
            self.flags[uid] = self.view.flags[self.uids.index(uid)]
        for number, uid, flags in delta.flags:
            assert self.uids[number - 1] == uid
            self.flags[uid] = flags
        assert self.uids == list(self.view.uids)
        assert [self.flags[uid] for uid in self.uids] == list(self.view.flags)


async def act(room: MailboxRoom, client: Client, choice: random.Random) -> None:
    uids = choice.sample(client.uids, choice.randint(0, len(client.uids))) if client.uids else []
    match choice.randint(0, 6):
        case 0:
            await room.put(*[TEXT] * choice.randint(1, 3))
        case 1:
            rows, _ = await client.view.set_flags(uids, FlagOp(choice.randint(0, 2)), choice.randint(0, 31))
            for uid, flags, _ in rows:
                client.flags[uid] = flags
        case 2:
            await client.view.expunge()
        case 3:
            await room.remove(uids[:2])
        case 4:
            await client.view.move(uids[:1], client.view.folder)
        case _:
            await client.look(expunges=choice.random() < 0.5)


@pytest.mark.parametrize("seed", range(8))
async def test_views_that_are_told_of_each_other_agree(room: MailboxRoom, seed: int) -> None:
    choice = random.Random(seed)
    clients = [Client(await room.view()) for _ in range(3)]
    for _ in range(80):
        await act(room, choice.choice(clients), choice)
    for client in clients:
        await client.look(expunges=True)
    truth = await room.view(read_only=True)
    for client in clients:
        assert client.uids == list(truth.uids)
        assert [client.flags[uid] for uid in client.uids] == list(truth.flags)


async def test_a_view_that_slept_longer_than_tombstones_last_compares_uids(
    room: MailboxRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tombstones, "TOMBSTONES", 2)
    await room.put(*[TEXT] * 8)
    view = await room.view()
    known = Known(view.folder.modseq)
    for uid in (7, 2, 4, 5):
        await room.remove([uid])
    assert (await room.store.mailboxes.changes(view.folder.id, known.modseq)).forgotten > known.modseq
    assert await view.sync(expunges=True) == Delta(expunged=(7, 5, 4, 2), vanished=(2, 4, 5, 7))
    assert await view.missed(known) == ((2, 2), (4, 5), (7, 7))
    # who knows few, or says which numbers it knew them by, is told less
    assert await view.missed(Known(known.modseq, ((3, 4), (7, 9)))) == ((4, 4), (7, 7))
    assert await view.missed(Known(known.modseq, None, (((1, 2), (3, 3)), ((1, 1), (3, 3), (6, 6))))) == ((7, 7),)
    # what is remembered is told exactly: also that nothing is gone which never was
    assert await view.missed(Known(view.folder.modseq - 1)) == ((5, 5),)
    assert await view.missed(Known(view.folder.modseq)) == ()


async def test_uids_of_forgotten_messages_are_not_given_again(
    room: MailboxRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their files may come back beside an old list of UIDs."""
    monkeypatch.setattr(tombstones, "TOMBSTONES", 1)
    view = await room.view()
    for uid in (3, 2, 1):
        await room.remove([uid])
    uidnext = view.folder.uidnext
    for n, uid in enumerate((1, 2, uidnext + 4)):
        entry = Entry(0, 0, 1, maildir.IN_NEW, f"{n}.M1.host", b"NIL", b"NIL", uid=uid)
        await room.store.mailboxes._writer.do(Enter(view.folder.id, (entry,)))
    await view.sync(expunges=True)
    assert view.uids[-3:].tolist() == [uidnext, uidnext + 1, uidnext + 4]


@pytest.mark.parametrize("later", [0, 100])
async def test_a_file_that_was_entered_meanwhile_is_not_entered_again(room: MailboxRoom, later: int) -> None:
    """By its name, or where the one who enters it need not look at rows below a UID, by the UID that its list gives."""
    view = await room.view()
    uid = view.folder.uidnext + 4
    entry = Entry(0, 0, 1, maildir.IN_NEW, "1.M1.host", b"NIL", b"NIL", uid=uid)
    for floor in (0, later):
        await room.store.mailboxes._writer.do(Enter(view.folder.id, (entry,), floor and uid + floor))
    await view.sync(expunges=True)
    assert view.uids.tolist().count(uid) == 1
    assert view.uids[-1] == uid


async def test_what_is_told_up_to_leaves_out_expunges_that_are_not(room: MailboxRoom) -> None:
    view, other = await room.view(), await room.view()
    before = view.told
    await room.remove([2])
    await other.set_flags([3], FlagOp.ADD, SEEN)
    await view.sync(expunges=False)
    assert view.told == before < view.folder.modseq
    await view.sync(expunges=True)
    assert view.told == view.folder.modseq
