"""Where passwords are checked: the directory's own, and what existing mail hosts run. One module for each.

Adding one: a class of this shape, and a row in `hub`'s table of the words of `auth.providers`.
"""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Secret:
    """What is stored of an account's password: `{SCHEME}...`, one or several forms (directory.passwords)."""

    account: str
    stored: str = field(repr=False)


class Provider(Protocol):
    """One source of truth about passwords. `name`: for the log. Raises Temporary where it can not be told."""

    @property
    def name(self) -> str: ...

    async def verify(self, login: str, password: str, *, service: str, client: str) -> str | None:
        """The name of the account that the login stands for; None where it is refused, or unknown here."""
        ...

    async def secret(self, login: str) -> Secret | None:
        """What is stored, for challenge-response; None where there is none or it can not be shown."""
        ...
