"""What can be asked about tokens for the HTTP interface. They are made by command and by an administrator's browser: no token makes another."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import Done, Request

Name = Annotated[str, Meta(min_length=1, max_length=100)]


class Token(Struct, frozen=True, kw_only=True):
    """One of them, without itself. Times are wall times, to the hour for `used`; 0: never.
    `maker`: the account whose browser made it; "" where a command did."""

    name: str
    scopes: tuple[str, ...]
    created: float
    expires: float
    used: float
    client: str
    maker: str


class MadeToken(Struct, frozen=True, kw_only=True):
    """Told this once."""

    token: str


class TokenAdd(Request[MadeToken], frozen=True, kw_only=True, tag="token.add"):
    """`scopes`: "SUBJECT:read", "SUBJECT:write" (which reads too), with "*" for all subjects; with "@DOMAIN" behind it, there alone. `lifetime`: seconds, 0 without end.
    `maker`: on whose right it stands: it ends with that; "": the command line's."""

    name: Name
    scopes: Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)]
    lifetime: Annotated[float, Meta(ge=0, le=3e9)] = 0.0
    maker: Annotated[str, Meta(max_length=320)] = ""


class TokenList(Request[tuple[Token, ...]], frozen=True, kw_only=True, tag="token.list"):
    pass


class TokenRemove(Request[Done], frozen=True, kw_only=True, tag="token.remove"):
    name: Name
