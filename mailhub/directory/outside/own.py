"""mailhub's own tables in a MySQL or MariaDB database (`[directory] schema = "mailhub"`): made by `mailhub directory init`, brought forward
by `mailhub directory migrate`, and written by the same commands as the embedded directory."""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from mailhub.model.address import key
from mailhub.model.errors import Exists, NotFound, Permanent
from mailhub.store.api import AccountRow, AliasRow
from mailhub.tables.mysql import Pool

from ..directory import Account, Alias, Directory, Forward
from .directory import OutsideDirectory
from .schemas import Ask, Found, text
from .source import Source

VERSION = 1
_NAMES = "character set utf8mb4 collate utf8mb4_bin"
# What brings the tables from each version to the next. A statement that was done before a failure may be done again.
MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        f"create table if not exists mailhub_domain (name varchar(255) {_NAMES} not null primary key) engine=InnoDB",
        f"create table if not exists mailhub_account (name varchar(320) {_NAMES} not null primary key,"
        f" password varchar(2000) {_NAMES} not null, enabled tinyint not null default 1) engine=InnoDB",
        f"create table if not exists mailhub_admin (domain varchar(255) {_NAMES} not null, account varchar(320) {_NAMES} not null,"
        " primary key (domain, account)) engine=InnoDB",
        f"create table if not exists mailhub_alias (address varchar(320) {_NAMES} not null primary key,"
        f" targets mediumtext {_NAMES} not null) engine=InnoDB",
    ),
}


async def version(pool: Pool) -> int:
    """Of the tables that are there; 0: none are."""
    if not await _noted(pool):
        return 0
    rows = (await pool.ask("select version from mailhub_schema", [])).rows
    return int(rows[0][0]) if rows else 0


async def _noted(pool: Pool) -> bool:
    text = "select count(*) from information_schema.tables where table_schema = database() and table_name = 'mailhub_schema'"
    return bool((await pool.ask(text, [])).rows[0][0])


async def migrate(pool: Pool) -> tuple[int, int]:
    """Bring the tables to VERSION: before and after. Permanent where a newer mailhub made them."""
    before = await version(pool)
    if before > VERSION:
        raise Permanent(f"the tables have version {before}, this mailhub knows {VERSION}: use a newer mailhub")
    if not await _noted(pool):
        await pool.ask(
            "create table mailhub_schema (one tinyint not null primary key, version int not null) engine=InnoDB", []
        )
    for number in range(before + 1, VERSION + 1):
        for statement in MIGRATIONS[number]:
            await pool.ask(statement, [])
        await pool.ask("replace into mailhub_schema values (1, %s)", [str(number)])
    return before, VERSION


class OwnTables:
    """A `Schema` of reading."""

    async def name(self, ask: Ask, name: str) -> Found:
        rows = (await ask("select name, password, enabled from mailhub_account where name = %s", [name])).rows
        account = AccountRow(name, text(rows[0][1]), bool(rows[0][2])) if rows and text(rows[0][0]) == name else None
        found = (await ask("select targets from mailhub_alias where address = %s", [name])).rows
        return Found(account, tuple(text(found[0][0]).split("\n")) if found else ())

    async def domain(self, ask: Ask, name: str) -> bool:
        return bool((await ask("select 1 from mailhub_domain where name = %s", [name])).rows)

    async def accounts(self, ask: Ask, after: str, limit: int) -> list[AccountRow]:
        statement = "select name, password, enabled from mailhub_account where name > %s order by name limit "
        rows = (await ask(statement + str(int(limit)), [after])).rows
        return [AccountRow(text(row[0]), text(row[1]), bool(row[2])) for row in rows]

    async def aliases(self, ask: Ask, after: str, limit: int) -> list[AliasRow]:
        statement = "select address, targets from mailhub_alias where address > %s order by address limit "
        rows = (await ask(statement + str(int(limit)), [after])).rows
        return [AliasRow(text(row[0]), tuple(text(row[1]).split("\n"))) for row in rows]

    async def domains(self, ask: Ask) -> list[str]:
        return [text(row[0]) for row in (await ask("select name from mailhub_domain order by name", [])).rows]

    async def admins(self, ask: Ask, domain: str) -> list[str]:
        statement = "select account from mailhub_admin where domain = %s order by account"
        return [text(row[0]) for row in (await ask(statement, [domain])).rows]

    async def administered(self, ask: Ask, account: str) -> list[str]:
        statement = "select domain from mailhub_admin where account = %s order by domain"
        return [text(row[0]) for row in (await ask(statement, [account])).rows]


