"""Dovecot's files and Courier's, as octets: what is read of them, and that nothing in them can hurt."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mailbox_room import ALICE, mailbox_room

from mailhub.store.side_files import (
    UidList,
    keywords_file,
    read_identities,
    read_keywords,
    read_subscriptions,
    read_uidlist,
    subscriptions_file,
    uidlist_head,
    uidlist_lines,
)


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        (b"3 V7 N3 Gff\n1 :a.b.c,S=5\n2 W6 S5 :d.e.f:2,S\n",
         UidList(7, 3, {"a.b.c,S=5": 1, "d.e.f": 2}, {"d.e.f": "W6 S5"}, "ff")),
        (b"1 7 3\n1 a.b.c\n2 d.e.f:2,S\n", UidList(7, 3, {"a.b.c": 1, "d.e.f": 2})),
        (b"3 V7 N3\n9 :a\n", UidList(7, 10, {"a": 9})),  # what stands below knows better than the head
        (b"3 V7 N3\n1 :a\n1 :b\n2 :c\n", UidList(7, 3, {"c": 2})),  # nobody can tell whose it is
        (b"3 V7 N3\n0 :a\n-1 :b\nx :c\n4294967295 :d\n99999999999999999999 :e\n1\n2 :\n1 f", UidList(7, 3)),
        (b"3 V7 N99999999999\n", UidList(7, 4294967295)),
    ],
)  # fmt: skip
def test_uidlists(text: bytes, listed: UidList) -> None:
    assert read_uidlist(text) == listed


@pytest.mark.parametrize("text", [b"", b"3", b"3 V0 N1\n", b"3 Vx N1\n", b"3 V4294967296 N1\n", b"2 1 1\n", b"\xff\0"])
def test_what_is_no_uidlist(text: bytes) -> None:
    assert read_uidlist(text) is None


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":/"), min_size=1)


@given(st.dictionaries(NAMES, st.integers(1, 1000), max_size=20))
def test_a_uidlist_that_we_wrote_is_read_back(names: dict[str, int]) -> None:
    rows = [(uid, name, size) for uid, (name, size) in enumerate(names.items(), 1)]
    listed = read_uidlist(uidlist_head(7, len(rows) + 1, "ff") + uidlist_lines(rows, {}))
    assert listed is not None
    assert (listed.uidnext, dict(listed.uids)) == (len(rows) + 1, {name: uid for uid, name, _ in rows})


@given(st.binary(max_size=300))
def test_no_octets_break_a_reader(text: bytes) -> None:
    read_uidlist(b"3 V7 N3\n" + text)
    read_uidlist(text)
    read_keywords(text)
    read_subscriptions(text)
    read_subscriptions(b"V\t2\n" + text)


def test_keywords_and_subscriptions() -> None:
    assert read_keywords(b"0 Work\n2 $Label1\n26 Beyond\nx y\n") == ("Work", "unknown-1", "$Label1")
    assert read_keywords(keywords_file(["a", "b"])) == ("a", "b")
    assert read_subscriptions(b"V\t2\n\nA\tB\x01tC\nINBOX\n") == ("A.B\tC", "INBOX")
    assert read_subscriptions(subscriptions_file(["\u00dc.a", "INBOX"])) == ("INBOX", "\u00dc.a")


async def test_a_maildir_of_courier_keeps_uids_and_subscriptions(tmp_path: Path) -> None:
    home = tmp_path / "mail/mailhub.test/alice/Maildir"
    for folder in ("", ".Sent", ".Other"):
        for sub in ("tmp", "new", "cur"):
            (home / folder / sub).mkdir(parents=True)
    (home / ".Sent/cur/1.a.b,S=14:2,S").write_bytes(b"Subject: x\r\n\r\n")
    (home / ".Sent/courierimapuiddb").write_text("1 77 10\n5 1.a.b,S=14\n")
    (home / "courierimapsubscribed").write_text("INBOX\nINBOX.Sent\n")
    async with mailbox_room(tmp_path) as it:
        sent = await it.alice.find("Sent")
        view = await it.store.mailboxes.view(sent.id)
        assert (view.folder.uidvalidity, list(view.uids), view.folder.uidnext) == (77, [5], 10)
        assert await it.store.mailboxes.subscriptions(ALICE) == ["INBOX", "Sent"]


@given(
    st.integers(1, 1 << 31),
    st.integers(0, 1 << 31),
    st.lists(
        st.tuples(
            st.integers(1, 1 << 31),
            st.sampled_from(["", "W12 ", "W7 G0123 ", "P5 ", "Gab P1 O2 ", " ", "Wx "]),
            st.text("abcXYZ0189.,=M-\udcff", min_size=1, max_size=20),
        ),
        max_size=20,
        unique_by=lambda line: line[2],
    ),
)
def test_identities_are_what_the_whole_list_has(
    uidvalidity: int, uidnext: int, lines: list[tuple[int, str, str]]
) -> None:
    lines.sort()
    text = f"3 V{uidvalidity} N{uidnext} Gabc\n" + "".join(f"{uid} {extra}:{base}\n" for uid, extra, base in lines)
    octets = text.encode("utf-8", "surrogateescape")
    whole, found = read_uidlist(octets), read_identities(octets)
    assert whole is not None
    assert found is not None
    assert (found.uidvalidity, found.guid) == (whole.uidvalidity, whole.guid)
    assert found.uidnext == whole.uidnext
    told = {base: extra for base, extra in whole.fields.items() if not (extra[:1] == "W" and extra[1:].isdigit())}
    assert found.fields == told


@given(st.binary(max_size=200))
def test_a_list_that_is_none_has_no_identities(octets: bytes) -> None:
    assert (read_identities(octets) is None) == (read_uidlist(octets) is None)
