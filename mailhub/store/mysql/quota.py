"""Quota: what an account uses, by the counters of its folders, and what it may use."""

from msgspec import Struct

from mailhub.model.errors import OverQuota
from mailhub.model.mailbox import UNLIMITED, Limits, Quota

from .engine import Tx


async def quota_of(tx: Tx, account: str, default: Limits) -> Quota:
    """The account's own limits go before its domain's, and those before `default`; each by itself."""
    found = await tx.one(
        "select coalesce(sum(size), 0), coalesce(sum(messages), 0) from folder where account = %s", account
    )
    assert found is not None
    return Quota(int(found[0]), int(found[1]), await limits_of(tx, account, default))


async def limits_of(tx: Tx, account: str, default: Limits) -> Limits:
    storage: int | None = None
    messages: int | None = None
    for name in (account, "@" + account.rpartition("@")[2]):
        own = await own_limits(tx, name)
        storage = own[0] if storage is None else storage
        messages = own[1] if messages is None else messages
    return Limits(default.storage if storage is None else storage, default.messages if messages is None else messages)


async def own_limits(tx: Tx, name: str) -> tuple[int | None, int | None]:
    row = await tx.one("select storage, messages from quota where name = %s", name)
    return (None, None) if row is None else (row[0], row[1])


async def make_room(tx: Tx, account: str, default: Limits, storage: int, messages: int) -> None:
    """OverQuota where so much more would be too much. In the unit that adds it; two that fill different folders of an account at one time
    may pass the limit by one of them."""
    limits = await limits_of(tx, account, default)
    if limits != UNLIMITED and not (await quota_of(tx, account, default)).takes(storage, messages):
        raise OverQuota(f"{account} has no room for {messages} messages of {storage} octets")


class SetLimits(Struct, frozen=True):
    """`name`: an account, or "@domain". None: not its own; 0: no limit."""

    name: str
    storage: int | None
    messages: int | None

    async def apply(self, tx: Tx) -> None:
        await tx.run("delete from quota where name = %s", self.name)
        if self.storage is not None or self.messages is not None:
            await tx.run(
                "insert into quota (name, storage, messages) values (%s, %s, %s)",
                self.name,
                self.storage,
                self.messages,
            )
