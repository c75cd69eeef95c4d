"""The kernel's word of what happens in folders (inotify(7)), of which Python's library has nothing. Linux only."""

import ctypes
import os
import struct

from msgspec import Struct

MODIFIED, CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x2, 0x8, 0x40, 0x80, 0x100, 0x200
OVERFLOW, IGNORED, ONLY_FOLDERS = 0x4000, 0x8000, 0x1000000
CHANGES = CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name
_BLOCK = 65_536


class Event(Struct, frozen=True):
    """`watch`: what `add` answered; -1 with OVERFLOW: events were lost. `name`: below the watched folder."""

    watch: int
    mask: int
    name: str


class Inotify:
    """Calls do not block. OSError where the system has no such thing, or no more watches to give."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            self._init, self._add, self._remove = libc.inotify_init1, libc.inotify_add_watch, libc.inotify_rm_watch
        except AttributeError as error:
            raise OSError("no inotify here") from error
        self.descriptor = self._checked(self._init(os.O_NONBLOCK | os.O_CLOEXEC))

    def _checked(self, answer: int) -> int:
        if answer < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return answer

    def add(self, path: str) -> int:
        """Watch a folder; its number."""
        return self._checked(self._add(self.descriptor, os.fsencode(path), ctypes.c_uint32(CHANGES | ONLY_FOLDERS)))

    def remove(self, watch: int) -> None:
        """A watch that is gone needs none."""
        self._remove(self.descriptor, watch)

    def read(self) -> list[Event]:
        """What happened; nothing where nothing did."""
        try:
            block = os.read(self.descriptor, _BLOCK)
        except BlockingIOError:
            return []
        events = []
        offset = 0
        while offset < len(block):
            watch, mask, _, length = _EVENT.unpack_from(block, offset)
            offset += _EVENT.size
            name = os.fsdecode(block[offset : offset + length].rstrip(b"\0"))
            offset += length
            events.append(Event(watch, mask, name))
        return events

    def close(self) -> None:
        os.close(self.descriptor)
