"""A message at the end of a mailbox file (mbox), under both locks, whole or not at all.

The file is as the server wrote it: a "From " line, a line with the mark of this delivery, the message with ">From " where a line
of it begins so, an empty line. As no other line begins with "From ", the mark behind one is a mark and no sender's words.
"""

import fcntl
import os
import stat
import time

from msgspec import Struct

from .dotlock import Dotlock, Unfinished, held, sync_folder
from .exits import later

_BLOCK = 262_144
_PAUSE = 0.2
_SEPARATOR = b"\nFrom "
_MARKED = b"X-Delivery-Id: "
_FIRST = 1_000  # octets in which a "From " line has ended


class Limits(Struct, frozen=True):
    """Octets of a mailbox, 0 for no limit; seconds to wait for a lock, and the age at which one is taken away."""

    mailbox_size_limit: int
    lock_timeout: float
    stale_lock_time: float


def marked(head: bytes, mark: str) -> bytes:
    """The fields before a message, "From " line first, with the mark of this delivery behind that line."""
    separator, end, fields = head.partition(b"\r\n")
    return separator + end + _MARKED + mark.encode() + end + fields


def append(path: str, source: int, mark: str, again: bool, limits: Limits) -> None:
    """Failed where it is not in the mailbox, whose size is as before then. `again`: not where it is in there already."""
    with held(path, limits.lock_timeout, limits.stale_lock_time) as lock:
        mailbox = _opened(path, limits.lock_timeout)
        try:
            if lock.left is not None:
                _repaired(mailbox, lock)
            if again and _has(mailbox, mark):
                return
            _written(mailbox, source, mark, lock, limits)
        finally:
            os.close(mailbox)


def _opened(path: str, patience: float) -> int:
    """Open and locked; made where it is not there. Only a plain file of the user's own, with one name."""
    until = time.monotonic() + patience
    while True:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        mailbox = os.open(path, flags, 0o600)
        try:
            _check(os.fstat(mailbox))
            fcntl.lockf(mailbox, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found, here = os.lstat(path), os.fstat(mailbox)
            if (found.st_dev, found.st_ino) == (here.st_dev, here.st_ino):
                return mailbox  # else a program put another in its place while we waited
        except BlockingIOError:
            pass
        except BaseException:
            os.close(mailbox)
            raise
        os.close(mailbox)
        if time.monotonic() >= until:
            later("4.2.0", "the mailbox is locked by another program")
        time.sleep(_PAUSE)


def _check(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        later("4.2.0", "the mailbox is no plain file")
    if found.st_uid != os.geteuid():
        later("4.2.0", "the mailbox belongs to another user")
    if found.st_nlink != 1:
        later("4.2.0", "the mailbox has more than one name (hard link)")


def _written(mailbox: int, source: int, mark: str, lock: Dotlock, limits: Limits) -> None:
    found, more = os.fstat(mailbox), os.fstat(source).st_size
    size, limit = found.st_size, limits.mailbox_size_limit
    if limit and size + more > limit:
        later("4.2.2", f"the mailbox is full ({limit} octets)")
    lock.note(mark, found.st_ino, size)
    try:
        _all(mailbox, _gap(mailbox, size))
        offset = 0
        while block := os.pread(source, _BLOCK, offset):
            _all(mailbox, block)
            offset += len(block)
        os.fsync(mailbox)
        if not size:
            sync_folder(lock.path)
    except OSError:
        _cut(mailbox, size)
        raise


def _all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _gap(mailbox: int, size: int) -> bytes:
    """What lacks for an empty line between the last message and ours."""
    last = os.pread(mailbox, 2, max(0, size - 2))
    if not size or last == b"\n\n":
        return b""
    return b"\n" if last.endswith(b"\n") else b"\n\n"


def _cut(mailbox: int, size: int) -> None:
    try:
        os.ftruncate(mailbox, size)
        os.fsync(mailbox)
    except OSError as error:
        raise Unfinished(f"the mailbox can not be cut back: {error.strerror}") from error


def _repaired(mailbox: int, lock: Dotlock) -> None:
    """Cut off what one who died has left: only what is surely his, as he has not told of it, and so it will be brought again."""
    note, found = lock.left, os.fstat(mailbox)
    if note is None or note.inode != found.st_ino or not note.size < found.st_size:
        return
    start = os.pread(mailbox, _FIRST, note.size)
    lead = start.lstrip(b"\n")
    foreign = len(start) - len(lead) > len(b"\n\n") or not (b"From ".startswith(lead[:5]) or lead.startswith(b"From "))
    beyond = note.size + len(start) - len(lead) + 1
    if foreign or _find(mailbox, _SEPARATOR, beyond):
        return
    _cut(mailbox, note.size)


def _has(mailbox: int, mark: str) -> bool:
    """Whether the message of that mark is in it."""
    wanted = b"\n" + _MARKED + mark.encode() + b"\n"
    offset = 0
    while (at := _at(mailbox, wanted, offset)) >= 0:
        before = os.pread(mailbox, min(_FIRST, at), max(0, at - _FIRST))
        if before.rpartition(b"\n")[2].startswith(b"From "):
            return True
        offset = at + 1
    return False


def _find(fd: int, wanted: bytes, offset: int) -> bool:
    return _at(fd, wanted, offset) >= 0


def _at(fd: int, wanted: bytes, offset: int) -> int:
    """Where it stands from `offset` on; -1 where it does not."""
    kept = b""
    while block := os.pread(fd, _BLOCK, offset):
        data = kept + block
        if (found := data.find(wanted)) >= 0:
            return offset - len(kept) + found
        kept = data[1 - len(wanted) :]
        offset += len(block)
    return -1
