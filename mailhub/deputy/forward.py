"""~/.forward, read as its user, with the files that it includes.

What makes a .forward count is as in Postfix's local(8): a plain file, the user's or root's, that not everybody may write. Included
files may name addresses alone.
"""

import os
import stat

from mailhub.message.alias_list import Kind, Target, targets

from .exits import Exit, Failed, later
from .rights import User
from .words import Settings

_NOWHERE = ("", "/", "/nonexistent")  # homes of users who have none
_INCLUDES = 20


def read(user: User, extension: str, settings: Settings) -> list[Target]:
    """Addresses, commands and files. Failed: NOINPUT where there is no .forward; TEMPFAIL where it can not be told."""
    if not settings.forward or user.home in _NOWHERE:
        raise Failed(Exit.NOINPUT, "")
    if not os.path.isdir(user.home):
        later("4.3.0", "the home directory is not there")
    names = [f".forward{settings.delimiter}{extension}"] if extension and settings.delimiter else []
    for name in [*names, ".forward"]:
        text = _text(f"{user.home}/{name}", user, settings.forward_limit)
        if text is not None:
            return _with_includes(targets(text), user, settings)
    raise Failed(Exit.NOINPUT, "")


def stands(user: User, extension: str, settings: Settings, kind: Kind, text: str) -> None:
    """Failed where the user's .forward does not name it (any more)."""
    try:
        found = read(user, extension, settings)
    except Failed as error:
        if error.status != Exit.NOINPUT:
            raise
        found = []
    if Target(kind, text) not in found:
        later("4.3.5", f"the {kind.value} does not stand in .forward any more")


def _text(path: str, user: User, limit: int) -> str | None:
    """None where there is none. NOINPUT, with the reason, where it does not count."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        if os.path.islink(path):
            raise Failed(Exit.NOINPUT, f"{path} is not used: it is a symbolic link") from None
        raise
    try:
        _check(os.fstat(file), path, user)
        return _bounded(file, path, limit)
    finally:
        os.close(file)


def _check(found: os.stat_result, path: str, user: User) -> None:
    why = ""
    if not stat.S_ISREG(found.st_mode):
        why = "it is no plain file"
    elif found.st_uid not in (0, user.uid):
        why = "it belongs to another user"
    elif found.st_mode & stat.S_IWOTH:
        why = "everybody may write it"
    if why:
        raise Failed(Exit.NOINPUT, f"{path} is not used: {why}")


def _bounded(file: int, path: str, limit: int) -> str:
    data = b""
    while block := os.read(file, limit + 1 - len(data)):
        data += block
    if len(data) > limit:
        later("4.3.5", f"{os.path.basename(path)} is longer than {limit} octets")
    try:
        return data.decode()
    except UnicodeDecodeError:
        later("4.3.5", f"{os.path.basename(path)} is not in UTF-8")


def _with_includes(found: list[Target], user: User, settings: Settings) -> list[Target]:
    """Each included file once, in the place where it is named first."""
    seen: set[str] = set()
    out: list[Target] = []
    waiting = [(target, False) for target in reversed(found)]
    while waiting:
        target, included = waiting.pop()
        if target.kind == Kind.INCLUDE:
            if target.text in seen:
                continue
            seen.add(target.text)
            if len(seen) > _INCLUDES:
                later("4.3.5", f".forward includes more than {_INCLUDES} files")
            waiting += [(more, True) for more in reversed(_included(target.text, user, settings))]
        elif included and target.kind != Kind.ADDRESS:
            later("4.3.5", "a file that .forward includes may name addresses alone")
        elif target not in out:
            out.append(target)
        if len(out) > settings.forward_count:
            later("4.3.5", f".forward names more than {settings.forward_count} targets")
    return out


def _included(path: str, user: User, settings: Settings) -> list[Target]:
    if not path.startswith("/"):
        path = f"{user.home}/{path}"
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            later("4.3.5", "a file that .forward includes is no plain file")
        return targets(_bounded(file, path, settings.forward_limit))
    finally:
        os.close(file)
