"""A database written by an older mailhub is brought forward as it is opened."""

import sqlite3
from pathlib import Path

import pytest

from mailhub.config.schema import Store
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import MailParameters
from mailhub.model.errors import Permanent
from mailhub.store.api import QueueFilter
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
