"""What can be asked about the DNS records of a domain."""

from typing import Annotated

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
