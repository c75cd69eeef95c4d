"""The path of a queued recipient: what it was expanded from, oldest first. Loops end here. Pure.

alice@example.org              the key of an address (model.address.key); or the text of a file that was included
alice@example.org (virtual)    by virtual_alias_maps: its other aliases may still lead on
alice@example.org (sieve)      by the script of that account
|copy                          as the only step: the account's own copy of what it sends, for its folder Sent
|alias                         as the last step only: the recipient is no address, but what such a list may also hold
                               ("|command", "/file", ":include:/file"); behind it, where to go on in a long one
"""

from msgspec import Struct

from .address import key

COPY = "copy"
_COPY_OF = ":copy:"  # so that it is told from mail to the account
VIRTUAL, SIEVE, LUSER = " (virtual)", " (sieve)", " (luser_relay)"
_MARK = "|"

Path = tuple[str, ...]


class Mark(Struct, frozen=True):
    """The last step of what is no address, or of the rest of a long list. `where`: the kind of list it stands in (alias,
    forward, include); "" for an address. `start`: where to go on, in the words of who reads the list; "" at its beginning."""

    where: str = ""
    start: str = ""

    def __str__(self) -> str:
        return f"{_MARK}{self.where} {self.start}".rstrip()


def divided(path: Path) -> tuple[Path, Mark | None]:
    """The path without its mark, and the mark."""
    if not path or not path[-1].startswith(_MARK) or "@" in path[-1]:  # whose key begins so is an address for all that
        return path, None
    where, _, start = path[-1].removeprefix(_MARK).partition(" ")
    return path[:-1], Mark(where, start)


def copy_for(account: str) -> tuple[str, Path]:
    """Address and path of the recipient that is an account's own copy of what it sends."""
    return _COPY_OF + account, (str(Mark(COPY)),)


def copied_to(address: str) -> str:
    """The account of such a recipient."""
    return address.removeprefix(_COPY_OF)


def is_copy_address(address: str) -> bool:
    return address.startswith(_COPY_OF)


def is_copy(path: Path) -> bool:
    mark = divided(path)[1]
    return mark is not None and mark.where == COPY


def name(address: str, path: Path) -> str:
    """What a recipient is told from others by: commands and files as they are written, addresses by their key."""
    mark = divided(path)[1]
    return key(address) if mark is None or not mark.where else address


def shown(address: str, path: Path) -> str:
    """The address that stands for the recipient towards people: of what is no address, that of the list it stands in."""
    steps, mark = divided(path)
    if mark is None or not mark.where:
        return address
    return next((plain(step) for step in reversed(steps) if "@" in step and step[:1] not in "/:|"), address)


def plain(step: str) -> str:
    """A step without the word of how it was taken."""
    return next((step.removesuffix(word) for word in (VIRTUAL, SIEVE, LUSER) if step.endswith(word)), step)


def by_luser_relay(step: str) -> bool:
    return step.endswith(LUSER)
