"""The full-text index: its answer is that of a scan of the messages, always; only its time is another."""

import base64
import quopri
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.mailbox_room import ALICE, MailboxRoom, mailbox_room

from mailhub.config import schema
from mailhub.mailbox import readable
from mailhub.mailbox.view import FolderView
from mailhub.model import search as query
from mailhub.store.api import Document, Looked, Needle, in_field


def message(subject: str, body: str, *, charset: str = "utf-8", encoding: str = "base64", kind: str = "plain") -> bytes:
    raw = body.encode(charset)
    coded = base64.encodebytes(raw) if encoding == "base64" else quopri.encodestring(raw)
    word = base64.b64encode(subject.encode(charset)).decode()
    head = f"""Subject: =?{charset}?B?{word}?=
From: "Zoë" <zoe@example.org>
X-Tag: {subject.encode("ascii", "ignore").decode()}
Content-Type: text/{kind}; charset={charset}
Content-Transfer-Encoding: {encoding}

"""
    return (head.encode() + coded).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


MESSAGES = (
    message("邮件", "你好，世界", charset="gb2312"),
    message("关于邮件的通知", "请查收附件", charset="gbk", encoding="quoted-printable"),
    message("𠀀字", "四字節漢字 㐀", charset="gb18030"),
    message("Straße", "GRÜSSE aus Köln", encoding="quoted-printable"),
    message("Café", "<p>Un <b>café</b> crème</p>", kind="html"),
    message("Привет", "ПРИВЕТ МИР", charset="koi8-r"),
    message("plain", "Nothing to see, aaab abaa aab"),
    message("quotes", 'he said "yes" AND left * (all) ^ NEAR'),
    message("한국어", "가나다 편지", charset="euc-kr"),
    message("日本語", "電子メールの件", charset="iso-2022-jp"),
    b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nfirst part\r\n"
    b"--x\r\nContent-Type: application/octet-stream; name=invoice.bin\r\n\r\nhidden\r\n--x--\r\n",
    b"no header at all",
    b"Subject: nul \0 here\r\n\r\nand \0 there\r\n",
)
TEXTS = (
    "邮", "邮件", "邮件的", "的通知", "你", "你好", "世界", "，世", "附件", "𠀀", "𠀀字", "㐀", "四字節", "straße", "STRASSE", "grüsse",
    "GRÜSSE", "ß", "köln", "cafe", "café", "CAFÉ", "crème</p>", "<b>", "привет", "МИР", "р", "aab", "aaba", "a", "ab", "abaa",
    '"yes"', '"', "AND", "and left", "* (all)", "^ NEAR", "가", "편지", "件", "電子メ", "first part", "hidden", "invoice.bin", "x",
    "zoe@example", "zoë", "nothing there at all", "\ufffd", "nul", "subject: ", "  ", "there\r\n",
)  # fmt: skip


def scanned(text: readable.Readable, key: query.Key) -> bool:
    """What a reader would say of one message."""
    match key:
        case query.Text(wanted):
            return readable.folded(wanted) in text.head or readable.folded(wanted) in text.body
        case query.Body(wanted):
            return readable.folded(wanted) in text.body
        case query.Header(name, wanted):
            return in_field(text.head, readable.folded(name), readable.folded(wanted))
    raise AssertionError(key)


async def indexed(room: MailboxRoom, view: FolderView) -> frozenset[int]:
    """Let the index catch up; what it knows."""
    await view.search(query.Text("anything"))
    await room.service.indexer.settled()
    return (await room.store.texts.look(view.folder, ())).covered


async def test_every_text_is_found_as_a_scan_finds_it(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        uids = await room.put(*MESSAGES)
        view = await room.view()
        truth = dict(zip(uids, map(readable.read_whole, MESSAGES), strict=True))
        asked = [make(text) for text in TEXTS for make in (query.Text, query.Body)]
        asked += [
            query.Header(name, text)
            for text in ("", "邮", "邮件", "plain", "ë")
            for name in ("subject", "X-Tag", "From")
        ]
        behind = [await view.search(key) for key in asked[:2]]
        assert await indexed(room, view) == frozenset(uids)
        for key in asked:
            expected = [uid for uid, text in truth.items() if scanned(text, key)]
            assert await view.search(key) == expected, key
            assert await view.search(query.Not(key)) == [uid for uid in uids if uid not in expected], key
        assert behind == [await view.search(key) for key in asked[:2]]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("abcABéÉß邮件的한가\u0301\n \0\"*'-ſﬁ𠀀"), max_size=12), min_size=1, max_size=8),
    st.lists(st.text(st.sampled_from("abcABéÉß邮件的한가\u0301 \"*'-ſﬁ𠀀"), min_size=1, max_size=5), max_size=20),
)
async def test_any_text_is_found_as_a_scan_finds_it(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[str], wanted: list[str]
) -> None:
    async with mailbox_room(tmp_path_factory.mktemp("room")) as room:
        messages = [message("s", body, encoding="base64") for body in bodies]
        uids = await room.put(*messages)
        view = await room.view()
        assert await indexed(room, view) == frozenset(uids)
        for text in wanted:
            key = query.Body(text)
            expected = [uid for uid, raw in zip(uids, messages, strict=True) if scanned(readable.read_whole(raw), key)]
            assert await view.search(key) == expected, text


