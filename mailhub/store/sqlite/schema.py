"""The embedded database's tables, and how an older one is brought forward.

content     prefix, body and tail of queued mail, and of filed mail whose file is not known to be synced
item        a queued message; recipient: one row for each recipient still to be dealt with
reached     addresses that a queued message needs no more, for aliases that may yet lead there; goes with the item
flow        a sender's mail for a domain, where some of it waits: when its turn to be leased is, never after any of it is due
tally       recipients by domain and state; total: of the whole queue, and of the greylist. Kept by triggers, so that counting reads a few rows
folder      a folder and its counters; message: its index rows, narrow, so that a view loads quickly
acl         who else may do what with a folder; annotation: METADATA of a folder, or of the server (0), shared or a holder's own
rendered    ENVELOPE and BODYSTRUCTURE beside them; glimpse: THREADID and PREVIEW, where they were asked for; expunged: tombstones with their mod-sequence
filed       (content, message) pairs whose file is not known to be synced; see recovery
ban         of client networks; sent: what an account sent on a day; wrote_to: digests of whom it ever wrote to
dkim_key    keys that sign our mail
api_token    what programs show to the HTTP interface; browser: those that are signed in, by the digest of their cookies
dmarc_count what was found of other domains' mail, for the reports to them
passkey     what signs in to the web without a password (WebAuthn), of each account
history     figures of the server over time, by the minute and by the hour (step); history_delay: recipients sent, by how long they took (span)
webhook_event what waits until programs of others have taken it
domain_admin accounts that may change what lives in a domain
greylist    who tried when, by digest, and who came again
suppression of addresses that refused mail for good, or that the operator named
sts_policy  MTA-STS policies of other domains; tls_session: sessions counted for the TLS reports to them
url_key     what signs URLs of a folder's messages
quota       limits of accounts and of domains ("@domain"), null where it is the next one's; what is used, the folders' counters say
adopting    folders found on disk of which not all files are in the index yet; from `known_below` on, UIDs are the uidlist's to tell
intent      changes to files that a commit has decided and that may still be to do, in their order
"""

import sqlite3

from mailhub.model.errors import Permanent

VERSION = 29

# What orders and counts the queue. A trigger is one statement here: it holds no ";" before a line's end.
_QUEUE_ORDER = """
create index recipient_due on recipient(domain, sender, due, item) where state in (0, 2);
create index recipient_urgent on recipient(due, item) where state in (0, 2) and priority > 0;
create index recipient_active on recipient(item, n) where state in (1, 5);
create index recipient_domain on recipient(domain, item);
create table flow(domain text not null, sender text not null, due real not null, primary key(domain, sender)) without rowid;
create index flow_due on flow(due, domain, sender);
create table tally(domain text not null, state integer not null, recipients integer not null,
  primary key(domain, state)) without rowid;
create index tally_most on tally(recipients);
create table total(name text primary key, count integer not null) without rowid;
insert into total values ('items', 0), ('recipients', 0);
create trigger item_in after insert on item begin update total set count = count + 1 where name = 'items'; end;
create trigger item_out after delete on item begin update total set count = count - 1 where name = 'items'; end;
create trigger recipient_in after insert on recipient begin
  update total set count = count + 1 where name = 'recipients' ; insert into tally values (new.domain, new.state, 1)
    on conflict(domain, state) do update set recipients = recipients + 1 ; insert into flow
    select new.domain, new.sender, new.due where new.state in (0, 2)
    on conflict(domain, sender) do update set due = min(due, excluded.due); end;
create trigger recipient_out after delete on recipient begin
  update total set count = count - 1 where name = 'recipients' ; update tally set recipients = recipients - 1
    where domain = old.domain and state = old.state ; delete from tally
    where domain = old.domain and state = old.state and recipients = 0 ; delete from flow
    where old.state in (0, 2) and domain = old.domain and sender = old.sender and not exists (select 1 from recipient r
    where r.domain = old.domain and r.sender = old.sender and r.state in (0, 2)); end;
create trigger recipient_moved after update of state on recipient when old.state != new.state begin
  insert into tally values (new.domain, new.state, 1)
    on conflict(domain, state) do update set recipients = recipients + 1 ; update tally set recipients = recipients - 1
    where domain = old.domain and state = old.state ; delete from tally
    where domain = old.domain and state = old.state and recipients = 0; end;
create trigger recipient_due_now after update of state, due on recipient when new.state in (0, 2) begin
  insert into flow values (new.domain, new.sender, new.due)
    on conflict(domain, sender) do update set due = min(due, excluded.due); end;
"""

