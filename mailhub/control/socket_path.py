"""Where the control socket lies, also below a folder whose path is longer than a socket's name may be."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

NAME = "control.sock"
_LONGEST = 100  # octets; the kernel's bound is 108 on Linux, 104 elsewhere


@contextlib.contextmanager
def address(data: Path) -> Iterator[str]:
    """The address to bind or connect to, valid inside the block. Long ones go by an open folder (Linux)."""
    path = str(data / NAME)
    if len(os.fsencode(path)) <= _LONGEST:
        yield path
        return
    folder = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{NAME}"
    finally:
        os.close(folder)


def bind(data: Path) -> socket.socket:
    """A socket bound in place of one that a dead server left; the caller holds the store's lock. Not listening yet.
    Only its owner may connect."""
    (data / NAME).unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address(data) as name:
            door.bind(name)
        os.chmod(data / NAME, 0o600)  # nobody can connect before listen()
        door.setblocking(False)
    except OSError:
        door.close()
        raise
    return door
