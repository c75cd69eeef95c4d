"""Unix sockets as doors: made with their mode before anybody can knock, never taken from a server that lives."""

import errno
import grp
import os
import socket
import stat

from mailhub.config import schema

_BACKLOG = 1024


def unix_door(listener: schema.Listener) -> socket.socket:
    """A listening socket at `listener.path`. OSError where that can not be: EADDRINUSE where somebody answers there."""
    path = listener.path
    _clear(path)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        door.setblocking(False)
        door.bind(path)  # nobody can connect before `listen`
        if listener.group:
            os.chown(path, -1, _group(listener.group))
        os.chmod(path, int(listener.mode, 8))
        door.listen(_BACKLOG)
    except BaseException:
        door.close()
        raise
    return door


def _clear(path: str) -> None:
    """Take away a socket that a server left behind when it died."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        knock.settimeout(1.0)
        try:
            knock.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        else:
            raise OSError(errno.EADDRINUSE, "another server answers there")


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise OSError(errno.EINVAL, f"there is no group {name}") from None


def remove_door(door: socket.socket, path: str) -> None:
    """Take the path away, where it is still this door's."""
    try:
        if door.getsockname() == path:
            os.unlink(path)
    except OSError:
        return