class Rows:
    """What `Directory` asks of its store, in those tables. Temporary while the database is away."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def _done(self, statement: str, values: Sequence[Any]) -> int:
        """Rows that were changed."""
        return (await self._source.ask(statement, values)).changed

    async def accounts(self, after: str = "", limit: int = 1_000) -> list[AccountRow]:
        return await self._source.tables.accounts(self._source.ask, after, limit)

    async def aliases(self, after: str = "", limit: int = 1_000) -> list[AliasRow]:
        return await self._source.tables.aliases(self._source.ask, after, limit)

    async def put_account(self, row: AccountRow) -> None:
        new = "select %s, %s, %s from dual where not exists (select 1 from mailhub_account where name = %s)"
        values = [row.name, row.password, str(int(row.enabled)), row.name]
        if not await self._done(f"insert into mailhub_account {new}", values):
            raise Exists(f"account {row.name} exists")

    async def set_password(self, name: str, password: str, known: str | None = None) -> None:
        await self._require(name)
        text, values = "update mailhub_account set password = %s where name = %s", [password, name]
        await (self._done(text, values) if known is None else self._done(f"{text} and password = %s", [*values, known]))

    async def set_enabled(self, name: str, enabled: bool) -> None:
        await self._require(name)
        await self._done("update mailhub_account set enabled = %s where name = %s", [str(int(enabled)), name])

    async def _require(self, name: str) -> None:
        if not (await self._source.ask("select 1 from mailhub_account where name = %s", [name])).rows:
            raise NotFound(f"no account {name}")

    async def delete_account(self, name: str) -> None:
        await self._done("delete from mailhub_admin where account = %s", [name])
        if not await self._done("delete from mailhub_account where name = %s", [name]):
            raise NotFound(f"no account {name}")

    async def put_alias(self, row: AliasRow) -> None:
        await self._done("replace into mailhub_alias values (%s, %s)", [row.address, "\n".join(row.targets)])

    async def delete_alias(self, address: str) -> None:
        if not await self._done("delete from mailhub_alias where address = %s", [address]):
            raise NotFound(f"no alias {address}")

    async def admins(self, domain: str) -> list[str]:
        return await self._source.tables.admins(self._source.ask, domain)

    async def administers(self, account: str, domain: str) -> bool:
        statement = "select 1 from mailhub_admin where domain = %s and account = %s"
        return bool((await self._source.ask(statement, [domain, account])).rows)

    async def administered(self, account: str) -> list[str]:
        return await self._source.tables.administered(self._source.ask, account)

    async def put_admin(self, domain: str, account: str) -> None:
        await self._done("replace into mailhub_admin values (%s, %s)", [domain, account])

    async def delete_admin(self, domain: str, account: str) -> None:
        if not await self._done("delete from mailhub_admin where domain = %s and account = %s", [domain, account]):
            raise NotFound(f"{account} is no admin of {domain}")

    async def put_domain(self, name: str) -> None:
        new = "select %s from dual where not exists (select 1 from mailhub_domain where name = %s)"
        await self._done(f"insert into mailhub_domain {new}", [name, name])

    async def delete_domain(self, name: str) -> None:
        await self._done("delete from mailhub_admin where domain = %s", [name])
        if not await self._done("delete from mailhub_domain where name = %s", [name]):
            raise NotFound(f"no domain {name}")


class _Forgotten:
    """In place of the embedded directory's memories: what was written is asked for anew."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def drop(self, name: str) -> None:
        self._source.forget(name)


class OwnDirectory(OutsideDirectory):
    """Read as others' tables are, with what is known serving while the database is away; and written."""

    writable = True

    def read(self, source: Source) -> "OwnDirectory":
        super().read(source)
        self._embedded = self._store
        rows: Any = Rows(source)
        forgotten: Any = _Forgotten(source)
        self._store = rows
        self._accounts = self._aliases = self._domains = forgotten
        return self

    async def add_account(self, address: str, password: str | None) -> Account:
        return await Directory.add_account(self, address, password)

    async def restore_account(self, address: str, stored: str, *, enabled: bool) -> Account:
        return await Directory.restore_account(self, address, stored, enabled=enabled)

    async def set_password(self, address: str, password: str) -> None:
        await Directory.set_password(self, address, password)

    async def set_enabled(self, address: str, enabled: bool) -> None:
        await Directory.set_enabled(self, address, enabled)

    async def rehash(self, row: AccountRow, password: str) -> None:
        await Directory.rehash(self, row, password)

    async def remove_account(self, address: str) -> None:
        await Directory.remove_account(self, address)
        with contextlib.suppress(NotFound):
            await self._embedded.delete_account(key(address))

    async def hold(self, address: str) -> None:
        """By a row of the embedded store that opens nothing: accounts are asked for in the tables alone."""
        if (row := await self.stored(address)) is not None:
            with contextlib.suppress(Exists):
                await self._embedded.put_account(AccountRow(row.name, "", enabled=False))

    async def set_alias(self, address: str, targets: Iterable[str]) -> Alias:
        return await Directory.set_alias(self, address, targets)

    async def remove_alias(self, address: str) -> None:
        await Directory.remove_alias(self, address)

    async def set_forward(self, address: str, targets: Iterable[str], *, keep: bool) -> Forward:
        return await Directory.set_forward(self, address, targets, keep=keep)

    async def admins(self, domain: str) -> list[str]:
        return await Directory.admins(self, domain)

    async def administers(self, account: str, domain: str) -> bool:
        return await Directory.administers(self, account, domain)

    async def administered(self, account: str) -> tuple[str, ...]:
        return await Directory.administered(self, account)

    async def add_admin(self, domain: str, account: str) -> None:
        await Directory.add_admin(self, domain, account)

    async def remove_admin(self, domain: str, account: str) -> None:
        await Directory.remove_admin(self, domain, account)

    async def add_domain(self, name: str) -> str:
        return await Directory.add_domain(self, name)

    async def remove_domain(self, name: str) -> None:
        await Directory.remove_domain(self, name)
