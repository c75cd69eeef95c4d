"""Bodies: taken from the net in blocks, kept small in memory or large in a spool file, read again in blocks."""

import asyncio
import contextlib
import os
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from typing import Protocol

from mailhub.model.errors import Temporary

from .api import Body
from .files import Files
from .names import Names
from .recent import Recent

Load = Callable[[int], Awaitable[bytes]]
Room = Callable[[], int]
_ROOM = "-"  # stands in a spool file's name before the octets of room at its beginning
_LINES = 65_536  # octets of a block of a file with bare line ends


class Kept(Protocol):
    """Where bodies are kept by a name."""

    async def read(self, name: str, offset: int, length: int) -> bytes: ...


def room_of(name: str) -> int:
    """Octets of a spool file before its body: room for the fields that delivery puts there (docs/decisions/0015)."""
    return int(name.partition(_ROOM)[2] or "0", 16)


class Spool:
    """The folder of large bodies. `pool` runs the blocking calls, `syncs` those that wait for the disk."""

    def __init__(self, files: Files, folder: str, pool: Executor, syncs: Executor, inline_limit: int) -> None:
        self.files, self.folder, self.pool, self.syncs, self.inline_limit = files, folder, pool, syncs, inline_limit
        self.names = Names(files, folder)
        self.trouble = ""  # why the last body could not be kept
        self.failed: Callable[[], object] = bool  # called on the loop where one could not
        self.let_go: Callable[[str], Awaitable[object]] | None = (
            None  # removes a finished body that no row names; the store sets it
        )
        self.recent = Recent()

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def writer(self, number: int, room: Room | None = None) -> "SpoolWriter":
        return SpoolWriter(self, f"{number:x}", room)

    def become(self, path: str, head: bytes, body: bytes | None, name: str | None, tail: bytes) -> None:
        """A mail file of `head`, `body` or that of the spool file `name`, and `tail`, not synced. It is the spool file itself where `head`
        is as long as the room in it, and nobody else has it."""
        if name is None:
            return self.files.write_whole(path, head, body, None, tail)
        source, room = self.path(name), room_of(name)
        if room == len(head) and not tail and self.files.share(source, path, head):
            return None
        return self.files.write_whole(path, head, None, source, tail, room)

    def refused(self, name: str, error: OSError) -> Temporary:
        """A body can not be kept now."""
        self.trouble = f"{self.folder}: {error.strerror or error}"
        self.failed()
        return Temporary(f"spool file {name}: {error}")

    def probe(self) -> None:
        """Whether bodies can be kept again; OSError where not."""
        path = self.path("probe")
        self.files.unlink(path)
        descriptor = self.files.create(path)
        try:
            self.files.append(descriptor, [bytes(_LINES)])
            self.files.sync(descriptor)
        finally:
            self.files.close(descriptor)
            self.files.unlink(path)
        self.trouble = ""

    async def read(self, name: str, offset: int, length: int) -> bytes:
        """Octets of a finished body."""
        if (recent := self.recent.read(name, offset, length)) is not None:
            return recent
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self.pool, self.files.read, self.path(name), room_of(name) + offset, length
            )
        except OSError as error:
            raise Temporary(f"spool file {name}: {error}") from error


