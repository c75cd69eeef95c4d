"""What keeps tables within their bounds without a row that every node writes: rows are counted now and then, and no further than
the bound, and what is too much goes in steps."""

import secrets
from hashlib import sha256

from .engine import Tx

STEP = 1_000  # rows that one statement takes away
_LOOKS = 1_000  # a table may be larger than its bound by about one part in so many


def looked_at(limit: int, rows: int = 1) -> bool:
    """Whether it is time for a look at a table that has grown by so many rows: less than STEP came since the last one, mostly. Small
    tables are always looked at."""
    every = min(limit // _LOOKS, STEP // 2)
    return every <= rows or secrets.randbelow(every) < rows


async def excess(tx: Tx, limit: int, which: str, *values: object, most: int = STEP) -> int:
    """How many rows more than `limit` there are of `which` ("table where ..."), `most` at most."""
    row = await tx.one(f"select count(*) from (select 1 from {which} limit %s) counted", *values, limit + most)
    return max(0, row[0] - limit) if row is not None else 0


async def take_turn(tx: Tx, name: str) -> None:
    """What looks at several rows before it writes one: those of one name follow one another on all nodes, for they meet in this row."""
    await tx.run("insert into turn (name, changes) values (%s, 1) on duplicate key update changes = changes + 1", name)


def digest(*words: str) -> bytes:
    """A key of 32 octets, for what is longer than keys may be."""
    return sha256("\0".join(words).encode("utf-8", "surrogatepass")).digest()


async def room(tx: Tx, limit: int, which: str, *values: object) -> int:
    """How many more rows of `which` there may be."""
    row = await tx.one(f"select count(*) from (select 1 from {which} limit %s) counted", *values, limit)
    return limit - row[0] if row is not None else 0
