"""Access control lists and annotations in the store: what they outlive, and what they do not."""

from pathlib import Path

import pytest
from support.mailbox_room import mailbox_room

from mailhub.model.errors import LimitReached
from mailhub.model.mailbox import FlagOp
from mailhub.store.api import AnnotationLimits, Place

ALICE, BOB = "alice@mailhub.test", "bob@mailhub.test"
MAIL = b"Subject: x\r\n\r\nx\r\n"
LIMITS = AnnotationLimits(10, 1_000)


async def test_they_outlive_a_rename_a_rebuild_and_a_restart(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        folder = await room.alice.create("Team")
        await room.put(MAIL, folder="Team")
        place = Place(ALICE, folder.id, False)
        await room.store.sharing.change_acl(folder.id, BOB, FlagOp.REPLACE, "lr", 10)
        await room.store.sharing.annotate({place: [("/shared/comment", b"kept")]}, LIMITS)
        await room.alice.rename("Team", "Crew")
        await room.store.mailboxes.rebuild(ALICE, lambda done, total: None)
    async with mailbox_room(tmp_path) as room:
        folder = await room.alice.find("Crew")
        assert folder.messages == 1
        assert await room.store.sharing.acl(folder.id) == ((BOB, "lr"),)
        place = Place(ALICE, folder.id, False)
        assert await room.store.sharing.annotations(place) == [("/shared/comment", b"kept")]


async def test_a_folder_made_again_and_an_account_made_again_have_none(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        sharing = room.store.sharing
        folder = await room.alice.create("Team")
        other = await room.alice.create("Other")
        private = Place(BOB, other.id, True)
        await sharing.change_acl(folder.id, BOB, FlagOp.REPLACE, "lr", 10)
        await sharing.change_acl(other.id, BOB, FlagOp.REPLACE, "lr", 10)
        await sharing.change_acl(other.id, f"-{BOB}", FlagOp.REPLACE, "r", 10)
        await sharing.annotate({private: [("/private/comment", b"bob's")]}, LIMITS)
        given = await sharing.shared_by(ALICE)
        assert [(one.name, entries) for one, entries in given] == [
            ("Other", ((f"-{BOB}", "r"), (BOB, "lr"))), ("Team", ((BOB, "lr"),)),
        ]  # fmt: skip
        assert await sharing.shared_by(BOB) == []
        await room.alice.delete("Team")
        assert await sharing.acl(folder.id) == ()
        assert [shared.name for shared, _ in await sharing.shared_with([BOB], BOB)] == ["Other"]
        await room.store.mailboxes.remove_account(f"-{BOB}")
        assert len(await sharing.acl(other.id)) == 2
        await room.store.mailboxes.remove_account(BOB)
        assert await sharing.acl(other.id) == ()
        assert await sharing.annotations(private) == []


async def test_entries_are_the_same_in_any_case_and_bounded(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        sharing, place = room.store.sharing, Place(ALICE, 0, True)
        await sharing.annotate({place: [("/private/Comment", b"one")]}, LIMITS)
        await sharing.annotate({place: [("/private/comment", b"two")]}, LIMITS)
        assert await sharing.annotations(place) == [("/private/Comment", b"two")]
        many = [(f"/private/{n}", b"x") for n in range(10)]
        with pytest.raises(LimitReached):
            await sharing.annotate({place: many}, LIMITS)
        with pytest.raises(LimitReached):
            await sharing.annotate({place: [("/private/big", bytes(999))]}, LIMITS)
        assert await sharing.annotations(place) == [("/private/Comment", b"two")]
        await sharing.annotate({place: [("/PRIVATE/COMMENT", None), *many]}, LIMITS)
        assert len(await sharing.annotations(place)) == 10


async def test_what_is_over_a_limit_that_was_lowered_may_become_less(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        sharing, place = room.store.sharing, Place(ALICE, 0, True)
        await sharing.annotate({place: [(f"/private/{n}", bytes(100)) for n in range(9)]}, LIMITS)
        few = AnnotationLimits(2, 50)
        await sharing.annotate({place: [("/private/0", None), ("/private/1", b"less")]}, few)
        assert len(await sharing.annotations(place)) == 8
        with pytest.raises(LimitReached):
            await sharing.annotate({place: [("/private/1", b"more than it was")]}, few)


async def test_a_list_is_bounded_and_empty_entries_are_gone(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        folder, sharing = await room.alice.create("Team"), room.store.sharing
        for n in range(3):
            await sharing.change_acl(folder.id, f"{n}@mailhub.test", FlagOp.ADD, "l", 3)
        with pytest.raises(LimitReached):
            await sharing.change_acl(folder.id, BOB, FlagOp.ADD, "l", 3)
        await sharing.change_acl(folder.id, "0@mailhub.test", FlagOp.REMOVE, "lr", 3)
        await sharing.change_acl(folder.id, BOB, FlagOp.ADD, "l", 3)
        assert [identifier for identifier, _ in await sharing.acl(folder.id)] == [
            "1@mailhub.test",
            "2@mailhub.test",
            BOB,
        ]
