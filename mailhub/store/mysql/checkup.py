"""What the index of an account does not agree on with itself, and its counters made right."""

from ..api import Disagreement
from .engine import Engine, Tx
from .filing import get_folder

_FOUND = 100  # of each kind and folder that are named


class Checkup:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def check(self, account: str) -> list[Disagreement]:
        found: list[Disagreement] = []
        rows = await self._engine.all("select id, name from folder where account = %s order by name", account)
        for number, name in rows:
            for file, uid in await self._engine.all(
                "select file, uid from message where folder = %s and not exists (select 1 from body where id = message.body)"
                " limit %s",
                number, _FOUND,
            ):  # fmt: skip
                found.append(Disagreement("row without body", name, file, f"UID {uid}"))
            for file, uid in await self._engine.all(
                "select file, uid from message where folder = %s and not exists"
                " (select 1 from rendered where folder = message.folder and uid = message.uid) limit %s",
                number, _FOUND,
            ):  # fmt: skip
                found.append(Disagreement("row without text", name, file, f"UID {uid}"))
            counted, said = await self._engine.at_one_moment(_Counted(number).apply)
            if counted != said:
                detail = f"messages, unseen, octets: {counted}, counters say {said}"
                found.append(Disagreement("counters", name, "", detail))
        return found

    async def recount(self, tx: Tx, folder: int) -> None:
        await get_folder(tx, folder)
        counted, said = await _Counted(folder).apply(tx)
        if counted != said:
            await tx.run("update folder set messages = %s, unseen = %s, size = %s where id = %s", *counted, folder)


class _Counted:
    def __init__(self, folder: int) -> None:
        self._folder = folder

    async def apply(self, tx: Tx) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What there is, and what the counters say: messages, unseen, octets."""
        counted = await tx.one(
            "select count(*), coalesce(sum((flags & 1) = 0), 0), coalesce(sum(size), 0) from message where folder = %s",
            self._folder,
        )
        said = await tx.one("select messages, unseen, size from folder where id = %s", self._folder)
        return tuple(map(int, counted or ())), tuple(map(int, said or ()))
