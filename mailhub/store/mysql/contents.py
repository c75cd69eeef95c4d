"""Contents and bodies in the database, with the number of those who refer to each: it changes in the unit that makes or drops a reference,
so that a body that is referred to can not be collected: both write its row, and one of the two is done again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mailhub.model.errors import Temporary

from ..api import Body, NewContent
from .engine import Tx
from .objects import digest_of, object_of


async def refer(tx: Tx, bodies: Sequence[tuple[bytes, Body]]) -> None:
    """One more reference to each (digest, body), which is stored where it is not there yet."""
    stored = Counter(digest for digest, body in bodies if body.spool is not None and object_of(body) is None)
    await refer_again(tx, stored)
    given = {digest: body for digest, body in bodies if digest not in stored}
    counts = Counter(digest for digest, _ in bodies)
    rows = [
        (digest, body.size, counts[digest], object_of(body), body.data if object_of(body) is None else None)
        for digest, body in sorted(given.items())
    ]
    await tx.insert(
        "insert into body (digest, size, refs, object, data)",
        rows,
        "on duplicate key update refs = refs + values(refs)",
    )
    named = {digest: name for digest, body in given.items() if (name := object_of(body)) is not None}
    if named:
        for digest, kept in await tx.all("select digest, object from body where digest in %s", list(named)):
            if kept != named[digest]:
                tx.told.objects.append(named[digest])  # the same octets are there under another name


async def refer_again(tx: Tx, digests: Mapping[bytes, int]) -> None:
    """More references to bodies that are there; Temporary where one is not."""
    for digest, count in sorted(digests.items()):
        if not await tx.run("update body set refs = refs + %s where digest = %s", count, digest):
            raise Temporary(f"body {digest.hex()[:16]} is gone")


async def let_go(tx: Tx, digests: Iterable[bytes]) -> None:
    """One reference less to each; a body without any goes, and its object is doomed."""
    counts = Counter(digests)
    for digest, count in sorted(counts.items()):
        await tx.run("update body set refs = refs - %s where digest = %s", count, digest)
    if not counts:
        return
    gone = await tx.all("select digest, object from body where digest in %s and refs <= 0", list(counts))
    doomed = [[name] for _, name in gone if name is not None]
    if doomed:
        await tx.insert("insert ignore into doomed (object, since)", [[*row, 0] for row in doomed])
        await tx.run("update doomed set since = unix_timestamp(now(6)) where since = 0")
    if gone:
        await tx.run("delete from body where digest in %s", [digest for digest, _ in gone])


async def insert_contents(tx: Tx, new: Sequence[NewContent], refs: Mapping[int, int]) -> None:
    """Those that are not there yet, each with as many references as `refs` says; to others so many are added."""
    if not new:
        return
    there = {row[0] for row in await tx.all("select id from content where id in %s for update", [c.id for c in new])}
    fresh = {c.id: c for c in new if c.id not in there}
    digests = {number: digest_of(c.body) for number, c in fresh.items()}
    await refer(tx, [(digests[number], c.body) for number, c in fresh.items()])
    await tx.insert(
        "insert into content (id, body, size, refs, prefix, tail)",
        [(number, digests[number], c.body.size, refs.get(number, 0), c.prefix, c.tail) for number, c in fresh.items()],
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
