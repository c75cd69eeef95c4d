"""What is in an archive, and in archives in it, within bounds on octets, members and depth: nothing is unpacked beyond them."""

import bz2
import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

from mailhub.message import signatures

from .members import Bounds, Member

_STEP = 65_536
_RATIO = 100  # how much smaller than its content a bomb is
_DIRECTORY = 400  # octets of a zip's directory for each member
_ERRORS = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, KeyError, IndexError, zipfile.BadZipFile,
           tarfile.TarError, zlib.error, OverflowError, MemoryError, ArithmeticError)  # fmt: skip


class _Beyond(Exception):
    """The bounds are reached."""


def members(data: bytes, kind: str, bounds: Bounds, path: str = "", depth: int = 1) -> Iterator[Member]:
    """Those of an archive of that kind, and of those in it. Never raises."""
    if depth > bounds.depth:
        yield Member(path, kind, "large")
        return
    try:
        if kind == "zip":
            yield from _zip(data, bounds, path, depth)
        elif kind == "tar":
            yield from _tar(data, bounds, path, depth)
        else:
            inside = _inflated(data, kind, bounds)
            yield from _member(f"{path}/", inside, bounds, depth)
    except _Beyond as reason:
        yield Member(path, kind, str(reason))
    except _ERRORS:
        yield Member(path, kind, "unreadable")


def _member(path: str, data: bytes, bounds: Bounds, depth: int) -> Iterator[Member]:
    kind = signatures.kind(data[: signatures.READ])
    yield Member(path, kind)
    if kind in signatures.ARCHIVES:
        yield from members(data, kind, bounds, path, depth + 1)


def _counted(bounds: Bounds) -> None:
    bounds.members -= 1
    if bounds.members < 0:
        raise _Beyond("large")


def _zip(data: bytes, bounds: Bounds, path: str, depth: int) -> Iterator[Member]:
    _directory_fits(data, bounds)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        whole = sum(info.file_size for info in infos)
        if whole > bounds.octets and whole > len(data) * _RATIO:
            raise _Beyond("bomb")
        for info in infos:
            _counted(bounds)
            name = f"{path}/{info.filename}"
            if info.is_dir():
                continue
            if info.flag_bits & 1:
                yield Member(name, "", "encrypted")
                continue
            try:
                with archive.open(info) as opened:
                    head = opened.read(signatures.READ)
                    bounds.octets -= len(head)
                    kind = signatures.kind(head)
                    if kind in signatures.ARCHIVES:
                        head += _rest(opened, partial(int, info.compress_size), bounds)
            except _ERRORS:
                yield Member(name, "", "unreadable")
                continue
            yield Member(name, kind)
            if kind in signatures.ARCHIVES:
                yield from members(head, kind, bounds, name, depth + 1)


def _directory_fits(data: bytes, bounds: Bounds) -> None:
    """A directory of a million entries takes seconds to read: it says first how large it is."""
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - 65_600))
    count, size = (
        int.from_bytes(data[end + 10 : end + 12], "little"),
        int.from_bytes(data[end + 12 : end + 16], "little"),
    )
    if end >= 0 and (count > bounds.members or size > max(1, bounds.members) * _DIRECTORY):
        raise _Beyond("large")


def _rest(opened: IO[bytes] | gzip.GzipFile | bz2.BZ2File, packed: Callable[[], int], bounds: Bounds) -> bytes:
    """`packed`: octets that it was made of."""
    blocks, size = [], 0
    while block := opened.read(_STEP):
        blocks.append(block)
        size += len(block)
        bounds.octets -= len(block)
        if bounds.octets < 0:
            raise _Beyond("bomb" if size > packed() * _RATIO else "large")
    return b"".join(blocks)


def _tar(data: bytes, bounds: Bounds, path: str, depth: int) -> Iterator[Member]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        while (info := archive.next()) is not None:
            _counted(bounds)
            if info.isfile() and not info.issparse():
                inside = data[info.offset_data : info.offset_data + info.size]
                yield from _member(f"{path}/{info.name}", inside, bounds, depth)


def _inflated(data: bytes, kind: str, bounds: Bounds) -> bytes:
    source = io.BytesIO(data)
    with gzip.GzipFile(fileobj=source) if kind == "gzip" else bz2.BZ2File(source) as opened:
        return _rest(opened, source.tell, bounds)
