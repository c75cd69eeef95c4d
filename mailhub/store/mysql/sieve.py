"""api.SieveStore on a cluster, and what settling units remember."""

from collections.abc import Iterable

from msgspec import Struct

from mailhub.model.errors import Exists, LimitReached, NotFound, Permanent

from ..api import ScriptLimits, ScriptRow, SieveMark
from . import bounds
from .engine import Engine, Tx

_MARKS = 1_000  # kept for an account
_PUT = "replace into sieve_mark (account, id, name, until)"


async def fresh(tx: Tx, mark: SieveMark, now: float) -> bool:
    """Remember it; False where it is remembered already. Two that remember the same at one moment meet in its row, also where it is new."""
    key = (mark.account, bounds.digest(mark.key))
    row = (*key, mark.key, 0.0)
    await tx.insert("insert into sieve_mark (account, id, name, until)", [row], "on duplicate key update until = until")
    found = await tx.one("select until from sieve_mark where account = %s and id = %s for update", *key)
    if found is not None and found[0] > now:
        return False
    await remember_marks(tx, (mark,), now)
    return True


async def remember_marks(tx: Tx, marks: Iterable[SieveMark], now: float) -> None:
    """Those of an account that are over go, and above a number those that end first."""
    rows = {(mark.account, bounds.digest(mark.key)): mark for mark in marks}
    await tx.insert(_PUT, [(*key, mark.key, mark.until) for key, mark in sorted(rows.items(), key=lambda row: row[0])])
    for account in sorted({account for account, _ in rows}):
        text = "delete from sieve_mark where account = %s and until <= %s limit %s"
        await tx.run(text, account, now, bounds.STEP)
        if too_many := await bounds.excess(tx, _MARKS, "sieve_mark where account = %s", account):
            await tx.run("delete from sieve_mark where account = %s order by until limit %s", account, too_many)


async def _turn(tx: Tx, account: str) -> None:
    """Changes of an account's scripts follow one another: one is active, and all together have a bound."""
    await bounds.take_turn(tx, f"sieve {account}")


async def _there(tx: Tx, account: str, name: str) -> bool:
    """Whether it is the active one; NotFound."""
    found = await tx.one("select active from sieve_script where account = %s and name = %s", account, name)
    if found is None:
        raise NotFound(f"no script {name!r}")
    return bool(found[0])


class PutScript(Struct, frozen=True):
    account: str
    name: str
    text: bytes
    limits: ScriptLimits

    async def apply(self, tx: Tx) -> None:
        await _turn(tx, self.account)
        row = await tx.one(
            "select count(*), coalesce(sum(length(text)), 0) from sieve_script where account = %s and name != %s",
            self.account, self.name,
        )  # fmt: skip
        count, size = row or (0, 0)
        if count >= self.limits.count:
            raise LimitReached("sieve.script_count")
        if size + len(self.text) > self.limits.size:
            raise LimitReached("sieve.quota")
        await tx.run(
            "insert into sieve_script (account, name, text, active) values (%s, %s, %s, 0)"
            " on duplicate key update text = values(text)",
            self.account, self.name, self.text,
        )  # fmt: skip


class ActivateScript(Struct, frozen=True):
    account: str
    name: str

    async def apply(self, tx: Tx) -> None:
        await _turn(tx, self.account)
        if self.name:
            await _there(tx, self.account, self.name)
        await tx.run("update sieve_script set active = (name = %s) where account = %s", self.name, self.account)


class DeleteScript(Struct, frozen=True):
    account: str
    name: str

    async def apply(self, tx: Tx) -> None:
        await _turn(tx, self.account)
        if await _there(tx, self.account, self.name):
            raise Permanent(f"the script {self.name!r} is active")
        await tx.run("delete from sieve_script where account = %s and name = %s", self.account, self.name)


class RenameScript(Struct, frozen=True):
    account: str
    name: str
    new_name: str

    async def apply(self, tx: Tx) -> None:
        await _turn(tx, self.account)
        await _there(tx, self.account, self.name)
        text = "select 1 from sieve_script where account = %s and name = %s"
        if await tx.one(text, self.account, self.new_name) is not None:
            raise Exists(f"there is a script {self.new_name!r}")
        text = "update sieve_script set name = %s where account = %s and name = %s"
        await tx.run(text, self.new_name, self.account, self.name)


class MysqlSieve:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def scripts(self, account: str) -> list[ScriptRow]:
        text = "select name, length(text), active from sieve_script where account = %s order by name"
        rows = await self._engine.all(text, account)
        return [ScriptRow(name.decode(), int(size), bool(active)) for name, size, active in rows]

    async def texts(self, account: str) -> list[tuple[str, bytes]]:
        rows = await self._engine.all("select name, text from sieve_script where account = %s order by name", account)
        return [(name.decode(), text) for name, text in rows]

    async def script(self, account: str, name: str) -> bytes:
        row = await self._engine.one("select text from sieve_script where account = %s and name = %s", account, name)
        if row is None:
            raise NotFound(f"no script {name!r}")
        return bytes(row[0])

    async def active(self, account: str) -> bytes | None:
        row = await self._engine.one("select text from sieve_script where account = %s and active = 1", account)
        return None if row is None else bytes(row[0])

    async def put(self, account: str, name: str, text: bytes, limits: ScriptLimits) -> None:
        await self._engine.do(PutScript(account, name, text, limits), again=True)

    async def activate(self, account: str, name: str) -> None:
        await self._engine.do(ActivateScript(account, name), again=True)

    async def delete(self, account: str, name: str) -> None:
        await self._engine.do(DeleteScript(account, name))

    async def rename(self, account: str, name: str, new_name: str) -> None:
        await self._engine.do(RenameScript(account, name, new_name))

    async def seen(self, account: str, now: float) -> frozenset[str]:
        rows = await self._engine.all("select name from sieve_mark where account = %s and until > %s", account, now)
        return frozenset(name for (name,) in rows)
