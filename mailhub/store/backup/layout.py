"""The folder of backups: its names, its lock, which backups there are."""

import contextlib
import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ..files import Files

FORMAT = 1
PARTIAL = ".partial"
HEAD, MANIFEST, DATABASE, JUNK = "backup.json", "files", "mailhub.db", "junk.db"
_MARK, _LOCK = "mailhub-backups", "lock"
_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
_HEAD_SIZE = 1_048_576  # octets of a head or mark that are read
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Trouble(Exception):
    """It can not be done. `kind`: as control's failures: "refused", "not_found", "exists", "temporary"."""

    def __init__(self, text: str, kind: str = "refused") -> None:
        super().__init__(text)
        self.kind = kind


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What the disk or a database says becomes Trouble."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise Trouble(f"{where}{error.strerror or error}", "temporary") from error
    except sqlite3.Error as error:
        raise Trouble(f"database: {error}", "temporary") from error


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a backup that is whole. `taken`: wall time of its beginning; what was accepted before is in it. `databases`: their digests.
    `passed_over`: files that could not be read."""

    format: int
    taken: float
    cut: float
    done: float
    program: str
    store: int
    hostname: str
    messages: int
    octets: int
    new_objects: int
    new_octets: int
    queued: int
    gone: int
    manifest: str
    databases: dict[str, str]
    passed_over: tuple[str, ...] = ()


class Folder:
    """DIR. Trouble where it is none."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = Path(os.path.abspath(path))
        self.files = Files()
        mark = self.path / _MARK
        try:
            if create and not mark.exists():
                self._begin(mark)
            found = msgspec.json.decode(read_plain(mark, _HEAD_SIZE))
        except FileNotFoundError:
            raise Trouble(f"{self.path}: no folder of backups, for there is no {mark}", "not_found") from None
        except (OSError, msgspec.MsgspecError) as error:
            raise Trouble(f"{mark}: {error}") from None
        if found != {"format": FORMAT}:
            raise Trouble(f"{mark}: this mailhub reads format {FORMAT}: a newer one made these backups")

    def _begin(self, mark: Path) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(entry.name != _LOCK for entry in self.path.iterdir()):
            raise Trouble(f"{self.path} holds other things: name an empty folder, or one that is not there yet")
        (self.path / "objects").mkdir(mode=0o700, exist_ok=True)
        self.files.replace_text(str(mark), msgspec.json.encode({"format": FORMAT}))
        self.files.sync_file(str(mark))
        self.files.sync_file(str(self.path))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone; Trouble where another process writes here."""
        try:
            descriptor = self.files.lock(str(self.path / _LOCK))
        except BlockingIOError:
            raise Trouble(f"{self.path}: another backup is under way", "temporary") from None
        try:
            yield
        finally:
            os.close(descriptor)

    def names(self) -> list[str]:
        """Of backups that are whole, oldest first."""
        return sorted(name for name in self._folders() if _NAME.fullmatch(name) and (self.path / name / HEAD).exists())

    def broken(self) -> list[str]:
        """Of what was broken off, or is under way."""
        return sorted(name for name in self._folders() if _NAME.fullmatch(name.removesuffix(PARTIAL))
                      and (name.endswith(PARTIAL) or not (self.path / name / HEAD).exists()))  # fmt: skip

    def _folders(self) -> list[str]:
        return [entry.name for entry in self.path.iterdir() if stat.S_ISDIR(entry.lstat().st_mode)]

    def newest(self, at: float | None = None) -> str:
        """The newest one, or the newest that was begun not later than `at` (wall time)."""
        names = [name for name in self.names() if at is None or started(name) <= at]
        if not names:
            said = "no backup that is whole" if at is None else "no backup is that old"
            raise Trouble(f"{self.path}: {said}", "not_found")
        return names[-1]

    def head(self, name: str) -> Head:
        place = self.path / name / HEAD
        try:
            found = msgspec.json.decode(read_plain(place, _HEAD_SIZE), type=Head)
        except (OSError, msgspec.MsgspecError) as error:
            raise Trouble(f"{place}: {error}") from None
        if found.format != FORMAT or not all(map(is_digest, (found.manifest, *found.databases.values()))):
            raise Trouble(f"{place}: not a head of format {FORMAT}")
        if DATABASE not in found.databases or set(found.databases) - {DATABASE, JUNK}:
            raise Trouble(f"{place}: names other databases than a backup has")
        return found

    def object(self, digest: str) -> str:
        """Where octets lie."""
        return f"{self.path}/objects/{digest[:2]}/{digest[2:]}"


def named(moment: float) -> str:
    """The name of a backup that begins then."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H-%M-%SZ")


def started(name: str) -> float:
    """When it began."""
    try:
        return datetime.strptime(name, "%Y-%m-%dT%H-%M-%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return float("inf")  # a day that no calendar has


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def open_plain(path: str | Path) -> int:
    """A descriptor on a regular file; OSError for a link, or anything else that has its name."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "no regular file", str(path))
    return descriptor


def read_plain(path: str | Path, limit: int) -> bytes:
    """A small file."""
    descriptor = open_plain(path)
    try:
        return os.read(descriptor, limit)
    finally:
        os.close(descriptor)