class SpoolWriter:
    """api.BodyWriter: a list of blocks until `inline_limit`, from there on a file written behind the reader's back."""

    def __init__(self, spool: Spool, name: str, room: Room | None = None) -> None:
        self.size = 0
        self._spool, self._name, self._room = spool, name, room
        self._blocks: list[bytes] = []
        self._pending = 0
        self._descriptor: int | None = None
        self._writing: asyncio.Task[None] | None = None
        self._error: OSError | None = None
        self._aborted = self._finished = False

    @property
    def backlog(self) -> int:
        return self._pending if self.size > self._spool.inline_limit else 0

    def feed(self, block: bytes) -> None:
        self._blocks.append(block)
        self._pending += len(block)
        self.size += len(block)
        if self.size <= self._spool.inline_limit:
            return
        if self.size - len(block) <= self._spool.inline_limit:  # nothing of it was written
            start = self._blocks[:]
            if self._room is not None:
                self._leave(self._room())
            self._spool.recent.begin(self._name, start, self.size)
        else:
            self._spool.recent.come(self._name, block, self.size)
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    def _leave(self, room: int) -> None:
        """The file begins with so many octets that are not of the body."""
        self._room = None
        if room > 0:
            self._name += f"{_ROOM}{room:x}"
            self._blocks.insert(0, bytes(room))
            self._pending += room

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._blocks and self._error is None:
                blocks, self._blocks = self._blocks, []
                size = sum(map(len, blocks))
                await loop.run_in_executor(self._spool.pool, self._append, blocks)
                self._pending -= size
        except OSError as error:
            self._error = error
            self._blocks.clear()
            self._pending = 0
        finally:
            self._writing = None

    def _append(self, blocks: list[bytes]) -> None:
        if self._descriptor is None:
            self._descriptor = self._spool.files.create(self._spool.path(self._name))
        self._spool.files.append(self._descriptor, blocks)

    async def drain(self) -> None:
        while self._writing is not None:
            await asyncio.shield(self._writing)
        if self._error is not None:
            raise self._spool.refused(self._name, self._error)

    async def finish(self) -> Body:
        if self.size <= self._spool.inline_limit:
            data = self._blocks[0] if len(self._blocks) == 1 else b"".join(self._blocks)
            self._blocks.clear()
            return Body(self.size, data)
        await self.drain()
        try:
            await self._make_safe()
        except OSError as error:
            self.abort()
            raise self._spool.refused(self._name, error) from error
        self._spool.trouble = ""
        self._finished = True
        self._spool.recent.finish(self._name)
        return Body(self.size, spool=self._name)

    async def _make_safe(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._spool.syncs, self._sync)
        await self._spool.names.covered()

    def _sync(self) -> None:
        if self._descriptor is not None:
            self._spool.files.sync(self._descriptor)
            self._spool.files.close(self._descriptor)
            self._descriptor = None

    def abort(self) -> None:
        if self._aborted:
            return
        self._aborted = True
        self._blocks.clear()
        self._spool.recent.forget(self._name)
        if self.size > self._spool.inline_limit:
            asyncio.get_running_loop().create_task(self._discard())

    async def _discard(self) -> None:
        with contextlib.suppress(Temporary):
            await self.drain()
        if self._finished and self._spool.let_go is not None:
            with contextlib.suppress(Temporary):  # who gives up may not know that it was committed: the store knows
                await self._spool.let_go(self._name)
            return
        with contextlib.suppress(OSError):  # the next opening removes a file that no row names
            await asyncio.get_running_loop().run_in_executor(self._spool.pool, self._drop)

    def _drop(self) -> None:
        if self._descriptor is not None:
            self._spool.files.close(self._descriptor)
            self._descriptor = None
        self._spool.files.unlink(self._spool.path(self._name))


class StoredContent:
    """api.Content: prefix and tail in memory; a small body in memory or fetched when asked for, a large one from its file."""

    __slots__ = ("_load", "_spool", "body", "id", "prefix", "size", "tail")

    def __init__(self, number: int, prefix: bytes, body: Body, spool: Kept, load: Load, tail: bytes = b"") -> None:
        self.id, self.prefix, self.body, self.tail = number, prefix, body, tail
        self.size = len(prefix) + body.size + len(tail)
        self._spool, self._load = spool, load

    async def read(self, offset: int, length: int) -> bytes:
        head = self.prefix[offset : offset + length]
        start = max(0, offset - len(self.prefix))
        wanted = min(length - len(head), self.body.size - start)
        part = await self._body(start, wanted) if wanted > 0 else b""
        if len(part) < wanted:
            return head + part  # the file is short: nothing may stand in for what is lost
        left = length - len(head) - len(part)
        start = max(0, start - self.body.size)
        return head + part + self.tail[start : start + left] if left > 0 and self.tail else head + part

    async def _body(self, start: int, length: int) -> bytes:
        if self.body.spool is not None:
            return await self._spool.read(self.body.spool, start, length)
        if self.body.data is None:
            self.body = Body(self.body.size, await self._load(self.id))
        data = self.body.data
        assert data is not None
        return data[start : start + length]

    async def blocks(self, size: int = 262_144) -> AsyncIterator[bytes]:
        offset = 0
        while offset < self.size:
            block = await self.read(offset, size)
            if not block:
                raise Temporary(f"content {self.id} ends at {offset} of {self.size} octets")
            yield block
            offset += len(block)


