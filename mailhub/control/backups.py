"""Backups of this server, and restoring from them: in the command's own process, beside the server or without one.

The copy is made here and not by the server: its loop, its memory and its rights to files have no part in it, and who kills the command
kills nothing else. What goes into a running server goes by its control socket, as any import does.
"""

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from mailhub import __version__
from mailhub.config.schema import Config
from mailhub.model.clock import SystemClock
from mailhub.store.backup.besides import Besides as Besides
from mailhub.store.backup.layout import Folder, Head, Trouble, told
from mailhub.store.backup.piece import Piece as Piece
from mailhub.store.backup.piece import Place as Place
from mailhub.store.backup.piece import batches as batches
from mailhub.store.backup.pruning import prune
from mailhub.store.backup.taking import clear, take
from mailhub.store.backup.verifying import verify
from mailhub.store.backup.whole import Restored as Restored
from mailhub.store.backup.whole import Whole
from mailhub.store.sqlite.safety import UNFINISHED as UNFINISHED

from .errors import ControlError

Progress = Callable[[int, int], object]
_TOLD = 1_000  # lines on what is wrong with a backup


class Backup(Struct, frozen=True, kw_only=True):
    """A backup in a folder of them; not `whole`: it was broken off, or is under way. `octets`: of its mail; `new_octets`: what it added to
    the folder; `gone`: messages that were deleted, or left the queue, while it was made."""

    name: str
    whole: bool
    taken: float = 0.0
    seconds: float = 0.0
    messages: int = 0
    octets: int = 0
    new_octets: int = 0
    queued: int = 0
    gone: int = 0
    passed_over: tuple[str, ...] = ()


class Made(Struct, frozen=True, kw_only=True):
    """What `mailhub backup` did. `cleared`: broken ones that it took away; `pruned`: old ones."""

    backup: Backup
    cleared: tuple[str, ...]
    pruned: tuple[str, ...]


class Verified(Struct, frozen=True, kw_only=True):
    """`total` things are wrong, the first of them named."""

    name: str
    total: int
    wrong: tuple[str, ...]


@contextmanager
def _controlled() -> Iterator[None]:
    try:
        with told():
            yield
    except Trouble as error:
        raise ControlError(error.kind, str(error)) from error


def back_up(config: Config, directory: Path, keep: int, progress: Progress) -> Made:
    """`keep`: how many stay, 0 for all. ControlError."""
    with _controlled():
        folder = Folder(directory, create=True)
        with folder.locked():
            broken = tuple(clear(folder))
            name, head = take(folder, Path(config.data), config.hostname, __version__, SystemClock(), progress)
            pruned = tuple(prune(folder, keep)[0]) if keep else ()
    return Made(backup=_described(name, head), cleared=broken, pruned=pruned)


def listed(directory: Path) -> tuple[Backup, ...]:
    """Oldest first."""
    with _controlled():
        folder = Folder(directory)
        whole = {name: _described(name, folder.head(name)) for name in folder.names()}
        broken = {name: Backup(name=name, whole=False) for name in folder.broken()}
        return tuple(found for _, found in sorted((whole | broken).items()))


def verified(directory: Path, at: float | None, progress: Progress) -> Verified:
    """ControlError where there is no backup to be verified."""
    with _controlled():
        folder = Folder(directory)
        name = folder.newest(at)
        wrong: list[str] = []
        total = 0
        for line in verify(folder, name, progress):
            total += 1
            if len(wrong) < _TOLD:
                wrong.append(line)
    return Verified(name=name, total=total, wrong=tuple(wrong))


def restore_all(
    config: Config, directory: Path, at: float | None, *, hold: bool, progress: Progress
) -> tuple[str, Restored]:
    """Into the data folder, which is empty, or holds the beginning of the same."""
    with _controlled():
        folder = Folder(directory)
        name = folder.newest(at)
        data = Path(config.data)
        return name, Whole(folder, name, data, config.store.mail_location, _owner(config)).run(progress, hold=hold)


@contextmanager
def piece(config: Config, directory: Path, at: float | None, account: str) -> Iterator[Piece]:
    """What the backup has of an account."""
    with _controlled():
        folder = Folder(directory)
        found = Piece(folder, folder.newest(at), Path(config.data), config.store.mail_location, _owner(config))
        found.open(account)
        try:
            yield found
        finally:
            found.close()


def _owner(config: Config) -> tuple[int, int] | None:
    """Whom restored files belong to, where root restores them."""
    if os.geteuid() != 0:
        return None
    data = Path(config.data)
    if data.exists():
        found = data.stat()
        return (found.st_uid, found.st_gid) if found.st_uid else None
    if config.user:
        entry = pwd.getpwnam(config.user.partition(":")[0])
        return entry.pw_uid, entry.pw_gid
    return None


def _described(name: str, head: Head) -> Backup:
    return Backup(
        name=name, whole=True, taken=head.taken, seconds=head.done - head.taken, messages=head.messages, octets=head.octets,
        new_octets=head.new_octets, queued=head.queued, gone=head.gone, passed_over=head.passed_over,
    )  # fmt: skip
