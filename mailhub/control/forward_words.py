"""What can be asked about accounts whose mail goes on, and what is answered."""

from typing import Annotated

from msgspec import Meta, Struct

from .mailbox_words import Address
from .request import Request


class Forward(Struct, frozen=True, kw_only=True):
    """Mail for the account goes on to `targets`, none: nowhere; `keep`: and stays in its mailbox, too."""

    address: str
    targets: tuple[str, ...]
    keep: bool


class ForwardGet(Request[Forward], frozen=True, kw_only=True, tag="forward.get"):
    address: Address


class ForwardSet(Request[Forward], frozen=True, kw_only=True, tag="forward.set"):
    """Sets the targets, whatever they were; none: all mail stays."""

    address: Address
    targets: Annotated[tuple[Address, ...], Meta(max_length=999)] = ()
    keep: bool = False