class OpenFile:
    """api.MessageFile on a descriptor."""

    def __init__(self, name: str, files: Files, pool: Executor, descriptor: int, size: int) -> None:
        self.name, self.size = name, size
        self._files, self._pool, self._descriptor = files, pool, descriptor

    async def read(self, offset: int, length: int) -> bytes:
        loop = asyncio.get_running_loop()
        length = min(length, self.size - offset)
        try:
            return await loop.run_in_executor(self._pool, self._files.pread, self._descriptor, offset, length)
        except OSError as error:
            raise Temporary(f"message file: {error}") from error

    async def __aenter__(self) -> "OpenFile":
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    __del__ = _close  # who asked for it may have been cut off before it came


class ReadFile:
    """api.MessageFile that has been read whole. `size`: what the index says of it."""

    def __init__(self, name: str, text: bytes, size: int) -> None:
        self.name, self.size, self._text = name, size, text

    async def read(self, offset: int, length: int) -> bytes:
        return self._text[offset : min(offset + length, self.size)]

    async def __aenter__(self) -> "ReadFile":
        return self

    async def __aexit__(self, *exc: object) -> None:
        return


class OpenLines(OpenFile):
    """A file whose lines end with LF alone, as Dovecot and local programs write them, read as the CRLF that clients are shown."""

    def __init__(self, name: str, files: Files, pool: Executor, descriptor: int, octets: int, size: int) -> None:
        super().__init__(name, files, pool, descriptor, size)
        self._octets = octets
        self._lines: Lines | None = None

    async def read(self, offset: int, length: int) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, self._read, offset, min(length, self.size - offset))
        except OSError as error:
            raise Temporary(f"message file: {error}") from error

    def _read(self, offset: int, length: int) -> bytes:
        if self._lines is None:
            self._lines = Lines(self._files, self._descriptor, self._octets)
        return self._lines.read(offset, length)


class Lines:
    """A file with each line end as CRLF: `size` octets. Of the file only marks are kept, one a block; it is read through once for them."""

    def __init__(self, files: Files, descriptor: int, octets: int) -> None:
        self._files, self._descriptor = files, descriptor
        self._marks = [0]  # where in the text each block of the file begins
        for number in range(-(-octets // _LINES)):
            self._marks.append(self._marks[-1] + len(self._block(number)))
        self.size = self._marks[-1]

    def read(self, offset: int, length: int) -> bytes:
        if length <= 0:
            return b""
        first = max(0, bisect_right(self._marks, offset) - 1)
        last = bisect_left(self._marks, offset + length)
        text = b"".join([self._block(number) for number in range(first, last)])
        return text[offset - self._marks[first] : offset - self._marks[first] + length]

    def _block(self, number: int) -> bytes:
        """A block as clients are shown it: its line ends are made CRLF, seen with the octet before it."""
        start = number * _LINES
        before = self._files.pread(self._descriptor, start - 1, 1) if start else b""
        return with_crlf(before + self._files.pread(self._descriptor, start, _LINES))[len(with_crlf(before)) :]


def with_crlf(text: bytes) -> bytes:
    """Each line end as CRLF."""
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class HeldContent(StoredContent):
    """A large body whose spool file is open: it may go meanwhile, as it does when the message has got its own file."""

    __slots__ = ("_held",)

    def __init__(self, stored: StoredContent, held: OpenFile) -> None:
        super().__init__(stored.id, stored.prefix, stored.body, stored._spool, stored._load, stored.tail)
        self._held = held

    async def _body(self, start: int, length: int) -> bytes:
        return await self._held.read(room_of(self._held.name) + start, length)

    async def close(self) -> None:
        await self._held.__aexit__()


class OpenContent:
    """api.MessageFile on content whose file is not written yet; `head` stands before it."""

    def __init__(self, name: str, head: bytes, content: StoredContent) -> None:
        self.name, self.size = name, len(head) + content.size
        self._head, self._content = head, content

    async def read(self, offset: int, length: int) -> bytes:
        part = self._head[offset : offset + length]
        if len(part) < length:
            start = max(0, offset - len(self._head))
            part += await self._content.read(start, length - len(part))
        return part

    async def __aenter__(self) -> "OpenContent":
        return self

    async def __aexit__(self, *exc: object) -> None:
        if isinstance(self._content, HeldContent):
            await self._content.close()
