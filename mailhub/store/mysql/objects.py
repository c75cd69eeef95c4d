"""Bodies by key: 24 octets of the digest of what is in them (SHA-256), and the number of the content that they came with. "KEY.body" is an
object, "KEY" alone octets in the database. What was fetched stays in the data folder for a while, within a bound.

Recipients and copies of a message share its body. Two messages never do, whatever is in them: a mailing to many, one by one, would else
have all nodes write one row (six transactions of seven began anew, measured); and the one who deletes an object can not meet another
who has just stored the same octets.
"""

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

from mailhub.model.errors import Temporary

from ..api import Body
from ..bodies import Spool, SpoolWriter
from ..files import Files
from .buckets import Bucket

Load = Callable[[bytes], Awaitable[bytes]]
HEX = 64  # characters of a key


def key_of(body: Body, number: int) -> bytes:
    """What the body is known by; `number` is that of the content that it comes with, where it is new."""
    if body.spool is not None:
        return bytes.fromhex(body.spool[:HEX])
    assert body.data is not None
    return made_key(hashlib.sha256(body.data).digest(), number)


def made_key(digest: bytes, number: int) -> bytes:
    return digest[:24] + number.to_bytes(8, "big")


def object_of(body: Body) -> str | None:
    """The object that holds it; None: it is in the database, or to be put there."""
    return body.spool if body.spool is not None and len(body.spool) > HEX else None


class Objects:
    """api bodies of a cluster. `load(key)`: octets in the database; Temporary where there are none."""

    def __init__(
        self, bucket: Bucket, folder: str, files: Files, pool: Executor, inline_limit: int, room: int, load: Load
    ) -> None:
        self.bucket = bucket
        self._spool = Spool(files, folder, pool, pool, inline_limit)
        self._files, self._pool, self._room, self._load = files, pool, room, load
        self._held: OrderedDict[str, int] = OrderedDict()  # copies by name, the one used last at the end; octets
        self._sum = 0
        self._coming: dict[str, asyncio.Future[None]] = {}

    def open(self) -> None:
        """What a life before has left in the folder is copies, and halves of some; all of it can be fetched again."""
        for name in self._files.listing(self._spool.folder):
            self._files.unlink(self._spool.path(name))

    @property
    def folder(self) -> str:
        return self._spool.folder

    def writer(self, number: int) -> "ObjectWriter":
        return ObjectWriter(self, self._spool, number)

    async def read(self, name: str, offset: int, length: int) -> bytes:
        if len(name) == HEX:
            return (await self._load(bytes.fromhex(name)))[offset : offset + length]
        await self.here(name)
        return await self._spool.read(name, offset, length)

    async def here(self, name: str) -> None:
        """A copy is in the folder when this returns; Temporary."""
        if name in self._held:
            self._held.move_to_end(name)
            return
        coming = self._coming.get(name)
        if coming is None:
            coming = asyncio.ensure_future(self._fetch(name))
            self._coming[name] = coming
            coming.add_done_callback(lambda _: self._coming.pop(name))
        await asyncio.shield(coming)

    async def _fetch(self, name: str) -> None:
        path = self._spool.path(name)
        part = f"{path}.part"
        try:
            self._unlink(part)
            await self.bucket.get(name, part)
            self._files.rename(part, path)
            self.hold(name, self._files.size(path) or 0)
        except OSError as error:
            raise Temporary(f"copy of object {name}: {error}") from error
        finally:
            self._unlink(part)  # half of it is of no use, and no bound counts it

    def hold(self, name: str, size: int) -> None:
        """A copy is in the folder; older ones make room."""
        self._held[name] = size
        self._sum += size
        while self._sum > self._room and len(self._held) > 1:
            self.drop(next(iter(self._held)))

    def drop(self, name: str) -> None:
        """The copy, not the object."""
        size = self._held.pop(name, None)
        if size is not None:
            self._sum -= size
            self._unlink(self._spool.path(name))

    def _unlink(self, path: str) -> None:
        with contextlib.suppress(OSError):
            self._files.unlink(path)

    async def delete(self, name: str) -> None:
        self.drop(name)
        await self.bucket.delete(name)


class ObjectWriter(SpoolWriter):
    """api.BodyWriter: what is large comes into a file of the data folder, and from there into the object store before `finish` returns."""

    def __init__(self, objects: Objects, spool: Spool, number: int) -> None:
        super().__init__(spool, f"{number:x}.new")
        self._objects, self._number = objects, number
        self._digest = hashlib.sha256()
        self._object = ""

    def feed(self, block: bytes) -> None:
        self._digest.update(block)
        super().feed(block)

    async def _make_safe(self) -> None:
        """The copy need not be safe: the object is."""
        if self._descriptor is not None:
            self._spool.files.close(self._descriptor)
            self._descriptor = None

    async def finish(self) -> Body:
        body = await super().finish()
        if body.spool is None:
            return body
        self._spool.recent.forget(self._name)  # it gets another
        name = f"{made_key(self._digest.digest(), self._number).hex()}.body"
        try:
            await self._objects.bucket.put(name, self._spool.path(self._name))
            self._object = name
            self._spool.files.rename(self._spool.path(self._name), self._spool.path(name))
        except OSError as error:
            self.abort()
            raise Temporary(f"body {self._name}: {error}") from error
        except BaseException:
            self.abort()
            raise
        self._objects.hold(name, body.size)
        return Body(body.size, spool=name)

    def abort(self) -> None:
        """An object that is stored stays: who gives up may not know that it was committed. What no row names is swept away in time."""
        if not self._object:
            super().abort()
