"""mailhub.pid in the data folder: which process serves from it. Others read its text; we ask the kernel who holds its lock.

A lock ends with its process, whatever becomes of that, so that a file left by a dead server, or a number that another process got
meanwhile, says nothing. The data folder belongs to whom mailhub runs as: no word in it makes root signal a process of somebody else.
"""

import contextlib
import fcntl
import os
import select
import signal
import struct
import sys
from pathlib import Path

NAME = "mailhub.pid"
_FLOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux


class Taken(Exception):
    """Another process serves from that folder."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"process {pid}" if pid else "a process of another namespace")
        self.pid = pid


class PidFile:
    """Held from `__init__` to `release`, or to the end of the process. Taken; OSError."""

    def __init__(self, data: Path, owner: int | None = None) -> None:
        """`owner`: user id of whom the process will become."""
        self._descriptor = os.open(data / NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            pid = 0
            with contextlib.suppress(OSError):
                pid = _holder(self._descriptor)
            os.close(self._descriptor)
            raise Taken(pid) from error
        if owner is not None:
            os.fchown(self._descriptor, owner, -1)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """The text goes, and the lock; the file stays, for whoever waits for its lock would else hold that of a file without a name."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


class Running:
    """The process that serves from the data folder, from now on that one and no other. None runs: LookupError; it can not be told, or
    may not be touched: OSError."""

    def __init__(self, data: Path) -> None:
        pid = _pid(data)
        if not pid:
            raise LookupError("none runs")
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError as error:
            raise LookupError("none runs") from error
        if _pid(data) != pid:
            self.close()
            raise LookupError("it has just ended")
        allowed = {os.stat(data).st_uid, os.geteuid() or os.stat(data).st_uid}
        if _user(pid) not in allowed:
            self.close()
            raise PermissionError(1, f"process {pid} is neither yours nor of the owner of {data}")
        self.pid = pid

    def signal(self, number: signal.Signals) -> None:
        """Nothing where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def ended(self, seconds: float) -> bool:
        """Wait until it has."""
        waiting = select.poll()
        waiting.register(self._handle, select.POLLIN)
        return bool(waiting.poll(int(seconds * 1000)))

    def close(self) -> None:
        os.close(self._handle)


def _user(pid: int) -> int:
    """Whom it acts as; the owner of /proc/PID is root for one that has given up root."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        line = next(line for line in file if line.startswith("Uid:"))
    return int(line.split()[2])


def _pid(data: Path) -> int:
    """0: nobody."""
    try:
        descriptor = os.open(data / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        return _holder(descriptor)
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> int:
    """Who holds the lock, 0 for nobody. OSError where that is a process that can not be seen from here, as in another container."""
    if sys.platform != "linux":
        raise OSError(1, "only Linux tells who holds a lock: stop the server by its process id")
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    if kind == fcntl.F_UNLCK:
        return 0
    if pid <= 0:
        raise OSError(1, "the server runs where this command can not see it (another container?)")
    return int(pid)
