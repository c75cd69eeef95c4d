"""The embedded database's tables, and how an older one is brought forward.

content     prefix, body and tail of queued mail, and of filed mail whose file is not known to be synced
item        a queued message; recipient: one row for each recipient still to be dealt with
folder      a folder and its counters; message: its index rows, narrow, so that a view loads quickly
rendered    ENVELOPE and BODYSTRUCTURE beside them; expunged: tombstones with their mod-sequence
filed       (content, message) pairs whose file is not known to be synced; see recovery
ban         of client networks; sent: what an account sent on a day; wrote_to: digests of whom it ever wrote to
suppression of addresses that refused mail for good, or that the operator named
sts_policy  MTA-STS policies of other domains; tls_session: sessions counted for the TLS reports to them
intent      changes to files that a commit has decided and that may still be to do, in their order
"""

import sqlite3

from mailhub.model.errors import Permanent

VERSION = 6

TABLES = """
create table meta(key text primary key, value text not null) without rowid;
create table account(name text primary key, password text not null, enabled integer not null) without rowid;
create table alias(address text primary key, targets text not null) without rowid;
create table domain(name text primary key) without rowid;
create table app_password(account text not null, name text not null, digest text not null, services text not null,
  created real not null, used real not null, client text not null, primary key(account, name)) without rowid;
create table second_factor(account text primary key, secret text not null, confirmed integer not null,
  counter integer not null, recovery text not null) without rowid;

create table ban(network text primary key, cause text not null, since real not null, until real not null,
  strikes integer not null, note text not null) without rowid;
create table sent(account text not null, day integer not null, messages integer not null, new integer not null,
  primary key(account, day)) without rowid;
create table wrote_to(account text not null, recipient blob not null, day integer not null,
  primary key(account, recipient)) without rowid;
create index wrote_to_day on wrote_to(account, day);
create table suppression(address text primary key, source text not null, until real, last real not null,
  history text not null, note text not null) without rowid;
create index suppression_last on suppression(last) where source = 'bounces';

create table sts_policy(domain text primary key, id text not null, text text not null, fetched real not null,
  expires real not null) without rowid;
create index sts_policy_fetched on sts_policy(fetched);
create table tls_session(day integer not null, domain text not null, kind text not null, policy text not null,
  result text not null, source text not null, host text not null, address text not null, detail text not null,
  sessions integer not null, primary key(day, domain, kind, policy, result, source, host, address, detail)) without rowid;

create table content(id integer primary key, size integer not null, spool text, prefix blob not null, body blob,
  tail blob not null default x'');
create index content_spool on content(spool) where spool is not null;
create table item(id integer primary key, content integer not null, sender text not null, created real not null,
  priority integer not null, parameters text not null, origin text not null, filter text not null);
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


# What brings a database of the version before to that one.
MIGRATIONS = {
    2: """
alter table item rename to item_1;
create table item(id integer primary key, content integer not null, sender text not null, created real not null,
  priority integer not null, parameters text not null, origin text not null, filter text not null);
insert into item select id, content, sender, created, 0,
  json_object('envid', envid, 'ret', ret, 'body', body, 'smtputf8', json(case when smtputf8 then 'true' else 'false' end)),
  origin, '' from item_1;
drop table item_1;
create index item_content on item(content) where content != id;
create table intent_2(id integer primary key autoincrement, kind text not null, source text not null, target text not null);
insert into intent_2 select * from intent;
drop table intent;
alter table intent_2 rename to intent;
""",
    3: """
create table app_password(account text not null, name text not null, digest text not null, services text not null,
  created real not null, used real not null, client text not null, primary key(account, name)) without rowid;
create table second_factor(account text primary key, secret text not null, confirmed integer not null,
  counter integer not null, recovery text not null) without rowid;
""",
    4: """
create table ban(network text primary key, cause text not null, since real not null, until real not null,
  strikes integer not null, note text not null) without rowid;
create table sent(account text not null, day integer not null, messages integer not null, new integer not null,
  primary key(account, day)) without rowid;
create table wrote_to(account text not null, recipient blob not null, day integer not null,
  primary key(account, recipient)) without rowid;
create index wrote_to_day on wrote_to(account, day);
""",
    5: """
alter table content add column tail blob not null default x'';
create index content_spool on content(spool) where spool is not null;
create table suppression(address text primary key, source text not null, until real, last real not null,
  history text not null, note text not null) without rowid;
create index suppression_last on suppression(last) where source = 'bounces';
""",
    6: """
create table sts_policy(domain text primary key, id text not null, text text not null, fetched real not null,
  expires real not null) without rowid;
create index sts_policy_fetched on sts_policy(fetched);
create table tls_session(day integer not null, domain text not null, kind text not null, policy text not null,
  result text not null, source text not null, host text not null, address text not null, detail text not null,
  sessions integer not null, primary key(day, domain, kind, policy, result, source, host, address, detail)) without rowid;
""",
}


def connect(path: str, *, readonly: bool = False) -> sqlite3.Connection:
    """A connection with our settings; any thread may use it, one at a time."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    db.execute("pragma busy_timeout=5000")
    if readonly:
        db.execute("pragma query_only=on")
    else:
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=full")
        db.execute("pragma wal_autocheckpoint=4000")
    return db


def migrate(db: sqlite3.Connection) -> None:
    """Bring the database to VERSION; Permanent where it was written by a newer mailhub."""
    found = db.execute("pragma user_version").fetchone()[0]
    if found > VERSION:
        raise Permanent(f"the store has version {found}, this mailhub knows {VERSION}: start a newer mailhub")
    scripts = [TABLES] if found == 0 else [MIGRATIONS[version] for version in range(found + 1, VERSION + 1)]
    if not scripts:
        return
    db.execute("begin immediate")
    for statement in ";\n".join(scripts).split(";\n"):
        if statement.strip():
            db.execute(statement)
    db.execute(f"pragma user_version={VERSION}")
    db.execute("commit")
