"""What a service manager hands in, and is told: listening sockets (sd_listen_fds(3)), and how we are (sd_notify(3)).

Both are plain: descriptors from 3 on that LISTEN_FDS counts, and datagrams to NOTIFY_SOCKET. No library is needed, and
without these variables nothing happens. They are taken out of the environment: programs that we start are not meant.
"""

import contextlib
import logging
import os
import socket
from collections.abc import Iterable, MutableMapping

from mailhub.config.schema import Listener

log = logging.getLogger("mailhub.systemd")

_FIRST = 3  # SD_LISTEN_FDS_START
_LIMIT = 256  # sockets


class Inherited:
    """Listening sockets that are there already, and how they are called (FileDescriptorName). Each is taken once."""

    def __init__(self, sockets: Iterable[tuple[str, socket.socket]]) -> None:
        self._sockets = list(sockets)

    @classmethod
    def read(cls, environ: MutableMapping[str, str]) -> "Inherited":
        """What LISTEN_FDS says, where it is said to us. What is no listening stream is passed over, with a line in the log."""
        process, count, names = (environ.pop(f"LISTEN_{word}", "") for word in ("PID", "FDS", "FDNAMES"))
        if process != str(os.getpid()) or not count.isdecimal():
            return cls(())
        called = names.split(":")
        found: list[tuple[str, socket.socket]] = []
        for n in range(min(int(count), _LIMIT)):
            name = called[n] if n < len(called) else ""
            try:
                door = socket.socket(fileno=_FIRST + n)
                if not door.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    raise OSError("it does not listen")
            except OSError as error:
                log.warning("socket %d (%s) of the service manager: %s", n, name, error.strerror or error)
                continue
            door.set_inheritable(False)
            door.setblocking(False)
            found.append((name, door))
        return cls(found)

    def take(self, listener: Listener) -> socket.socket | None:
        """Whose address is that of the listener; or else whose name is his."""
        place = listener.path or (listener.address, listener.port)
        for fits in (
            lambda name, door: _place(door) == place,
            lambda name, door: name == listener.label and (door.family == socket.AF_UNIX) == bool(listener.path),
        ):
            for n, (name, door) in enumerate(self._sockets):
                if fits(name, door):
                    del self._sockets[n]
                    return door
        return None

    def close(self) -> None:
        """Nobody wants the others: a client that knocks there should not wait."""
        for name, door in self._sockets:
            log.warning("no listener has the name or address of the socket %s (%s)", name, _place(door))
            door.close()
        self._sockets.clear()


def _place(door: socket.socket) -> str | tuple[str, int]:
    name = door.getsockname()
    return name if isinstance(name, str) else (name[0], name[1])


class Notify:
    """Words for the service manager; `watchdog`: seconds between two signs of life, 0.0 where it does not ask for them."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        where = environ.pop("NOTIFY_SOCKET", "")
        self._where = f"\0{where[1:]}" if where.startswith("@") else where
        microseconds, process = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        ours = bool(self._where) and process in ("", str(os.getpid()))
        self.watchdog = int(microseconds) / 2e6 if ours and microseconds.isdecimal() else 0.0

    def ready(self, status: str) -> None:
        self._say("READY=1", f"STATUS={status}")

    def reloading(self, monotonic: float) -> None:
        """`ready` follows, whatever became of it."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={int(monotonic * 1e6)}")

    def stopping(self, status: str) -> None:
        self._say("STOPPING=1", f"STATUS={status}")

    def alive(self, status: str) -> None:
        self._say("WATCHDOG=1", f"STATUS={status}")

    def _say(self, *words: str) -> None:
        if not self._where:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
            way.setblocking(False)
            way.sendto("\n".join(words).encode(), self._where)
