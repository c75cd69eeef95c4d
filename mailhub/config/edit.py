"""Change options in the operator's config.toml: comments, order and all else stay as they are.

What comes out is read as the server would read it before it takes the old file's place, in one step, with its mode and owner.
"""

import contextlib
import fcntl
import itertools
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomlkit
from msgspec import inspect

from . import values
from .environment import value_of
from .load import FILE, ConfigError, Problem, parse, read

_NEW_MODE = 0o644


def edit(path: Path | None, changes: list[tuple[str, str]], environ: Mapping[str, str]) -> list[str]:
    """Set each name to the value that the text beside it stands for; the names as they are written. ConfigError, and nothing is
    changed, where one is no option or the whole would not be right. `environ`: options that stand above the file."""
    file = Path(os.path.realpath(path or FILE))
    with _alone(file.parent):
        there = file.exists()
        if path is not None and not there:
            raise ConfigError([Problem(str(path), 0, "", "no such file", "a file that can be read")])
        text = read(file) if there else ""
        document = _document(text, str(file))
        done = [_set(document, name, value, str(file)) for name, value in changes]
        made = tomlkit.dumps(document)
        made += "" if made.endswith("\n") or not made else "\n"
        parse(made, str(path or FILE), environ)
        if made != text:
            _replace(file, made)
    return done


def _document(text: str, file: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except tomlkit.exceptions.ParseError as error:
        raise ConfigError([Problem(file, 0, "", f"what is not TOML ({error})", "TOML 1.0")]) from None


def _set(document: Any, name: str, text: str, file: str) -> str:
    try:
        parts = values.path(name)
    except ValueError as error:
        raise ConfigError([Problem(file, 0, name, str(error), "")]) from None
    kind = values.kind(parts)
    if kind is None or not isinstance(parts[-1], str):
        raise ConfigError([Problem(file, 0, name, "an unknown key", "`mailhub config -d` lists all")])
    place = document
    for part, below in itertools.pairwise(parts):
        place = _inside(place, part, below, name, file)
    place[parts[-1]] = _value(text, kind)
    return values.name(parts)


def _inside(place: Any, part: values.Part, below: values.Part, name: str, file: str) -> Any:
    """The table or list of that name in `place`, made where it is missing: an element behind the last one, too."""
    if isinstance(part, int):
        if part > len(place):
            found = f"element {part + 1} of {len(place)} that the file has"
            raise ConfigError([Problem(file, 0, name, found, "one of those, or the next")])
        if part == len(place):
            place.append(tomlkit.table())
        return place[part]
    if part not in place:
        place[part] = tomlkit.aot() if isinstance(below, int) else tomlkit.table(is_super_table=False)
    if not isinstance(place[part], list if isinstance(below, int) else dict):
        raise ConfigError([Problem(file, 0, name, "another kind of value on its way", "a table")])
    return place[part]


def _value(text: str, kind: inspect.Type) -> Any:
    """As options of the environment are read; a quoted text may be quoted as TOML has it."""
    if text[:1] in "\"'" and isinstance(kind, inspect.StrType | inspect.LiteralType | inspect.StructType):
        with contextlib.suppress(tomllib.TOMLDecodeError):
            return tomllib.loads(f"value = {text}")["value"]
    found = value_of(text, kind)
    if isinstance(found, dict):
        table = tomlkit.inline_table()
        table.update(found)
        return table
    return found


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two that edit at one time wait for each other."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(file: Path, text: str) -> None:
    try:
        before = os.stat(file)
    except FileNotFoundError:
        before = None
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)  # of one that died
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            if before is not None:
                if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(stream.fileno(), before.st_uid, before.st_gid)
                os.fchmod(stream.fileno(), before.st_mode & 0o7777)
            else:
                os.fchmod(stream.fileno(), _NEW_MODE)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(new, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
