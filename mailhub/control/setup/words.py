"""What can be asked about the DNS records of a domain, and about how it looks from outside."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from ..request import Request

Name = Annotated[str, Meta(min_length=1, max_length=255)]


class DnsRecord(Struct, frozen=True, kw_only=True):
    """A record as it has to be. `data`: as zone files have it, strings of at most 255 octets; `text`: of TXT, the strings joined and
    without quotes; `why`: what it is for. Not `inside`: it stands in another zone than the domain's."""

    name: str
    kind: str
    data: str
    text: str = ""
    why: str
    inside: bool = True


class DnsZone(Struct, frozen=True, kw_only=True):
    """`zone`: all records as a zone file; `notes`: what could not be known, and what else is to be done."""

    domain: str
    hostname: str
    records: tuple[DnsRecord, ...]
    notes: tuple[str, ...]
    zone: str


class DnsShow(Request[DnsZone], frozen=True, kw_only=True, tag="dns.show"):
    """The DNS records that a domain of ours needs, made of the configuration, the DKIM keys and the certificate."""

    domain: Name


State = Literal["ok", "wrong", "unknown"]


class Diagnosis(Struct, frozen=True, kw_only=True):
    """One line of an examination. `check`: its name, always the same; `state`: "unknown" where it cannot be judged from here;
    `todo`: the one thing to do next, "" where there is none."""

    check: str
    state: State
    text: str
    todo: str = ""


class DoctorCheck(Request[tuple[Diagnosis, ...]], frozen=True, kw_only=True, tag="doctor.check"):
    """How a domain of ours looks to others: every record, name, way and certificate. `skip`: checks that are left out."""

    domain: Name
    skip: Annotated[tuple[Annotated[str, Meta(max_length=20)], ...], Meta(max_length=30)] = ()
