"""Certificates, and the TLS that clients may speak."""

from typing import Annotated, Literal

from msgspec import Meta

from .section import Name, Seconds, Section

EXPIRY = 14  # days before its end from which on a certificate is to be renewed


class Acme(Section, frozen=True, kw_only=True):
    # Where an authority's directory is (ACME, RFC 8555): "https://acme-v02.api.letsencrypt.org/directory"; "": none is asked.
    directory: str = ""
    # Its terms are agreed to: needed, since whoever asks for certificates has agreed.
    agree_terms: bool = False
    # Names to get certificates for, one each; "%d" stands for each of our domains: "mta-sts.%d". Empty: `hostname`.
    names: Annotated[tuple[Name, ...], Meta(max_length=100)] = ()
    # A program that proves names in DNS (dns-01) instead: it is run with `present` or `cleanup`, a record's name, and its value. Wildcards need it.
    dns_command: Annotated[tuple[Name, ...], Meta(max_length=50)] = ()
    # Who runs it, "user" or "user:group"; needed where mailhub runs as root, and of no effect where it does not.
    dns_user: str = ""
    # How long until all name servers have what it did.
    dns_wait: Seconds = 30.0
    # Addresses that the authority may write to.
    contact: Annotated[tuple[Name, ...], Meta(max_length=5)] = ()
    # Days before its end from which on a certificate is renewed.
    renew_days: Annotated[float, Meta(ge=1, le=365)] = 30.0
    # PEM file of the authorities that vouch for that directory's server; "": those of the system.
    ca: str = ""


class Certificate(Section, frozen=True, kw_only=True):
    """One more certificate. `names` empty: those that stand in it."""

    certificate: Name
    key: str = ""
    names: tuple[str, ...] = ()


class Tls(Section, frozen=True, kw_only=True):
    # PEM files; empty: a self-signed certificate in the data directory, made at the first start.
    certificate: str = ""
    key: str = ""
    minimum: Literal["TLSv1.2", "TLSv1.3"] = "TLSv1.2"
    # OpenSSL's word for the ciphers of TLS 1.2.
    ciphers: Name = "ECDHE+AESGCM:ECDHE+CHACHA20"
    # Certificates for other names, chosen by what the client asks for (SNI). All are read again when their files change.
    certificates: tuple[Certificate, ...] = ()
    # Certificates by ACME, proved by http-01: a listener with `protocol = "http"` has to be reached by port 80.
    acme: Acme = Acme()
    # Certificates of clients: not asked for, asked for, or required; signed by an authority in this PEM file.
    client_certificates: Literal["none", "ask", "require"] = "none"
    client_ca: str = ""
