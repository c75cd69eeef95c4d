"""What can be asked about DKIM keys."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import Done, Request

Name = Annotated[str, Meta(min_length=1, max_length=253)]
Selector = Annotated[str, Meta(pattern=r"\A[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?\Z")]


class DkimRecord(Struct, frozen=True, kw_only=True):
    """A key without its private half. `state`: "new", "active", "retired", since that wall time; `name` and `record`: what has to stand
    in DNS, a TXT record."""

    domain: str
    selector: str
    kind: str
    state: str
    since: float
    name: str
    record: str


class DkimCreate(Request[tuple[DkimRecord, ...]], frozen=True, kw_only=True, tag="dkim.create"):
    """A pair of keys, RSA and Ed25519. `rotate`: beside others, which they follow; else there may be none. `selector`: the beginning of
    theirs; "": of the date."""

    domain: Name
    selector: Selector | None = None
    rotate: bool = False


class DkimList(Request[tuple[DkimRecord, ...]], frozen=True, kw_only=True, tag="dkim.list"):
    """Of a domain; "": of all."""

    domain: Annotated[str, Meta(max_length=253)] = ""


class DkimActivate(Request[tuple[DkimRecord, ...]], frozen=True, kw_only=True, tag="dkim.activate"):
    """Let new keys sign, whatever DNS says."""

    domain: Name


class DkimRemove(Request[Done], frozen=True, kw_only=True, tag="dkim.remove"):
    domain: Name
    selector: Annotated[str, Meta(min_length=1, max_length=63)]
