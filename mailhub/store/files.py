"""The file layer: the one place that touches mail files and spool files. All calls block; lanes make them.

A test puts another layer in its place that forgets what was not synced (the crash matrix).
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import threading
from collections.abc import Iterable
from pathlib import Path

_BLOCK = 1 << 20
_OURS = 10_000  # changes of ours that are remembered until the kernel has told of them


class Files:
    """Real files. Paths are absolute strings; folders have mode 0700, files 0600."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._syncfs = getattr(libc, "syncfs", None)
        self._names = iter(range(1, 1 << 62))
        self._names_lock = threading.Lock()
        self.watched: set[str] = set()  # folders of which somebody is told what happens
        self._ours: dict[str, None] = {}  # paths in them that we changed

    def _mark(self, *paths: str) -> None:
        """What is done to these is our own doing."""
        if self.watched:
            for path in paths:
                if path.rpartition("/")[0] in self.watched:
                    if len(self._ours) >= _OURS:
                        self._ours.clear()
                    self._ours[path] = None

    def was_ours(self, path: str) -> bool:
        """Whether we have changed what lies there, since that was asked last."""
        return self._ours.pop(path, self) is None

    def make_dirs(self, path: str) -> None:
        os.makedirs(path, mode=0o700, exist_ok=True)

    def create(self, path: str) -> int:
        """A new file open for writing; FileExistsError where there is one."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def append(self, descriptor: int, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            view = memoryview(block)
            while view:
                view = view[os.write(descriptor, view) :]

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def sync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def write_whole(
        self, path: str, head: bytes, body: bytes | None, source: str | None, tail: bytes = b"", start: int = 0
    ) -> None:
        """A new file of `head`, `body` or what file `source` has from `start` on, and `tail`. Not synced. Removed if that fails."""
        with self._names_lock:
            number = next(self._names)
        partial = f"{path}.{os.getpid()}.{number}"
        try:
            descriptor = self.create(partial)
        except FileExistsError:  # left by a process that had this id before us, and crashed
            self.unlink(partial)
            descriptor = self.create(partial)
        try:
            try:
                self.append(descriptor, (head, body, tail) if body is not None else (head,))
                if source is not None:
                    self._copy_into(descriptor, source, start)
                    self.append(descriptor, (tail,))
            finally:
                self.close(descriptor)
            self.rename(partial, path)
        except BaseException:
            with contextlib.suppress(OSError):
                self.unlink(partial)
            raise

    def _copy_into(self, descriptor: int, source: str, start: int) -> None:
        origin = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            left = os.fstat(origin).st_size - os.lseek(origin, start, os.SEEK_SET)
            while left > 0:
                left -= self._copy_block(origin, descriptor, left)
        finally:
            os.close(origin)

    def _copy_block(self, origin: int, descriptor: int, left: int) -> int:
        try:
            copied = os.copy_file_range(origin, descriptor, left)
            if copied:
                return copied
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
        block = os.read(origin, min(left, _BLOCK))
        if not block:
            raise OSError(errno.EIO, "the spool file is shorter than it was")
        self.append(descriptor, (block,))
        return len(block)

    def rename(self, source: str, target: str) -> None:
        self._mark(source, target)
        os.rename(source, target)

    def link(self, source: str, target: str) -> None:
        """A second name for a file; a target that is there already is taken for ours (the step is repeated after a crash)."""
        self._mark(target)
        try:
            os.link(source, target)
        except FileExistsError:
            return
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EMLINK, errno.EXDEV, errno.EOPNOTSUPP):
                raise
            self.write_whole(target, b"", None, source)

    def share(self, source: str, target: str, head: bytes) -> bool:
        """A second name for a file whose first octets are kept free for `head`. False where it has a second name already, or can not have
        that one."""
        if self.links(source) != 1:
            return False
        if head:
            self.overwrite(source, head)
        return self.name_also(source, target)

    def overwrite(self, path: str, octets: bytes) -> None:
        """The first octets of a file."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            self.append(descriptor, (octets,))
        finally:
            os.close(descriptor)

    def name_also(self, source: str, target: str) -> bool:
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.EPERM, errno.EMLINK, errno.EXDEV, errno.EOPNOTSUPP):
                return False
            raise
        return True

    def symlink(self, target: str, path: str) -> None:
        """FileExistsError where there is something."""
        os.symlink(target, path)

    def unlink(self, path: str) -> None:
        self._mark(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def remove_tree(self, path: str) -> None:
        if os.path.isdir(path):
            import shutil  # with what it compresses by: 0.3 MB, for who deletes folders

            shutil.rmtree(path)

    def merge_tree(self, source: str, target: str) -> None:
        """Move what is in one folder into another that is there, names that both have left out, and remove it."""
        for folder, _, names in os.walk(source):
            there = target + folder[len(source) :]
            self.make_dirs(there)
            for name in names:
                if not self.exists(f"{there}/{name}"):
                    self.rename(f"{folder}/{name}", f"{there}/{name}")
        self.remove_tree(source)

    def size(self, path: str) -> int | None:
        """Octets of a regular file, None where there is none."""
        try:
            return os.stat(path, follow_symlinks=False).st_size
        except FileNotFoundError:
            return None

    def modified(self, path: str) -> int:
        return int(os.stat(path).st_mtime)

    def links(self, path: str) -> int:
        """How many names a file has; 0 where it is gone."""
        try:
            return os.stat(path, follow_symlinks=False).st_nlink
        except OSError:
            return 0

    def times(self, paths: Iterable[str]) -> tuple[int, ...]:
        """When each was changed last, in nanoseconds; 0 where it is gone."""
        found = []
        for path in paths:
            try:
                found.append(os.stat(path).st_mtime_ns)
            except OSError:
                found.append(0)
        return tuple(found)

    def set_modified(self, path: str, date: int) -> None:
        os.utime(path, (date, date))

    def exists(self, path: str) -> bool:
        return os.path.lexists(path)

    def listing(self, path: str) -> list[str]:
        """Names in a folder; none where it is missing."""
        try:
            return os.listdir(path)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def read(self, path: str, offset: int = 0, length: int = -1) -> bytes:
        with open(path, "rb", buffering=0) as file:
            return _pread(file.fileno(), offset, length if length >= 0 else os.fstat(file.fileno()).st_size - offset)

    def open_read(self, path: str) -> int:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def length(self, descriptor: int) -> int:
        return os.fstat(descriptor).st_size

    def pread(self, descriptor: int, offset: int, length: int) -> bytes:
        return _pread(descriptor, offset, length)

    def replace_text(self, path: str, text: bytes) -> None:
        """Put a small file of ours in the place of the one that is there, whole or not at all."""
        self.write_whole(path, text, None, None)

    def append_text(self, path: str, text: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            self.append(descriptor, (text,))
        finally:
            os.close(descriptor)

    def sync_file(self, path: str) -> None:
        """Sync one file, or the names in a folder. A file that is gone needs none."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sync_all(self, path: str) -> bool:
        """Sync the whole file system below `path`; False where the system has no call that reports errors for it."""
        if self._syncfs is None or not _reports_errors():
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if self._syncfs(descriptor) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), path)
        finally:
            os.close(descriptor)
        return True

    def free_space(self, path: str) -> int:
        state = os.statvfs(path)
        return state.f_bavail * state.f_frsize

    def free_inodes(self, path: str) -> int | None:
        """None where the file system has no such count."""
        state = os.statvfs(path)
        return state.f_favail if state.f_files else None

    def lock(self, path: str) -> int:
        """Take a lock file for this process, with the pid in it; BlockingIOError where another process holds it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor


def _pread(descriptor: int, offset: int, length: int) -> bytes:
    blocks = []
    while length > 0:
        block = os.pread(descriptor, min(length, _BLOCK), offset)
        if not block:
            break
        blocks.append(block)
        offset += len(block)
        length -= len(block)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _reports_errors() -> bool:
    """syncfs reports write errors since Linux 5.8."""
    system = os.uname()
    if system.sysname != "Linux":
        return False
    major, minor = (int("".join(c for c in part if c.isdigit()) or 0) for part in system.release.split(".")[:2])
    return (major, minor) >= (5, 8)


def resolve(path: str | Path) -> str:
    """An absolute path as this layer wants it."""
    return os.path.abspath(path)
