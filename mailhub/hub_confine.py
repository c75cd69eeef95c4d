"""The part of a hub that gives up what a mail server does not need: new rights for programs, and all files but its own.

For the program alone: a hub inside somebody's test leaves its process as it is. It is done once the doors are bound, before a thread is
started (the kernel asks each by itself) and before a file of mail is opened.
"""

import logging
import os
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from mailhub.config import lookup
from mailhub.config.load import FILE
from mailhub.config.schema import Config
from mailhub.config.section import Section
from mailhub.deputy.rights import no_new_rights
from mailhub.model.errors import Permanent
from mailhub.net import landlock
from mailhub.store.sqlite.homes import root

log = logging.getLogger("mailhub.hub")

# What Python, the C library and OpenSSL read: nothing of it is anybody's mail.
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/proc", "/sys", "/dev", "/run", "/nix/store")
_SCRATCH = "SQLITE_TMPDIR"  # SQLite's large sorts lie in the data folder, too


def programs(config: Config) -> str:
    """What runs programs, or code, of the operator's as this process does, and may want any file: "" where nothing does."""
    deputed = config.local.system_users and bool(config.user)  # another process runs them, which is not confined
    ways = [f"[transport.{name}]" for name, one in config.transport.items() if one.protocol == "pipe" and not deputed]
    if ways:
        return f"{ways[0]} runs a program"
    if config.aliases.alias_maps.sources:
        return "aliases.alias_maps may name commands, files and lists"
    if config.hooks.enabled and config.hooks.file:
        return "hooks.file runs code"
    return "tls.acme.dns_command runs a program" if config.tls.acme.dns_command else ""


class Files(Struct, frozen=True):
    """Folders and files that may be read; written, with all below; where unix sockets of ours lie, which go at the end."""

    read: frozenset[str]
    write: frozenset[str]
    doors: frozenset[str]

    def covers(self, other: "Files") -> bool:
        return self.read >= other.read and self.write >= other.write and self.doors >= other.doors


def needed(config: Config, file: Path | None) -> Files:
    """By a server with this configuration, which was read from `file`."""
    data = os.path.abspath(config.data)
    write = {data, *_links(data), *config.landlock_write, "/dev/null"}
    if config.store.mail_location:
        write |= {root(config.store.mail_location), *_former(data)}
    if config.store.kind == "mysql" and config.store.objects.startswith("/"):
        write.add(config.store.objects)
    if config.maildrop.path:
        write.add(config.maildrop.path)
    if config.log.output.startswith("/"):
        write.add(os.path.dirname(config.log.output))
    doors = {os.path.dirname(door.path) for door in config.listener if "/" in door.path}
    paths = ssl.get_default_verify_paths()
    read = {*_SYSTEM, *filter(None, sys.path), sys.prefix, sys.base_prefix, str(Path(__file__).parents[1])}
    read |= {path for path in (paths.cafile, paths.capath) if path}
    own = (file or Path(FILE)).absolute()
    read |= {str(own), str(own.parent), *_named(config)}
    return Files(frozenset(_both(read)) - {"/"}, frozenset(_both(map(_there, write))), frozenset(_both(doors)))


def _both(paths: "set[str] | Iterator[str] | map[str]") -> Iterator[str]:
    """As they are written, and where links lead."""
    for path in paths:
        yield path
        yield os.path.realpath(path)


def _there(path: str) -> str:
    """The folder itself, or the nearest above that is there, in which it would be made."""
    while not os.path.exists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def _links(data: str) -> Iterator[str]:
    """Parts of the data folder that lie elsewhere."""
    for folder in (data, f"{data}/mail"):
        try:
            with os.scandir(folder) as entries:
                yield from (os.path.realpath(entry.path) for entry in entries if entry.is_symlink())
        except OSError:
            continue


def _former(data: str) -> Iterator[str]:
    """Where accounts have their Maildirs by links that an earlier `store.mail_location` made: the folders two above."""
    found = set()
    for domain in _folders(f"{data}/mail"):
        for home in _folders(domain):
            if os.path.islink(link := f"{home}/Maildir"):
                found.add(os.path.dirname(os.path.dirname(os.path.realpath(link))))
    yield from found


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.path for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _named(value: object) -> Iterator[str]:
    """Files that options name, and the folder that each is in, where its next one will be: certificates are renamed into place."""
    if isinstance(value, str):
        kind, colon, rest = value.partition(":")
        path = value if value.startswith("/") else rest if colon and kind.isalpha() and rest.startswith("/") else ""
        if path.strip("/") and "\0" not in path:
            folder = path if os.path.isdir(path) else os.path.dirname(path)
            yield from (path, folder if folder != "/" else path)
    elif isinstance(value, lookup.Lookup):
        yield from (found for source in value.sources if isinstance(source, str) for found in _named(source))
    elif isinstance(value, Section):
        names = (name for name in value.__struct_fields__ if name != "local")  # the deputy's
        yield from (found for name in names for found in _named(getattr(value, name)))
    elif isinstance(value, tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _named(item)


def _rules(files: Files, *, run: bool) -> list[tuple[str, int]]:
    read = landlock.READ | (landlock.EXECUTE if run else 0)
    return [
        *((path, read) for path in files.read),
        *((path, landlock.WRITE) for path in files.write),
        *((path, landlock.MAKE_SOCK | landlock.REMOVE_FILE) for path in files.doors),
    ]


@dataclass(slots=True)
class Narrowing:
    """`apply` does it, once; `said`: how it went, for `status`. `then`: what has waited for it. Not `files`: they are not given up."""

    config: Config
    file: Path | None
    then: Callable[[], None]
    files: bool
    said: str = ""
    _files: Files | None = field(default=None, init=False)

    def apply(self) -> None:
        """Permanent where the operator wants it and it can not be."""
        config = self.config
        if config.no_new_privileges:
            no_new_rights()
        if self.files:
            self.said = self._confined(config)
            log.info("landlock: %s", self.said)
        self.then()

    def _confined(self, config: Config) -> str:
        why, found = programs(config), landlock.version()
        if config.landlock == "off" or not config.no_new_privileges:
            return "off, by landlock" if config.landlock == "off" else "off, by no_new_privileges"
        if found < landlock.NEEDED:
            if config.landlock == "on":
                raise Permanent(
                    'landlock = "on": this kernel has none, or does not let it be used: "auto" goes without'
                )
            return "off, this kernel has none"
        if why and config.landlock == "auto":
            return f"off, {why}"
        files = needed(config, self.file)
        os.environ[_SCRATCH] = os.path.abspath(config.data)
        try:
            landlock.confine(_rules(files, run=bool(why)))
        except OSError as error:
            if config.landlock == "on":
                raise Permanent(f'landlock = "on": {error.strerror}') from error
            return f"off, {error.strerror}"
        self._files = files
        return f"on (version {found}); programs: {'those of the system' if why else 'none'}"

    def stale(self, config: Config) -> bool:
        """Whether a configuration that is read later needs more than was kept: then it needs a restart."""
        if self._files is None:
            return False
        runs = bool(programs(config)) and not programs(self.config)
        return runs or not self._files.covers(needed(config, self.file))
