"""The deputy itself: requests in, a child for each, answers out. Plain and single-threaded; it ends when the server does."""

import contextlib
import fcntl
import os
import selectors
import signal
import socket
import sys
import time
from typing import NoReturn

from msgspec import Struct, field

from . import child, words
from .exits import Exit
from .rights import Networks, no_new_rights
from .words import Answer, Settings, What

_HIGH = 10  # descriptors of its own lie from here on
_READ = 65_536


class _Child(Struct):
    """One at work. `end`: its pidfd; `out`: what it says; `deadline`: monotonic."""

    request: int
    pid: int
    end: int
    out: int
    deadline: float
    bound: int
    said: bytearray = field(default_factory=bytearray)
    late: bool = False


class Deputy:
    """`serve` until the server closes `door`."""

    def __init__(self, door: socket.socket, settings: Settings, networks: Networks) -> None:
        self._door, self._settings, self._networks = door, settings, networks
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, _Child] = {}  # by pid
        self._open = True

    def serve(self) -> None:
        """Those at work when the server goes may end, in their time."""
        self._selector.register(self._door, selectors.EVENT_READ)
        while self._open or self._children:
            for key, _ in self._selector.select(self._patience()):
                if key.data is None:
                    self._arrived()
                elif key.fd == key.data.out:
                    self._hear(key.data)
                else:
                    self._ended(key.data)
            self._cut()

    def _patience(self) -> float | None:
        deadlines = [one.deadline for one in self._children.values() if not one.late]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _arrived(self) -> None:
        try:
            packet, files, flags, _ = socket.recv_fds(self._door, words.PACKET, 4)
        except OSError:
            packet, files, flags = b"", [], 0
        try:
            if not packet:
                self._open = False
                self._selector.unregister(self._door)
                return
            if flags & socket.MSG_TRUNC or len(files) > 1:
                raise words.Malformed("too much of it")
            request = words.request(packet)
            if len(self._children) >= self._settings.concurrency + words.LOOKS:
                self._answer(Answer(request.id, int(Exit.TEMPFAIL), b"4.3.2 too much at once"))
            else:
                self._begin(request.id, request.what, files)
        except words.Malformed as error:
            self._answer(Answer(_number(packet), int(Exit.TEMPFAIL), f"4.3.0 not served: {error}".encode()))
        except OSError as error:
            self._answer(Answer(request.id, int(Exit.TEMPFAIL), f"4.3.0 {error.strerror}".encode()))
        finally:
            for file in files:
                os.close(file)

    def _begin(self, number: int, what: What, files: list[int]) -> None:
        limit, bound = words.time_limit(what, self._settings), words.output_limit(what, self._settings)
        hear, say = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(hear)
            os.close(say)
            raise
        if not pid:
            child.serve(what, self._settings, self._networks, say, files[0] if files else None)
        os.close(say)
        os.set_blocking(hear, False)
        deadline = time.monotonic() + limit
        one = _Child(number, pid, os.pidfd_open(pid), hear, deadline, bound)
        self._children[pid] = one
        self._selector.register(one.out, selectors.EVENT_READ, one)
        self._selector.register(one.end, selectors.EVENT_READ, one)

    def _hear(self, one: _Child) -> bool:
        """What it says, and whether there may be more; what is beyond the bound is read and forgotten."""
        try:
            block = os.read(one.out, _READ)
        except BlockingIOError:
            return False
        if not block:
            with contextlib.suppress(KeyError):
                self._selector.unregister(one.out)
            return False
        one.said += block[: one.bound - len(one.said)]
        return True

    def _ended(self, one: _Child) -> None:
        """Nothing of its group is left, and its last words are heard."""
        if one.pid not in self._children:
            return
        _kill(one.pid)
        _, status = os.waitpid(one.pid, 0)
        for _ in range(_HIGH):
            if not self._hear(one):
                break
        with contextlib.suppress(KeyError):
            self._selector.unregister(one.out)
        self._selector.unregister(one.end)
        os.close(one.out)
        os.close(one.end)
        del self._children[one.pid]
        self._answer(Answer(one.request, os.waitstatus_to_exitcode(status), bytes(one.said), one.late))

    def _cut(self) -> None:
        now = time.monotonic()
        for one in self._children.values():
            if not one.late and one.deadline <= now:
                one.late = True
                _kill(one.pid)

    def _answer(self, answer: Answer) -> None:
        with contextlib.suppress(OSError):  # the server is gone
            self._door.sendall(words.encoded(answer))


def _kill(pid: int) -> None:
    """It and its group; where it has none yet, it alone. Its number is its own until it is waited for."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _number(packet: bytes) -> int:
    """Of a request that is not served; 0 where not even that can be read."""
    try:
        return words.NUMBER.decode(packet).id
    except Exception:
        return 0


def main(number: int) -> NoReturn:
    """With the socket's descriptor. Nothing else that was open stays so."""
    door = socket.socket(fileno=fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _HIGH))
    os.closerange(3, _HIGH)
    os.closerange(door.fileno() + 1, 1 << 16)
    for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sent, signal.SIG_IGN)  # a terminal's and a group's are the server's to obey
    os.umask(0o077)
    settings = words.SETTINGS.decode(door.recv(words.PACKET))
    networks = Networks.part()
    if not (settings.mailbox_command or settings.forward):
        no_new_rights()
    deputy = Deputy(door, settings, networks)
    door.sendall(words.encoded(Answer(0, 0, b"no network" if networks.parted else b"")))
    deputy.serve()
    sys.exit(0)
