"""What a message costs as accounts grow in number: 4 KB by SMTP until it lies in a Maildir, to 200 of them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import smtp
from bench import target as targets
from bench.target import DOMAIN, USERS, Target

_LOAD = smtp.Load(20, 3_000, 4096)


@dataclass(frozen=True, slots=True)
class Size:
    accounts: int


FULL = tuple(Size(10**n) for n in range(3, 6))
SHORT = FULL[:2]


@asynccontextmanager
async def mailhub() -> AsyncIterator[Target]:
    """Each size starts a server of its own."""
    yield Target("mailhub", __import__("mailhub").__version__, {}, list, lambda: 0)


async def measure(target: Target, load: Size) -> dict[str, object]:
    """After a first round that makes the folders of those who get mail."""

    def fill(data: Path) -> None:
        with sqlite3.connect(data / "mailhub.db") as db:
            names = ((f"x{number}@{DOMAIN}", "", 1) for number in range(load.accounts - USERS))
            db.executemany("insert into account (name, password, enabled) values (?, ?, ?)", names)
        db.close()

    async with targets.mailhub(prepare=fill) as server:
        await smtp.measure(server, smtp.Load(20, 400, 4096))
        row = await smtp.measure(server, _LOAD)
        await asyncio.sleep(1)
    return {**row, "load": f"{load.accounts} accounts", "accounts": load.accounts}