async def test_what_comes_and_goes_is_followed(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        first = await room.put(message("one", "common ground"), message("two", "common sense"))
        view = await room.view()
        assert await indexed(room, view) == frozenset(first)
        more = await room.put(message("three", "common cold"))
        assert await view.search(query.Body("common")) == first  # the view knows nothing of it yet
        await view.sync(expunges=True)
        assert await view.search(query.Body("common")) == [*first, *more]  # indexed or not
        await room.remove(first[:1])
        await room.service.indexer.settled()
        assert (await room.store.texts.look(view.folder, ())).covered == {first[1], *more}
        await view.sync(expunges=True)
        assert await view.search(query.Body("common")) == [first[1], *more]
        view.close()
        await room.alice.rename("INBOX", "Old")
        old = await room.view("Old")
        assert await old.search(query.Body("sense")) == [1]
        await indexed(room, old)
        await room.alice.delete("Old")
        await room.service.indexer.settled()
        assert (await room.store.texts.look(old.folder, ())).covered == frozenset()


def index_of(data: Path) -> Path:
    return next((data / "search").rglob("*.db"))


def break_it(path: Path) -> None:
    path.write_bytes(b"no database" * 1_000)


def of_another_version(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version=1")


@pytest.mark.parametrize("damage", [break_it, of_another_version, lambda path: path.unlink()])
async def test_what_is_damaged_is_begun_anew(damage: "object", tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        uids = await room.put(message("one", "common ground"), message("two", "common sense"))
        assert await indexed(room, await room.view()) == frozenset(uids)
    assert callable(damage)
    for left in (tmp_path / "search").rglob("*.db-*"):
        left.unlink()
    damage(index_of(tmp_path))
    async with mailbox_room(tmp_path) as room:
        view = await room.view()
        assert await view.search(query.Body("sense")) == uids[1:]
        assert await indexed(room, view) == frozenset(uids)
        assert await view.search(query.Body("sense")) == uids[1:]


async def test_after_a_start_it_catches_up(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        uids = await room.put(message("one", "common ground"))
        await indexed(room, await room.view())
        room.service.indexer.close()
        uids += await room.put(message("two", "common sense"))
    async with mailbox_room(tmp_path) as room:
        await room.service.indexer.catch_up()
        await room.service.indexer.settled()
        folder = await room.alice.find("INBOX")
        needle = Needle("body", "SENSE")
        assert await room.store.texts.look(folder, [needle]) == Looked(frozenset(uids), {needle: frozenset(uids[1:])})


async def test_its_size_is_bounded(tmp_path: Path) -> None:
    """What finds no room is searched all the same; a limit of 0 means no index."""
    for limit, kept in ((0, 0), (1, 2)):
        data = tmp_path / str(limit)
        async with mailbox_room(data, store=schema.Store(free_space_floor=0, search_index_limit=limit)) as room:
            uids = await room.put(message("one", "common ground"), message("two", "common sense"))
            view = await room.view()
            assert len(await indexed(room, view)) == kept
            uids += await room.put(message("three", "common cold"))
            await view.sync(expunges=True)
            assert len(await indexed(room, view)) == kept
            assert await view.search(query.Text("common")) == uids
            assert bool(list(data.glob("search/*/*"))) is bool(limit)


async def test_a_message_too_large_to_be_kept_is_read(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        uids = await room.put(message("one", "needle" + "hay " * 300_000), message("two", "needle"))
        view = await room.view()
        assert await indexed(room, view) == frozenset(uids[1:])
        assert await view.search(query.Body("needle")) == uids


async def test_an_account_that_is_removed_leaves_nothing(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        await room.put(message("one", "common ground"))
        await indexed(room, await room.view())
        assert await room.store.texts.accounts() == [ALICE]
        await room.store.texts.forget(ALICE)
        await room.store.mailboxes.remove_account(ALICE)
        await room.service.indexer.settled()
        assert await room.store.texts.accounts() == []
        assert list((tmp_path / "search").rglob("*.db*")) == []


async def test_short_texts_never_ask_for_trigrams(tmp_path: Path) -> None:
    """Shown by an index whose trigrams are gone: short texts are found all the same, long ones are not."""
    async with mailbox_room(tmp_path) as room:
        await room.put(*MESSAGES)
        view = await room.view()
        covered = await indexed(room, view)
        with sqlite3.connect(index_of(tmp_path)) as db:
            db.execute("insert into grams(grams) values('delete-all')")

        async def hits(*needles: Needle) -> Sequence[frozenset[int]]:
            looked = await room.store.texts.look(view.folder, needles)
            assert looked.covered == covered
            return [looked.hits[needle] for needle in needles]

        short, two, long = await hits(Needle("any", "邮"), Needle("any", "邮件"), Needle("any", "邮件的"))
        assert short == two == {1, 2}
        assert long == frozenset()


async def test_a_document_is_replaced_not_doubled(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        folder = await room.alice.find("INBOX")
        for body in ("FIRST TEXT", "SECOND TEXT"):
            await room.store.texts.add(folder, [Document(7, "HEAD", body, b"<a@b>")])
        needles = [Needle("body", "FIRST"), Needle("body", "SECOND"), Needle("body", "TEXT")]
        looked = await room.store.texts.look(folder, needles)
        assert [looked.hits[needle] for needle in needles] == [frozenset(), {7}, {7}]
        assert await room.store.texts.references(folder) == {7: b"<a@b>"}
