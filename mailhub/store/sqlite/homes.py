"""Where an account's Maildir lies. DATA/mail/DOMAIN/USER/Maildir is the Maildir itself or, with `store.mail_location`, a link to where
another server had it: all else goes by the one name."""

import contextlib

from mailhub.model.address import split

from .. import maildir
from ..files import Files
from .intents import make_maildir


class Homes:
    """`mail`: DATA/mail. `location`: "/var/vmail/%d/%n" (%u: the whole address), "" for none."""

    def __init__(self, files: Files, mail: str, location: str) -> None:
        self._files, self._mail, self._location = files, mail, location

    def path(self, account: str) -> str:
        return f"{self._mail}/{maildir.home(account)}"

    def make(self, account: str) -> None:
        """OSError where it can not be made."""
        path = self.path(account)
        if self._location and not self._files.exists(path):
            target = self._target(account)
            make_maildir(self._files, target)
            self._files.make_dirs(path.rpartition("/")[0])
            with contextlib.suppress(FileExistsError):  # two deliveries at one time
                self._files.symlink(target, path)
        make_maildir(self._files, path)

    def _target(self, account: str) -> str:
        local, domain = split(account)
        words = {"d": maildir.segment(domain or "-"), "n": maildir.segment(local), "u": maildir.segment(account)}
        pieces = self._location.split("%")
        return pieces[0] + "".join(words[piece[0]] + piece[1:] for piece in pieces[1:])


def root(location: str) -> str:
    """The folder that all of them lie below."""
    return location.partition("%")[0].rpartition("/")[0] or "/"
