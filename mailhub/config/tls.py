"""Certificates, and the TLS that clients may speak."""

from typing import Literal

from .section import Name, Section

EXPIRY = 14  # days before its end from which on a certificate is to be renewed


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
    # Certificates of clients: not asked for, asked for, or required; signed by an authority in this PEM file.
    client_certificates: Literal["none", "ask", "require"] = "none"
    client_ca: str = ""
