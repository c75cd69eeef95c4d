"""Mail that leaves: [relay], [transport.NAME] and [tls_reports]."""

from typing import Annotated, Literal

from msgspec import Meta

from .lookup import Lookup
from .section import Count, Name, Octets, Port, Seconds, Section


class Relay(Section, frozen=True, kw_only=True):
    # The port that MX hosts are asked on (other than 25 only in tests).
    port: Port = 25
    # Addresses to connect from; "" lets the system choose.
    source_ipv4: str = ""
    source_ipv6: str = ""
    ipv6: bool = True
    connect_timeout: Seconds = 30.0
    greeting_timeout: Seconds = 300.0
    command_timeout: Seconds = 300.0
    data_timeout: Seconds = 600.0
    # Hosts tried in one attempt.
    host_limit: Count = 5
    # Connections kept open after use: how long, how many, and messages over one of them.
    keep_seconds: Seconds = 5.0
    keep_limit: Count = 100
    messages_per_connection: Count = 100
    # Recipients of one transaction; 100 where the peer does not say that it takes more.
    recipient_limit: Count = 1_000
    # Extensions that are not used, whoever offers them, by their EHLO keyword.
    discard_ehlo_keywords: tuple[str, ...] = ()
    # The TLS that mail hosts must speak, in Postfix's words: not at all, where it works, with whomever, as DNSSEC says, with who
    # has a certificate for the mail host's or for the domain's name. docs/operator.md says more.
    tls: Literal["none", "may", "encrypt", "dane", "dane-only", "verify", "secure"] = "may"
    # The same for one nexthop, with attributes: Postfix's smtp_tls_policy_maps.
    tls_policy: Lookup = Lookup()
    # PEM file of the authorities whose certificates count; "": those of the system.
    tls_ca: str = ""
    # Names and passwords for hosts that want them, "name:password": Postfix's smtp_sasl_password_maps. Keys: the sender's address or
    # @domain, the nexthop as it is written, the host.
    passwords: Lookup = Lookup()
    # SASL mechanisms that may be used; the strongest that the host offers is.
    auth_mechanisms: tuple[Literal["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"], ...] = (
        "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN",
    )  # fmt: skip
    # Sign in over connections without TLS, too.
    auth_in_clear: bool = False
    # Tell hosts that offer XFORWARD who brought the message: Postfix's smtp_send_xforward_command. For content filters.
    send_xforward: bool = False
    # Obey the MTA-STS policies of domains (RFC 8461): time to fetch one, how many are kept, the port they are fetched from (other than
    # 443 only in tests).
    mta_sts: bool = True
    mta_sts_timeout: Seconds = 60.0
    mta_sts_limit: Count = 100_000
    mta_sts_port: Port = 443


class Transport(Section, frozen=True, kw_only=True):
    """[transport.NAME]: a way out beside those that are always there, or another setting of smtp, relay or lmtp."""

    protocol: Literal["smtp", "lmtp", "pipe"]
    # Deliveries at one time; 0: queue.transport_concurrency.
    concurrency: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    # smtp and lmtp, what is different from [relay]: [transport.NAME.relay] with the keys that differ.
    relay: Relay | None = None
    # pipe: the program and its arguments, with the macros of pipe(8) ($recipient, ${sender}, ...). There is no shell.
    command: tuple[str, ...] = ()
    # pipe: who runs it, "user" or "user:group"; needed where mailhub runs as root, and of no effect where it does not.
    user: str = ""
    # pipe: flags of pipe(8), any of BDFORXhqu.>
    flags: str = ""
    # pipe: the sender of mail that has none; line ends; where it runs; "NAME=value" for its environment.
    null_sender: str = "MAILER-DAEMON"
    eol: Literal["lf", "crlf"] = "lf"
    directory: Name = "/"
    environment: tuple[str, ...] = ()
    # pipe: recipients of one run; time for it; octets of its output that are kept.
    recipient_limit: Count = 1
    time_limit: Seconds = 1_000.0
    output_limit: Octets = 4_096


class DmarcReports(Section, frozen=True, kw_only=True):
    # Tell other domains each day what was found of mail with them in From, where they ask for it (RFC 9990).
    send: bool = False
    # Who reports, and the address for questions; empty: the host's name, and its postmaster.
    organization: str = ""
    contact: str = ""
    # Different findings counted in one day, of all domains and of one; those beyond are left out.
    limit: Count = 100_000
    domain_limit: Count = 5_000
    # Reports go out at a moment of this time after midnight UTC.
    spread: Annotated[float, Meta(ge=0, le=86_000)] = 14_400.0


class TlsReports(Section, frozen=True, kw_only=True):
    # Tell other domains each day how TLS with their mail hosts went, where they ask for it (TLSRPT, RFC 8460).
    send: bool = False
    # Who reports, and the address for questions; empty: the host's name, and its postmaster.
    organization: str = ""
    contact: str = ""
    # Different outcomes counted in one day; those beyond are left out.
    limit: Count = 100_000
    # Reports go out at a moment of this time after midnight UTC.
    spread: Annotated[float, Meta(ge=0, le=86_000)] = 14_400.0
