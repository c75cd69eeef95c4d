"""A message in a Maildir of the user's (maildir(5)): tmp, sync, rename."""

import contextlib
import os
from collections.abc import Iterator

from .dotlock import sync_folder

_BLOCK = 262_144


def deliver(folder: str, source: int, name: str, again: bool) -> None:
    """`name`: of this delivery alone. `again`: not where it is in there already."""
    for part in ("", "/tmp", "/new", "/cur"):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder + part, 0o700)
    if again and name in _names(folder):
        return
    temporary, place = f"{folder}/tmp/{name}", f"{folder}/new/{name}"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        offset = 0
        while block := os.pread(source, _BLOCK, offset):
            offset += os.write(file, block)
        os.fsync(file)
        os.rename(temporary, place)
        sync_folder(place)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    finally:
        os.close(file)


def _names(folder: str) -> Iterator[str]:
    """Without their flags."""
    for part in ("new", "cur"):
        with os.scandir(f"{folder}/{part}") as entries:
            for entry in entries:
                yield entry.name.partition(":")[0]
