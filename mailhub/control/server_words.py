"""What can be asked of the server as a whole, and done to it."""

from msgspec import Struct

from .request import Request


class DiskState(Struct, frozen=True, kw_only=True):
    """Of the file system of the data folder: what is free. `inodes` -1: it has no such count."""

    free: int = 0
    inodes: int = -1


class Reloaded(Struct, frozen=True, kw_only=True):
    """What a reload came to: options that are in force now, and those that need a restart."""

    applied: tuple[str, ...]
    restart: tuple[str, ...]


class Reload(Request[Reloaded], frozen=True, kw_only=True, tag="reload"):
    """Read configuration and certificates again; sessions go on. Refused with what is wrong, and then all is as it was."""
