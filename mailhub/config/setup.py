"""The options of [setup]: what the Internet is told about this host, in DNS and by the set-up of mail programs."""

from typing import Annotated, Literal

from msgspec import Meta, field

from .section import Name, Port, Seconds, Section


class Setup(Section, frozen=True, kw_only=True):
    # Addresses under which others reach this host; empty: those of its interfaces that are public.
    addresses: Annotated[tuple[str, ...], Meta(max_length=50)] = ()
    # Ports under which others reach listeners, by their names, where a router or a proxy stands between: { imap = 143, http = 443 }.
    ports: dict[str, Port] = field(default_factory=dict)
    # Hosts that take mail for our domains, the best first; empty: this one.
    mx: Annotated[tuple[Name, ...], Meta(max_length=20)] = ()
    # What may send for our domains besides those hosts: terms of SPF, such as "include:_spf.example.net".
    spf: Annotated[tuple[Name, ...], Meta(max_length=20)] = ()
    # What others shall do with mail that nothing speaks for: "none", "quarantine" or "reject".
    dmarc: Literal["none", "quarantine", "reject"] = "none"
    # Our own MTA-STS policy: "off" (there is none), "none" (there is none any more), "testing" or "enforce".
    mta_sts: Literal["off", "none", "testing", "enforce"] = "testing"
    # How long others keep it.
    mta_sts_max_age: Annotated[int, Meta(ge=86_400, le=31_557_600)] = 604_800
    # Who gets reports about DMARC and TLS: an address, or the local part of one in each domain.
    reports: Name = "postmaster"
    # Mail hosts that `mailhub doctor` connects to, to see whether port 25 is open on the way out; empty: none.
    probes: Annotated[tuple[Name, ...], Meta(max_length=10)] = ("gmail-smtp-in.l.google.com", "mx1.mail.icloud.com")
    # Time for each of its questions.
    timeout: Seconds = 15.0
