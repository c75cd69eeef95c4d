"""Where an account's mail lies, for programs that ask for the home of a user."""

from pathlib import Path

from mailhub.model.address import key
from mailhub.store import maildir


def home(data: Path, address: str) -> Path:
    """The folder in which its Maildir is, or a link to that."""
    return (data / "mail" / maildir.home(key(address))).parent
