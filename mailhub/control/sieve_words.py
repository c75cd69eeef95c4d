"""What can be asked about the Sieve scripts of accounts."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import Done, Request

Account = Annotated[str, Meta(min_length=1, max_length=320)]
ScriptName = Annotated[str, Meta(min_length=1, max_length=128)]


class SieveScript(Struct, frozen=True, kw_only=True):
    name: str
    size: int
    active: bool


class SieveText(Struct, frozen=True, kw_only=True):
    text: str


class SieveList(Request[tuple[SieveScript, ...]], frozen=True, kw_only=True, tag="sieve.list"):
    account: Account


class SieveGet(Request[SieveText], frozen=True, kw_only=True, tag="sieve.get"):
    account: Account
    name: ScriptName


class SievePut(Request[Done], frozen=True, kw_only=True, tag="sieve.put"):
    """Made or replaced; refused where it does not compile."""

    account: Account
    name: ScriptName
    text: Annotated[str, Meta(max_length=1 << 24)]


class SieveActivate(Request[Done], frozen=True, kw_only=True, tag="sieve.activate"):
    """Without a name: none is active any more."""

    account: Account
    name: str = ""


class SieveDelete(Request[Done], frozen=True, kw_only=True, tag="sieve.delete"):
    account: Account
    name: ScriptName
