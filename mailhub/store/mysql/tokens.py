"""api.TokenStore on a cluster."""

import json
from typing import Any

from msgspec import Struct

from mailhub.model.errors import Exists, LimitReached

from ..api import TokenRow
from . import bounds
from .credentials import Change
from .engine import Engine, Tx

_COLUMNS = "name, digest, scopes, created, expires, used, client, maker"


class PutToken(Struct, frozen=True):
    row: TokenRow
    limit: int

    async def apply(self, tx: Tx) -> None:
        row = self.row
        await bounds.take_turn(tx, "api_token")
        if await tx.one("select 1 from api_token where name = %s", row.name):
            raise Exists(f"there is a token {row.name!r}")
        if not await bounds.room(tx, self.limit, "api_token"):
            raise LimitReached(f"there are {self.limit} tokens: remove one")
        times = row.created, row.expires, row.used
        values = (row.name, row.digest, json.dumps(row.scopes), *times, row.client, row.maker)
        await tx.insert(f"insert into api_token ({_COLUMNS})", [values])


class MysqlTokens:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def found(self, digest: str) -> TokenRow | None:
        row = await self._engine.one(f"select {_COLUMNS} from api_token where digest = %s", digest)
        return None if row is None else _token(row)

    async def page(self) -> list[TokenRow]:
        return [_token(row) for row in await self._engine.all(f"select {_COLUMNS} from api_token order by name")]

    async def put(self, row: TokenRow, limit: int) -> None:
        await self._engine.do(PutToken(row, limit))

    async def use(self, name: str, used: float, client: str) -> None:
        text = "update api_token set used = %s, client = %s where name = %s"
        await self._engine.do(Change(text, (used, client, name)), again=True)

    async def remove(self, name: str) -> None:
        text = "delete from api_token where name = %s"
        await self._engine.do(Change(text, (name,), f"there is no token {name!r}"))


def _token(row: tuple[Any, ...]) -> TokenRow:
    name, digest, scopes, created, expires, used, client, maker = row
    return TokenRow(name.decode(), digest.decode(), tuple(json.loads(scopes)), created, expires, used, client, maker)