# Mail that is held because its verdict says so: Action.QUARANTINE is 3.
_QUARANTINE = """
create index item_quarantined on item(id) where substr(verdict, 1, 12) = '{"action":3,';
"""

_REACHED = """
create table reached(item integer not null, address text not null, primary key(item, address)) without rowid;
create trigger item_reached after delete on item begin delete from reached where item = old.id; end;
"""


_GREYLIST = """
create table greylist(digest blob primary key, first real not null, passes integer not null, until real not null) without rowid;
create index greylist_until on greylist(until);
insert into total values ('greylist', 0);
create trigger greylist_in after insert on greylist begin update total set count = count + 1 where name = 'greylist'; end;
create trigger greylist_out after delete on greylist begin update total set count = count - 1 where name = 'greylist'; end;
"""

_GLIMPSE = """
create table glimpse(folder integer not null, uid integer not null, thread text not null, preview text not null,
  primary key(folder, uid)) without rowid;
"""

_DKIM = """
create table dkim_key(domain text not null, selector text not null, kind text not null, pem blob not null, state text not null,
  since real not null, primary key(domain, selector)) without rowid;
"""

_DOMAIN_ADMIN = """
create table domain_admin(domain text not null, account text not null, primary key(domain, account)) without rowid;
create index domain_admin_account on domain_admin(account);
"""

_API_TOKEN = """
create table api_token(name text primary key, digest text not null unique, scopes text not null, created real not null,
  expires real not null, used real not null, client text not null) without rowid;
"""
_TOKEN_MAKER = """
alter table api_token add column maker text not null default '';
"""
_WEBHOOK_EVENT = """
create table webhook_event(id integer primary key autoincrement, hook text not null, event text not null, at real not null,
  due real not null, attempts integer not null default 0, said text not null default '', body blob not null, unique(hook, event));
create index webhook_event_due on webhook_event(hook, due, id);
"""

_DMARC_COUNT = """
create table dmarc_count(day integer not null, domain text not null, found text not null, messages integer not null,
  primary key(day, domain, found)) without rowid;
"""

_HISTORY = """
create table history(step integer not null, at integer not null, accepted integer not null, refused integer not null,
  sent integer not null, deferred integer not null, bounced integer not null, delay real not null, queued integer not null,
  oldest real not null, sessions integer not null, memory integer not null, lag real not null, primary key(step, at)) without rowid;
"""

_HISTORY_DELAY = """
create table history_delay(step integer not null, at integer not null, span integer not null, recipients integer not null,
  primary key(step, at, span)) without rowid;
"""

_BROWSER = """
create table browser(n integer primary key autoincrement, digest text not null unique, id text not null, account text not null,
  stamp text not null, created real not null, used real not null, confirmed real not null, client text not null, agent text not null);
create index browser_account on browser(account, used);
create index browser_used on browser(used);
"""

_PASSKEY = """
create table passkey(id text primary key, account text not null, key blob not null, counter integer not null, name text not null,
  created real not null, used real not null) without rowid;
create index passkey_account on passkey(account, created);
"""

