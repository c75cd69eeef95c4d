"""What can be asked about reports that others have sent us."""

from typing import Annotated

from msgspec import Meta, Struct

from .request import Request
from .route_words import Address

Days = Annotated[int, Meta(ge=1, le=400)]


class DmarcSource(Struct, frozen=True, kw_only=True):
    """Messages with a domain of ours in From that others had from one address. `aligned`: DKIM or SPF spoke for the domain."""

    domain: str
    source: str
    messages: int
    aligned: int
    dkim: int
    spf: int
    refused: int
    quarantined: int


class DmarcReports(Struct, frozen=True, kw_only=True):
    """`reports`: how many were read, from these `organizations`; `unread`: what looked like one and is broken, or too
    much to be read at one time. `sources`: most messages first; beyond 50,000 different ones they are "others"."""

    reports: int
    unread: int
    organizations: tuple[str, ...]
    sources: tuple[DmarcSource, ...]


class TlsDestination(Struct, frozen=True, kw_only=True):
    """Sessions of others with our mail hosts. `failures`: kind of failure, and how often, most first."""

    domain: str
    policy: str
    successes: int
    failed: int
    failures: tuple[tuple[str, int], ...]


class TlsReports(Struct, frozen=True, kw_only=True):
    reports: int
    unread: int
    organizations: tuple[str, ...]
    destinations: tuple[TlsDestination, ...]


class ReportsDmarc(Request[DmarcReports], frozen=True, kw_only=True, tag="reports.dmarc"):
    """Sums over the reports of the last days that lie in the mailbox of `account` (what its rua address leads to); `domain` "": all."""

    account: Address
    days: Days = 7
    domain: str = ""


class ReportsTls(Request[TlsReports], frozen=True, kw_only=True, tag="reports.tls"):
    account: Address
    days: Days = 7
    domain: str = ""
