"""The part of a hub that has to do with the system's users, and with whom the process runs as."""

import grp
import logging
import os
import pwd
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from mailhub.config.schema import Config
from mailhub.model.clock import Clock
from mailhub.model.errors import Permanent

if TYPE_CHECKING:
    from mailhub.deputy.client import Deputy
    from mailhub.directory.system_users import SystemUsers

log = logging.getLogger("mailhub.hub")


async def deputed(config: Config, somebody: "Person | None", clock: Clock, undo: AsyncExitStack) -> "Deputy | None":
    """The deputy, where the system's users have mail here. It is started before anything is opened, and while we are root. `somebody`:
    whom we become; then it runs the operator's programs, too."""
    local = config.local
    if not local.system_users:
        return None
    from mailhub.delivery.system.programs import programs
    from mailhub.deputy.client import Deputy
    from mailhub.deputy.words import Settings

    deputy = await Deputy.start(
        Settings(
            mail_spool_directory=local.mail_spool_directory,
            home_mailbox=local.home_mailbox,
            mailbox_command=local.mailbox_command,
            delimiter=config.delivery.recipient_delimiter,
            forward=local.forward,
            forward_limit=local.forward_limit,
            forward_count=local.forward_count,
            mailbox_size_limit=local.mailbox_size_limit,
            lock_timeout=local.lock_timeout,
            stale_lock_time=local.stale_lock_time,
            lookup_timeout=local.lookup_timeout,
            file_timeout=local.file_timeout,
            command_timeout=local.command_timeout,
            output_limit=local.output_limit,
            concurrency=local.concurrency,
            programs=tuple(programs(config)) if somebody is not None else (),
        ),
        clock,
    )
    undo.push_async_callback(deputy.close)
    return deputy


def users_of(deputy: "Deputy | None", config: Config, clock: Clock) -> "SystemUsers | None":
    """Those whom the deputy acts for."""
    if deputy is None:
        return None
    from mailhub.directory.system_users import SystemUsers

    return SystemUsers(deputy, config.local, local_domains(config), clock, config.directory.cache_limit)


def local_domains(config: Config) -> tuple[str, ...]:
    """Where the system's users have mail."""
    return config.aliases.local_domains or config.domains


class Person(Struct, frozen=True):
    """Whom the process becomes, with all groups."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


def person(text: str) -> Person | None:
    """Of the option `user`. None where nothing changes: none is named, or we are no root. Permanent where there is no such one, or it
    is root."""
    if not text or os.geteuid():
        return None
    name, _, group = text.partition(":")
    try:
        found = pwd.getpwnam(name)
        gid = grp.getgrnam(group).gr_gid if group else found.pw_gid
    except KeyError:
        raise Permanent(f"user = {text!r}: there is no such user or group: make it (`adduser --system`)") from None
    if not found.pw_uid or not gid:
        raise Permanent(f"user = {text!r}: that is root, who should not talk to the network")
    return Person(name, found.pw_uid, gid, tuple(sorted({gid, *os.getgrouplist(name, gid)} - {0})))


def make_folder(data: Path, somebody: Person | None) -> None:
    """The data folder, where it is missing. Permanent where it can not be made."""
    try:
        found = data.exists()
        os.makedirs(data, mode=0o700, exist_ok=True)
        if somebody is not None and not found:
            os.chown(data, somebody.uid, somebody.gid)
    except OSError as error:
        reason = error.strerror or str(error)
        raise Permanent(f"data folder {data}: {reason}: make it for this user, or set another `data`") from error


class Narrowing(Protocol):
    """What a process gives up besides, once its doors are bound. `said`: how it went."""

    said: str

    def apply(self) -> None: ...


def become(somebody: Person | None, sockets: Iterable[str], data: Path, narrowing: Narrowing | None) -> None:
    """For good, and `sockets` are his then. Permanent where it fails, or the data folder is not his."""
    if somebody is not None:
        try:
            for path in filter(None, sockets):
                os.chown(path, somebody.uid, -1, follow_symlinks=False)
            os.setgroups(somebody.groups)
            os.setresgid(somebody.gid, somebody.gid, somebody.gid)
            os.setresuid(somebody.uid, somebody.uid, somebody.uid)
        except OSError as error:
            raise Permanent(f"can not become {somebody.name}: {error.strerror}") from error
        for file in (os.__file__, __file__):  # from which we shall read more
            if not os.access(file, os.R_OK):
                raise Permanent(f"user = {somebody.name}: can not read {file}: install Python and mailhub where he can")
        log.info("root is given up: %s serves from here on", somebody.name)
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        raise Permanent(f"data folder {data}: not writable by user id {os.getuid()}: chown it, or set another `data`")
    if narrowing is not None:
        narrowing.apply()