TABLES = (
    """
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

create table sieve_script(account text not null, name text not null, text blob not null, active integer not null,
  primary key(account, name)) without rowid;
create table sieve_mark(account text not null, key text not null, until real not null,
  primary key(account, key)) without rowid;

create table content(id integer primary key, size integer not null, spool text, prefix blob not null, body blob,
  tail blob not null default x'');
create index content_spool on content(spool) where spool is not null;
create table item(id integer primary key, content integer not null, sender text not null, created real not null,
  priority integer not null, parameters text not null, origin text not null, filter text not null,
  verdict text not null default '');
create index item_content on item(content) where content != id;
create table recipient(item integer not null, n integer not null, address text not null, orcpt text,
  notify integer not null, depth integer not null, parent integer, path text not null, state integer not null,
  due real not null, attempts integer not null, code integer, enhanced text, reply text, remote text,
  warned integer not null, domain text not null, sender text not null, priority integer not null,
  tls text not null default '', tried real not null default 0, primary key(item, n)) without rowid;
"""
    + _REACHED
    + _QUEUE_ORDER
    + _GREYLIST
    + _GLIMPSE
    + _QUARANTINE
    + _DKIM
    + _DOMAIN_ADMIN
    + _API_TOKEN
    + _TOKEN_MAKER
    + _WEBHOOK_EVENT
    + _DMARC_COUNT
    + _HISTORY
    + _HISTORY_DELAY
    + _PASSKEY
    + _BROWSER
    + """

create table folder(id integer primary key, account text not null, name text not null, uidvalidity integer not null,
  uidnext integer not null, modseq integer not null, messages integer not null, unseen integer not null,
  size integer not null, keywords text not null, special_use text not null, recent_from integer not null,
  unique(account, name));
create table subscription(account text not null, name text not null, primary key(account, name)) without rowid;
create table acl(folder integer not null, identifier text not null, rights text not null,
  primary key(folder, identifier)) without rowid;
create index acl_identifier on acl(identifier);
create table annotation(holder text not null, folder integer not null, private integer not null,
  entry text not null collate nocase, value blob not null, primary key(holder, folder, private, entry)) without rowid;
create index annotation_folder on annotation(folder);
create table message(folder integer not null, uid integer not null, flags integer not null, modseq integer not null,
  date integer not null, size integer not null, name_flags integer not null, dirty integer not null, file text not null,
  moved integer not null default 0, primary key(folder, uid)) without rowid;
create index message_dirty on message(folder, uid) where dirty = 1;
create table rendered(folder integer not null, uid integer not null, envelope blob not null, structure blob not null,
  primary key(folder, uid)) without rowid;
create table expunged(folder integer not null, uid integer not null, modseq integer not null,
  primary key(folder, modseq, uid)) without rowid;
create table filed(content integer not null, folder integer not null, uid integer not null, head blob not null,
  primary key(content, folder, uid)) without rowid;
create table quota(name text primary key, storage integer, messages integer) without rowid;
create table adopting(folder integer primary key, known_below integer not null default 1);
create table intent(id integer primary key autoincrement, kind text not null, source text not null, target text not null);
create table url_key(folder integer primary key, key blob not null);
"""
)


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
    7: """
drop index recipient_due;
alter table recipient rename to recipient_6;
create table recipient(item integer not null, n integer not null, address text not null, orcpt text,
  notify integer not null, depth integer not null, parent integer, path text not null, state integer not null,
  due real not null, attempts integer not null, code integer, enhanced text, reply text, remote text,
  warned integer not null, domain text not null, sender text not null, priority integer not null,
  primary key(item, n)) without rowid;
"""
    + _QUEUE_ORDER
    + """
update total set count = (select count(*) from item) where name = 'items';
insert into recipient select r.*, lower(substr(address, length(rtrim(address, replace(address, '@', ''))) + 1)),
  coalesce(sender, ''), coalesce(priority, 0) from recipient_6 r left join item on item.id = r.item;
drop table recipient_6;
""",
    8: """
create table adopting(folder integer primary key);
""",
    9: """
alter table message add column moved integer not null default 0;
create table url_key(folder integer primary key, key blob not null);
""",
    10: """
alter table recipient add column tls text not null default '';
alter table recipient add column tried real not null default 0;
""",
    11: """
create table acl(folder integer not null, identifier text not null, rights text not null,
  primary key(folder, identifier)) without rowid;
create index acl_identifier on acl(identifier);
create table annotation(holder text not null, folder integer not null, private integer not null,
  entry text not null collate nocase, value blob not null, primary key(holder, folder, private, entry)) without rowid;
create index annotation_folder on annotation(folder);
""",
    12: """
alter table adopting add column known_below integer not null default 1;
create table quota(name text primary key, storage integer, messages integer) without rowid;
""",
    13: """
create table sieve_script(account text not null, name text not null, text blob not null, active integer not null,
  primary key(account, name)) without rowid;
create table sieve_mark(account text not null, key text not null, until real not null,
  primary key(account, key)) without rowid;
""",
    14: _REACHED,
    15: """
alter table item add column verdict text not null default '';
""",
    16: _GREYLIST,
    17: _GLIMPSE,
    18: _QUARANTINE,
    19: _DKIM,
    20: _DOMAIN_ADMIN,
    21: _API_TOKEN,
    22: _WEBHOOK_EVENT,
    23: _DMARC_COUNT,
    24: _HISTORY,
    25: _PASSKEY,
    26: _HISTORY_DELAY,
    27: _BROWSER,
    28: _TOKEN_MAKER,
    29: "",  # names of spool files may tell of room before the body: who does not know of it would send that
}


def connect(path: str, *, readonly: bool = False) -> sqlite3.Connection:
    """A connection with our settings; any thread may use it, one at a time."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    db.execute("pragma busy_timeout=5000")
    db.execute("pragma temp_store=memory")  # a full /tmp is no matter of ours; no statement is large
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
