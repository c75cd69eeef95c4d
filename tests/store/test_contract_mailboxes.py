"""The mailbox half of the store contract, on both stores. What becomes of files is in test_store_mailboxes.py."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace
from support.stores import CLOCK, Stores, queued

from mailhub.message.structure import render
from mailhub.model.errors import Exists, LimitReached, NotFound, OverQuota, Permanent
from mailhub.model.mailbox import DELETED, FLAGGED, SEEN, Changed, FlagOp, Glimpse, Limits
from mailhub.model.reply import Reply
from mailhub.store.api import (
    AnnotationLimits,
    Body,
    Fate,
    Filing,
    NewContent,
    NewMessage,
    Outcome,
    Place,
    Settle,
)
from mailhub.store.mysql.engine import Tx

WHO = "alice@example.org"
OK = Reply(250, "2.0.0", "Ok")


def message(text: bytes = b"Subject: x\r\n\r\nhello\r\n", flags: int = 0, keywords: tuple[str, ...] = ()) -> NewMessage:
    return NewMessage(Body(len(text), text), 1_700_000_000, b"(E)", b"(B)", flags, keywords)


async def inbox(store: Any, account: str = WHO) -> int:
    return int((await store.mailboxes.folders(account))[0].id)


async def text(store: Any, folder: int, uid: int) -> bytes:
    async with await store.mailboxes.open(folder, uid) as opened:
        return bytes(await opened.read(0, opened.size))


async def test_append_is_readable_at_once_and_after_a_restart(stores: Stores) -> None:
    store = stores.make()
    await store.open()
    folder = await inbox(store)
    assert await store.mailboxes.append(folder, [message(), message(flags=SEEN, keywords=("Work",))]) == [1, 2]
    assert await text(store, folder, 1) == b"Subject: x\r\n\r\nhello\r\n"
    await store.close()
    store = stores.make()
    await store.open()
    view = await store.mailboxes.view(folder)
    assert (list(view.uids), list(view.flags)) == ([1, 2], [0, SEEN | 32])
    assert (view.folder.keywords, view.folder.messages, view.folder.unseen, view.folder.size) == (("Work",), 2, 1, 42)
    assert await text(store, folder, 2) == b"Subject: x\r\n\r\nhello\r\n"
    row, _ = await store.mailboxes.rows(folder, [1, 2], rendered=True)
    assert (row.uid, row.date, row.size, row.envelope, row.structure) == (1, 1_700_000_000, 21, b"(E)", b"(B)")
    assert row.file.endswith(",S=21")
    await store.close()


async def test_flags_are_committed_and_told(store: Any) -> None:
    told: list[Changed] = []
    store.mailboxes.subscribe(told.extend)
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message() for _ in range(3)])
    before = (await store.mailboxes.folder(folder)).modseq
    state, rows, refused = await store.mailboxes.set_flags(folder, [1, 3], FlagOp.ADD, SEEN | FLAGGED, ["Todo"])
    assert [(uid, flags) for uid, flags, _ in rows] == [(1, SEEN | FLAGGED | 32), (3, SEEN | FLAGGED | 32)]
    assert (refused, state.unseen, state.modseq) == ([], 1, before + 1)
    assert told[-1] == Changed(WHO, folder, before + 1)
    _, rows, refused = await store.mailboxes.set_flags(folder, [1, 2], FlagOp.REMOVE, SEEN, unchanged_since=before)
    assert ([uid for uid, _, _ in rows], refused) == ([2], [1])
    assert [uid for uid, _, _ in (await store.mailboxes.changes(folder, before)).rows] == [1, 3]
    # nothing changes, nothing is told
    heard = len(told)
    state, rows, _ = await store.mailboxes.set_flags(folder, [1], FlagOp.ADD, SEEN)
    assert (state.modseq, rows[0][2], len(told)) == (before + 1, before + 1, heard)
    _, rows, _ = await store.mailboxes.set_flags(folder, [1, 2, 3], FlagOp.REPLACE, DELETED, ["todo"])
    assert [flags for _, flags, _ in rows] == [DELETED | 32] * 3
    _, rows, _ = await store.mailboxes.set_flags(folder, [1], FlagOp.REPLACE, SEEN, may=SEEN)
    assert rows[0][1] == SEEN | DELETED | 32, "what may not be taken away stays"
    assert await store.mailboxes.deleted(folder) == (3, 63)


async def test_keywords_have_a_limit(store: Any) -> None:
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message(), message()])
    await store.mailboxes.set_flags(folder, [1], FlagOp.ADD, 0, [f"k{n}" for n in range(58)])
    with pytest.raises(LimitReached):
        await store.mailboxes.set_flags(folder, [2], FlagOp.ADD, 0, ["one more"])
    _, rows, _ = await store.mailboxes.set_flags(folder, [1], FlagOp.REMOVE, 0, ["one more", "K57"])
    assert rows[0][1] == ((1 << 57) - 1) << 5
    assert (await store.mailboxes.view(folder)).flags[0] == ((1 << 57) - 1) << 5


async def test_expunged_mail_is_gone_and_its_uid_never_used_again(store: Any) -> None:
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message() for _ in range(3)])
    before = (await store.mailboxes.folder(folder)).modseq
    assert await store.mailboxes.expunge(folder, [3, 9]) == [3]
    with pytest.raises(NotFound):
        await store.mailboxes.open(folder, 3)
    changes = await store.mailboxes.changes(folder, before)
    assert (changes.expunged, changes.forgotten) == ((3,), 0)
    assert await store.mailboxes.append(folder, [message()]) == [4]
    state = await store.mailboxes.folder(folder)
    assert (state.messages, state.unseen, state.size) == (3, 3, 63)
    assert await store.mailboxes.check(WHO) == []


async def test_old_tombstones_make_room(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("mailhub.store.sqlite.tombstones.TOMBSTONES", "mailhub.store.mysql.mailbox_units._TOMBSTONES"):
        monkeypatch.setattr(module, 10)
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message() for _ in range(14)])
    start = (await store.mailboxes.folder(folder)).modseq
    for uid in range(1, 12):
        await store.mailboxes.expunge(folder, [uid])
    changes = await store.mailboxes.changes(folder, start)
    assert changes.forgotten > start
    assert 0 < len(changes.expunged) <= 10
    late = await store.mailboxes.changes(folder, changes.forgotten)
    assert late.expunged == tuple(range(12 - len(late.expunged), 12))


async def test_copy_and_move_keep_flags_and_octets(store: Any) -> None:
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message(b"Subject: %d\r\n\r\n" % n, SEEN, ("Work",)) for n in range(4)])
    target = (await store.mailboxes.create(WHO, "Archive.2026")).id
    copied = await store.mailboxes.copy(folder, [1, 2], target)
    assert (copied.source, copied.target) == ((1, 2), (1, 2))
    moved = await store.mailboxes.move(folder, [2, 3], target)
    assert (moved.source, moved.target) == ((2, 3), (3, 4))
    assert list((await store.mailboxes.view(folder)).uids) == [1, 4]
    view = await store.mailboxes.view(target)
    assert list(view.flags) == [SEEN | 32] * 4
    assert [await text(store, target, uid) for uid in view.uids] == [b"Subject: %d\r\n\r\n" % n for n in (0, 1, 1, 2)]
    first, second = (
        (await store.mailboxes.rows(folder, [1], False))[0],
        (await store.mailboxes.rows(target, [1], False))[0],
    )
    assert first.email_id == second.email_id
    assert first.file != second.file
    assert await store.mailboxes.check(WHO) == []


async def test_a_message_takes_the_place_of_another(store: Any) -> None:
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message()])
    assert await store.mailboxes.append(folder, [message(b"new\r\n")], (folder, 1)) == [2]
    with pytest.raises(NotFound):
        await store.mailboxes.append(folder, [message(b"late\r\n")], (folder, 1))
    assert list((await store.mailboxes.view(folder)).uids) == [2]


async def test_folders_are_made_renamed_and_deleted(store: Any) -> None:
    folder = await inbox(store)
    made = await store.mailboxes.create(WHO, "A.B")
    assert [f.name for f in await store.mailboxes.folders(WHO)] == ["INBOX", "A", "A.B"]
    with pytest.raises(Exists):
        await store.mailboxes.create(WHO, "A.B")
    for bad in ("inbox", "a..b", "", "x\n", "é" * 200):
        with pytest.raises(Permanent):
            await store.mailboxes.create(WHO, bad)
    await store.mailboxes.append(made.id, [message()])
    parent = (await store.mailboxes.folders(WHO))[1]
    with pytest.raises(Exists):
        await store.mailboxes.rename(parent.id, "A.C")
    await store.mailboxes.rename(parent.id, "Ü")
    assert [f.name for f in await store.mailboxes.folders(WHO)] == ["INBOX", "Ü", "Ü.B"]
    assert len(await text(store, made.id, 1)) == 21
    await store.mailboxes.delete(made.id)
    with pytest.raises(NotFound):
        await store.mailboxes.folder(made.id)
    again = await store.mailboxes.create(WHO, "Ü.B")
    assert (again.uidvalidity > made.uidvalidity, again.messages) == (True, 0)
    assert await store.mailboxes.folders_named("Ü.*", 0) == [again.id]
    assert await store.mailboxes.folders_named("INBOX", 0) == [folder]
    with pytest.raises(Permanent):
        await store.mailboxes.delete(folder)
    await store.mailboxes.append(folder, [message()])
    await store.mailboxes.rename(folder, "Old")
    names = {f.name: f.messages for f in await store.mailboxes.folders(WHO)}
    assert (names["INBOX"], names["Old"]) == (0, 1)


async def test_recent_is_given_once(store: Any) -> None:
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message(), message()])
    assert [await store.mailboxes.take_recent(folder) for _ in range(2)] == [1, 3]


async def test_subscriptions_outlive_folders(store: Any) -> None:
    await inbox(store)
    await store.mailboxes.set_subscribed(WHO, "Ghost", True)
    assert await store.mailboxes.subscriptions(WHO) == ["Ghost", "INBOX"]
    await store.mailboxes.set_subscribed(WHO, "Ghost", False)
    assert await store.mailboxes.subscriptions(WHO) == ["INBOX"]


async def test_a_name_is_what_it_is_octet_by_octet(store: Any) -> None:
    root = await inbox(store)
    names = ("a", "a ", "a  ", "A", "ä", "a\u0308", "\U0001f4ee", "\U0001f4ed", "a.b", "a .b", "\uff21", "ß", "ss")
    made = {name: (await store.mailboxes.create(WHO, name)).id for name in names}
    assert {f.name: f.id for f in await store.mailboxes.folders(WHO)} == {"INBOX": root, **made}
    assert await store.mailboxes.subscriptions(WHO) == sorted(("INBOX", *names))
    await store.mailboxes.set_subscribed(WHO, "a ", False)
    assert await store.mailboxes.subscriptions(WHO) == sorted({"INBOX", *names} - {"a "})
    seen = {f.name: f.subscribed for f in await store.mailboxes.folders(WHO)}
    assert [seen[name] for name in ("a", "a ", "a  ")] == [True, False, True]
    assert [await store.mailboxes.folders_named(name, 0) for name in names] == [[made[name]] for name in names]
    assert await store.mailboxes.folders_named("a.*", 0) == [made["a.b"]]
    await store.mailboxes.rename(made["a "], "A ")
    await store.mailboxes.rename(made["\U0001f4ee"], "a ")
    now = {f.id: f.name for f in await store.mailboxes.folders(WHO)}
    assert [now[made[name]] for name in ("a", "a ", "a .b", "a.b", "\U0001f4ee")] == ["a", "A ", "A .b", "a.b", "a "]
    with pytest.raises(Exists):
        await store.mailboxes.rename(made["ä"], "a ")
    await store.mailboxes.delete(made["a"])
    assert made["a"] not in {f.id for f in await store.mailboxes.folders(WHO)}
    assert made["\U0001f4ee"] in {f.id for f in await store.mailboxes.folders(WHO)}
    for who in ("team", "team ", "Team", "täam"):
        await store.sharing.change_acl(root, who, FlagOp.REPLACE, "l" if who == "team" else "r", 10)
    assert dict(await store.sharing.acl(root)) == {"team": "l", "team ": "r", "Team": "r", "täam": "r"}
    assert await store.sharing.shared_with(["team  "], "bob@example.org") == []


async def test_a_large_message_is_whole_and_goes_with_its_last_copy(store: Any, stores: Stores) -> None:
    octets = b"Subject: large\r\n\r\n" + b"x" * 300_000
    folder = await inbox(store)
    writer = store.queue.body_writer()
    writer.feed(octets)
    new = NewMessage(await writer.finish(), 1_000_000_000, b"(E)", b"(B)")
    (uid,) = await store.mailboxes.append(folder, [new])
    async with await store.mailboxes.open(folder, uid) as opened:
        assert await opened.read(0, 1_000) + await opened.read(1_000, 1_000_000) == octets
    copied = await store.mailboxes.copy(folder, [uid], folder)
    await store.mailboxes.expunge(folder, [uid])
    await stores.tidy(store)
    assert await text(store, folder, copied.target[0]) == octets
    await store.mailboxes.expunge(folder, copied.target)
    await stores.tidy(store)
    await store.mailboxes.sync()
    assert stores.bodies() == []


async def test_who_gives_up_a_body_that_was_committed_takes_nothing_away(store: Any, stores: Stores) -> None:
    """A browser that leaves while its draft is saved, or an answer that could not be read after the commit."""
    folder = await inbox(store)
    for committed in (True, False):
        writer = store.queue.body_writer()
        writer.feed(b"%d" % committed * 100_000)
        new = NewMessage(await writer.finish(), 1, b"E", b"B")
        if committed:
            saving = asyncio.ensure_future(store.mailboxes.append(folder, [new]))
            await asyncio.sleep(0)
            saving.cancel()
        writer.abort()
    while not (await store.mailboxes.view(folder)).uids:
        await asyncio.sleep(0)
    assert await text(store, folder, 1) == b"1" * 100_000
    if stores.server is None:
        await store.mailboxes.sync()
        assert stores.bodies() == []


async def test_limits_hold_for_what_comes_not_for_what_is_there(store: Any) -> None:
    folder = await inbox(store)
    assert not store.mailboxes.limited
    await store.mailboxes.append(folder, [message()])
    await store.mailboxes.set_limits("@example.org", 50, None)
    assert store.mailboxes.limited
    quota = await store.mailboxes.quota(WHO)
    assert (quota.storage, quota.messages, quota.limits) == (21, 1, Limits(50, 0))
    with pytest.raises(OverQuota):
        await store.mailboxes.append(folder, [message(), message()])
    await store.mailboxes.append(folder, [message()])
    await store.mailboxes.set_limits(WHO, None, 2)
    assert await store.mailboxes.own_limits(WHO) == (None, 2)
    with pytest.raises(OverQuota):
        await store.mailboxes.copy(folder, [1], folder)
    await store.mailboxes.set_limits("@example.org", None, None)
    await store.mailboxes.set_limits(WHO, None, None)
    assert not store.mailboxes.limited


async def test_glimpses_go_with_their_message(store: Any) -> None:
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message(), message()])
    await store.mailboxes.keep_glimpses(folder, {1: Glimpse("T1", "höre"), 2: Glimpse("T2", ""), 9: Glimpse("T9", "")})
    assert await store.mailboxes.glimpses(folder, [1, 2, 9]) == {1: Glimpse("T1", "höre"), 2: Glimpse("T2", "")}
    await store.mailboxes.expunge(folder, [1])
    assert await store.mailboxes.glimpses(folder, [1, 2]) == {2: Glimpse("T2", "")}


async def test_keys_of_urls(store: Any) -> None:
    folder = await inbox(store)
    with pytest.raises(NotFound):
        await store.mailboxes.known_url_key(WHO, "INBOX")
    key = await store.mailboxes.url_key(folder)
    assert await store.mailboxes.url_key(folder) == key
    assert (await store.mailboxes.known_url_key(WHO, "INBOX"))[1] == key
    await store.mailboxes.forget_url_key(folder)
    assert await store.mailboxes.url_key(folder) != key


async def test_a_delivery_with_keywords_to_a_folder_that_is_gone_is_in_the_inbox(store: Any) -> None:
    put = await store.queue.put(queued(store, WHO))
    filing = Filing(WHO, "Gone", "1.Q1R0.mx", b"Return-Path: <>\r\n", put.content.id,
                    17 + put.content.size, 1_700_000_000, b"E", b"B", FLAGGED, ("Work",))  # fmt: skip
    await store.mailboxes.stage(filing, put.content)
    await store.queue.settle(Settle(put.id, put.lease, (Outcome(0, Fate.DELIVERED, OK, filings=(filing,)),)))
    view = await store.mailboxes.view(await inbox(store))
    assert (view.folder.keywords, list(view.flags)) == (("Work",), [FLAGGED | 32])
    assert (await text(store, view.folder.id, 1)).startswith(b"Return-Path: <>\r\nReceived: here\r\nSubject")


async def test_a_delivery_that_a_script_changed_has_its_own_content(store: Any, stores: Stores) -> None:
    put = await store.queue.put(queued(store, WHO))
    number = store.queue.new_id()
    other = NewContent(number, b"X-Changed: yes\r\n", Body(4, b"two\n"))
    filing = Filing(WHO, "INBOX", "1.Q1R0.mx", b"", number, 20, 1, b"E", b"B")
    await store.mailboxes.stage(filing, put.content)
    settled = Settle(put.id, put.lease, (Outcome(0, Fate.DELIVERED, OK, filings=(filing,)),), contents=(other,))
    if stores.server is not None:
        await store.queue.settle(settled)
        assert await text(store, await inbox(store), 1) == b"X-Changed: yes\r\ntwo\n"
        assert stores.count("content") == 0


async def test_lists_of_rights_and_annotations_go_with_the_folder(store: Any) -> None:
    made = await store.mailboxes.create(WHO, "A")
    await store.sharing.change_acl(made.id, "bob@example.org", FlagOp.ADD, "lr", 2)
    await store.sharing.change_acl(made.id, "bob@example.org", FlagOp.ADD, "s", 2)
    below = await store.mailboxes.create(WHO, "A.B")
    assert await store.sharing.acl(below.id) == (("bob@example.org", "lrs"),)
    await store.sharing.change_acl(made.id, "-anyone", FlagOp.REPLACE, "l", 2)
    with pytest.raises(LimitReached):
        await store.sharing.change_acl(made.id, "carol@example.org", FlagOp.ADD, "l", 2)
    shared = await store.sharing.shared_with(["bob@example.org"], "bob@example.org")
    assert sorted(folder.name for folder, _ in shared) == ["A", "A.B"]
    place, limits = Place(WHO, made.id, False), AnnotationLimits(2, 100)
    await store.sharing.annotate({place: [("/comment", b"one"), ("/Vendor/x", b"\0\xff")]}, limits)
    await store.sharing.annotate({place: [("/COMMENT", b"two")]}, limits)
    assert await store.sharing.annotations(place) == [("/comment", b"two"), ("/Vendor/x", b"\0\xff")]
    with pytest.raises(LimitReached):
        await store.sharing.annotate({place: [("/third", b"")]}, limits)
    assert await store.sharing.annotated([made.id, below.id]) == {made.id}
    await store.mailboxes.delete(made.id)
    again = await store.mailboxes.create(WHO, "A")
    assert (await store.sharing.acl(again.id), await store.sharing.annotations(Place(WHO, again.id, False))) == ((), [])


async def test_an_account_that_is_gone_leaves_nothing(store: Any, stores: Stores) -> None:
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message(), message()])
    await store.mailboxes.create(WHO, "Work")
    await store.mailboxes.remove_account(WHO)
    for table in ("folder", "message", "rendered", "subscription"):
        assert stores.count(table) == 0, table
    if stores.server is not None:
        assert stores.count("body") == 0


async def test_what_is_old_or_too_much_expires(store: Any) -> None:
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message() for _ in range(5)])
    now = int(CLOCK.now())
    assert await store.mailboxes.expire(folder, now - 10, 0) == 0
    assert await store.mailboxes.expire(folder, now - 10, 3) == 2
    assert await store.mailboxes.expire(folder, now + 10, 0) == 3


async def test_whole_folders_come_as_columns(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailhub.store.mysql.looking._PAGE", 3)
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message(b"x" * n, n & 31) for n in range(1, 9)])
    await store.mailboxes.expunge(folder, [4])
    state, uids, sizes = await store.mailboxes.sizes(folder)
    assert (list(uids), list(sizes), state.messages) == ([1, 2, 3, 5, 6, 7, 8], [1, 2, 3, 5, 6, 7, 8], 7)
    assert list((await store.mailboxes.view(folder)).flags) == [1, 2, 3, 5, 6, 7, 8]


async def test_messages_are_found_by_size_and_date(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailhub.store.mysql.looking._PAGE", 3)
    folder = await inbox(store)
    await store.mailboxes.append(folder, [replace(message(b"x" * n), date=100 * n) for n in range(1, 12)])
    await store.mailboxes.expunge(folder, [4])
    far = 1 << 62
    assert list(await store.mailboxes.measured(folder, "size", 3, 6)) == [3, 5, 6]
    assert list(await store.mailboxes.measured(folder, "date", 900, far)) == [9, 10, 11]
    assert list(await store.mailboxes.measured(folder, "date", -far, 200)) == [1, 2]
    assert list(await store.mailboxes.measured(folder, "size", 0, far)) == [1, 2, 3, *range(5, 12)]
    assert list(await store.mailboxes.measured(folder, "size", 12, far)) == []


async def test_words_of_envelopes(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailhub.store.mysql.looking._ROWS", 3)
    monkeypatch.setattr("mailhub.store.sqlite.mailboxes._WORDS", 3)
    folder = await inbox(store)
    texts = (
        b"Meeting at noon",
        b"lunch",
        b"=?utf-8?Q?m=65eting?=",
        b"MEETING",
        b"me eting",
        b"caf\xc3\xa9",
        b"gone meeting",
        b"lunch",
    )
    await store.mailboxes.append(
        folder, [replace(message(b"x"), envelope=render(b"Subject: %b\r\n\r\n" % one)[0]) for one in texts]
    )
    await store.mailboxes.expunge(folder, [7])
    found: list[int] = []
    seen, after = [], 0
    while True:
        some, after = await store.mailboxes.mentioning(folder, "meeting", after)
        found += some
        seen.append(after)
        if not after:
            break
    assert found == [1, 3, 4, 6], "what is not plain may hold anything"
    assert seen == [3, 6, 8, 0]


async def test_much_that_has_changed_comes_by_the_page(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer of a cluster has a row for each message: those hold the loop."""
    monkeypatch.setattr("mailhub.store.mysql.looking._PAGE", 3)
    folder = await inbox(store)
    await store.mailboxes.append(folder, [message(b"x" * n) for n in range(1, 12)])
    before = (await store.mailboxes.folder(folder)).modseq
    await store.mailboxes.append(folder, [message(b"y")])
    for uids in ([9, 2, 3, 10], [5], [1, 11], [12]):
        await store.mailboxes.set_flags(folder, uids, FlagOp.ADD, SEEN)
    await store.mailboxes.expunge(folder, [4, 8])
    await store.mailboxes.expunge(folder, [6, 7, 12])
    answers: list[int] = []
    told = Tx.all

    async def counted(self: Tx, text: str, *values: object) -> Any:
        rows = await told(self, text, *values)
        answers.append(len(rows))
        return rows

    monkeypatch.setattr(Tx, "all", counted)
    everything = await store.mailboxes.changes(folder, 0)
    assert [uid for uid, _, _ in everything.rows] == [1, 2, 3, 5, 9, 10, 11]
    assert everything.expunged == (4, 6, 7, 8, 12)
    since = await store.mailboxes.changes(folder, before)
    assert [uid for uid, _, _ in since.rows] == [1, 2, 3, 5, 9, 10, 11]
    assert since.expunged == (4, 6, 7, 8, 12)
    marks = {uid: (flags, modseq) for uid, flags, modseq in since.rows}
    assert [marks[uid] for uid in (9, 5, 11)] == [(SEEN, before + n) for n in (2, 3, 4)]
    few = await store.mailboxes.changes(folder, marks[5][1])
    assert [row[0] for row in few.rows] == [1, 11]
    nothing = await store.mailboxes.changes(folder, everything.folder.modseq)
    assert (nothing.rows, nothing.expunged) == ((), ())
    assert max(answers, default=1) == 1
