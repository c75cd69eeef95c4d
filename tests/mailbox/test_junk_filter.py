"""The junk filter that learns, on a real store: from moves between folders and by hand, for an account and the site, within bounds."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from support.mailbox_room import ALICE, MailboxRoom, mailbox_room

from mailhub.config.schema import Junk
from mailhub.mailbox.junk import SITE, JunkFilter
from mailhub.message import authres
from mailhub.model.junk import Counts
from mailhub.store.api import JunkLimits, Lesson

BOB = "bob@mailhub.test"


def letter(text: str, sender: str = "x@far.test", subject: str = "hello") -> bytes:
    return f"From: {sender}\r\nSubject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode()


BAD = [letter(f"cheap pills buy now offer{n} 免费领取发票代开", subject=f"offer {n}") for n in range(3)]
FINE = [
    letter(f"the meeting about the report{n} is on tuesday 会议记录请查收", subject=f"minutes {n}") for n in range(3)
]


@dataclass
class Taught:
    room: MailboxRoom
    filter: JunkFilter

    async def probability(self, text: str, account: str = ALICE) -> float | None:
        found = await self.filter.judge(account, letter(text))
        return None if found is None else found.opinion.probability

    async def teach(self, account: str = ALICE) -> None:
        for data in BAD:
            assert await self.filter.learn(account, data, True)
        for data in FINE:
            assert await self.filter.learn(account, data, False)

    async def totals(self, owner: str = ALICE) -> Counts:
        return await self.room.store.junk.totals([owner])

    async def move(self, data: bytes, source: str, target: str, *, copy: bool = False) -> None:
        uids = await self.room.put(data, folder=source)
        view = await self.room.view(source)
        folder = await self.room.alice.find(target)
        await (view.copy if copy else view.move)(uids, folder)
        view.close()
        await self.filter.settled()


@pytest.fixture
async def taught(tmp_path: Path) -> AsyncIterator[Taught]:
    async with mailbox_room(tmp_path) as room:
        config = msgspec.structs.replace(Junk(), min_messages=3)
        made = JunkFilter(room.store.junk, room.store.mailboxes, config, "mx.test", room.service.lane, room.clock)
        room.service.changes.listen_moves(made.moved)
        await room.alice.folders()
        yield Taught(room, made)
        made.close()


async def test_it_says_nothing_before_enough_was_taught(taught: Taught) -> None:
    for data in BAD:
        await taught.filter.learn(ALICE, data, True)
    assert await taught.probability("cheap pills") is None
    for data in FINE:
        await taught.filter.learn(ALICE, data, False)
    assert await taught.probability("cheap pills") is not None


async def test_words_it_was_taught_speak_for_and_against(taught: Taught) -> None:
    await taught.teach()
    bad, good = (
        await taught.probability("buy cheap pills now"),
        await taught.probability("report of the meeting tuesday"),
    )
    unknown = await taught.probability("quite another zebra")
    assert bad is not None
    assert good is not None
    assert unknown is not None
    assert (bad > 0.9, good < 0.1, abs(unknown - 0.5) < 0.3) == (True, True, True)


async def test_chinese_is_read_by_pairs_of_characters(taught: Taught) -> None:
    await taught.teach()
    bad, good = await taught.probability("代开发票"), await taught.probability("请查收会议记录")
    assert bad is not None
    assert good is not None
    assert bad > 0.8 > 0.2 > good
    found = await taught.filter.judge(ALICE, letter("代开发票"))
    assert found is not None
    assert {"代开", "发票"} <= {clue.token for clue in found.opinion.clues}


async def test_lessons_of_one_account_are_the_sites_too_and_count_twice_for_itself(taught: Taught) -> None:
    await taught.teach(ALICE)
    assert await taught.totals(SITE) == await taught.totals(ALICE) == Counts(3, 3)
    assert await taught.totals(BOB) == Counts()
    for_bob, for_alice = await taught.probability("cheap", BOB), await taught.probability("cheap", ALICE)
    assert for_bob is not None
    assert for_alice is not None
    assert for_alice > for_bob > 0.5
    await taught.filter.learn(BOB, BAD[0], False)
    again = await taught.probability("offer0 cheap", ALICE)
    assert again is not None
    assert again > 0.5


async def test_a_lesson_is_counted_once_and_one_that_is_taken_back_leaves_nothing(taught: Taught) -> None:
    await taught.teach()
    assert not await taught.filter.learn(ALICE, BAD[0], True)
    before = await taught.probability("offer0")
    assert await taught.filter.learn(ALICE, BAD[0], False)
    assert await taught.totals() == Counts(2, 4)
    assert await taught.filter.learn(ALICE, BAD[0], True)
    assert await taught.probability("offer0") == before
    for data in (*BAD, *FINE):
        assert await taught.filter.learn(ALICE, data, None)
        assert not await taught.filter.learn(ALICE, data, None)
    assert await taught.totals() == Counts()
    assert [row[2] for row in await taught.room.store.junk.sizes("", 10)] == [0, 0]


@pytest.mark.parametrize(
    ("source", "target", "junk", "good"),
    [
        ("INBOX", "Junk", 1, 0), ("Junk", "INBOX", 0, 1), ("Junk", "Archive", 0, 1), ("INBOX", "Archive", 0, 1),
        ("INBOX", "Trash", 0, 0), ("Junk", "Trash", 0, 0), ("Trash", "Junk", 1, 0), ("Trash", "INBOX", 0, 0),
        ("Drafts", "Archive", 0, 0), ("Junk", "Junk", 0, 0),
    ],
)  # fmt: skip
async def test_what_a_move_teaches(taught: Taught, source: str, target: str, junk: int, good: int) -> None:
    await taught.move(BAD[0], source, target)
    assert await taught.totals() == await taught.totals(SITE) == Counts(junk, good)


async def test_a_copy_teaches_as_a_move_and_back_again_changes_the_lesson(taught: Taught) -> None:
    await taught.move(BAD[0], "INBOX", "Junk", copy=True)
    assert await taught.totals() == Counts(1, 0)
    await taught.move(BAD[0], "Junk", "INBOX")
    assert await taught.totals() == Counts(0, 1)


async def test_where_learning_is_off_a_move_teaches_nothing(taught: Taught) -> None:
    taught.filter.config = msgspec.structs.replace(taught.filter.config, learn=False)
    await taught.move(BAD[0], "INBOX", "Junk")
    assert await taught.totals() == Counts()


async def test_a_sender_has_a_name_only_where_it_was_proved(taught: Taught) -> None:
    await taught.teach()
    ours = b"Authentication-Results: mx.test;\r\n\tspf=pass (ok) smtp.mailfrom=far.test;\r\n\tdkim=fail header.d=x.test\r\n"
    theirs = b"Authentication-Results: else.test; dkim=pass header.d=evil.test\r\n"
    assert authres.passed(ours + theirs, "mx.test") == {"far.test"}
    for n in range(3):
        await taught.move(ours + letter(f"nothing special{n}"), "INBOX", "Junk")
        await taught.move(theirs + letter(f"what else{n}", "y@evil.test"), "INBOX", "Junk")
    for sender, proved, counts in (
        ("x@far.test", ["far.test"], Counts(6, 0)),  # its own lessons and those of the site
        ("x@far.test", ["mail.far.test"], Counts(6, 0)),
        ("x@far.test", ["other.test"], Counts()),
        ("x@far.test", [], Counts()),
        ("y@evil.test", ["evil.test"], Counts()),
    ):
        found = await taught.filter.judge(ALICE, letter("what", sender), proved)
        assert found is not None
        assert found.sender == counts


async def test_what_is_remembered_is_bounded_and_expires(taught: Taught) -> None:
    store, limits = taught.room.store.junk, JunkLimits(1_000, 10 * 86_400)
    for n in range(100):
        await store.learn([ALICE], Lesson(n, tuple(range(n * 30, n * 30 + 30)), True), n * 3_600.0, limits)
    ((_, counts, words),) = await store.sizes("", 10)
    assert (counts, words <= 1_000) == (Counts(100, 0), True)
    assert await store.counts([ALICE], [99 * 30]) == {99 * 30: Counts(1, 0)}
    assert await store.counts([ALICE], [0]) == {}
    for n in range(100, 150):
        await store.learn([ALICE], Lesson(n, (1_000_000 + n,), True), 20 * 86_400.0, limits)
    ((_, _, words),) = await store.sizes("", 10)
    assert words == 50


async def test_it_outlives_a_restart_and_begins_anew_where_its_file_is_broken(taught: Taught, tmp_path: Path) -> None:
    await taught.teach()
    await taught.room.store.close()
    await taught.room.store.open()
    taught.filter._store = taught.room.store.junk
    assert await taught.totals() == Counts(3, 3)
    await taught.room.store.close()
    (tmp_path / "junk.db").write_bytes(b"no database" * 1_000)
    await taught.room.store.open()
    assert await taught.totals() == Counts()


async def test_many_moves_at_once_stay_within_bounds(taught: Taught) -> None:
    uids = await taught.room.put(*[letter(f"word{n}") for n in range(250)])
    view = await taught.room.view()
    await view.move(uids, await taught.room.alice.find("Junk"))
    view.close()
    async with asyncio.timeout(30):
        await taught.filter.settled()
    assert await taught.totals() == Counts(200, 0)
