"""NAME.lock beside a mailbox: the lock that other mail programs look for, and our journal.

Its first line says which message we are about to append, to which file and from which size on. It is on disk before the mailbox grows. A
child that dies leaves it there; whoever comes next for that mailbox finds it, sees that nobody holds it (fcntl), and cuts the mailbox
back. Locks of other programs are waited for, and taken away when they are old, as liblockfile and Postfix do.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from msgspec import Struct

from .exits import later

_WORD = b"mailhub"
_PAUSE = 0.5  # seconds between two tries
_LINE = 400


class Note(Struct):
    """What a journal says: the mailbox's inode and size before."""

    inode: int
    size: int


class Dotlock:
    """Held. `left`: the note of one who died with it."""

    def __init__(self, path: str, fd: int, left: Note | None) -> None:
        self.path, self._fd, self.left = path, fd, left

    def note(self, mark: str, inode: int, size: int) -> None:
        """On disk when this returns."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, b"%b %b %d %d\n" % (_WORD, mark.encode(), inode, size), 0)
        os.fsync(self._fd)
        sync_folder(self.path)

    def release(self) -> None:
        os.unlink(self.path)
        os.close(self._fd)


@contextlib.contextmanager
def held(mailbox: str, patience: float, stale: float) -> Iterator[Dotlock]:
    """Failed where it can not be had in time. It is left in its place where the block ends with `Unfinished`."""
    path, until = mailbox + ".lock", time.monotonic() + patience
    while (lock := _taken(path, stale)) is None:
        if time.monotonic() >= until:
            later("4.2.0", "the mailbox is locked by another program")
        time.sleep(_PAUSE)
    try:
        yield lock
    except Unfinished as error:
        later("4.2.0", str(error))
    except BaseException:
        lock.release()
        raise
    lock.release()


class Unfinished(Exception):
    """The mailbox could not be cut back: the lock stays, with its note, for the next one."""


def _taken(path: str, stale: float) -> Dotlock | None:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return _inherited(path, stale)
    fcntl.lockf(fd, fcntl.LOCK_EX)  # who looks at it just now lets go at once
    os.pwrite(fd, _WORD + b"\n", 0)
    return Dotlock(path, fd, None)


def _inherited(path: str, stale: float) -> Dotlock | None:
    """One of ours that nobody holds any more, with what it says; one of others that is old is removed."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:  # not ours to open: nobody but its owner, or time, can tell
        _clear(path, stale)
        return None
    kept = False
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        words = os.pread(fd, _LINE, 0).split()
        if _is_at(fd, path) and os.fstat(fd).st_uid == os.geteuid() and words and words[0] == _WORD:
            kept = True
            return Dotlock(path, fd, _note(words))
        _clear(path, stale)
    except OSError:
        return None
    finally:
        if not kept:
            os.close(fd)
    return None


def _note(words: list[bytes]) -> Note | None:
    try:
        return Note(int(words[2]), int(words[3]))
    except (IndexError, ValueError):  # it died before it wrote
        return None


def _clear(path: str, stale: float) -> None:
    with contextlib.suppress(OSError):
        if time.time() - os.lstat(path).st_mtime > stale:
            os.unlink(path)


def _is_at(fd: int, path: str) -> bool:
    there, here = os.lstat(path), os.fstat(fd)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def sync_folder(path: str) -> None:
    """The folder that `path` stands in: names in it are on disk."""
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
