"""A backup read again, every octet of it."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from ..sqlite.schema import VERSION
from .layout import MANIFEST, Folder, Trouble
from .manifest import entries
from .objects import digest_of

_EVERY = 100


def verify(folder: Folder, name: str, progress: Callable[[int, int], object]) -> Iterator[str]:
    """What is wrong with it, a line each; nothing is written. Trouble where it has no head to go by."""
    head = folder.head(name)
    place = folder.path / name
    if head.store > VERSION:
        yield f"{place}: its store has version {head.store}, this mailhub knows {VERSION}: verify it with a newer mailhub"
    for database, digest in head.databases.items():
        yield from _database(place / database, digest)
    try:
        last, wrong = "", ""
        for done, entry in enumerate(entries(str(place / MANIFEST), head.manifest), 1):
            path = folder.object(entry.digest)
            if entry.digest != last:  # copies of a message stand side by side often
                last, wrong = entry.digest, _wrong(path, entry.digest, entry.size)
            if wrong:
                yield f"{entry.kind} {entry.account} {entry.folder} {entry.file}: {path}: {wrong}"
            if done % _EVERY == 0:
                progress(done, max(done, head.messages))
    except Trouble as error:
        yield str(error)
    progress(1, 1)


def _wrong(path: str, digest: str, size: int) -> str:
    """What is wrong with an object; "" for nothing."""
    try:
        found, octets = digest_of(path)
    except OSError as error:
        return error.strerror or str(error)
    if octets != size:
        return f"{octets} octets instead of {size}"
    return "" if found == digest else "its digest is another"


def _database(path: Path, digest: str) -> Iterator[str]:
    try:
        found, _ = digest_of(str(path))
    except OSError as error:
        yield f"{path}: {error.strerror or error}"
        return
    if found != digest:
        yield f"{path}: its digest is another"
        return
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        try:
            # not quick_check: that of SQLite 3.40 finds NULL where a key without rowid has its columns in another order
            answer = db.execute("pragma integrity_check(1)").fetchone()[0]
        finally:
            db.close()
    except sqlite3.Error as error:
        answer = str(error)
    if answer != "ok":
        yield f"{path}: {answer}"
