"""api.GuardStore on a cluster: bans, counts of the day, recipients by digest."""

from collections.abc import Sequence

from msgspec import Struct

from ..api import BanRow
from . import bounds
from .engine import Engine, Tx

_BAN = "network, cause, since, until, strikes, note"
_MARKS = 200  # recipients in one statement


class PutBans(Struct, frozen=True):
    rows: Sequence[BanRow]
    dropped: Sequence[str]

    async def apply(self, tx: Tx) -> None:
        await tx.run("delete from ban where network in %s", list(self.dropped))
        rows = [(row.network, row.cause, row.since, row.until, row.strikes, row.note) for row in self.rows]
        await tx.insert(f"replace into ban ({_BAN})", rows)


class AddSent(Struct, frozen=True):
    account: str
    day: int
    messages: int
    new: int
    recipients: Sequence[bytes]
    known_limit: int

    async def apply(self, tx: Tx) -> tuple[int, int]:
        account, day = self.account, self.day
        await tx.run("delete from sent where account = %s and day < %s", account, day)
        await tx.run(
            "insert into sent (account, day, messages, fresh) values (%s, %s, %s, %s) on duplicate key update"
            " messages = messages + values(messages), fresh = fresh + values(fresh)",
            account, day, self.messages, self.new,
        )  # fmt: skip
        added = 0
        for start in range(0, len(self.recipients), _MARKS):
            part = list(self.recipients[start : start + _MARKS])
            known = {
                name for (name,) in await tx.all(
                    "select recipient from wrote_to where account = %s and recipient in %s", account, part
                )
            }  # fmt: skip
            added += len(set(part) - known)
            rows = [(account, recipient, day) for recipient in sorted(set(part))]
            await tx.insert(
                "insert into wrote_to (account, recipient, day)", rows, "on duplicate key update day = values(day)"
            )
        if added:
            which, most = "wrote_to where account = %s", added + bounds.STEP
            if too_many := await bounds.excess(tx, self.known_limit, which, account, most=most):
                await tx.run("delete from wrote_to where account = %s order by day limit %s", account, too_many)
        return await _sent(tx, account, day)


class MysqlGuard:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def bans(self, since: float = 0.0) -> list[BanRow]:
        rows = await self._engine.all(f"select {_BAN} from ban where since >= %s", since)
        return [BanRow(network.decode(), *rest) for network, *rest in rows]

    async def put_bans(self, rows: Sequence[BanRow], dropped: Sequence[str]) -> None:
        await self._engine.do(PutBans(tuple(rows), tuple(dropped)), again=True)

    async def sent(self, account: str, day: int) -> tuple[int, int]:
        return await _sent(self._engine, account, day)

    async def wrote_to(self, account: str, recipient: bytes) -> bool:
        text = "select 1 from wrote_to where account = %s and recipient = %s"
        return await self._engine.one(text, account, recipient) is not None

    async def add_sent(
        self, account: str, day: int, messages: int, new: int, recipients: Sequence[bytes], known_limit: int
    ) -> tuple[int, int]:
        return await self._engine.do(AddSent(account, day, messages, new, recipients, known_limit))


async def _sent(asked: Tx | Engine, account: str, day: int) -> tuple[int, int]:
    row = await asked.one("select messages, fresh from sent where account = %s and day = %s", account, day)
    return (0, 0) if row is None else (row[0], row[1])
