"""What an account, or a folder of it, had besides mail, and gets again out of a backup."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import Done, Request

Name = Annotated[str, Meta(max_length=1_000)]
Several = Annotated[tuple[str, ...], Meta(max_length=10_000)]


class KeptPassword(Struct, frozen=True, kw_only=True):
    """An app password as it was stored."""

    name: Name
    digest: Name
    services: Several = ()
    created: float = 0.0


class KeptFactor(Struct, frozen=True, kw_only=True):
    """A second factor as it was stored."""

    secret: Name
    confirmed: bool
    counter: int
    recovery: Several = ()


class KeptNote(Struct, frozen=True, kw_only=True):
    """An annotation (RFC 5464); `private`: the owner's own."""

    entry: Name
    value: bytes
    private: bool


class KeywordOf(Struct, frozen=True, kw_only=True):
    """A keyword that names of files do not carry, and messages that had it."""

    keyword: Name
    uids: Annotated[tuple[int, ...], Meta(max_length=10_000)]


class UserParts(Request[Done], frozen=True, kw_only=True, tag="user.parts"):
    """Of an account that was made again; what is there already stays. `folder`: "" for what is the account's."""

    address: Name
    passwords: Annotated[tuple[KeptPassword, ...], Meta(max_length=10_000)] = ()
    factor: KeptFactor | None = None
    folder: Name = ""
    rights: Annotated[tuple[tuple[Name, Name], ...], Meta(max_length=10_000)] = ()
    notes: Annotated[tuple[KeptNote, ...], Meta(max_length=10_000)] = ()
    keywords: Annotated[tuple[KeywordOf, ...], Meta(max_length=1_000)] = ()
