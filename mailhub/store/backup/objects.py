"""Octets by their digest: put once, read with a look at the digest."""

import errno
import hashlib
import os
from collections.abc import Callable

from ..files import Files
from .layout import Folder, Trouble, open_plain

_BLOCK = 1 << 20


class Objects:
    """Of a folder of backups. Copies, never links: what happens to a mail file later, happens to that file alone."""

    def __init__(self, folder: Folder, trusted: Callable[[str], bool]) -> None:
        """`trusted`: whether a backup that is whole has that digest; what one that was broken off left may be short."""
        self._folder, self._files, self._trusted = folder, folder.files, trusted
        self._together = self._files.sync_all(str(folder.path))  # else each is synced as it is written
        self.new = self.octets = 0

    def there(self, digest: str, size: int) -> bool:
        return self._files.size(self._folder.object(digest)) == size

    def put(self, path: str) -> tuple[str, int, int]:
        """Digest, size and date of a file, whose octets are here afterwards. OSError where it can not be read."""
        descriptor = open_plain(path)
        try:
            found = os.fstat(descriptor)
            text = self._files.pread(descriptor, 0, _BLOCK) if found.st_size < _BLOCK else None
            digest = hashlib.sha256(text).hexdigest() if text is not None else _digest(descriptor)
            size = found.st_size if text is None else len(text)
            if not (self._trusted(digest) and self.there(digest, size)):
                self._write(descriptor, digest, text)
            return digest, size, int(found.st_mtime)
        finally:
            os.close(descriptor)

    def _write(self, source: int, digest: str, text: bytes | None) -> None:
        target = self._folder.object(digest)
        partial = f"{target}.part"
        try:
            self._files.make_dirs(target.rpartition("/")[0])
            size = self._copy(source, text, partial)
        except OSError as error:  # no fault of the file that is read
            raise Trouble(f"{target}: {error.strerror or error}", "temporary") from error
        if text is None and digest_of(partial)[0] != digest:
            raise OSError(errno.EAGAIN, "it was changed while it was read")
        self._files.rename(partial, target)
        if not self._together:
            self._files.sync_file(target.rpartition("/")[0])
        self.new += 1
        self.octets += size

    def _copy(self, source: int, text: bytes | None, target: str) -> int:
        self._files.unlink(target)
        descriptor = self._files.create(target)
        try:
            if text is None:
                size = copy(self._files, source, descriptor)
            else:
                self._files.append(descriptor, (text,))
                size = len(text)
            if not self._together:
                self._files.sync(descriptor)
        finally:
            self._files.close(descriptor)
        return size

    def sync(self) -> None:
        """All that was put is on disk."""
        self._files.sync_all(str(self._folder.path))


def copy(files: Files, source: int, target: int) -> int:
    """All octets; how many. A file system that can shares their blocks."""
    offset = 0
    while True:
        try:
            done = os.copy_file_range(source, target, _BLOCK, offset)
        except OSError:
            block = files.pread(source, offset, _BLOCK)
            files.append(target, (block,))
            done = len(block)
        if not done:
            return offset
        offset += done


def _digest(descriptor: int) -> str:
    found, offset = hashlib.sha256(), 0
    while block := os.pread(descriptor, _BLOCK, offset):
        found.update(block)
        offset += len(block)
    return found.hexdigest()


def digest_of(path: str) -> tuple[str, int]:
    """Digest and octets of a file. OSError for a link and what is no file."""
    descriptor = open_plain(path)
    try:
        return _digest(descriptor), os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
