"""Tombstones beside a plain list of them: what is asked for is right, or said to be forgotten, and they do not grow."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.store.sqlite import tombstones


@given(groups=st.lists(st.integers(1, 6), max_size=40), limit=st.integers(1, 30))
def test_what_is_not_forgotten_is_right(groups: list[int], limit: int) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("create table expunged(folder, uid, modseq, primary key(folder, modseq, uid)) without rowid")
    gone: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tombstones, "TOMBSTONES", limit)
        for modseq, size in enumerate(groups, 2):
            uids = range(len(gone) + 1, len(gone) + 1 + size)
            tombstones.bury(db, 1, uids, modseq)
            gone += [(uid, modseq) for uid in uids]
            floor = tombstones.forgotten(db, 1)
            for since in range(floor, modseq + 1):
                assert tombstones.buried(db, 1, since) == tuple(uid for uid, at in gone if at > since)
            kept = db.execute("select count(*) from expunged where uid>0").fetchone()[0]
            assert kept <= limit
            assert (floor == 0) == (kept == len(gone))
    assert tombstones.forgotten(db, 2) == 0
    db.close()
