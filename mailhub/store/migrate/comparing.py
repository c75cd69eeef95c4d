"""Whether what came is what there was. Differences are told in words, the first of them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable

from .octets import digest
from .sides import ContentRow, ItemRow, Message, Side
from .tables import Row, Table

MOST = 20  # differences that are told of one thing
_AT_ONCE = 8  # messages that are read on both sides


async def table_sum(side: Side, table: Table) -> tuple[int, int]:
    """Rows, and a sum of their digests, in which their order does not matter."""
    count = total = 0
    after: Row | None = None
    while True:
        rows, after = await side.page(table, after)
        for row in rows:
            total += int.from_bytes(
                hashlib.blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=32).digest()
            )
        count += len(rows)
        if after is None:
            return count, total % (1 << 256)


async def of_table(source: Side, target: Side, table: Table) -> list[str]:
    before, after = await table_sum(source, table), await table_sum(target, table)
    if before == after:
        return []
    rows = f"{before[0]} rows, {after[0]} came" if before[0] != after[0] else f"some of {before[0]} rows are different"
    return [f"{table.name}: {rows}"]


async def of_account(source: Side, target: Side, account: str) -> AsyncIterator[tuple[int, list[str]]]:
    """Messages that were compared just now, and what is different."""
    before = {folder.id: folder for folder in await source.folders(account)}
    after = {folder.id: folder for folder in await target.folders(account)}
    yield 0, [f"{account}: folder {before.get(n, after.get(n)).name!r} is not the same" for n in sorted({*before, *after})  # type: ignore[union-attr]
              if before.get(n) != after.get(n)][:MOST]  # fmt: skip
    for number in sorted(before.keys() & after.keys()):
        name = f"{account}: {before[number].name!r}"
        if await source.former(number) != await target.former(number):
            yield 0, [f"{name}: POP3's former ids are not the same"]
        last = 0
        while True:
            here, there = await source.messages(number, last), await target.messages(number, last)
            if not here and not there:
                break
            yield (
                len(here),
                [f"{name}: {told}" for told in await _of_messages(source, target, number, here, there)][:MOST],
            )
            last = max([0, *[rows[-1].uid for rows in (here, there) if rows]])
            if len(here) != len(there):
                break  # no page is the same from here on


async def _of_messages(
    source: Side, target: Side, folder: int, here: Iterable[Message], there: Iterable[Message]
) -> list[str]:
    before, after = {message.uid: message for message in here}, {message.uid: message for message in there}
    found = [f"UID {uid} is missing" for uid in sorted(before.keys() - after.keys())]
    found += [f"UID {uid} is new" for uid in sorted(after.keys() - before.keys())]
    both = sorted(before.keys() & after.keys())
    found += [f"UID {uid} is not the same" for uid in both if before[uid] != after[uid]]
    for start in range(0, len(both), _AT_ONCE):
        part = both[start : start + _AT_ONCE]
        sums = await asyncio.gather(*[_both(source, target, folder, uid) for uid in part])
        found += [f"UID {uid} has other octets" for uid, (old, new) in zip(part, sums, strict=True) if old != new]
    return found


async def _both(source: Side, target: Side, folder: int, uid: int) -> tuple[tuple[int, bytes], tuple[int, bytes]]:
    old, new = await _read(source, folder, uid), await _read(target, folder, uid)
    return old, new


async def _read(side: Side, folder: int, uid: int) -> tuple[int, bytes]:
    async with await side.read(folder, uid) as file:
        return file.size, await digest(file.read, file.size)


async def of_queue(source: Side, target: Side) -> AsyncIterator[tuple[int, list[str]]]:
    """Messages that were compared just now, and what is different."""
    last = 0
    while True:
        here, there = await source.items(last), await target.items(last)
        if not here and not there:
            return
        if here != there:
            yield 0, [f"queue: behind {last} are {len(here)} messages, {len(there)} came, or some are different"]
            return
        for item in here:
            same = await _whole(source, item) == await _whole(target, item)
            yield 1, [] if same else [f"queue: message {item.id} is not the same"]
        last = here[-1].id


async def _whole(side: Side, item: ItemRow) -> tuple[bytes, bytes, bytes]:
    """Its content; its recipients and whom it has reached, in a digest."""
    content = await side.content(item.content)
    found = hashlib.sha256()
    last = -1
    while rows := await side.recipients(item.id, last):
        found.update(repr([tuple(map(_plain, row)) for row in rows]).encode("utf-8", "surrogatepass"))
        last = int(str(rows[-1][1]))
    address = ""
    while addresses := await side.reached(item.id, address):
        found.update(repr(addresses).encode("utf-8", "surrogatepass"))
        address = addresses[-1]
    return content.prefix + b"\0" + content.tail, await _body(side, content), found.digest()


def _plain(value: object) -> object:
    """Whole numbers may be with or without a point."""
    return float(value) if isinstance(value, int) else value


async def _body(side: Side, content: ContentRow) -> bytes:
    async def read(offset: int, length: int) -> bytes:
        if content.body.data is not None:
            return content.body.data[offset : offset + length]
        return await side.queue.read_body(content.body, offset, length)

    return await digest(read, content.body.size)
