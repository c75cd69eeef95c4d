"""Users that are known to NSS alone (libnss-extrausers), and a mail spool, for programs that are started through `python`.

That is a wrapper: it gives the program a view of its own of /etc/nsswitch.conf, /var/lib/extrausers and /var/mail (a mount namespace),
so that nothing of the system is changed. Needs root.
"""

import contextlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.daemons import short_folder
from support.server import REPOSITORY

FIRST = 61_001  # user ids
_WRAPPER = """#!/bin/sh
exec unshare -m sh -c '
{opened}mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf && mount --bind "$0/extrausers" /var/lib/extrausers &&
mount --bind "$0/mail" /var/mail && exec "$@"' {folder} "$@"
"""


@dataclass
class SystemUsers:
    """`folder` holds all; `homes` and `mail` below it. `python`: the wrapped interpreter; `inside`: before any command."""

    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / "python")

    @property
    def inside(self) -> str:
        return str(self.folder / "inside")

    def as_user(self, user: str) -> list[str]:
        """What stands before a command of that user's."""
        uid = str(self.uid(user))
        rights = ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups"]
        return [self.inside, *rights, "env", f"HOME={self.home(user)}", f"USER={user}", f"LOGNAME={user}"]

    def started_by(self, user: str) -> None:
        """From here on `python` and `inside` are that user's."""
        rights = " ".join(self.as_user(user)[1:7])
        inside = self.folder / "inside"
        inside.write_text(inside.read_text().replace('exec "$@"', f'exec {rights} "$@"'))

    @property
    def mail(self) -> Path:
        return self.folder / "mail"

    def home(self, user: str) -> Path:
        return self.folder / "homes" / user

    def uid(self, user: str) -> int:
        for line in (self.folder / "extrausers/passwd").read_text().splitlines():
            if line.startswith(f"{user}:"):
                return int(line.split(":")[2])
        raise KeyError(user)

    def add(self, *users: str, home: bool = True) -> None:
        passwd, group = self.folder / "extrausers/passwd", self.folder / "extrausers/group"
        for user in users:
            uid = FIRST + len(passwd.read_text().splitlines())
            with passwd.open("a") as file:
                file.write(f"{user}:x:{uid}:{uid}::{self.home(user)}:/bin/sh\n")
            with group.open("a") as file:
                file.write(f"{user}:x:{uid}:\n")
            if home:
                self.home(user).mkdir(mode=0o700)
                os.chown(self.home(user), uid, uid)

    def write(self, user: str, name: str, text: str, mode: int = 0o600) -> Path:
        """A file in the user's home, the user's."""
        file = self.home(user) / name
        file.write_text(text)
        file.chmod(mode)
        os.chown(file, self.uid(user), self.uid(user))
        return file

    def inbox(self, user: str) -> str:
        """ "" where there is none."""
        file = self.mail / user
        return file.read_text() if file.exists() else ""


def _opened(folder: Path) -> str:
    """Commands that give everybody a way to Python and to us, where a folder above is root's alone."""
    needed = {Path(sys.base_prefix), Path(sys.prefix), REPOSITORY}
    closed = {
        place: [above for above in reversed(place.parents) if not above.stat().st_mode & stat.S_IXOTH][:1]
        for place in needed
    }
    text = ""
    hidden = [(n, place, above[0]) for n, (place, above) in enumerate(closed.items()) if above]
    for n, place, _ in hidden:
        (folder / f"way{n}").mkdir()
        text += f"mount --bind {place} {folder}/way{n} &&\n"
    for above in {above for _, _, above in hidden}:
        text += f"mount -t tmpfs -o mode=755 none {above} &&\n"
    for n, place, _ in hidden:
        text += f"mkdir -p {place} && mount --bind {folder}/way{n} {place} &&\n"
    return text


def _program(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


@contextlib.contextmanager
def system_users(*users: str) -> Iterator[SystemUsers]:
    if os.geteuid():
        pytest.skip("system users need root")
    if not any(
        found for form in ("", "*/") for found in Path("/usr/lib").glob(f"{form}libnss_extrausers.so.2")
    ) or not shutil.which("unshare"):
        pytest.skip("libnss-extrausers or unshare is not installed")
    with short_folder() as folder:
        (folder / "extrausers").mkdir()
        for name in ("passwd", "group", "shadow"):
            (folder / "extrausers" / name).touch()
        names = "passwd: files extrausers\ngroup: files extrausers\nshadow: files extrausers\nhosts: files dns\n"
        (folder / "nsswitch.conf").write_text(names)
        (folder / "homes").mkdir()
        (folder / "mail").mkdir()
        shutil.chown(folder / "mail", group="mail")
        (folder / "mail").chmod(0o2775)
        _program(folder / "inside", _WRAPPER.format(folder=folder, opened=_opened(folder)))
        _program(folder / "python", f'#!/bin/sh\nexec {folder}/inside {sys.executable} "$@"\n')
        place = SystemUsers(folder)
        place.add(*users)
        yield place
