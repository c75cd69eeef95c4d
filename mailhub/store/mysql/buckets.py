"""Where objects lie: an S3-compatible store, or a folder that all nodes share. An object is written once, under a name that nothing else
ever had, and never changed.

obstore's local store writes files without a sync (0.12, read in its source), and 250 means on disk: folders are our own.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mailhub.model.errors import Permanent, Temporary

from ..files import Files

T = TypeVar("T")
_PART = 1_048_576  # octets taken from the net at a time
_PAGE = 1_000
TIMEOUT = "60s"  # of one request, whole; there are two more where it fails
_CLOCK = "zz-clock"  # behind all bodies


class Bucket(Protocol):
    """Temporary where it can not be reached, or has not got what it is asked for."""

    async def put(self, name: str, path: str) -> None:
        """Store a file; it is safe when this returns."""
        ...

    async def get(self, name: str, path: str) -> None:
        """Fetch it into a new file."""
        ...

    async def delete(self, name: str) -> None:
        """One that is not there is deleted."""
        ...

    async def page(self, after: str) -> list[tuple[str, float]]:
        """Some names above `after`, ascending, and when each was written, by the clock of where they lie; none: there are no more."""
        ...

    async def now(self) -> float:
        """What that clock shows: when something was written that was written now."""
        ...


def bucket_of(where: str, files: Files, pool: Executor) -> Bucket:
    """`where`: "s3://BUCKET/PREFIX", or the path of a folder. Permanent where there can be none."""
    if not where.startswith("s3://"):
        return Folder(where, files, pool)
    try:
        return S3(where)
    except ImportError as error:
        raise Permanent('objects in S3 need obstore: install mailhub with it ("mailhub[s3]")') from error
    except Exception as error:
        raise Permanent(f"store.objects = {where!r}: {error}") from error


class Folder:
    """Files DIGIT DIGIT/NAME below a folder."""

    def __init__(self, folder: str, files: Files, pool: Executor) -> None:
        self._folder, self._files, self._pool = folder, files, pool

    async def _do(self, function: Callable[..., T], *values: object) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *values)
        except OSError as error:
            raise Temporary(f"objects in {self._folder}: {error}") from error

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name[:2]}/{name}"

    async def put(self, name: str, path: str) -> None:
        await self._do(self._put, name, path)

    def _put(self, name: str, path: str) -> None:
        files, target = self._files, self._path(name)
        folder = os.path.dirname(target)
        if not files.exists(folder):
            files.make_dirs(folder)
            files.sync_file(self._folder)
        files.write_whole(f"{target}.part", b"", None, path)
        files.sync_file(f"{target}.part")
        files.rename(f"{target}.part", target)
        files.sync_file(folder)

    async def get(self, name: str, path: str) -> None:
        await self._do(self._files.write_whole, path, b"", None, self._path(name))

    async def delete(self, name: str) -> None:
        await self._do(self._files.unlink, self._path(name))

    async def now(self) -> float:
        return await self._do(self._now)

    def _now(self) -> float:
        path = self._path(_CLOCK)
        self._files.make_dirs(os.path.dirname(path))
        self._files.replace_text(path, b"")
        return float(self._files.modified(path))

    async def page(self, after: str) -> list[tuple[str, float]]:
        return await self._do(self._page, after)

    def _page(self, after: str) -> list[tuple[str, float]]:
        for part in sorted(self._files.listing(self._folder)):
            if part < after[:2]:
                continue
            names = sorted(name for name in self._files.listing(f"{self._folder}/{part}") if name > after)
            if names:
                return [(name, float(self._files.modified(self._path(name)))) for name in names[:_PAGE]]
        return []


class S3:
    """By obstore; the login is in the environment, as its users know it (AWS_ACCESS_KEY_ID and others)."""

    def __init__(self, url: str) -> None:
        import obstore
        from obstore.store import from_url

        self._obstore: Any = obstore
        options: Any = {"timeout": TIMEOUT, "connect_timeout": "5s", "allow_http": True}
        retries: Any = {"max_retries": 2}
        self._store: Any = from_url(url, client_options=options, retry_config=retries)
        self._url = url

    def _key(self, name: str) -> str:
        return f"{name[:2]}/{name}"

    def _trouble(self, error: Exception) -> Temporary:
        return Temporary(f"objects in {self._url}: {str(error)[:300]}")

    async def put(self, name: str, path: str) -> None:
        try:
            await self._obstore.put_async(self._store, self._key(name), Path(path))
        except Exception as error:
            raise self._trouble(error) from error

    async def get(self, name: str, path: str) -> None:
        loop = asyncio.get_running_loop()
        descriptor = await loop.run_in_executor(None, os.open, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            found = await self._obstore.get_async(self._store, self._key(name))
            async for part in found.stream(min_chunk_size=_PART):
                await loop.run_in_executor(None, _write_all, descriptor, bytes(part))
        except Exception as error:
            raise self._trouble(error) from error
        finally:
            os.close(descriptor)

    async def delete(self, name: str) -> None:
        try:
            await self._obstore.delete_async(self._store, self._key(name))
        except FileNotFoundError:
            return
        except Exception as error:
            raise self._trouble(error) from error

    async def now(self) -> float:
        try:
            await self._obstore.put_async(self._store, self._key(_CLOCK), b"")
            found = await self._obstore.head_async(self._store, self._key(_CLOCK))
        except Exception as error:
            raise self._trouble(error) from error
        return float(found["last_modified"].timestamp())

    async def page(self, after: str) -> list[tuple[str, float]]:
        try:
            stream = self._obstore.list(self._store, offset=self._key(after) if after else None, chunk_size=_PAGE)
            async for part in stream:
                return [(one["path"].rpartition("/")[2], one["last_modified"].timestamp()) for one in part]
        except Exception as error:
            raise self._trouble(error) from error
        return []


def _write_all(descriptor: int, octets: bytes) -> None:
    while octets:
        octets = octets[os.write(descriptor, octets) :]
