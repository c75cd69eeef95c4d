""":include: files: read a part at a time, in a thread."""

import os
import stat
from typing import BinaryIO

from msgspec import Struct

from mailhub.message.alias_list import INCLUDE as INCLUDE
from mailhub.message.alias_list import Target, targets
from mailhub.model.errors import Temporary
from mailhub.model.reply import Reply

UNREADABLE = Reply(451, "4.2.4", "The list can not be read now")
_BLOCK = 65_536
_LINE = 65_536  # octets of a line


class Part(Struct, frozen=True):
    """Some members of a list, and where the next ones begin: "" where there are no more."""

    members: tuple[Target, ...]
    rest: str


class _Place(Struct, frozen=True):
    """A line's offset, the members of it that were had, and what changes when the file does."""

    offset: int = 0
    had: int = 0
    stamp: str = ""


def read(path: str, start: str, count: int, limit: int) -> Part:
    """`count` members at the most, from `start` on (`rest` of the part before). A list that was changed meanwhile begins anew.
    Temporary names the file and the line, where it can not be used."""
    if not path.startswith("/"):
        raise Temporary(f"{path}: the name of an :include: file begins with a slash", UNREADABLE)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise Temporary(f"{path}: {error.strerror}", UNREADABLE) from None
    with open(descriptor, "rb", buffering=_BLOCK) as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
            raise Temporary(f"{path}: not a file of at most {limit} octets", UNREADABLE)
        stamp = f"{found.st_mtime_ns}.{found.st_size}.{found.st_ino}"
        place = _place(start)
        if place.stamp != stamp:
            place = _Place()
        file.seek(place.offset)
        members: list[Target] = []
        offset, skip = place.offset, place.had
        while line := file.readline(_LINE + 1):
            new = targets(_text(path, file, line, offset))[skip:]
            room = count - len(members)
            members += new[:room]
            if len(new) > room:
                return Part(tuple(members), f"{offset}:{skip + room}:{stamp}")
            offset, skip = offset + len(line), 0
            if len(new) == room and offset < found.st_size:
                return Part(tuple(members), f"{offset}:0:{stamp}")
        return Part(tuple(members), "")


def _text(path: str, file: BinaryIO, line: bytes, offset: int) -> str:
    try:
        if len(line) > _LINE:
            raise ValueError(f"more than {_LINE} octets")
        return line.decode("utf-8-sig" if not offset else "utf-8")
    except ValueError as error:
        what = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise Temporary(f"{path}:{_number(file, offset)}: {what}", UNREADABLE) from None


def _number(file: BinaryIO, offset: int) -> int:
    """Of the line that begins there."""
    file.seek(0)
    number = 1
    while offset > 0 and (block := file.read(min(offset, _BLOCK))):
        number, offset = number + block.count(b"\n"), offset - len(block)
    return number


def _place(start: str) -> _Place:
    if not start:
        return _Place()
    offset, had, stamp = start.split(":")
    return _Place(int(offset), int(had), stamp)
