"""How an account calls folders of others (RFC 2342): names below a prefix, and whose folder each stands for.

    Other Users.bob@example^org.Lists.python      folder "Lists.python" of bob@example.org
    Public.News                                   folder "News" of the account that owns the public folders

"." divides levels, so that of an account's name is written "^", as Cyrus does. An account with "^" in its name has no such name.
"""

from mailhub.config import schema
from mailhub.model.mailbox import SEPARATOR


class Namespaces:
    """`personal` needs no prefix; `others` and `public` are prefixes with their separator, "" where there is none."""

    def __init__(self, config: schema.Mailbox) -> None:
        self._owner = config.public_account
        self.others = _prefix(config.other_users_prefix)
        self.public = _prefix(config.public_prefix) if config.public_account else ""

    def owner_of(self, name: str) -> tuple[str, str] | None:
        """`(account, folder)` that a name below a prefix stands for, both perhaps ""; None where it is below none."""
        if self.public and (name + SEPARATOR).startswith(self.public):
            return self._owner, name[len(self.public) :]
        if self.others and (name + SEPARATOR).startswith(self.others):
            written, _, folder = name[len(self.others) :].partition(SEPARATOR)
            return written.replace("^", ".").lower(), folder
        return None

    def name_of(self, account: str, folder: str) -> str | None:
        """What the others call a folder; None where they have no name for it."""
        if account == self._owner and self.public:
            return self.public + folder
        if self.others and "^" not in account:
            return f"{self.others}{account.replace('.', '^')}{SEPARATOR}{folder}"
        return None


def _prefix(name: str) -> str:
    return name + SEPARATOR if name else ""
