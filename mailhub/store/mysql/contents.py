"""Contents and bodies in the database, with the number of those who refer to each: it changes in the unit that makes or drops a reference,
so that a body that is referred to can not be collected: both write its row, and one of the two is done again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mailhub.model.errors import Temporary

from ..api import Body, NewContent
from .engine import KEPT, Tx
from .objects import key_of, object_of


async def refer(tx: Tx, bodies: Sequence[tuple[bytes, Body]]) -> None:
    """One more reference to each (key, body), which is stored where it is not there yet."""
    stored = Counter(key for key, body in bodies if body.spool is not None and object_of(body) is None)
    await refer_again(tx, stored)
    given = {key: body for key, body in bodies if key not in stored}
    counts = Counter(key for key, _ in bodies)
    rows = [(key, body.size, counts[key], object_of(body)) for key, body in sorted(given.items())]
    await tx.insert(
        "insert into body (id, size, refs, object)", rows, "on duplicate key update refs = refs + values(refs)"
    )
    await _spare(tx, sorted(name for body in given.values() if (name := object_of(body)) is not None))
    octets = [(key, body.data) for key, body in sorted(given.items()) if object_of(body) is None]
    await tx.insert("insert into octets (id, data)", octets, KEPT.format("id"))


async def _spare(tx: Tx, objects: Sequence[str]) -> None:
    """A unit that is given again, because its COMMIT had no answer, may name what was doomed meanwhile: no collector takes that now.
    Temporary where one has."""
    if not objects:
        return
    doomed = await tx.all("select object, gone from doomed where object in %s for update", objects)
    for name, gone in doomed:
        if gone:
            raise Temporary(f"body {name[:16]} is gone")
        await tx.run("delete from doomed where object = %s", name)


async def refer_again(tx: Tx, keys: Mapping[bytes, int]) -> None:
    """More references to bodies that are there; Temporary where one is not."""
    for key, count in sorted(keys.items()):
        if not await tx.run("update body set refs = refs + %s where id = %s", count, key):
            raise Temporary(f"body {key.hex()[:16]} is gone")


async def let_go(tx: Tx, keys: Iterable[bytes]) -> None:
    """One reference less to each; a body without any goes, and its object is doomed."""
    counts = Counter(keys)
    for key, count in sorted(counts.items()):
        await tx.run("update body set refs = refs - %s where id = %s", count, key)
    if not counts:
        return
    gone = await tx.all("select id, object from body where id in %s and refs <= 0", list(counts))
    for _, name in gone:
        if name is not None:
            await tx.run(
                f"insert into doomed (object, since) values (%s, unix_timestamp(now(6))) {KEPT.format('object')}", name
            )
    if gone:
        await tx.run("delete from body where id in %s", [key for key, _ in gone])
        await tx.run("delete from octets where id in %s", [key for key, name in gone if name is None])


async def insert_contents(tx: Tx, new: Sequence[NewContent], refs: Mapping[int, int]) -> None:
    """Those that are not there yet, each with as many references as `refs` says; to others so many are added."""
    if not new:
        return
    there = {row[0] for row in await tx.all("select id from content where id in %s for update", [c.id for c in new])}
    fresh = {c.id: c for c in new if c.id not in there}
    keys = {number: key_of(c.body, number) for number, c in fresh.items()}
    await refer(tx, [(keys[number], c.body) for number, c in fresh.items()])
    await tx.insert(
        "insert into content (id, body, size, refs, prefix, tail)",
        [(number, keys[number], c.body.size, refs.get(number, 0), c.prefix, c.tail) for number, c in fresh.items()],
    )
    await refer_contents(tx, {number: refs.get(number, 0) for number in there})


async def refer_contents(tx: Tx, refs: Mapping[int, int]) -> None:
    """More references to contents; Temporary where one is gone."""
    for number, count in sorted(refs.items()):
        if not await tx.run("update content set refs = refs + %s where id = %s", count, number):
            raise Temporary(f"content {number} is gone")


async def drop_contents(tx: Tx, numbers: Iterable[int]) -> None:
    """One reference less to each; one without any goes, with its reference to the body."""
    counts = Counter(numbers)
    for number, count in sorted(counts.items()):
        await tx.run("update content set refs = refs - %s where id = %s", count, number)
    if not counts:
        return
    gone = await tx.all("select id, body from content where id in %s and refs <= 0", list(counts))
    if gone:
        await tx.run("delete from content where id in %s", [number for number, _ in gone])
        await let_go(tx, [body for _, body in gone])
