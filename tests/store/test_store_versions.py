"""A database written by an older mailhub is brought forward as it is opened."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mailhub.config.schema import Store
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import MailParameters
from mailhub.model.errors import Permanent
from mailhub.store.api import QueueFilter
from mailhub.store.files import Files
from mailhub.store.sqlite import SqliteStore
from mailhub.store.sqlite.schema import MIGRATIONS, VERSION, connect, migrate

VERSION_1 = """
create table meta(key text primary key, value text not null) without rowid;
create table account(name text primary key, password text not null, enabled integer not null) without rowid;
create table alias(address text primary key, targets text not null) without rowid;
create table domain(name text primary key) without rowid;

create table content(id integer primary key, size integer not null, spool text, prefix blob not null, body blob);
create table item(id integer primary key, content integer not null, sender text not null, created real not null,
  envid text, ret text, smtputf8 integer not null, body text not null, origin text not null);
create index item_content on item(content) where content != id;
create table recipient(item integer not null, n integer not null, address text not null, orcpt text,
  notify integer not null, depth integer not null, parent integer, path text not null, state integer not null,
  due real not null, attempts integer not null, code integer, enhanced text, reply text, remote text,
  warned integer not null, primary key(item, n)) without rowid;
create index recipient_due on recipient(due, item) where state in (0, 2);

create table folder(id integer primary key, account text not null, name text not null, uidvalidity integer not null,
  uidnext integer not null, modseq integer not null, messages integer not null, unseen integer not null,
  size integer not null, keywords text not null, special_use text not null, recent_from integer not null,
  unique(account, name));
create table subscription(account text not null, name text not null, primary key(account, name)) without rowid;
create table message(folder integer not null, uid integer not null, flags integer not null, modseq integer not null,
  date integer not null, size integer not null, name_flags integer not null, dirty integer not null, file text not null,
  primary key(folder, uid)) without rowid;
create index message_dirty on message(folder, uid) where dirty = 1;
create table rendered(folder integer not null, uid integer not null, envelope blob not null, structure blob not null,
  primary key(folder, uid)) without rowid;
create table expunged(folder integer not null, uid integer not null, modseq integer not null,
  primary key(folder, modseq, uid)) without rowid;
create table filed(content integer not null, folder integer not null, uid integer not null, head blob not null,
  primary key(content, folder, uid)) without rowid;
