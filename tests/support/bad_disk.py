"""A file layer with files that can not be read, written or renamed, as a disk has them whose sectors die, or that is full."""

import errno
import os
from collections.abc import Iterable

from mailhub.store.files import Files


class BadDisk(Files):
    """`bad`: parts of paths, and the error that touching such a file gives."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: dict[str, int] = {}
        self._opened: dict[int, str] = {}

    def touch(self, *paths: str) -> None:
        for path in paths:
            for part, number in self.bad.items():
                if part in path:
                    raise OSError(number, os.strerror(number), path)

    def create(self, path: str) -> int:
        self.touch(path)
        self._opened[descriptor := super().create(path)] = path
        return descriptor

    def append(self, descriptor: int, blocks: Iterable[bytes]) -> None:
        self.touch(self._opened.get(descriptor, ""))
        super().append(descriptor, blocks)

    def rename(self, source: str, target: str) -> None:
        self.touch(source, target)
        super().rename(source, target)

    def link(self, source: str, target: str) -> None:
        self.touch(source, target)
        super().link(source, target)

    def unlink(self, path: str) -> None:
        self.touch(path)
        super().unlink(path)

    def open_read(self, path: str) -> int:
        self.touch(path)
        self._opened[descriptor := super().open_read(path)] = path
        return descriptor

    def pread(self, descriptor: int, offset: int, length: int) -> bytes:
        self.touch(self._opened.get(descriptor, ""))
        return super().pread(descriptor, offset, length)

    def read(self, path: str, offset: int = 0, length: int = -1) -> bytes:
        self.touch(path)
        return super().read(path, offset, length)

    def listing(self, path: str) -> list[str]:
        self.touch(path)
        return super().listing(path)

    def sync_all(self, path: str) -> bool:
        self.touch("sync")
        return super().sync_all(path)

    def sync_file(self, path: str) -> None:
        self.touch("sync")
        super().sync_file(path)


EIO, EMFILE, ENOSPC = errno.EIO, errno.EMFILE, errno.ENOSPC
