"""Files of the maildrop: mail that a program of this host left while no server took it.

A file is one line of JSON (`Envelope`) and the message behind it, with CRLF. It is written under another name, synced, renamed and the
folder synced, so that what has its name is whole. Whoever may write there may write anything: all is checked when it is read.
"""

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from typing import Annotated, BinaryIO, Literal

import msgspec

OURS = 0o700
EVERYBODY = 0o3777  # setgid: files have the group of the folder, and its owner can read those of everybody
FOLDER = "maildrop"  # below the data folder
READY = ".mail"  # ends the name of a whole message

_MODE = 0o640
_NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]{24}\.mail")
_WRITING = ".tmp"
WRONG = ".bad"
_ENTRIES = 100_000  # of the folder that are looked at
_HEAD = 1_048_576  # octets of the first line
_BLOCK = 65_536
_ABANDONED = 86_400.0  # seconds after which what nobody finished is thrown away


class Full(Exception):
    """No room: it says of what."""


class Unusable(Exception):
    """The file is no message of ours, for the reason it says."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """Of one message; `sender` "" for the null reverse-path. `notify` (bits of model.envelope.Notify), `ret`, `envid`: which reports
    are wanted (RFC 3461)."""

    sender: str
    recipients: tuple[str, ...]
    notify: Annotated[int, msgspec.Meta(ge=0, le=15)] = 0
    ret: Literal["FULL", "HDRS"] | None = None
    envid: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class Bounds(msgspec.Struct, frozen=True):
    """Of the folder: messages and octets that wait; octets of disk that have to stay free."""

    messages: int
    octets: int
    free: int


def leave(folder: str, envelope: Envelope, text: bytes, when: float, bounds: Bounds) -> str:
    """Leave a message; its name, when it is on disk. Full, or OSError. `when`: names sort by it."""
    _make(folder)
    head = msgspec.json.encode(envelope) + b"\n"
    _room(folder, len(head) + len(text), bounds)
    name = f"{int(when * 1e6):016x}-{secrets.token_hex(12)}"
    writing = f"{folder}/{name}{_WRITING}"
    descriptor = os.open(writing, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), _MODE)
            if not os.geteuid():  # root's mail is the server's to read and to take away
                owner = os.stat(folder)
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(head)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(writing, f"{folder}/{name}{READY}")
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(writing)
        raise
    _sync(folder)
    return name


def _make(folder: str) -> None:
    """Where it is missing below a data folder that is there."""
    if os.path.isdir(folder):
        return
    above = os.stat(os.path.dirname(folder))
    os.mkdir(folder, 0o700)
    if not os.geteuid():
        os.chown(folder, above.st_uid, above.st_gid)
    os.chmod(folder, OURS)


def prepare(folder: str, everybody: bool) -> bool:
    """Make the folder as it is to be, for whom it is to be; whether it is empty. OSError."""
    with contextlib.suppress(FileExistsError):
        os.makedirs(folder, 0o700)
    mode = EVERYBODY if everybody else OURS
    if stat.S_IMODE(os.stat(folder).st_mode) != mode:
        os.chmod(folder, mode)
    return next(_entries(folder), None) is None


def _room(folder: str, octets: int, bounds: Bounds) -> None:
    count, held = waiting(folder)
    if count >= bounds.messages:
        raise Full(f"{count} messages wait there already (maildrop.message_limit)")
    if held + octets > bounds.octets:
        raise Full(f"{held} octets wait there already (maildrop.size_limit)")
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize - octets < bounds.free:
        raise Full("the disk is nearly full (store.free_space_floor)")


def waiting(folder: str) -> tuple[int, int]:
    """Files and octets in it, finished or not."""
    count = octets = 0
    for entry in _entries(folder):
        with contextlib.suppress(OSError):
            octets += entry.stat(follow_symlinks=False).st_size
            count += 1
    return count, octets


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number >= _ENTRIES:
                return
            yield entry


def names(folder: str, now: float) -> list[str]:
    """Of messages that are whole, oldest first. What was left unfinished long ago is thrown away."""
    found = []
    for entry in _entries(folder):
        if _NAME.fullmatch(entry.name):
            found.append(entry.name)
        elif entry.name.endswith(_WRITING):
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mtime < now - _ABANDONED:
                    os.unlink(entry.path)
    return sorted(found)


def read(folder: str, name: str, limit: int) -> tuple[Envelope, int, list[bytes]]:
    """A message: its envelope, who left it (user id), and the text in blocks. Unusable where it is not what it should be, or larger
    than `limit` octets (0: no limit); OSError where it can not be read."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(f"{folder}/{name}", flags)
    except PermissionError as error:
        raise Unusable("it can not be read: the folder should be setgid") from error
    except OSError as error:
        if os.path.islink(f"{folder}/{name}"):
            raise Unusable("it is a link") from error
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(descriptor)
        raise Unusable("it is no file of its own")
    with os.fdopen(descriptor, "rb") as file:
        if limit and found.st_size > limit + _HEAD:
            raise Unusable(f"it is larger than {limit} octets (smtp.message_size_limit)")
        head = file.readline(_HEAD)
        try:
            envelope = msgspec.json.decode(head, type=Envelope)
        except msgspec.DecodeError as error:
            raise Unusable(f"its first line is no envelope: {error}") from error
        blocks = list(_with_crlf(file, found.st_size - len(head)))
        if limit and sum(map(len, blocks)) > limit:
            raise Unusable(f"it is larger than {limit} octets (smtp.message_size_limit)")
        return envelope, found.st_uid, blocks


def _with_crlf(file: BinaryIO, octets: int) -> Iterator[bytes]:
    """So many octets, whatever ends their lines. Unusable where a line is as long as a block."""
    held = last = b""
    while octets > 0 and (block := file.read(min(_BLOCK, octets))):
        octets -= len(block)
        if len(block) == _BLOCK and b"\n" not in block:
            raise Unusable(f"a line is longer than {_BLOCK} octets")
        block = held + block
        held = block[-1:] if block.endswith(b"\r") else b""
        block = block[: len(block) - len(held)]
        yield block.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
        last = block
    if held or not last.endswith(b"\n"):
        yield b"\r\n"


def remove(folder: str, name: str) -> None:
    """For good. OSError."""
    os.unlink(f"{folder}/{name}")
    _sync(folder)


def set_aside(folder: str, name: str) -> None:
    """Nobody looks at it again but the operator. OSError."""
    os.rename(f"{folder}/{name}", f"{folder}/{name.removesuffix(READY)}{WRONG}")


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