create table intent(id integer primary key autoincrement, kind text not null, source text not null, target text not null);
"""


def old_database(path: Path) -> sqlite3.Connection:
    db = connect(str(path))
    db.executescript(VERSION_1.replace("integer primary key autoincrement", "integer primary key"))
    db.execute("pragma user_version=1")
    return db


def shape(db: sqlite3.Connection) -> set[tuple[str, str]]:
    rows = db.execute("select name, sql from sqlite_master where sql is not null and name not like 'sqlite_%'")
    return {(name, " ".join(sql.replace('"', "").split())) for name, sql in rows.fetchall()}


def test_every_version_has_its_migration() -> None:
    assert sorted(MIGRATIONS) == list(range(2, VERSION + 1))


def test_a_migrated_database_is_like_a_new_one(tmp_path: Path) -> None:
    old, new = old_database(tmp_path / "old.db"), connect(str(tmp_path / "new.db"))
    migrate(old)
    migrate(new)
    assert shape(old) == shape(new)


def test_a_newer_one_is_left_alone(tmp_path: Path) -> None:
    db = old_database(tmp_path / "x.db")
    db.execute("pragma user_version=1000")
    with pytest.raises(Permanent, match="version 1000"):
        migrate(db)


async def test_queued_mail_and_open_intents_survive(tmp_path: Path) -> None:
    db = old_database(tmp_path / "mailhub.db")
    db.execute("insert into content values (7, 2, null, x'', x'6869')")
    origin = '{"protocol":"ESMTP"}'
    db.execute("insert into item values (7, 7, 'a@b.example', 5.0, 'E1', 'HDRS', 1, '8BITMIME', ?)", (origin,))
    db.execute(
        "insert into recipient values (7, 0, 'c@d.example', null, 2, 0, null, '', 3, 5.0, 0, null, null, null, null, 0)"
    )
    db.close()
    store = SqliteStore(tmp_path, Store(), VirtualClock(), "mx.example")
    await store.open()
    try:
        (item,) = await store.queue.page(QueueFilter())
        assert item.parameters == MailParameters(body="8BITMIME", smtputf8=True, ret="HDRS", envid="E1")
        assert (item.sender, item.recipients[0].address, item.filter) == ("a@b.example", "c@d.example", "")
        assert await item.content.read(0, 10) == b"hi"
    finally:
        await store.close()


def opened(folder: Path) -> SqliteStore:
    return SqliteStore(folder, Store(), VirtualClock(), "mx.example")


def copies_in(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.before-*")]


def ended(script: str, database: Path) -> int:
    """The exit code of a process of its own."""
    return subprocess.run([sys.executable, "-c", script, str(database)], timeout=60, check=False).returncode


async def test_the_store_is_copied_before_it_is_changed(tmp_path: Path) -> None:
    old_database(tmp_path / "mailhub.db").close()
    (tmp_path / "mailhub.db.before-2").write_bytes(b"of an earlier upgrade")
    store = opened(tmp_path)
    await store.open()
    await store.close()
    copies = copies_in(tmp_path)
    assert copies == [f"mailhub.db.before-{VERSION}"]
    kept = sqlite3.connect(tmp_path / copies[0])
    assert kept.execute("pragma user_version").fetchone() == (1,)
    assert kept.execute("pragma integrity_check").fetchone() == ("ok",)
    kept.close()


async def test_a_store_of_today_is_not_copied(tmp_path: Path) -> None:
    for _ in range(2):
        store = opened(tmp_path)
        await store.open()
        await store.close()
    assert copies_in(tmp_path) == []


async def test_an_upgrade_without_room_for_the_copy_changes_nothing(tmp_path: Path) -> None:
    class Full(Files):
        def free_space(self, path: str) -> int:
            return 0

    old_database(tmp_path / "mailhub.db").close()
    store = SqliteStore(tmp_path, Store(), VirtualClock(), "mx.example", Full())
    with pytest.raises(Permanent, match="make room"):
        await store.open()
    db = sqlite3.connect(tmp_path / "mailhub.db")
    assert db.execute("pragma user_version").fetchone() == (1,)
    db.close()


async def test_a_newer_store_is_refused_in_words_and_left_as_it_is(tmp_path: Path) -> None:
    db = old_database(tmp_path / "mailhub.db")
    db.execute(f"pragma user_version={VERSION + 1}")
    db.execute("pragma journal_mode=delete")
    db.close()
    before = (tmp_path / "mailhub.db").read_bytes()
    with pytest.raises(Permanent, match=f"version {VERSION + 1}, this mailhub knows {VERSION}: start a newer mailhub"):
        await opened(tmp_path).open()
    now = sqlite3.connect(tmp_path / "mailhub.db")
    assert now.execute("pragma user_version").fetchone() == (VERSION + 1,)
    now.execute("pragma journal_mode=delete")
    now.close()
    assert (tmp_path / "mailhub.db").read_bytes()[100:] == before[100:]  # but for the header, which counts openings
    assert copies_in(tmp_path) == []


@pytest.mark.parametrize("at", [1, 5, 20, 60])
async def test_an_upgrade_that_was_killed_goes_on(tmp_path: Path, at: int) -> None:
    """The process ends, without a word to SQLite, as it runs its `at`th statement of the upgrade."""
    db = old_database(tmp_path / "mailhub.db")
    db.execute("insert into account values ('ann@a.example', '', 1)")
    db.close()
    script = f"""
import os, sqlite3, sys
from mailhub.store.files import Files
from mailhub.store.sqlite import safety, schema
assert safety.safety_copy(Files(), sys.argv[1])
db, left = schema.connect(sys.argv[1]), [{at}]
def traced(statement):
    left[0] -= 1
    if not left[0]:
        os._exit(9)
db.set_trace_callback(traced)
schema.migrate(db)
"""
    assert ended(script, tmp_path / "mailhub.db") == 9
    store = opened(tmp_path)
    await store.open()
    try:
        assert await store.directory.account("ann@a.example") is not None
    finally:
        await store.close()
    kept = sqlite3.connect(tmp_path / f"mailhub.db.before-{VERSION}")
    assert kept.execute("pragma user_version").fetchone() == (1,)
    kept.close()
