"""Which version a cluster's tables have, and how older ones are brought forward while other nodes work on them.

Rules
- A step adds, and nodes of the version before go on: they write rows without a new column, and read what they always read. What they could
  not work on names the oldest version that can (`OLDEST`), and is refused while an older mailhub lives.
- meta.version is what the tables have; meta.readable_by the oldest version that works on them: it may start on them, too.
- One node at a time changes them (`_Turn`: a row, since locks and DDL do not go together on Galera). It may be killed at any moment: a
  step that was begun is done again from its beginning, by whoever comes next, and passes over what is there.
"""

import logging
from collections.abc import Sequence

from msgspec import Struct

from mailhub.model.errors import Permanent

from ..left import LEFT, left_behind
from .engine import KEPT, Engine, Tx
from .schema import ADDRESS, ASCII, TABLES, TEXT

log = logging.getLogger("mailhub.store")
VERSION = 3
OLDEST = 1  # nodes of this version work on tables of VERSION
_NOW = "unix_timestamp(now(6))"
_TURN = 600.0  # seconds for one statement, after which another node may try it, too
_PATIENT = 86_400.0  # seconds for the server: it makes whole tables anew
# Collations by octets that do not take blanks at the end for nothing: MariaDB's from 10.2 on, and MySQL's from 8.0.17 on.
_UNPADDED = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")


class Table(Struct, frozen=True):
    statement: str

    async def make(self, engine: Engine) -> None:
        await _change(engine, self.statement.replace("create table ", "create table if not exists ", 1))


class Column(Struct, frozen=True):
    """One that a later version has. It has a default: nodes of the version before write rows without it."""

    table: str
    name: str
    definition: str

    async def make(self, engine: Engine) -> None:
        if not await _found(engine, self.table, self.name, "1"):
            await _change(engine, f"alter table {self.table} add column {self.name} {self.definition}")


class Unpadded(Struct, frozen=True):
    """Names that a blank at the end makes others, which to utf8mb4_bin it does not. All else is as it was, to older nodes, too. Those of
    several tables change behind one lock: one that is changed can not be compared with one that is not (error 1267). Galera's other
    servers know nothing of the lock; there the moment between two changes is left."""

    columns: tuple[tuple[str, str, str], ...]  # table, column, kind

    async def make(self, engine: Engine) -> None:
        left = [one for one in self.columns if await _found(engine, *one[:2], "collation_name") not in _UNPADDED]
        if not left:
            return
        known = await engine.one(
            "select collation_name from information_schema.collations where collation_name in %s limit 1", _UNPADDED
        )
        if known is None:
            raise Permanent(
                "the store needs MariaDB 10.2 or MySQL 8.0.17 or later: names would be the same with blanks behind them"
            )
        statements = [
            f"alter table {table} modify column {name} {kind} character set utf8mb4 collate {known[0]} not null"
            for table, name, kind in left
        ]
        locks = ", ".join([f"{table} write" for table, _, _ in left])
        await _change(engine, f"lock tables {locks}", *statements, "unlock tables")


Step = Table | Column | Unpadded

MIGRATIONS: dict[int, Sequence[Step]] = {
    1: [Table(statement) for statement in TABLES],
    2: [Column("api_token", "maker", f"{ADDRESS} not null default ''")],
    3: [
        Unpadded((("folder", "name", "varchar(440)"), ("subscription", "name", "varchar(440)"))),
        Unpadded((("acl", "identifier", "varchar(512)"),)),
        Column("doomed", "gone", "double not null default 0"),
    ],
}


async def _found(engine: Engine, table: str, column: str, what: str) -> str | None:
    row = await engine.one(
        f"select {what} from information_schema.columns where table_schema = database() and table_name = %s and column_name = %s",
        table, column,
    )  # fmt: skip
    return None if row is None else str(row[0])


async def _change(engine: Engine, *statements: str) -> None:
    async def change(tx: Tx) -> None:
        for statement in statements:
            await tx.run(statement)

    await engine.transact(change, again=True, within=_PATIENT)


class _Turn(Struct, frozen=True):
    """Whether it is this node's turn to change tables, and stays so for a while."""

    who: str

    async def apply(self, tx: Tx) -> bool:
        await tx.run(f"insert into meta (name, value) values ('migrating', '0') {KEPT.format('name')}")
        return await tx.run(
            f"update meta set value = concat({_NOW} + %s, ' ', %s) where name = 'migrating'"
            f" and (substring_index(value, ' ', 1) + 0 < {_NOW} or substring_index(value, ' ', -1) = %s)",
            _TURN, self.who, self.who,
        ) > 0  # fmt: skip


async def _meta(engine: Engine, name: str) -> int:
    row = await engine.one("select value from meta where name = %s", name)
    return int(row[0]) if row is not None else 0


async def migrate(engine: Engine, who: str) -> None:
    """Bring the tables to VERSION; Permanent where they are of a version that this mailhub can not work on, or mailhubs that can not work on
    this version live. `who`: a word for this node, the same in its next life."""
    await engine.all(
        f"create table if not exists meta (name varchar(64) {ASCII} not null primary key, value {TEXT} not null)"
    )
    if await _is_new_enough(engine):
        return
    told = False
    while not await engine.do(_Turn(who), again=True):
        if not told:
            log.info("store: another mailhub brings the tables forward; this one waits for it")
            told = True
        await engine.all("do sleep(0.5)")  # by the database's time: a test's clock may stand still
    try:
        if not await _is_new_enough(engine):
            await _bring_forward(engine, who)
    finally:
        await engine.all("delete from meta where name = 'migrating' and substring_index(value, ' ', -1) = %s", who)


async def _is_new_enough(engine: Engine) -> bool:
    found = await _meta(engine, "version")
    if found > VERSION and not 0 < await _meta(engine, "readable_by") <= VERSION:
        raise Permanent(f"the store has version {found}, this mailhub knows {VERSION}: start a newer mailhub")
    return found >= VERSION


async def _bring_forward(engine: Engine, who: str) -> None:
    found = await _meta(engine, "version")
    if found:
        older = await engine.all(f"select name from node where version < %s and alive_until >= {_NOW}", OLDEST)
        if older:
            raise Permanent(
                f"mailhubs too old for the new store work on it: stop {', '.join(name for (name,) in older)}"
            )
        log.info("store: the tables are brought from version %d to %d", found, VERSION)
    for number in range(found + 1, VERSION + 1):
        for step in MIGRATIONS[number]:
            await engine.do(_Turn(who), again=True)
            await step.make(engine)
        await engine.all("replace into meta values ('readable_by', %s), ('version', %s)", str(OLDEST), str(number))


async def refuse_half(engine: Engine) -> None:
    """Permanent where a migration from an embedded store was broken off, or all was moved away."""
    there = "select 1 from information_schema.tables where table_schema = database() and table_name = 'migrated'"
    if await engine.one(there):
        row = await engine.one("select value from migrated where name = ''")
        source = row[0] if row is not None else "elsewhere"
        raise Permanent(
            f"the store holds half of what is moved from {source}: run the same `mailhub store migrate` again, it goes on"
        )
    if row := await engine.one("select value from meta where name = %s", LEFT):
        raise Permanent(left_behind("the store", row[0]))
